"""A demo that is run again begins where the first one did, whatever that one left in the spec."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.demo.change import AT_ONCE, BY_DEFAULT, QUICK, change_to

from headgate_operator.api.rollout import Rollout, Strategy

QUICKSTART = Path(__file__).resolve().parents[3] / "examples" / "quickstart"


def quickstart_spec() -> dict[str, Any]:
    documents = [each for path in QUICKSTART.glob("*.yaml") for each in yaml.safe_load_all(path.read_text())]
    (spec,) = [each["spec"] for each in documents if each["kind"] == "EventRepo"]
    return dict(spec)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


LEFT = {
    "an undisturbed quickstart": quickstart_spec(),
    "a whole demo": merged({"spec": quickstart_spec()}, change_to(500))["spec"],
    "one that was interrupted in its quickstart": quickstart_spec() | {"rollout": {"strategy": "Immediate"}},
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT.keys())
def test_the_quickstart_goes_to_all_at_once_and_leaves_the_defaults(left: dict[str, Any]) -> None:
    at_once = merged({"spec": left}, AT_ONCE)
    assert at_once["spec"]["rollout"] == {"strategy": "Immediate"}
    applied = merged(at_once, {"spec": quickstart_spec()})
    assert applied["spec"]["rollout"] == {"strategy": "Immediate"}
    assert merged(applied, BY_DEFAULT)["spec"] == quickstart_spec()


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT.keys())
def test_a_change_is_a_canary_whatever_was_left(left: dict[str, Any]) -> None:
    changed = merged({"spec": left}, change_to(500))["spec"]
    assert changed["rollout"] == QUICK
    assert Rollout.model_validate(changed["rollout"]).strategy is Strategy.CANARY
    assert changed["constraint"]["matchExpressions"][0]["values"] == [500]
