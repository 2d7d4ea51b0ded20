"""Fixtures of the integration tests: real parts of the testbed, brought up once and shared by all tests."""

from collections.abc import Iterator

import pytest
from tests.testbed import kafka as testbed_kafka
from tests.testbed.kafka import Kafka


@pytest.fixture(scope="session")
def kafka() -> Kafka:
    """One real broker on loopback. Tests leave it running: those that break brokers take `kafka_cluster`."""
    return testbed_kafka.ensure(brokers=1)


@pytest.fixture(scope="session")
def _three_brokers() -> Kafka:
    return testbed_kafka.ensure(brokers=3)


@pytest.fixture
def kafka_cluster(_three_brokers: Kafka) -> Iterator[Kafka]:
    """Three real brokers that a test may stop, kill and freeze; they are well again after it."""
    yield _three_brokers
    _three_brokers.heal()
