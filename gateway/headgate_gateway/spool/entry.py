"""What the spool keeps: finished records of one request for one topic, with all that is needed to send them later.

An entry made by `entry_of` is what the disk gets, byte for byte; `records_of` makes of it what producers take. Pure.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple, cast
from zlib import crc32

import msgspec

from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.tombstone import NO_VALUE

LANES = 1024
"""Buckets of keys. Keys of one bucket are delivered in order; two keys rarely share one."""

Header = tuple[str, bytes]


class Destination(NamedTuple):
    """Where records go."""

    profile: str
    profile_hash: str
    topic: str


class Origin(NamedTuple):
    """What the entries of one repo for one destination have in common. Made once per compiled repo."""

    repo: str
    """namespace/name."""
    revision: str
    track: str
    profile_hash: str
    dead_letter: Destination | None = None
    """Where records go that Kafka refuses for good; None: they are parked."""


class EntryHead(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An entry without its records: what recovery and `ls` need to know of it.

    Stored as an array, of which a reader may leave out the end: new fields are added behind `Entry`'s last one.
    """

    id: bytes
    """16 random bytes."""
    repo: str
    """namespace/name."""
    revision: str
    track: str
    profile: str
    profile_hash: str
    topic: str
    accepted_ms: int
    """Time of acceptance, milliseconds since the epoch: the timestamp of records that bring none."""
    count: int
    """Records; they have consecutive numbers in the log."""
    nbytes: int
    """Bytes of memory that its records take, about."""
    lanes: bytes
    """Sorted buckets of its keys, each once, as little-endian u16. Empty: keyless throughout."""
    dead_letter: Destination | None
    is_dead_letter: bool
    """Whether these are lines that could not be processed or delivered: they have no dead letter of their own."""
    reason: str
    """Why it is parked or dead-lettered; empty otherwise."""

    @property
    def destination(self) -> Destination:
        """Where its records go."""
        return Destination(self.profile, self.profile_hash, self.topic)

    def buckets(self) -> tuple[int, ...]:
        """`lanes` as numbers."""
        return struct.unpack(f"<{len(self.lanes) // 2}H", self.lanes)


class Entry(EntryHead, array_like=True, frozen=True, gc=False):
    """Records of one request for one topic. The lists have `count` items each, or are None as in `Records`."""

    headers: tuple[Header, ...]
    keys: list[bytes | None] | None
    timestamps: list[int] | None
    row_headers: list[tuple[Header, ...]] | None
    values: list[bytes | None]
    """None: a tombstone."""


def lane_of(key: bytes) -> int:
    """The bucket of a key. Equal keys have equal buckets, in every process and version."""
    return crc32(key) & (LANES - 1)


def lanes_of(keys: Sequence[bytes | None] | None) -> bytes:
    """The buckets of all keys, as `EntryHead.lanes` has them."""
    if keys is None:
        return b""
    buckets = sorted({lane_of(key) for key in set(keys) if key is not None})
    return struct.pack(f"<{len(buckets)}H", *buckets)


def entry_of(records: Records, origin: Origin, accepted_ms: int, entry_id: bytes, reason: str = "") -> Entry:
    """The entry of a request's records. Shares their lists: nobody may change those afterwards."""
    values = cast("list[bytes | None]", records.values)
    if b"" in values:  # NO_VALUE is equal to it: a look at each only where it can be there
        values = [None if value is NO_VALUE else value for value in values]
    return Entry(
        id=entry_id,
        repo=origin.repo,
        revision=origin.revision,
        track=origin.track,
        profile=records.profile,
        profile_hash=origin.profile_hash,
        topic=records.topic,
        accepted_ms=accepted_ms,
        count=len(records.values),
        nbytes=records.nbytes,
        lanes=lanes_of(records.keys),
        dead_letter=origin.dead_letter,
        is_dead_letter=records.dead_letter,
        reason=reason,
        headers=records.headers,
        keys=records.keys,
        timestamps=records.timestamps,
        row_headers=records.row_headers,
        values=values,
    )


def records_of(entry: Entry, positions: Sequence[int] | None = None) -> Records:
    """What a producer takes. `lines` are positions in the entry (0-based), so that outcomes name its records.

    `positions`: which of them, ascending; None: all.
    """
    taken = range(entry.count) if positions is None else positions
    whole = len(taken) == entry.count
    keys, times, rows = entry.keys, entry.timestamps, entry.row_headers
    values = entry.values if whole else [entry.values[at] for at in taken]
    if None in values:
        values = [NO_VALUE if value is None else value for value in values]
    return Records(
        profile=entry.profile,
        topic=entry.topic,
        values=cast("list[bytes]", values),
        lines=list(taken),
        keys=keys if keys is None or whole else [keys[at] for at in taken],
        timestamps=times if times is None or whole else [times[at] for at in taken],
        headers=entry.headers,
        row_headers=rows if rows is None or whole else [rows[at] for at in taken],
        dead_letter=entry.is_dead_letter,
    )


def part_of(entry: Entry, positions: Sequence[int], **changes: object) -> Entry:
    """An entry of some of its records, with other `changes`, such as a reason: to be appended anew."""
    records = records_of(entry, positions)
    part = {
        "count": len(positions),
        "nbytes": records.nbytes,
        "lanes": lanes_of(records.keys),
        "keys": records.keys,
        "timestamps": records.timestamps,
        "row_headers": records.row_headers,
        "values": [entry.values[at] for at in positions],
    }
    return msgspec.structs.replace(entry, **part, **changes)
