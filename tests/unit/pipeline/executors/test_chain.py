"""The contract of the list as a whole, and what holds for every step of it."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.pipeline.executors.running import chain, refusal

from headgate_gateway.config.executors import STEP_NAMES, Executor
from headgate_gateway.pipeline.executors import Refusal
from headgate_gateway.pipeline.executors.registry import COMPILERS

REMOVE = {"remove": {"fields": ["a"]}}


def test_every_step_of_the_contract_has_its_compiler() -> None:
    assert tuple(Executor.model_fields) == STEP_NAMES == tuple(COMPILERS)


@pytest.mark.parametrize("both", [{}, REMOVE | {"sample": {"percent": 1}}])
def test_an_executor_is_exactly_one_step(both: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="an executor is exactly one of decoder, splitter"):
        Executor.model_validate(both)


def test_an_executor_of_the_contract_reads_back_what_it_writes() -> None:
    written = {"set": {"fields": [{"field": "a", "from": "b"}, {"field": "c", "json": "1"}]}}
    executor = Executor.model_validate(written)
    assert executor.model_dump(mode="json", by_alias=True, exclude_defaults=True) == written
    assert executor.name == "set"


def test_a_list_is_bounded() -> None:
    chain(*[REMOVE] * 32)
    with pytest.raises(ValidationError, match="at most 32"):
        chain(*[REMOVE] * 33)


def test_what_nests_too_deeply_for_a_step_is_refused_not_raised() -> None:
    event: dict[str, Any] = {"x": {}}
    inner = event["x"]
    for _ in range(900):
        inner["x"] = inner = {}
    outcome = chain({"set": {"fields": [{"field": "copy", "from": "x"}]}})(event)
    assert outcome == Refusal("executors[0].set", "the event nests too deeply")


def test_an_event_may_be_refused_by_any_step_and_the_first_counts() -> None:
    number = {"cast": {"fields": [{"field": "a", "type": "Integer"}]}}
    assert refusal({"a": "x"}, number, {"decoder": {"format": "JSON"}}) == "field 'a' is not an integer"
