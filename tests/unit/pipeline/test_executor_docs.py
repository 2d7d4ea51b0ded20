"""docs/executors.md is what people copy: each of its examples is run as it stands there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter
from tests.unit.pipeline.executors.plugins import install_example

from headgate_gateway.config import Executors, repo_secret_file
from headgate_gateway.config.executors import STEP_NAMES
from headgate_gateway.pipeline.executors import Chain, ExecutorContext, Outcome, Refusal, compile_executors
from headgate_gateway.pipeline.steps import DROP

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "executors.md").read_text()
EXAMPLE = re.compile(r"```yaml\n(.*?)```\n```(json|text) input\n(.*?)```\n```json output\n(.*?)```", re.DOTALL)
KEY = re.search(r"the key is the text\s+`([^`]+)`", PAGE)
EXECUTORS: TypeAdapter[Executors] = TypeAdapter(Executors)


def _examples() -> Iterator[Any]:
    for number, (steps, kind, given, expected) in enumerate(EXAMPLE.findall(PAGE)):
        executors = list(yaml.safe_load_all(steps))
        name = "+".join(next(iter(executor)) for executor in executors)
        yield pytest.param(executors, _events(kind, given), _outcomes(expected), id=f"{number}-{name}")


def _events(kind: str, given: str) -> list[dict[str, Any]]:
    return [{"message": line} if kind == "text" else json.loads(line) for line in given.splitlines()]


def _outcomes(expected: str) -> list[Any]:
    return [json.loads(line) if line.startswith("{") else line for line in expected.splitlines()]


def _chain(executors: list[dict[str, Any]]) -> Chain:
    assert KEY
    credentials = {repo_secret_file("shop", "masks", "key.user"): KEY[1].encode()}
    return compile_executors(EXECUTORS.validate_python(executors), ExecutorContext("shop", "clicks", credentials))


def _told(outcome: Outcome) -> list[Any]:
    if isinstance(outcome, Refusal):
        return [f"refused: {outcome.message}"]
    if isinstance(outcome, list):
        return outcome
    return ["dropped" if outcome is DROP else outcome]


@pytest.mark.parametrize(("executors", "events", "expected"), list(_examples()))
def test_an_example_does_what_the_page_says(
    executors: list[dict[str, Any]],
    events: list[dict[str, Any]],
    expected: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if any("plugin" in executor for executor in executors):
        install_example(tmp_path, monkeypatch)
    run = _chain(executors)
    found = [told for event in events for told in _told(run(event))]
    assert found == expected
    assert [list(each) for each in found if isinstance(each, dict)] == [
        list(each) for each in expected if isinstance(each, dict)
    ]


def test_every_step_has_an_example_and_every_block_is_one() -> None:
    shown = {name for steps, *_ in EXAMPLE.findall(PAGE) for executor in yaml.safe_load_all(steps) for name in executor}
    assert shown == set(STEP_NAMES)
    assert PAGE.count("```yaml") == len(EXAMPLE.findall(PAGE))
