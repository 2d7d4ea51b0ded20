"""What a real gateway counts for the judgement of a canary, against what stands in a real Kafka."""

from pathlib import Path

import pytest
from tests.integration.gateway.process import repo, running, until, write_config
from tests.integration.kafka.producing import new_name, read_all
from tests.testbed.kafka import Kafka
from tests.unit.gateway.builders import constraint, expression, post

from headgate_gateway.config.analysis import AnalysisReport, LineSums, RecordSums, RepoSample

pytestmark = pytest.mark.kafka

LARGE = constraint(expression("a", "Ge", 1))


def read(body: bytes) -> AnalysisReport:
    return AnalysisReport.model_validate_json(body)


def spans(samples: tuple[RepoSample, ...]) -> dict[tuple[str, int], tuple[int, int, int]]:
    return {
        (written.topic, written.partition): (written.first, written.last, written.records)
        for sample in samples
        for written in sample.written
    }


async def test_counts_and_offsets_are_those_of_kafka(kafka: Kafka, tmp_path: Path) -> None:
    topic, other = new_name("analysis"), new_name("other")
    kafka.create_topic(topic, partitions=3)
    kafka.create_topic(other, partitions=1)
    key = {"key": {"field": "id"}}
    logs = repo("logs", kafka.bootstrap, topic, partial="Accept", constraint=LARGE, kafka=key)
    write_config(tmp_path, logs, repo("other", kafka.bootstrap, other))
    async with running(tmp_path, "--track", "canary", "--drain-delay", "0s") as gateway:
        for number in range(30):
            body = b'{"a":1,"id":%d}\n{"a":0}\noops\n{"a":2,"id":%d}\n' % (number, number + 1)
            assert (await gateway.ask(post(body))).status == 207
        assert (await gateway.ask(post(b'{"a":1}', "Content-Type: image/png"))).status == 415
        assert (await gateway.ask(post(b"{}\n", path="/log/repo/other"))).status == 200
        report = read((await gateway.admin("/analysis?repo=default/logs")).body)
        whole = read((await gateway.admin("/analysis")).body)
        again = read((await gateway.admin("/analysis?repo=default/logs")).body)
    (sample,) = report.repos
    assert (report.track, report.started) == ("canary", again.started)
    assert [each.name for each in whole.repos] == ["logs", "other"]
    assert (sample.requests, sample.excluded, sample.server_errors) == (30, 1, 0)
    assert (sample.received, sample.received_squares) == (120, 480)
    assert sample.rejected == sample.dropped == LineSums(total=30, squares=30, products=120)
    assert sample.records == {topic: RecordSums(total=60, squares=120)}
    assert sum(sample.latency) == 30
    by_partition: dict[tuple[str, int], list[int]] = {}
    for record in read_all(kafka.bootstrap, topic):
        by_partition.setdefault((topic, record.partition), []).append(record.offset)
    assert spans(report.repos) == {key: (min(o), max(o), len(o)) for key, o in by_partition.items()}


async def test_records_say_who_made_them_and_a_rollback_finds_what_the_bad_revision_wrote(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic = new_name("provenance")
    kafka.create_topic(topic, partitions=1)

    def write(revision: str) -> None:
        provenance = {"provenance": True, "headers": [{"name": "from", "value": "test"}]}
        write_config(tmp_path, repo("logs", kafka.bootstrap, topic, revision=revision, kafka=provenance))

    write("good")
    async with running(tmp_path, "--drain-delay", "0s") as gateway:

        async def serves(revision: str) -> bool:
            return f'revision="{revision}"' in (await gateway.admin("/metrics")).body.decode()

        for revision, lines in (("good", 2), ("bad", 3), ("good", 1)):
            write(revision)
            await until(lambda revision=revision: serves(revision))  # type: ignore[misc]
            assert (await gateway.ask(post(b"{}\n" * lines))).status == 200
        report = read((await gateway.admin("/analysis?repo=default/logs")).body)
    found = {sample.revision: (sample.requests, sample.written[0]) for sample in report.repos}
    assert {revision: (requests, w.first, w.last, w.records) for revision, (requests, w) in found.items()} == {
        "bad": (1, 2, 4, 3),
        "good": (2, 0, 5, 3),
    }
    made_by = [record.headers for record in read_all(kafka.bootstrap, topic)]
    assert made_by == [
        [("from", b"test"), ("headgate-repo", b"default/logs"), ("headgate-revision", revision.encode())]
        for revision in ("good", "good", "bad", "bad", "bad", "good")
    ]
