"""Intents: what is stored of a revision renders to the very bytes that its spec was rendered to."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from tests.unit.render.builders import TEMPLATES, fleet, intent, profile, render, repo, world
from tests.unit.render.specs import REPO_SECRETS, SECRETS, profile_specs, repo_specs

from headgate_gateway.config import content_hash
from headgate_operator.render.entries import build_entry
from headgate_operator.render.intent import Intent, IntentError, read_intent
from headgate_operator.render.memo import RenderMemo
from headgate_operator.render.profiles import secrets_of
from headgate_operator.render.revisions import build_revision_object, read_revision

KEY = ("team", "access")
MEMO = RenderMemo()
"""One for all examples: the same password need not be hashed for each."""


def shuffled(value: Any) -> Any:
    """The same JSON value, with the fields of its objects in another order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in sorted(value, reverse=True)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(repo_specs, profile_specs)
def test_a_stored_intent_renders_to_the_entry_of_its_spec(spec: dict[str, Any], settings: dict[str, Any]) -> None:
    of = world(repo(**spec), profiles=[profile(**settings)], secrets=SECRETS, repo_secrets=REPO_SECRETS)
    plan = render(of, MEMO).repos[KEY]
    assert plan.desired is not None, plan.verdict
    stored = read_intent(shuffled(json.loads(json.dumps(plan.desired.value))))
    assert stored == plan.desired
    assert stored.revision == plan.revision
    assert build_entry(KEY, stored).content == plan.entry


@settings(deadline=None)
@given(repo_specs, profile_specs)
def test_a_controller_revision_holds_the_whole_intent(spec: dict[str, Any], settings: dict[str, Any]) -> None:
    wanted = intent(repo(**spec), [profile(**settings)])
    rendered = build_revision_object(TEMPLATES, fleet(), KEY, wanted, 7)
    read = read_revision(json.loads(json.dumps(shuffled(rendered.manifest))))
    assert (read.repo, read.sequence, read.intent) == (KEY, 7, wanted)
    assert rendered.name == f"default.team.access.{wanted.revision}"


def test_a_revision_is_the_hash_of_the_intents_content_and_of_nothing_else() -> None:
    found = intent(repo(), [profile()])
    assert json.loads(found.content) == {
        "spec": {"kafka": {"producerProfile": "main", "topic": "access"}},
        "endpoints": [],
        "limits": {},
        "profiles": {"main": {"bootstrapServers": ["kafka:9092"]}},
    }
    assert found.revision == content_hash(found.content) == "0dcb4c3df7b4bdfb"


def test_an_intent_names_the_secrets_that_it_needs() -> None:
    tls = {"caSecretRef": {"name": "ca"}, "clientCertificateSecretRef": {"name": "client"}}
    sasl = {"mechanism": "SCRAM-SHA-512", "secretRef": {"name": "kafka"}}
    assert secrets_of(intent(repo(), [profile(tls=tls, sasl=sasl)])) == {"ca", "client", "kafka"}
    assert secrets_of(intent(repo(), [profile()])) == frozenset()


GOOD = intent(repo(), [profile()]).value


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        {},
        {name: part for name, part in GOOD.items() if name != "limits"},
        GOOD | {"executors": []},
        GOOD | {"endpoints": {}},
        GOOD | {"profiles": None},
    ],
    ids=["nothing", "text", "empty", "a part missing", "a part of a newer operator", "wrong endpoints", "no profiles"],
)
def test_what_has_not_the_shape_of_an_intent_is_none(value: object) -> None:
    with pytest.raises(IntentError):
        read_intent(value)


@pytest.mark.parametrize(
    "changed",
    [
        {"spec": GOOD["spec"] | {"sampling": 5}},
        {"spec": {"kafka": {"producerProfile": "main"}}},
        {"endpoints": [{"path": "no path"}]},
        {"limits": {"bodyBytes": "lots"}},
        {"profiles": {"main": {"bootstrapServers": ["kafka:9092"], "idempotence": True}}},
        {"profiles": {"main": {}}},
    ],
    ids=["unknown field", "no topic", "bad path", "bad limit", "unknown field of a profile", "profile without brokers"],
)
def test_what_this_operator_cannot_render_is_said_so(changed: dict[str, Any]) -> None:
    with pytest.raises(IntentError):
        build_entry(KEY, read_intent(GOOD | changed))


def test_equal_intents_are_equal_whoever_made_them() -> None:
    one, other = intent(repo(), [profile()]), intent(repo(paths=["/log/repo/access"]), [profile(acks="all")])
    assert one == other == Intent(one.content)
    assert one != intent(repo(topic="other"), [profile()])
