"""What a producer says about itself to people: rows of /status. Pure data."""

from dataclasses import dataclass, field
from enum import StrEnum


class ProducerState(StrEnum):
    """One word for how a producer is."""

    CONNECTING = "Connecting"
    """No broker has answered yet, and none has failed."""
    READY = "Ready"
    UNREACHABLE = "Unreachable"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    CLOSED = "Closed"


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """One broker that leads partitions we write to."""

    node_id: int
    address: str
    connected: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """One topic that is written to."""

    name: str
    partitions: int
    """0: not known."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ProducerStatus:
    """One producer."""

    profile: str
    hash: str
    """Of the profile's content and its credentials."""
    state: ProducerState
    pending_bytes: int
    pending_records: int
    users: int = 0
    """Leases held."""
    candidate: bool = False
    """Whether it has new credentials that are being tried while an older producer serves."""
    last_error: str = ""
    brokers: tuple[BrokerStatus, ...] = field(default=())
    topics: tuple[TopicStatus, ...] = field(default=())
