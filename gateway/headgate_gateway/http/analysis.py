"""What tells a good revision of a repo from a bad one, as plain integers on the hot path; `admin.analysis` shows it.

Counts by (namespace, name, revision), judges nothing. Counters belong to the revision that a request began with; those
of the revision before stay until the next one goes, so that what it wrote can still be read after a rollback.
"""

from collections.abc import Iterable, Iterator

from headgate_gateway.config.analysis import LATENCY_BOUNDS, LineSums, RecordSums, RepoSample, WrittenRange
from headgate_gateway.kafka.counters import Histogram
from headgate_gateway.kafka.outcome import PartitionAck
from headgate_gateway.pipeline.result import Processed

REVISIONS_KEPT = 2
"""Of a repo: the one that is served and the one before, and any that requests still hold."""

_ALSO_JUDGED = frozenset({207, 400})
"""Beside 200 and what is 500 or more."""

RepoName = tuple[str, str]
"""Namespace and name."""


class LineTally:
    """Sums over judged requests, y lines of one outcome in a request of x."""

    __slots__ = ("products", "squares", "total")

    def __init__(self) -> None:
        self.total = self.squares = self.products = 0

    def add(self, x: int, y: int) -> None:
        """One request."""
        self.total += y
        self.squares += y * y
        self.products += x * y

    def sums(self) -> LineSums:
        """As the contract has them."""
        return LineSums(total=self.total, squares=self.squares, products=self.products)


class RevisionCounters:
    """Of one revision of one repo, since it was first served by this process."""

    __slots__ = (
        "dead_lettered",
        "dropped",
        "excluded",
        "latency",
        "lost",
        "received",
        "received_squares",
        "records",
        "rejected",
        "requests",
        "server_errors",
        "written",
    )

    def __init__(self) -> None:
        self.requests = self.excluded = self.server_errors = self.lost = self.received = self.received_squares = 0
        self.rejected = LineTally()
        self.dropped = LineTally()
        self.dead_lettered = LineTally()
        self.records: dict[str, list[int]] = {}
        """By topic: the sum of records of a request, and of its square."""
        self.latency = Histogram(LATENCY_BOUNDS)
        self.written: dict[tuple[str, int], list[int]] = {}
        """By topic and partition: lowest offset, highest, number of records."""

    def count(self, status: int, seconds: float | None, processed: Processed | None, rejects: bool) -> None:
        """One request was answered.

        `seconds` is the time from the complete body to the answer, None where the body never was complete;
        `processed` is what the body became, None where not all of it was looked at; `rejects`: one bad line of it
        refuses the whole.
        """
        if status != 200 and status not in _ALSO_JUDGED and status < 500:
            self.excluded += 1
            return
        if status == 400 and (processed is None or not processed.received):
            self.excluded += 1  # no line at all: any revision says the same of this body
            return
        self.requests += 1
        if status >= 500:
            self.server_errors += 1
        if seconds is not None:
            self.latency.observe(seconds)
        if processed is None:
            return
        x = processed.received
        self.received += x
        self.received_squares += x * x
        refused = processed.refused.count
        if refused:
            self.rejected.add(x, x if rejects else refused)
            if rejects:
                return
        self._count_made(x, processed)

    def count_delivered(self, seconds: float, topic: str) -> None:
        """One request of one line was answered with 200, and its record is in the topic: as `count` has it, cut short."""
        self.requests += 1
        self.latency.observe(seconds)
        self.received += 1
        self.received_squares += 1
        self._count_records(topic, 1)

    def count_lost(self) -> None:
        """One request that was counted as answered has lost records since."""
        self.lost += 1

    def _count_made(self, x: int, processed: Processed) -> None:
        """What the lines became of a body that was not refused."""
        if processed.dropped:
            self.dropped.add(x, processed.dropped)
        if processed.dead_lettered:
            self.dead_lettered.add(x, processed.dead_lettered)
        if len(processed.records) == 1 and not processed.dead_lettered:
            self._count_records(processed.records[0].topic, len(processed.records[0].values))
        elif processed.records:
            # Two profiles may have topics of one name: the request is the unit, so its sum is taken first.
            made: dict[str, int] = {}
            for records in processed.records:
                if not records.dead_letter:
                    made[records.topic] = made.get(records.topic, 0) + len(records.values)
            for topic, count in made.items():
                self._count_records(topic, count)

    def _count_records(self, topic: str, made: int) -> None:
        sums = self.records.get(topic)
        if sums is None:
            sums = self.records[topic] = [0, 0]
        sums[0] += made
        sums[1] += made * made

    def count_acks(self, acks: Iterable[PartitionAck]) -> None:
        """Kafka has taken runs of records, whatever becomes of the rest of their request."""
        written = self.written
        for ack in acks:
            first, count = ack.base_offset, ack.count
            if first < 0:
                continue  # acks none: nobody says where they are
            last, key = first + count - 1, (ack.topic, ack.partition)
            held = written.get(key)
            if held is None:
                written[key] = [first, last, count]
                continue
            # Answers of one partition mostly come in order, but one that was lost on the way is given again.
            if first < held[0]:
                held[0] = first
            if last > held[1]:
                held[1] = last
            held[2] += count

    def sample(self, namespace: str, name: str, revision: str) -> RepoSample:
        """As the contract has them."""
        return RepoSample(
            namespace=namespace,
            name=name,
            revision=revision,
            requests=self.requests,
            excluded=self.excluded,
            server_errors=self.server_errors,
            lost=self.lost,
            received=self.received,
            received_squares=self.received_squares,
            rejected=self.rejected.sums(),
            dropped=self.dropped.sums(),
            dead_lettered=self.dead_lettered.sums(),
            records={topic: RecordSums(total=r, squares=rr) for topic, (r, rr) in self.records.items()},
            latency=tuple(self.latency.counts),
            written=tuple(
                WrittenRange(topic=topic, partition=partition, first=first, last=last, records=count)
                for (topic, partition), (first, last, count) in sorted(self.written.items())
            ),
        )

    @property
    def answered(self) -> int:
        """All requests that were answered, judged or not."""
        return self.requests + self.excluded


