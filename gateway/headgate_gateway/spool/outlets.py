"""The profiles that the spool has records for: their config on disk, before any record that needs it, and their leases.

A profile stays configured here for as long as a repo is bound to it or records wait for it, whatever reload drops.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from pydantic import ValidationError

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.kafka.pool import profile_hash
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.ports import KafkaProducer, ProducerLease, ProducerSource

log = logging.getLogger(__name__)

WhenKept = Callable[[OSError | None], None]

REPLAY = (
    "stop the gateway and deliver what waits with `headgate spool replay DIR` of the version that wrote it,"
    " or to any Kafka with `--kafka HOST:PORT`"
)


class Outlet:
    """One profile's content."""

    __slots__ = ("bound", "config", "hash", "is_kept", "lease", "problem", "queue")

    def __init__(self, config: ProducerConfig, content: str, *, is_kept: bool) -> None:
        self.config = config
        self.hash = content
        self.is_kept = is_kept
        """Whether its config is durable."""
        self.bound: list[ProducerLease] = []
        """The leases of repos that use it."""
        self.lease: ProducerLease | None = None
        """The spool's own, once no repo has one and records wait."""
        self.problem = "its credentials have not been loaded yet"
        """Why there is no lease."""
        self.queue: list[WhenKept] = []


class Outlets:
    """All of them, by hash of their content."""

    def __init__(self, directory: SpoolDirectory, pool: ProducerSource, executor: Executor) -> None:
        self._directory = directory
        self._pool = pool
        self._executor = executor
        self._outlets: dict[str, Outlet] = {}
        self._unreadable: dict[str, str] = {}
        """By hash: why a stored profile is of no use to this version."""
        self._credentials: Mapping[str, bytes] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self, profiles: Mapping[str, bytes]) -> None:
        """What the directory has kept."""
        for content, stored in profiles.items():
            try:
                # A newer gateway may have written more than this one knows.
                config = ProducerConfig.model_validate_json(stored, extra="ignore")
            except ValidationError as error:
                log.error("a stored profile cannot be read", extra={"hash": content, "error": str(error)})
                self._unreadable[content] = _advise(content, error)
                continue
            self._outlets[content] = Outlet(config, content, is_kept=True)

    def bind(self, config: ProducerConfig, lease: ProducerLease | None) -> str:
        """A repo uses it, and may hold a lease of it; its hash."""
        content = profile_hash(config)
        outlet = self._outlets.get(content)
        if outlet is None:
            outlet = self._outlets[content] = Outlet(config, content, is_kept=False)
        if lease is not None:
            outlet.bound.append(lease)
        return content

    def unbind(self, content: str, lease: ProducerLease) -> None:
        """A repo no longer uses it; its lease is released."""
        outlet = self._outlets[content]
        outlet.bound.remove(lease)
        if not outlet.bound and outlet.lease is None:
            self._acquire(outlet)  # before the producer closes: `let_go` gives it back where nothing waits
        lease.release()

    def knows(self, content: str) -> bool:
        """Whether there is such a profile."""
        return content in self._outlets

    def name(self, content: str) -> str:
        """The profile's name; empty: not known."""
        outlet = self._outlets.get(content)
        return outlet.config.name if outlet is not None else ""

    def when_kept(self, content: str, ready: WhenKept) -> None:
        """Call `ready` once the profile's config is durable, in the order of these calls; at once where it is."""
        outlet = self._outlets[content]
        if outlet.is_kept:
            ready(None)
            return
        outlet.queue.append(ready)
        if len(outlet.queue) == 1:
            task = asyncio.create_task(self._keep(outlet))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _keep(self, outlet: Outlet) -> None:
        content = outlet.config.model_dump_json(by_alias=True).encode()
        failure: OSError | None = None
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, self._directory.keep_profile, outlet.hash, content)
            outlet.is_kept = True
        except OSError as error:
            failure = error
        queue, outlet.queue = outlet.queue, []
        for ready in queue:
            ready(failure)

    def producer(self, content: str) -> KafkaProducer | None:
        """Who delivers for it now; None: nobody can, as `problem` says."""
        outlet = self._outlets.get(content)
        if outlet is None:
            return None
        if outlet.bound:
            return outlet.bound[0].producer
        if outlet.lease is None:
            self._acquire(outlet)
        return outlet.lease.producer if outlet.lease is not None else None

    def problem(self, content: str) -> str:
        """Why there is no producer."""
        outlet = self._outlets.get(content)
        if outlet is None:
            return self._unreadable.get(content) or f"its profile, {content}, is not known; {REPLAY}"
        return outlet.problem

    @property
    def credentials(self) -> Mapping[str, bytes] | None:
        """The contents of credential files that were set last; None: none were."""
        return self._credentials

    def set_credentials(self, credentials: Mapping[str, bytes]) -> None:
        """New contents of credential files: producers that are leased try them."""
        self._credentials = credentials
        for outlet in self._outlets.values():
            before = outlet.lease
            # What there was goes on serving where no producer can be made of the new ones.
            if before is not None and self._acquire(outlet):
                before.release()

    def _acquire(self, outlet: Outlet) -> bool:
        if self._credentials is None:
            return False
        try:
            outlet.lease = self._pool.acquire(outlet.config, self._credentials)
        except ValueError as error:
            outlet.problem = str(error)
            return False
        return True

    def let_go(self, needed: set[str], kept: set[str]) -> None:
        """Give back the leases of profiles that have no records, and forget those that nobody else uses either.

        `kept`: those of records that are parked, which somebody may want to replay.
        """
        for content, outlet in list(self._outlets.items()):
            if content in needed or outlet.queue:
                continue
            if outlet.lease is not None:
                outlet.lease.release()
                outlet.lease = None
            if not outlet.bound and content not in kept:
                del self._outlets[content]
                if outlet.is_kept:
                    self._executor.submit(self._remove, content)

    def _remove(self, content: str) -> None:
        try:
            self._directory.remove_profile(content)
        except OSError as error:
            log.warning("a stored profile cannot be removed", extra={"hash": content, "error": str(error)})

    def release(self) -> None:
        """Give back the leases that the spool itself has."""
        for outlet in self._outlets.values():
            if outlet.lease is not None:
                outlet.lease.release()
                outlet.lease = None


def _advise(content: str, error: ValidationError) -> str:
    """What is wrong with a stored profile, in one line, and the way out."""
    faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}" for fault in error.errors())
    return f"its stored profile {content} cannot be read ({faults}); {REPLAY}"
