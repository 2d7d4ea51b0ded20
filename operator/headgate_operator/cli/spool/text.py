"""What `headgate spool` says of logs, entries and records: text for people, values for JSON. Pure."""

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from headgate_gateway.spool.entry import Entry
from headgate_gateway.spool.extents import Range
from headgate_gateway.spool.inspection import LogView
from headgate_gateway.spool.reading import Stored
from headgate_operator.cli.terminal import clean, span, table

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

_USES = {
    True: "a process uses the directory",
    False: "no process uses the directory",
    None: "whether a process uses the directory cannot be told",
}


def write_size(nbytes: int) -> str:
    """`512 B`, `3.4 MiB`."""
    size, unit = float(nbytes), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{nbytes} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def write_time(milliseconds: int) -> str:
    """ISO 8601, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def list_text(views: Sequence[LogView], *, in_use: bool | None, now_ms: int) -> list[str]:
    """All of a directory, for people."""
    records, nbytes = sum(view.ledger.backlog for view in views), sum(view.nbytes for view in views)
    use = _USES[in_use]
    lines = [f"{records} records wait, {write_size(nbytes)} on disk; {use}"]
    segments = [
        (
            view.name,
            segment.path.rpartition("/")[2],
            write_size(segment.taken),
            _numbers(segment.first, segment.end),
            _left(view, segment.first, segment.end),
        )
        for view in views
        for segment in view.segments
    ]
    if segments:
        lines += ["", *table([("LOG", "SEGMENT", "SIZE", "RECORDS", "WAITING"), *segments], frozenset({2, 4}))]
    waiting = [
        (
            view.name,
            found.topic,
            found.profile,
            str(one.entries),
            str(one.records),
            span((now_ms - one.oldest_ms) / 1000),
            clean(reason),
        )
        for view in views
        for (found, reason), one in view.waiting.items()
    ]
    if waiting:
        lines += [
            "",
            *table(
                [("LOG", "TOPIC", "PROFILE", "ENTRIES", "RECORDS", "OLDEST", "REASON"), *waiting], frozenset({3, 4, 5})
            ),
        ]
    aside = [(view.name, name, write_size(size)) for view in views for name, size in view.aside.items()]
    if aside:
        lines += ["", "damaged bytes that were set aside, of no use to a gateway:", *table(aside, frozenset({2}))]
    return lines


def _numbers(first: int, end: int) -> str:
    return f"{first}-{end - 1}" if end > first else "none"


def _left(view: LogView, first: int, end: int) -> str:
    return str(sum(stop - start for start, stop in view.ledger.missing(first, end)))


def list_values(view: LogView) -> dict[str, Any]:
    """A log, for JSON."""
    return {
        "log": view.name,
        "records": view.ledger.backlog,
        "bytes": view.nbytes,
        "segments": [
            {"file": one.path.rpartition("/")[2], "bytes": one.taken, "first": one.first, "end": one.end}
            for one in view.segments
        ],
        "waiting": [
            {
                "topic": found.topic,
                "producerProfile": found.profile,
                "profileHash": found.profile_hash,
                "reason": reason,
                "entries": one.entries,
                "records": one.records,
                "bytes": one.nbytes,
                "oldest": write_time(one.oldest_ms),
            }
            for (found, reason), one in view.waiting.items()
        ],
        "setAside": view.aside,
    }


def entry_text(name: str, stored: Stored, missing: Sequence[Range], *, records: bool) -> Iterator[str]:
    """An entry, and its records that wait, for people."""
    entry = stored.entry
    waits = sum(end - first for first, end in missing)
    parts = [
        name,
        _numbers(stored.first, stored.end),
        write_time(entry.accepted_ms),
        entry.repo,
        f"topic={entry.topic}",
    ]
    parts += [f"profile={entry.profile}", f"records={entry.count}", f"waiting={waits}", f"id={entry.id.hex()}"]
    parts += [f"reason={entry.reason}"] if entry.reason else []
    yield clean("  ".join(parts))
    for position in _positions(stored, missing) if records else ():
        key = entry.keys[position] if entry.keys is not None else None
        shown = [str(stored.first + position), write_time(_timestamp(entry, position))]
        shown += [] if key is None else [f"key={_readable(key)}"]
        shown += [f"{header}={_readable(value)}" for header, value in _headers(entry, position)]
        value = entry.values[position]
        yield "  " + clean("  ".join(shown))
        yield "    " + clean("no value" if value is None else _readable(value))


def entry_values(name: str, stored: Stored, missing: Sequence[Range], *, records: bool) -> dict[str, Any]:
    """An entry, and its records that wait, for JSON."""
    entry = stored.entry
    told: dict[str, Any] = {"log": name, "first": stored.first, "end": stored.end, "id": entry.id.hex()}
    told |= {"repo": entry.repo, "revision": entry.revision, "track": entry.track, "topic": entry.topic}
    told |= {"producerProfile": entry.profile, "profileHash": entry.profile_hash}
    told |= {"accepted": write_time(entry.accepted_ms), "waiting": sum(end - first for first, end in missing)}
    told |= {"deadLetter": entry.is_dead_letter} | ({"reason": entry.reason} if entry.reason else {})
    if records:
        told["records"] = [_record_values(entry, position) for position in _positions(stored, missing)]
    return told


def _record_values(entry: Entry, position: int) -> dict[str, Any]:
    told: dict[str, Any] = {"position": position, "timestamp": write_time(_timestamp(entry, position))}
    told["headers"] = [[name, _readable(value)] for name, value in _headers(entry, position)]
    key = entry.keys[position] if entry.keys is not None else None
    return told | _bytes("key", key) | _bytes("value", entry.values[position])


def _positions(stored: Stored, missing: Sequence[Range]) -> Iterator[int]:
    for first, end in missing:
        yield from range(first - stored.first, end - stored.first)


def _timestamp(entry: Entry, position: int) -> int:
    return entry.accepted_ms if entry.timestamps is None else entry.timestamps[position]


def _headers(entry: Entry, position: int) -> tuple[tuple[str, bytes], ...]:
    return (*entry.headers, *(entry.row_headers[position] if entry.row_headers is not None else ()))


def _readable(content: bytes) -> str:
    return content.decode(errors="backslashreplace")


def _bytes(name: str, content: bytes | None) -> dict[str, str | None]:
    try:
        return {name: None if content is None else content.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": base64.b64encode(content or b"").decode()}
