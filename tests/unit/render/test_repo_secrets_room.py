"""How much of Secrets beside repos a fleet carries: who is served keeps its room, and who does not fit is told."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.render.builders import (
    render,
    repo,
    served,
    world,
)
from tests.unit.render.secret_worlds import KEYS, SECRETS, files_of, guarded, guarded_world, many

from headgate_gateway.config import (
    API_KEYS_PART,
    repo_secret_file,
)
from headgate_operator.api import reasons
from headgate_operator.api.repo import EventRepo
from headgate_operator.render import credentials as carried
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.repo_secrets import (
    hash_secrets,
    measure_secrets,
    secrets_of_repo,
)
from headgate_operator.render.world import FleetWorld


def test_a_secret_that_outgrows_its_bound_keeps_what_was_served() -> None:
    before = render(guarded_world())
    grown = SECRETS | {KEYS: many(2_000)}
    after = render(guarded_world(repo_secrets=grown, served=served(before), served_credentials=files_of(before)))
    assert files_of(after) == files_of(before)


def test_sizes_are_known_without_the_cost_of_hashing() -> None:
    named = secrets_of_repo(guarded())
    hashed = hash_secrets(named, SECRETS, "uid", RenderMemo())
    assert measure_secrets(named, SECRETS) == {file: len(content) for file, content in hashed.items()}


def keyed(name: str, secret: str, **spec: Any) -> EventRepo:
    return repo(name, topic=name, auth={"apiKeys": {"secretRef": {"name": secret}}}, **spec)


def crowded(size: int, **rest: Any) -> FleetWorld:
    """A fleet whose Secret is half full, and a repo that comes with so many keys."""
    secrets = {("team", "half"): many(500), ("team", "more"): many(size)}
    return world(keyed("first", "half"), keyed("second", "more"), repo_secrets=secrets, **rest)


@pytest.fixture
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "CREDENTIALS_BYTES_MAX", 100_000)


@pytest.mark.usefixtures("_narrow")
def test_what_fits_is_carried() -> None:
    plan = render(crowded(400))
    assert all(one.verdict.accepted for one in plan.repos.values())
    assert sum(map(len, files_of(plan).values())) < carried.CREDENTIALS_BYTES_MAX


@pytest.mark.usefixtures("_narrow")
def test_a_repo_whose_secrets_do_not_fit_is_told_and_holds_up_nobody() -> None:
    half = render(crowded(10))
    plan = render(crowded(600, served=served(half), served_credentials=files_of(half)))
    verdict = plan.repos["team", "second"].verdict
    assert (verdict.accepted, verdict.reason) == (False, reasons.CREDENTIALS_FULL)
    assert "Secret team/more does not fit: Secret headgate/default-credentials carries 100000 bytes" in verdict.message
    assert verdict.field == "spec.auth.apiKeys.secretRef.name"
    assert plan.repos["team", "first"].verdict.accepted
    assert files_of(plan) == files_of(half)


@pytest.mark.usefixtures("_narrow")
def test_who_is_served_keeps_its_room_when_another_one_comes() -> None:
    alone = render(world(keyed("second", "more"), repo_secrets={("team", "more"): many(600)}))
    plan = render(crowded(600, served=served(alone), served_credentials=files_of(alone)))
    assert plan.repos["team", "second"].verdict.accepted
    assert plan.repos["team", "first"].verdict.reason == reasons.CREDENTIALS_FULL
    assert files_of(plan) == files_of(alone)


@pytest.mark.usefixtures("_narrow")
def test_rotations_of_others_go_on_while_one_secret_does_not_fit() -> None:
    half = render(crowded(10))
    full = crowded(600, served=served(half), served_credentials=files_of(half))
    rotated = replace(full, repo_secrets={**full.repo_secrets, ("team", "half"): many(500, b"rotated key of 16 bytes")})
    before, after = files_of(render(full)), files_of(render(rotated))
    assert {file for file in before if before[file] != after[file]} == {repo_secret_file("team", "half", API_KEYS_PART)}
