from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.pipeline.executors.plugins import install_example, install_module
from tests.unit.pipeline.executors.running import chain, refusal, run

from headgate_gateway.pipeline.executors import StepFailedError
from headgate_gateway.pipeline.steps import DROP


def plugin(name: str, **options: Any) -> dict[str, Any]:
    return {"plugin": {"name": name, **options}}


API = "from headgate_gateway.pipeline.steps import DROP, Reject\nSTEP_API_VERSION = 1\n"


def test_the_example_package_is_found_by_its_metadata_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_example(tmp_path, monkeypatch)
    step = plugin("truncate-ip", config={"field": "ip", "ipv4": "16"})
    assert run({"ip": "10.20.30.40", "a": 1}, step) == {"ip": "10.20.0.0", "a": 1}
    assert run({"ip": "2001:db8:1:2::3"}, step) == {"ip": "2001:db8:1::"}
    assert run({"ip": "::1"}, step) == {"ip": "::"}
    assert run({"a": 1}, step) == {"a": 1}
    for unreadable in ("10.20.30", 5, [1], {"v": 4}):
        assert refusal({"ip": unreadable}, step) == "field 'ip' holds no IP address"
    with pytest.raises(
        ValueError, match=r"executors\[0\].plugin: plugin 'truncate-ip' refuses its config: .* it needs field"
    ):
        chain(plugin("truncate-ip"))


def test_a_plugin_that_is_not_installed_is_named_with_those_that_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    with pytest.raises(ValueError, match=r"no plugin 'gone' is installed in this image \(installed: none\)"):
        chain(plugin("gone"))
    install_module(tmp_path, monkeypatch, "present_one", API)
    with pytest.raises(ValueError, match=r"no plugin 'gone' .* \(installed: present_one\)"):
        chain(plugin("gone"))


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("STEP_API_VERSION = 2\ndef compile(config): return None", "is written for step API 2, and this gateway has 1"),
        ("def compile(config): return None", "is written for step API None"),
        ("STEP_API_VERSION = 1", "has no function `compile`"),
        ("import no_such_module_at_all", "cannot be loaded: ModuleNotFoundError: No module named"),
        ("1/0", "cannot be loaded: ZeroDivisionError"),
        (API + "def compile(config): return 5", "compiled to int, which is no step"),
        (API + "def compile(config): raise ValueError('no such mode')", "refuses its config: ValueError: no such mode"),
        (API + "def compile(config): return config['mode']", "refuses its config: KeyError: 'mode'"),
    ],
)
def test_a_plugin_that_cannot_run_says_why(
    code: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"cannot_{abs(hash(code))}"
    install_module(tmp_path, monkeypatch, name, code)
    with pytest.raises(ValueError, match=rf"executors\[0\].plugin: plugin '{name}' .*{why}"):
        chain(plugin(name))


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plugin that answers with the Python expression in its config."""
    code = (
        API
        + "def compile(config):\n    return lambda event: eval(config['answer'], {**globals(), 'event': event, 'config': config})\n"
    )
    install_module(tmp_path, monkeypatch, "echo_step", code)
    return "echo_step"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("event", {"a": 1}),
        ("{'b': (1, 2), 3: None}", {"b": [1, 2], "3": None}),
        ("[event, {'b': 2}]", [{"a": 1}, {"b": 2}]),
        ("[]", DROP),
        ("DROP", DROP),
    ],
)
def test_what_a_plugin_returns_is_taken_as_json_has_it(echo: str, answer: str, outcome: Any) -> None:
    assert run({"a": 1}, plugin(echo, config={"answer": answer})) == outcome


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Reject('not this one')", "not this one"),
        ("None", "plugin 'echo_step' returned what is no event"),
        ("[event, 5]", "plugin 'echo_step' returned what is no event"),
        ("[event] * 10001", "the line would become 10001 events, and 10000 is the limit"),
    ],
)
def test_what_is_no_event_is_refused(echo: str, answer: str, why: str) -> None:
    assert refusal({"a": 1}, plugin(echo, config={"answer": answer})) == why


@pytest.mark.parametrize(
    ("answer", "defect"),
    [("{'a': object()}", TypeError), ("{'a': chr(0xd800)}", UnicodeEncodeError), ("event['secret']", KeyError)],
)
def test_a_defect_of_a_plugin_is_told_with_its_step(echo: str, answer: str, defect: type[Exception]) -> None:
    explode = {"explode": {"field": "l"}}
    with pytest.raises(StepFailedError, match=r"executors\[1\].plugin failed") as failed:
        run({"l": [1]}, explode, plugin(echo, config={"answer": answer}))
    assert isinstance(failed.value.__cause__, defect)


def test_a_plugin_may_be_told_json(echo: str) -> None:
    step = plugin(echo, configJson='{"answer": "config", "limits": [1, {"x": null}]}')
    assert run({}, step) == {"answer": "config", "limits": [1, {"x": None}]}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"config": {"a": "b"}, "configJson": "{}"}, "not both"),
        ({"configJson": "{"}, "is no JSON"),
        ({"configJson": "[]"}, "not an object"),
        ({"config": {"a": 1}}, "valid string"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused_by_the_contract(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        chain(plugin("x", **options))
