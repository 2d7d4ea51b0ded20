"""What gateways say of themselves: polls every gateway pod's admin `/status`, beside reconcile and never within it.

Decides nothing: a changed answer is kept and the pod's fleet is notified. Built by the composition root.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp
from pydantic import ValidationError

from headgate_gateway.config.status import AdoptedSpool, GatewayStatus
from headgate_operator.adapters.admin_port import admin_url, read_bounded
from headgate_operator.metrics import Metrics
from headgate_operator.ports import Clock
from headgate_operator.status.observation import Directories, GatewayReport, PodView, Refusal, SpoolReport

FleetKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PollTiming:
    """Seconds."""

    fast: float = 0.15
    """Between polls of a gateway that has yet to confirm something."""
    slow: float = 5.0
    leaving: float = 1.0
    """Of a gateway that is on its way out: what it says last of its spool is what its claim holds."""
    timeout: float = 2.0
    in_flight: int = 32
    patient: int = 20
    """Failed polls after which a gateway is asked ever more rarely, down to `slow`."""
    misses: int = 3
    """Failed polls after which the last answer no longer counts."""


@dataclass(slots=True)
class _Polled:
    due: float
    report: GatewayReport | None = None
    misses: int = 0
    asking: bool = False
    ready: bool = False


class GatewayPoller:
    """Knows what each gateway said last."""

    def __init__(
        self,
        pods: Callable[[], Iterable[PodView]],
        notify: Callable[[FleetKey], None],
        clock: Clock,
        metrics: Metrics,
        timing: PollTiming,
    ) -> None:
        self._pods = pods
        self._notify = notify
        self._clock = clock
        self._metrics = metrics
        self._timing = timing
        self._polled: dict[str, _Polled] = {}
        self._hurried: set[FleetKey] = set()

    def report(self, uid: str) -> GatewayReport | None:
        """What the gateway with this pod uid said last; None where it was not reached."""
        polled = self._polled.get(uid)
        return polled.report if polled is not None else None

    def hurry(self, fleet: FleetKey, wanted: bool) -> None:
        """Poll the gateways of a fleet fast, or at leisure again."""
        if wanted and fleet not in self._hurried:
            self._hurried.add(fleet)
            soon = self._clock()
            for pod in self._pods():
                if (pod.namespace, pod.fleet) == fleet and pod.uid in self._polled:
                    self._polled[pod.uid].due = min(self._polled[pod.uid].due, soon)
        elif not wanted:
            self._hurried.discard(fleet)

    async def run(self, enabled: Callable[[], bool]) -> None:
        """Poll while enabled, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self._timing.timeout)
        # A connection for each poll: a kept one would outlive its pod and hide a changed NetworkPolicy.
        connector = aiohttp.TCPConnector(limit=self._timing.in_flight, force_close=True)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as group:
            while True:
                for pod in self._due() if enabled() else ():
                    group.create_task(self._poll(session, pod))
                await asyncio.sleep(self._timing.fast / 2)

    def _due(self) -> list[PodView]:
        pods = [pod for pod in self._pods() if pod.ip and not pod.finished]
        for uid in self._polled.keys() - {pod.uid for pod in pods}:
            del self._polled[uid]
        now, found = self._clock(), []
        for pod in pods:
            polled = self._polled.setdefault(pod.uid, _Polled(due=now))
            if pod.ready and not polled.ready:
                polled.due, polled.misses = now, 0  # it has only just begun to serve, so its answer is worth having
            polled.ready = pod.ready
            if polled.due <= now and not polled.asking:
                polled.asking = True
                found.append(pod)
        return found

    async def _poll(self, session: aiohttp.ClientSession, pod: PodView) -> None:
        report = await self._ask(session, pod)
        polled = self._polled.get(pod.uid)
        if polled is None:
            return
        before = polled.report
        polled.misses = 0 if report is not None else polled.misses + 1
        polled.asking, polled.due = False, self._clock() + self._pause(pod, polled)
        if report is not None or (polled.misses >= self._timing.misses and not pod.leaving):
            polled.report = report
        if polled.report != before or (pod.leaving and _left_by(polled.report) != _left_by(before)):
            self._notify((pod.namespace, pod.fleet))

    def _pause(self, pod: PodView, polled: _Polled) -> float:
        timing = self._timing
        if pod.leaving:
            return timing.leaving
        # A gateway that has never answered is about to start: it is asked often.
        fast = (pod.namespace, pod.fleet) in self._hurried or (polled.report is None and polled.misses > 0)
        # One that stays silent may be out of reach for good (a NetworkPolicy): it is not asked at that pace for ever.
        doublings = min(max(0, polled.misses - timing.patient), 10)
        return min(timing.slow, timing.fast * 2.0**doublings) if fast else timing.slow

    async def _ask(self, session: aiohttp.ClientSession, pod: PodView) -> GatewayReport | None:
        try:
            # A redirect would send the operator, which may reach more than a pod may, wherever the pod likes.
            async with session.get(admin_url(pod.ip, "/status"), allow_redirects=False) as response:
                response.raise_for_status()
                report = build_report(await read_bounded(response))
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._metrics.polls.labels("unreachable").inc()
            return None
        except ValidationError:
            self._metrics.polls.labels("unreadable").inc()
            return None
        self._metrics.polls.labels("ok").inc()
        return report


def build_report(content: bytes) -> GatewayReport:
    """The part of a `/status` that matters. Raises pydantic's ValidationError for what is no GatewayStatus."""
    status = GatewayStatus.model_validate_json(content)
    spool = _spool_in(status)
    return GatewayReport(
        contract_versions=status.contract_versions,
        shards={int(index): content for index, content in status.shards.items() if index.isdecimal()},
        credentials_hash=status.credentials_hash,
        refused={
            (each.namespace, each.name): Refusal(each.reason, each.revision, each.serving_revision is not None)
            for each in status.refused
        },
        refused_shards={
            int(each.shard): (each.hash, each.reason) for each in status.refused_shards if each.shard.isdecimal()
        },
        preflights={(each.namespace, each.name): each for each in status.preflights},
        spool=spool,
        spool_news=spool.news if spool is not None else (),
    )


def _left_by(report: GatewayReport | None) -> tuple[int, int, int] | None:
    """What a gateway would leave on its disk."""
    spool = report.spool if report is not None else None
    return (spool.backlog_records, spool.backlog_bytes, spool.parked) if spool is not None else None


def _spool_in(status: GatewayStatus) -> SpoolReport | None:
    said = status.spool
    if said is None:
        return None
    unopened = [each for each in said.adopted if not each.opened]
    foreign: Counter[str] = Counter()
    for each in said.foreign:
        foreign[each.owner] += each.bytes
    return SpoolReport(
        state=said.state,
        problem=said.problem,
        backlog_records=said.backlog_records,
        backlog_bytes=said.backlog_bytes,
        oldest_seconds=said.oldest_seconds,
        parked=said.parked,
        damaged=said.damaged,
        owner=said.owner,
        adopted=len(said.adopted),
        foreign=tuple(sorted(foreign)),
        foreign_bytes=dict(foreign),
        waiting=_sum_up(each for each in unopened if not each.problem),
        unopened=_sum_up(each for each in unopened if each.problem),
    )


def _sum_up(adopted: Iterable[AdoptedSpool]) -> Directories:
    return sum((Directories(1, each.bytes) for each in adopted), Directories())
