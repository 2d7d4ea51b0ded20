"""The objects of a fleet that depend on no repo: workload, Service and what goes with them; and its config objects."""

import base64
from collections.abc import Mapping
from typing import Any

from headgate_gateway.config import SHARD_COUNT, format_duration, shard_file_name
from headgate_gateway.config.grants import SPOOL_GRANTS_FILE, encode_grants
from headgate_operator.api import names
from headgate_operator.api.fleet import FleetService, GatewayFleet
from headgate_operator.api.spool import SpoolMode
from headgate_operator.render.owned import (
    COMPONENT_CONFIG,
    COMPONENT_CREDENTIALS,
    COMPONENT_GATEWAY,
    build_child,
    fleet_labels,
    pod_selector,
)
from headgate_operator.render.templates import Templates
from headgate_operator.render.world import RenderedObject

DEFAULT_REPLICAS = 2
SERVICE_PORT = 80

DEPLOYMENT = "Deployment"
STATEFUL_SET = "StatefulSet"
_REVISION_LABELS = {DEPLOYMENT: "pod-template-hash", STATEFUL_SET: "controller-revision-hash"}


def of_candidate(fleet: GatewayFleet, replicas: int) -> GatewayFleet:
    """The fleet as templates see it where they make gateways beside the stable ones, so that an override of a template
    need know nothing of those.

    They are reached through routes alone: a load balancer, and what annotates it, is the stable Service's. They come
    and go, so where stable ones have a claim each, their spools are the pods' own.
    """
    spool = fleet.spec.spool
    if spool.mode is SpoolMode.VOLUME_CLAIM:
        spool = spool.model_copy(update={"mode": SpoolMode.EMPTY_DIR, "storage_class_name": None})
    own = {"replicas": replicas, "autoscaling": None, "service": FleetService(), "spool": spool}
    return fleet.model_copy(update={"spec": fleet.spec.model_copy(update=own)})


