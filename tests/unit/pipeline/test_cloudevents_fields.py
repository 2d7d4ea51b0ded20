"""What the repo sees of CloudEvents: fields, keys and executors work on an event's JSON form."""

import json
from base64 import b64encode
from typing import Any

import pytest
from tests.unit.gateway.builders import constraint, expression
from tests.unit.gateway.reading import only, refused
from tests.unit.pipeline.test_cloudevents import BATCH, STRUCTURED, THRIFT, binary, events, headers_of, structured

from headgate_gateway.pipeline.result import Processed


def both_ways(data: Any, **changes: Any) -> list[Processed]:
    """One event in both modes."""
    body = json.dumps(data).encode()
    return [
        events(structured(subject="s", data=data), STRUCTURED, **changes),
        events(body, binary(subject=b"s", datacontenttype=b"application/json"), **changes),
    ]


def test_attributes_and_data_are_fields() -> None:
    kafka = {
        "key": {"field": "subject"},
        "headers": [{"name": "status", "field": "data.status"}],
        "topics": [{"when": [expression("data.status", "Ge", 500)], "topic": "errors"}],
    }
    for result in both_ways({"status": 503}, kafka=kafka, constraint=constraint(expression("type", "Prefix", "com."))):
        assert (only(result).topic, only(result).keys) == ("errors", [b"s"])
        assert headers_of(result)["status"] == "503"
    for result in both_ways({"status": 200}, constraint=constraint(expression("data.status", "NotIn", 200))):
        assert (result.dropped, result.records) == (1, [])


def test_the_repos_key_comes_before_the_partition_key() -> None:
    body = structured(partitionkey="mine", subject="s")
    assert only(events(body, STRUCTURED)).keys == [b"mine"]
    assert only(events(body, STRUCTURED, kafka={"key": {"field": "subject"}})).keys == [b"s"]


def test_text_is_a_field_too_and_other_bytes_are_base64() -> None:
    wanted = constraint(expression("data", "Prefix", "ERROR"))
    given = binary(datacontenttype=b"text/plain")
    assert (events(b"ERROR x", given, constraint=wanted).accepted, events(b"ok", given, constraint=wanted).dropped) == (
        1,
        1,
    )
    encoded = constraint(expression("data_base64", "In", b64encode(THRIFT).decode()))
    assert only(events(THRIFT, given, constraint=encoded)).values == [THRIFT]
    assert only(events(b"{}", binary(), constraint=constraint(expression("data_base64", "Exists")))).values == [b"{}"]


def setting(field: str, value: Any) -> dict[str, Any]:
    return {"set": {"fields": [{"field": field, "value": value}]}}


def test_executors_reshape_the_json_form_and_it_is_written_again() -> None:
    steps = [setting("data.region", "eu"), setting("tier", "gold")]
    for result in both_ways({"a": [1]}, executors=steps):
        assert only(result).values == [b'{"a":[1],"region":"eu"}']
        found = headers_of(result)
        assert (found["ce_tier"], found["ce_subject"], found["content-type"]) == ("gold", "s", "application/json")


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/octet-stream", b""])
@pytest.mark.parametrize("data", [b"plain", "ä".encode(), THRIFT, b"{}", b""])
def test_executors_leave_data_alone_that_they_do_not_name(content_type: bytes, data: bytes) -> None:
    given = binary(datacontenttype=content_type) if content_type else binary()
    result = events(data, given, executors=[setting("tier", "gold")])
    assert only(result).values == [data]
    assert headers_of(result).get("content-type", "").encode() == content_type


def test_what_executors_made_has_to_be_an_event() -> None:
    for steps in ([{"remove": {"fields": ["id"]}}], [setting("Bad", "x")], [setting("time", "now")]):
        (error,) = events(structured(), STRUCTURED, executors=steps).errors
        assert (error.reason, error.step) == ("ExecutorRefused", "encode")


def test_events_of_one_line_share_its_fate() -> None:
    explode = {"explode": {"field": "data"}}
    good = events(b"[%b]" % structured(data=[1, 2]), BATCH, executors=[explode])
    assert (only(good).values, only(good).lines, good.accepted) == ([b"1", b"2"], [1, 1], 1)
    steps: list[dict[str, Any]] = [explode, {"rename": {"fields": [{"from": "data", "to": "ext"}]}}]
    mixed = events(
        b"[%b,%b]" % (structured(data=[1, 2.5]), structured(data=[3])), BATCH, executors=steps, partial="Accept"
    )
    assert (only(mixed).lines, refused(mixed), mixed.accepted) == ([2], [1], 1)


def test_a_dead_letter_says_what_the_headers_said() -> None:
    given = {"ce-id": b"a%20b", "content-type": b"text/plain", "host": b"gw"}
    records = only(events(b"data", given, kafka={"deadLetter": {"topic": "dead"}}))
    assert (records.values, records.dead_letter) == ([b"data"], True)
    assert records.row_headers is not None
    assert records.row_headers[0][3:] == (("ce-id", b"a%20b"), ("content-type", b"text/plain"))
    assert records.row_headers[0][0] == ("headgate-reason", b"InvalidCloudEvent")
