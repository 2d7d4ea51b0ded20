"""The record's headers: fixed ones, ones from the request, ones from fields of the line, and where it comes from.

A request's `traceparent` (W3C Trace Context) is passed on too, unless the repo sets a header of that name itself.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from headgate_gateway.config.kafka import REPO_HEADER, REVISION_HEADER, HeaderSource
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.pipeline.fields import Fields
from headgate_gateway.pipeline.result import LineReason
from headgate_gateway.pipeline.scalar import NOT_SCALAR, compile_scalars
from headgate_gateway.pipeline.step import StepError

Header = tuple[str, bytes]
SharedHeaders = Callable[[Mapping[str, bytes]], tuple[Header, ...]]
"""Takes the request's headers by lower-case name."""
RowHeaders = Callable[[list[Any], list[bytes], list[StepError]], list[tuple[Header, ...]]]

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{1,200})?")


def provenance_of(config: RepoConfig) -> tuple[Header, ...]:
    """The headers that say which repo and revision made a record; none unless the repo asks for them."""
    if not config.kafka.provenance:
        return ()
    return (
        (REPO_HEADER, f"{config.namespace}/{config.name}".encode()),
        (REVISION_HEADER, config.revision.encode()),
    )


def compile_shared_headers(sources: tuple[HeaderSource, ...], provenance: tuple[Header, ...] = ()) -> SharedHeaders:
    """Headers that all records of a request carry."""
    fixed = tuple((source.name, source.value.encode()) for source in sources if source.value is not None) + provenance
    copied = tuple((s.name, s.request_header.lower()) for s in sources if s.request_header is not None)
    passes_trace = all(source.name.lower() != "traceparent" for source in sources)

    def shared(request: Mapping[str, bytes]) -> tuple[Header, ...]:
        found = fixed
        if copied:
            found += tuple((name, request[header]) for name, header in copied if header in request)
        trace = request.get("traceparent") if passes_trace else None
        if trace is not None and _TRACEPARENT.fullmatch(trace):
            found += (("traceparent", trace),)
        return found

    return shared


def compile_row_headers(sources: tuple[HeaderSource, ...], fields: Fields) -> RowHeaders | None:
    """Headers from fields; None when the repo has none of that kind. A field without a value gives no header."""
    readers = [
        (source.name, source.field, fields.column(source.field), compile_scalars(source.field, fields))
        for source in sources
        if source.field is not None
    ]
    if not readers:
        return None

    def row_headers(rows: list[Any], lines: list[bytes], errors: list[StepError]) -> list[tuple[Header, ...]]:
        found: list[tuple[Header, ...]] = [()] * len(rows)
        for name, field, column, scalars in readers:
            for index, value in enumerate(scalars(column(rows), lines)):
                if value is NOT_SCALAR:
                    message = f"field {field!r} is a header and must be a string, a number, a boolean or null"
                    errors.append((index, LineReason.INVALID_HEADER, message))
                elif value is not None:
                    found[index] += ((name, value),)
        return found

    return row_headers
