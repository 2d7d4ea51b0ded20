"""A directory that gateways share is not replayed behind the back of one that has it."""

from pathlib import Path

import pytest

from headgate_gateway.config.producer import ProducerConfig
from headgate_gateway.spool.directory import SpoolDirectory
from headgate_gateway.spool.disk import OsDisk
from headgate_gateway.spool.errors import SpoolError, SpoolFencedError, SpoolSharedError
from headgate_gateway.spool.log import Log
from headgate_gateway.spool.space import Space

from .test_sending import HASH, Kafka, entry, fill, send, values, waiting
from .world import until


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """As a gateway on another node has it: its lock is not seen here."""
    directory = SpoolDirectory.open(OsDisk(), str(tmp_path / "spool"), "a")
    config = ProducerConfig(name="main", bootstrap_servers=("kafka:9093",))
    directory.keep_profile(HASH, config.model_dump_json(by_alias=True).encode())
    directory.close()
    fill(tmp_path / "spool" / "log", [entry(0)])
    return tmp_path / "spool"


class Owner:
    """A gateway that has the directory."""

    def __init__(self, spool: Path) -> None:
        self.directory = SpoolDirectory.open(OsDisk(), str(spool), "a")
        fence = self.directory.fence
        self.log = Log.open(OsDisk(), self.directory.log, Space(10**9, 0), lambda call: call(), fence=fence)
        self.directory.close()
        self.told: list[SpoolError | None] = []

    def append(self, serial: int) -> None:
        self.log.append(entry(serial), lambda first, error: self.told.append(error))

    def end(self) -> None:
        self.log.close()


async def test_it_is_refused_and_nothing_is_touched(shared: Path) -> None:
    owner, kafka = Owner(shared), Kafka()
    with pytest.raises(SpoolSharedError, match=r"gateways share.*--take-over"):
        await send(shared, kafka)
    owner.append(1)
    owner.end()
    assert (owner.told, kafka.taken) == ([None], [])
    assert waiting(shared) == {"main": 6}


async def test_taken_over_it_is_sent_and_whoever_had_it_acknowledges_nothing_more(shared: Path) -> None:
    owner, kafka = Owner(shared), Kafka()
    owner.append(1)
    await until(lambda: bool(owner.told))
    await send(shared, kafka, takes_over=True)
    assert [value for _, value in kafka.taken] == values(0, 1)
    owner.append(2)
    owner.end()
    assert owner.told[0] is None
    assert isinstance(owner.told[1], SpoolFencedError)
    assert "adopted by headgate-spool-replay" in str(owner.told[1])


async def test_a_gateway_that_takes_it_meanwhile_ends_the_replay(shared: Path) -> None:
    kafka = Kafka()
    taking = kafka.submit

    def submit(*what: object) -> object:
        SpoolDirectory.open(OsDisk(), str(shared), "b").close()
        return taking(*what)  # type: ignore[arg-type]

    kafka.submit = submit  # type: ignore[method-assign,assignment]
    with pytest.raises(SpoolFencedError, match="adopted by b"):
        await send(shared, kafka, takes_over=True)
