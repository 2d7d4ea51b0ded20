"""A small world for whole rollouts: what the actions make of it, what a poll sees of it, and what goes wrong in it."""

from dataclasses import dataclass, field, replace
from typing import Any

from tests.unit.rollout.builders import NEW, OLD, START, gauge

from headgate_operator.api.rollout import Rollout
from headgate_operator.rollout.commands import parse_command
from headgate_operator.rollout.machine import step
from headgate_operator.rollout.model import (
    CanarySight,
    Gauge,
    Observation,
    Preflight,
    QueryResult,
    RemoveCanary,
    RolloutState,
    RouteWeight,
    RunCanary,
    ServeStable,
    Step,
)
from headgate_operator.rollout.store_form import dump_state, load_state


@dataclass
class Counted:
    """The counters of one track."""

    requests: int = 0
    errors: int = 0
    rejected: int = 0


@dataclass
class World:
    """One repo, its stable pods and its canary. Attributes are what a test may turn."""

    now: float = START
    exists: bool = True
    desired: str | None = OLD
    policy: Rollout = field(default_factory=Rollout)
    immediate: bool = False
    may_start: bool = True
    fresh: bool = True
    route_accepted: bool = True
    confirms: bool = True
    stuck: bool = False
    """Canary pods do not become ready."""
    dead: bool = False
    refused: str = ""
    preflight: Preflight = Preflight.PASSED
    restarts: int = 0
    hangs: bool = False
    """Removed pods do not go."""
    errors: float = 0.0
    """Share of the canary's requests that are answered 5xx."""
    rejected: float = 0.0
    both_errors: float = 0.0
    """Share of all requests that are answered 5xx."""
    command: str = ""
    state: RolloutState = field(default_factory=lambda: RolloutState(stable=OLD))
    running: str | None = None
    size: int = 0
    ready_for: int = 0
    weight: int = 0
    carried: int = 0
    """What the ingress really does: it follows the weight when it accepts the route."""
    stable: Counted = field(default_factory=Counted)
    canary: Counted = field(default_factory=Counted)

    def pass_time(self, seconds: float, requests: int) -> None:
        """Time and traffic; pods start, the ingress follows."""
        self.now += seconds
        if self.route_accepted:
            self.carried = self.weight
        if self.running is not None and not self.stuck:
            self.ready_for = self.size
        to_canary = requests * self.carried // 100 if self.running is not None else 0
        self._count(self.canary, to_canary, max(self.errors, self.both_errors), self.rejected)
        self._count(self.stable, requests - to_canary, self.both_errors, 0.0)

    def _count(self, track: Counted, requests: int, errors: float, rejected: float) -> None:
        track.requests += requests
        track.errors += round(requests * errors)
        track.rejected += min(requests - round(requests * errors), round(requests * rejected))

    def observe(self) -> Observation:
        pods = 0 if self.running is None else 1 if self.size < 50 else 2
        ready = pods if self.ready_for >= self.size > 0 else min(1, pods) if self.ready_for else 0
        loaded = self.running == self.state.candidate and ready > 0
        sight = CanarySight(
            exists=self.running is not None, desired=pods, ready=0 if self.dead else ready, loaded=loaded,
            refused=self.refused if self.running else "",
            preflight=self.preflight if loaded else Preflight.PENDING,
            restarts=self.restarts, trouble="CrashLoopBackOff" if self.dead else "",
        )  # fmt: skip
        return Observation(
            now=self.now, exists=self.exists, desired=self.desired, policy=self.policy, immediate=self.immediate,
            may_start=self.may_start, line="" if self.may_start else "1 of 1 in line", canary=sight,
            stable_confirmed=self.confirms, route_accepted=self.route_accepted,
            gauges_canary=self._gauges("c", self.canary, self.running), gauges_stable=self._gauges("s", self.stable, OLD),
            fresh=self.fresh, command=parse_command(self.command),
            queries={query.name: QueryResult(1.0) for query in self.policy.analysis.queries},
        )  # fmt: skip

    def _gauges(self, process: str, track: Counted, revision: str | None) -> tuple[Gauge, ...]:
        if revision is None:
            return ()
        counters: dict[str, Any] = {"errors": track.errors, "rejected": track.rejected}
        return (gauge(process, track.requests, revision=revision, **counters),)

    def step(self) -> tuple[RolloutState, Observation, Step]:
        """One reconcile, from the stored form and back to it: the state before, what was seen, what came of it."""
        before, seen = load_state(dump_state(self.state)), self.observe()
        done = step(before, seen)
        self.state = load_state(dump_state(done.state))
        assert self.state == done.state
        for action in done.actions:
            self.act(action)
        return before, seen, done

    def act(self, action: object) -> None:
        match action:
            case RunCanary(revision, weight):
                if self.running != revision:
                    self.running, self.canary, self.ready_for, self.restarts = revision, Counted(), 0, 0
                self.size = weight
            case RouteWeight(weight):
                self.weight = weight
            case RemoveCanary() if not self.hangs:
                self.running, self.size, self.ready_for, self.carried = None, 0, 0, 0
            case ServeStable():
                pass

    def calm(self) -> None:
        """Everything works from here on; what the candidate does to events stays."""
        self.fresh = self.route_accepted = self.confirms = self.may_start = self.exists = True
        self.stuck = self.dead = self.hangs = self.immediate = False
        self.refused, self.preflight, self.both_errors = "", Preflight.PASSED, 0.0


def rolling_out(**fields: Any) -> World:
    """A world that has just been asked for NEW."""
    return replace(World(desired=NEW), **fields)
