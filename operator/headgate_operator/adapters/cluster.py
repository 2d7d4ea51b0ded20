"""The API server, through the official client's async half: the only `kubernetes` import.

Speaks plain dicts, maps every failure to an error of `ports`, decides nothing. Built by the composition root.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import yaml
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.kube_config import KubeConfigMerger

from headgate_operator.adapters.kinds import collection_path, object_path
from headgate_operator.api.names import FIELD_MANAGER
from headgate_operator.ports import (
    ClusterError,
    ConflictError,
    NotFoundError,
    ObjectRef,
    RejectedError,
    UnavailableError,
)

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

PAGE = 500
"""Objects of one page of a listing: bounds memory on both sides."""

TIMEOUT = 15.0
"""Seconds that one request may take."""

APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"

_UNUSABLE = (ConfigException, OSError, yaml.YAMLError, TypeError, AttributeError, KeyError, ValueError)
"""What the client library raises for kubeconfigs: it looks into whatever YAML it finds."""

_LATER = frozenset({408, 429, 500, 502, 503, 504})


async def connect(
    kubeconfig: str | None, version: str, context: str | None = None, program: str = FIELD_MANAGER
) -> "ApiServer":
    """A client from a kubeconfig (its current context, if none is named), else from the service account of the pod.

    Raises UnavailableError with the remedy.
    """
    configuration = client.Configuration()
    try:
        if kubeconfig:
            await config.load_kube_config(kubeconfig, context, client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except _UNUSABLE as error:
        raise UnavailableError(f"no way to the API server: {error}; set KUBECONFIG outside of a cluster") from error
    configuration.connection_pool_maxsize = 32  # each holds some 14 KB of TLS state
    api = client.ApiClient(configuration)
    api.user_agent = f"{program}/{version}"
    return ApiServer(api)


class ApiServer:
    """Implements `ports.Cluster`."""

    def __init__(self, api: Any) -> None:
        self._api = api

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, ref: ObjectRef) -> dict[str, Any]:
        """Read one object."""
        return await self._request("GET", object_path(ref))

    async def list(
        self, api_version: str, kind: str, namespace: str | None, selector: str
    ) -> AsyncIterator[dict[str, Any]]:
        """Read all objects of a kind, page by page."""
        path, token = collection_path(api_version, kind, namespace), ""
        while True:
            query = {"limit": str(PAGE), "labelSelector": selector, "continue": token}
            page = await self._request("GET", path, query={name: value for name, value in query.items() if value})
            for item in page.get("items") or ():
                # Items of a typed list leave out what all of them share.
                yield {"apiVersion": api_version, "kind": kind, **item}
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return

    async def apply(self, ref: ObjectRef, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply by force."""
        query = {"fieldManager": manager, "force": "true"}
        return await self._request("PATCH", object_path(ref), query=query, body=manifest, content_type=APPLY_PATCH)

    async def delete(self, ref: ObjectRef, uid: str, *, orphan: bool = False) -> None:
        """Delete this very object."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Orphan" if orphan else "Background"}
        await self._request("DELETE", object_path(ref), body=body)

    async def patch(
        self, ref: ObjectRef, patch: Mapping[str, Any], subresource: str = "", manager: str = FIELD_MANAGER
    ) -> dict[str, Any]:
        """JSON merge patch."""
        query = {"fieldManager": manager}
        path = object_path(ref, subresource)
        return await self._request("PATCH", path, query=query, body=patch, content_type=MERGE_PATCH)

    async def create(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object."""
        path = collection_path(ref.api_version, ref.kind, ref.namespace)
        return await self._request("POST", path, query={"fieldManager": FIELD_MANAGER}, body=manifest)

    async def replace(self, ref: ObjectRef, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an object over the resourceVersion in the manifest."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("PUT", object_path(ref), query=query, body=manifest)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        try:
            status, content = await self._send(method, path, query, body, content_type)
        except (
            aiohttp.ClientError,
            ssl.SSLError,
            OSError,
            TimeoutError,
            ApiException,
            asyncio.IncompleteReadError,
        ) as error:
            raise UnavailableError(f"{method} {path}: {type(error).__name__}: {error}") from error
        answer = _parse(content)
        if status >= 300:
            raise _error_of(status, answer, f"{method} {path}")
        return answer

    async def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None, content_type: str
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": self._api.user_agent}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        response = await self._api.call_api(
            method, url, headers, body=body, _request_timeout=aiohttp.ClientTimeout(total=TIMEOUT)
        )
        return response.status, await response.read()


def _parse(content: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError:
        return {"message": content[:200].decode(errors="replace")}
    return parsed if isinstance(parsed, dict) else {"message": str(parsed)[:200]}


def _error_of(status: int, answer: Mapping[str, Any], request: str) -> ClusterError:
    message = str(answer.get("message") or f"status {status}")
    if status == 404:
        return NotFoundError(message if "details" in answer else f"{request}: {message}", status=status)
    if status == 409:
        return ConflictError(message, status=status)
    if status in _LATER:
        return UnavailableError(f"{request}: {message}", status=status)
    # 401: a token that is being rotated; the next request reads the new one.
    return UnavailableError(message, status=status) if status == 401 else RejectedError(message, status=status)


def default_kubeconfig(environment: Mapping[str, str]) -> str | None:
    """The kubeconfig to use: KUBECONFIG, else none within a pod, else the one in the home directory."""
    if path := environment.get("KUBECONFIG"):
        return path
    if "KUBERNETES_SERVICE_HOST" in environment:
        return None
    home = Path.home() / ".kube" / "config"
    return str(home) if home.exists() else None


def context_namespace(kubeconfig: str | None, context: str | None) -> str:
    """The namespace of a kubeconfig's context, or of the pod; `default` where none is named.

    Says nothing of a kubeconfig that cannot be used: `connect` does.
    """
    if not kubeconfig:
        return _POD_NAMESPACE.read_text().strip() if _POD_NAMESPACE.exists() else "default"
    try:
        merged = KubeConfigMerger(kubeconfig).config
        found = merged["contexts"].get_with_name(context or merged["current-context"])["context"]
        return str(found.safe_get("namespace") or "default")
    except _UNUSABLE:
        return "default"
