import random

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2

from headgate_gateway.kafka.partition import CACHED_KEYS, KeyHasher, murmur2

from .builders import partition_for_key


# Source of the vectors: Kafka's own UtilsTest.testMurmur2, which writes the hashes as signed 32-bit integers.
@pytest.mark.parametrize(
    ("key", "java_hash"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_agrees_with_java(key: bytes, java_hash: int) -> None:
    assert murmur2(key) == java_hash & 0xFFFFFFFF


def test_murmur2_agrees_with_aiokafka_at_every_length() -> None:
    source = random.Random(7)
    for length in range(70):
        key = source.randbytes(length)
        assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF  # type: ignore[no-untyped-call]


def test_partition_is_the_positive_hash_modulo_the_count() -> None:
    assert partition_for_key(b"foobar", 12) == (-790332482 & 0x7FFFFFFF) % 12


def test_cached_hash_stays_the_same_when_the_cache_starts_over() -> None:
    hasher = KeyHasher()
    before = hasher.positive_hash(b"mine")
    for number in range(CACHED_KEYS + 10):
        hasher.positive_hash(b"%d" % number)
    assert hasher.positive_hash(b"mine") == before
