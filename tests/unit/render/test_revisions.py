"""What is kept of a repo's rollouts: revisions, in order, and the state."""

import pytest
from tests.unit.render.builders import TEMPLATES, fleet, intent, repo

from headgate_operator.render.intent import IntentError
from headgate_operator.render.revisions import (
    build_revision_object,
    build_state_object,
    next_sequence,
    read_revision,
    read_state,
    revisions_to_keep,
)

KEY = ("team", "access")
FIVE = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}


@pytest.mark.parametrize(
    ("stable", "candidate", "limit", "kept"),
    [
        ("e", None, 3, "cde"),
        ("a", "e", 3, "ade"),
        ("a", "b", 2, "ab"),
        ("a", None, 2, "ae"),
        (None, None, 2, "de"),
        ("e", "e", 2, "de"),
        ("gone", None, 2, "de"),
        ("a", "b", 100, "abcde"),
    ],
    ids=["newest", "in use", "in use alone", "old stable", "none in use", "one twice", "not there", "all"],
)
def test_what_is_in_use_is_kept_and_the_newest_beside_it(
    stable: str | None, candidate: str | None, limit: int, kept: str
) -> None:
    assert revisions_to_keep(FIVE, stable, candidate, limit) == set(kept)


def test_sequences_rise() -> None:
    assert next_sequence({}) == 1
    assert next_sequence({"a": 4, "b": 9}) == 10


def test_a_revision_belongs_to_its_fleet_and_outlives_its_repo() -> None:
    manifest = build_revision_object(TEMPLATES, fleet(), KEY, intent(repo()), 3).manifest
    assert (manifest["apiVersion"], manifest["kind"], manifest["revision"]) == ("apps/v1", "ControllerRevision", 3)
    assert [owner["kind"] for owner in manifest["metadata"]["ownerReferences"]] == ["GatewayFleet"]
    assert manifest["metadata"]["labels"]["headgate.dev/component"] == "revision"


def test_a_revision_that_somebody_changed_is_none() -> None:
    manifest = build_revision_object(TEMPLATES, fleet(), KEY, intent(repo()), 3).manifest
    changed = manifest | {"data": intent(repo(topic="mine")).value}
    with pytest.raises(IntentError, match=r"the data makes revision .*, not 0dcb4c3df7b4bdfb"):
        read_revision(changed)
    del manifest["metadata"]["labels"]["headgate.dev/repo"]
    with pytest.raises(IntentError, match=r"the label 'headgate\.dev/repo' is missing"):
        read_revision(manifest)


def test_the_state_comes_back_as_it_was_written() -> None:
    text = '{"reason":"5xx: „zu viele“","message":"a\\nb"}'
    rendered = build_state_object(TEMPLATES, fleet(), KEY, text)
    assert rendered.name == "default.team.access.rollout"
    assert read_state(rendered.manifest) == (KEY, text)
    assert "immutable" not in rendered.manifest
    assert read_state(rendered.manifest | {"data": None}) == (KEY, "")
