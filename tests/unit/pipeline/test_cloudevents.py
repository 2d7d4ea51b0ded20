"""CloudEvents 1.0.2: what each mode of HTTP becomes in Kafka's binary mode, and what is no event.

The messages under `SPEC` are those that the specification, its JSON format and its two bindings show, with data where
the specification writes dots. https://github.com/cloudevents/spec
"""

import json
from base64 import b64encode
from typing import Any

import pytest
from tests.unit.gateway.builders import process
from tests.unit.gateway.reading import only, refused, sent

from headgate_gateway.pipeline.result import Processed
from headgate_gateway.pipeline.tombstone import NO_VALUE

CLOUD_EVENTS: dict[str, Any] = {"endpoints": [{"path": "/ce", "format": "CloudEvents"}]}
STRUCTURED = {"content-type": b"application/cloudevents+json; charset=utf-8"}
BATCH = {"content-type": b"application/cloudevents-batch+json; charset=utf-8"}
THRIFT = b"\x00\x01\xff thrift"
REQUIRED = {"specversion": "1.0", "type": "com.example.someevent", "source": "/mycontext", "id": "A234-1234-1234"}
EXTENDED = {**REQUIRED, "time": "2018-04-05T17:31:00Z", "comexampleextension1": "value", "comexampleothervalue": 5}
SENT = {f"ce_{name}": str(value) for name, value in EXTENDED.items()}
AS_JSON = {"content-type": "application/json"}
APPINFO = '{\n  "appinfoA" : "abc",\n  "appinfoB" : 123,\n  "appinfoC" : true\n}'


def events(body: bytes, headers: dict[str, bytes], **changes: Any) -> Processed:
    return process(body, headers, **{**CLOUD_EVENTS, **changes})


def headers_of(result: Processed, index: int = 0) -> dict[str, str]:
    rows = only(result).row_headers
    assert rows is not None
    return {name: value.decode() for name, value in rows[index]}


def structured(**members: Any) -> bytes:
    return json.dumps({**REQUIRED, **members}).encode()


def binary(**attributes: bytes) -> dict[str, bytes]:
    return {f"ce-{name}": value.encode() for name, value in REQUIRED.items()} | {
        "content-type" if name == "datacontenttype" else f"ce-{name}": value for name, value in attributes.items()
    }


SPEC_JSON: dict[str, tuple[dict[str, Any], str, bytes, dict[str, str]]] = {
    "binary data": (
        {**EXTENDED, "datacontenttype": "application/vnd.apache.thrift.binary"},
        f'"data_base64" : "{b64encode(THRIFT).decode()}"',
        THRIFT,
        {**SENT, "content-type": "application/vnd.apache.thrift.binary"},
    ),
    "a document of XML": (
        {**EXTENDED, "unsetextension": None, "datacontenttype": "application/xml"},
        r'"data" : "<much wow=\"xml\"/>"',
        b'<much wow="xml"/>',
        {**SENT, "content-type": "application/xml"},
    ),
    "an object": (
        {**EXTENDED, "subject": None, "datacontenttype": "application/json"},
        f'"data" : {APPINFO}',
        APPINFO.encode(),
        {**SENT, **AS_JSON},
    ),
    "a number": (
        {**EXTENDED, "subject": None, "datacontenttype": "application/json"},
        '"data" : 1.50',
        b"1.50",
        {**SENT, **AS_JSON},
    ),
    "a string, its type implied": (
        {**EXTENDED, "subject": None},
        '"data" : "I\'m just a string"',
        b'"I\'m just a string"',
        {**SENT, **AS_JSON},
    ),
    "binary data of no type": (
        REQUIRED,
        '"data_base64" : "eyAieHl6IjogMTIzIH0="',
        b'{ "xyz": 123 }',
        {f"ce_{name}": value for name, value in REQUIRED.items()},
    ),
    "the specification's own": (
        {
            **EXTENDED,
            "type": "com.github.pull_request.opened",
            "source": "https://github.com/cloudevents/spec/pull",
            "subject": "123",
            "datacontenttype": "text/xml",
        },
        r'"data" : "<much wow=\"xml\"/>"',
        b'<much wow="xml"/>',
        {
            **SENT,
            "ce_type": "com.github.pull_request.opened",
            "ce_source": "https://github.com/cloudevents/spec/pull",
            "ce_subject": "123",
            "content-type": "text/xml",
        },
    ),
}


