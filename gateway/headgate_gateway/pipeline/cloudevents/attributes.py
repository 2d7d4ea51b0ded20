"""An event's context attributes: their names, their types, and the text that each has outside of JSON.

Knows those of the specification by name; any other is an extension, whose type is whatever its value has.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

REQUIRED: Final = ("id", "source", "specversion", "type")
SPEC_VERSION: Final = "1.0"
DATA: Final = "data"
DATA_BASE64: Final = "data_base64"
CONTENT_TYPE: Final = "datacontenttype"
PARTITION_KEY: Final = "partitionkey"

_NAME = re.compile(r"[a-z0-9]+")
_LAST_TWO_OF_PLANES = "".join(chr(plane << 16 | code) for plane in range(17) for code in (0xFFFE, 0xFFFF))
_DISALLOWED = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_LAST_TWO_OF_PLANES}]")
_URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(rf'{_WORD}/{_WORD}(?:[ \t]*;[ \t]*(?:{_WORD}=(?:{_WORD}|"(?:[^"\\]|\\.)*"))?)*[ \t]*')
_INTEGERS = range(-(2**31), 2**31)


class NotAnEventError(ValueError):
    """What is no CloudEvent. The message names the attribute, never its value."""


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    try:
        date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return False
    return True


def _is_uri(text: str) -> bool:
    return _URI_REFERENCE.fullmatch(text) is not None and _SCHEME.match(text) is not None


_MUST_BE: dict[str, tuple[Callable[[str], Any], str]] = {
    "id": (bool, "not be empty"),
    "source": (_URI_REFERENCE.fullmatch, "be a URI-reference (RFC 3986), and not empty"),
    "specversion": (SPEC_VERSION.__eq__, f"be {SPEC_VERSION}"),
    "type": (bool, "not be empty"),
    CONTENT_TYPE: (_MEDIA_TYPE.fullmatch, "be a media type (RFC 2046)"),
    "dataschema": (_is_uri, "be an absolute URI (RFC 3986)"),
    "subject": (bool, "not be empty"),
    "time": (_is_time, "be a timestamp (RFC 3339)"),
    PARTITION_KEY: (bool, "not be empty"),
}


def read_attributes(given: Mapping[str, Any]) -> dict[str, str]:
    """The texts of attributes, by name; what is None is not set. Raises NotAnEventError."""
    found = {name: _text_of(name, value) for name, value in given.items() if value is not None}
    for name in REQUIRED:
        if name not in found:
            raise NotAnEventError(f"attribute {name} is missing")
    for name, (holds, what) in _MUST_BE.items():
        text = found.get(name)
        if text is not None and not holds(text):
            raise NotAnEventError(f"attribute {name} must {what}")
    return found


def _text_of(name: str, value: Any) -> str:
    if not _NAME.fullmatch(name) or name == DATA:
        raise NotAnEventError(f"{name[:40]!r} is no name of an attribute: those are lower-case letters and digits")
    if value.__class__ is str:
        if not (value.isascii() and value.isprintable()) and _DISALLOWED.search(value):
            raise NotAnEventError(f"attribute {name} holds a character that no attribute may hold")
        text: str = value
        return text
    if name in _MUST_BE and name != PARTITION_KEY:
        raise NotAnEventError(f"attribute {name} must be a string")
    if value.__class__ is bool:
        return "true" if value else "false"
    if value.__class__ is int and value in _INTEGERS:
        return str(value)
    raise NotAnEventError(f"attribute {name} must be a string, a boolean or an integer of 32 bits")


def is_json(content_type: str | None) -> bool:
    """Whether data of that content type is JSON, as it is in the JSON format where nothing is said."""
    if content_type is None:
        return True
    subtype = content_type.partition(";")[0].strip().lower().partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


def is_event_format(content_type: str | None) -> bool:
    """Whether data of that content type would be taken for a whole event by who reads the record."""
    return content_type is not None and content_type.lower().startswith("application/cloudevents")
