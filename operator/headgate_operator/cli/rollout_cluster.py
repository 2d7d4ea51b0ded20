"""Where the `rollout` commands meet the API server: reads one EventRepo and what is kept of it, writes its annotation.

Every failure leaves here as a CommandError with the remedy. Decides nothing.
"""

import asyncio
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from headgate_operator.adapters.cluster import ApiServer, connect, context_namespace, default_kubeconfig
from headgate_operator.api.names import ANNOTATION_COMMAND, API_VERSION, GROUP
from headgate_operator.cli.rollout_history import History, read_history, selector
from headgate_operator.cli.rollout_view import RepoView, UnreadableError, read_view
from headgate_operator.ports import ClusterError, NotFoundError, ObjectRef, UnavailableError
from headgate_operator.render.owned import COMPONENT_REVISION, COMPONENT_ROLLOUT

MANAGER = "headgate-cli"
"""The field manager of the command annotation."""

CLOSE_NAMES = 5
NAMES_READ = 10_000
"""Repos that are looked through for a name that is close to the one asked for."""


class CommandError(Exception):
    """What went wrong and what to do. `passing`: whether the same question may be answered a moment later."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class Target:
    """The repo that a command is about, and the cluster that it is in."""

    api: ApiServer
    namespace: str
    name: str

    @property
    def ref(self) -> ObjectRef:
        """The EventRepo."""
        return ObjectRef(API_VERSION, "EventRepo", self.namespace, self.name)

    async def read(self) -> RepoView:
        """The repo as it is now. Raises CommandError."""
        try:
            return read_view(await self.api.get(self.ref))
        except NotFoundError as error:
            raise CommandError(await _explain_absence(self)) from error
        except ClusterError as error:
            raise CommandError(_explain(error, "get", self), passing=isinstance(error, UnavailableError)) from error
        except UnreadableError as error:
            raise CommandError(str(error)) from error

    async def write_command(self, command: str) -> None:
        """Set the annotation, and nothing else. Raises CommandError."""
        patch = {"metadata": {"annotations": {ANNOTATION_COMMAND: command}}}
        try:
            await self.api.patch(self.ref, patch, manager=MANAGER)
        except ClusterError as error:
            raise CommandError(_explain(error, "patch", self)) from error

    async def read_history(self, view: RepoView) -> History:
        """What is kept in the fleet's namespace. Raises CommandError."""
        namespace, _, fleet = view.fleet.partition("/")
        if not fleet:
            raise CommandError(f"status of {self.namespace}/{self.name} names no fleet yet, so nothing is kept of it")
        try:
            revisions = await _list(
                self.api, "apps/v1", "ControllerRevision", namespace, selector(view, COMPONENT_REVISION)
            )
            states = await _list(self.api, "v1", "ConfigMap", namespace, selector(view, COMPONENT_ROLLOUT))
        except ClusterError as error:
            if error.status == 403:
                raise CommandError(
                    f"revisions are kept in namespace {namespace}, where you may not list controllerrevisions.apps and"
                    f" configmaps: ask whoever runs fleet {view.fleet} for that right"
                ) from error
            raise CommandError(_explain(error, "list", self)) from error
        return read_history(view, revisions, states)


async def open_target(
    kubeconfig: str | None, context: str | None, namespace: str | None, name: str, environment: Mapping[str, str]
) -> Target:
    """The repo of a command line: flags first, then KUBECONFIG, else the pod's or ~/.kube/config. Raises CommandError."""
    path = _find_kubeconfig(kubeconfig, environment)
    try:
        api = await connect(path, version("headgate"), context, "headgate")
    except UnavailableError as error:
        raise CommandError(f"{error}, or pass --kubeconfig and --context") from error
    return Target(api, namespace or context_namespace(path, context), name)


def _find_kubeconfig(given: str | None, environment: Mapping[str, str]) -> str | None:
    path = given or default_kubeconfig(environment)
    if path is None and "KUBERNETES_SERVICE_HOST" not in environment:
        raise CommandError("there is no kubeconfig: pass --kubeconfig, set KUBECONFIG, or write ~/.kube/config")
    if path is not None and not any(Path(part).expanduser().exists() for part in path.split(os.pathsep) if part):
        raise CommandError(f"there is no kubeconfig at {path}: pass --kubeconfig, or set KUBECONFIG")
    return path


async def _list(
    api: ApiServer, api_version: str, kind: str, namespace: str | None, labels: str
) -> list[dict[str, Any]]:
    return [item async for item in api.list(api_version, kind, namespace, labels)]


async def _explain_absence(target: Target) -> str:
    """Why a repo is not there: no such API, no such name (and which are close), or another namespace."""
    where = f"no EventRepo {target.name} in namespace {target.namespace}"
    try:
        here = await _names(target.api, target.namespace)
    except NotFoundError:
        return f"this cluster knows no EventRepo (API group {GROUP}): install the chart, or choose another --context"
    except ClusterError:
        return where
    if close := difflib.get_close_matches(target.name, here, CLOSE_NAMES):
        return f"{where}; did you mean {' or '.join(close)}?"
    if elsewhere := await _namespaces_with(target):
        return f"{where}, but in {', '.join(elsewhere)}: pass -n"
    known = (
        f"; there are {', '.join(sorted(here)[:CLOSE_NAMES])}{', …' if len(here) > CLOSE_NAMES else ''}" if here else ""
    )
    return where + (known or "; there is none at all: check -n and --context")


async def _names(api: ApiServer, namespace: str) -> list[str]:
    return [each[1] for each in await _keys(api, namespace)]


async def _keys(api: ApiServer, namespace: str | None) -> list[tuple[str, str]]:
    found = list[tuple[str, str]]()
    async for item in api.list(API_VERSION, "EventRepo", namespace, ""):
        found.append((item["metadata"]["namespace"], item["metadata"]["name"]))
        if len(found) >= NAMES_READ:
            break
    return found


async def _namespaces_with(target: Target) -> list[str]:
    """Other namespaces with a repo of this name, where the user may look."""
    try:
        found = await _keys(target.api, None)
    except ClusterError:
        return []
    return sorted(namespace for namespace, name in found if name == target.name)[:CLOSE_NAMES]


def _explain(error: ClusterError, verb: str, target: Target) -> str:
    if error.status == 403:
        return (
            f"you may not {verb} EventRepos in namespace {target.namespace}: ask for the role view (to read) or edit"
            f" (for commands) there; kubectl auth can-i {verb} eventrepos.{GROUP} -n {target.namespace} tells"
        )
    if error.status == 401:
        return f"the API server does not know you: log in again, or choose another --context ({error})"
    if isinstance(error, UnavailableError):
        return f"the API server does not answer: {error}"
    return f"the API server refuses: {error}"


async def close(target: Target) -> None:
    """Let go of the connections; a command that is being interrupted still does."""
    await asyncio.shield(target.api.close())
