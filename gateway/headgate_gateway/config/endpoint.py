"""Where a repo is reached over HTTP, what it takes, and what it answers with."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from headgate_gateway.config.base import ContractModel, TopicName, cel


class EventFormat(StrEnum):
    """How a request's body is cut into events."""

    JSONL = "JSONL"
    JSON = "JSON"
    CLOUD_EVENTS = "CloudEvents"
    TEXT = "Text"


class ResponseFormat(StrEnum):
    """What the body of a 200 holds."""

    RECEIPT = "Receipt"
    OFFSET = "Offset"
    EMPTY = "Empty"


class Envelope(StrEnum):
    """What is put around a request's text to make the record of it."""

    NONE = "None"
    BODY_DATA = "BodyData"


RequestPath = Annotated[str, Field(min_length=2, max_length=512, pattern=r"^(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+$")]
"""An exact path: segments of RFC 3986 characters, no percent-encoding, no trailing slash, no empty segment."""

HeaderName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
"""The name of an HTTP header (a token of RFC 9110)."""

OverLimitStatus = Annotated[Literal[429, 503], WithJsonSchema({"type": "integer", "enum": [429, 503]})]


class TopicHeader(ContractModel):
    """A request header that names the topic."""

    name: HeaderName
    """The HTTP header, such as `topic`. A request without it is refused with 400."""
    topics: Annotated[tuple[TopicName, ...], Field(min_length=1, max_length=256)]
    """The topics that it may name; any other is refused with 403."""


_OFFSET_RULE = (
    "!has(self.response) || self.response != 'Offset' || (has(self.format) && self.format == 'JSON')",
    "response Offset answers for one event, so it takes format JSON",
)
_ENVELOPE_RULE = (
    "!has(self.envelope) || self.envelope == 'None' || (has(self.format) && self.format == 'JSON')",
    "envelope BodyData is put around one JSON document a request, so it takes format JSON",
)


class Endpoint(ContractModel):
    """One path that takes events by POST."""

    model_config = ConfigDict(json_schema_extra=cel(_OFFSET_RULE, _ENVELOPE_RULE))

    path: RequestPath
    """The exact path, such as `/log/repo/nginx-access`. No two repos of a fleet may hold the same."""
    format: EventFormat = EventFormat.JSONL
    """JSONL: each line of the body is a JSON object. JSON: the body is one object, or an array of objects. CloudEvents: CloudEvents 1.0 over HTTP, in binary, structured or batch mode. Text: each line is an event, and has to be UTF-8; its one field is `message`."""
    response: ResponseFormat = ResponseFormat.RECEIPT
    """Receipt: counts, durability and offsets as JSON. Offset: `{"status":"ok","partition":P,"Offset":O}` of the request's one event, with offset -1 where the constraint dropped it. Empty: a 200 without a body."""
    topic_header: TopicHeader | None = None
    """Lets the request choose among named topics. It takes the place of `kafka.topic`; rules in `kafka.topics` come first."""
    envelope: Envelope = Envelope.NONE
    """BodyData: the record is `{"body_data": "..."}` around the request's text, written as lua-cjson writes it."""
    over_limit_status: OverLimitStatus | None = None
    """What a request over `limits.perGateway` is answered: 429 or 503. Without it 503 for JSONL, whose old clients retry only 5xx, and 429 for the others."""

    @model_validator(mode="after")
    def _check_one_event(self) -> Self:
        if self.response is ResponseFormat.OFFSET and self.format is not EventFormat.JSON:
            raise ValueError(_OFFSET_RULE[1])
        if self.envelope is not Envelope.NONE and self.format is not EventFormat.JSON:
            raise ValueError(_ENVELOPE_RULE[1])
        return self
