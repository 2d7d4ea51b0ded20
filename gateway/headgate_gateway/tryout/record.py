"""Records as people and tests look at them: one value each, in order of the lines that they were made from. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.tombstone import NO_VALUE


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    profile: str
    topic: str
    line: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int
    """Milliseconds since the epoch."""
    value: bytes | None
    dead_letter: bool

    def header(self, name: str) -> str:
        """The text of a header; empty without it."""
        return next((readable(value) for found, value in self.headers if found == name), "")


def readable(content: bytes) -> str:
    r"""Text, with \xNN for what is none."""
    return content.decode(errors="backslashreplace")


def unfold(taken: Iterable[tuple[Records, int]]) -> list[Record]:
    """The records of one request, by line; those of one line as they were handed in."""
    return sorted((one for records, now_ms in taken for one in _unfold(records, now_ms)), key=lambda one: one.line)


def _unfold(records: Records, now_ms: int) -> Iterator[Record]:
    for index, value in enumerate(records.values):
        own = records.row_headers[index] if records.row_headers is not None else ()
        yield Record(
            profile=records.profile,
            topic=records.topic,
            line=records.lines[index],
            key=records.keys[index] if records.keys is not None else None,
            headers=(*records.headers, *own),
            timestamp=records.timestamps[index] if records.timestamps is not None else now_ms,
            value=None if value is NO_VALUE else value,
            dead_letter=records.dead_letter,
        )
