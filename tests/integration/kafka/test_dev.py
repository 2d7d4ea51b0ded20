"""`headgate dev --kafka`: requests on localhost become records in a real Kafka, as a fleet's gateways would write them."""

import json
from pathlib import Path

import pytest
from tests.integration.kafka.producing import new_name, read_all
from tests.testbed.kafka import Kafka
from tests.unit.cli.dev_process import REPO, dev

pytestmark = pytest.mark.kafka

PROFILE = """\
---
apiVersion: headgate.dev/v1alpha1
kind: KafkaProducerProfile
metadata: {name: main, namespace: headgate-system}
spec:
  bootstrapServers: ["of-the-cluster.example:9093"]
  tls: {}
  compression: {type: zstd}
  deliveryTimeout: 10s
"""


def test_records_are_in_the_kafka_that_was_named_and_a_changed_file_sends_them_elsewhere(
    kafka: Kafka, tmp_path: Path
) -> None:
    topics = first, dead, second = [new_name(purpose) for purpose in ("dev", "dev-dead", "dev-changed")]
    for topic in topics:
        kafka.create_topic(topic, partitions=3)
    written = REPO.replace("topic: access", f"topic: {first}") + f"    deadLetter: {{topic: {dead}}}\n" + PROFILE
    file = tmp_path / "repo.yaml"
    file.write_text(written)
    with dev(file, "--kafka", kafka.bootstrap.split(",")[0]) as running:
        status, answer = running.post('{"user":"u","n":1}\nno JSON\n{"n":2}\n')
        told = json.loads(answer)
        assert (status, told["accepted"], told["deadLettered"], told["durability"]) == (200, 3, 1, "kafka")
        found = read_all(kafka.bootstrap, first)
        assert sorted((record.key, record.value) for record in found if record.key) == [(b"u", b'{"user":"u","n":1}')]
        assert sorted(record.value for record in found) == [b'{"n":2}', b'{"user":"u","n":1}']
        offsets = {(part["topic"], part["partition"], part["baseOffset"]) for part in told["partitions"]}
        assert {(first, record.partition, record.offset) for record in found} <= offsets
        assert [record.value for record in read_all(kafka.bootstrap, dead)] == [b"no JSON"]

        file.write_text(written.replace(first, second))
        running.wait_for("serving team/access")
        assert running.post('{"n":3}')[0] == 200
        assert [record.value for record in read_all(kafka.bootstrap, second)] == [b'{"n":3}']
        assert running.end() == 0
    assert len(read_all(kafka.bootstrap, first)) == 2


def test_a_topic_that_is_not_there_is_said_to_be_missing(kafka: Kafka, tmp_path: Path) -> None:
    file = tmp_path / "repo.yaml"
    file.write_text(REPO.replace("topic: access", f"topic: {new_name('nowhere')}") + PROFILE.replace("10s", "2s"))
    with dev(file, "--kafka", kafka.bootstrap.split(",")[0]) as running:
        status, answer = running.post('{"n":1}')
        assert status == 503
        assert json.loads(answer)["reason"] in {"KafkaRefused", "DeliveryTimeout"}
