"""`headgate rollout` against an API server: what it reads and writes, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.cli.api_server import StandInApiServer
from tests.unit.cli.rollout_runs import ACCESS, KEPT, PROMOTED_STATUS, Heard, answering, at, run
from tests.unit.cli.test_rollout_history import PROMOTED, REVISIONS, state_object
from tests.unit.cli.views import CANDIDATE, STABLE, condition, manifest, rollout

from headgate_operator.cli.rollout_cluster import close
from headgate_operator.cli.rollout_run import run_status, run_verb


def test_status_draws_the_repo_of_the_context_s_namespace(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("status", "access") == 0
    said = capsys.readouterr().out
    assert said.startswith("EventRepo web/access")
    assert CANDIDATE in said
    assert "\x1b" not in said
    assert api.patches == []


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_status_speaks_to_programs(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str], output: str, load: Any
) -> None:
    assert run("status", "access", "-o", output) == 0
    found = load(capsys.readouterr().out)
    assert found["rollout"]["candidate"] == CANDIDATE
    assert found["generation"] == 2


@pytest.mark.parametrize(
    ("status", "conditions", "code"),
    [
        (PROMOTED_STATUS, None, 0),
        (rollout("RolledBack"), None, 1),
        (rollout("Stable"), [condition("Accepted", "False", "Conflict", "held")], 2),
        (rollout(stage="Gated"), None, 4),
    ],
    ids=["promoted", "rolled back", "not accepted", "gated"],
)
async def test_waiting_ends_with_the_code_of_how_it_ended(
    api: StandInApiServer, kubeconfig: Path, status: dict[str, Any], conditions: list[dict[str, Any]] | None, code: int
) -> None:
    def settle(reads: int) -> None:
        if reads == 3:
            fields: dict[str, Any] = {"conditions": conditions} if conditions else {}
            api.put_repo(manifest(status, **fields))

    api.on_read, heard, target = settle, Heard(), await at(kubeconfig)
    found = await run_status(target, heard.terminal, "json", wait=True, through_gates=False, seconds=20)
    await close(target)
    assert found == code
    assert api.reads >= 3
    assert json.loads(heard.out.getvalue())["outcome"]["code"] == code
    assert "generation 2" in heard.err.getvalue()


async def test_waiting_never_answers_for_an_older_generation(api: StandInApiServer, kubeconfig: Path) -> None:
    api.put_repo(manifest(PROMOTED_STATUS, observedGeneration=1))
    heard, target = Heard(), await at(kubeconfig)
    found = await run_status(target, heard.terminal, "text", wait=True, through_gates=False, seconds=0.3)
    await close(target)
    assert found == 3
    assert "not settled within 0.3s: the operator has not looked at generation 2 yet" in heard.err.getvalue()


async def test_a_refusal_that_heals_by_itself_is_not_the_end(api: StandInApiServer, kubeconfig: Path) -> None:
    refused = manifest(rollout("Stable"), conditions=[condition("Accepted", "False", "ProfileNotFound", "no profile")])
    healed = manifest(PROMOTED_STATUS)
    api.put_repo(refused)
    api.on_read = lambda reads: api.put_repo(refused if reads < 3 else healed)
    heard, target = Heard(), await at(kubeconfig)
    assert await run_status(target, heard.terminal, "text", wait=True, through_gates=False, seconds=20) == 0
    await close(target)


async def test_an_api_server_that_is_away_for_a_moment_is_waited_for(api: StandInApiServer, kubeconfig: Path) -> None:
    def fall_ill(reads: int) -> None:
        if reads == 2:
            api.failures[ACCESS] = [503, 503, 200]
        elif reads == 3:
            api.put_repo(manifest(PROMOTED_STATUS))

    api.on_read, heard, target = fall_ill, Heard(), await at(kubeconfig)
    assert await run_status(target, heard.terminal, "text", wait=True, through_gates=False, seconds=20) == 0
    await close(target)
    assert heard.err.getvalue().count("still trying") == 1


def test_a_command_is_one_annotation_by_a_merge_patch_of_its_own_manager(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(api, "Obeyed")
    assert run("pause", "access") == 0
    ((path, query, content_type, body),) = api.patches
    assert (path, query["fieldManager"], content_type) == (ACCESS, ["headgate-cli"], "application/merge-patch+json")
    assert list(body) == ["metadata"]
    assert list(body["metadata"]) == ["annotations"]
    (name, command), *others = body["metadata"]["annotations"].items()
    assert (name, others) == ("headgate.dev/command", [])
    verb, revision, step, token = command.split(" ")
    assert (verb, revision, step) == ("pause", CANDIDATE, "-")
    assert len(token) == 16
    assert capsys.readouterr().out == "pause: Obeyed\n"


def test_every_command_has_a_token_of_its_own(api: StandInApiServer) -> None:
    answering(api, "Obeyed")
    assert [run("pause", "access"), run("pause", "access")] == [0, 0]
    tokens = {body["metadata"]["annotations"]["headgate.dev/command"].split()[3] for *_, body in api.patches}
    assert len(tokens) == 2


def test_a_refusal_of_the_operator_is_told(api: StandInApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    answering(api, "Refused: the step has gone on to 2")
    assert run("abort", "access") == 1
    assert capsys.readouterr().out == "abort: Refused: the step has gone on to 2\n"


def test_what_is_pointless_is_refused_and_nothing_is_written(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("approve", "access") == 1
    assert "the step does not wait for an approval" in capsys.readouterr().err
    assert api.patches == []


def test_nobody_is_waited_for_where_that_is_not_wanted(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("abort", "access", "--no-wait") == 0
    assert f"abort of {CANDIDATE} was asked for" in capsys.readouterr().out
    assert len(api.patches) == 1


async def test_a_command_without_an_answer_says_where_to_look(api: StandInApiServer, kubeconfig: Path) -> None:
    heard, target = Heard(), await at(kubeconfig)
    assert await run_verb(target, heard.terminal, "abort", wait=True, seconds=0.2) == 3
    await close(target)
    assert "headgate rollout status access -n web" in heard.err.getvalue()
    assert "somebody" not in heard.err.getvalue()


async def test_a_command_that_was_written_over_says_so(api: StandInApiServer, kubeconfig: Path) -> None:
    def interfere(_: str) -> None:
        api.objects[ACCESS]["metadata"]["annotations"]["headgate.dev/command"] = f"promote {CANDIDATE} 1 theirs"

    api.obey, heard, target = interfere, Heard(), await at(kubeconfig)
    assert await run_verb(target, heard.terminal, "abort", wait=True, seconds=0.2) == 3
    await close(target)
    assert f"somebody has written another command over it (promote {CANDIDATE} 1)" in heard.err.getvalue()


def keep_history(api: StandInApiServer) -> None:
    for each in REVISIONS:
        labels = each["metadata"]["labels"] | KEPT | {"headgate.dev/component": "revision"}
        kept = each | {"metadata": each["metadata"] | {"labels": labels}}
        api.put_child("/apis/apps/v1/namespaces/gateways/controllerrevisions", kept)
    state = state_object(PROMOTED) | {"metadata": {"name": "s", "labels": KEPT | {"headgate.dev/component": "rollout"}}}
    api.put_child("/api/v1/namespaces/gateways/configmaps", state)
    stranger = {"metadata": {"name": "x", "labels": {"headgate.dev/component": "revision"}}, "revision": 99}
    api.put_child("/apis/apps/v1/namespaces/gateways/controllerrevisions", stranger)


def test_history_is_that_of_the_repo_in_its_fleet_s_namespace(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_history(api)
    assert run("history", "access") == 0
    said = capsys.readouterr().out
    assert f"*  2  {STABLE}" in said
    assert "Promoted" in said
    assert "99" not in said.splitlines()[1]
    assert run("history", "access", "--diff", "3") == 0
    assert "+  partial: Accept" in capsys.readouterr().out
    assert run("history", "access", "--diff", "7") == 69
    assert "revision 7 is not kept" in capsys.readouterr().err
    assert run("history", "access", "--diff", "1", "2", "3") == 64


def test_history_that_may_not_be_read_leaves_what_status_has(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api.failures["/apis/apps/v1/namespaces/gateways"] = [403]
    assert run("history", "access") == 69
    said = capsys.readouterr()
    assert "in namespace gateways, where you may not list controllerrevisions.apps" in said.err
    assert f"Stable     {STABLE}" in said.out
