"""Takes over the spools of pods that are gone, as the operator grants, delivers what is in them, and removes them empty.

granted --> renamed to this pod's --> a Spool of its own: epoch, recovery, courier --> nothing left to deliver --> closed
    closed: removed; or kept, since records are parked or damaged bytes set aside in it

Never takes what is not granted. Used by the composition root, beside the gateway's own spool.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from headgate_gateway.config.status import AdoptedSpool, ForeignSpool, SpoolStatus
from headgate_gateway.kafka.supervise import supervise
from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.errors import SpoolFencedError, SpoolLockedError, SpoolVersionError
from headgate_gateway.spool.report import SpoolMetrics, add_metrics
from headgate_gateway.spool.settings import SpoolSettings
from headgate_gateway.spool.shared import Sight, look, take_over
from headgate_gateway.spool.spool import Spool
from headgate_gateway.spool.threads import DaemonExecutor

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds."""
MEASURE_EVERY = 30.0
"""Seconds: what others hold is told for people, and there may be many files."""
AT_ONCE = 4
"""Spools that are delivered at a time: each holds memory and threads."""
YIELD_AFTER = 15.0
"""Seconds without any progress after which one makes room for another that waits."""
REOPEN_AFTER = 600.0
"""Seconds without any progress after which one is looked at afresh: a former owner that was in the midst of a checkpoint may
have deleted a segment, delivered by it, after that had been found here."""
OPEN_AGAIN = 10.0
"""Seconds after one could not be opened."""
NAMED = 500
"""So many other pods' spools are named at most."""

Grants = Callable[[], Mapping[str, str]]
"""By pod that is gone, the pod that takes over its spool. Blocks; raises OSError or ValueError."""
OpenSpool = Callable[[SpoolSettings], Awaitable[Spool]]
NOTHING = Sight({}, {})


