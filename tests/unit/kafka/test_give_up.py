"""What is told of records whose time is up, by what Kafka had said of their topic. No broker: metadata is given by hand."""

import pytest

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.kafka.connection import ClusterMetadata, TopicMetadata
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.kafka.producer import Producer

from .builders import NOW_MS, records

CONFIG = ProducerConfig(name="main", bootstrap_servers=("127.0.0.1:9",), delivery_timeout=100)
NO_LEADER_NOW = 5
MISSING = 3
NOT_OURS = 29


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (TopicMetadata(0, [-1]), FailureReason.TIMEOUT),
        (TopicMetadata(NO_LEADER_NOW, []), FailureReason.TIMEOUT),
        (TopicMetadata(MISSING, []), FailureReason.REFUSED),
        (TopicMetadata(NOT_OURS, []), FailureReason.REFUSED),
    ],
    ids=["no partition has a leader", "no leader yet", "missing", "not authorised"],
)
async def test_only_a_topic_that_kafka_refuses_is_told_as_refused(told: TopicMetadata, reason: FailureReason) -> None:
    producer = Producer(CONFIG, {})
    topic = records("v").topic
    producer.watch([topic])
    producer._apply_metadata(ClusterMetadata({}, {topic: told}))
    outcome = await producer.submit(records("v", keys=["k"]), NOW_MS)
    assert outcome.reasons == {reason}
    assert topic in outcome.message


async def test_a_refusal_from_before_an_outage_is_not_told_as_one() -> None:
    producer = Producer(CONFIG, {})
    topic = records("v").topic
    producer.watch([topic])
    producer._apply_metadata(ClusterMetadata({}, {topic: TopicMetadata(MISSING, [])}))
    producer.down = "no broker answers"
    outcome = await producer.submit(records("v"), NOW_MS)
    assert outcome.reasons == {FailureReason.PRODUCER_DOWN}
