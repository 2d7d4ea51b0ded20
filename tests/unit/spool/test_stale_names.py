"""An adopter whose node remembers what was in a directory, from measuring it, finds all that its owner wrote since."""

from random import Random

from tests.unit.spool.brokers import Kafka
from tests.unit.spool.power import PowerLossDisk, PowerLossFile
from tests.unit.spool.test_adoption import ROOT, Pod
from tests.unit.spool.test_spool import out_for_good
from tests.unit.spool.world import a_repo

from headgate_gateway.spool.directory import SpoolDirectory


class AdoptersView(PowerLossDisk):
    """The disk as another node sees it: the names in a spool's directories are as they were when they were listed first,
    until this node changes them or reads them anew."""

    def __init__(self, shared: PowerLossDisk) -> None:
        super().__init__()
        self.root, self.lock_ = shared.root, shared.lock_
        self._seen: dict[int, list[str]] = {}

    def listdir(self, path: str) -> list[str]:
        if path.count("/") <= 1:
            return super().listdir(path)
        return self._seen.setdefault(id(self._directory(path)), super().listdir(path))

    def _forget(self, path: str) -> None:
        self._seen.pop(id(self._directory(path)), None)

    def refresh(self, path: str) -> None:
        super().refresh(path)
        self._forget(path)

    def create(self, path: str) -> PowerLossFile:
        self._forget(path.rpartition("/")[0])
        return super().create(path)

    def replace(self, source: str, target: str) -> None:
        self._forget(target.rpartition("/")[0])
        super().replace(source, target)

    def unlink(self, path: str) -> None:
        self._forget(path.rpartition("/")[0])
        super().unlink(path)

    def mkdir(self, path: str) -> bool:
        made = super().mkdir(path)
        if made:
            self._forget(path.rpartition("/")[0])
        return made

    def rmdir(self, path: str) -> None:
        self._forget(path.rpartition("/")[0])
        super().rmdir(path)


async def test_segments_that_were_made_since_it_was_measured_are_delivered() -> None:
    kafka, disk = Kafka(Random(1)), PowerLossDisk()
    out_for_good(kafka)
    owner = await Pod.begin("a", kafka, disk, {})
    owner.bind(a_repo("Async"))
    view = AdoptersView(disk)
    pod = await Pod.begin("b", kafka, view, grants := {})
    pod.bind(a_repo("Async"))
    await pod.adoptions.look()
    owner.send("logs", "a", "k", "j")
    await owner.answered()
    await owner.close()
    grants["a"] = "b"
    kafka.heal()
    await pod.adoptions.look()
    await pod.adopt(view, "a")
    assert sorted(kafka.values("a")) == [b"0", b"1"]
    await pod.end()


def test_side_logs_and_profiles_that_were_made_since_are_found() -> None:
    disk = PowerLossDisk()
    disk.mkdir(ROOT)
    owner = SpoolDirectory.open(disk, f"{ROOT}/a", "a")
    view = AdoptersView(disk)
    assert [view.listdir(f"{ROOT}/a/{name}") for name in ("side", "profiles")] == [[".refresh"], [".refresh"]]
    disk.mkdir(owner.side("5ide"))
    owner.keep_profile("0a", b"{}")
    owner.close()
    adopted = SpoolDirectory.open(view, f"{ROOT}/a", "b")
    assert (adopted.sides(), adopted.profiles()) == (["5ide"], {"0a": b"{}"})
