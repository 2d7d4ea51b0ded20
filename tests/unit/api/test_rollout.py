"""The bounds of a rollout policy's numbers."""

import pytest
from pydantic import ValidationError

from headgate_operator.api.rollout import AnalysisMetrics, MetricBounds, MetricQuery

ZEROS = ["0", "0.0", "0000.0000"]


@pytest.mark.parametrize("field", ["latencyFactor", "writeRateFactor"])
@pytest.mark.parametrize("factor", [*ZEROS, "0.5", "0.9999", "-1", "10000", "1.23456"])
def test_a_factor_by_which_others_may_differ_is_at_least_one(field: str, factor: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        AnalysisMetrics.model_validate({field: factor})


@pytest.mark.parametrize("factor", ["1", "1.0", "01.5", "10", "9999.9999"])
def test_larger_factors_are_taken(factor: str) -> None:
    assert AnalysisMetrics.model_validate({"writeRateFactor": factor}).write_rate_factor == factor


@pytest.mark.parametrize("factor", ZEROS)
def test_the_factor_of_a_share_is_above_zero(factor: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        MetricBounds.model_validate({"max": "1%", "factor": factor})


@pytest.mark.parametrize("factor", ["0.5", "0.0001", "1", "100.5"])
def test_the_factor_of_a_share_may_be_below_one(factor: str) -> None:
    assert MetricBounds.model_validate({"max": "1%", "factor": factor}).factor == factor


@pytest.mark.parametrize("bound", ["0", "0.5", "1000"])
def test_a_query_may_be_bounded_by_zero(bound: str) -> None:
    assert MetricQuery(name="lag", query="up", max=bound).max == bound
