"""`headgate rollout` where something is missing or refused: each problem names its remedy."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.api_server import StandInApiServer
from tests.unit.cli.rollout_runs import ACCESS, run
from tests.unit.cli.views import manifest, rollout


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
