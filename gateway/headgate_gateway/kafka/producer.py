"""One producer: what the HTTP side talks to. Takes submissions, says what became of them, never blocks.

Owns the tasks (one that watches the cluster, one link a leader), the deadlines and the buffer's count. It decides
nothing about batches (accumulator) or answers (settle). Made by the pool; used by the HTTP side and admin.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.config.status import ProducerStatus
from headgate_gateway.kafka.access import TopicAccess
from headgate_gateway.kafka.accumulator import Accumulator
from headgate_gateway.kafka.cluster import Cluster
from headgate_gateway.kafka.codec import build_compressor
from headgate_gateway.kafka.connection import BrokerAddress, ClusterMetadata
from headgate_gateway.kafka.counters import Counters, ProducerSnapshot, copy_counters
from headgate_gateway.kafka.credentials import build_security
from headgate_gateway.kafka.lanes import Topic
from headgate_gateway.kafka.link import LeaderLink, LinkSettings
from headgate_gateway.kafka.links import LinkSet
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.kafka.settle import Settler
from headgate_gateway.kafka.status import ProducerState
from headgate_gateway.kafka.submission import Submission
from headgate_gateway.kafka.supervise import supervise
from headgate_gateway.kafka.topics import apply_topics, build_rows
from headgate_gateway.pipeline.records import Records

log = logging.getLogger(__name__)

DEADLINE_GRAIN = 0.005
"""Seconds between two looks at the deadlines: requests expire in groups, never a timer each."""
REFUSED_AFTER = 1.0
"""Seconds for which a topic must have been missing: a broker that has just started may not know of all yet."""
REFUSED_FRESH = 2.0
"""Seconds for which one answer of metadata about it is believed."""
_LONGEST_REQUEST_MS = 30_000
_LONGEST_CONNECT = 10.0


class Producer:
    """A producer for one profile. `start` it within a running loop; `close` it once."""

    def __init__(
        self,
        config: ProducerConfig,
        credentials: Mapping[str, bytes],
        *,
        content_hash: str = "",
        random: Random | None = None,
    ) -> None:
        """Raises CredentialsInvalidError where no broker needs to be asked. Connects nowhere yet.

        `credentials` are the contents of the files that the profile names.
        """
        self.config = config
        self.profile = config.name
        self.down: str | None = None
        """Why records cannot be delivered at the moment, for a 503 at once; None: as far as is known they can."""
        self.state = ProducerState.CONNECTING
        self.last_error = ""
        self.counters = Counters()
        self.buffered_bytes = 0
        self.successor: Producer | None = None
        """Set once another has taken its place: it gets what comes from then on, also from requests begun here."""
        self._hash = content_hash
        self._loop = asyncio.get_running_loop()
        self._timeout = config.delivery_timeout / 1000
        self._max_buffer = config.max_buffer_bytes
        self._accumulator = Accumulator(config.flush)
        random = random or Random()  # noqa: S311 - jitter, nothing secret
        connect_patience = min(_LONGEST_CONNECT, max(1.0, self._timeout))
        security = build_security(config, credentials)
        self._settings = LinkSettings(
            acks=config.acks,
            compressor=build_compressor(config.compression),
            security=security,
            request_ms=min(_LONGEST_REQUEST_MS, max(1_000, config.delivery_timeout)),
            connect_patience=connect_patience,
            random=random,
        )
        self._cluster = Cluster(
            config.bootstrap_servers,
            security,
            random,
            connect_patience,
            lambda: list(self._accumulator.topics),
            self._apply_metadata,
            self._judge,
        )
        self._settler = Settler(self._accumulator, self.counters, random, self._finish, self._cluster.refresh)
        self._links = LinkSet(self.profile, self._make_link)
        self._task: asyncio.Task[None] | None = None
        self._open: dict[Submission, None] = {}
        """In order of acceptance, hence of expiry."""
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    # -- for the HTTP side ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._task = asyncio.create_task(supervise(f"producer {self.profile}: cluster", self._cluster.run))

    def reserve(self, nbytes: int) -> bool:
        """Count bytes that a request will hold until its outcome is known; False, and nothing counted: no room."""
        if self.buffered_bytes + nbytes > self._max_buffer:
            return False
        self.buffered_bytes += nbytes
        return True

    def release(self, nbytes: int) -> None:
        """Give back what `reserve` counted."""
        self.buffered_bytes -= nbytes

    def watch(self, topics: Iterable[str]) -> None:
        """Learn about topics before their first record comes, so that it does not wait for metadata."""
        now = self._loop.time()
        known = [self._accumulator.watch(topic, now) for topic in topics]
        if not all(topic.by_leader for topic in known):
            self._cluster.refresh()

    def refusal(self, name: str) -> str | None:
        """Why records for a topic will not be delivered, for a 503 at once; None: let them come.

        Without this, each request on a missing topic would hold memory for its whole `deliveryTimeout`, and starve
        its profile's neighbours. Asking makes the producer look again, so a topic that is made is noticed at once.
        """
        topic = self._accumulator.topics.get(name)
        if topic is None or topic.refused_since is None:
            return None
        self._cluster.refresh()
        now = self._loop.time()
        believed = now - topic.refused_since >= REFUSED_AFTER and now - topic.heard <= REFUSED_FRESH
        return topic.problem if believed else None

    async def fetch_access(self, topics: list[str]) -> dict[str, TopicAccess]:
        """What brokers say of topics and of our rights now. Raises ConnectionFailedError where none answers."""
        self.watch(topics)
        return await self._cluster.fetch_access(topics)

    def trouble(self, name: str) -> str:
        """Why a topic's leaders cannot be reached now; empty: all are connected."""
        topic = self._accumulator.topics.get(name)
        leaders = topic.leaders if topic is not None else ()
        return self._links.trouble(leaders) if leaders else "who leads its partitions is not known yet"

    def submit(
        self,
        records: Records,
        now_ms: int,
        on_done: Callable[[Submission], None] | None = None,
        on_late: Callable[[Sequence[int]], None] | None = None,
    ) -> Submission:
        """Send a request's records; `now_ms` is the time of acceptance in milliseconds since the epoch.

        The submission is awaitable and calls `on_done` once, within `deliveryTimeout` (and some milliseconds), never
        from within this call. Order per key is the order of the calls. `on_late` gets lines of `unknown` that Kafka
        acknowledges after all.
        """
        if self.successor is not None:
            return self.successor.submit(records, now_ms, on_done, on_late)
        now = self._loop.time()
        submission = Submission(records, now_ms, now, on_done, on_late)
        if self.state is ProducerState.CLOSED or not records.values:
            self._reject(submission)
            return submission
        self.counters.accepted += submission.pending
        self._open[submission] = None
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._timeout, self._expire)
        topic = self._accumulator.add(submission, now)
        if topic.by_leader:
            self._nudge(topic, everyone=records.keys is not None)
        if topic.problem or not topic.partitions:
            self._cluster.refresh()
        return submission

    def recall(self, submissions: Iterable[Submission]) -> None:
        """Take submissions back, in this order: `on_done` of each open one is called now, within this call.

        Records on their way are `unknown` and sent no second time, and `on_late` hears of their acknowledgement; all
        others are `failed`, and will not be sent.
        """
        for submission in submissions:
            if submission in self._open:
                self._give_up(submission, "taken back", FailureReason.RECALLED)
            elif self.successor is not None:
                self.successor.recall([submission])

    def _nudge(self, topic: Topic, *, everyone: bool) -> None:
        """Wake a link that has nothing to do; busy ones look by themselves when they have their answer.

        Keyless records need but one. Its turn changes, or a quiet topic would use one broker's partitions only.
        """
        leaders, links = topic.leaders, self._links.by_node
        for step in range(len(leaders)):
            link = links.get(leaders[(topic.turn + step) % len(leaders)])
            if link is not None and link.resting:
                if link.rests_until is None or everyone or self._accumulator.is_full(topic.keyless):
                    link.wake()
                if not everyone:
                    return

    def _reject(self, submission: Submission) -> None:
        for piece_line in submission.records.lines:
            submission.outcome.failed.append(piece_line)
        if submission.records.values:
            submission.outcome.reason = FailureReason.STOPPING
            submission.outcome.message = "the producer is closed"
            self.counters.accepted += submission.pending
            self.counters.failed += submission.pending
        submission.pending = 0
        self._loop.call_soon(submission.resolve)

    # -- outcomes ---------------------------------------------------------------------------------------------------

    def _finish(self, submission: Submission) -> None:
        """All of a submission's records have their fate."""
        self._open.pop(submission, None)
        try:
            submission.resolve()
        except Exception:
            # Broad on purpose: a callback that fails must not cost other requests their outcome.
            log.exception("a submission's callback failed", extra={"profile": self.profile})
        if self._empty is not None and not self._open and not self._empty.done():
            self._empty.set_result(None)

    def _expire(self) -> None:
        """Answer the submissions whose time is up, and set the timer to the next."""
        now = self._loop.time()
        expired = []
        for submission in self._open:
            if submission.accepted + self._timeout > now:
                due = submission.accepted + self._timeout
                self._timer = self._loop.call_at(max(due, now + DEADLINE_GRAIN), self._expire)
                break
            expired.append(submission)
        else:
            self._timer = None
        for submission in expired:
            self._give_up(submission)

    def _give_up(self, submission: Submission, why: str = "", because: FailureReason | None = None) -> None:
        if submission not in self._open:
            return  # whoever was told of another's fate just now has taken it back
        topic = self._accumulator.topics.get(submission.records.topic)
        problem = topic.problem if topic is not None else ""
        # A topic without leaders has a problem, too, but nobody refuses it: that passes, as an outage does.
        is_refused = topic is not None and topic.refused_since is not None and self.down is None
        for piece, unknown, error in self._accumulator.withdraw(submission):
            if unknown:
                self.counters.unknown += len(piece.indices)
            else:
                self.counters.failed += len(piece.indices)
            if because is not None:
                reason = because
            elif is_refused and not unknown:
                reason = FailureReason.REFUSED
            elif self.down:
                reason = FailureReason.PRODUCER_DOWN
            else:
                reason = FailureReason.TIMEOUT
            message = why or problem or error or self.down or ""
            message = message or f"no answer from Kafka within {self.config.delivery_timeout} ms"
            piece.fail(reason, message, unknown=unknown)
        self._finish(submission)

    # -- what Kafka says about itself -------------------------------------------------------------------------------

    def _apply_metadata(self, metadata: ClusterMetadata) -> bool:
        """Take an answer of the cluster; whether nothing is missing from it."""
        complete = apply_topics(metadata, self._accumulator, self._settler, self._loop.time())
        wanted = {leader for topic in self._accumulator.topics.values() for leader in topic.by_leader}
        self._links.adjust(wanted, metadata.brokers)
        return complete

    def _make_link(self, address: BrokerAddress) -> LeaderLink:
        return LeaderLink(
            address,
            self._settings,
            self._accumulator,
            self._settler,
            self.counters,
            self._cluster.refresh,
            self._judge,
        )

    def _judge(self) -> None:
        """Say anew whether records can be delivered: something about a connection has changed."""
        if self.state is ProducerState.CLOSED:
            return
        self.down = self._links.fault(self._cluster.error)
        self.last_error = self._cluster.error or self._links.error() or self.last_error
        self._set_state()

    def _set_state(self) -> None:
        before = self.state
        if self.down is not None:
            refused = self._cluster.refused
            self.state = ProducerState.AUTHENTICATION_FAILED if refused else ProducerState.UNREACHABLE
        elif self._cluster.reached:
            self.state = ProducerState.READY
        if self.state is not before:
            log.log(
                logging.INFO if self.state is ProducerState.READY else logging.WARNING,
                "producer %s: %s -> %s%s",
                self.profile,
                before,
                self.state,
                f": {self.down}" if self.down else "",
                extra={"profile": self.profile},
            )

    # -- its end ----------------------------------------------------------------------------------------------------

    def hurry(self) -> None:
        """The end is near: send what waits, and whatever still comes, without further gathering."""
        self._accumulator.hurry = True
        self._links.wake()

    async def drain(self, seconds: float) -> bool:
        """Hurry, and wait until all has its outcome; False: not in time."""
        self.hurry()
        try:
            if self._open:
                self._empty = self._loop.create_future()
                await asyncio.wait([self._empty], timeout=seconds)
            return not self._open
        finally:
            self._empty = None

    async def close(self, seconds: float) -> None:
        """Take nothing more, drain, tell whoever still waits that we stop, and close. At most a second over time."""
        if self.state is ProducerState.CLOSED:
            return
        self.state = ProducerState.CLOSED
        self.down = "the producer is closed"
        if seconds > 0:
            await self.drain(seconds)
        for submission in list(self._open):
            self._give_up(submission, "the gateway is stopping", FailureReason.STOPPING)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)
        await asyncio.gather(self._cluster.close(), self._links.close())

    # -- for admin --------------------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether no request holds bytes or waits for an outcome."""
        return not self._open and self.buffered_bytes <= 0

    @property
    def pending_records(self) -> int:
        """Records accepted whose fate is open."""
        counters = self.counters
        return counters.accepted - counters.delivered - counters.failed - counters.unknown

    def snapshot(self) -> ProducerSnapshot:
        """The numbers of this moment."""
        return ProducerSnapshot(
            profile=self.profile,
            counters=copy_counters(self.counters),
            pending_records=self.pending_records,
            buffered_bytes=self.buffered_bytes,
            down=self.down is not None,
        )

    def status(self, *, users: int = 0, candidate: bool = False) -> ProducerStatus:
        """What /status says."""
        return ProducerStatus(
            profile=self.profile,
            hash=self._hash,
            state=self.state.value,
            down=self.down,
            pending_bytes=self.buffered_bytes,
            pending_records=self.pending_records,
            users=users,
            candidate=candidate,
            last_error=self.down or self.last_error,
            brokers=self._links.status(),
            topics=build_rows(self._accumulator.topics),
        )