class _Revisions:
    """Those of one repo."""

    __slots__ = ("held", "users")

    def __init__(self) -> None:
        self.held: dict[str, RevisionCounters] = {}
        """In the order in which they were last taken into use."""
        self.users: dict[str, int] = {}


class AnalysisCounters:
    """The counters of all repos, shared by all users of a revision."""

    def __init__(self) -> None:
        self._repos: dict[RepoName, _Revisions] = {}
        self._answered_by_gone = 0

    def acquire(self, name: RepoName, revision: str) -> RevisionCounters:
        """The counters of a revision, made for its first user."""
        repo = self._repos.setdefault(name, _Revisions())
        repo.users[revision] = repo.users.get(revision, 0) + 1
        counters = repo.held.pop(revision, None) or RevisionCounters()
        repo.held[revision] = counters
        return counters

    def release(self, name: RepoName, revision: str) -> None:
        """One user fewer; with the last one of any revision the repo leaves."""
        repo = self._repos[name]
        repo.users[revision] -= 1
        if repo.users[revision]:
            return
        del repo.users[revision]
        if not repo.users:
            for gone in list(repo.held):
                self._forget(repo, gone)
            del self._repos[name]
        elif not repo.held[revision].answered:
            del repo.held[revision]  # never served anybody: no reason to forget one that did
        else:
            self._forget_oldest(repo)

    def _forget_oldest(self, repo: _Revisions) -> None:
        unused = [revision for revision in repo.held if revision not in repo.users]
        for revision in unused[: max(0, len(repo.held) - REVISIONS_KEPT)]:
            self._forget(repo, revision)

    def _forget(self, repo: _Revisions, revision: str) -> None:
        self._answered_by_gone += repo.held.pop(revision).answered

    @property
    def answered(self) -> int:
        """Requests that were answered by all repos, gone ones included. Never falls."""
        held = (counters.answered for repo in self._repos.values() for counters in repo.held.values())
        return self._answered_by_gone + sum(held)

    def names(self) -> list[RepoName]:
        """All repos."""
        return list(self._repos)

    def samples(self, name: RepoName) -> Iterator[RepoSample]:
        """What a repo's revisions have counted, the one taken into use last at the end; none for an unknown repo."""
        repo = self._repos.get(name)
        for revision, counters in repo.held.items() if repo is not None else ():
            yield counters.sample(*name, revision)
