"""GatewayFleet (`gwf`): one pool of gateways, owned by the platform team."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config import ByteSize, Duration
from headgate_gateway.config.base import ObjectName, cel
from headgate_operator.api.meta import Conditions, LabelSelector, ObjectMeta, OpaqueObject, ResourceModel
from headgate_operator.api.names import CLAIM_FLEET_NAME_MAX, FLEET_NAME_MAX, FLEET_NAME_PATTERN
from headgate_operator.api.resource import Resource
from headgate_operator.api.rollout import CommandStatus, Strategy
from headgate_operator.api.routing import Routing
from headgate_operator.api.spool import FleetSpool, FleetSpoolStatus, SpoolMode

_NAME_RULE = f"self.metadata.name.matches('^{FLEET_NAME_PATTERN}$')"
_NAME_MESSAGE = (
    f"a fleet's name has at most {FLEET_NAME_MAX} lower-case letters, digits and dashes, and starts with a letter: "
    "its Service is named after it"
)
_CLAIM_NAME_RULE = (
    "!has(self.spec.spool) || !has(self.spec.spool.mode) || self.spec.spool.mode != 'VolumeClaim' || "
    f"size(self.metadata.name) <= {CLAIM_FLEET_NAME_MAX}"
)
_CLAIM_NAME_MESSAGE = (
    f"a fleet with spool.mode VolumeClaim has a name of {CLAIM_FLEET_NAME_MAX} characters at most: "
    "its StatefulSet's name becomes part of a label"
)
_DRAIN_MESSAGE = "drainDelay must be shorter than terminationGracePeriod: what is left is the time for delivering"


class ImagePullPolicy(StrEnum):
    """When kubelets pull the gateway's image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Autoscaling(ResourceModel):
    """A HorizontalPodAutoscaler on the gateways' CPU."""

    model_config = ConfigDict(
        json_schema_extra=cel(("self.minReplicas <= self.maxReplicas", "minReplicas must not exceed maxReplicas"))
    )

    min_replicas: Annotated[int, Field(ge=1, le=1_000)] = 2
    """Fewest gateways."""
    max_replicas: Annotated[int, Field(ge=1, le=1_000)]
    """Most gateways."""
    target_cpu_utilization: Annotated[int, Field(ge=1, le=100, alias="targetCPUUtilization")] = 70
    """Percent of the CPU request that the autoscaler aims at; `resources.requests.cpu` must be set for it to work."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas must not exceed maxReplicas")
        return self


class LocalObjectRef(ResourceModel):
    """Names an object in the fleet's namespace."""

    name: ObjectName
    """The object's name."""


class Scheduling(ResourceModel):
    """Where gateway pods may run: fields of a pod's spec, passed on as they are."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a node must have."""
    tolerations: tuple[OpaqueObject, ...] = ()
    """Taints that the pods tolerate."""
    affinity: OpaqueObject | None = None
    """Node and pod affinity."""
    topology_spread_constraints: tuple[OpaqueObject, ...] = ()
    """How pods spread. Without any, over nodes where possible."""
    priority_class_name: str | None = None
    """The pods' priority class."""


class PodMetadata(ResourceModel):
    """Labels and annotations of gateway pods. Labels of Headgate's own win; annotations of its own there are none."""

    labels: dict[str, str] = Field(default_factory=dict)
    """Labels to add."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations to add."""


class ServiceType(StrEnum):
    """Types of the fleet's Service."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class FleetService(ResourceModel):
    """The Service in front of the gateways."""

    type: ServiceType = ServiceType.CLUSTER_IP
    """ClusterIP, NodePort or LoadBalancer."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations; a cloud load balancer's go here."""


class NamespacesFrom(StrEnum):
    """Which namespaces, as Gateway API names it."""

    SAME = "Same"
    ALL = "All"
    SELECTOR = "Selector"


class AllowedNamespaces(ResourceModel):
    """Namespaces whose repos the fleet takes."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(self.from == 'Selector') == has(self.selector)",
                "from: Selector needs a selector, and nothing else takes one",
            ),
        )
    )

    from_: Annotated[NamespacesFrom, Field(alias="from")] = NamespacesFrom.SAME
    """Same: the fleet's own namespace. All. Selector: those whose labels the selector matches."""
    selector: LabelSelector | None = None
    """Labels of namespaces, with from: Selector."""

    @model_validator(mode="after")
    def _check_selector(self) -> Self:
        if (self.from_ is NamespacesFrom.SELECTOR) != (self.selector is not None):
            raise ValueError("from: Selector needs a selector, and nothing else takes one")
        return self


