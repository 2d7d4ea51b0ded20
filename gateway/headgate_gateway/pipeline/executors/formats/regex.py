"""Format Regex: what the named groups of a pattern match. RE2, whose time is linear in the text, whatever the pattern."""

from headgate_gateway.config.executors import Decoder
from headgate_gateway.config.patterns import compile_groups
from headgate_gateway.pipeline.executors.formats.reader import ReadText
from headgate_gateway.pipeline.steps import Event


def compile_regex(config: Decoder) -> ReadText:
    """A reader by a pattern. Raises ValueError for one that RE2 refuses, or without named groups."""
    pattern, names = compile_groups(config.pattern or "")
    search = pattern.search

    def read(text: str) -> Event | str:
        found = search(text.encode(errors="replace"))
        if found is None:
            return "the pattern does not match"
        return {name: part.decode() for name, index in names if (part := found[index]) is not None}

    return read
