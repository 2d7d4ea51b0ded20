from typing import Any

import pytest
from tests.unit.pipeline.executors.running import chain, refusal, run

from headgate_gateway.pipeline.steps import DROP


def keep(field: str, operator: str, *values: Any, **options: Any) -> dict[str, Any]:
    expression = {"field": field, "operator": operator, "values": values}
    return {"filter": {"matchExpressions": [expression], **options}}


EVENT = {"status": 404, "request": {"path": "/a"}, "l": [1]}


@pytest.mark.parametrize(
    ("field", "operator", "values", "holds"),
    [
        ("status", "Ge", [400], True),
        ("status", "In", ["404"], True),
        ("status", "NotIn", ["404"], False),
        ("request.path", "Prefix", ["/a"], True),
        ("request.path", "Matches", ["^/b"], False),
        ("request.gone", "Exists", [], False),
        ("status.x", "DoesNotExist", [], True),
        ("l.0", "Exists", [], False),
    ],
)
def test_expressions_mean_what_they_mean_in_a_constraint(
    field: str, operator: str, values: list[Any], holds: bool
) -> None:
    assert run(EVENT, keep(field, operator, *values)) == (EVENT if holds else DROP)


def test_a_mismatch_may_be_refused() -> None:
    assert refusal(EVENT, keep("status", "Lt", 400, onMismatch="Reject")) == "the event does not meet the filter"


def test_all_expressions_must_hold_for_what_the_steps_before_made() -> None:
    step = {
        "filter": {"matchExpressions": [{"field": "a", "operator": "Exists"}, {"field": "b", "operator": "Exists"}]}
    }
    decoder = {"decoder": {"format": "Logfmt"}}
    assert run({"message": "a=1 b=2"}, decoder, step) == {"a": "1", "b": "2"}
    assert run({"message": "a=1"}, decoder, step) is DROP


def test_a_bound_that_is_out_of_range_does_not_compile() -> None:
    with pytest.raises(ValueError, match=r"executors\[0\].filter"):
        chain(keep("a", "Gt", "1e999"))
