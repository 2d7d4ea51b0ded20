"""EventRepo (`er`): one named stream of events, owned by an application team in its own namespace."""

from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config import (
    Auth,
    Constraint,
    Delivery,
    Endpoint,
    KafkaRouting,
    MatchExpression,
    PartialPolicy,
    RateLimits,
    ResponseFormat,
)
from headgate_gateway.config.base import ObjectName, cel
from headgate_gateway.config.executors import Executors
from headgate_gateway.config.units import ByteSize
from headgate_operator.api.meta import Conditions, ObjectMeta, ResourceModel
from headgate_operator.api.names import RESERVED_PATHS, TEXT_VALUE_MAX
from headgate_operator.api.resource import LABEL_NAME_RULE, Resource, check_label_name
from headgate_operator.api.rollout import Rollout, RolloutStatus


class FleetRef(ResourceModel):
    """Names a GatewayFleet."""

    name: ObjectName
    """The fleet's name."""
    namespace: ObjectName | None = None
    """The fleet's namespace; the repo's own if it is left out."""


class RepoLimits(ResourceModel):
    """Sizes beyond which a request is refused with 413, what is left out comes from the fleet; and rates."""

    body_bytes: Annotated[ByteSize, Field(ge=1_024, le=64 * 2**20)] | None = None
    """Largest body of a request."""
    line_bytes: Annotated[ByteSize, Field(ge=256, le=16 * 2**20)] | None = None
    """Largest line of a body. Kafka refuses records over the topic's max.message.bytes (1 MiB by default)."""
    per_gateway: RateLimits | None = None
    """How fast requests may come, at each gateway; those over it are answered as the endpoint's `overLimitStatus` says, with a Retry-After. Without it, as fast as Kafka takes their lines."""


_RESERVED_MESSAGE = f"the gateways answer {', '.join(RESERVED_PATHS)} themselves: choose another path"


# Proxies resolve them before they match, and Gateway API refuses them in a route.
_DOTS_MESSAGE = "a path may have no segments . and .."

_OFFSET_MESSAGE = "response Offset answers with what Kafka said, which delivery Async does not wait for"


class RepoSpec(ResourceModel):
    """What the application team wants of a repo."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.fleetRef) == has(oldSelf.fleetRef) && (!has(self.fleetRef) || self.fleetRef == oldSelf.fleetRef)",
                "fleetRef is immutable: delete the EventRepo and create it in the other fleet",
            ),
            (
                f"!has(self.endpoints) || self.endpoints.all(e, !(e.path in {list(RESERVED_PATHS)}))",
                _RESERVED_MESSAGE,
            ),
            (
                "!has(self.endpoints) || self.endpoints.all(e, !e.path.matches('/[.][.]?(/|$)'))",
                _DOTS_MESSAGE,
            ),
            (
                (
                    "!has(self.endpoints) || !has(self.kafka.delivery) || self.kafka.delivery != 'Async'"
                    " || !self.endpoints.exists(e, has(e.response) && e.response == 'Offset')"
                ),
                _OFFSET_MESSAGE,
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
    executors: Executors = ()
    """What reshapes events, step by step, after the constraint and before topics, key and headers are looked at. Without any, the bytes received are the bytes sent."""
    kafka: KafkaRouting
    """Where lines go, and how."""
    partial: PartialPolicy = PartialPolicy.REJECT
    """Reject: one bad line refuses the whole body. Accept: bad lines are refused by number, the others go on."""
    limits: RepoLimits = RepoLimits()
    """Sizes and rates beyond which a request is refused."""
    auth: Auth | None = None
    """Who may send events. Without it, everybody who reaches the gateways. Keys and passwords rotate in their Secret, without a rollout."""
    # No default in the schema: a page of it in every stored repo would say nothing, and cost thousands of them dearly.
    rollout: Annotated[Rollout, Field(default_factory=Rollout)]
    """How a change of this spec (or of its profile, or of the fleet's limits) reaches the repo's traffic. Routes carry the promoted revision's paths: a path that only the new one has is served once it is promoted."""

    @model_validator(mode="after")
    def _check_paths(self) -> Self:
        paths = [endpoint.path for endpoint in self.endpoints]
        if reserved := set(paths) & set(RESERVED_PATHS):
            raise ValueError(f"{', '.join(sorted(reserved))}: {_RESERVED_MESSAGE}")
        if any(segment in {".", ".."} for path in paths for segment in path.split("/")):
            raise ValueError(_DOTS_MESSAGE)
        if doubled := sorted({path for path in paths if paths.count(path) > 1}):
            raise ValueError(f"endpoints: Duplicate value: path {doubled[0]} is there twice")
        return self

    @model_validator(mode="after")
    def _check_offset_is_known(self) -> Self:
        asked = any(endpoint.response is ResponseFormat.OFFSET for endpoint in self.endpoints)
        if asked and self.kafka.delivery is Delivery.ASYNC:
            raise ValueError(_OFFSET_MESSAGE)
        return self

    @model_validator(mode="after")
    def _check_text_values(self) -> Self:
        if self.constraint is not None:
            _check_lengths("constraint", self.constraint.match_expressions)
        for index, rule in enumerate(self.kafka.topics):
            _check_lengths(f"kafka.topics.{index}", rule.when)
        for index, executor in enumerate(self.executors):
            if executor.filter is not None:
                _check_lengths(f"executors.{index}.filter", executor.filter.match_expressions)
        return self


def _check_lengths(where: str, expressions: tuple[MatchExpression, ...]) -> None:
    for expression in expressions:
        if any(len(str(value)) > TEXT_VALUE_MAX for value in expression.values):
            raise ValueError(f"{where}: a value may have {TEXT_VALUE_MAX} characters at most")


class RepoStatus(ResourceModel):
    """What the operator has seen of a repo."""

    observed_generation: int = -1
    """The generation that the status speaks of; -1 until somebody has looked."""
    revision: str | None = None
    """Hash of the intent (spec, resolved profile, fleet limits) at the observed generation."""
    fleet: str | None = None
    """The fleet that serves the repo, as namespace/name."""
    endpoints: tuple[str, ...] = ()
    """Addresses that take events: a URL for each hostname of the fleet; the Service's where the fleet has no routing; else the path."""
    gateways: str | None = None
    """How many ready gateways served the revision, of how many, when the conditions last changed: `2/2`."""
    rollout: RolloutStatus | None = None
    """Where the last change of the repo is."""
    conditions: Conditions = ()
    """Ready, Accepted, Programmed and Serving; Reconciling and Stalled while true."""


class EventRepo(Resource):
    """One named stream of events: where it comes in, what is kept of it, and where it goes."""

    KIND: ClassVar[str] = "EventRepo"
    PLURAL: ClassVar[str] = "eventrepos"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("er",)

    model_config = ConfigDict(json_schema_extra=cel(LABEL_NAME_RULE))

    metadata: ObjectMeta
    spec: RepoSpec
    status: RepoStatus = RepoStatus()

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        check_label_name(self.metadata.name)
        return self
