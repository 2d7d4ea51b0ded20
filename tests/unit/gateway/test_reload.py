"""From entries to a router: what changes, what stays, what is refused, and who holds which producer."""

import asyncio
from typing import Any

import pytest
from tests.unit.gateway.builders import constraint, entry, expression
from tests.unit.gateway.loading import Running, shard

from headgate_gateway.config import content_hash, credentials_hash, repo_secret_file
from headgate_gateway.directory import ConfigFiles

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


# Several profiles

TWO = {"producerProfile": "other", "when": [expression("a", "Exists")], "topic": "elsewhere"}


def two_profiles(name: str, **changes: Any) -> dict[str, Any]:
    other = {"name": "other", "bootstrapServers": ["other:9092"]}
    made = entry(name, kafka={"topics": [TWO], "deadLetter": {"topic": "dead"}}, **changes)
    return {**made, "producers": {**made["producers"], "other": other}}


async def test_a_repo_holds_every_profile_that_its_lines_may_take_and_knows_their_topics() -> None:
    running = Running()
    await running.load(two_profiles("a"))
    assert [config.name for config, _ in running.pool.acquired] == ["main", "other"]
    assert [lease.producer.watched for lease in running.pool.leases] == [["t", "dead"], ["elsewhere"]]
    assert [name for name, _ in running.traffic.profiles.items()] == ["main", "other"]
    await running.load(two_profiles("a", revision="r2"))
    assert running.pool.held == 2
    await running.load()
    assert (running.pool.held, list(running.traffic.profiles.items())) == (0, [])


async def test_a_profile_that_cannot_be_made_gives_the_others_back() -> None:
    running = Running()
    running.pool.errors["other:9092"] = FileNotFoundError("no usable directory")
    await running.load(two_profiles("a"))
    assert (running.router, running.pool.held) == ({}, 0)
    assert "no usable directory" in running.loader.refused[0].reason


async def test_a_rotated_secret_of_the_repos_own_reaches_what_is_made_with_it() -> None:
    running = Running()
    hashed = {"mask": {"fields": ["ip"], "hash": {"secretRef": {"name": "salt"}, "key": "current"}}}
    masked = entry("a", executors=[hashed])
    file = repo_secret_file("default", "salt", "key.current")
    await running.load(masked, entry("b"))
    assert "salt" in running.loader.refused[0].reason
    for secret in (b"one" * 16, b"two" * 16):
        await running.load(masked, entry("b"), credentials={file: secret})
        assert (running.loader.refused, len(running.router)) == ((), 2)
    first, untouched = running.router["/log/repo/a"].repo, running.router["/log/repo/b"].repo
    await running.load(masked, entry("b"), credentials={file: b"three" * 16})
    assert running.router["/log/repo/a"].repo is not first
    assert running.router["/log/repo/b"].repo is untouched
