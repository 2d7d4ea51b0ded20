"""How changes of a repo reach its traffic, as its team writes it, and what is seen of a rollout, as status shows it."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from headgate_gateway.config.base import cel
from headgate_gateway.config.units import Duration, parse_duration
from headgate_operator.api.meta import ResourceModel

MANUAL = "Manual"
"""A step's `hold` that waits for somebody's approval."""

Share = Annotated[str, Field(pattern=r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)%$", max_length=9)]
"""A percentage: `1%`, `0.5%`."""

Number = Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4})?$", max_length=9)]
"""A decimal number, written as text because floats lose digits on their way through YAML: `0`, `1.5`."""

_LARGE = r"0{0,3}[1-9][0-9]{0,3}(\.[0-9]{1,4})?"
_SMALL = r"0{1,4}\.[0-9]{0,3}[1-9][0-9]{0,3}"
Factor = Annotated[str, Field(pattern=rf"^({_LARGE}|{_SMALL})$", max_length=9)]
"""A Number above 0."""

LargeFactor = Annotated[str, Field(pattern=rf"^{_LARGE}$", max_length=9)]
"""A Number of at least 1."""


def parse_share(text: str) -> float:
    """The fraction that a percentage means: `0.5%` is 0.005."""
    return float(text.removesuffix("%")) / 100


class Strategy(StrEnum):
    """How a change is taken."""

    CANARY = "Canary"
    IMMEDIATE = "Immediate"


class InconclusivePolicy(StrEnum):
    """What to do when the measurements cannot decide by the deadline."""

    HOLD = "Hold"
    PROMOTE = "Promote"
    ROLL_BACK = "RollBack"


class RolloutStep(ResourceModel):
    """One share of the traffic, and how long it is looked at."""

    weight: Annotated[int, Field(ge=1, le=100)]
    """Per cent of the repo's requests that go to the new revision."""
    hold: Annotated[str, Field(pattern=r"^(Manual|([0-9]{1,5}(h|m|s|ms)){1,4})$", max_length=24)] = "60s"
    """How long the step is measured once the traffic is split as asked; Manual: until somebody approves it."""

    @property
    def is_manual(self) -> bool:
        """Whether the step waits for an approval."""
        return self.hold == MANUAL

    @property
    def hold_seconds(self) -> float:
        """How long the step is measured at least; 0 for a manual one."""
        return 0.0 if self.is_manual else parse_duration(self.hold) / 1_000


class MetricBounds(ResourceModel):
    """When a share counts as bad: above `max`, or above `factor` times the stable share, whichever is higher."""

    max: Share
    """The share that is fine whatever the stable side does."""
    factor: Factor = "1.5"
    """How many times the stable share is still fine."""


class AnalysisMetrics(ResourceModel):
    """Bounds of each measurement."""

    server_errors: MetricBounds = MetricBounds(max="1%")
    """Requests answered 5xx, or from memory (`delivery: Async`) and lost then."""
    rejected: MetricBounds = MetricBounds(max="1%")
    """Lines refused."""
    dropped: MetricBounds = MetricBounds(max="5%")
    """Lines that the constraint or an executor drops; where the change itself alters these, only `droppedMax` counts."""
    dropped_max: Share = "95%"
    """Lines that a changed constraint, or changed executors, may drop. A stream that has always dropped more may go on to."""
    dead_lettered: MetricBounds = MetricBounds(max="1%")
    """Lines sent to the dead-letter topic. Where the change gives the repo one, or takes it away, lines that the stable side refuses count as well."""
    latency_factor: LargeFactor = "2"
    """How many times the stable p99 the canary's p99 latency may be."""
    latency_floor: Duration = 50
    """A p99 below this is fine whatever the stable side does."""
    write_rate_factor: LargeFactor = "2"
    """How many times fewer or more records a request may make for a topic than on the stable side; not judged where the change alters constraint, executors, formats or topics."""