class AllowedRepos(ResourceModel):
    """Which repos the fleet takes."""

    namespaces: AllowedNamespaces = AllowedNamespaces()
    """By namespace."""


class FleetLimits(ResourceModel):
    """Defaults for the fleet's repos, and the bounds of a gateway's memory and connections."""

    body_bytes: Annotated[ByteSize, Field(ge=1_024, le=64 * 2**20)] = 8 * 2**20
    """Largest body of a request, where the repo does not say."""
    line_bytes: Annotated[ByteSize, Field(ge=256, le=16 * 2**20)] = 512 * 2**10
    """Largest line of a body, where the repo does not say."""
    buffer_bytes: Annotated[ByteSize, Field(ge=2**20)] = 128 * 2**20
    """Bytes of requests that one gateway may hold at a time; beyond it requests get a 503 at once."""
    connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Connections that clients may have open at one gateway, as far as its open files allow; further ones get a 503 and are closed. 20,000 unless said otherwise. A change restarts the gateways."""


class FleetRollouts(ResourceModel):
    """How changes of the fleet's repos are taken, all repos together."""

    max_concurrent: Annotated[int, Field(ge=1, le=100)] = 5
    """Repos that may have a canary at a time; the others wait in line."""
    revision_history_limit: Annotated[int, Field(ge=2, le=100)] = 10
    """Revisions kept of each repo, the promoted one and the one on its way among them."""
    failure_budget: Annotated[int, Field(ge=1, le=100)] = 1
    """A change of something that repos share (a profile, the fleet's limits) is a wave over them: after this many have rolled back, no more of the wave start."""


class ImageUpgrade(ResourceModel):
    """How a new image reaches the fleet's repos."""

    strategy: Strategy = Strategy.CANARY
    """Canary: repos move to the new image one by one, each by its own steps. Immediate: the gateways are replaced at once; the only way where the fleet has no routing, no repos or no ready gateway."""
    failure_budget: Annotated[int, Field(ge=1, le=100)] = 1
    """After this many repos have refused the image, all that moved goes back. With fewer the others move on, and the upgrade waits before its end until somebody decides."""
    progress_deadline: Annotated[Duration, Field(ge=5_000, le=86_400_000)] = 600_000
    """How long the new image's gateways may take to become ready before any request goes there, and again before a repo's last requests follow."""


class FleetSpec(ResourceModel):
    """What the platform team wants of a fleet."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!(has(self.replicas) && has(self.autoscaling))",
                "replicas and autoscaling exclude each other: remove one",
            ),
            ("duration(self.drainDelay) < duration(self.terminationGracePeriod)", _DRAIN_MESSAGE),
        )
    )

    image: Annotated[str, Field(min_length=1, max_length=512)]
    """The gateway's image."""
    image_pull_policy: ImagePullPolicy = ImagePullPolicy.IF_NOT_PRESENT
    """Always, IfNotPresent or Never."""
    image_pull_secrets: Annotated[tuple[LocalObjectRef, ...], Field(max_length=16)] = ()
    """Secrets for pulling the image."""
    replicas: Annotated[int, Field(ge=0, le=1_000)] | None = None
    """Number of gateways; 2 where autoscaling is not set either."""
    autoscaling: Autoscaling | None = None
    """Let an autoscaler choose the number of gateways."""
    resources: OpaqueObject = Field(default_factory=dict)
    """Requests and limits of the gateway container. A gateway uses one core at most."""
    scheduling: Scheduling = Scheduling()
    """Where gateway pods may run."""
    pod_metadata: PodMetadata = PodMetadata()
    """Labels and annotations of gateway pods."""
    service: FleetService = FleetService()
    """The Service in front of the gateways."""
    termination_grace_period: Annotated[Duration, Field(ge=5_000, le=3_600_000)] = 60_000
    """How long a gateway may take to stop. A profile's deliveryTimeout, and the drain before it, must fit in it."""
    drain_delay: Annotated[Duration, Field(ge=0, le=300_000)] = 8_000
    """How long a stopping gateway goes on serving while routes learn that it leaves."""
    routing: Routing = Routing()
    """How requests reach the fleet from outside."""
    allowed_repos: AllowedRepos = AllowedRepos()
    """Which repos the fleet takes."""
    limits: FleetLimits = FleetLimits()
    """Defaults for the fleet's repos, and the bounds of a gateway's memory and connections."""
    spool: FleetSpool = FleetSpool()
    """A queue on the disk of each gateway, for `delivery: Async` and `onFailure: Spool`."""
    rollouts: FleetRollouts = FleetRollouts()
    """How changes of the fleet's repos are taken, all repos together."""
    upgrade: ImageUpgrade = ImageUpgrade()
    """How a new image reaches the fleet's repos."""

    @model_validator(mode="after")
    def _check_replicas(self) -> Self:
        if self.replicas is not None and self.autoscaling is not None:
            raise ValueError("replicas and autoscaling exclude each other: remove one")
        return self

    @model_validator(mode="after")
    def _check_drain(self) -> Self:
        if self.drain_delay >= self.termination_grace_period:
            raise ValueError(_DRAIN_MESSAGE)
        return self


