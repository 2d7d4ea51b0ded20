"""Keys, timestamps and headers of records."""

from typing import Any

import pytest
from tests.unit.gateway.builders import process, repo_config
from tests.unit.gateway.reading import only, refused

from headgate_gateway.pipeline.compile import compile_repo
from headgate_gateway.pipeline.result import Processed

NOW = 1_700_000_000_123


def one(body: bytes, request: dict[str, bytes] | None = None, **kafka: Any) -> Processed:
    return process(body, request, NOW, kafka=kafka)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'"user-1"', b"user-1"),
        ('"é\\u00e9"'.encode(), "éé".encode()),
        (b'""', b""),
        (b"17", b"17"),
        (b"-0", b"-0"),
        (b"0", b"0"),
        (b"1.0", b"1.0"),
        (b"1.50E+3", b"1.50E+3"),
        (b"1e999", b"1e999"),
        (b"123456789012345678901234567890", b"123456789012345678901234567890"),
        (b"9" * 5_000, b"9" * 5_000),
        (b"true", b"true"),
        (b"false", b"false"),
        (b"null", None),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("path", ["k", "o.k"])
def test_key_is_the_strings_bytes_or_the_source_text(value: bytes, key: bytes | None, path: str) -> None:
    body = b'{"k" : ' + value + b' , "z":1}' if path == "k" else b'{"o":{"k": ' + value + b" }}"
    result = one(body, key={"field": path})
    assert only(result).keys == [key]


def test_an_absent_key_means_keyless() -> None:
    result = one(b'{"a":1}', key={"field": "k"})
    assert only(result).keys == [None]


@pytest.mark.parametrize("value", [b"{}", b"[]", b'["a"]'])
def test_any_other_key_is_a_line_error(value: bytes) -> None:
    result = one(b'{"k":"a"}\n{"k":' + value + b'}\n{"k":"b"}', key={"field": "k"})
    assert [(e.line, e.reason) for e in result.errors] == [(2, "InvalidKey")]
    assert (only(result).keys, only(result).lines) == ([b"a", b"b"], [1, 3])


def test_without_a_key_field_the_whole_request_is_keyless() -> None:
    result = one(b'{"k":"a"}')
    assert (only(result).keys, only(result).timestamps, only(result).row_headers) == (None, None, None)


@pytest.mark.parametrize(
    ("form", "value", "milliseconds"),
    [
        ("RFC3339", b'"2023-11-14T22:13:20Z"', 1_700_000_000_000),
        ("RFC3339", b'"2023-11-14T23:13:20.1239+01:00"', 1_700_000_000_123),
        ("RFC3339", b'"1970-01-01T00:00:00Z"', 0),
        ("RFC3339", b"null", NOW),
        ("UnixSeconds", b"1700000000", 1_700_000_000_000),
        ("UnixSeconds", b"1700000000.123", 1_700_000_000_123),
        ("UnixSeconds", b'"1700000000.5"', 1_700_000_000_500),
        ("UnixSeconds", b"1.7e9", 1_700_000_000_000),
        ("UnixMilliseconds", b"1700000000123", 1_700_000_000_123),
        ("UnixMilliseconds", b'"1700000000123"', 1_700_000_000_123),
        ("UnixMilliseconds", b"null", NOW),
    ],
)
def test_timestamp_is_read_from_its_field(form: str, value: bytes, milliseconds: int) -> None:
    result = one(b'{"t":' + value + b"}", timestamp={"field": "t", "format": form})
    assert only(result).timestamps == [milliseconds]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("RFC3339", b'"2023-11-14T22:13:20"'),
        ("RFC3339", b'"2023-13-14T22:13:20Z"'),
        ("RFC3339", b'"yesterday"'),
        ("RFC3339", b"1700000000"),
        ("RFC3339", b'"1969-12-31T23:59:59Z"'),
        ("UnixSeconds", b"-1"),
        ("UnixSeconds", b'"nan"'),
        ("UnixSeconds", b"true"),
        ("UnixSeconds", b"1e300"),
        ("UnixSeconds", b"1e999"),
        ("UnixMilliseconds", b"253402300800000"),
        ("UnixMilliseconds", b"[]"),
    ],
)
def test_a_value_that_is_no_timestamp_is_a_line_error(form: str, value: bytes) -> None:
    result = one(b'{"t":' + value + b"}", timestamp={"field": "t", "format": form})
    assert [(e.line, e.reason) for e in result.errors] == [(1, "InvalidTimestamp")]


def test_an_absent_timestamp_is_the_time_of_acceptance() -> None:
    result = one(b"{}", timestamp={"field": "t"})
    assert only(result).timestamps == [NOW]


def test_headers_come_from_values_the_request_and_fields() -> None:
    sources = [
        {"name": "source", "value": "edge"},
        {"name": "agent", "requestHeader": "User-Agent"},
        {"name": "missing", "requestHeader": "X-Missing"},
        {"name": "status", "field": "status"},
    ]
    result = one(b'{"status":404}\n{"a":1}', {"user-agent": b"curl"}, headers=sources)
    assert only(result).headers == (("source", b"edge"), ("agent", b"curl"))
    assert only(result).row_headers == [(("status", b"404"),), ()]


def test_with_provenance_records_say_which_repo_and_revision_made_them() -> None:
    sources = [{"name": "source", "value": "edge"}]
    kafka = {"provenance": True, "headers": sources}
    records = only(process(b"{}", name="access", namespace="team", revision="5f3c", kafka=kafka))
    assert records.headers == (
        ("source", b"edge"),
        ("headgate-repo", b"team/access"),
        ("headgate-revision", b"5f3c"),
    )


@pytest.mark.parametrize("name", ["headgate-repo", "headgate-revision"])
def test_with_provenance_its_headers_cannot_be_given_by_others(name: str) -> None:
    header = {"name": name, "requestHeader": "x-repo"}
    assert repo_config(kafka={"headers": [header]}).kafka.headers[0].name == name
    with pytest.raises(ValueError, match="Headgate's own headers"):
        repo_config(kafka={"headers": [header], "provenance": True})


def test_a_header_field_that_is_an_object_is_a_line_error() -> None:
    result = one(b'{"h":{}}', headers=[{"name": "h", "field": "h"}])
    assert [(e.line, e.reason) for e in result.errors] == [(1, "InvalidHeader")]


TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("given", "passed"),
    [(TRACE, (("traceparent", TRACE),)), (b"nonsense", ()), (TRACE.upper(), ()), (TRACE + b", " + TRACE, ())],
)
def test_traceparent_travels_where_it_is_one(given: bytes, passed: tuple[tuple[str, bytes], ...]) -> None:
    result = one(b"{}", {"traceparent": given})
    assert only(result).headers == passed


def test_sync_delivery_on_a_producer_that_waits_for_nobody_does_not_compile() -> None:
    with pytest.raises(ValueError, match="with acks none it never does"):
        compile_repo(repo_config(producer={"acks": "none"}))


def test_a_line_with_two_mistakes_is_refused_once() -> None:
    result = one(b'{"k":[],"t":[]}', key={"field": "k"}, timestamp={"field": "t"})
    assert (refused(result), result.received, result.accepted) == ([1], 1, 0)
