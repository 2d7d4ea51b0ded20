"""Entries made of records that Kafka refuses for good: for a dead letter, or to be parked with their reason. Pure."""

import msgspec

from headgate_gateway.config.kafka import REPO_HEADER, REVISION_HEADER
from headgate_gateway.kafka.outcome import FailureReason
from headgate_gateway.pipeline.dead_letter import MAX_MESSAGE, MESSAGE_HEADER, REASON_HEADER, STEP_HEADER
from headgate_gateway.pipeline.records import DEAD_LETTER_OVERHEAD
from headgate_gateway.spool.entry import Entry, Header, part_of
from headgate_gateway.spool.handover import Refused

STEP = b"kafka"


def build_burial(entry: Entry, refused: Refused, entry_id: bytes, *, letters: bool = True) -> tuple[Entry, bool]:
    """What is appended in place of the refused records of an entry, and whether that is for a dead letter."""
    positions = sorted(refused)
    reason = _reason(refused)
    if entry.dead_letter is None or entry.is_dead_letter or not letters:
        return part_of(entry, positions, id=entry_id, reason=reason), False
    target = entry.dead_letter
    part = part_of(
        entry,
        positions,
        id=entry_id,
        reason=reason,
        profile=target.profile,
        profile_hash=target.profile_hash,
        topic=target.topic,
        dead_letter=None,
        is_dead_letter=True,
        headers=_shared_headers(entry),
    )
    rows = [_own_headers(entry, position, *refused[position]) for position in positions]
    size = part.nbytes + DEAD_LETTER_OVERHEAD * part.count
    # Kafka may have refused a record for its time.
    return msgspec.structs.replace(part, row_headers=rows, timestamps=None, nbytes=size), True


def _reason(refused: Refused) -> str:
    """The first record's, for people."""
    reason, message = refused[min(refused)]
    return f"{reason.value}: {message}"[:MAX_MESSAGE]


def _shared_headers(entry: Entry) -> tuple[Header, ...]:
    there = {name for name, _ in entry.headers}
    ours = ((REPO_HEADER, entry.repo.encode()), (REVISION_HEADER, entry.revision.encode()))
    return (*entry.headers, *(header for header in ours if header[0] not in there))


def _own_headers(entry: Entry, position: int, reason: FailureReason, message: str) -> tuple[Header, ...]:
    rows = entry.row_headers
    return (
        (REASON_HEADER, reason.value.encode()),
        (STEP_HEADER, STEP),
        (MESSAGE_HEADER, message[:MAX_MESSAGE].encode(errors="replace")),
        *(rows[position] if rows is not None else ()),
    )
