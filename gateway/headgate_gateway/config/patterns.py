"""Regular expressions whose named groups become fields: what both the operator and gateways take for one.

Compiled by RE2, whose time is linear in the text, whatever the pattern. A pattern that one side took and the other did
not would be found out only once a rollout has begun. Matches nothing: `pipeline.executors` does.
"""

from operator import itemgetter
from typing import Any

import re2

_MAX_BYTES = 2 * 2**20
"""Of a compiled pattern with its cache of states: a quarter of RE2's own bound, for a gateway holds thousands of repos."""


def compile_groups(pattern: str) -> tuple[Any, list[tuple[str, int]]]:
    """The compiled pattern, for bytes, and its named groups with their numbers, as the pattern has them.

    Raises ValueError for one that RE2 refuses, or without named groups.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_BYTES
    try:
        # Bytes on both sides: with texts, the binding counts characters up to each end of each group.
        compiled: Any = re2.compile(pattern.encode(errors="replace"), options=options)  # type: ignore[no-untyped-call]
    except re2.error as error:
        (reason,) = error.args
        raise ValueError(
            f"pattern does not compile as RE2: {reason.decode(errors='replace')} "
            "(the engine is linear-time: look-around and back-references are not available)"
        ) from error
    # RE2 tells them by the alphabet.
    groups = [(name.decode(), index) for name, index in sorted(compiled.groupindex.items(), key=itemgetter(1))]
    if not groups:
        raise ValueError("pattern has no named group, such as (?P<status>[0-9]+), so it would make no field")
    return compiled, groups
