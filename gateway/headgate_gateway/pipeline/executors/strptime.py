"""Compiles a time pattern such as `%d/%b/%Y:%H:%M:%S %z` once, where datetime.strptime does so for each text.

English names whatever the locale is; everything else in the pattern is literal. Called by `timestamp` alone.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH_NUMBERS = {
    name: number for number, month in enumerate(_MONTHS, 1) for name in (month.lower(), month[:3].lower())
}
_TWO = r"[0-9]{1,2}"
_SHAPES = {
    "Y": r"[0-9]{4}", "y": r"[0-9]{2}", "m": _TWO, "d": r"(?: [0-9]|[0-9]{1,2})", "H": _TWO, "I": _TWO, "M": _TWO,
    "S": _TWO, "p": "AM|PM", "f": r"[0-9]{1,9}", "z": r"Z|[-+][0-9]{2}:?[0-9]{2}",
    "b": "|".join(month[:3] for month in _MONTHS), "B": "|".join(_MONTHS),
    "a": "|".join(day[:3] for day in _DAYS), "A": "|".join(_DAYS),
}  # fmt: skip
_PIVOT = 69
"""Of two-digit years, 69 to 99 are of the 20th century, as POSIX has it."""

_Say = Callable[[str, dict[str, int]], None]


def _number(name: str) -> _Say:
    def say(text: str, said: dict[str, int]) -> None:
        said[name] = int(text)

    return say


def _say_short_year(text: str, said: dict[str, int]) -> None:
    said["year"] = int(text) + (1900 if int(text) >= _PIVOT else 2000)


def _say_month_name(text: str, said: dict[str, int]) -> None:
    said["month"] = _MONTH_NUMBERS[text.lower()]


def _say_fraction(text: str, said: dict[str, int]) -> None:
    said["microsecond"] = int(text[:6].ljust(6, "0"))


def _say_half(text: str, said: dict[str, int]) -> None:
    said["afternoon"] = text in {"PM", "pm", "Pm", "pM"}


def _say_offset(text: str, said: dict[str, int]) -> None:
    if text.upper() != "Z":
        minutes = int(text[-2:])
        # 60 minutes are no offset; what cannot be a time is told by a month that is none.
        if minutes >= 60:
            said["month"] = 0
        said["offset"] = (int(text[1:3]) * 60 + minutes) * (-1 if text[0] == "-" else 1)


_SAY: dict[str, _Say] = {
    "Y": _number("year"), "y": _say_short_year, "m": _number("month"), "b": _say_month_name, "B": _say_month_name,
    "d": _number("day"), "H": _number("hour"), "I": _number("hour12"), "M": _number("minute"), "S": _number("second"),
    "p": _say_half, "f": _say_fraction, "z": _say_offset,
}  # fmt: skip


def compile_pattern(pattern: str) -> Callable[[Any], int | None]:
    """A reader of one pattern, which config.executors.timestamp has checked: microseconds since 1970, or None."""
    parts = re.split(r"%(.)", pattern)
    # Literals at even places, directives between them.
    shape = "".join(re.escape(part) if place % 2 == 0 else _group(part) for place, part in enumerate(parts))
    fullmatch = re.compile(shape, re.IGNORECASE | re.ASCII).fullmatch
    says = [_SAY[directive] for directive in parts[1::2] if directive in _SAY]

    def read(value: Any) -> int | None:
        found = fullmatch(value) if value.__class__ is str else None
        if found is None:
            return None
        said: dict[str, int] = {}
        for text, say in zip(found.groups(), says, strict=True):
            say(text, said)
        return _microseconds(said)

    return read


def _group(directive: str) -> str:
    if directive == "%":
        return "%"
    # The name of a day says nothing that the date does not.
    return f"({_SHAPES[directive]})" if directive in _SAY else f"(?:{_SHAPES[directive]})"


def _microseconds(said: dict[str, int]) -> int | None:
    offset = said.pop("offset", 0)
    if (half := said.pop("hour12", None)) is not None:
        if not 1 <= half <= 12:
            return None
        said["hour"] = half % 12 + (12 if said.pop("afternoon") else 0)
    try:
        moment = datetime(**said)  # type: ignore[arg-type]
    except ValueError:
        return None
    return (moment - _EPOCH) // _MICROSECOND - offset * 60_000_000
