"""What `headgate render` says of files, beside what lives in the cluster. Runs the command as its users do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.api import Api, Manifest
from tests.e2e.rollouts import FleetKey

COMMAND = Path(sys.executable).with_name("headgate")
PATHS = {
    "ConfigMap": "api/v1/namespaces/{0}/configmaps",
    "Service": "api/v1/namespaces/{0}/services",
    "ServiceAccount": "api/v1/namespaces/{0}/serviceaccounts",
    "Deployment": "apis/apps/v1/namespaces/{0}/deployments",
    "PodDisruptionBudget": "apis/policy/v1/namespaces/{0}/poddisruptionbudgets",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2/namespaces/{0}/horizontalpodautoscalers",
    "HTTPRoute": "apis/gateway.networking.k8s.io/v1/namespaces/{0}/httproutes",
}
OF_STABLE = "headgate.dev/component in (gateway,config,route)"


def render(folder: Path) -> dict[tuple[str, str], Manifest]:
    """What the operator would apply for the files of a folder, by kind and name."""
    done = subprocess.run(
        [COMMAND, "render", "-f", folder, "-o", "json"], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"headgate render: {done.stderr.strip()}")
    return {(each["kind"], each["metadata"]["name"]): each for each in json.loads(done.stdout)["items"]}


def differences(api: Api, wanted: dict[tuple[str, str], Manifest], fleet: FleetKey, *kinds: str) -> list[str]:
    """Where the live objects of these kinds (all, where none is named) are not what was rendered.

    The API server may add to an object (defaults, status, its own metadata); what was rendered must be there as it is,
    and the content of ConfigMaps and routes must be nothing else. What only a rollout makes is left out.
    """
    found: list[str] = []
    for kind in kinds or PATHS:
        live = {each["metadata"]["name"]: each for each in _live(api, kind, fleet)}
        names = {name for one, name in wanted if one == kind}
        found += [f"{kind} {name} is {'missing' if name in names else 'not rendered'}" for name in names ^ live.keys()]
        for name in names & live.keys():
            found += [f"{kind} {name}{each}" for each in _compare(kind, wanted[kind, name], live[name])]
    return found


def _live(api: Api, kind: str, fleet: FleetKey) -> list[Manifest]:
    selector = f"headgate.dev/fleet={fleet[1]},headgate.dev/component!=rollout"
    return [
        each
        for each in api.items(PATHS[kind].format(fleet[0]), selector)
        if f"{fleet[1]}-canary-" not in each["metadata"]["name"]
    ]


def _compare(kind: str, wanted: Manifest, live: Manifest) -> Iterator[str]:
    for key, value in wanted.items():
        if key in ("apiVersion", "kind"):
            continue  # collections leave them out of their items
        if kind in ("ConfigMap", "HTTPRoute") and key != "metadata" and value != live.get(key):
            yield f".{key}: {json.dumps(value)[:300]} is {json.dumps(live.get(key))[:300]}"
        yield from _missing(value, live.get(key), f".{key}")


def _missing(wanted: Any, live: Any, path: str) -> Iterator[str]:
    """What of `wanted` is not so in `live`."""
    match wanted, live:
        case dict(), dict():
            for key, value in wanted.items():
                yield from _missing(value, live.get(key), f"{path}.{key}")
        case list(), list() if len(wanted) == len(live):
            for index, (one, other) in enumerate(zip(wanted, live, strict=True)):
                yield from _missing(one, other, f"{path}[{index}]")
        case _ if wanted != live and not (wanted in ({}, [], None) and live is None):
            yield f"{path}: {json.dumps(wanted)[:200]} is {json.dumps(live)[:200]}"