class MetricQuery(ResourceModel):
    """A Prometheus query that has to stay in a range."""

    model_config = ConfigDict(
        json_schema_extra=cel(("has(self.min) || has(self.max)", "a query needs min, max or both"))
    )

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """What status calls it."""
    query: Annotated[str, Field(min_length=1, max_length=4096)]
    """PromQL that yields one number, as a Jinja2 template over namespace, repo, revision, track and window."""
    min: Number | None = None
    """The lowest good value."""
    max: Number | None = None
    """The highest good value."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a query needs min, max or both")
        return self


class Analysis(ResourceModel):
    """How the new revision is judged against the stable one."""

    min_requests: Annotated[int, Field(ge=10, le=1_000_000)] = 100
    """Requests that the new revision must have answered within a step before the step can pass."""
    on_inconclusive: InconclusivePolicy = InconclusivePolicy.HOLD
    """What to do when a step cannot be decided by the deadline: hold (wait for somebody), promote or roll back."""
    deadline: Annotated[Duration, Field(ge=1_000, le=604_800_000)] = 1_800_000
    """How long after its hold a step may stay undecided."""
    confidence: Annotated[str, Field(pattern=r"^(9[0-9])(\.[0-9]{1,3})?%$", max_length=7)] = "99%"
    """One minus the chance that a good revision is rolled back by accident, over the whole rollout and all measurements."""
    metrics: AnalysisMetrics = AnalysisMetrics()
    """Bounds of the built-in measurements."""
    queries: Annotated[
        tuple[MetricQuery, ...],
        Field(
            max_length=8, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = ()
    """Prometheus queries beside them; the operator has to know a server."""

    @model_validator(mode="after")
    def _check_queries(self) -> Self:
        found = [query.name for query in self.queries]
        if doubled := sorted({name for name in found if found.count(name) > 1}):
            raise ValueError(f"queries: Duplicate value: name {doubled[0]} is there twice")
        return self


_STEPS_MESSAGE = "weights of steps must rise"


class Rollout(ResourceModel):
    """How a change of the repo reaches its traffic."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                (
                    "!has(self.steps) || (self.steps.map(s, s.weight).isSorted()"
                    " && self.steps.all(s, self.steps.exists_one(t, t.weight == s.weight)))"
                ),
                _STEPS_MESSAGE,
            ),
        )
    )

    strategy: Strategy = Strategy.CANARY
    """Canary: step by step, judged. Immediate: all traffic at once; the only one where the fleet has no routing."""
    steps: Annotated[tuple[RolloutStep, ...], Field(min_length=1, max_length=10)] = (
        RolloutStep(weight=10),
        RolloutStep(weight=50),
    )
    """Shares of the traffic before all of it: 10 % and 50 % unless said otherwise."""
    analysis: Analysis = Analysis()
    """How each step is judged."""
    progress_deadline: Annotated[Duration, Field(ge=5_000, le=86_400_000)] = 600_000
    """How long the canary may take to become ready (image pulls, crash loops, a config that does not compile) before it goes back."""

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        weights = [step.weight for step in self.steps]
        if any(later <= earlier for earlier, later in pairwise(weights)):
            raise ValueError(_STEPS_MESSAGE)
        return self


class MeasurementStatus(ResourceModel):
    """One measurement of the step under way, or of the one that decided."""

    name: str
    """What was measured: serverErrors, rejected, dropped, deadLettered, latencyP99, writeRate of a topic, or a query."""
    value: str
    """The new revision's."""
    stable: str | None = None
    """The stable revision's, where it counts."""
    threshold: str
    """What the value must not exceed (or the range that it must stay in)."""
    requests: int
    """Requests that the value rests on."""
    verdict: str
    """Pass, Fail, Inconclusive or Waiting."""


class CommandStatus(ResourceModel):
    """What became of the last command."""

    token: str
    verb: str
    result: str
    """Obeyed, or why not."""


class WrittenStatus(ResourceModel):
    """What a revision that was rolled back had written to one partition."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    records: int


class RolloutStatus(ResourceModel):
    """Where a change of the repo is."""

    phase: str
    """Stable, Waiting, Progressing, Paused, Promoting, RollingBack, RolledBack or Superseded."""
    stage: str | None = None
    """What it is doing there, while Progressing or Paused: Starting, Shifting, Measuring, Gated (waits for an approval) or Undecided (the hold is over, and the measurements cannot decide)."""
    stable: str | None = None
    """The promoted revision."""
    candidate: str | None = None
    """The revision on its way, or the one that was rolled back."""
    cause: str | None = None
    """What made the change, if not the repo's own spec: Profile, Fleet (its limits) or Image. With Image, `stable` and `candidate` are hashes of the fleet's images, and the repo's content stays what it is."""
    step: str | None = None
    """The step under way, of how many: `1/2`."""
    weight: int | None = None
    """Per cent of requests that go to the candidate, as asked of the ingress."""
    counted_weight: str | None = None
    """The share that the gateways really counted, and of how many requests: `9.8% of 1240`."""
    verified: str | None = None
    """Verified: the counted share fits the requested one. Unverified: too little traffic to tell; the ingress has accepted the route."""
    reason: str | None = None
    """A word for why it is where it is."""
    message: str | None = None
    """The same in a sentence, with what to do next."""
    started_at: str | None = None
    """When the rollout began."""
    step_started_at: str | None = None
    """When the step's clock started."""
    measurements: Annotated[tuple[MeasurementStatus, ...], Field(max_length=64)] = ()
    """The last measurements."""
    command: CommandStatus | None = None
    """What became of the last command."""
    written: Annotated[tuple[WrittenStatus, ...], Field(max_length=256)] = ()
    """After a rollback: what the revision had written, by partition."""
