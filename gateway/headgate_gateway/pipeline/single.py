"""The way of a request that is one good event, as most are: its record without cuts, runs or columns of many lines.

Compiled once per endpoint from the same parts as the way of all bodies. Whatever is not plainly such an event (a line
that is dropped or refused, a second line, a blank one) is left alone, for the way of all bodies to judge.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from headgate_gateway.config.endpoint import Endpoint, EventFormat
from headgate_gateway.config.repo import RepoConfig
from headgate_gateway.pipeline.columns import NO_COLUMNS, compile_columns
from headgate_gateway.pipeline.constraint import compile_expression
from headgate_gateway.pipeline.fields import FieldSet
from headgate_gateway.pipeline.formats import Form
from headgate_gateway.pipeline.headers import SharedHeaders
from headgate_gateway.pipeline.records import Records
from headgate_gateway.pipeline.run import RUN_BYTES, DecodedRun, is_utf8
from headgate_gateway.pipeline.topic import ChooseTopic

ReadSingle = Callable[[bytes, Mapping[str, bytes], int], Records | None]
"""Takes a whole body, the request's headers by lower-case name, and the time of acceptance in ms since the epoch."""

_OPENING, _CLOSING = ord("{"), ord("}")


def compile_single(
    config: RepoConfig, endpoint: Endpoint, form: Form, choose_topic: ChooseTopic, shared_headers: SharedHeaders
) -> ReadSingle | None:
    """The short way of an endpoint; None where all its bodies take the long one."""
    fields, routing = form.fields, config.kafka
    if config.executors or routing.topics or form.for_request is not None or not isinstance(fields, FieldSet):
        return None
    read_event = _compile_read_event(config, endpoint, fields)
    read_columns = compile_columns(routing, fields)
    profile, wrap = routing.producer_profile, form.wrap

    def read(body: bytes, request_headers: Mapping[str, bytes], now_ms: int) -> Records | None:
        found = read_event(body)
        if found is None:
            return None
        line, row = found
        columns = NO_COLUMNS
        if read_columns is not None:
            decoded = DecodedRun([line], [row], [1], 1)
            columns = read_columns(decoded, now_ms)
            if decoded.errors:
                return None
        value = line if wrap is None else wrap(line)
        topic, headers = choose_topic(request_headers), shared_headers(request_headers)
        keys, timestamps, row_headers = columns
        return Records(profile, topic, [value], [1], keys, timestamps, headers, row_headers)

    return read


def _compile_read_event(
    config: RepoConfig, endpoint: Endpoint, fields: FieldSet
) -> Callable[[bytes], tuple[bytes, Any] | None]:
    expressions = config.constraint.match_expressions if config.constraint else ()
    checks = [(fields.reader(expression.field), compile_expression(expression)) for expression in expressions]
    decode = msgspec.json.Decoder(fields.type).decode
    most = min(config.limits.line_bytes, RUN_BYTES)
    is_lines = endpoint.format is EventFormat.JSONL

    def read_event(body: bytes) -> tuple[bytes, Any] | None:
        line = body
        if is_lines:
            line = body[:-1] if body.endswith(b"\n") else body
            if b"\n" in line:
                return None
        if not line or line[0] != _OPENING or line[-1] != _CLOSING or len(line) > most or not is_utf8(line):
            return None
        try:
            row = decode(line)
        except (msgspec.DecodeError, RecursionError):
            return None
        for read, holds in checks:
            if not holds([read(row)])[0]:
                return None
        return line, row

    return read_event
