"""Format Regex: what the named groups of a pattern match. RE2, whose time is linear in the text, whatever the pattern."""

from operator import itemgetter
from typing import Any

import re2

from headgate_gateway.config.executors import Decoder
from headgate_gateway.pipeline.executors.formats.reader import ReadText
from headgate_gateway.pipeline.steps import Event

_MAX_BYTES = 2 * 2**20
"""Of a compiled pattern with its cache of states: a quarter of RE2's own bound, for a gateway holds thousands of repos."""


def compile_regex(config: Decoder) -> ReadText:
    """A reader by a pattern. Raises ValueError for one that RE2 refuses, or without named groups."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_BYTES
    try:
        # Bytes on both sides: with texts, the binding counts characters up to each end of each group.
        pattern: Any = re2.compile((config.pattern or "").encode(), options=options)  # type: ignore[no-untyped-call]
    except re2.error as error:
        (reason,) = error.args
        raise ValueError(f"pattern does not compile as RE2: {reason.decode(errors='replace')}") from error
    # In the order that the pattern has them: RE2 tells them by the alphabet.
    groups = sorted(pattern.groupindex.items(), key=itemgetter(1))
    names = [(name.decode(), index) for name, index in groups]
    if not names:
        raise ValueError("pattern has no named group, such as (?P<status>[0-9]+), so it would make no field")
    search = pattern.search

    def read(text: str) -> Event | str:
        found = search(text.encode(errors="replace"))
        if found is None:
            return "the pattern does not match"
        return {name: part.decode() for name, index in names if (part := found[index]) is not None}

    return read
