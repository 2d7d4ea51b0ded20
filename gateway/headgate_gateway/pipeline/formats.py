"""How an endpoint's bodies become events: what cuts them, what decodes them, and what a record's value is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from headgate_gateway.config.endpoint import Endpoint, Envelope, EventFormat, ResponseFormat
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.pipeline.cloudevents import Mode, mode_of
from headgate_gateway.pipeline.cloudevents.attributes import DATA, DATA_BASE64
from headgate_gateway.pipeline.cloudevents.binary import HTTP_CONTENT_TYPE, event_headers
from headgate_gateway.pipeline.cloudevents.reading import (
    compile_decode_binary,
    compile_decode_json,
    cut_batch,
    cut_whole,
    write_again,
)
from headgate_gateway.pipeline.envelope import wrap_body_data
from headgate_gateway.pipeline.fields import Fields, FieldSet, JsonFields, ObjectFields, TextFields
from headgate_gateway.pipeline.headers import Header
from headgate_gateway.pipeline.json_body import cut_document, cut_events
from headgate_gateway.pipeline.lines import bounded_runs, compile_decode
from headgate_gateway.pipeline.reshape import RESHAPED_RUN_BYTES, OpenEvent, open_line, open_row, open_text
from headgate_gateway.pipeline.run import RUN_BYTES, CutBody, DecodedRun, DecodeRun
from headgate_gateway.pipeline.text import compile_decode_text


@dataclass(frozen=True, slots=True)
class Form:
    """A format, for one repo's endpoint."""

    cut: CutBody
    """May raise NotEventsError, at once or later."""
    decode: DecodeRun
    fields: Fields
    """How the rows are read that `decode` makes."""
    open_event: OpenEvent
    """How a row becomes an event for executors."""
    wrap: Callable[[bytes], bytes] | None = None
    """What is put around each value; None: nothing."""
    is_json: bool = False
    """Whether the body as a whole is JSON, and may as a whole be none."""
    is_document: bool = False
    """Whether such a body is one event, even if it is an array."""
    may_be_empty: bool = False
    """Whether a body without any event is a good one."""
    write_again: Callable[[DecodedRun], None] | None = None
    """Makes records of what executors made; None: its JSON is the record."""
    source_headers: tuple[Header, ...] = ()
    """What a request's headers say of its one event."""
    for_request: "Callable[[Mapping[str, bytes]], Form] | None" = None
    """The form of one request's body, where its headers have a say in it; None: this one."""


def compile_form(config: RepoConfig, endpoint: Endpoint, paths: list[str]) -> Form:
    """The form of an endpoint's bodies; `paths` are the fields that are read of events as they came.

    Raises ValueError for a format that this gateway does not know.
    """
    size = RESHAPED_RUN_BYTES if config.executors else RUN_BYTES
    limit = config.limits.line_bytes
    match endpoint.format:
        case EventFormat.JSONL:
            fields, open_event = _json_fields(config, paths)
            return Form(partial(bounded_runs, size=size), compile_decode(fields, limit), fields, open_event)
        case EventFormat.JSON:
            return _compile_json(config, endpoint, paths, size)
        case EventFormat.TEXT:
            return Form(partial(bounded_runs, size=size), compile_decode_text(limit), TextFields(), open_text)
        case EventFormat.CLOUD_EVENTS:
            return _compile_cloud_events(config, paths, size)
        case _ as unknown:
            assert_never(unknown)


def _json_fields(config: RepoConfig, paths: list[str]) -> tuple[JsonFields, OpenEvent]:
    if config.executors and not paths:
        return ObjectFields(), open_row  # decoded once, as a whole
    return FieldSet(paths), open_line


def _compile_json(config: RepoConfig, endpoint: Endpoint, paths: list[str], size: int) -> Form:
    fields, open_event = _json_fields(config, paths)
    limit = config.limits.line_bytes
    if endpoint.envelope is Envelope.BODY_DATA:
        # The request's whole text is the event, and only executors need it to be an object.
        decode = compile_decode(fields, limit, any_json=not config.executors)
        return Form(cut_document, decode, fields, open_event, wrap_body_data, is_json=True, is_document=True)
    cut = partial(cut_events, size=size, line_limit=limit, one=endpoint.response is ResponseFormat.OFFSET)
    return Form(cut, compile_decode(fields, limit), fields, open_event, is_json=True)


def _compile_cloud_events(config: RepoConfig, paths: list[str], size: int) -> Form:
    fields, limit = FieldSet(paths), config.limits.line_bytes
    looks_into_data = bool(config.executors) or any(path.partition(".")[0] in {DATA, DATA_BASE64} for path in paths)
    decode_binary = compile_decode_binary(fields, limit, with_data=looks_into_data)
    structured = Form(
        cut_document,
        compile_decode_json(fields, limit),
        fields,
        open_line,
        is_json=True,
        is_document=True,
        write_again=write_again,
    )
    cut = partial(cut_batch, size=size, line_limit=limit)
    batch = replace(structured, cut=cut, is_document=False, may_be_empty=True)

    def for_request(headers: Mapping[str, bytes]) -> Form:
        match mode_of(headers.get(HTTP_CONTENT_TYPE, b"")):
            case Mode.STRUCTURED:
                return structured
            case Mode.BATCH:
                return batch
            case _:
                own = event_headers(headers)
                return replace(structured, cut=cut_whole, decode=decode_binary(own), source_headers=tuple(own.items()))

    return replace(structured, for_request=for_request)