def fleet_context(fleet: GatewayFleet) -> dict[str, Any]:
    """What templates see as `fleet`: name, namespace and the spec as it is written, defaults filled in."""
    return {
        "name": fleet.metadata.name,
        "namespace": fleet.metadata.namespace,
        "spec": fleet.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def build_workload(templates: Templates, fleet: GatewayFleet) -> list[RenderedObject]:
    """ServiceAccount, Service, PodDisruptionBudget, the workload itself, and the autoscaler if there is to be one."""
    context = workload_context(fleet)
    kinds = ["serviceaccount", "service", "poddisruptionbudget", workload_kind(fleet).lower()]
    if fleet.spec.autoscaling is not None:
        kinds.append("horizontalpodautoscaler")
    labels = {names.LABEL_TRACK: names.TRACK_STABLE}
    workload = [build_workload_child(templates, kind, fleet, context, labels) for kind in kinds]
    if workload_kind(fleet) != STATEFUL_SET:
        return workload
    headless = context | {"name": context["pods_service"]}
    return [build_workload_child(templates, "headlessservice", fleet, headless, labels), *workload]


def workload_kind(fleet: GatewayFleet) -> str:
    """The kind of the object that makes the stable gateways' pods."""
    return STATEFUL_SET if fleet.spec.spool.mode is SpoolMode.VOLUME_CLAIM else DEPLOYMENT


def build_workload_child(
    templates: Templates, kind: str, fleet: GatewayFleet, context: Mapping[str, Any], labels: Mapping[str, str]
) -> RenderedObject:
    """One object of a workload, by its template's name. Raises TemplateError."""
    return build_child(templates, f"{kind}.yaml.j2", fleet, COMPONENT_GATEWAY, context, labels)


def build_shard_object(templates: Templates, fleet: GatewayFleet, index: int, content: bytes) -> RenderedObject:
    """The ConfigMap of one shard."""
    context = {
        "name": names.shard_name(fleet.metadata.name, index),
        "data": {shard_file_name(index): content.decode()},
        "immutable": False,
        "fleet": fleet_context(fleet),
    }
    return build_child(templates, "configmap.yaml.j2", fleet, COMPONENT_CONFIG, context)


def build_credentials_object(
    templates: Templates, fleet: GatewayFleet, credentials: Mapping[str, bytes]
) -> RenderedObject:
    """The Secret with the credential files of all producers; there even when it is empty, so that it can be emptied."""
    context = {
        "name": names.credentials_name(fleet.metadata.name),
        "data": encode_credentials(credentials),
        "fleet": fleet_context(fleet),
    }
    return build_child(templates, "credentials.yaml.j2", fleet, COMPONENT_CREDENTIALS, context)


def build_grants_object(templates: Templates, fleet: GatewayFleet, grants: Mapping[str, str]) -> RenderedObject:
    """The ConfigMap that says who takes over whose spool."""
    context = {
        "name": names.grants_name(fleet.metadata.name),
        "data": {SPOOL_GRANTS_FILE: encode_grants(grants).decode()},
        "immutable": False,
        "fleet": fleet_context(fleet),
    }
    return build_child(templates, "configmap.yaml.j2", fleet, COMPONENT_CONFIG, context)


def encode_credentials(credentials: Mapping[str, bytes]) -> dict[str, str]:
    """Credential files as the data of a Secret."""
    return {name: base64.b64encode(content).decode() for name, content in sorted(credentials.items())}


def workload_context(fleet: GatewayFleet) -> dict[str, Any]:
    """What the templates of the stable gateways see."""
    name, spec = fleet.metadata.name, fleet.spec
    selector = pod_selector(name)
    ours = fleet_labels(name, COMPONENT_GATEWAY) | selector
    return {
        "name": names.gateway_name(name),
        "service_account": names.gateway_name(name),
        "fleet": fleet_context(fleet),
        "selector": selector,
        "pod_labels": spec.pod_metadata.labels | ours,
        "replicas": _replicas(fleet),
        "args": _args(fleet),
        # Kubernetes counts whole seconds; rounding up keeps the pod alive for all of the gateway's own grace.
        "grace_period_seconds": -(-spec.termination_grace_period // 1_000),
        "ports": {"http": names.PORT_HTTP, "admin": names.PORT_ADMIN},
        "service_port": SERVICE_PORT,
        "config_dir": names.CONFIG_DIR,
        "shards": [names.shard_name(name, index) for index in range(SHARD_COUNT)],
        "credentials": names.credentials_name(name),
        "spool": _spool(fleet),
        "workload_kind": workload_kind(fleet),
        "pods_service": names.pods_service_name(name),
        # What tells pods of one template from those of another: each kind of workload has a label of its own.
        "revision_label": _REVISION_LABELS[workload_kind(fleet)],
    }


def _replicas(fleet: GatewayFleet) -> int | None:
    """None where an autoscaler decides: whoever sets replicas as well would fight it."""
    if fleet.spec.autoscaling is not None:
        return None
    return DEFAULT_REPLICAS if fleet.spec.replicas is None else fleet.spec.replicas


def _spool(fleet: GatewayFleet) -> dict[str, Any]:
    """What the templates see of the fleet's spool. Labels of claims have no version and no owner: they outlive both."""
    spool = fleet.spec.spool
    return {
        "mode": spool.mode.value,
        "volume": names.SPOOL_VOLUME,
        "directory": names.SPOOL_DIR,
        "size": format_quantity(spool.size),
        "storage_class": spool.storage_class_name,
        "claim": spool.claim_name,
        "uid_variable": names.ENV_POD_UID,
        "grants": names.grants_name(fleet.metadata.name),
        "group": names.GATEWAY_GROUP,
        "labels": fleet_labels(fleet.metadata.name, COMPONENT_GATEWAY),
    }


def format_quantity(size: int) -> str:
    """Bytes in the largest binary unit that holds them exactly: what the API server makes of it as well."""
    for unit, factor in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _spool_args(fleet: GatewayFleet) -> list[str]:
    spool = fleet.spec.spool
    if spool.mode is SpoolMode.DISABLED:
        return []
    limit = ["--spool-max-bytes", str(spool.limit)]
    if spool.mode is not SpoolMode.SHARED_CLAIM:
        return ["--spool", names.SPOOL_DIR, *limit]
    # Fleets may share a claim, and what one takes over must be its own.
    root = names.shared_spool_dir(fleet.metadata.namespace, fleet.metadata.name)
    return ["--spool", root, "--spool-owner", f"$({names.ENV_POD_UID})", *limit]


def _args(fleet: GatewayFleet) -> list[str]:
    spec = fleet.spec
    connections = spec.limits.connections
    return [
        *("--config", names.CONFIG_DIR),
        *("--port", str(names.PORT_HTTP)),
        *("--admin-port", str(names.PORT_ADMIN)),
        *("--buffer-bytes", str(spec.limits.buffer_bytes)),
        *("--grace-period", format_duration(spec.termination_grace_period)),
        *("--drain-delay", format_duration(spec.drain_delay)),
        *_spool_args(fleet),
        # Left out by default: an argument that appears would restart the gateways of every fleet.
        *(() if connections is None else ("--max-connections", str(connections))),
    ]
