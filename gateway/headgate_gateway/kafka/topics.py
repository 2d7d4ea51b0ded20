"""What an answer of the cluster's metadata means for a producer's topics, and what `/status` says of them.

Tells the accumulator who leads which partition; asks nobody, and decides nothing about records that are on their way.
Called by the producer, with each answer.
"""

from collections.abc import Mapping

from headgate_gateway.config.status import TopicStatus
from headgate_gateway.kafka.accumulator import Accumulator
from headgate_gateway.kafka.connection import ClusterMetadata
from headgate_gateway.kafka.errors import MISSING_TOPIC, NONE, TOPIC_REFUSALS
from headgate_gateway.kafka.lanes import Topic
from headgate_gateway.kafka.preflight import problem_of
from headgate_gateway.kafka.settle import Settler

IDLE_AFTER = 600.0
"""Seconds after which a topic without records is forgotten."""


def apply_topics(metadata: ClusterMetadata, accumulator: Accumulator, settler: Settler, now: float) -> bool:
    """Take an answer; whether nothing is missing from it."""
    complete = True
    for name, told in metadata.topics.items():
        topic = accumulator.topics.get(name)
        if topic is None:
            continue
        topic.problem, topic.heard = problem_of(name, told.code, told.leaders), now
        if told.code != MISSING_TOPIC and told.code not in TOPIC_REFUSALS:
            topic.refused_since = None
        elif topic.refused_since is None:
            topic.refused_since = now
        if told.code == NONE:
            accumulator.set_leaders(topic, told.leaders)
        else:
            accumulator.set_leaderless(topic)
            if told.code in TOPIC_REFUSALS:
                settler.fail_waiting(accumulator.waiting(topic), topic.problem)
        # A missing topic that nobody waits for is no reason to keep asking: `submit` asks when somebody does.
        complete = complete and (not topic.problem or topic.is_idle())
    accumulator.forget_idle(now - IDLE_AFTER)
    return complete and all(name in metadata.topics for name in accumulator.topics)


def build_rows(topics: Mapping[str, Topic]) -> tuple[TopicStatus, ...]:
    """What /status says of them."""
    return tuple(
        TopicStatus(name=name, partitions=len(topic.partitions), problem=topic.problem)
        for name, topic in sorted(topics.items())
    )
