"""Metadata requests of version 8: their bytes, by the protocol's description, and what is read from answers."""

from io import BytesIO

import pytest
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5

from headgate_gateway.kafka.access import (
    AccessRequest,
    MetadataRequest_v8,
    MetadataResponse_v8,
    TopicAccess,
    read_access,
)

# Written by hand from https://kafka.apache.org/protocol, "Metadata Request (Version: 8)" and its response.
REQUEST = (
    b"\x00\x00\x00\x02"  # two topics
    b"\x00\x01a"
    b"\x00\x02bc"
    b"\x00"  # allow_auto_topic_creation
    b"\x00"  # include_cluster_authorized_operations
    b"\x01"  # include_topic_authorized_operations
)
BROKER = b"\x00\x00\x00\x07\x00\x01h\x00\x00\x23\x84\xff\xff"  # node 7 at h:9092, no rack


def partition(index: int, leader: int) -> bytes:
    return (
        (b"\x00\x00" if leader >= 0 else b"\x00\x05")
        + index.to_bytes(4, "big")
        + leader.to_bytes(4, "big", signed=True)
        + b"\x00\x00\x00\x09"  # leader_epoch
        + b"\x00\x00\x00\x01\x00\x00\x00\x07"  # replicas
        + b"\x00\x00\x00\x01\x00\x00\x00\x07"  # in sync
        + b"\x00\x00\x00\x00"  # offline
    )


def topic(code: int, name: str, operations: int, *partitions: bytes) -> bytes:
    return (
        code.to_bytes(2, "big")
        + len(name).to_bytes(2, "big")
        + name.encode()
        + b"\x00"  # not internal
        + len(partitions).to_bytes(4, "big")
        + b"".join(partitions)
        + operations.to_bytes(4, "big", signed=True)
    )


def response(*topics: bytes) -> bytes:
    return (
        b"\x00\x00\x00\x00"  # throttle
        b"\x00\x00\x00\x01"
        + BROKER
        + b"\x00\x02id"
        + b"\x00\x00\x00\x07"  # controller
        + len(topics).to_bytes(4, "big")
        + b"".join(topics)
        + b"\x80\x00\x00\x00"  # nothing said about rights on the cluster
    )


def read(data: bytes) -> dict[str, TopicAccess]:
    buffer = BytesIO(data)
    found = read_access(MetadataResponse_v8.decode(buffer))
    assert buffer.read() == b""
    return found


@pytest.mark.parametrize("newest", [8, 12, 13])
def test_the_request_asks_for_rights_and_creates_nothing(newest: int) -> None:
    request = AccessRequest(["a", "bc"]).prepare({3: (0, newest)})
    assert isinstance(request, MetadataRequest_v8)
    assert (request.API_KEY, request.API_VERSION, request.FLEXIBLE_VERSION) == (3, 8, False)
    assert request.encode() == REQUEST


@pytest.mark.parametrize("newest", [4, 5, 7])
def test_an_older_broker_is_asked_in_a_version_that_creates_nothing_either(newest: int) -> None:
    request = AccessRequest(["a"]).prepare({3: (0, newest)})
    assert min(newest, 5) == request.API_VERSION
    assert request.encode() == b"\x00\x00\x00\x01\x00\x01a\x00"


def test_nothing_is_asked_of_a_broker_that_might_create_the_topic() -> None:
    with pytest.raises(NotImplementedError):
        AccessRequest(["a"]).prepare({3: (0, 3)})


def test_topics_leaders_and_rights_are_read() -> None:
    rights = 0b1_0001_1000  # describe, write, read
    found = read(
        response(
            topic(0, "a", rights, partition(1, 7), partition(0, -1)),
            topic(3, "b", -(2**31)),
            topic(0, "c", 0b1_0000_1000, partition(0, 7)),
            topic(0, "d", -(2**31), partition(0, 7)),
        )
    )
    assert found["a"] == TopicAccess(0, [-1, 7], rights)
    assert found["b"] == TopicAccess(3, [], None)
    assert {name: access.may_write for name, access in found.items()} == {"a": True, "b": True, "c": False, "d": True}


@pytest.mark.parametrize(
    ("operations", "may"),
    [
        pytest.param(1 << 4, True, id="write alone"),
        pytest.param(0x0DF8, True, id="all that a topic knows"),
        pytest.param(0x0DF8 & ~(1 << 4), False, id="all but write"),
        pytest.param(0, False, id="none"),
        pytest.param(None, True, id="not told"),
    ],
)
def test_write_is_the_bit_of_acl_operation_4(operations: int | None, may: bool) -> None:
    assert TopicAccess(0, [1], operations).may_write is may


def test_an_answer_without_rights_is_read() -> None:
    answer = MetadataResponse_v5(0, [], None, 1, [(0, "a", False, [(0, 0, 7, [7], [7], [])])])
    assert read_access(answer) == {"a": TopicAccess(0, [7], None)}
    assert MetadataRequest_v5.RESPONSE_TYPE is MetadataResponse_v5
