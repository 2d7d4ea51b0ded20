"""From files to a router: what changes, what stays, what is refused, and who holds which producer."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.unit.gateway.builders import FakeLease, FakeProducer, constraint, entry, expression

from headgate_gateway.config import ProducerConfig, content_hash, credentials_hash
from headgate_gateway.http.counters import TrafficCounters
from headgate_gateway.http.router import Router
from headgate_gateway.reload import ConfigDirectory, ConfigFiles, Loader


@dataclass
class FakePool:
    leases: list[FakeLease] = field(default_factory=list)
    acquired: list[tuple[ProducerConfig, Mapping[str, bytes]]] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    """What making a producer ends in, by bootstrap server."""

    def acquire(self, config: ProducerConfig, credentials: Mapping[str, bytes]) -> FakeLease:
        needed = config.sasl.password_file if config.sasl else None
        if needed and needed not in credentials:
            raise ValueError(f"file {needed} is missing")
        if config.bootstrap_servers[0] in self.errors:
            raise self.errors[config.bootstrap_servers[0]]
        self.acquired.append((config, credentials))
        self.leases.append(FakeLease(FakeProducer()))
        return self.leases[-1]

    @property
    def held(self) -> int:
        return sum(not lease.released for lease in self.leases)


class Running:
    """A loader with a fake pool behind it."""

    def __init__(self, directory: Path = Path("unused")) -> None:
        self.pool, self.traffic, self.swaps = FakePool(), TrafficCounters(), 0
        self.router: Router = {}
        self.loader = Loader(ConfigDirectory(directory), self.pool, self.traffic, self._swap)

    def _swap(self, router: Router) -> None:
        self.router, self.swaps = router, self.swaps + 1

    async def load(self, *entries: dict[str, Any], credentials: dict[str, bytes] | None = None) -> bytes:
        content = shard(*entries)
        await self.loader.load(ConfigFiles({"07": content}, credentials or {}))
        return content

    @property
    def revisions(self) -> dict[str, str]:
        return {path: route.repo.config.revision for path, route in self.router.items()}


def shard(*entries: dict[str, Any], version: int = 1) -> bytes:
    return json.dumps({"contractVersion": version, "repos": list(entries)}).encode()


BROKEN = constraint(expression("a", "Matches", "("))


async def test_repos_of_all_shards_are_served() -> None:
    running = Running()
    a, b = shard(entry("a")), shard(entry("b"))
    await running.loader.load(ConfigFiles({"00": a, "31": b}))
    assert sorted(running.router) == ["/log/repo/a", "/log/repo/b"]
    assert running.loader.shard_hashes == {"00": content_hash(a), "31": content_hash(b)}
    assert (running.loader.repos, running.loader.loaded, running.loader.refused) == (2, True, ())
    assert [lease.producer.watched for lease in running.pool.leases] == [["t"], ["t"]]


async def test_an_empty_directory_is_a_config() -> None:
    running = Running()
    await running.loader.load(ConfigFiles())
    assert (running.loader.loaded, running.router) == (True, {})


async def test_only_what_changed_is_compiled_anew() -> None:
    running = Running()
    await running.load(entry("a"), entry("b"))
    kept, replaced = running.router["/log/repo/a"].repo, running.router["/log/repo/b"].repo
    await running.load(entry("a"), entry("b", revision="r2"))
    assert running.router["/log/repo/a"].repo is kept
    assert running.router["/log/repo/b"].repo is not replaced
    assert (running.revisions["/log/repo/b"], running.pool.held) == ("r2", 2)


async def test_a_repo_that_goes_takes_its_route_lease_and_counters_along() -> None:
    running = Running()
    await running.load(entry("a"), entry("b"))
    await running.load(entry("b"))
    assert (list(running.router), running.pool.held) == (["/log/repo/b"], 1)
    assert [name for name, _ in running.traffic.repos.items()] == ["b"]
    await running.loader.load(ConfigFiles())
    assert (running.router, running.pool.held, running.loader.shard_hashes) == ({}, 0, {})
    assert list(running.traffic.profiles.items()) == []


async def test_a_request_keeps_the_repo_it_began_with_and_its_producer() -> None:
    running = Running()
    await running.load(entry("a"))
    old = running.router["/log/repo/a"].repo
    old.enter()
    await running.load(entry("a", revision="r2"))
    assert not running.pool.leases[0].released
    old.leave()
    assert running.pool.leases[0].released


async def test_a_reload_does_not_reset_counters() -> None:
    running = Running()
    await running.load(entry("a"))
    running.router["/log/repo/a"].repo.counters.received += 5
    await running.load(entry("a", revision="r2"))
    assert running.router["/log/repo/a"].repo.counters.received == 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"constraint": BROKEN}, "regular expression"),
        ({"unknownField": 1}, "unknownField"),
        ({"kafka": {"producerProfile": "other"}}, "other"),
        ({"endpoints": []}, "endpoints"),
    ],
)
async def test_a_repo_that_does_not_compile_keeps_its_last_good_config(changes: dict[str, Any], reason: str) -> None:
    running = Running()
    await running.load(entry("a"), entry("b"))
    content = await running.load(entry("a", revision="bad", **changes), entry("b", revision="r2"))
    assert running.revisions == {"/log/repo/a": "r1", "/log/repo/b": "r2"}
    (refused,) = running.loader.refused
    assert (refused.namespace, refused.name, refused.revision) == ("default", "a", "bad")
    assert refused.serving_revision == "r1"
    assert reason in refused.reason
    assert running.loader.shard_hashes == {"07": content_hash(content)}
    await running.load(entry("a", revision="r3"), entry("b", revision="r2"))
    assert (running.revisions["/log/repo/a"], running.loader.refused, running.pool.held) == ("r3", (), 2)


async def test_a_repo_that_never_compiled_is_refused_alone() -> None:
    running = Running()
    await running.load(entry("a", constraint=BROKEN), entry("b"))
    assert list(running.router) == ["/log/repo/b"]
    assert running.loader.refused[0].serving_revision is None
    assert running.loader.repos == 1


@pytest.mark.parametrize("error", [FileNotFoundError("no usable directory"), TypeError("not ASCII")], ids=str)
async def test_whatever_one_repo_meets_its_neighbours_are_served(error: Exception) -> None:
    running = Running()
    running.pool.errors["odd:1"] = error
    await running.load(entry("a"), entry("odd", producer={"bootstrapServers": ["odd:1"]}), entry("z"))
    assert sorted(running.router) == ["/log/repo/a", "/log/repo/z"]
    assert str(error) in running.loader.refused[0].reason
    assert running.pool.held == 2


async def test_a_load_that_is_cut_off_gives_its_leases_back() -> None:
    running = Running()
    await running.load(entry("kept"))
    loading = asyncio.create_task(running.load(entry("kept"), *(entry(f"r{n}") for n in range(50))))
    for _ in range(10):
        await asyncio.sleep(0)
    assert running.pool.held > 1
    loading.cancel()
    await asyncio.wait([loading])
    assert (running.pool.held, list(running.router)) == (1, ["/log/repo/kept"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not a shard"),
        (b"", "not a shard"),
        (b"[]", "not a shard"),
        (b'{"contractVersion":1,"repos":[{"name":"a"}]}', "not a shard"),
        (b'{"contractVersion":1,"repos":[],"more":1}', "not a shard"),
        (b'{"repos":[]}', "not a shard"),
        (b'{"contractVersion":2,"repos":[],"more":1}', "contract version 2, and this gateway reads 1"),
    ],
)
async def test_a_shard_that_cannot_be_read_keeps_all_its_last_good(content: bytes, reason: str) -> None:
    running = Running()
    good, other = shard(entry("a"), entry("b")), shard(entry("c"))
    await running.loader.load(ConfigFiles({"00": good, "01": other}))
    await running.loader.load(ConfigFiles({"00": content, "01": shard(entry("c", revision="r2"))}))
    assert running.revisions == {"/log/repo/a": "r1", "/log/repo/b": "r1", "/log/repo/c": "r2"}
    assert running.loader.shard_hashes["00"] == content_hash(good)
    refused = running.loader.refused_shards["00"]
    assert refused.hash == content_hash(content)
    assert reason in refused.reason
    await running.loader.load(ConfigFiles({"00": good, "01": other}))
    assert (running.loader.refused_shards, running.loader.repos) == ({}, 3)


async def test_of_two_repos_with_one_path_the_one_that_serves_it_keeps_it() -> None:
    running = Running()
    await running.load(entry("b"))
    await running.load(entry("a", endpoints=[{"path": "/log/repo/b"}]), entry("b"))
    assert running.router["/log/repo/b"].repo.config.name == "b"
    (refused,) = running.loader.refused
    assert (refused.name, refused.reason) == ("a", "one of its paths is held by default/b")
    assert running.pool.held == 1
    await running.load(entry("a", endpoints=[{"path": "/log/repo/b"}]))
    assert running.router["/log/repo/b"].repo.config.name == "a"
    assert (running.loader.refused, running.pool.held) == ((), 1)


async def test_a_repo_that_reaches_for_a_taken_path_keeps_its_last_good_config() -> None:
    running = Running()
    await running.load(entry("a"), entry("b"))
    await running.load(entry("a", endpoints=[{"path": "/log/repo/b"}], revision="r2"), entry("b"))
    assert {path: route.repo.config.name for path, route in running.router.items()} == {
        "/log/repo/a": "a",
        "/log/repo/b": "b",
    }
    (refused,) = running.loader.refused
    assert (refused.name, refused.revision, refused.serving_revision) == ("a", "r2", "r1")
    assert running.pool.held == 2


async def test_a_path_that_is_free_again_goes_to_the_repo_that_waits_for_it() -> None:
    running = Running()
    wanted = entry("a", endpoints=[{"path": "/log/repo/b"}], revision="r2")
    await running.load(entry("a"), entry("b"))
    await running.load(wanted, entry("b"))
    await running.load(wanted, entry("b", endpoints=[{"path": "/elsewhere"}]))
    assert running.revisions == {"/elsewhere": "r1", "/log/repo/b": "r2"}
    assert (running.loader.refused, running.pool.held) == ((), 2)


async def test_two_repos_may_swap_their_paths() -> None:
    running = Running()
    await running.load(entry("a"), entry("b"))
    await running.load(entry("a", endpoints=[{"path": "/log/repo/b"}]), entry("b", endpoints=[{"path": "/log/repo/a"}]))
    assert {path: route.repo.config.name for path, route in running.router.items()} == {
        "/log/repo/a": "b",
        "/log/repo/b": "a",
    }


SASL = {"sasl": {"mechanism": "PLAIN", "usernameFile": "credential.u", "passwordFile": "credential.p"}}


async def test_rotated_credentials_reach_the_repos_that_use_them() -> None:
    running = Running()
    before = {"credential.u": b"u", "credential.p": b"old"}
    await running.load(entry("a", producer=SASL), entry("b"), credentials=before)
    untouched = running.router["/log/repo/b"].repo
    after = {**before, "credential.p": b"new"}
    await running.load(entry("a", producer=SASL), entry("b"), credentials=after)
    assert running.pool.acquired[-1][1]["credential.p"] == b"new"
    assert running.router["/log/repo/b"].repo is untouched
    assert running.loader.credentials_hash == credentials_hash(after) != credentials_hash(before)
    assert running.pool.held == 2


@pytest.mark.parametrize(
    "newest", [{"constraint": BROKEN}, {"endpoints": [{"path": "/log/repo/b"}]}], ids=["not-compiling", "path-taken"]
)
async def test_rotated_credentials_reach_the_last_good_config_of_a_refused_one(newest: dict[str, Any]) -> None:
    running = Running()
    before, after = ({"credential.u": b"u", "credential.p": value} for value in (b"old", b"new"))
    await running.load(entry("a", producer=SASL), entry("b"), credentials=before)
    bad = entry("a", producer=SASL, revision="r2", **newest)
    await running.load(bad, entry("b"), credentials=before)
    assert running.revisions["/log/repo/a"] == "r1"
    acquired = len(running.pool.acquired)
    await running.load(bad, entry("b"), credentials=after)
    config = running.router["/log/repo/a"].repo.config
    assert (config.producers["main"], after) in running.pool.acquired[acquired:]
    assert (config.revision, running.pool.held) == ("r1", 2)


async def test_a_repo_refused_for_a_missing_credential_is_served_once_it_comes() -> None:
    running = Running()
    await running.load(entry("a", producer=SASL))
    assert "credential.p is missing" in running.loader.refused[0].reason
    await running.load(entry("a", producer=SASL), credentials={"credential.u": b"u", "credential.p": b"p"})
    assert (running.loader.refused, list(running.router)) == ((), ["/log/repo/a"])


async def test_many_repos_load_without_holding_the_loop() -> None:
    running, turns = Running(), 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await running.load(*(entry(f"r{n}") for n in range(1_000)))
    assert (running.loader.repos, running.swaps, turns >= 1_000) == (1_000, 1, True)
    turns = 0
    await running.load(*(entry(f"r{n}", revision="r2" if n == 500 else "r1") for n in range(1_000)))
    counting.cancel()
    # Nor does a change of one of them.
    assert (running.swaps, turns >= 5) == (2, True)


# Files


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