@pytest.mark.parametrize(("attributes", "data", "value", "headers"), SPEC_JSON.values(), ids=SPEC_JSON.keys())
@pytest.mark.parametrize("mode", ["structured", "batch"])
def test_the_json_formats_examples(
    attributes: dict[str, Any], data: str, value: bytes, headers: dict[str, str], mode: str
) -> None:
    body = (json.dumps(attributes, indent=4)[:-2] + f",\n    {data}\n}}\n").encode()
    result = events(body, STRUCTURED) if mode == "structured" else events(b"[ %b ]" % body, BATCH)
    assert only(result).values == [value]
    assert headers_of(result) == headers
    assert (result.received, result.accepted) == (1, 1)


@pytest.mark.parametrize(("attributes", "data", "value", "headers"), SPEC_JSON.values(), ids=SPEC_JSON.keys())
def test_the_same_events_in_binary_mode(
    attributes: dict[str, Any], data: str, value: bytes, headers: dict[str, str]
) -> None:
    given = {name.replace("ce_", "ce-"): text.encode() for name, text in headers.items()}
    result = events(value, given)
    assert (only(result).values, headers_of(result)) == ([value], headers)


def test_the_http_bindings_example_of_binary_mode() -> None:
    given = {
        "ce-specversion": b"1.0",
        "ce-type": b"com.example.someevent",
        "ce-time": b"2018-04-05T03:56:24Z",
        "ce-id": b"1234-1234-1234",
        "ce-source": b"/mycontext/subcontext",
        "content-type": b"application/json; charset=utf-8",
        "host": b"webhook.example.com",
    }
    result = events(b'{ "application":\t"data" }\n', given)
    assert only(result).values == [b'{ "application":\t"data" }\n']
    assert headers_of(result) == {
        "ce_specversion": "1.0",
        "ce_type": "com.example.someevent",
        "ce_time": "2018-04-05T03:56:24Z",
        "ce_id": "1234-1234-1234",
        "ce_source": "/mycontext/subcontext",
        "content-type": "application/json; charset=utf-8",
    }


def test_the_kafka_bindings_example_of_binary_mode() -> None:
    result = events(b"Obj\x01\x04avro", binary(datacontenttype=b"application/avro", partitionkey=b"mykey"))
    assert (only(result).keys, only(result).values) == ([b"mykey"], [b"Obj\x01\x04avro"])
    assert headers_of(result)["content-type"] == "application/avro"
    assert headers_of(result)["ce_partitionkey"] == "mykey"  # a key mapper takes nothing from its event


def test_the_batch_of_two_and_the_empty_batch() -> None:
    two = [
        {**EXTENDED, "source": "/mycontext/4", "datacontenttype": "a/b", "data_base64": b64encode(THRIFT).decode()},
        {**EXTENDED, "type": "com.example.someotherevent", "source": "/mycontext/9", "data": {"appinfoA": "abc"}},
    ]
    result = events(json.dumps(two).encode(), BATCH)
    assert (only(result).values, only(result).lines) == ([THRIFT, b'{"appinfoA": "abc"}'], [1, 2])
    assert [headers_of(result, index)["ce_source"] for index in (0, 1)] == ["/mycontext/4", "/mycontext/9"]
    nothing = events(b" [ ]", BATCH)
    assert (nothing.received, nothing.records, nothing.errors, nothing.may_be_empty) == (0, [], [], True)


HEADER_VALUES = {
    "Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀",
    "Euro%20%e2%82%ac": "Euro €",
    "%41%62c": "Abc",
    "%2525": "%25",
    '"quoted \\"text\\" \\\\ "': 'quoted "text" \\ ',
    '"%20"': " ",
    "a(b)c": "a(b)c",
    "100%": "100%",
}


@pytest.mark.parametrize(("given", "text"), HEADER_VALUES.items())
def test_values_of_http_headers_are_decoded_once(given: str, text: str) -> None:
    assert headers_of(events(b"", binary(subject=given.encode())))["ce_subject"] == text


