"""The real disk does what the spool takes it for, and the one in memory that stands for it in tests does the same."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import read_all, some_entry

from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import REFRESH_NAME, Check, Disk, OsDisk, Sync
from headgate_gateway.spool.errors import SpoolLockedError
from headgate_gateway.spool.log import Log, LogSettings
from headgate_gateway.spool.space import Space


@pytest.fixture(params=["real", "in memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Disk, str]:
    if request.param == "real":
        return OsDisk(), str(tmp_path)
    disk = PowerLossDisk()
    disk.mkdir("/here")
    return disk, "/here"


def test_files_are_made_grown_read_renamed_and_deleted(place: tuple[Disk, str]) -> None:
    disk, here = place
    file = disk.create(f"{here}/a")
    for part in (b"abc", bytearray(b"def"), memoryview(b"ghi")):
        file.append(part)
    file.sync(Sync.FRAME)
    file.close()
    assert disk.size(f"{here}/a") == 9
    assert disk.read_at(f"{here}/a", 2, 4) == b"cdef"
    assert disk.read_at(f"{here}/a", 7, 100) == b"hi"
    disk.create(f"{here}/b").close()
    disk.replace(f"{here}/a", f"{here}/b")
    assert disk.listdir(here) == ["b"]
    assert disk.size(f"{here}/b") == 9
    disk.sync_dir(here, Sync.SEGMENT_NAME)
    disk.unlink(f"{here}/b")
    assert disk.listdir(here) == []
    assert disk.free_bytes(here) > 0


def test_a_file_is_found_to_hold_something_or_not(place: tuple[Disk, str]) -> None:
    disk, here = place
    file = disk.create(f"{here}/a")
    file.append(b"abc")
    file.close()
    asked = {content: disk.holds(f"{here}/a", content, Check.COMMIT) for content in (b"abc", b"ab", b"abcd", b"abd")}
    assert asked == {b"abc": True, b"ab": False, b"abcd": False, b"abd": False}
    for missing in (f"{here}/b", f"{here}/a/b"):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            disk.holds(missing, b"abc", Check.COMMIT)


def test_a_file_is_written_over_and_keeps_what_is_beyond(place: tuple[Disk, str]) -> None:
    disk, here = place
    file = disk.create(f"{here}/a")
    file.append(b"abcdef")
    file.close()
    again = disk.rewrite(f"{here}/a")
    again.append(b"xyz")
    again.sync(Sync.REPLACEMENT)
    again.close()
    assert disk.read_at(f"{here}/a", 0, 100) == b"xyzdef"
    with pytest.raises(FileNotFoundError):
        disk.rewrite(f"{here}/b")


def test_directories_are_moved_with_what_is_in_them_and_never_over_others(place: tuple[Disk, str]) -> None:
    disk, here = place
    for name in ("one", "two"):
        disk.mkdir(f"{here}/{name}")
        disk.create(f"{here}/{name}/file").close()
    with pytest.raises(OSError, match="not empty"):
        disk.move(f"{here}/one", f"{here}/two")
    disk.move(f"{here}/one", f"{here}/three")
    assert disk.listdir(here) == ["three", "two"]
    assert disk.listdir(f"{here}/three") == ["file"]
    with pytest.raises(FileNotFoundError):
        disk.move(f"{here}/one", f"{here}/four")


def test_names_are_read_anew_with_one_mark_however_often(place: tuple[Disk, str]) -> None:
    disk, here = place
    for _ in range(3):
        disk.refresh(here)
        assert disk.listdir(here) == [REFRESH_NAME]
    with pytest.raises(FileNotFoundError):
        disk.refresh(f"{here}/nowhere")


def test_directories_are_made_once_and_deleted_when_empty(place: tuple[Disk, str]) -> None:
    disk, here = place
    assert disk.mkdir(f"{here}/inner")
    assert not disk.mkdir(f"{here}/inner")
    disk.create(f"{here}/inner/file").close()
    with pytest.raises(OSError, match="not empty"):
        disk.rmdir(f"{here}/inner")
    disk.unlink(f"{here}/inner/file")
    disk.rmdir(f"{here}/inner")
    assert disk.listdir(here) == []


def test_what_is_not_there_is_said_so(place: tuple[Disk, str]) -> None:
    disk, here = place
    for attempt in (disk.size, disk.unlink, disk.listdir, lambda path: disk.read_at(path, 0, 1)):
        with pytest.raises(FileNotFoundError):
            attempt(f"{here}/missing")
    disk.create(f"{here}/there").close()
    with pytest.raises(FileExistsError):
        disk.create(f"{here}/there")


def test_a_lock_is_held_until_it_is_closed(place: tuple[Disk, str]) -> None:
    disk, here = place
    lock = disk.lock(f"{here}/lock")
    with pytest.raises(SpoolLockedError):
        disk.lock(f"{here}/lock")
    lock.close()
    disk.lock(f"{here}/lock").close()


def test_a_write_that_the_system_cuts_short_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, bytes(content)[:7]))
    content = Random(1).randbytes(100)
    file = OsDisk().create(str(tmp_path / "file"))
    file.append(content)
    file.close()
    assert (tmp_path / "file").read_bytes() == content


def test_syncs_reach_the_system_for_the_file_or_directory_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests of power loss end at the port: behind it, these two calls are all there is."""
    synced: list[tuple[str, str]] = []

    def noting(name: str) -> None:
        real = getattr(os, name)

        def noted(descriptor: int) -> None:
            synced.append((name, str(Path(f"/proc/self/fd/{descriptor}").readlink())))
            real(descriptor)

        monkeypatch.setattr(os, name, noted)

    noting("fdatasync")
    noting("fsync")
    disk = OsDisk()
    file = disk.create(str(tmp_path / "file"))
    file.append(b"x")
    file.sync(Sync.FRAME)
    disk.sync_dir(str(tmp_path), Sync.SEGMENT_NAME)
    assert synced == [("fdatasync", str(tmp_path / "file")), ("fsync", str(tmp_path))]
    file.close()


