"""The checkpoints in a log's directory: a file of each epoch, and what they say together. Blocks.

LOG/checkpoint                where no other process can reach the directory
LOG/checkpoint.OWNER.TOKEN    of an epoch

What Kafka has acknowledged stays so, whoever noted it, and numbers of one epoch are never those of another. So each file is
true for good, though a process that is held up in the midst of writing one finish it long after another took over.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from headgate_gateway.spool.checkpoint import Checkpoint, decode_checkpoint
from headgate_gateway.spool.disk import Disk
from headgate_gateway.spool.extents import Extents, Range

CHECKPOINT_NAME = "checkpoint"
_LARGEST = 2**30


def checkpoint_name(owner: str, token: str) -> str:
    """The name of an epoch's."""
    return f"{CHECKPOINT_NAME}.{owner}.{token}"


def is_checkpoint(name: str) -> bool:
    """Whether a file is one, whole or in the making."""
    return name == CHECKPOINT_NAME or name.startswith(f"{CHECKPOINT_NAME}.")


@dataclass(frozen=True, slots=True)
class Told:
    """What the checkpoints of a log say."""

    checkpoints: Mapping[str, Checkpoint | None]
    """By file; None: it is damaged or cannot be read, so what was delivered is sent again."""

    @property
    def unreadable(self) -> list[str]:
        """Files that say nothing."""
        return [name for name, checkpoint in self.checkpoints.items() if checkpoint is None]

    @property
    def _whole(self) -> list[Checkpoint]:
        return [checkpoint for checkpoint in self.checkpoints.values() if checkpoint is not None]

    def extents(self) -> Extents:
        """What is done with."""
        watermark = max((each.watermark for each in self._whole), default=0)
        return Extents(watermark, [found for each in self._whole for found in each.ranges])

    @property
    def end(self) -> int:
        """Numbers below are taken."""
        return max((each.end for each in self._whole), default=0)

    @property
    def tails(self) -> list[Range]:
        """First numbers of segments that were the newest, and the numbers after their last durable records."""
        return [each.tail for each in self._whole]

    def forgetting(self) -> "Told":
        """The same, as if nothing were done with."""
        return Told({str(at): Checkpoint(0, [], each.end, each.tail) for at, each in enumerate(self._whole)})


def read_checkpoints(disk: Disk, directory: str) -> Told:
    """Read all of them. Raises OSError, SpoolVersionError."""
    names = (name for name in disk.listdir(directory) if is_checkpoint(name) and not name.endswith(".tmp"))
    return Told({name: _read(disk, f"{directory}/{name}") for name in names})


def _read(disk: Disk, path: str) -> Checkpoint | None:
    try:
        return decode_checkpoint(disk.read_at(path, 0, _LARGEST))
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None