@pytest.mark.parametrize("value", [b"%C0%A0", b"%ff", b"\xe4", b"%ED%A0%80"])
def test_a_header_that_is_not_utf_8_is_refused(value: bytes) -> None:
    assert events(b"", binary(subject=value)).errors[0].message == "attribute subject is not UTF-8"


def test_an_event_without_data_is_a_record_without_a_value() -> None:
    for result in (events(b"", binary(datacontenttype=b"application/json")), events(structured(), STRUCTURED)):
        assert only(result).values[0] is NO_VALUE
    assert events(b"", binary()).accepted == 1
    for empty in ({"data_base64": ""}, {"datacontenttype": "text/plain", "data": ""}):
        assert only(events(structured(**empty), STRUCTURED)).values[0] is not NO_VALUE


def test_null_is_data_where_it_is_json_and_nowhere_else() -> None:
    assert only(events(structured(data=None), STRUCTURED)).values == [b"null"]
    for members in ({"datacontenttype": "text/plain", "data": None}, {"data_base64": None}):
        assert only(events(structured(**members), STRUCTURED)).values[0] is NO_VALUE
    both = events(structured(data=None, data_base64="YQ=="), STRUCTURED)
    assert (only(both).values, headers_of(both).get("content-type")) == ([b"a"], None)


NO_EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    **{f"no {name}": ({name: None}, f"attribute {name} is missing") for name in REQUIRED},
    "empty id": ({"id": ""}, "attribute id must not be empty"),
    "empty type": ({"type": ""}, "attribute type must not be empty"),
    "empty source": ({"source": ""}, "attribute source must be a URI-reference"),
    "source with a space": ({"source": "/a b"}, "attribute source must be a URI-reference"),
    "source with half an escape": ({"source": "/a%2"}, "attribute source must be a URI-reference"),
    "another version": ({"specversion": "0.3"}, "attribute specversion must be 1.0"),
    "a number as version": ({"specversion": 1.0}, "attribute specversion must be a string"),
    "a number as id": ({"id": 5}, "attribute id must be a string"),
    "empty subject": ({"subject": ""}, "attribute subject must not be empty"),
    "relative schema": ({"dataschema": "/schema"}, "attribute dataschema must be an absolute URI"),
    "time of no zone": ({"time": "2018-04-05T17:31:00"}, "attribute time must be a timestamp"),
    "time of no day": ({"time": "2018-02-30T17:31:00Z"}, "attribute time must be a timestamp"),
    "time of no hour": ({"time": "2018-02-20T24:31:00Z"}, "attribute time must be a timestamp"),
    "no media type": ({"datacontenttype": "json"}, "attribute datacontenttype must be a media type"),
    "an event in an event": ({"datacontenttype": "application/cloudevents+json"}, "names a format of events"),
    "a name with a large letter": ({"myExtension": "a"}, "'myExtension' is no name of an attribute"),
    "a name with a dash": ({"my-extension": "a"}, "'my-extension' is no name of an attribute"),
    "no name": ({"": "a"}, "'' is no name of an attribute"),
    "a control character": ({"subject": "a\nb"}, "attribute subject holds a character"),
    "a later control character": ({"ext": "a\x85"}, "attribute ext holds a character"),
    "a noncharacter": ({"ext": "a\ufdd0"}, "attribute ext holds a character"),
    "a noncharacter of a later plane": ({"ext": "a\U0002ffff"}, "attribute ext holds a character"),
    "a fraction": ({"ext": 1.5}, "attribute ext must be a string, a boolean or an integer"),
    "an integer of 33 bits": ({"ext": 2**31}, "attribute ext must be a string, a boolean or an integer"),
    "an object": ({"ext": {}}, "attribute ext must be a string, a boolean or an integer"),
    "an empty partition key": ({"partitionkey": ""}, "attribute partitionkey must not be empty"),
    "data twice": ({"data": 1, "data_base64": "YQ=="}, "data and data_base64 exclude each other"),
    "no base64": ({"data_base64": "Y!=="}, "data_base64 is not base64"),
    "base64 cut off": ({"data_base64": "YQ"}, "data_base64 is not base64"),
    "base64 in lines": ({"data_base64": "YQ\n=="}, "data_base64 is not base64"),
    "base64 of a number": ({"data_base64": 1}, "data_base64 must be a string"),
    "an object as text": ({"datacontenttype": "text/plain", "data": {}}, "data must be a string"),
}


