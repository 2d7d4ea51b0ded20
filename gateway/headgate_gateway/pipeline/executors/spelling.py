"""One spelling of a value as bytes, for hashes: equal values have equal bytes, in every process and version."""

from typing import Any

import msgspec

_encode = msgspec.json.Encoder(order="sorted").encode


def bytes_of(value: Any) -> bytes:
    """A text's UTF-8; of anything else its JSON text, objects sorted by their keys."""
    return value.encode() if value.__class__ is str else _encode(value)
