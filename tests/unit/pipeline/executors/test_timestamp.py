from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.pipeline.executors.running import chain, refusal, run

from headgate_gateway.pipeline.executors.strptime import compile_pattern

NGINX = "%d/%b/%Y:%H:%M:%S %z"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(*formats: str, **options: Any) -> dict[str, Any]:
    return {"timestamp": {"field": "t", **({"formats": formats} if formats else {}), **options}}


@pytest.mark.parametrize(
    ("form", "value", "written"),
    [
        ("RFC3339", "2026-11-21T08:00:00Z", "2026-11-21T08:00:00.000000Z"),
        ("RFC3339", "2026-11-21T08:00:00.5+01:00", "2026-11-21T07:00:00.500000Z"),
        ("RFC3339", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("UnixSeconds", 1_700_000_000, "2023-11-14T22:13:20.000000Z"),
        ("UnixSeconds", "1700000000.123456", "2023-11-14T22:13:20.123456Z"),
        ("UnixSeconds", -1, "1969-12-31T23:59:59.000000Z"),
        ("UnixMilliseconds", 1_700_000_000_123, "2023-11-14T22:13:20.123000Z"),
        (NGINX, "21/Nov/2026:08:00:00 +0100", "2026-11-21T07:00:00.000000Z"),
        (NGINX, "01/jan/2026:00:00:00 -0530", "2026-01-01T05:30:00.000000Z"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-21 08:00:00.1234567", "2026-11-21T08:00:00.123456Z"),
        ("%a, %d %b %Y %H:%M:%S GMT%%", "Sat, 21 Nov 2026 08:00:00 GMT%", "2026-11-21T08:00:00.000000Z"),
        ("%A %B %d %Y %I:%M %p", "Saturday November  1 2026 12:05 am", "2026-11-01T00:05:00.000000Z"),
        ("%Y%m%d", "20261121", "2026-11-21T00:00:00.000000Z"),
        ("%m/%d/%y", "11/21/69", "1969-11-21T00:00:00.000000Z"),
        ("%Y-%m-%dT%H:%M%z", "2024-02-29T12:00Z", "2024-02-29T12:00:00.000000Z"),
    ],
)
def test_a_time_is_written_in_one_way(form: str, value: Any, written: str) -> None:
    assert run({"t": value}, timestamp(form)) == {"t": written}


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("RFC3339", "2026-11-21T08:00:00"),
        ("RFC3339", "yesterday"),
        ("RFC3339", 1_700_000_000),
        ("UnixSeconds", "now"),
        ("UnixSeconds", True),
        ("UnixSeconds", 1e300),
        ("UnixMilliseconds", 10**30),
        (NGINX, "31/Feb/2026:08:00:00 +0100"),
        (NGINX, "21/Nov/2026:08:00:00 +0160"),
        (NGINX, "21/Nov/2026:08:00:00 +0100 "),
        (NGINX, "21/Okt/2026:08:00:00 +0100"),
        (NGINX, "٢١/Nov/2026:08:00:00 +0100"),
        (NGINX, 5),
        ("%Y-%m-%d %I %p", "2026-11-21 13 PM"),
        ("%Y-%m-%d", "0000-01-01"),
        ("%Y-%m-%dT%H%z", "0001-01-01T00+2359"),
    ],
)
def test_what_is_no_time_is_refused_removed_or_kept(form: str, value: Any) -> None:
    event = {"t": value, "b": 1}
    assert refusal(event, timestamp(form)) == f"field 't' is no time in any of the formats {form}"
    assert run(event, timestamp(form, onFailure="Remove")) == {"b": 1}
    assert run(event, timestamp(form, onFailure="Keep")) == event


def test_formats_are_tried_in_order_and_numbers_can_be_written() -> None:
    steps = timestamp("UnixSeconds", NGINX, into="at.ms", output="UnixMilliseconds")
    assert run({"t": "21/Nov/2026:08:00:00 +0000"}, steps) == {"t": "21/Nov/2026:08:00:00 +0000", "at": {"ms": 1_795_248_000_000}}  # fmt: skip
    assert run({"t": "1.5"}, steps) == {"t": "1.5", "at": {"ms": 1500}}
    assert run({"t": "1.5"}, timestamp("UnixSeconds", output="UnixSeconds")) == {"t": 1.5}
    assert run({"t": "-0.25"}, timestamp("UnixSeconds", output="UnixSeconds")) == {"t": -0.25}
    assert run({"t": "2"}, timestamp("UnixSeconds", output="UnixSeconds")) == {"t": 2}


@pytest.mark.parametrize("event", [{}, {"t": None}])
def test_absent_fields_and_null_stay_as_they_are(event: dict[str, Any]) -> None:
    assert run(event, timestamp()) == event


def test_a_text_that_comes_again_is_what_it_was() -> None:
    steps = chain(timestamp(NGINX, onFailure="Keep"))
    texts = ["21/Nov/2026:08:00:00 +0000", "x", "x", "21/Nov/2026:08:00:00 +0000", "21/Nov/2026:08:00:01 +0000"]
    good = ["2026-11-21T08:00:00.000000Z", "2026-11-21T08:00:01.000000Z"]
    assert [steps({"t": text}) for text in texts] == [{"t": t} for t in (good[0], "x", "x", good[0], good[1])]


@given(
    st.datetimes(min_value=datetime(1000, 1, 1)),
    st.integers(-1439, 1439),
    st.sampled_from([NGINX, "%Y-%m-%dT%H:%M:%S.%f%z", "%A, %d %B %Y %I:%M:%S %p %z", "%a %b %d %H:%M:%S %z %Y"]),
)
def test_patterns_mean_what_strptime_means(moment: datetime, offset: int, pattern: str) -> None:
    written = moment.replace(tzinfo=timezone(timedelta(minutes=offset))).strftime(pattern)
    expected = datetime.strptime(written, pattern) - EPOCH
    assert compile_pattern(pattern)(written) == expected // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("%H:%M:%S", "names no day"),
        ("%Y-%m", "names no day"),
        ("%d/%b", "names no day"),
        ("%Y %y %m %d", "more than once"),
        ("%Y %m %b %d", "more than once"),
        ("%Y %m %d %I", "takes %I and %p together"),
        ("%Y %m %d %j", "%j, which is not known"),
        ("%Y %m %d %", "which is not known"),
        ("ISO", "should match pattern"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_refused_by_the_contract(form: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        chain(timestamp(form))