@dataclass(slots=True)
class _Shelf:
    """Spools that are not open."""

    kept: dict[str, AdoptedSpool] = field(default_factory=dict)
    """Nothing is to be delivered of them."""
    failed: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When to try again, and why they could not be opened."""
    last: dict[str, AdoptedSpool] = field(default_factory=dict)
    """What they held when they were closed, and hold still."""
    opened: dict[str, float] = field(default_factory=dict)
    """When they were opened last."""

    def forget_others(self, there: Mapping[str, int]) -> None:
        """Drop what is there no more."""
        self.kept = {name: row for name, row in self.kept.items() if name in there}
        self.failed = {name: why for name, why in self.failed.items() if name in there}
        self.last = {name: row for name, row in self.last.items() if name in there}
        self.opened = {name: at for name, at in self.opened.items() if name in there}


class Adoptions:
    """One gateway's. Used within one event loop; begun by `start`."""

    def __init__(self, own: Spool, settings: SpoolSettings, disk: Disk, grants: Grants, open_spool: OpenSpool) -> None:
        """`settings`: of the gateway's own spool, beside which the others are."""
        self._own = own
        self._settings = settings
        self._disk = disk
        self._grants = grants
        self._open_spool = open_spool
        self._open: dict[str, Spool] = {}
        self._ending: dict[str, tuple[Spool, asyncio.Task[int]]] = {}
        self._closed: dict[str, tuple[Spool, AdoptedSpool, int]] = {}
        """Those whose disk is not done with it: another opening would meet it."""
        self._shelf = _Shelf()
        self._sight = NOTHING
        self._measure_at = 0.0
        self._progress: dict[str, tuple[int, float]] = {}
        """Of each that is open: what was left of it last, and since when."""
        self._past: list[SpoolMetrics] = []
        self._executor = DaemonExecutor(1, "spool-adoptions")
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(supervise("spool: adoptions", self._run))

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Take what is granted, and go a step further with each."""
        if self._own.fenced:
            # Somebody took this pod for gone: what it has taken over is granted to others as well.
            await asyncio.shield(self._close_all(0.0))
            self._sight = NOTHING
            self._shelf.forget_others({})
            return
        try:
            self._sight = await self._loop.run_in_executor(self._executor, self._take)
            self._shelf.forget_others(self._sight.mine)
        except (OSError, ValueError) as error:
            # What was seen last is gone on with.
            log.warning("the shared spools cannot be looked at", extra={"error": str(error)})
        self._settle_closed()
        over = [name for name, spool in self._open.items() if self._is_over(name, spool)]
        for name in over or self._find_idle():
            # Whoever is told to stop meanwhile waits for it, or does not: it is gone on with.
            await asyncio.shield(self._close(name, 0.0))
        for name in self._find_due()[: AT_ONCE - len(self._open)]:
            await self._begin(name, self._sight.mine[name])
        for spool in self._open.values():
            spool.take_credentials_of(self._own)

    def _is_over(self, name: str, spool: Spool) -> bool:
        now = self._loop.time()
        backlog, since = self._progress.get(name, (-1, now))
        if backlog != spool.backlog:
            since = now
        self._progress[name] = spool.backlog, since
        return bool(spool.fenced) or not spool.backlog or now - since >= REOPEN_AFTER

    def _take(self) -> Sight:
        root, owner = self._settings.root, self._settings.owner
        for gone, adopter in self._grants().items():
            if adopter == owner:
                for name in take_over(self._disk, root, owner, gone):
                    log.warning("took over the spool of a pod that is gone", extra={"pod": gone, "directory": name})
        if self._loop.time() >= self._measure_at:
            self._measure_at = self._loop.time() + MEASURE_EVERY
            return look(self._disk, root, owner)
        return look(self._disk, root, owner, self._sight.sizes)

    def _find_idle(self) -> list[str]:
        """As many that make no progress as others wait for their places."""
        latest = self._loop.time() - YIELD_AFTER
        idle = sorted((since, name) for name, (_, since) in self._progress.items() if since <= latest)
        wanted = len(self._find_due()) - (AT_ONCE - len(self._open))
        return [name for _, name in idle[: max(wanted, 0)]]

    def _find_due(self) -> list[str]:
        """Those to be opened, first the one that was open the longest time ago."""
        shelf, now = self._shelf, self._loop.time()
        due = [name for name in self._find_waiting() if now >= shelf.failed.get(name, (0.0, ""))[0]]
        return sorted(
            (name for name in due if name not in self._ending and name not in self._closed),
            key=lambda name: (shelf.opened.get(name, 0.0), name),
        )

    def _find_waiting(self) -> list[str]:
        return [name for name in self._sight.mine if name not in self._open and name not in self._shelf.kept]

    async def _begin(self, name: str, nbytes: int) -> None:
        # It may hold more than this gateway's own may: what its dead letters take comes on top.
        settings = replace(
            self._settings,
            directory=f"{self._settings.root}/{name}",
            max_bytes=max(self._settings.max_bytes, nbytes * 3 // 2),
        )
        try:
            spool = await self._open_spool(settings)
        except (OSError, SpoolLockedError, SpoolVersionError, SpoolFencedError) as error:
            log.warning("a spool that was taken over cannot be opened", extra={"directory": name, "error": str(error)})
            self._shelf.failed[name] = self._loop.time() + OPEN_AGAIN, str(error)
            return
        self._shelf.failed.pop(name, None)
        self._shelf.last.pop(name, None)
        self._shelf.opened[name] = self._loop.time()
        self._open[name] = spool
        spool.take_credentials_of(self._own)
        spool.start()
        log.info("delivering a spool that was taken over", extra={"directory": name, "records": spool.backlog})

    def _close(self, name: str, seconds: float) -> "asyncio.Task[int]":
        """Stop delivering one; the records that are left in it."""
        spool = self._open.pop(name)
        self._progress.pop(name, None)
        ending = asyncio.create_task(self._end(name, spool, seconds))
        self._ending[name] = spool, ending
        return ending

    async def _end(self, name: str, spool: Spool, seconds: float) -> int:
        row = _row(name, spool.status())
        try:
            left = await spool.close(seconds)
        finally:
            del self._ending[name]
        self._past = [add_metrics([*self._past, spool.metrics().of_the_past()])]
        self._closed[name] = spool, row, left
        self._settle_closed()
        return left

    def _settle_closed(self) -> None:
        for name, (spool, row, left) in list(self._closed.items()):
            if not spool.hangs:
                del self._closed[name]
                self._settle(name, spool, row, left)

    def _settle(self, name: str, spool: Spool, row: AdoptedSpool, left: int) -> None:
        """One has been closed, and its disk is done with it."""
        if spool.removed or spool.fenced:
            # Opening what was seen before would make it anew.
            mine = {each: nbytes for each, nbytes in self._sight.mine.items() if each != name}
            self._sight = Sight(mine, self._sight.foreign)
        if spool.removed:
            log.info("a spool that was taken over is delivered", extra={"directory": name})
        elif spool.removed is False:
            self._shelf.kept[name] = row
        elif not spool.fenced and left:
            self._shelf.last[name] = row
        elif not spool.fenced:
            self._shelf.failed[name] = self._loop.time() + OPEN_AGAIN, "it is delivered, and cannot be removed yet"

    async def _close_all(self, seconds: float) -> int:
        for name in list(self._open):
            self._close(name, seconds)
        tasks = [task for _, task in self._ending.values()]
        return sum(_tell_failure(each) for each in await asyncio.gather(*tasks, return_exceptions=True))

    async def close(self, seconds: float) -> int:
        """Deliver what can be delivered in that time, and stop: the records that are left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        unopened = [name for name in self._find_waiting() if name not in self._shelf.opened]
        if unopened:
            log.warning(
                "spools that were taken over were not opened: the next gateway delivers them",
                extra={"directories": len(unopened)},
            )
        left = await self._close_all(seconds)
        self._executor.shutdown(wait=False)
        return left

    def hurry(self, seconds: float) -> None:
        """Have `close`, which is under way, take no more time than this from now on."""
        for spool, _ in self._ending.values():
            spool.hurry(seconds)

    # What it tells

    def status(self, own: SpoolStatus) -> SpoolStatus:
        """The status of the gateway's own spool, with what it has taken over and what is others'."""
        told = [(name, spool.status()) for name, spool in self._open.items()]
        rows = [_row(name, status) for name, status in told] + list(self._shelf.kept.values()) + self._waiting()
        statuses = [status for _, status in told]
        foreign = sorted(self._sight.foreign.items())[:NAMED]
        return own.model_copy(
            update={
                "backlog_records": own.backlog_records + sum(row.backlog_records for row in rows),
                "backlog_bytes": own.backlog_bytes + sum(row.backlog_bytes for row in rows),
                "oldest_seconds": max([own.oldest_seconds, *(each.oldest_seconds for each in statuses)]),
                "in_flight": own.in_flight + sum(each.in_flight for each in statuses),
                "parked": own.parked + sum(row.parked for row in rows),
                "damaged": own.damaged + sum(row.damaged for row in rows),
                "targets": (*own.targets, *_targets(statuses)),
                "adopted": tuple(sorted(rows, key=lambda row: row.directory)),
                "foreign": tuple(ForeignSpool(owner=owner, bytes=nbytes) for owner, nbytes in foreign),
            }
        )

    def _waiting(self) -> list[AdoptedSpool]:
        """Of spools whose turn has not come, or that cannot be opened: what they held last, where they were open before."""
        return [self._waiting_row(name) for name in self._find_waiting()]

    def _waiting_row(self, name: str) -> AdoptedSpool:
        _, problem = self._shelf.failed.get(name, (0.0, ""))
        unknown = AdoptedSpool(directory=name, bytes=self._sight.mine[name], opened=False)
        return self._shelf.last.get(name, unknown).model_copy(update={"problem": problem})

    def metrics(self, own: SpoolMetrics) -> SpoolMetrics:
        """The same in numbers: what is kept counts as parked."""
        waiting = self._waiting()
        kept = sum(row.parked for row in (*self._shelf.kept.values(), *waiting))
        together = add_metrics([own, *(spool.metrics() for spool in self._open.values()), *self._past])
        return replace(
            together,
            parked=together.parked + kept,
            backlog_records=together.backlog_records + sum(row.backlog_records for row in waiting),
            backlog_bytes=together.backlog_bytes + sum(row.backlog_bytes for row in waiting),
        )


def _tell_failure(left: int | BaseException) -> int:
    """One that fails to close must not keep the others from it."""
    if isinstance(left, BaseException):
        log.error("a spool that was taken over was not closed", exc_info=left)
        return 0
    return left


def _row(name: str, status: SpoolStatus) -> AdoptedSpool:
    return AdoptedSpool(
        directory=name,
        bytes=status.bytes,
        backlog_records=status.backlog_records,
        backlog_bytes=status.backlog_bytes,
        parked=status.parked,
        damaged=status.damaged,
        problem=status.problem,
    )


def _targets(statuses: Iterable[SpoolStatus]) -> Iterable[object]:
    return (target for status in statuses for target in status.targets)
