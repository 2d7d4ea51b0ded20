"""Cuts a body of JSON into events: the elements of an array, or the one document that it is.

An element's bytes are those received. Arrays are cut into runs, as lines are: bounds what the elements of a large one
take, and how long the event loop is held. A place to cut is guessed, and proved by decoding what stands before it:
from between two elements on, text that is valid with a bracket around it ends between two elements again.
"""

import re
from collections.abc import Iterator

import msgspec

from headgate_gateway.pipeline.lines import parts_of
from headgate_gateway.pipeline.result import LineReason
from headgate_gateway.pipeline.run import RUN_BYTES, RUN_LINES, Run

_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_ARRAY = re.compile(rb"[ \t\n\r]*+\[")
_BETWEEN_OBJECTS = re.compile(rb"\}[ \t\n\r]*+(,)[ \t\n\r]*+\{")
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# Most of what nests is flat inside, and is passed over in one step of C.
_FLAT = rb'[\[{](?:[^"\[\]{}]++|%b)*+[\]}]' % _STRING
_TO_COMMA_OR_BRACKET = re.compile(rb'(?:[^",\[\]{}]++|%b|%b)*+([,\[\]{}])' % (_STRING, _FLAT), re.DOTALL)
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|%b|%b)*+([\[\]{}])' % (_STRING, _FLAT), re.DOTALL)
_BYTE = re.compile(r"\(byte (\d+)\)")


class NotEventsError(Exception):
    """The body as a whole is no events."""

    def __init__(self, reason: LineReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def cut_document(body: bytes | bytearray) -> Iterator[Run]:
    """The whole body as one event, nothing of it trimmed; none where it is blank."""
    document = bytes(body)
    return iter(()) if not document or document.isspace() else iter(((document, [document]),))


def cut_events(body: bytes | bytearray, size: int, line_limit: int, *, one: bool) -> Iterator[Run]:
    """The elements of an array, in runs of about `size` bytes, or the whole body where it is no array.

    Raises NotEventsError where it begins as an array and is none, where an element cannot be within `line_limit`
    bytes, and, with `one`, where there is more than one element. What came before is not to be sent then.
    """
    start = array_start(body)
    if not start:
        return cut_document(body)
    runs = _cut_array(bytes(body), start, size, line_limit)
    return _only_one(runs) if one else runs


def _only_one(runs: Iterator[Run]) -> Iterator[Run]:
    seen = 0
    for run in runs:
        seen += len(run[1])
        if seen > 1:
            message = "the body holds several events, and this endpoint answers with the offset of one"
            raise NotEventsError(LineReason.TOO_MANY_EVENTS, message)
        yield run


def _cut_array(body: bytes, start: int, size: int, line_limit: int) -> Iterator[Run]:
    begun = start
    while len(body) - start > 2 * size:
        end, elements = _likely_run(body, start, size) or _sure_run(body, start, size, line_limit)
        if end < 0:
            break
        yield from parts_of(elements)
        start = end + 1
    elements = _decode(b"[" + body[start:], start)
    if not elements and start > begun:
        raise NotEventsError(LineReason.INVALID_JSON, "JSON is malformed: the array ends with a comma")
    yield from parts_of(elements)


_Found = tuple[int, list[bytes]]
"""The place of the comma after some elements (-1: none), and the elements."""


def _likely_run(body: bytes, start: int, size: int) -> _Found | None:
    """Cut at what looks like the end of an object, and of no object within others."""
    found = _BETWEEN_OBJECTS.search(body, start + size, start + 2 * size)
    if found is None:
        return None
    try:
        elements = _decode_elements(b"[%b]" % body[start : found.start(1)])
    except (msgspec.DecodeError, RecursionError):
        return None
    return found.start(1), [bytes(element) for element in elements]


def _sure_run(body: bytes, start: int, size: int, line_limit: int) -> _Found:
    """Cut by counting brackets."""
    depth, seen, at = 0, 0, start
    within = start + size + line_limit + RUN_BYTES
    while found := (_TO_BRACKET if depth else _TO_COMMA_OR_BRACKET).match(body, at, within):
        at = found.end()
        sign = found[1]
        if sign == b",":
            seen += 1
            if at > start + size or seen == RUN_LINES:
                return at - 1, _decode(b"[%b]" % body[start : at - 1], start) or _refuse_hole()
        elif sign in b"[{":
            depth += 1
        else:
            depth -= 1
            if depth < 0:
                return -1, []
    if within < len(body):
        message = f"an event of the array has more bytes than the repo's limit of {line_limit}"
        raise NotEventsError(LineReason.TOO_LARGE, message)
    return -1, []


def _refuse_hole() -> list[bytes]:
    raise NotEventsError(LineReason.INVALID_JSON, "JSON is malformed: nothing stands between two commas")


def _decode(text: bytes, start: int) -> list[bytes]:
    """The elements; `start` is where they begin in the body, a bracket before them left out."""
    try:
        return [bytes(element) for element in _decode_elements(text)]
    except RecursionError as error:
        raise NotEventsError(LineReason.NESTED_TOO_DEEPLY, "the body nests too deeply") from error
    except msgspec.DecodeError as error:
        message = _BYTE.sub(lambda found: f"(byte {int(found[1]) + start - 1})", str(error))
        raise NotEventsError(LineReason.INVALID_JSON, message) from error


def array_start(body: bytes | bytearray) -> int:
    """Where the first element of an array begins; 0: the body is no array."""
    found = _ARRAY.match(body)
    return found.end() if found else 0
