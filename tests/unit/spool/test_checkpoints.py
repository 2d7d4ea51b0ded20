"""Each epoch has a checkpoint of its own, and whoever comes next goes by all of them."""

from collections.abc import Callable
from random import Random
from threading import Semaphore

import pytest
from tests.unit.spool.power import PowerLossDisk
from tests.unit.spool.story import read_all, some_entry
from tests.unit.spool.takeover import tell

from headgate_gateway.spool.checkpoints import is_checkpoint, read_checkpoints
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.errors import SpoolFencedError
from headgate_gateway.spool.inspection import LogPlace, LogView
from headgate_gateway.spool.log import Log
from headgate_gateway.spool.space import Space

HOME = "/home"


def opened(disk: PowerLossDisk, owner: str) -> tuple[Log, SpoolDirectory]:
    directory = SpoolDirectory.open(disk, HOME, owner)
    return Log.open(disk, directory.log, Space(10**9, 0), lambda call: call(), fence=directory.fence), directory


def append(log: Log, serial: int) -> None:
    told = Semaphore(0)
    log.append(some_entry(Random(serial), serial), lambda _, error: told.release())
    told.acquire()


def filled(disk: PowerLossDisk, owner: str, serials: range) -> Log:
    log, _ = opened(disk, owner)
    for serial in serials:
        append(log, serial)
    return log


def checkpoints(disk: PowerLossDisk) -> list[str]:
    return [name for name in disk.listdir(f"{HOME}/log") if is_checkpoint(name)]


def ids(log: Log) -> list[int]:
    return [int.from_bytes(stored.entry.id) for stored in read_all(log)]


def first(log: Log) -> tuple[int, int]:
    stored, _ = log.read(log.start, 1)
    return stored[0].first, stored[0].end


def _nothing() -> None:
    return


class Held(PowerLossDisk):
    """A process that is held up before it puts a checkpoint in its place, for as long as `meanwhile` takes."""

    def __init__(self, shared: PowerLossDisk) -> None:
        super().__init__()
        self.root, self.lock_ = shared.root, shared.lock_
        self.meanwhile: Callable[[], None] = _nothing

    def replace(self, source: str, target: str) -> None:
        meanwhile, self.meanwhile = self.meanwhile, _nothing
        meanwhile()
        super().replace(source, target)


def test_what_two_processes_have_noted_is_done_with_though_the_former_finishes_its_checkpoint_last() -> None:
    disk = PowerLossDisk()
    held = Held(disk)
    former = filled(held, "former", range(4))
    numbers = read_all(former)
    former.acknowledge(numbers[0].first, numbers[0].end)

    def adopt() -> None:
        adopter, _ = opened(disk, "adopter")
        assert len(read_all(adopter)) == 4, "the former one's checkpoint is not there yet"
        adopter.acknowledge(numbers[1].first, numbers[1].end)
        append(adopter, 9)
        adopter.checkpoint()
        adopter._writer.stop()

    held.meanwhile = adopt
    former.checkpoint()
    former._writer.stop()
    after, _ = opened(disk, "next")
    assert ids(after) == [2, 3, 9]
    after.close()


def test_a_former_owner_that_finishes_its_checkpoint_late_takes_nothing_from_the_adopters() -> None:
    steps = ["append", "append", "append", "deliver some", "checkpoint"] * 3
    for at in range(60):
        tell(Random(at), steps, at, remembers=True)


def test_an_owner_that_starts_again_and_again_leaves_one_checkpoint_and_those_of_others_as_they_are() -> None:
    disk = PowerLossDisk()
    former = filled(disk, "former", range(3))
    former.acknowledge(*first(former))
    former.close()
    (theirs,) = checkpoints(disk)
    for _ in range(5):
        log, directory = opened(disk, "adopter")
        assert directory.fence is not None
        disk.create(f"{HOME}/log/{directory.fence.checkpoint}.tmp").close()
        log._writer.stop()  # it is killed in the midst of a checkpoint
    log, directory = opened(disk, "adopter")
    log.close()
    assert directory.fence is not None
    assert checkpoints(disk) == sorted([theirs, directory.fence.checkpoint])


class Unreadable(PowerLossDisk):
    """Nothing that is a checkpoint can be read."""

    def read_at(self, path: str, offset: int, nbytes: int) -> bytes:
        if is_checkpoint(path.rpartition("/")[2]):
            raise OSError(5, "Input/output error")
        return super().read_at(path, offset, nbytes)


def test_checkpoints_that_cannot_be_read_are_gone_before_their_numbers_could_be_taken_for_others() -> None:
    whole = PowerLossDisk()
    former = filled(whole, "former", range(3))
    former.acknowledge(0, former.end)
    former.close()
    (kept,) = checkpoints(whole)
    late = whole.read_at(f"{HOME}/log/{kept}", 0, 10_000)
    disk = Unreadable()
    disk.root = whole.root
    log, directory = opened(disk, "adopter")
    assert directory.fence is not None
    assert checkpoints(disk) == [directory.fence.checkpoint]
    append(log, 9)
    log._writer.stop()
    whole.root = disk.root
    whole.create(f"{HOME}/log/{kept}").append(late)  # whose it is comes back, and finishes it once more
    after, _ = opened(whole, "next")
    assert ids(after) == [9]
    after.close()


def test_a_new_log_shares_no_numbers_with_one_of_the_same_name_that_was_deleted() -> None:
    starts = set()
    for serial in range(20):
        log = filled(PowerLossDisk(), "owner", range(serial, serial + 1))
        starts.add(first(log)[0])
        log.close()
    assert len(starts) >= 18  # two of a million may be alike by chance
    assert all(start % 2**32 == 0 < start <= 2**52 for start in starts)


def test_who_looks_at_a_log_goes_by_all_checkpoints() -> None:
    disk = PowerLossDisk()
    for owner in ("former", "adopter"):
        log = filled(disk, owner, range(1, 3)) if owner == "former" else opened(disk, owner)[0]
        stored = read_all(log)
        log.acknowledge(stored[0].first, stored[0].end - (owner == "adopter"))
        log.close()
    assert len(checkpoints(disk)) == 2
    place = LogPlace("main", f"{HOME}/log")
    view = LogView.open(disk, place)
    assert [int.from_bytes(stored.entry.id) for stored, _ in view.entries()] == [2]
    assert not view.checkpoint_damaged
    assert len(list(LogView.open(disk, place, everything=True).entries())) >= 1
    disk.content(f"{HOME}/log/{checkpoints(disk)[0]}")[-1] ^= 1
    assert LogView.open(disk, place).checkpoint_damaged


def test_what_is_still_in_the_making_is_no_checkpoint() -> None:
    disk = PowerLossDisk()
    filled(disk, "owner", range(1)).close()
    disk.create(f"{HOME}/log/checkpoint.tmp").close()
    assert list(read_checkpoints(disk, f"{HOME}/log").checkpoints) == [
        name for name in checkpoints(disk) if not name.endswith(".tmp")
    ]


def test_an_owner_that_is_fenced_deletes_no_segments() -> None:
    disk = PowerLossDisk()
    former = filled(disk, "former", range(3))
    opened(disk, "adopter")[0]._writer.stop()
    before = disk.listdir(f"{HOME}/log")
    former.acknowledge(0, former.end)
    with pytest.raises(SpoolFencedError, match="adopter"):
        former.checkpoint()
    former.close()
    assert disk.listdir(f"{HOME}/log") == before
