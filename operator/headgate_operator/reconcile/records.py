"""The compact forms in which watched objects are kept: what reconcile needs, never managedFields.

Pure functions from plain dicts to values; called by the store's intake alone.
"""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headgate_operator.api.fleet import GatewayFleet
from headgate_operator.api.names import (
    ANNOTATION_COMMAND,
    ANNOTATION_CONFIG_HASH,
    API_VERSION,
    FIELD_MANAGER,
    GATEWAY_CONTAINER,
    LABEL_FLEET,
    LABEL_MANAGED_BY,
    LABEL_REPO,
    LABEL_REPO_NAMESPACE,
    LABEL_REVISION,
    LABEL_TRACK,
    SPOOL_VOLUME,
    TRACK_STABLE,
)
from headgate_operator.api.profile import KafkaProducerProfile
from headgate_operator.api.reasons import GATEWAY_TOO_OLD
from headgate_operator.api.repo import EventRepo
from headgate_operator.api.resource import InvalidResourceError
from headgate_operator.render.canonical import canonical_json
from headgate_operator.status.observation import PodView, WorkloadProgress
from headgate_operator.status.routes import route_accepted, route_trouble, route_unresolved

Parsed = GatewayFleet | KafkaProducerProfile | EventRepo

RESOURCE_TYPES: dict[str, type[Parsed]] = {each.KIND: each for each in (GatewayFleet, KafkaProducerProfile, EventRepo)}

COMMANDED = (EventRepo.KIND, GatewayFleet.KIND)
"""Kinds that take commands by annotation."""

VOLATILE_METADATA = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
"""Metadata that changes by itself or says nothing of content."""


