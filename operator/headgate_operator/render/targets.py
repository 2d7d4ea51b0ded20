"""Where a repo's records may go: every topic that its spec names, and the profile that takes it there. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from headgate_operator.api.repo import RepoSpec

_INDEX = re.compile(r"\.([0-9]+)")


@dataclass(frozen=True, slots=True)
class Target:
    """One topic on one profile."""

    topic: str
    profile: str
    topic_field: str
    """Dotted path of the topic, such as `spec.kafka.topics.0.topic`."""
    profile_field: str
    """Dotted path of what names the profile; the repo's own where the topic names none."""


def targets_of(spec: RepoSpec) -> Iterator[Target]:
    """Every topic of a spec, the default one first."""
    kafka, own = spec.kafka, "spec.kafka.producerProfile"
    yield Target(kafka.topic, kafka.producer_profile, "spec.kafka.topic", own)
    for index, rule in enumerate(kafka.topics):
        where = f"spec.kafka.topics.{index}"
        yield _target(rule.topic, rule.producer_profile, where, kafka.producer_profile)
    if dead := kafka.dead_letter:
        yield _target(dead.topic, dead.producer_profile, "spec.kafka.deadLetter", kafka.producer_profile)
    for index, endpoint in enumerate(spec.endpoints):
        for position, topic in enumerate(endpoint.topic_header.topics if endpoint.topic_header else ()):
            field = f"spec.endpoints.{index}.topicHeader.topics.{position}"
            yield Target(topic, kafka.producer_profile, field, own)


def _target(topic: str, profile: str | None, where: str, own: str) -> Target:
    if profile is None:
        return Target(topic, own, f"{where}.topic", "spec.kafka.producerProfile")
    return Target(topic, profile, f"{where}.topic", f"{where}.producerProfile")


def show_path(field: str) -> str:
    """A dotted path as Kubernetes writes it: `spec.kafka.topics[0].topic`."""
    return _INDEX.sub(r"[\1]", field)
