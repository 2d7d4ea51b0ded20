"""Producers by the content of their profile, shared by all repos that carry it; and the trial of new credentials.

    profile's content --> slot --> current producer  (serves)
                               --> candidate         (same content, new credentials: tried while the current serves)

A candidate that a broker has authenticated becomes current, and the old one hands it what comes and is closed once what it
holds has its outcome. One that is refused is reported, and goes on trying: a password is often changed in the Secret first and
in Kafka a moment later. A profile with other content is another slot. Reload acquires and releases leases.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.config.shard import content_hash
from headgate_gateway.config.status import ProducerStatus
from headgate_gateway.kafka.producer import Producer
from headgate_gateway.kafka.status import ProducerState

log = logging.getLogger(__name__)

TRIAL_INTERVAL = 0.1
"""Seconds between two looks at a candidate."""
RETIRE_SLACK = 5.0
"""Seconds beyond `deliveryTimeout` that requests with bytes in an old producer get to end."""


def profile_hash(config: ProducerConfig) -> str:
    """The hash of a profile's content, without its credentials."""
    return content_hash(config.model_dump_json(by_alias=True).encode())


def secret_hash(config: ProducerConfig, credentials: Mapping[str, bytes]) -> str:
    """The hash of the contents of the files that the profile names; other files play no part."""
    parts = [b"%s\0%d\0%s" % (name.encode(), len(content), content) for name, content in _named(config, credentials)]
    return content_hash(b"".join(parts))