def version_of(manifest: Mapping[str, Any]) -> int:
    """The resourceVersion as a number: Kubernetes orders those of one kind (KEP-5504); 0 where it is no number."""
    text = str(manifest["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdecimal() else 0


def digest_of(content: bytes) -> str:
    """A short name of a content, for comparing only."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


@dataclass(slots=True)
class ResourceRecord:
    """One of the users' resources."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    version: int
    deleting: bool
    parsed: Parsed | None
    problem: str
    """Why the spec could not be parsed."""
    fleet: tuple[str, str] | None
    """The (namespace, name) of the fleet that a repo names; None where it names none."""
    intent: str
    """Digest of all that a reconcile depends on: changes of status or managedFields leave it."""
    status: bytes
    """Canonical JSON of the live status."""
    command: str = ""
    """What somebody asks of a repo's rollout or a fleet's upgrade, by annotation."""

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.namespace, self.name


def build_resource_record(manifest: dict[str, Any]) -> ResourceRecord:
    """The compact form of one of the three resources; a spec that does not parse is kept as a problem."""
    kind, metadata = manifest["kind"], manifest["metadata"]
    spec = manifest.get("spec") or {}
    parsed, problem = _parse(kind, metadata, spec)
    deleting = bool(metadata.get("deletionTimestamp"))
    command = str((metadata.get("annotations") or {}).get(ANNOTATION_COMMAND, "")) if kind in COMMANDED else ""
    intent = canonical_json([metadata["uid"], deleting, metadata.get("labels"), spec, command])
    return ResourceRecord(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        version=version_of(manifest),
        deleting=deleting,
        parsed=parsed,
        problem=problem,
        fleet=_fleet_of(spec, metadata["namespace"]) if kind == EventRepo.KIND else None,
        intent=digest_of(intent),
        status=canonical_json(manifest.get("status") or {}),
        command=command,
    )


def _parse(kind: str, metadata: Mapping[str, Any], spec: Any) -> tuple[Parsed | None, str]:
    # Annotations are dropped: kubectl's last-applied-configuration doubles every object, and nothing reads them.
    slim = {name: value for name, value in metadata.items() if name not in ("managedFields", "annotations")}
    manifest = {"apiVersion": API_VERSION, "kind": kind, "metadata": slim, "spec": spec}
    try:
        return RESOURCE_TYPES[kind].from_object(manifest), ""
    except InvalidResourceError as error:
        return None, str(error)


def _fleet_of(spec: Any, namespace: str) -> tuple[str, str] | None:
    reference = spec.get("fleetRef") if isinstance(spec, dict) else None
    if not isinstance(reference, dict):
        return None
    return str(reference.get("namespace") or namespace), str(reference.get("name"))


@dataclass(slots=True)
class ChildRecord:
    """One live object of a kind and a label that Headgate renders."""

    api_version: str
    kind: str
    namespace: str
    name: str
    fleet: str
    """The fleet that it says it belongs to."""
    owner: str
    """The fleet that it was made for; empty for an object of somebody else, which is not ours to write."""
    uid: str
    version: int
    resource_version: str
    digest: str
    """Of the content without status and volatile metadata: equal digests, equal content."""
    packed: bytes
    progress: WorkloadProgress | None = None
    """Of a Deployment or a StatefulSet."""
    trouble: str = ""
    """Of an HTTPRoute: what a parent has against it."""
    track: str = ""
    """Of either: whom its pods serve."""
    accepted: bool = False
    """Of an HTTPRoute: whether its parents take it as it is now."""
    unresolved: str = ""
    """Of an HTTPRoute: what a parent does not find of what it names, as it is now."""

    @property
    def key(self) -> tuple[str, str, str]:
        """(kind, namespace, name)."""
        return self.kind, self.namespace, self.name

    @property
    def content(self) -> bytes:
        """Canonical JSON of the content."""
        return zlib.decompress(self.packed)


def build_child_record(manifest: dict[str, Any]) -> ChildRecord:
    """The compact form of a live child."""
    metadata = manifest["metadata"]
    slim = {name: value for name, value in metadata.items() if name not in VOLATILE_METADATA}
    content = canonical_json({**{k: v for k, v in manifest.items() if k != "status"}, "metadata": slim})
    labels, owner = metadata.get("labels") or {}, owner_of(metadata)
    record = ChildRecord(
        api_version=manifest["apiVersion"],
        kind=manifest["kind"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        fleet=owner or labels.get(LABEL_FLEET, ""),
        owner=owner,
        uid=metadata["uid"],
        version=version_of(manifest),
        resource_version=metadata["resourceVersion"],
        digest=digest_of(content),
        # Shards of thousands of repos pack to a tenth; level 1 costs 5 ms a megabyte.
        packed=zlib.compress(content, 1),
    )
    if record.kind in ("Deployment", "StatefulSet"):
        return replace(record, progress=_progress(manifest), track=labels.get(LABEL_TRACK, ""))
    return _with_parents(record, manifest) if record.kind == "HTTPRoute" else record


def _with_parents(route: ChildRecord, manifest: Mapping[str, Any]) -> ChildRecord:
    status, generation = manifest.get("status") or {}, manifest["metadata"].get("generation", 0)
    return replace(
        route,
        trouble=route_trouble(status),
        accepted=route_accepted(status, generation),
        unresolved=route_unresolved(status, generation),
    )


def owner_of(metadata: Mapping[str, Any]) -> str:
    """The fleet in the ownerReferences, which outlive an edit of labels; else the one in labels that say whose it is."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("kind") == GatewayFleet.KIND and reference.get("apiVersion") == API_VERSION:
            return str(reference.get("name", ""))
    labels = metadata.get("labels") or {}
    return str(labels.get(LABEL_FLEET, "")) if labels.get(LABEL_MANAGED_BY) == FIELD_MANAGER else ""


def _progress(manifest: Mapping[str, Any]) -> WorkloadProgress:
    status, spec = manifest.get("status") or {}, manifest.get("spec") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    rollout = conditions.get("Progressing") or {}
    # ReplicaFailure has the API server's words where it takes no pod at all: a quota, a policy.
    failure = conditions.get("ReplicaFailure") or {}
    why = failure or rollout
    return WorkloadProgress(
        desired=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        total=status.get("replicas", 0),
        observed=status.get("observedGeneration", 0) >= manifest["metadata"].get("generation", 0),
        settled=rollout.get("reason") == "NewReplicaSetAvailable" or _is_settled_set(status),
        stuck=str(why.get("message")) if rollout.get("reason") == "ProgressDeadlineExceeded" else "",
        refused=str(failure.get("message", "")) if failure.get("status") == "True" else "",
        revision=str(status.get("updateRevision") or ""),
    )


def _is_settled_set(status: Mapping[str, Any]) -> bool:
    """Of a StatefulSet, which has no such condition: its controller names the newest revision twice then."""
    return bool(status.get("updateRevision")) and status.get("currentRevision") == status.get("updateRevision")


def build_pod_view(manifest: Mapping[str, Any]) -> PodView:
    """The compact form of a gateway pod."""
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    labels = metadata.get("labels") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    return PodView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        fleet=labels.get(LABEL_FLEET, ""),
        track=labels.get(LABEL_TRACK, TRACK_STABLE),
        ip=status.get("podIP") or "",
        ready=conditions.get("Ready") == "True",
        leaving=bool(metadata.get("deletionTimestamp")) or status.get("phase") in ("Succeeded", "Failed"),
        config_hash=(metadata.get("annotations") or {}).get(ANNOTATION_CONFIG_HASH, ""),
        trouble=_TOO_OLD if (too_old := _is_too_old(status)) else _trouble(status),
        too_old=too_old,
        repo=_repo_of(labels),
        revision=labels.get(LABEL_REVISION, ""),
        finished=status.get("phase") in ("Succeeded", "Failed"),
        controller=_controller_in(metadata),
        spooling=_has_spool(manifest.get("spec") or {}) and _has_run(status),
        restarts=sum(each.get("restartCount", 0) for each in status.get("containerStatuses") or ()),
    )


def _controller_in(metadata: Mapping[str, Any]) -> str:
    owners = (each for each in metadata.get("ownerReferences") or () if each.get("controller"))
    return next((str(each.get("kind", "")) for each in owners), "")


def _has_spool(spec: Mapping[str, Any]) -> bool:
    return any(each.get("name") == SPOOL_VOLUME for each in spec.get("volumes") or ())


def _has_run(status: Mapping[str, Any]) -> bool:
    """Whether a container was ever started: before that, an image that cannot be pulled keeps nobody waiting."""
    told = status.get("containerStatuses") or ()
    states = [state for each in told for state in (each.get("state"), each.get("lastState")) if state]
    return any({"running", "terminated"} & state.keys() for state in states)


def _repo_of(labels: Mapping[str, str]) -> tuple[str, str] | None:
    namespace, name = labels.get(LABEL_REPO_NAMESPACE), labels.get(LABEL_REPO)
    return (namespace, name) if namespace and name else None


_EXIT_USAGE = 2
"""How a gateway ends that does not understand its command line, and never else (argparse's status)."""
_TOO_OLD = (
    f"{GATEWAY_TOO_OLD}: the gateway's image refuses its command line, so it is too old for what the fleet's spec asks for, "
    "such as spec.spool: set spec.image to a gateway of the operator's release, or leave that out of the spec (or an override "
    "of a template passes what no gateway knows)"
)


def _is_too_old(status: Mapping[str, Any]) -> bool:
    """Whether its gateway ended that way, and is not ready: starting it again and again changes nothing."""
    return any(
        ((each.get(state) or {}).get("terminated") or {}).get("exitCode") == _EXIT_USAGE
        for each in status.get("containerStatuses") or ()
        if each.get("name") == GATEWAY_CONTAINER and not each.get("ready")
        for state in ("state", "lastState")
    )


def _trouble(status: Mapping[str, Any]) -> str:
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason')}: {condition.get('message', '')}".rstrip(": ")
    return ""
