"""Keys and passwords over reloads: rotation reaches what is served, and what is missing is said."""

from typing import Any

import pytest
from tests.unit.gateway.builders import constraint, entry, expression
from tests.unit.gateway.hashes import API_KEYS, KEYS_FILE, credentials
from tests.unit.gateway.loading import Running

from headgate_gateway import reload
from headgate_gateway.http.auth import Admitted, Denied, Verdict

BROKEN = constraint(expression("a", "Matches", "("))
OLD, BOTH, NEW = (credentials(keys=keys) for keys in ({"a": "old"}, {"a": "old", "b": "new"}, {"b": "new"}))


def judge(running: Running, key: str, name: str = "a") -> Verdict:
    guard = running.router[f"/log/repo/{name}"].repo.guard
    assert guard is not None
    assert guard.auth is not None
    return guard.auth.judge({"x-api-key": key.encode()})


async def test_keys_rotate_and_requests_under_way_go_on() -> None:
    running = Running()
    guarded = entry("a", auth=API_KEYS)
    await running.load(guarded, entry("b"), credentials=OLD)
    first, other = running.router["/log/repo/a"].repo, running.router["/log/repo/b"].repo
    first.enter()
    assert (judge(running, "old"), judge(running, "new")) == (Admitted("a"), Denied.NOT_VALID)
    await running.load(guarded, entry("b"), credentials=BOTH)
    assert (judge(running, "old"), judge(running, "new")) == (Admitted("a"), Admitted("b"))
    await running.load(guarded, entry("b"), credentials=NEW)
    assert (judge(running, "old"), judge(running, "new")) == (Denied.NOT_VALID, Admitted("b"))
    assert running.router["/log/repo/b"].repo is other
    assert running.pool.held == 3
    first.leave()
    assert running.pool.held == 2


async def test_a_key_that_is_taken_away_no_longer_opens_the_last_good_config_either() -> None:
    running = Running()
    await running.load(entry("a", auth=API_KEYS), credentials=OLD)
    bad = entry("a", auth=API_KEYS, revision="r2", constraint=BROKEN)
    await running.load(bad, credentials=OLD)
    await running.load(bad, credentials=NEW)
    assert running.revisions == {"/log/repo/a": "r1"}
    assert judge(running, "old") is Denied.NOT_VALID
    (refused,) = running.loader.refused
    assert (refused.revision, refused.serving_revision) == ("r2", "r1")


async def test_a_repo_without_its_hashes_is_listed_as_refused_until_they_come() -> None:
    running = Running()
    guarded = entry("a", auth=API_KEYS)
    await running.load(guarded, entry("b"))
    assert sorted(running.router) == ["/log/repo/a", "/log/repo/b"]
    assert judge(running, "old") is Denied.UNAVAILABLE
    (refused,) = running.loader.refused
    assert (refused.namespace, refused.name, refused.revision) == ("default", "a", "r1")
    assert refused.serving_revision is None
    assert KEYS_FILE in refused.reason
    await running.load(guarded, entry("b"), credentials=OLD)
    assert (running.loader.refused, judge(running, "old")) == ((), Admitted("a"))
    await running.load(guarded, entry("b"))
    assert len(running.loader.refused) == 1
    assert judge(running, "old") is Denied.UNAVAILABLE


async def test_a_repo_that_opens_or_closes_does_so_with_its_config() -> None:
    running = Running()
    await running.load(entry("a"), credentials=OLD)
    assert running.router["/log/repo/a"].repo.guard is None
    await running.load(entry("a", auth=API_KEYS, revision="r2"), credentials=OLD)
    assert judge(running, "nothing") is Denied.NOT_VALID
    await running.load(entry("a", revision="r3"), credentials=OLD)
    assert running.router["/log/repo/a"].repo.guard is None


async def test_a_defect_in_what_serves_a_repo_gives_its_leases_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a defect")

    for name in ("ServedRepo", "_build_auth"):
        running = Running()
        with monkeypatch.context() as patch:
            patch.setattr(reload, name, broken)
            await running.load(entry("a"))
        assert [refused.name for refused in running.loader.refused] == ["a"]
        assert running.pool.held == 0
