"""In which of its three modes a request carries CloudEvents: its Content-Type alone says so."""

from enum import Enum, auto
from typing import Final

_MEDIA_TYPE: Final = b"application/cloudevents"


class Mode(Enum):
    """How a request carries events."""

    BINARY = auto()
    """One event: its attributes in headers, its data as the body."""
    STRUCTURED = auto()
    """One event as a JSON object."""
    BATCH = auto()
    """An array of such objects."""
    UNKNOWN = auto()
    """Events in a format that is not read here."""


_KNOWN = {_MEDIA_TYPE + b"+json": Mode.STRUCTURED, _MEDIA_TYPE + b"-batch+json": Mode.BATCH}


def mode_of(content_type: bytes) -> Mode:
    """The mode, by the value of Content-Type (HTTP binding, section 3)."""
    media_type = content_type.partition(b";")[0].strip().lower()
    if not media_type.startswith(_MEDIA_TYPE):
        return Mode.BINARY
    return _KNOWN.get(media_type, Mode.UNKNOWN)
