"""Moves records from lanes into a new batch. Pure; the accumulator calls it when a partition is free.

Knows what fits and what cannot be encoded at all, not when a batch is due.
"""

from headgate_gateway.kafka.batch import BatchWriter, UnencodableRecordError
from headgate_gateway.kafka.lanes import Batch, Lane, Partition
from headgate_gateway.kafka.submission import Piece


def fill_batch(
    partition: Partition,
    lanes: tuple[Lane, ...],
    cap_bytes: int,
    cap_records: int,
    refused: list[tuple[Piece, str]],
) -> Batch | None:
    """A batch of what the lanes hold, as far as it fits, in their order; None: they hold nothing.

    Records that no batch can hold are taken out and put on `refused`, with the reason.
    """
    while True:
        writer = BatchWriter(cap_bytes, cap_records)
        taken: list[tuple[Lane, Piece]] = []
        try:
            for lane in lanes:
                if not _fill(writer, lane, taken):
                    break
        except UnencodableRecordError as error:
            # Half a record may be in the writer: put everything back, without that record, and start over.
            refused.append((_isolate(lane, error), str(error)))
            for origin, piece in reversed(taken):
                origin.push_front([piece])
            continue
        if not taken:
            return None
        batch = Batch(partition, [piece for _, piece in taken])
        batch.set_raw(writer.finish())
        return batch


def encode_again(batch: Batch) -> None:
    """Make the bytes of a batch that has lost records since it was made. No caps: its records fitted once."""
    writer = BatchWriter(2**31 - 1)
    for piece in batch.pieces:
        writer.append(piece.submission.records, piece.indices, piece.submission.now_ms)
    batch.set_raw(writer.finish())


def _fill(writer: BatchWriter, lane: Lane, taken: list[tuple[Lane, Piece]]) -> bool:
    """Move pieces from the lane's front into the open batch; False once it is full."""
    while lane.pieces:
        piece = lane.pieces[0]
        if piece.settled:
            lane.pieces.popleft()
            continue
        submission = piece.submission
        count = writer.append(submission.records, piece.indices, submission.now_ms)
        if count == 0:
            return False
        lane.pop()
        taken.append((lane, piece))
        if count < len(piece.indices):
            lane.push_front([piece.split(count)])
            return False
    return True


def _isolate(lane: Lane, error: UnencodableRecordError) -> Piece:
    """Take the record that cannot be encoded out of the lane's first piece."""
    piece = lane.pop()
    bad, rest = piece, []
    position = list(piece.indices).index(error.index)
    if position:
        bad = piece.split(position)
        rest.append(piece)
    if len(bad.indices) > 1:
        rest.append(bad.split(1))
    lane.push_front(rest)
    bad.lane = None
    return bad
