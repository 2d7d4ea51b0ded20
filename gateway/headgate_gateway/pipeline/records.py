"""What the pipeline hands to Kafka: the records of one request for one topic. Holds data, decides nothing."""

from dataclasses import dataclass

RECORD_OVERHEAD = 128
"""What a record takes beside its bytes: object headers, list slots, its number, its key. Measured, rounded up.

A range of refused lines takes about as much.
"""
DEAD_LETTER_OVERHEAD = 1_024
"""What a record of a dead letter takes beside that: the headers that say why it is there."""
HEADER_OVERHEAD = 128
"""What a header takes beside its value, where events bring their own."""


@dataclass(slots=True, init=False)
class Records:
    """Records of one request for one topic of one producer, in the order of their lines.

    `values`, `lines` and, where they are not None, `keys`, `timestamps` and `row_headers` have the same length.
    """

    profile: str
    """Name of the producer's profile."""
    topic: str
    values: list[bytes]
    lines: list[int]
    """1-based numbers of the lines that the records were made from."""
    keys: list[bytes | None] | None
    """None: the whole request is keyless."""
    timestamps: list[int] | None
    """Milliseconds since the epoch; None: the time of acceptance for all."""
    headers: tuple[tuple[str, bytes], ...]
    """Headers that all records share."""
    row_headers: list[tuple[tuple[str, bytes], ...]] | None
    """Headers of each record, in addition to the shared ones."""
    dead_letter: bool
    """Whether these are lines that could not be processed."""

    # Written out, since each request makes one: what a dataclass makes itself is not compiled.
    def __init__(
        self,
        profile: str,
        topic: str,
        values: list[bytes],
        lines: list[int],
        keys: list[bytes | None] | None = None,
        timestamps: list[int] | None = None,
        headers: tuple[tuple[str, bytes], ...] = (),
        row_headers: list[tuple[tuple[str, bytes], ...]] | None = None,
        dead_letter: bool = False,
    ) -> None:
        self.profile = profile
        self.topic = topic
        self.values = values
        self.lines = lines
        self.keys = keys
        self.timestamps = timestamps
        self.headers = headers
        self.row_headers = row_headers
        self.dead_letter = dead_letter

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        each = RECORD_OVERHEAD + DEAD_LETTER_OVERHEAD if self.dead_letter else RECORD_OVERHEAD
        return sum(map(len, self.values)) + each * len(self.values)