def _named(config: ProducerConfig, credentials: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    return [(name, credentials[name]) for name in sorted(set(config.credential_files)) if name in credentials]


class _Slot:
    """The producers of one profile content."""

    __slots__ = ("candidate", "candidate_hash", "current", "current_hash", "refusal", "users")

    def __init__(self, current: Producer, current_hash: str) -> None:
        self.current = current
        self.current_hash = current_hash
        self.candidate: Producer | None = None
        self.candidate_hash = ""
        self.refusal = ""
        """Why new credentials are not even worth a trial; empty: none are."""
        self.users = 0


class Lease:
    """A use of a producer. `producer` is the one that serves now: take it once a request, and stay with it."""

    __slots__ = ("_pool", "_slot", "hash")

    def __init__(self, pool: "ProducerPool", slot: _Slot, content: str) -> None:
        self._pool: ProducerPool | None = pool
        self._slot = slot
        self.hash = content
        """Hash of the profile's content."""

    @property
    def producer(self) -> Producer:
        """The producer that serves now."""
        return self._slot.current

    def release(self) -> None:
        """No longer used. The last release closes the producer, in the background. Once is enough."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool._give_up(self.hash, self._slot)  # noqa: SLF001 - a lease is the pool's other half


class ProducerPool:
    """All producers of a gateway. Used within one event loop."""

    def __init__(self) -> None:
        self._slots: dict[str, _Slot] = {}
        self._retiring: dict[Producer, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> Lease:
        """Use a profile: the producer of that content, made if there is none.

        `credentials` are the contents of the files that the profile names. Where they differ from those that the
        content's producer was made with, they are tried on a second producer, and adopted once a broker takes them.
        Raises CredentialsInvalidError where there is no producer yet and none can be made.
        """
        content, secret = profile_hash(config), secret_hash(config, credentials)
        slot = self._slots.get(content)
        if slot is None:
            slot = self._slots[content] = _Slot(self._make(config, credentials, content, secret), secret)
        elif secret == slot.current_hash:
            self._drop_candidate(slot)
        elif secret != slot.candidate_hash:
            self._drop_candidate(slot)
            self._begin_trial(slot, config, credentials, content, secret)
        slot.users += 1
        return Lease(self, slot, content)

    def serving(self, config: ProducerConfig) -> Producer | None:
        """The producer that serves a profile's content now; None: nobody uses it."""
        slot = self._slots.get(profile_hash(config))
        return slot.current if slot is not None else None

    def _begin_trial(
        self, slot: _Slot, config: ProducerConfig, credentials: Mapping[str, bytes], content: str, secret: str
    ) -> None:
        slot.candidate_hash = secret
        try:
            slot.candidate = self._make(config, credentials, content, secret)
        except Exception as error:  # noqa: BLE001
            # Broad on purpose: whatever new credentials may provoke, the old ones go on serving.
            slot.refusal = f"new credentials are not usable, the old ones stay in use: {error}"
            log.warning("producer %s: %s", config.name, slot.refusal, extra={"profile": config.name})
            return
        self._run(self._try_candidate(slot, slot.candidate))

    def report(self) -> list[ProducerStatus]:
        """Rows for /status: every producer, candidates and those that still finish included."""
        rows = []
        for slot in self._slots.values():
            row = slot.current.status(users=slot.users)
            rows.append(row.model_copy(update={"last_error": slot.refusal}) if slot.refusal else row)
            if slot.candidate is not None:
                rows.append(slot.candidate.status(candidate=True))
        rows += [producer.status() for producer in self._retiring]
        return rows

    def producers(self) -> list[Producer]:
        """Every producer, for metrics."""
        serving = [slot.current for slot in self._slots.values()]
        candidates = [slot.candidate for slot in self._slots.values() if slot.candidate is not None]
        return serving + candidates + list(self._retiring)

    async def close(self, seconds: float) -> None:
        """Close every producer, all at once, each flushed within `seconds`."""
        producers = self.producers()
        self._slots.clear()
        await asyncio.gather(*(producer.close(seconds) for producer in producers))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)

    def _make(self, config: ProducerConfig, credentials: Mapping[str, bytes], content: str, secret: str) -> Producer:
        named = f"{content}-{secret[:8]}" if config.credential_files else content
        producer = Producer(config, credentials, content_hash=named)
        producer.start()
        return producer

    async def _try_candidate(self, slot: _Slot, candidate: Producer) -> None:
        reported = False
        while slot.candidate is candidate:
            if candidate.state is ProducerState.READY:
                self._adopt(slot, candidate)
                return
            if candidate.state is ProducerState.AUTHENTICATION_FAILED and not reported:
                reported = True
                log.warning(
                    "producer %s: new credentials are refused, the old ones stay in use: %s",
                    candidate.profile,
                    candidate.down,
                    extra={"profile": candidate.profile},
                )
            await asyncio.sleep(TRIAL_INTERVAL)

    def _adopt(self, slot: _Slot, candidate: Producer) -> None:
        old = slot.current
        candidate.watch(topic.name for topic in old.status().topics)
        slot.current, slot.current_hash = candidate, slot.candidate_hash
        slot.candidate, slot.candidate_hash = None, ""
        # A slow upload may end long after the old one has closed.
        old.successor = candidate
        log.info("producer %s: new credentials are in use", candidate.profile, extra={"profile": candidate.profile})
        self._retire(old)

    def _drop_candidate(self, slot: _Slot) -> None:
        candidate, slot.candidate, slot.candidate_hash = slot.candidate, None, ""
        slot.refusal = ""
        if candidate is not None:
            self._run(candidate.close(0))

    def _give_up(self, content: str, slot: _Slot) -> None:
        slot.users -= 1
        if slot.users or self._slots.get(content) is not slot:
            return
        del self._slots[content]
        self._drop_candidate(slot)
        self._retire(slot.current)

    def _retire(self, producer: Producer) -> None:
        self._retiring[producer] = None
        self._run(self._finish(producer))

    async def _finish(self, producer: Producer) -> None:
        """Let the requests that hold bytes of a producer end, then close it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + producer.config.delivery_timeout / 1000 + RETIRE_SLACK
        # A look now and then at a producer that ends, rather than an event that every request would have to set.
        while not producer.is_idle and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(TRIAL_INTERVAL)
        await producer.close(0)
        self._retiring.pop(producer, None)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
