"""What a spool is told: where it lies, what it may take, how patient it is. Pure; made by the command line."""

from dataclasses import dataclass

from headgate_gateway.spool.targets import PATIENT, Backoff

SMALLEST_SEGMENT = 64 * 1024


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """What the command line says of it."""

    directory: str
    """Absolute; made if it is missing."""
    max_bytes: int
    segment_bytes: int = 64 * 2**20
    track: str = "stable"
    owner: str = ""
    """The uid of this process's pod, where other processes can reach the directory; empty: none can."""
    unknown_topic_patience: float = 600.0
    """Seconds for which what Kafka refuses as a topic (missing, not authorised) is tried again, before it is given up."""
    backoff: Backoff = PATIENT
    checkpoint_every: float = 1.0
    """Seconds: what was delivered since is sent again after a crash."""
    side_after: float = 1.0
    """Seconds for which a target that takes nothing may hold up others before it gets a log of its own."""

    @property
    def root(self) -> str:
        """What the directory lies in."""
        return self.directory.rstrip("/").rpartition("/")[0]

    @property
    def segment(self) -> int:
        """Bytes of a segment: several of them have to fit."""
        return max(SMALLEST_SEGMENT, min(self.segment_bytes, self.max_bytes // 8))

    @property
    def parked_bytes(self) -> int:
        """Bytes that parked records may take: nothing but people takes them away."""
        return self.max_bytes // 4

    @property
    def headroom(self) -> int:
        """Bytes for side logs, dead letters, parked entries and checkpoints."""
        return max(self.max_bytes // 10, min(2 * self.segment, self.max_bytes // 4))