def test_nobody_else_may_read_what_is_spooled(tmp_path: Path) -> None:
    directory = SpoolDirectory.open(OsDisk(), str(tmp_path / "spool"))
    directory.keep_profile("ab", b"{}")
    log = Log.open(OsDisk(), directory.log, Space(10**9, 0), lambda call: call(), LogSettings())
    log.append(some_entry(Random(1), 1), lambda first, error: None)
    log.close()
    directory.close()
    for path in (tmp_path / "spool").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


HOLDER = """\
import sys
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import OsDisk
SpoolDirectory.open(OsDisk(), sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_does_not_get_a_directory_until_its_owner_is_gone(tmp_path: Path) -> None:
    path = str(tmp_path / "spool")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(SpoolLockedError, match="another process"):
        SpoolDirectory.open(OsDisk(), path)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    holder.stdin.close()
    SpoolDirectory.open(OsDisk(), path).close()


def test_entries_survive_on_a_real_disk(tmp_path: Path) -> None:
    settings = LogSettings(segment_bytes=20_000)
    path = str(tmp_path / "log")
    log = Log.open(OsDisk(), path, Space(10**9, 0), lambda call: call(), settings)
    entries = [some_entry(Random(serial), serial) for serial in range(300)]
    for entry in entries:
        log.append(entry, lambda first, error: None)
    log.close()
    again = Log.open(OsDisk(), path, Space(10**9, 0), lambda call: call(), settings)
    assert [one.entry for one in read_all(again)] == entries
    again.acknowledge(0, again.end)
    again.close()
    assert OsDisk().listdir(path) == ["checkpoint"]


def test_a_directory_keeps_profiles_and_side_logs(place: tuple[Disk, str]) -> None:
    disk, here = place
    directory = SpoolDirectory.open(disk, f"{here}/spool")
    directory.keep_profile("0a", b"one")
    directory.keep_profile("0a", b"two")
    directory.keep_profile("0b", b"three")
    directory.remove_profile("0b")
    directory.remove_profile("0c")
    assert directory.profiles() == {"0a": b"two"}
    assert directory.sides() == []
    log = Log.open(disk, directory.side("ff"), Space(10**9, 0), lambda call: call())
    log.append(some_entry(Random(1), 1), lambda first, error: None)
    log.close()
    directory.remove_side("ff")
    assert directory.sides() == ["ff"], "it is not empty"
    log = Log.open(disk, directory.side("ff"), Space(10**9, 0), lambda call: call())
    log.acknowledge(0, log.end)
    log.close()
    directory.remove_side("ff")
    directory.remove_side("ff")
    assert directory.sides() == []
    directory.close()


def test_a_volume_that_is_read_only_is_named_as_such() -> None:
    disk = PowerLossDisk()
    disk.mkdir("/spool")
    disk.trouble = lambda operation, _: OSError(errno.EROFS, "Read-only file system") if operation == "mkdir" else None
    with pytest.raises(OSError, match="the spool's volume is read-only: make it writable again"):
        SpoolDirectory.open(disk, "/spool")


def test_a_volume_that_refuses_the_gateway_is_named_with_whom_it_refuses() -> None:
    disk = PowerLossDisk()
    disk.mkdir("/claim")
    refused = OSError(errno.EACCES, "Permission denied", "/claim/ns.fleet")
    disk.trouble = lambda operation, _: refused if operation == "mkdir" else None
    whom = rf"not writable for uid {os.geteuid()}, gid {os.getegid()}: .*'/claim/ns.fleet'"
    with pytest.raises(PermissionError, match=whom):
        SpoolDirectory.open(disk, "/claim/ns.fleet/a", "a")


@pytest.mark.parametrize(("code", "opens"), [(errno.EACCES, True), (errno.EROFS, True), (errno.EIO, False)])
def test_a_mount_point_below_a_directory_that_is_not_ours_will_do(code: int, opens: bool) -> None:
    disk = PowerLossDisk()
    disk.mkdir("/spool")
    disk.trouble = lambda _, path: OSError(code, "as the test wants it") if path == "/" else None
    if opens:
        SpoolDirectory.open(disk, "/spool").close()
    else:
        with pytest.raises(OSError, match="as the test wants it"):
            SpoolDirectory.open(disk, "/spool")
    with pytest.raises(OSError, match=r"as the test wants it|is read-only|is not writable"):
        SpoolDirectory.open(disk, "/made-by-us")
