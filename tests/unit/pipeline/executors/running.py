"""Compiles executors from the YAML-like form that users write, and runs one event through them."""

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from headgate_gateway.config.executors import Executors
from headgate_gateway.pipeline.executors import Chain, ExecutorContext, Outcome, Refusal, compile_executors

_EXECUTORS: TypeAdapter[Executors] = TypeAdapter(Executors)


def chain(*executors: dict[str, Any], credentials: Mapping[str, bytes] | None = None) -> Chain:
    context = ExecutorContext("shop", "clicks", credentials or {})
    return compile_executors(_EXECUTORS.validate_python(list(executors)), context)


def run(event: dict[str, Any], *executors: dict[str, Any]) -> Outcome:
    return chain(*executors)(copy.deepcopy(event))


def refusal(event: dict[str, Any], *executors: dict[str, Any]) -> str:
    """The message of the refusal that must come."""
    outcome = run(event, *executors)
    assert isinstance(outcome, Refusal), outcome
    return outcome.message
