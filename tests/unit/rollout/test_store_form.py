"""States survive their stored form; broken ones say what is wrong."""

import json

import pytest
from tests.unit.rollout.builders import NEW, OLD, gauge

from headgate_gateway.config.analysis import WrittenRange
from headgate_operator.rollout.model import Marks, Measurement, Phase, RolloutState, Verdict
from headgate_operator.rollout.store_form import BrokenStateError, dump_state, load_state

FULL = RolloutState(
    phase=Phase.PAUSED, stable=OLD, candidate=NEW, clock=12.5, verified=True,
    marks=Marks(at=1.5, canary=(gauge("a", 5, written=[WrittenRange(topic="t", partition=0, first=1, last=2, records=2)]),)),
    measurements=(Measurement(name="rejected", value="1%", threshold="1%", requests=5, verdict=Verdict.PASS),),
)  # fmt: skip


@pytest.mark.parametrize("state", [RolloutState(stable=OLD), FULL], ids=["least", "full"])
def test_a_state_is_read_back_as_it_was(state: RolloutState) -> None:
    assert load_state(dump_state(state)) == state
    assert dump_state(load_state(dump_state(state))) == dump_state(state)


def test_the_form_is_canonical_and_leaves_out_defaults() -> None:
    assert dump_state(RolloutState(stable=OLD)) == b'{"stable":"aaaaaaaaaaaaaaaa"}'


def test_fields_of_a_newer_operator_are_passed_over() -> None:
    fields = {**json.loads(dump_state(FULL)), "mood": "good"}
    fields["marks"]["colour"] = "red"
    assert load_state(json.dumps(fields).encode()) == FULL


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        (b"", "Invalid JSON"), (b"{", "Invalid JSON"), (b"\xff", "Invalid JSON"), (b"[]", "should be an object"),
        (b"{}", "stable: Field required"), (b'{"stable":"a","phase":"Odd"}', "phase: Input should be"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named(stored: bytes, problem: str) -> None:
    with pytest.raises(BrokenStateError, match=problem):
        load_state(stored)
