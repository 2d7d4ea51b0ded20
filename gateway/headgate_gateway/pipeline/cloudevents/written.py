"""An event as a Kafka record in binary mode: data as the value, attributes as headers (Kafka binding, section 3.2)."""

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from headgate_gateway.pipeline.cloudevents.attributes import (
    CONTENT_TYPE,
    DATA,
    DATA_BASE64,
    PARTITION_KEY,
    NotAnEventError,
    is_event_format,
    is_json,
    read_attributes,
)
from headgate_gateway.pipeline.headers import Header
from headgate_gateway.pipeline.tombstone import NO_VALUE

KAFKA_CONTENT_TYPE = "content-type"
_IMPLIED = "application/json"
_ABSENT = msgspec.UNSET

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Written:
    """What an event gives its record."""

    value: bytes
    """NO_VALUE: the event has no data."""
    headers: tuple[Header, ...]
    key: bytes | None
    """Its partition key (partitioning extension)."""


def write_members(members: Mapping[str, Any]) -> Written:
    """The record of an event in its JSON form, whose members may be msgspec.Raw. Raises NotAnEventError."""
    given = {name: _plain(name, value) for name, value in members.items() if name not in {DATA, DATA_BASE64}}
    attributes = read_attributes(given)
    content_type = attributes.get(CONTENT_TYPE)
    value = _data_of(members, content_type)
    if content_type is None and value is not NO_VALUE and _is_set(members.get(DATA, _ABSENT), members):
        attributes[CONTENT_TYPE] = _IMPLIED  # in JSON nobody has to say so, elsewhere it would be forgotten
    return write(attributes, value)


def write(attributes: Mapping[str, str], value: bytes) -> Written:
    """The record of attributes and data. Raises NotAnEventError."""
    if is_event_format(attributes.get(CONTENT_TYPE)):
        raise NotAnEventError(f"attribute {CONTENT_TYPE} names a format of events, and this one would be taken for it")
    headers = tuple((_header_of(name), text.encode()) for name, text in attributes.items())
    key = attributes.get(PARTITION_KEY)
    return Written(value, headers, None if key is None else key.encode())


def _header_of(name: str) -> str:
    return KAFKA_CONTENT_TYPE if name == CONTENT_TYPE else f"ce_{name}"


def _plain(name: str, value: Any) -> Any:
    if value.__class__ is not msgspec.Raw:
        return value
    try:
        return _decode(value)
    except (msgspec.DecodeError, RecursionError):
        raise NotAnEventError(f"attribute {name[:40]} cannot be read") from None


def _is_set(data: Any, members: Mapping[str, Any]) -> bool:
    """Whether `data` are the data: a null beside others, in base64, says that there are none here."""
    return data is not _ABSENT and not (_is_null(data) and not _is_null(members.get(DATA_BASE64)))


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, msgspec.Raw) and bytes(memoryview(value)[:5]) == b"null")


def _data_of(members: Mapping[str, Any], content_type: str | None) -> bytes:
    data, encoded = members.get(DATA, _ABSENT), members.get(DATA_BASE64)
    if not _is_null(encoded):
        if _is_set(data, members):
            raise NotAnEventError(f"{DATA} and {DATA_BASE64} exclude each other")
        return _from_base64(_plain(DATA_BASE64, encoded))
    if data is _ABSENT:
        return NO_VALUE
    if is_json(content_type):
        return _encode(data)
    if _is_null(data):
        return NO_VALUE
    plain = _plain(DATA, data)
    if plain.__class__ is not str:
        raise NotAnEventError(f"{DATA} must be a string, as {CONTENT_TYPE} says that they are no JSON")
    text: str = plain
    return text.encode()


def _from_base64(encoded: Any) -> bytes:
    if encoded.__class__ is not str:
        raise NotAnEventError(f"{DATA_BASE64} must be a string")
    try:
        return a2b_base64(encoded, strict_mode=True)
    except (Base64Error, ValueError):
        raise NotAnEventError(f"{DATA_BASE64} is not base64 (RFC 4648)") from None
