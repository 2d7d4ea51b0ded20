"""`headgate rollout` against an API server: what it reads and writes, how it ends, and how it fails."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.cli.api_server import REPOS, StandInApiServer, serving
from tests.unit.cli.test_rollout_history import PROMOTED, REVISIONS, state_object
from tests.unit.cli.views import CANDIDATE, STABLE, condition, manifest, rollout

from headgate_operator.cli.main import main
from headgate_operator.cli.rollout_cluster import Target, close, open_target
from headgate_operator.cli.rollout_run import Terminal, run_status, run_verb, run_watch

ACCESS = f"{REPOS}/namespaces/web/eventrepos/access"
KEPT = {"headgate.dev/repo": "access", "headgate.dev/repo-namespace": "web"}
PROMOTED_STATUS = rollout("Stable", stable=CANDIDATE)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    return tmp_path / "kubeconfig"


@pytest.fixture
def api(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInApiServer]:
    api = StandInApiServer()
    api.put_repo(manifest(rollout()))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with serving(api, kubeconfig):
        yield api


class Heard:
    """A terminal that is none, and what was written to it."""

    def __init__(self, live: bool = False) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.terminal = Terminal(self.out, self.err, colour=False, live=live, poll=0.02, patience=0.1)


async def at(kubeconfig: Path) -> Target:
    return await open_target(str(kubeconfig), None, None, "access", {})


def run(*arguments: str) -> int:
    return main(["rollout", *arguments])


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


def answering(api: StandInApiServer, result: str) -> None:
    def answer(command: str) -> None:
        verb, _, _, token = command.split()
        given = {"token": token, "verb": verb, "result": result}
        api.objects[ACCESS]["status"]["rollout"]["command"] = given

    api.obey = answer


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


async def test_watch_prints_a_line_for_each_change_where_there_is_no_terminal(
    api: StandInApiServer, kubeconfig: Path
) -> None:
    course = {3: rollout(step="2/2", weight=50), 5: rollout("Promoting"), 7: PROMOTED_STATUS}

    def go_on(reads: int) -> None:
        if reads in course:
            api.put_repo(manifest(course[reads]))

    api.on_read, heard, target = go_on, Heard(), await at(kubeconfig)
    assert await run_watch(target, heard.terminal, seconds=20) == 0
    await close(target)
    lines = heard.out.getvalue().splitlines()
    assert [line.partition("Z ")[2] for line in lines[:-1]] == [
        f"Progressing {CANDIDATE}, step 1/2, 10% asked",
        "step 2/2",
        "weight 10% -> 50%",
        "Progressing -> Promoting",
        f"stable is now {CANDIDATE}",
        "Promoting -> Stable",
    ]
    assert lines[-1].startswith(f"revision {CANDIDATE} of web/access (generation 2) is promoted")


async def test_watch_draws_over_its_last_picture_on_a_terminal(api: StandInApiServer, kubeconfig: Path) -> None:
    api.on_read = lambda reads: api.put_repo(manifest(PROMOTED_STATUS)) if reads == 2 else None
    heard, target = Heard(live=True), await at(kubeconfig)
    assert await run_watch(target, heard.terminal, seconds=20) == 0
    await close(target)
    written = heard.out.getvalue()
    assert written.startswith("\x1b[?25l\rEventRepo web/access")
    first, _, second = written.partition("A\rEventRepo")
    lines = first.partition("\x1b[J")[0].count("\n")
    assert first.endswith(f"\x1b[{lines}")
    assert "Progressing -> Stable" in second
    assert written.count("\x1b[?25h") == 1


def test_ctrl_c_leaves_cleanly(api: StandInApiServer, kubeconfig: Path) -> None:
    command = [sys.executable, "-m", "headgate_operator.cli.main", "rollout", "watch", "access"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not api.reads:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert CANDIDATE in out


@pytest.mark.parametrize(
    ("arguments", "phase", "code"),
    [
        (["status", "access", "--wait"], "RolledBack", 1),
        (["status", "access", "--wait", "-o", "json"], "Paused", 4),
        (["status", "access"], "Progressing", 0),
        (["approve", "access"], "Progressing", 1),
        (["watch", "access"], "Progressing", 141),
        (["watch", "access", "--timeout", "1s"], "RolledBack", 141),
    ],
    ids=["text", "json", "not waiting", "a refusal", "watch", "watch to its first line"],
)
def test_a_reader_that_leaves_does_not_make_a_rollout_good(
    api: StandInApiServer, arguments: list[str], phase: str, code: int
) -> None:
    api.put_repo(manifest(rollout(phase)))
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "headgate_operator.cli.main", "rollout", *arguments]
    try:
        assert subprocess.run(command, stdout=writing, stderr=writing, check=False, timeout=60).returncode == code
    finally:
        os.close(writing)


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status", "acess"], "no EventRepo acess in namespace web; did you mean access?"),
        (["status", "access", "-n", "shop"], "no EventRepo access in namespace shop, but in web: pass -n"),
        (["status", "zzz"], "no EventRepo zzz in namespace web; there are access"),
        (["status", "zzz", "-n", "shop"], "there is none at all: check -n and --context"),
        (["status", "access", "--context", "away"], "the API server does not answer"),
        (["status", "access", "--context", "nope"], "Expected object with name nope"),
        (["status", "access", "--kubeconfig", "/nowhere"], "there is no kubeconfig at /nowhere"),
    ],
    ids=["close name", "other namespace", "other names", "none", "nobody answers", "no such context", "no kubeconfig"],
)
def test_what_cannot_be_found_names_the_remedy(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(*arguments) == 69
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "status", "verb", "words"),
    [
        (ACCESS, 403, "status", "you may not get EventRepos in namespace web: ask for the role view"),
        (f"{ACCESS}#patch", 403, "abort", "kubectl auth can-i patch eventrepos.headgate.dev -n web tells"),
        (f"{ACCESS}#patch", 422, "abort", "the API server refuses"),
        (ACCESS, 401, "status", "the API server does not know you: log in again"),
        (ACCESS, 503, "status", "the API server does not answer"),
    ],
    ids=["may not read", "may not write", "refused", "unknown", "away"],
)
def test_a_refusal_of_the_api_server_names_the_remedy(
    api: StandInApiServer, capsys: pytest.CaptureFixture[str], path: str, status: int, verb: str, words: str
) -> None:
    api.failures[path] = [status]
    assert run(verb, "access") == 69
    assert words in capsys.readouterr().err


def test_a_cluster_without_headgate_is_told_apart(api: StandInApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    api.groups = False
    assert run("status", "access") == 69
    assert "this cluster knows no EventRepo (API group headgate.dev): install the chart" in capsys.readouterr().err


def test_without_any_kubeconfig_the_ways_to_one_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("status", "access") == 69
    assert "pass --kubeconfig, set KUBECONFIG, or write ~/.kube/config" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["status"], ["status", "web/access"], ["status", "access", "--through-gates"], ["fly", "access"],
     ["status", "access", "--wait", "--timeout", "soon"], ["watch", "access", "--timeout", "0s"]],
    ids=["no verb", "no repo", "a path", "nothing to wait through", "no such verb", "no duration", "no time"],
)  # fmt: skip
def test_wrong_usage_has_a_code_of_its_own(arguments: list[str]) -> None:
    try:
        code: int | str | None = run(*arguments)
    except SystemExit as leaving:
        code = leaving.code
    assert code == 64


def test_as_a_plugin_it_names_itself_as_people_call_it(
    api: StandInApiServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api.put_repo(manifest(rollout("Paused")))
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/kubectl-headgate"])
    assert run("status", "access") == 0
    assert "kubectl headgate rollout resume access -n web" in capsys.readouterr().out


def test_the_commands_that_need_no_cluster_load_no_client() -> None:
    text = "import sys, headgate_operator.cli.main; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
