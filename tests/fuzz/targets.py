"""What is fuzzed: functions of bytes that raise AssertionError where something does not hold for whatever bytes.

No crash, no hang, no wrong count. `tests/unit/fuzz` calls them with Hypothesis in every `make check`, and the harness
in `__main__` with a fuzzer that follows coverage.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from tests.fuzz.requests import fuzz_requests
from tests.unit.gateway.builders import constraint, expression, repo_config

from headgate_gateway.http.decoding import (
    CODINGS,
    PIECE_BYTES,
    DecodedTooLargeError,
    InvalidEncodingError,
    decode,
    foretold,
)
from headgate_gateway.http.messages import Head, HttpError
from headgate_gateway.http.reader import END, RequestReader
from headgate_gateway.pipeline.cloudevents import Mode, mode_of
from headgate_gateway.pipeline.compile import CompiledEndpoint, compile_repo
from headgate_gateway.pipeline.executors import ExecutorContext, Refusal, compile_executors
from headgate_gateway.pipeline.json_body import NotEventsError, cut_events
from headgate_gateway.pipeline.lines import split_lines
from headgate_gateway.pipeline.result import Processed
from headgate_gateway.pipeline.steps import DROP

Target = Callable[[bytes], None]

# The parser


def fuzz_parser(data: bytes) -> None:
    """However the bytes of a connection come, they are the same requests, and what is refused is refused."""
    whole = _events([data], at_once=False)
    assert _events([data], at_once=True) == whole
    sizes = data[:4] or b"\1"
    for size in {1, *(number % 40 + 1 for number in sizes)}:
        assert _events((data[at : at + size] for at in range(0, len(data), size)), at_once=False) == whole


def _events(parts: Iterable[bytes], *, at_once: bool) -> list[Any]:
    reader, found = RequestReader(), []
    next_of: Callable[[], Any] = reader.next_request if at_once else reader.next_event
    status = None
    try:
        for part in parts:
            reader.feed(part)
            while (event := next_of()) is not None:
                if isinstance(event, tuple):
                    found += [event[0], event[1], END] if event[1] else [event[0], END]
                elif isinstance(event, bytes) and found and isinstance(found[-1], bytes):
                    found[-1] += event
                else:
                    found.append(event)
    except HttpError as error:
        status = error.status
    # Whether pieces of a body that is not whole were told already depends on how they came.
    while found and isinstance(found[-1], bytes):
        found.pop()
    for event in found:
        if isinstance(event, Head):
            assert not (event.chunked and event.content_length)
            assert event.headers.get("host") is not None or event.is_http10
    assert status is None or 400 <= status <= 505
    return [*found, status is not None]


# The pipeline

_SETTINGS: Final[dict[str, Any]] = {
    "constraint": constraint(expression("a", "NotIn", "x", 1), expression("type", "NotIn", "dropped")),
    "limits": {"lineBytes": 512},
    "partial": "Accept",
    "kafka": {
        "key": {"field": "k"},
        "timestamp": {"field": "ts", "format": "UnixSeconds"},
        "headers": [{"name": "h", "field": "h.i"}],
        "topics": [{"when": [expression("a", "Gt", 1)], "topic": "large"}],
    },
}
_RESHAPED: Final[dict[str, Any]] = {
    "executors": [{"set": {"fields": [{"field": "added", "value": "x"}]}}],
    "partial": "Accept",
    "limits": {"lineBytes": 512},
}
_DEAD: Final[dict[str, Any]] = {"kafka": {**_SETTINGS["kafka"], "deadLetter": {"topic": "dead"}}}


def _endpoints(form: str) -> list[CompiledEndpoint]:
    variants = (_SETTINGS, _RESHAPED, {**_SETTINGS, **_DEAD}, {**_RESHAPED, **_DEAD})
    at = [{"path": "/p", "format": form}]
    return [compile_repo(repo_config(endpoints=at, **variant)).endpoints[0] for variant in variants]


LINES, TEXT, JSON, CLOUD_EVENTS = (_endpoints(form) for form in ("JSONL", "Text", "JSON", "CloudEvents"))


def _process(endpoint: CompiledEndpoint, body: bytes, headers: dict[str, bytes]) -> Processed:
    run = endpoint.begin(headers, 1_000)
    for piece in run.cut(body):
        assert run.feed(*piece) >= 0
    check_books(run.result)
    return run.result


def check_books(result: Processed) -> None:
    """Every event has one fate."""
    assert result.received == result.accepted + result.dropped + result.refused.count
    live = {line for records in result.records for line in records.lines}
    assert result.broken is not None or len(live) == result.accepted
    assert all(1 <= line <= result.counted for line in live)
    for records in result.records:
        assert records.lines == sorted(records.lines)
        for column in (records.values, records.keys, records.timestamps, records.row_headers):
            assert column is None or len(column) == len(records.lines)
    assert not result.defects


def fuzz_lines(data: bytes) -> None:
    """JSON lines and text: what is sent of a line is the line."""
    lines = split_lines(data) if data else []
    for endpoint in (*LINES, *TEXT):
        result = _process(endpoint, data, {})
        assert result.received == sum(not line.isspace() and line != b"" for line in lines)
        if endpoint in {LINES[0], LINES[2], TEXT[0], TEXT[2]}:
            for records in result.records:
                assert records.values == [lines[number - 1] for number in records.lines]


def fuzz_json(data: bytes) -> None:
    """JSON bodies: however an array is cut into runs, its elements are the same."""
    for endpoint in JSON:
        _process(endpoint, data, {})
    whole = _elements(data, 2**20)
    for size in (1, 7, 64):
        assert _elements(data, size) == whole


def _elements(data: bytes, size: int) -> list[bytes] | None:
    try:
        return [line for _, lines in cut_events(data, size, 2**20, one=False) for line in lines]
    except NotEventsError:
        return None


def fuzz_cloud_events(data: bytes) -> None:
    """CloudEvents: `name: value` lines, an empty line, a body. What is an event has its attributes in its record."""
    head, _, body = data.partition(b"\n\n")
    pairs = (line.partition(b": ")[::2] for line in head.split(b"\n"))
    headers = {name.decode("latin-1").lower(): value for name, value in pairs}
    mode = mode_of(headers.get("content-type", b""))
    for endpoint in CLOUD_EVENTS:
        result = _process(endpoint, body, headers)
        for records in result.records:
            if not records.dead_letter:
                check_events(records.row_headers or [])
        if mode is Mode.BINARY:
            assert result.received == 1
            _check_binary(result, body, headers)


def check_events(row_headers: list[tuple[tuple[str, bytes], ...]]) -> None:
    """Each has what every event has, in UTF-8."""
    for row in row_headers:
        named = dict(row)
        assert named["ce_specversion"] == b"1.0"
        assert named["ce_id"]
        assert named["ce_source"]
        assert named["ce_type"]
        assert all(value.decode().isprintable() or not value.isascii() for name, value in row if name[:3] == "ce_")


def _check_binary(result: Processed, body: bytes, headers: dict[str, bytes]) -> None:
    content_type = headers.get("content-type", b"").lower()
    for records in result.records:
        value = bytes(records.values[0])
        if value != body:  # executors write JSON anew
            assert b"json" in content_type
            assert msgspec.json.decode(value) == msgspec.json.decode(body)


# The decoders

_DECODERS: Final[list[dict[str, Any]]] = [
    {"format": "JSON"},
    {"format": "Logfmt"},
    {"format": "CSV", "columns": ["a", "", "c"]},
    {"format": "CSV", "columns": ["a", "b"], "separator": ";"},
    {"format": "TSV", "columns": ["a", "b"]},
    {"format": "NginxCombined"},
    {"format": "Regex", "pattern": r"(?P<first>\w+)[ =](?P<rest>.*)|(?P<digits>\d{2,})"},
]


def _compile(step: dict[str, Any]) -> Any:
    return compile_executors(repo_config(executors=[{"decoder": step}]).executors, ExecutorContext("ns", "name", {}))


_CHAINS: Final = [
    (step, _compile({**step, **more})) for step in _DECODERS for more in ({}, {"into": "made", "keepSource": True})
]


def fuzz_decoders(data: bytes) -> None:
    """Every decoder makes an event that can be written, or refuses its text."""
    text = data.decode(errors="replace")
    for step, chain in _CHAINS:
        outcome = chain({"message": text, "other": 1})
        if isinstance(outcome, Refusal):
            assert outcome.message
            assert outcome.step
            continue
        assert outcome is not DROP
        assert isinstance(outcome, dict), step
        msgspec.json.encode(outcome)
        assert outcome.get("message", text) is not None or step["format"] == "JSON"


# The codings

_LIMIT: Final = 2**20


def fuzz_codings(data: bytes) -> None:
    """The first byte chooses the coding: what comes out is within its bounds, or is refused."""
    codings = sorted(CODINGS)
    coding, body = codings[data[0] % len(codings)] if data else codings[0], data[1:]
    decoded = 0
    try:
        most = max(PIECE_BYTES, foretold(coding, body))
        for piece in decode(coding, body, _LIMIT):
            assert 0 < len(piece) <= most
            decoded += len(piece)
            assert decoded <= _LIMIT
    except (InvalidEncodingError, DecodedTooLargeError):
        pass


TARGETS: Final[dict[str, Target]] = {
    "parser": fuzz_parser,
    "lines": fuzz_lines,
    "json": fuzz_json,
    "cloudevents": fuzz_cloud_events,
    "decoders": fuzz_decoders,
    "codings": fuzz_codings,
    "requests": fuzz_requests,
}
