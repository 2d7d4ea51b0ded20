"""The spools of a fleet: what its spec says of them, and its status. Part of the GatewayFleet type."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config import ByteSize
from headgate_gateway.config.base import ObjectName, cel
from headgate_operator.api.meta import ResourceModel

_SPOOL_MAX_RULE = (
    "!has(self.maxBytes) || 20.0 * quantity(string(self.maxBytes)).asApproximateFloat()"
    " <= 19.0 * quantity(string(self.size)).asApproximateFloat()"
)
_SPOOL_MAX_MESSAGE = (
    "spool.maxBytes must be at most 95 % of spool.size: a file system needs some room for itself, and the kubelet evicts"
    " a pod whose EmptyDir is full"
)
_SPOOL_CLAIM_RULE = "has(self.claimName) == (has(self.mode) && self.mode == 'SharedClaim')"
_SPOOL_CLAIM_MESSAGE = "spool.mode SharedClaim takes a claimName, and no other mode does"


class SpoolMode(StrEnum):
    """Where gateways keep their spools."""

    DISABLED = "Disabled"
    EMPTY_DIR = "EmptyDir"
    VOLUME_CLAIM = "VolumeClaim"
    SHARED_CLAIM = "SharedClaim"


class LeftReason(StrEnum):
    """Why no gateway delivers what is in a directory of a shared claim."""

    POD_FINISHED = "PodFinished"
    """Nothing runs in its pod, whose Pod object is there still: delete that."""
    NOBODY_READY = "NobodyReady"
    """No gateway of the fleet can take it over now."""
    WAITING = "Waiting"
    """It is about to be taken over, or its turn to be delivered has not come."""
    CANNOT_BE_OPENED = "CannotBeOpened"
    """The gateway that has taken it over cannot open it; its `/status` says why, under `adopted`."""


class FleetSpool(ResourceModel):
    """A queue on the disk of each gateway: events that it has answered for, and that Kafka does not have yet."""

    model_config = ConfigDict(
        json_schema_extra=cel((_SPOOL_MAX_RULE, _SPOOL_MAX_MESSAGE), (_SPOOL_CLAIM_RULE, _SPOOL_CLAIM_MESSAGE))
    )

    mode: SpoolMode = SpoolMode.DISABLED
    """Disabled. EmptyDir: on the node, for as long as the pod is there; it outlives a crash of the gateway, not its pod. VolumeClaim: the gateways are a StatefulSet, each with a claim of its own, which outlives pods, changes of mode and the fleet; canaries have an EmptyDir. SharedClaim: all gateways, canaries too, are on one ReadWriteMany claim that is there already, and take over from pods that are gone."""
    size: Annotated[ByteSize, Field(ge=256 * 2**20)] = 10 * 2**30
    """Size of each gateway's volume, or of its share of a claim that all of them have. Claims that are there keep theirs: enlarge them first. A change restarts the gateways, and with EmptyDir what they have on disk is lost: wait until status.spool.backlogRecords is 0."""
    max_bytes: Annotated[ByteSize, Field(ge=128 * 2**20)] | None = None
    """What a spool may take of it, 95 % at most; nine tenths where it does not say. A spool that is full is a 503 for what needs it. A change restarts the gateways, as one of size does."""
    storage_class_name: ObjectName | None = None
    """Of the claims; the cluster's default class where it does not say. Other modes have no use for it."""
    claim_name: ObjectName | None = None
    """The ReadWriteMany claim of mode SharedClaim, in the fleet's namespace. Headgate neither makes nor deletes it. Several fleets may share one."""

    @property
    def limit(self) -> int:
        """Bytes that a spool may take."""
        return self.size * 9 // 10 if self.max_bytes is None else self.max_bytes

    @model_validator(mode="after")
    def _check_max_bytes(self) -> Self:
        if self.max_bytes is not None and 20 * self.max_bytes > 19 * self.size:
            raise ValueError(_SPOOL_MAX_MESSAGE)
        return self

    @model_validator(mode="after")
    def _check_claim(self) -> Self:
        if (self.claim_name is not None) != (self.mode is SpoolMode.SHARED_CLAIM):
            raise ValueError(_SPOOL_CLAIM_MESSAGE)
        return self


class LeftClaimStatus(ResourceModel):
    """A claim with a spool that no gateway has: of a gateway that was scaled away, or of a mode that was left."""

    name: str
    """The PersistentVolumeClaim."""
    backlog_records: Annotated[int, Field(ge=0)] | None = None
    """Records that it held when its gateway was last asked; absent where nobody knows."""
    backlog_bytes: Annotated[int, Field(ge=0)] | None = None
    parked: Annotated[int, Field(ge=0)] | None = None
    """Of the records that Kafka refuses for good, those that it held; absent where there were none."""


class LeftDirectoriesStatus(ResourceModel):
    """Directories of a shared claim that no gateway delivers, and that are not in the other figures."""

    reason: Annotated[str, Field(max_length=64)]
    """Why: PodFinished, NobodyReady, Waiting or CannotBeOpened; see docs/reasons.md."""
    count: Annotated[int, Field(ge=0)]
    """How many, as far as known."""
    bytes: Annotated[int, Field(ge=0)]
    """What they take; nobody knows how many records are in them."""


class FleetSpoolStatus(ResourceModel):
    """The spools of all gateways together, canaries included. Figures are refreshed every few seconds."""

    state: str
    """Ready; Full or Failed where that is so of any gateway; Unknown while none has said anything."""
    message: str | None = None
    """Which gateways are full or failing, and why."""
    backlog_records: Annotated[int, Field(ge=0)]
    """Records that Kafka is still to get."""
    backlog_bytes: Annotated[int, Field(ge=0)]
    oldest_seconds: Annotated[int, Field(ge=0)]
    """Since the oldest of them was accepted."""
    parked: Annotated[int, Field(ge=0)] = 0
    """Records that Kafka refuses for good and no dead letter takes."""
    damaged: Annotated[int, Field(ge=0)] = 0
    """Damaged places that were set aside."""
    left_claims: Annotated[tuple[LeftClaimStatus, ...], Field(max_length=100)] = ()
    """Claims without a gateway. Headgate deletes none: more replicas, or the mode VolumeClaim again, bring them back."""
    left_directories: Annotated[
        tuple[LeftDirectoriesStatus, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["reason"]},
        ),
    ] = ()
    """With a claim that gateways share: directories that none of them delivers now, by reason."""
