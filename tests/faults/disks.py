"""What goes wrong with a spool's disk: no room, nothing may be written, bits change, ends are missing. Needs root.

A disk that is slow is in `slowness`; one that forgets what was not synced is the business of the store's own tests.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

DISK_BYTES = 64 * 2**20
FILLER = "filler"


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[None]:
    """A file system of a few megabytes at `folder`, in memory."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    await _call("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "headgate-faults", folder)
    try:
        yield
    finally:
        await _call("umount", "--lazy", folder)


@asynccontextmanager
async def full(folder: Path) -> AsyncIterator[None]:
    """All the room of the file system of `folder`, which is a small one, is taken."""
    filler = folder / FILLER
    try:
        await asyncio.to_thread(_fill, filler)
        yield
    finally:
        filler.unlink(missing_ok=True)


@asynccontextmanager
async def read_only(folder: Path) -> AsyncIterator[None]:
    """The directory is mounted over itself, read-only: whoever looks a path up meets that."""
    await _call("mount", "--bind", folder, folder)
    try:
        await _call("mount", "-o", "remount,bind,ro", folder)
        yield
    finally:
        await _call("umount", "--lazy", folder)


def flip_bits(spool: Path, random: Random) -> None:
    """Change a few bits of one segment, if there is one."""
    segment = _choose(spool, random)
    if segment is not None:
        content = bytearray(segment.read_bytes())
        for _ in range(random.randint(1, 3)):
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        segment.write_bytes(content)


def truncate(spool: Path, random: Random) -> None:
    """Cut one segment short, if there is one."""
    segment = _choose(spool, random)
    if segment is not None:
        with segment.open("r+b") as file:
            file.truncate(random.randrange(segment.stat().st_size))


def _choose(spool: Path, random: Random) -> Path | None:
    segments = sorted(each for each in (spool / "log").glob("*.seg") if each.stat().st_size)
    return random.choice(segments) if segments else None


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65_536))


async def _call(*words: str | Path) -> None:
    await asyncio.to_thread(subprocess.run, [str(word) for word in words], check=True)