@pytest.mark.parametrize(("members", "message"), NO_EVENTS.values(), ids=NO_EVENTS.keys())
def test_what_is_no_event_says_which_attribute(members: dict[str, Any], message: str) -> None:
    for result in (events(structured(**members), STRUCTURED), events(b"[%b]" % structured(**members), BATCH)):
        (error,) = result.errors
        assert (error.reason, result.records, result.received) == ("InvalidCloudEvent", [], 1)
        assert message in error.message


def test_a_lone_surrogate_is_no_json() -> None:
    assert events(structured(ext="\ud800"), STRUCTURED).errors[0].reason == "InvalidJSON"


TYPES = [(True, "true"), (False, "false"), (-(2**31), "-2147483648"), (2**31 - 1, "2147483647"), ("ä😀", "ä😀")]


@pytest.mark.parametrize(("value", "text"), TYPES)
def test_each_type_has_its_text(value: Any, text: str) -> None:
    assert headers_of(events(structured(ext=value), STRUCTURED))["ce_ext"] == text


@pytest.mark.parametrize(
    "time", ["2018-04-05T17:31:00.123456789Z", "2016-12-31t23:59:60z", "2018-04-05T17:31:00+05:30"]
)
def test_times_of_rfc_3339(time: str) -> None:
    assert headers_of(events(structured(time=time), STRUCTURED))["ce_time"] == time


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"host": b"gw"}, "attribute id is missing"),
        (binary() | {"ce-specversion": b"0.3"}, "attribute specversion must be 1.0"),
        (binary() | {"ce-datacontenttype": b"text/plain"}, "header ce-datacontenttype must not be there"),
        (binary(data=b"a"), "'data' is no name of an attribute"),
        (binary() | {"ce-my-extension": b"a"}, "'my-extension' is no name of an attribute"),
        (binary() | {"ce-": b"a"}, "'' is no name of an attribute"),
        (binary(datacontenttype=b"json"), "attribute datacontenttype must be a media type"),
        (binary(datacontenttype=b"application/cloudevents+avro"), "names a format of events"),
        (binary(subject=b"a%0Ab"), "attribute subject holds a character"),
    ],
)
def test_headers_that_make_no_event(headers: dict[str, bytes], message: str) -> None:
    result = events(b"{}", headers)
    assert message in result.errors[0].message
    assert (result.broken, result.records) == (result.errors[0], [])


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        (b"application/json", b"{", "InvalidJSON"),
        (b"application/problem+json", b"I'm just a string", "InvalidJSON"),
        (b"application/json", b'"\xff"', "InvalidJSON"),
        (b"application/json", b"[" * 5_000, "NestedTooDeeply"),
        (b"text/plain", b"x" * 5_001, "LineTooLarge"),
    ],
)
def test_data_that_cannot_be_taken(content_type: bytes, body: bytes, reason: str) -> None:
    result = events(body, binary(datacontenttype=content_type), limits={"lineBytes": 5_000})
    assert [error.reason for error in result.errors] == [reason]
    assert result.broken is not None


@pytest.mark.parametrize("body", [b"{}", b"", b" ", b"[{}", b"null"])
def test_a_batch_is_an_array(body: bytes) -> None:
    result = events(body, BATCH, partial="Accept")
    assert result.broken is not None
    assert (result.received, refused(result)) == (1, [1])


def test_events_of_a_batch_are_judged_one_by_one() -> None:
    body = b"[%b, 3, %b, %b]" % (structured(data=1), structured(id=""), structured(data=4))
    result = events(body, BATCH, partial="Accept")
    assert (sent(result), refused(result), only(result).values) == ([1, 4], [2, 3], [b"1", b"4"])
    assert [error.reason for error in result.errors] == ["NotAnObject", "InvalidCloudEvent"]
