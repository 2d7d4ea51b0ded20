"""EventRepo (`er`): one named stream of events, owned by an application team in its own namespace."""

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from headgate_gateway.config import Constraint, Endpoint, KafkaRouting, PartialPolicy
from headgate_gateway.config.base import ObjectName, cel
from headgate_gateway.config.units import ByteSize
from headgate_operator.api.meta import Condition, ObjectMeta, ResourceModel
from headgate_operator.api.resource import Resource


class FleetRef(ResourceModel):
    """Names a GatewayFleet."""

    name: ObjectName
    """The fleet's name."""
    namespace: ObjectName | None = None
    """The fleet's namespace; the repo's own if it is left out."""


class RepoLimits(ResourceModel):
    """Sizes beyond which a request is refused with 413; what is left out comes from the fleet."""

    body_bytes: Annotated[ByteSize, Field(ge=1_024, le=64 * 2**20)] | None = None
    """Largest body of a request."""
    line_bytes: Annotated[ByteSize, Field(ge=256, le=16 * 2**20)] | None = None
    """Largest line of a body. Kafka refuses records over the topic's max.message.bytes (1 MiB by default)."""


class RepoSpec(ResourceModel):
    """What the application team wants of a repo."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.fleetRef) == has(oldSelf.fleetRef) && (!has(self.fleetRef) || self.fleetRef == oldSelf.fleetRef)",
                "fleetRef is immutable: delete the EventRepo and create it in the other fleet",
            ),
        )
    )

    fleet_ref: FleetRef | None = None
    """The fleet that serves the repo. Without it, the operator's default fleet. Immutable."""
    endpoints: Annotated[
        tuple[Endpoint, ...],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["path"]},
        ),
    ] = ()
    """Where events are taken by POST. Without any, one: `/log/repo/{name}`, JSONL in, a receipt out."""
    constraint: Constraint | None = None
    """Which lines go on to Kafka. Without it, all."""
    kafka: KafkaRouting
    """Where lines go, and how."""
    partial: PartialPolicy = PartialPolicy.REJECT
    """Reject: one bad line refuses the whole body. Accept: bad lines are refused by number, the others go on."""
    limits: RepoLimits = RepoLimits()
    """Sizes beyond which a request is refused."""


class RepoStatus(ResourceModel):
    """What the operator has seen of a repo."""

    observed_generation: int = -1
    """The generation that the status speaks of; -1 until somebody has looked."""
    revision: str | None = None
    """Hash of the intent (spec, resolved profile, fleet limits) at the observed generation."""
    fleet: str | None = None
    """The fleet that serves the repo, as namespace/name."""
    endpoints: tuple[str, ...] = ()
    """Addresses that take events: a URL for each hostname of the fleet, else the path."""
    gateways: str | None = None
    """How many ready gateways serve the revision, of how many: `2/2`."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = ()
    """Ready, Accepted, Programmed and Serving; Reconciling and Stalled while true."""


class EventRepo(Resource):
    """One named stream of events: where it comes in, what is kept of it, and where it goes."""

    KIND: ClassVar[str] = "EventRepo"
    PLURAL: ClassVar[str] = "eventrepos"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("er",)

    metadata: ObjectMeta
    spec: RepoSpec
    status: RepoStatus = RepoStatus()
