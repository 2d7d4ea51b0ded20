"""An event in HTTP's binary mode: attributes in headers named ce-*, data as the body. Makes its JSON form.

Never lets the body be looked into further than its content type says: what is not JSON stays the bytes that it is.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from headgate_gateway.pipeline.cloudevents.attributes import (
    CONTENT_TYPE,
    DATA,
    DATA_BASE64,
    NotAnEventError,
    is_json,
    read_attributes,
)

PREFIX = "ce-"
HTTP_CONTENT_TYPE = "content-type"

_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_encode = msgspec.json.Encoder().encode
_skip = msgspec.json.Decoder(msgspec.Raw).decode


class DataNotJsonError(Exception):
    """Data that its content type calls JSON, and that is none."""


def event_headers(headers: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a request's headers say of its event, as it stands there."""
    return {
        name: value
        for name, value in headers.items()
        if name.startswith(PREFIX) or (name == HTTP_CONTENT_TYPE and value)
    }


def attributes_of(headers: Mapping[str, bytes]) -> dict[str, str]:
    """The attributes of `event_headers`. Raises NotAnEventError."""
    given: dict[str, Any] = {}
    for header, value in headers.items():
        if header == HTTP_CONTENT_TYPE:
            given[CONTENT_TYPE] = value.decode("latin-1")
        elif header == PREFIX + CONTENT_TYPE:
            raise NotAnEventError(f"header {header} must not be there: Content-Type says what the data is")
        else:
            name = header.removeprefix(PREFIX)
            given[name] = _decode_value(name, value)
    return read_attributes(given)


def _decode_value(name: str, raw: bytes) -> str:
    """A header's value as text (HTTP binding, section 3.1.3.2): quotation marks off, then one round of percent-decoding."""
    if b'"' in raw:
        raw = _QUOTED.sub(lambda found: _ESCAPED.sub(rb"\1", found[1]), raw)
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
    except UnicodeDecodeError:
        raise NotAnEventError(f"attribute {name[:40]} is not UTF-8") from None


def json_form(attributes: Mapping[str, str], body: bytes, *, with_data: bool) -> bytes:
    """The event as the JSON format has it; without its data where nobody reads them. Raises DataNotJsonError or RecursionError."""
    members: dict[str, Any] = dict(attributes)
    content_type = attributes.get(CONTENT_TYPE)
    if body and content_type is not None and is_json(content_type):
        _check_json(body)
        members[DATA] = msgspec.Raw(body)
    elif body and with_data:
        _add_other(members, body, content_type)
    return _encode(members)


def _add_other(members: dict[str, Any], body: bytes, content_type: str | None) -> None:
    if content_type is not None:  # as a string without one they would be JSON
        try:
            members[DATA] = body.decode()
        except UnicodeDecodeError:
            pass
        else:
            return
    members[DATA_BASE64] = b64encode(body).decode()


def _check_json(body: bytes) -> None:
    try:
        body.decode()
        _skip(body)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise DataNotJsonError(f"the data is not the JSON that its content type says: {error}") from error
