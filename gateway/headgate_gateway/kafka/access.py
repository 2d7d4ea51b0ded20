"""Asks brokers what topics are like and whether we may write to them, creating none: metadata requests up to version 8.

aiokafka's own stop at version 5, which says nothing of rights. Only the wire format, on aiokafka's types; `connection`
sends it. Source: https://kafka.apache.org/protocol, "Metadata API (Key: 3)"; from version 9 on the encoding is another
one, with nothing in it that we need. Brokers take version 8 since Kafka 2.3.
"""

from typing import Any, NamedTuple

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v4, MetadataRequest_v5
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

WRITE = 1 << 4
"""The bit of `AclOperation.WRITE`, whose code is 4."""
_NOT_TOLD = -(2**31)
"""What stands for the rights where the broker does not say."""


class MetadataResponse_v8(Response):  # noqa: N801 - named as aiokafka names its versions
    """What brokers answer."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("name", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition_index", Int32),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("replica_nodes", Array(Int32)),
                        ("isr_nodes", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("topic_authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class MetadataRequest_v8(RequestStruct):  # noqa: N801 - as above
    """The first version in which brokers say what we may do with a topic (KIP-430)."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponse_v8
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


AccessStruct = MetadataRequest_v4 | MetadataRequest_v5 | MetadataRequest_v8


class AccessRequest(Request[AccessStruct]):
    """What topics are like and what we may do with them, in the newest version that the broker knows."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[AccessStruct]) -> AccessStruct:
        """The structure of the version that the connection has agreed on; no version of it creates a topic."""
        if request_struct_class is MetadataRequest_v8:
            return request_struct_class(self._topics, False, False, True)
        return request_struct_class(self._topics, False)


class TopicAccess(NamedTuple):
    """One topic, as a broker sees it for who we are."""

    code: int
    """Kafka's error code; 0: none."""
    leaders: list[int]
    """By partition; -1: none at the moment."""
    operations: int | None
    """What we may do, a bit for each `AclOperation`; None: the broker does not say."""

    @property
    def may_write(self) -> bool:
        """Whether nothing says that we may not write."""
        return self.operations is None or bool(self.operations & WRITE)


def read_access(response: Any) -> dict[str, TopicAccess]:
    """An answer of either version, by topic."""
    found = {}
    for code, name, _internal, partitions, *rights in response.topics:
        leaders = [-1] * (1 + max((row[1] for row in partitions), default=-1))
        for row in partitions:
            leaders[row[1]] = row[2]
        told = rights[0] if rights and rights[0] != _NOT_TOLD else None
        found[name] = TopicAccess(code, leaders, told)
    return found
