"""From a directory of files to a router: how a change is noticed, and what is read together."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.unit.gateway.builders import entry
from tests.unit.gateway.loading import Running, shard

from headgate_gateway.config import credentials_hash
from headgate_gateway.directory import ConfigDirectory


def project(directory: Path, generation: int, **files: bytes) -> None:
    """Write files as a kubelet does: into a directory of their own, then swap `..data` by rename."""
    data = directory / f"..gen{generation}"
    data.mkdir()
    for name, content in files.items():
        (data / name.replace("__", ".").replace("_", "-")).write_bytes(content)
    fresh = directory / "..data_tmp"
    fresh.symlink_to(data.name)
    fresh.rename(directory / "..data")


@contextmanager
def looking(running: Running) -> Iterator[None]:
    task = asyncio.get_running_loop().create_task(running.loader.run())
    try:
        yield
    finally:
        task.cancel()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of tests
            await asyncio.sleep(0.02)


async def test_a_projected_volume_is_followed(tmp_path: Path) -> None:
    project(tmp_path, 1, shard_00__json=shard(entry("a")), credential__x=b"1")
    running = Running(tmp_path)
    with looking(running):
        await until(lambda: "/log/repo/a" in running.router)
        project(tmp_path, 2, shard_00__json=shard(entry("a", revision="r2")), shard_31__json=shard(entry("b")))
        await until(lambda: running.revisions == {"/log/repo/a": "r2", "/log/repo/b": "r1"})
        assert running.loader.credentials_hash == credentials_hash({})
        project(tmp_path, 3, shard_31__json=shard(entry("b")))
        await until(lambda: list(running.router) == ["/log/repo/b"])


def test_what_is_read_together_was_written_together(tmp_path: Path) -> None:
    """Pipes stand for the first generation's files: whichever is opened first, the volume is swapped before it answers."""
    names, swapped = [f"shard-{n:02d}.json" for n in range(3)], threading.Event()
    project(tmp_path, 1)
    for name in names:
        os.mkfifo(tmp_path / "..gen1" / name)

    def answer(name: str) -> None:
        with (tmp_path / "..gen1" / name).open("wb") as pipe:
            if not swapped.is_set():
                swapped.set()
                project(tmp_path, 2, **{f"shard_{n:02d}__json": b"second" for n in range(3)})
            pipe.write(b"first")

    for name in names:
        threading.Thread(target=answer, args=(name,), daemon=True).start()
    assert set(ConfigDirectory(tmp_path).read().shards.values()) == {b"first"}


async def test_a_swap_without_a_change_compiles_nothing(tmp_path: Path) -> None:
    project(tmp_path, 1, shard_00__json=shard(entry("a")))
    running = Running(tmp_path)
    with looking(running):
        await until(lambda: running.loader.loaded)
        project(tmp_path, 2, shard_00__json=shard(entry("a")))
        await asyncio.sleep(0.5)
        assert (running.swaps, len(running.pool.acquired)) == (1, 1)


async def test_plain_files_are_followed_and_others_passed_over(tmp_path: Path) -> None:
    (tmp_path / "shard-00.json").write_bytes(shard(entry("a")))
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "shard-00.json.swp").write_text("nothing")
    running = Running(tmp_path)
    with looking(running):
        await until(lambda: "/log/repo/a" in running.router)
        (tmp_path / "shard-00.json").write_bytes(shard(entry("a", revision="r2")))
        await until(lambda: running.revisions == {"/log/repo/a": "r2"})
        (tmp_path / "shard-00.json").unlink()
        await until(lambda: running.router == {})


async def test_a_directory_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    running = Running(tmp_path / "later")
    with looking(running):
        await asyncio.sleep(0.3)
        assert not running.loader.loaded
        (tmp_path / "later").mkdir()
        await until(lambda: running.loader.loaded)
