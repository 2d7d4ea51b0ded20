"""A small world for whole image upgrades: what the state makes of it, what a look at it sees, and what goes wrong in it."""

from dataclasses import dataclass, field
from typing import Any

from tests.unit.rollout.builders import START, gauge

from headgate_operator.api.rollout import Rollout
from headgate_operator.rollout.commands import parse_command
from headgate_operator.rollout.model import CanarySight, Gauge, Observation, Preflight
from headgate_operator.rollout.store_form import dump_upgrade, load_upgrade
from headgate_operator.rollout.upgrade import advance_upgrade
from headgate_operator.rollout.upgrade_model import (
    Image,
    RepoKey,
    UpgradePhase,
    UpgradeSeen,
    UpgradeStage,
    UpgradeState,
    UpgradeStep,
    Waiting,
    key_of,
    weights_of,
)

OLD, NEW, NEWER = Image(name="gateway:1"), Image(name="gateway:2"), Image(name="gateway:3")
RATES = {("team", "quiet"): 10, ("team", "busy"): 200, ("team", "middle"): 50}
"""Requests a second."""


@dataclass
class UpgradeWorld:
    """One fleet. Attributes are what a test may turn."""

    now: float = START
    image: Image = OLD
    possible: bool = True
    alive: bool = True
    rates: dict[RepoKey, int] = field(default_factory=lambda: dict(RATES))
    policy: Rollout = field(default_factory=Rollout)
    busy: set[RepoKey] = field(default_factory=set)
    bad: set[RepoKey] = field(default_factory=set)
    """Repos that the new image answers with 500."""
    stuck: bool = False
    """Pods of the new image do not become ready."""
    dead: bool = False
    crashes: bool = False
    fresh: bool = True
    routed: bool = True
    carried: bool = False
    """Whether a live route gives the new image requests although none are asked for."""
    hangs: bool = False
    holding: bool = False
    """Whether the new image's gateways have events that Kafka does not take: they are not deleted then."""
    settles: bool = True
    """Whether the stable Deployment's rollout comes to its end."""
    objections: dict[RepoKey, str] = field(default_factory=dict)
    refused: str = ""
    budget: int = 1
    max_concurrent: int = 1
    replicas: int = 4
    command: str = ""
    state: UpgradeState = field(default_factory=lambda: UpgradeState(stable=OLD))
    pods: int = 0
    restarts: int = 0
    stable: Image = OLD
    """What the stable gateways run."""
    weights: dict[RepoKey, int] = field(default_factory=dict)
    counted: dict[tuple[str, RepoKey], int] = field(default_factory=dict)
    """Requests by side (old, new) and repo."""
    failed: dict[RepoKey, int] = field(default_factory=dict)
    """Requests that the new image answered with 500."""

    def pass_time(self, seconds: float = 2.0) -> None:
        """Time and traffic; pods start, the ingress follows."""
        self.now += seconds
        if self.crashes and self.pods:
            self.restarts += 1
        for key, rate in self.rates.items():
            requests = int(rate * seconds)
            new = requests * self.weights.get(key, 0) // 100 if self.pods else 0
            for side, count in (("new", new), ("old", requests - new)):
                self.counted[side, key] = self.counted.get((side, key), 0) + count
            if key in self.bad:
                self.failed[key] = self.failed.get(key, 0) + new

    def observe(self) -> UpgradeSeen:
        ready = 0 if self.stuck or self.dead or self.crashes else self.pods
        sight = CanarySight(
            exists=self.pods > 0, desired=self.pods, ready=ready, loaded=ready > 0, refused=self.refused,
            preflight=Preflight.PASSED, restarts=self.restarts, holding=self.holding,
        )  # fmt: skip
        return UpgradeSeen(
            now=self.now, image=self.image, possible=self.possible and bool(self.rates), alive=self.alive,
            repos={key: Waiting(self.policy, key in self.busy) for key in self.rates},
            moves={key_of(name): self._see(key_of(name), sight) for name in self.state.under_way},
            pods=sight, objections=self.objections if ready else {},
            requests={key: self.counted.get(("old", key), 0) for key in self.rates},
            settled=self.settles and self.state.stage is UpgradeStage.CONFIRMING and self.stable == self.state.candidate,
            routed=self.routed, carried=self.carried, counted=sum(count for (side, _), count in self.counted.items() if side == "new"),
            fresh=self.fresh, replicas=self.replicas, max_concurrent=self.max_concurrent, failure_budget=self.budget,
            progress_deadline=60.0, command=parse_command(self.command),
        )  # fmt: skip

    def _see(self, key: RepoKey, sight: CanarySight) -> Observation:
        return Observation(
            now=self.now, exists=True, desired=self.state.under_way["/".join(key)].candidate, policy=self.policy,
            canary=sight, route_accepted=self.routed, gauges_canary=self._gauges("new", key),
            gauges_stable=self._gauges("old", key), fresh=self.fresh, few_suffice=True,
        )  # fmt: skip

    def _gauges(self, side: str, key: RepoKey) -> tuple[Gauge, ...]:
        requests = self.counted.get((side, key), 0)
        return (gauge(side, requests, errors=self.failed.get(key, 0) if side == "new" else 0),)

    def step(self) -> UpgradeStep:
        """One reconcile, from the stored form and back to it, and what follows from it."""
        before = load_upgrade(dump_upgrade(self.state))
        done = advance_upgrade(before, self.observe())
        self.state = load_upgrade(dump_upgrade(done.state))
        assert self.state == done.state
        self._follow()
        return done

    def _follow(self) -> None:
        state = self.state
        self.weights = weights_of(state)
        self.stable = state.candidate if state.phase is UpgradePhase.PROMOTING and state.candidate else state.stable
        resting = state.phase in (UpgradePhase.STABLE, UpgradePhase.ROLLED_BACK)
        if resting or (state.stage is UpgradeStage.REMOVING and not self.hangs and not self.holding):
            self.pods = self.restarts = 0
            self.counted = {each: count for each, count in self.counted.items() if each[0] == "old"}
            self.failed.clear()
        elif state.stage is not UpgradeStage.REMOVING:
            self.pods = state.replicas

    def calm(self) -> None:
        """Everything works from here on; what the image does to events stays."""
        self.fresh = self.routed = self.settles = self.alive = True
        self.stuck = self.dead = self.crashes = self.hangs = self.carried = self.holding = False
        self.objections, self.refused, self.busy, self.command = {}, "", set(), ""


