"""Where `headgate validate` finds resources: files, lists, directories, standard input; and wrong usage."""

import contextlib
import io
from pathlib import Path

import pytest
from tests.unit.cli.validating import FLEET, GOOD, PROFILE, REPO, validate

from headgate_operator.cli.main import main


def test_a_list_is_taken_apart(tmp_path: Path) -> None:
    indented = "".join(f"    {line}\n" for line in REPO.replace("topic: access", "topic: a/b").splitlines())
    code, lines = validate(tmp_path, "apiVersion: v1\nkind: List\nitems:\n  -\n" + indented)
    assert code == 1
    assert lines[0].startswith("file.yaml:13: error: EventRepo team/access: spec.kafka.topic")


def test_other_manifests_are_passed_over(tmp_path: Path) -> None:
    other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\n---\n# nothing\n"
    assert validate(tmp_path, other + GOOD) == (0, ["3 resources would be accepted"])


def test_the_namespace_can_be_given(tmp_path: Path) -> None:
    _, lines = validate(tmp_path, REPO.replace("  namespace: team\n", "").replace("topic: access", "topic: /"), "given")
    assert "EventRepo given/access" in lines[0]


def test_directories_are_read_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "fleet.yaml").write_text(FLEET)
    (tmp_path / "profile.yml").write_text(PROFILE)
    (tmp_path / "repo.yaml").write_text(REPO)
    (tmp_path / "notes.txt").write_text("not: [yaml")
    assert main(["validate", "-f", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "3 resources would be accepted\n"


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(REPO.replace("topic: access", "topic: a/b")))
    assert main(["validate", "-f", "-"]) == 1
    assert capsys.readouterr().err.startswith("<stdin>:9: error: EventRepo team/access: spec.kafka.topic")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate", "-f", "absent.yaml"], "absent.yaml: error: cannot be read"),
        (["validate"], "the following arguments are required: -f"),
        ([], "the following arguments are required: COMMAND"),
        (["validate", "-f", "x", "--default-fleet", "x"], "'x' is not NAMESPACE/NAME"),
        (["render", "-f", "x", "--templates", "absent"], "'absent' is no directory"),
    ],
)
def test_wrong_usage_is_explained(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with contextlib.suppress(SystemExit):
        assert main(arguments) == 1
    assert said in capsys.readouterr().err
