"""Formats CSV (one line of RFC 4180) and TSV (IANA's text/tab-separated-values: no quotes, no escapes)."""

import re

from headgate_gateway.config.executors import Decoder
from headgate_gateway.pipeline.executors.formats.reader import ReadText
from headgate_gateway.pipeline.steps import Event

_LINE_END = re.compile(r"[\r\n]")


def compile_tsv(config: Decoder) -> ReadText:
    """A reader of values between tabs."""
    columns = config.columns
    gather = _compile_gather(columns)

    def read(text: str) -> Event | str:
        if text.count("\t") + 1 != len(columns):
            return _miscounted(text.count("\t") + 1, columns)
        return "it has more than one line" if _LINE_END.search(text) else gather(text.split("\t"))

    return read


def compile_csv(config: Decoder) -> ReadText:
    """A reader of values between separators, some of them in quotes."""
    columns, separator = config.columns, config.separator or ","
    gather = _compile_gather(columns)
    # Possessive, so that no text can make it look back.
    match_value = re.compile(rf'"((?:[^"]++|"")*+)"|([^"\r\n{re.escape(separator)}]*+)').match

    def read_quoted(text: str) -> Event | str:
        values: list[str] = []
        position, end = 0, len(text)
        while True:
            found = match_value(text, position)
            position = found.end()  # type: ignore[union-attr]
            quoted, bare = found.groups()  # type: ignore[union-attr]
            values.append(bare if quoted is None else quoted.replace('""', '"'))
            if position == end:
                break
            if text[position] != separator:
                return f"at character {position + 1} a value goes on where it should have ended"
            if len(values) == len(columns):
                return _miscounted(None, columns)
            position += 1
        return gather(values) if len(values) == len(columns) else _miscounted(len(values), columns)

    def read(text: str) -> Event | str:
        if '"' in text or _LINE_END.search(text):
            return read_quoted(text)
        count = text.count(separator) + 1
        return gather(text.split(separator)) if count == len(columns) else _miscounted(count, columns)

    return read


def _miscounted(count: int | None, columns: tuple[str, ...]) -> str:
    return f"it has {'more' if count is None else count} values, and there are {len(columns)} columns"


def _compile_gather(columns: tuple[str, ...]):  # type: ignore[no-untyped-def]
    if all(columns):
        return lambda values: dict(zip(columns, values, strict=True))
    named = [(index, name) for index, name in enumerate(columns) if name]
    return lambda values: {name: values[index] for index, name in named}
