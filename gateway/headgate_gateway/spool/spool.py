"""The spool as the rest of the gateway sees it: opened before traffic, bound to repos, closed last.

Wires directory, logs, courier and producers together; decides nothing itself. Used by the composition root and reload.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from random import Random
from typing import Self

from headgate_gateway.config.kafka import Delivery
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.config.status import SpoolStatus
from headgate_gateway.kafka.supervise import supervise
from headgate_gateway.spool.courier import Courier, CourierSettings
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import Disk, OsDisk
from headgate_gateway.spool.ending import Ending
from headgate_gateway.spool.entry import EntryHead
from headgate_gateway.spool.errors import NO_SPACE, SpoolFencedError
from headgate_gateway.spool.gate import Gate
from headgate_gateway.spool.log import Log, LogSettings, Visit
from headgate_gateway.spool.outlets import Outlets
from headgate_gateway.spool.ports import ProducerLease, ProducerSource
from headgate_gateway.spool.producer import Binding, SpoolingLease, build_origin
from headgate_gateway.spool.report import (
    DrainRate,
    SpoolMetrics,
    SpoolRefusal,
    build_rows,
    commit_histogram,
    decide_refusal,
    state_name,
)
from headgate_gateway.spool.reserve import release_reserve
from headgate_gateway.spool.settings import SpoolSettings
from headgate_gateway.spool.space import Space
from headgate_gateway.spool.targets import TargetState
from headgate_gateway.spool.threads import DaemonExecutor

log = logging.getLogger(__name__)

TICK = 0.1
"""Seconds between two looks at blocked targets."""
LAST_ANSWERS = 0.5
"""Seconds at the end in which nothing is handed over any more, so that what was is answered."""
READERS = 2


class Spool:
    """One directory's queue. Everything but `open` belongs to the event loop."""

    def __init__(self, settings: SpoolSettings, disk: Disk, pool: ProducerSource, now_ms: Callable[[], int]) -> None:
        """Made by `open`."""
        self._settings = settings
        self._disk = disk
        self._pool = pool
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._space = Space(settings.max_bytes, settings.headroom)
        self._log_settings = LogSettings(segment_bytes=settings.segment)
        self._readers: Executor = DaemonExecutor(READERS, "spool-read")
        self._chores: Executor = DaemonExecutor(1, "spool-chores")
        """One thread: what is asked of it first is done first."""
        self._rate = DrainRate(self._loop.time())
        self._parked_found = 0
        self._parked_profiles: set[str] = set()
        self._ending = Ending()
        self._tasks: list[asyncio.Task[None]] = []
        self._gave_up = False
        self.removed: bool | None = None
        """Whether the directory was deleted when it was closed; False: something in it is for people; None: it was not to be."""
        self._directory: SpoolDirectory
        self._parked: Log
        self._courier: Courier

    @classmethod
    async def open(
        cls,
        settings: SpoolSettings,
        pool: ProducerSource,
        disk: Disk | None = None,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random: Random | None = None,
    ) -> Self:
        """Lock the directory and find out what is there, in a thread. Raises SpoolLockedError, SpoolVersionError, OSError."""
        spool = cls(settings, disk or OsDisk(), pool, now_ms)
        try:
            await spool._open(random or Random())  # noqa: S311 - jitter, nothing secret
        except BaseException as error:
            if settings.owner and isinstance(error, OSError) and error.errno in NO_SPACE:
                await spool._make_room()
            # One that was taken over is tried again and again by the same process.
            spool._end_threads()
            raise
        return spool

    async def _make_room(self) -> None:
        """So that the next attempt finds some."""
        await self._loop.run_in_executor(self._chores, release_reserve, self._disk, self._settings.directory)

    async def _open(self, random: Random) -> None:
        settings, in_thread = self._settings, self._loop.run_in_executor
        profiles = await in_thread(self._chores, self._open_directory)
        outlets = Outlets(self._directory, self._pool, self._chores)
        outlets.load(profiles)
        self._courier = Courier(
            Gate(outlets, settings.backoff, random),
            self._parked,
            self._open_side,
            self._directory.remove_side,
            (self._readers, self._chores),
            CourierSettings(settings.side_after, settings.unknown_topic_patience, settings.parked_bytes),
            self._now_ms,
        )
        await in_thread(self._chores, self._open_logs)

    def _open_directory(self) -> dict[str, bytes]:
        self._directory = SpoolDirectory.open(self._disk, self._settings.directory, self._settings.owner)
        opened: list[Log] = []
        try:
            opened.append(self._open_log(self._directory.parked, self._find_parked))
            profiles = self._directory.profiles()
        except BaseException:
            self._abandon(opened)
            raise
        self._parked = opened[0]
        return profiles

    def _find_parked(self, _: int, head: EntryHead) -> None:
        self._parked_found += head.count
        self._parked_profiles.add(head.profile_hash)

    def _open_logs(self) -> None:
        courier, opened = self._courier, [self._parked]
        try:
            opened.append(
                self._open_log(self._directory.log, lambda first, head: courier.find(courier.main, first, head))
            )
            courier.main.attach(opened[-1])
            for name in self._directory.sides():
                courier.sides.load(name, courier.find)
        except BaseException:
            self._abandon([*opened, *(side.log for side in courier.sides.cursors)])
            raise

    def _abandon(self, opened: list[Log]) -> None:
        for each in opened:
            each.close()
        self._directory.close()

    def _open_log(self, path: str, visit: Visit | None = None) -> Log:
        notify = self._loop.call_soon_threadsafe
        fence = self._directory.fence
        return Log.open(self._disk, path, self._space, notify, self._log_settings, visit=visit, fence=fence)

    def _open_side(self, name: str, visit: Visit | None) -> Log:
        return self._open_log(self._directory.side(name), visit)

    def start(self) -> None:
        """Begin to deliver what is there. Targets whose credentials are not known yet wait for `set_credentials`."""
        self._courier.start()
        for name, body in (("spool: probes", self._probe), ("spool: chores", self._keep_house)):
            self._tasks.append(asyncio.create_task(supervise(name, body)))

    def set_credentials(self, credentials: Mapping[str, bytes]) -> None:
        """The contents of all credential files, at each load: for profiles with a backlog that no repo uses any more."""
        self._courier.gate.outlets.set_credentials(credentials)
        self._courier.probe()

    @property
    def credentials(self) -> Mapping[str, bytes] | None:
        """What `set_credentials` was given last; None: nothing yet."""
        return self._courier.gate.outlets.credentials

    def take_credentials_of(self, other: "Spool") -> None:
        """The same credentials as another spool has, if they are not those that this one has."""
        if other.credentials is not None and other.credentials is not self.credentials:
            self.set_credentials(other.credentials)

    def bind(self, config: RepoConfig, profile: str, lease: ProducerLease) -> SpoolingLease:
        """A repo's way to one of its profiles, with the disk behind it. Takes over the lease: releasing it is its release.

        For repos with Async delivery, or `onFailure: Spool`.
        """
        content = self._courier.gate.outlets.bind(config.producers[profile], lease)
        # Now, so that the first request need not wait for it.
        self._courier.gate.outlets.when_kept(content, _ignore)
        origin = build_origin(config, content, self._settings.track)
        is_async = config.kafka.delivery is Delivery.ASYNC
        return SpoolingLease(Binding(self._courier, origin, is_async, lambda: self.refusal), lease)

    # What it does all the time

    async def _probe(self) -> None:
        while True:
            if self.fenced:
                await self._give_up()
            else:
                self._courier.probe()
            await asyncio.sleep(TICK)

    async def _give_up(self) -> None:
        """Another process has the directory: read nothing more in it, and send nothing more of it."""
        if not self._gave_up:
            await self._courier.stop()
            self._gave_up = True

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(self._settings.checkpoint_every)
            await self._tidy_up()

    async def _tidy_up(self) -> None:
        courier = self._courier
        needed = courier.gate.needed
        before = self._space.used
        try:
            await self._loop.run_in_executor(self._chores, _checkpoint_all, self._logs)
        except SpoolFencedError:
            return  # what is noticed here is told elsewhere
        except OSError as error:
            log.warning("the spool's checkpoint cannot be written", extra={"error": str(error)})
            return
        courier.wake()
        self._rate.look(courier.counters.freed, self._loop.time())
        if before != self._space.used:
            courier.probe()
        await courier.sides.remove_idle(courier.gate.state_of)
        courier.gate.forget_idle()
        # What was needed before the checkpoint may come back after a crash until it is durable.
        kept = self._parked_profiles | courier.undertaker.profiles
        courier.gate.outlets.let_go(needed | courier.gate.needed, kept)

    # What it tells

    @property
    def fenced(self) -> str:
        """Who has the directory now, and this process therefore no more; empty: it is this process's."""
        fence = self._directory.fence
        return fence.broken if fence is not None else ""

    @property
    def has_given_up(self) -> bool:
        """Whether the directory is another's for good, and nobody waits for this process any more."""
        return self._gave_up and not self._courier.gate.handover.records

    @property
    def backlog(self) -> int:
        """Records that are to be delivered still, by this process: what another has is for that one to tell."""
        return 0 if self.fenced else self._courier.backlog

    @property
    def refusal(self) -> SpoolRefusal | None:
        """Why it takes no records now; None: it does."""
        log = self._courier.main.log
        state = log.state
        if state.value == "Ready":
            return None
        excess = self._space.used - (self._space.limit - self._space.headroom)
        excess += (self._space.limit - self._space.headroom) // 20
        return decide_refusal(state, log.report().problem, excess, self._rate, self._parked.report().nbytes)

    @property
    def _logs(self) -> list[Log]:
        """What is delivered from: the main log, and those of targets that hold up others."""
        return [self._courier.main.log, *(side.log for side in self._courier.sides.cursors)]

    @property
    def _oldest_seconds(self) -> float:
        found = [oldest for oldest in (each.oldest_ms() for each in self._logs) if oldest is not None]
        return max((self._now_ms() - min(found)) / 1000, 0.0) if found and not self.fenced else 0.0

    @property
    def _backlog_bytes(self) -> int:
        return sum(state.nbytes for state in self._targets)

    @property
    def _in_flight(self) -> int:
        return 0 if self.fenced else self._courier.handed_records

    @property
    def _targets(self) -> list[TargetState]:
        return [] if self.fenced else list(self._courier.gate.targets.values())

    @property
    def _parked_records(self) -> int:
        return self._parked_found + self._courier.undertaker.parked

    @property
    def _damaged(self) -> int:
        return sum(each.report().damaged for each in (*self._logs, self._parked))

    def status(self) -> SpoolStatus:
        """What `/status` says."""
        courier, refusal = self._courier, self.refusal
        return SpoolStatus(
            state=state_name(courier.main.log.state),
            problem=refusal.message if refusal is not None else "",
            retry_after=refusal.retry_after if refusal is not None else 0,
            bytes=self._space.used,
            max_bytes=self._space.limit,
            backlog_records=self.backlog,
            backlog_bytes=self._backlog_bytes,
            oldest_seconds=self._oldest_seconds,
            in_flight=self._in_flight,
            parked=self._parked_records,
            damaged=self._damaged,
            owner=self._settings.owner,
            targets=build_rows(self._targets, self._loop.time(), self._now_ms()),
        )

    def metrics(self) -> SpoolMetrics:
        """What `/metrics` says."""
        courier = self._courier
        return SpoolMetrics(
            appended=courier.counters.appended,
            delivered=courier.counters.delivered,
            replayed=courier.counters.replayed,
            dead_lettered=courier.undertaker.dead_lettered,
            parked_total=courier.undertaker.parked,
            damaged=self._damaged,
            state=state_name(courier.main.log.state),
            bytes=self._space.used,
            max_bytes=self._space.limit,
            backlog_records=self.backlog,
            backlog_bytes=self._backlog_bytes,
            in_flight=self._in_flight,
            parked=self._parked_records,
            oldest_seconds=self._oldest_seconds,
            blocked_targets=sum(not state.is_open for state in self._targets),
            commit_seconds=commit_histogram(each.report() for each in self._logs),
        )

    # Its end

    async def close(self, seconds: float) -> int:
        """Deliver what can be delivered in that time, stop, and make the rest ready for the next process: its records.

        Before the pool is closed. Takes at most about a second more.
        """
        courier = self._courier
        self._ending.begin(0.0 if self.fenced else seconds)
        await self._ending.wait_for(lambda: not courier.backlog, min(LAST_ANSWERS, seconds / 4))
        courier.closing = True
        await self._ending.wait_for(lambda: not courier.gate.handover.records, 0.0)
        for task in self._tasks:
            task.cancel()
        await courier.stop()
        await self._ending.finish(self._loop.run_in_executor(self._chores, self._close_logs))
        left = self.backlog
        courier.gate.outlets.release()
        self._end_threads()
        return left

    def _end_threads(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._chores.shutdown(wait=False)

    def hurry(self, seconds: float) -> None:
        """Have `close`, which is under way, take no more time than this from now on."""
        self._ending.hurry(seconds)

    @property
    def hangs(self) -> bool:
        """Whether `close` is over, and the disk is not done with what it was asked."""
        return self._ending.hangs

    def _close_logs(self) -> None:
        for each in (*self._logs, self._parked):
            each.close()
        self._directory.close()
        if self._settings.owner and not self.fenced and not self._courier.backlog:
            # Nobody comes back to it: the next pod has another uid.
            try:
                self.removed = self._directory.remove()
            except OSError as error:
                log.warning("an empty spool cannot be removed", extra={"error": str(error)})


def _ignore(failure: OSError | None) -> None:
    """Who needs the profile on disk asks again."""


def _checkpoint_all(logs: list[Log]) -> None:
    for each in logs:
        each.checkpoint()
