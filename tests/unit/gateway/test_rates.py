"""Token buckets, pure: time is what the tests say."""

import pytest

from headgate_gateway.config.repo import Limits
from headgate_gateway.http.rates import Buckets, OverLimit, RepoRates

MIB = 2**20


def rates(buckets: Buckets | None = None, body_bytes: int = MIB, **limits: int) -> RepoRates:
    config = Limits.model_validate({"bodyBytes": body_bytes, "perGateway": limits})
    return RepoRates(config, buckets or Buckets())


def waits(over: OverLimit | None) -> int:
    return 0 if over is None else over.retry_after


def test_a_seconds_worth_may_come_at_once_and_then_as_the_bucket_fills() -> None:
    limited = rates(requestsPerSecond=10)
    assert [waits(limited.begin(0, 100.0)) for _ in range(11)] == [0] * 10 + [1]
    assert waits(limited.begin(0, 100.05)) == 1
    assert [waits(limited.begin(0, 100.1)) for _ in range(2)] == [0, 1]


def test_over_time_no_more_than_the_rate_passes() -> None:
    limited = rates(requestsPerSecond=50)
    passed = sum(limited.begin(0, 7.0 + step / 1_000) is None for step in range(10_000))
    assert 500 + 49 <= passed <= 500 + 50


def test_a_quiet_time_saves_up_one_second_at_most() -> None:
    limited = rates(requestsPerSecond=5)
    limited.begin(0, 1.0)
    assert sum(limited.begin(0, 10_000.0) is None for _ in range(20)) == 5


def test_the_wait_is_the_time_after_which_it_fits() -> None:
    limited = rates(bytesPerSecond=MIB, body_bytes=8 * MIB)
    assert limited.begin(8 * MIB, 0.0) is None
    over = limited.begin(5 * MIB + 1, 0.0)
    assert over is not None
    assert (over.limit, over.per_second, over.retry_after) == ("bytesPerSecond", MIB, 6)
    assert limited.begin(5 * MIB + 1, 5.0) is not None
    assert limited.begin(5 * MIB + 1, 0.0 + over.retry_after) is None


def test_a_body_larger_than_a_seconds_worth_may_pass() -> None:
    limited = rates(bytesPerSecond=1_024, body_bytes=MIB)
    assert limited.begin(MIB, 0.0) is None
    assert waits(limited.begin(MIB, 1.0)) == 1_023
    assert limited.begin(MIB, 1_024.0) is None


def test_what_is_refused_by_one_limit_is_not_charged_by_the_other() -> None:
    limited = rates(requestsPerSecond=2, bytesPerSecond=2_000, body_bytes=1_024)
    assert limited.begin(2_000, 0.0) is None
    refused = limited.begin(1_000, 0.0)
    assert refused is not None
    assert refused.limit == "bytesPerSecond"
    assert limited.begin(0, 0.0) is None
    refused = limited.begin(0, 0.0)
    assert refused is not None
    assert refused.limit == "requestsPerSecond"


def test_bytes_that_nobody_announced_are_charged_as_they_come() -> None:
    limited = rates(bytesPerSecond=1_024, body_bytes=4_096)
    assert limited.begin(0, 0.0) is None
    assert limited.go_on(4_000, 0, 0.0) is None
    over = limited.go_on(1_000, 4_000, 0.0)
    assert over is not None
    # All of it comes again, and that is the largest body that there may be.
    assert over.retry_after == 4
    assert limited.go_on(96, 4_000, 0.0) is None


def test_without_a_limit_of_bytes_they_are_not_counted() -> None:
    limited = rates(requestsPerSecond=1)
    assert limited.begin(10**9, 0.0) is None
    assert limited.go_on(10**9, 10**9, 0.0) is None


@pytest.mark.parametrize("rate", [8, 40])
def test_another_config_goes_on_with_the_share_that_is_left(rate: int) -> None:
    buckets = Buckets()
    before = rates(buckets, requestsPerSecond=20)
    assert sum(before.begin(0, 0.0) is None for _ in range(15)) == 15
    after = rates(buckets, requestsPerSecond=rate)
    assert sum(after.begin(0, 0.0) is None for _ in range(50)) == rate // 4
    assert sum(after.begin(0, 0.5) is None for _ in range(50)) == rate // 2
