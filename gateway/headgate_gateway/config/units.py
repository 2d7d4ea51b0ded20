"""Durations and byte sizes: how they are written, and the integers they mean.

A Duration is written as Gateway API writes it (GEP-2257: `500ms`, `30s`, `1m30s`) and is milliseconds in Python.
A ByteSize is written as a plain number or a Kubernetes quantity (`512Ki`, `8Mi`) and is bytes in Python.
"""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

DURATION_PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
BYTE_SIZE_PATTERN = r"^[0-9]{1,15}(Ki|Mi|Gi|k|M|G)?$"

_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_DURATION = re.compile(DURATION_PATTERN)
_DURATION_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_BYTE_SIZE = re.compile(r"^([0-9]{1,15})(Ki|Mi|Gi|k|M|G)?$")


def parse_duration(value: Any) -> int:
    """Milliseconds of a duration such as `1m30s`. Raises ValueError with the remedy."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not _DURATION.match(value):
        raise ValueError(f"{value!r} is not a duration: write a number and a unit, such as 500ms, 30s or 1m30s")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _DURATION_PART.findall(value))


def format_duration(milliseconds: int) -> str:
    """The canonical writing of a duration: the largest single unit that holds it exactly."""
    for unit in ("h", "m", "s"):
        if milliseconds and milliseconds % _MILLISECONDS[unit] == 0 and milliseconds // _MILLISECONDS[unit] < 10**5:
            return f"{milliseconds // _MILLISECONDS[unit]}{unit}"
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{seconds}s{rest}ms" if milliseconds >= 10**5 else f"{milliseconds}ms"


def parse_byte_size(value: Any) -> int:
    """Bytes of a size such as 65536 or `64Ki`. Raises ValueError with the remedy."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    matched = _BYTE_SIZE.match(value) if isinstance(value, str) else None
    if matched is None:
        raise ValueError(f"{value!r} is not a size: write bytes as a number, or with a unit, such as 512Ki or 8Mi")
    return int(matched[1]) * _BYTES[matched[2] or ""]


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 24}),
]
"""Milliseconds in Python; `30s` in JSON."""

ByteSize = Annotated[
    int,
    BeforeValidator(parse_byte_size),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": BYTE_SIZE_PATTERN,
        }
    ),
]
"""Bytes in Python and in the contract; a resource may write `8Mi`."""
