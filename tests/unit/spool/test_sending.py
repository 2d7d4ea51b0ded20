"""A directory delivered without a gateway: in order, once, and what does not arrive stays."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.kafka.submission import Piece, Submission
from headgate_gateway.pipeline.records import Records
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.entry import Entry, Origin, entry_of
from headgate_gateway.spool.errors import SpoolLockedError
from headgate_gateway.spool.inspection import LogView, log_places
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.replaying import ReplayRequest, replay
from headgate_gateway.spool.sending import Tally
from headgate_gateway.spool.space import Space

HASH = "0a" * 8
KAFKA = "127.0.0.1:9092"


@dataclass
class Kafka:
    """Takes all records but those of some values, topics or keys; as a pool, producer and lease in one."""

    missing_topics: frozenset[str] = frozenset()
    too_large: frozenset[bytes] = frozenset()
    fails_from: bytes | None = None
    """This value, and what comes after it, gets no answer in time."""
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    configs: list[ProducerConfig] = field(default_factory=list)
    credentials: dict[str, bytes] = field(default_factory=dict)
    recalled: int = 0
    _open: list[Submission] = field(default_factory=list)

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> "Kafka":
        self.configs.append(config)
        self.credentials.update(credentials)
        return self

    @property
    def producer(self) -> "Kafka":
        return self

    def submit(self, records: Records, now_ms: int, on_done: Callable[[Submission], None]) -> Submission:
        submission = Submission(records, now_ms, 0.0, on_done)
        self._open.append(submission)
        asyncio.get_running_loop().call_soon(self._answer, submission)
        return submission

    def _answer(self, submission: Submission) -> None:
        if submission not in self._open:
            return
        self._open.remove(submission)
        records = submission.records
        for index, value in enumerate(records.values):
            piece = Piece(submission, [index], keyed=False)
            if records.topic in self.missing_topics:
                piece.fail(FailureReason.REFUSED, "no such topic", unknown=False)
            elif value in self.too_large:
                piece.fail(FailureReason.RECORD_TOO_LARGE, "too large", unknown=False)
            elif value == self.fails_from:
                piece.fail(FailureReason.TIMEOUT, "no answer", unknown=True)
            else:
                self.taken.append((records.topic, value))
                piece.ack(0, len(self.taken))
        submission.resolve()

    def recall(self, submissions: Iterable[Submission]) -> None:
        for submission in submissions:
            if submission in self._open:
                self._open.remove(submission)
                self.recalled += 1
                everything = Piece(submission, range(submission.pending), keyed=False)
                everything.fail(FailureReason.RECALLED, "taken back", unknown=False)
                submission.resolve()


def entry(serial: int, topic: str = "access") -> Entry:
    records = Records("main", topic, [b"%d-%d" % (serial, number) for number in range(3)], [1, 2, 3])
    return entry_of(records, Origin("web/access", "rev", "stable", HASH), 1, serial.to_bytes(16, "big"))


def fill(path: Path, entries: Iterable[Entry]) -> None:
    log = Log.open(OsDisk(), str(path), Space(10**9, 0), lambda call: call(), LogSettings(frame_bytes=1))
    for one in entries:
        log.append(one, lambda first, error: None)
    log.close()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    directory = SpoolDirectory.open(OsDisk(), str(tmp_path / "spool"))
    config = ProducerConfig(name="main", bootstrap_servers=("kafka:9093",))
    directory.keep_profile(HASH, config.model_dump_json(by_alias=True).encode())
    directory.close()
    fill(tmp_path / "spool" / "log", [entry(serial) for serial in range(5)])
    return tmp_path / "spool"


async def send(spool: Path, pool: Kafka, **what: object) -> dict[str, Tally]:
    request = ReplayRequest(str(spool), **what)  # type: ignore[arg-type]
    return await replay(OsDisk(), request, pool, lambda name, tally: None)


def waiting(spool: Path) -> dict[str, int]:
    views = [LogView.open(OsDisk(), place) for place in log_places(OsDisk(), str(spool))]
    return {view.name: view.ledger.backlog for view in views}


def values(*serials: int) -> list[bytes]:
    return [b"%d-%d" % (serial, number) for serial in serials for number in range(3)]


async def test_all_is_delivered_in_order_and_nothing_is_sent_twice(spool: Path) -> None:
    kafka = Kafka()
    tallies = await send(spool, kafka)
    assert [value for _, value in kafka.taken] == values(0, 1, 2, 3, 4)
    assert (tallies["main"].delivered, tallies["main"].left) == (15, {})
    assert kafka.configs[0].bootstrap_servers == ("kafka:9093",)
    assert waiting(spool) == {"main": 0}
    await send(spool, kafka)
    assert len(kafka.taken) == 15


async def test_with_keep_nothing_counts_as_delivered(spool: Path) -> None:
    kafka = Kafka()
    assert (await send(spool, kafka, keep=True))["main"].delivered == 15
    assert waiting(spool) == {"main": 15}


async def test_a_kafka_named_on_the_command_line_takes_the_place_of_the_profiles(spool: Path) -> None:
    kafka = Kafka()
    await send(spool, kafka, kafka=KAFKA, credentials={"password": b"secret"})
    assert (kafka.configs[0].name, kafka.configs[0].bootstrap_servers) == ("main", (KAFKA,))
    assert kafka.credentials == {}


@pytest.mark.parametrize("kafka_named", [True, False])
async def test_a_profile_of_another_version_is_sent_where_it_says_or_where_the_command_line_does(
    spool: Path, kafka_named: bool
) -> None:
    stored = spool / "profiles" / f"{HASH}.json"
    change = {"acks": "most"} if kafka_named else {"fieldOfTheFuture": 1}
    stored.write_text(json.dumps({**json.loads(stored.read_text()), **change}))
    kafka = Kafka()
    await send(spool, kafka, kafka=KAFKA if kafka_named else None)
    assert len(kafka.taken) == 15
    assert kafka.configs[0].bootstrap_servers == ((KAFKA,) if kafka_named else ("kafka:9093",))


async def test_what_follows_a_record_that_does_not_arrive_is_taken_back_and_stays(spool: Path) -> None:
    kafka = Kafka(fails_from=b"2-1")
    (tally,) = (await send(spool, kafka)).values()
    assert [value for _, value in kafka.taken] == [*values(0, 1), b"2-0", b"2-2"]
    assert kafka.recalled == 2
    assert (tally.delivered, sum(tally.left.values()), [*tally.problems.values()]) == (8, 7, ["no answer"])
    kafka.fails_from = None
    await send(spool, kafka)
    assert [value for _, value in kafka.taken[8:]] == [b"2-1", *values(3, 4)]
    assert waiting(spool) == {"main": 0}


async def test_a_topic_that_is_missing_holds_back_no_other(spool: Path) -> None:
    fill(spool / "log", [entry(serial, topic) for serial, topic in ((5, "nosuch"), (6, "access"), (7, "nosuch"))])
    kafka = Kafka(missing_topics=frozenset({"nosuch"}))
    (tally,) = (await send(spool, kafka)).values()
    assert [value for _, value in kafka.taken] == values(0, 1, 2, 3, 4, 6)
    assert sum(tally.left.values()) == 6
    assert waiting(spool) == {"main": 6}


async def test_a_record_that_is_too_large_stays_alone(spool: Path) -> None:
    kafka = Kafka(too_large=frozenset({b"1-1"}))
    (tally,) = (await send(spool, kafka)).values()
    assert [value for _, value in kafka.taken] == [value for value in values(0, 1, 2, 3, 4) if value != b"1-1"]
    assert (sum(tally.left.values()), [*tally.refused.values()], kafka.recalled) == (1, ["too large"], 0)
    assert waiting(spool) == {"main": 1}


async def test_side_logs_go_first_and_parked_entries_only_when_they_are_asked_for(spool: Path) -> None:
    fill(spool / "side" / "5ide", [entry(8)])
    fill(spool / "parked", [entry(9)])
    kafka = Kafka()
    await send(spool, kafka)
    assert [value for _, value in kafka.taken] == values(8, 0, 1, 2, 3, 4)
    assert waiting(spool) == {"side/5ide": 0, "main": 0, "parked": 3}
    await send(spool, kafka, logs=frozenset({"parked"}))
    assert [value for _, value in kafka.taken[18:]] == values(9)


async def test_only_the_topics_that_are_asked_for_go(spool: Path) -> None:
    fill(spool / "log", [entry(5, "errors")])
    kafka = Kafka()
    (tally,) = (await send(spool, kafka, topics=frozenset({"errors"}))).values()
    assert [value for _, value in kafka.taken] == values(5)
    assert tally.left == {}
    assert waiting(spool) == {"main": 15}


async def test_a_directory_that_a_gateway_uses_is_refused(spool: Path) -> None:
    directory = SpoolDirectory.open(OsDisk(), str(spool))
    with pytest.raises(SpoolLockedError):
        await send(spool, Kafka())
    directory.close()
    await send(spool, Kafka())
