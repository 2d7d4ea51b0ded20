"""The lines that clients of the fault suite send: each knows its number, and its bytes are hard to get right. Pure."""

import json
from base64 import b64encode
from random import Random
from typing import NamedTuple

LARGE = 60_000
"""Bytes of a line that a topic may be told not to take."""
_ALPHABET = 'abcdefghijklmnop  \\"/äß€𝄞'


class Sent(NamedTuple):
    """A line as it was sent."""

    number: int
    key: bytes | None
    value: bytes
    sender: int
    """Whose line it is: a sender sends one request after the other, hence its lines have an order."""
    process: int
    """Which of the gateway's processes, one after the other, it was sent to."""


def build_line(random: Random, number: int, key: str | None, *, large: bool = False) -> bytes:
    """A line's bytes: spaces, escapes and characters of all lengths, so that no re-encoding goes unnoticed."""
    text = "".join(random.choices(_ALPHABET, k=random.randint(0, 40)))
    if large:
        text += b64encode(random.randbytes(LARGE * 3 // 4)).decode()  # no codec makes this small
    padding = " " * random.randint(0, 2)
    named = "" if key is None else f'"k":{padding}"{key}", '
    escaped = json.dumps(text, ensure_ascii=random.random() < 0.5)
    return f'{{"n":{number},{padding}{named}"t":{escaped}}}'.encode()


def number_of(value: bytes) -> int | None:
    """The number of a line that was made here; None: it was not."""
    try:
        found = json.loads(value)
    except ValueError:
        return None
    number = found.get("n") if isinstance(found, dict) else None
    return number if isinstance(number, int) else None
