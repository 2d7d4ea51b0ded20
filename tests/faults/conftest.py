"""Fixtures of the fault suite: brokers behind proxies, which every test leaves well."""

from collections.abc import AsyncIterator

import pytest
from tests.testbed import kafka as testbed_kafka
from tests.testbed.kafka import Kafka

from .brokers import Brokers, behind_proxies


@pytest.fixture(scope="session")
def _three_brokers() -> Kafka:
    return testbed_kafka.ensure(brokers=3)


@pytest.fixture
async def kafka(_three_brokers: Kafka) -> AsyncIterator[Brokers]:
    """Three of them."""
    async with behind_proxies(_three_brokers) as made:
        yield made
