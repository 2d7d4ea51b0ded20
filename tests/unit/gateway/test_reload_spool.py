"""What a reload has to do with the spool: who gets it behind their producers, who is refused without one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.unit.gateway.builders import FakeLease, FakeSpool, entry
from tests.unit.gateway.loading import Running

from headgate_gateway.config import RepoConfig
from headgate_gateway.directory import ConfigDirectory
from headgate_gateway.http.receipt import Durability
from headgate_gateway.reload import Loader

SPOOLS = {"onFailure": "Spool"}
ASYNC = {"delivery": "Async"}


@dataclass
class BindingSpool(FakeSpool):
    """Notes who is bound, and what credentials it hears of."""

    bound: list[tuple[str, str]] = field(default_factory=list)
    credentials: list[Mapping[str, bytes]] = field(default_factory=list)
    fails_for: str = ""

    def bind(self, config: RepoConfig, profile: str, lease: FakeLease) -> FakeLease:
        if config.name == self.fails_for:
            raise RuntimeError("no binding")
        self.bound.append((config.name, profile))
        return lease

    def set_credentials(self, credentials: Mapping[str, bytes]) -> None:
        self.credentials.append(credentials)


def with_spool(spool: BindingSpool) -> Running:
    running = Running()
    running.loader.spool = spool
    return running


async def test_a_repo_that_wants_its_lines_on_disk_is_refused_where_there_is_none() -> None:
    running = Running()
    await running.load(entry("logs", kafka=SPOOLS), entry("plain"), entry("quick", kafka=ASYNC))
    (refused,) = running.loader.refused
    assert (refused.name, refused.reason.partition(":")[0]) == ("logs", "SpoolNotEnabled")
    assert set(running.router) == {"/log/repo/plain", "/log/repo/quick"}
    assert running.router["/log/repo/quick"].repo.durability is Durability.MEMORY
    assert running.pool.held == 2


async def test_repos_that_use_the_spool_have_it_behind_each_of_their_profiles() -> None:
    spool = BindingSpool()
    running = with_spool(spool)
    dead = {**SPOOLS, "deadLetter": {"topic": "dead", "producerProfile": "other"}}
    both = entry("logs", kafka=dead)
    both["producers"]["other"] = {**both["producers"]["main"], "name": "other"}
    await running.load(both, entry("plain"), entry("quick", kafka=ASYNC))
    assert spool.bound == [("logs", "main"), ("logs", "other"), ("quick", "main")]
    repos = {path.rpartition("/")[2]: route.repo for path, route in running.router.items()}
    assert {name: repo.spool is spool for name, repo in repos.items()} == {"logs": True, "plain": False, "quick": True}
    promised = {name: repo.durability.value for name, repo in repos.items()}
    assert promised == {"logs": "kafka", "plain": "kafka", "quick": "disk"}


async def test_the_spool_hears_of_credentials_at_each_load() -> None:
    spool = BindingSpool()
    running = with_spool(spool)
    await running.load(entry("logs"), credentials={"credential.a": b"1"})
    await running.load(entry("logs"), credentials={"credential.a": b"2"})
    assert spool.credentials == [{"credential.a": b"1"}, {"credential.a": b"2"}]


async def test_a_repo_that_cannot_be_bound_holds_no_lease() -> None:
    running = with_spool(BindingSpool(fails_for="logs"))
    await running.load(entry("logs", kafka=SPOOLS), entry("plain", kafka=SPOOLS))
    assert [row.name for row in running.loader.refused] == ["logs"]
    assert running.pool.held == 1


@pytest.mark.parametrize("kafka", [SPOOLS, {**SPOOLS, **ASYNC}], ids=["Sync", "Async"])
async def test_who_tries_repos_out_by_hand_needs_no_disk(kafka: dict[str, str]) -> None:
    running = Running()
    running.loader = Loader(
        ConfigDirectory(Path("unused")), running.pool, running.traffic, running._swap, needs_no_spool=True
    )
    await running.load(entry("logs", kafka=kafka))
    assert (running.loader.refused, set(running.router)) == ((), {"/log/repo/logs"})