class FailedMoveStatus(ResourceModel):
    """A repo that refused the new image."""

    repo: str
    """namespace/name."""
    reason: str
    message: str


class UpgradeStatus(ResourceModel):
    """Where a new image is."""

    phase: str
    """Stable, Upgrading, Promoting, RollingBack or RolledBack."""
    stage: str | None = None
    """What it is doing there: Starting, Moving, Confirming, Draining or Removing."""
    from_: Annotated[str | None, Field(alias="from")] = None
    """The image that served before, and serves what has not moved."""
    to: str | None = None
    """The new image, or the one that was rolled back."""
    revision: str | None = None
    """The hash of the new image: what commands name."""
    moved: str | None = None
    """Repos that have moved, of all: `3/5`."""
    under_way: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """Repos that are moving, as namespace/name."""
    failed: Annotated[tuple[FailedMoveStatus, ...], Field(max_length=100)] = ()
    """Repos that refused the new image."""
    reason: str | None = None
    """A word for why it is where it is."""
    message: str | None = None
    """The same in a sentence, with what to do next."""
    started_at: str | None = None
    """When it began."""
    command: CommandStatus | None = None
    """What became of the last command."""


class FleetStatus(ResourceModel):
    """What the operator has seen of a fleet."""

    observed_generation: int = -1
    """The generation that the status speaks of; -1 until somebody has looked."""
    gateways: str | None = None
    """How many gateways are ready, of how many."""
    repos: Annotated[int, Field(ge=0)] | None = None
    """How many repos the fleet serves."""
    contract_version: Annotated[int, Field(ge=1)] | None = None
    """The version of the config contract in use."""
    spool: FleetSpoolStatus | None = None
    """What the gateways hold on disk; absent of a fleet that has neither a spool nor claims of one."""
    upgrade: UpgradeStatus | None = None
    """Where a new image is, or how the last upgrade ended."""
    conditions: Conditions = ()
    """Ready, Accepted and Programmed; Reconciling and Stalled while true."""


class GatewayFleet(Resource):
    """One pool of gateways: image, size, scheduling, the way in, and who may use it."""

    model_config = ConfigDict(
        json_schema_extra=cel((_NAME_RULE, _NAME_MESSAGE), (_CLAIM_NAME_RULE, _CLAIM_NAME_MESSAGE))
    )

    KIND: ClassVar[str] = "GatewayFleet"
    PLURAL: ClassVar[str] = "gatewayfleets"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("gwf",)

    metadata: ObjectMeta
    spec: FleetSpec
    status: FleetStatus = FleetStatus()

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if not re.fullmatch(FLEET_NAME_PATTERN, self.metadata.name):
            raise ValueError(_NAME_MESSAGE)
        return self

    @model_validator(mode="after")
    def _check_claim_name(self) -> Self:
        if self.spec.spool.mode is SpoolMode.VOLUME_CLAIM and len(self.metadata.name) > CLAIM_FLEET_NAME_MAX:
            raise ValueError(_CLAIM_NAME_MESSAGE)
        return self