def upgrading(**fields: object) -> UpgradeWorld:
    """A world that has just been asked for NEW."""
    world = UpgradeWorld(image=NEW)
    for name, value in fields.items():
        setattr(world, name, value)
    return world


QUIET, BUSY, MIDDLE = ("team", "quiet"), ("team", "busy"), ("team", "middle")
QUICK = Rollout.model_validate(
    {"steps": [{"weight": 10, "hold": "4s"}, {"weight": 50, "hold": "4s"}], "analysis": {"minRequests": 10}}
)
READY = CanarySight(exists=True, desired=2, ready=2, loaded=True)
RESTING = (UpgradePhase.STABLE, UpgradePhase.ROLLED_BACK)


def run(world: UpgradeWorld, seconds: float = 600) -> list[tuple[int, int, int]]:
    """Reconcile every two seconds until it rests; answers the weights of quiet, middle and busy, each once in a row."""
    found = [(0, 0, 0)]
    for _ in range(int(seconds / 2)):
        world.pass_time()
        world.step()
        now = tuple(world.weights.get(key, 0) for key in (QUIET, MIDDLE, BUSY))
        if now != found[-1]:
            found.append(now)  # type: ignore[arg-type]
        if world.state.phase in RESTING:
            break
    return found


def moving(**fields: Any) -> UpgradeWorld:
    """One repo has moved, one is moving."""
    world = upgrading(policy=QUICK, **fields)
    for _ in range(5):
        world.pass_time()
    while world.weights.get(QUIET) != 100 or world.weights.get(MIDDLE) != 10:
        world.pass_time()
        world.step()
    return world
