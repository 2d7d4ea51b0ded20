"""How a producer is, in one word; the rows of `/status` are the contract's (`config.status`)."""

from enum import StrEnum


class ProducerState(StrEnum):
    """One word for how a producer is."""

    CONNECTING = "Connecting"
    """No broker has answered yet, and none has failed."""
    READY = "Ready"
    UNREACHABLE = "Unreachable"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    CLOSED = "Closed"
