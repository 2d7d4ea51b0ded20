"""Where a repo is reached over HTTP, and what it answers with."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from headgate_gateway.config.base import ContractModel


class EventFormat(StrEnum):
    """How a request's body is cut into events."""

    JSONL = "JSONL"


class ResponseFormat(StrEnum):
    """What the body of a 200 holds."""

    RECEIPT = "Receipt"
    EMPTY = "Empty"


RequestPath = Annotated[str, Field(min_length=2, max_length=512, pattern=r"^(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+$")]
"""An exact path: segments of RFC 3986 characters, no percent-encoding, no trailing slash, no empty segment."""


class Endpoint(ContractModel):
    """One path that takes events by POST."""

    path: RequestPath
    """The exact path, such as `/log/repo/nginx-access`. No two repos of a fleet may hold the same."""
    format: EventFormat = EventFormat.JSONL
    """JSONL: each line of the body is a JSON object."""
    response: ResponseFormat = ResponseFormat.RECEIPT
    """Receipt: counts, durability and offsets as JSON. Empty: a 200 without a body."""
