"""Where a repo has executors its events are written anew: what of a number survives that, and what does not."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pipeline.executors.running import chain

STEPS = chain({"set": {"fields": [{"field": "touched", "json": "true"}]}}, {"remove": {"fields": ["touched"]}})


def rewritten(line: bytes) -> bytes:
    return msgspec.json.encode(STEPS(msgspec.json.decode(line)))


@pytest.mark.parametrize(
    "number",
    ["0", "-1", "9007199254740993", "18446744073709551616", "-170141183460469231731687303715884105729", "1" * 4_300,
     "1.0", "-0.0", "0.1", "123456.789", "1e22", "5e-324", "1.7976931348623157e308", "100000000000000.1"],
)  # fmt: skip
def test_these_come_out_as_they_went_in(number: str) -> None:
    line = f'{{"a":[{number}],"b":{{"c":{number}}}}}'.encode()
    assert rewritten(line) == line


@pytest.mark.parametrize(
    ("number", "written"),
    [("1e3", "1000.0"), ("1E+2", "100.0"), ("-0", "0"), ("1.50", "1.5"), ("0.1e1", "1.0"),
     ("3.14159265358979323846264338", "3.141592653589793")],
)  # fmt: skip
def test_these_keep_their_value_but_not_their_spelling(number: str, written: str) -> None:
    assert rewritten(f'{{"a":{number}}}'.encode()) == f'{{"a":{written}}}'.encode()
    assert float(number) == float(written)


def test_of_repeated_keys_the_last_survives_at_the_firsts_place() -> None:
    assert rewritten(b'{"a":1,"b":2,"a":3}') == b'{"a":3,"b":2}'


def test_text_survives_its_escapes_do_not() -> None:
    assert rewritten(rb'{"a":"\u00e9\/\ud83d\ude00\n"}') == '{"a":"é/😀\\n"}'.encode()


_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda key: key != "touched"), _VALUES))
def test_every_value_survives(event: dict[str, Any]) -> None:
    line = json.dumps(event).encode()
    assert repr(json.loads(rewritten(line))) == repr(json.loads(line))
