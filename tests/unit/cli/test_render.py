"""`headgate render`: the operator's own objects, from files."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.golden.fleets_of_files import DIRECTORY, STEADY_NAMES, plan_of

from headgate_operator.cli.commands import REDACTED
from headgate_operator.cli.main import main
from headgate_operator.render.profiles import credential_file


def input_of(name: str) -> str:
    return str(DIRECTORY / f"{name}.input.yaml")


@pytest.mark.parametrize("name", STEADY_NAMES)
def test_it_prints_exactly_what_the_operator_would_apply(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["render", "-f", input_of(name), "--show-secrets"])
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert printed == [rendered.manifest for rendered in plan_of(name).objects]


def test_values_of_secrets_are_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "-f", input_of("secured")]) == 0
    said = capsys.readouterr()
    (secret,) = (one for one in yaml.safe_load_all(said.out) if one["kind"] == "Secret")
    assert set(secret["data"].values()) == {REDACTED}
    assert credential_file("secured", "password", "kafka", "password") in secret["data"]
    assert "--show-secrets" in said.err
    assert "not a password" not in said.out + said.err


def test_json_is_one_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "-f", input_of("minimal"), "-o", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["kind"] == "List"
    assert len(printed["items"]) == len(plan_of("minimal").objects)


def test_what_is_refused_is_said_and_the_rest_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "-f", input_of("shared-and-refused")]) == 1
    said = capsys.readouterr()
    assert "error: EventRepo bulk/same-path: spec.endpoints: EventRepo bulk/device-2 already holds" in said.err
    assert "bulk-shared" in said.out


def test_mistakes_stop_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(Path(input_of("minimal")).read_text().replace("topic: nginx-access", "topic: a/b"))
    assert main(["render", "-f", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "nothing is rendered before these mistakes are mended" in said.err


def test_files_without_a_fleet_have_nothing_to_render(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "repo.yaml"
    file.write_text(Path(input_of("minimal")).read_text().split("---")[2])
    assert main(["render", "-f", str(file)]) == 1
    assert "there is no GatewayFleet among the files" in capsys.readouterr().err


def test_templates_are_overridden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: x\n  annotations: {role: {{ fleet.name }}}\n"
    (tmp_path / "serviceaccount.yaml.j2").write_text(text)
    assert main(["render", "-f", input_of("minimal"), "--templates", str(tmp_path)]) == 0
    printed = yaml.safe_load_all(capsys.readouterr().out)
    (account,) = (one for one in printed if one["kind"] == "ServiceAccount")
    assert account["metadata"]["annotations"] == {"role": "default"}


def test_a_broken_template_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "serviceaccount.yaml.j2").write_text("a: {{ b }}")
    assert main(["render", "-f", input_of("minimal"), "--templates", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: template serviceaccount.yaml.j2, line 1: 'b' is undefined\n"


def test_the_default_fleet_is_the_only_one_or_the_one_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def render(*arguments: str) -> list[dict[str, Any]]:
        main(["render", "-f", input_of("minimal"), *arguments, *rest])
        return list(yaml.safe_load_all(capsys.readouterr().out))

    rest: list[str] = []
    assert b"nginx-access" in json.dumps(render()).encode()
    assert b"nginx-access" not in json.dumps(render("--default-fleet", "other/fleet")).encode()
    second = tmp_path / "second.yaml"
    second.write_text(Path(input_of("minimal")).read_text().split("---")[0].replace("name: default", "name: other"))
    rest = ["-f", str(second)]
    assert b"nginx-access" not in json.dumps(render()).encode()
    assert b"nginx-access" in json.dumps(render("--default-fleet", "headgate-system/other")).encode()


@pytest.mark.parametrize(
    "word", ["y", "n", "on", "1e3", "0x1", "0o7", "1_0", "~", "", " a", "a: b", "2026-01-01", "-", "=", "<<"]
)
def test_every_reader_takes_texts_for_texts(word: str) -> None:
    from headgate_operator.cli.yaml_text import write_yaml

    assert write_yaml([{"a": word}]) == f'---\na: "{word}"\n'


def test_colour_only_on_a_terminal(tmp_path: Path) -> None:
    from headgate_operator.cli.commands import Request, run_validate

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file = tmp_path / "a.yaml"
    file.write_text("- a\n")
    plain, terminal = io.StringIO(), Terminal()
    for err in (plain, terminal):
        run_validate(Request([str(file)], "default", None, None), io.StringIO(), err)
    assert "\x1b[31merror\x1b[0m" in terminal.getvalue()
    assert "\x1b" not in plain.getvalue()
