"""Decodes CloudEvents: events of a repo's endpoint, with the fields that the repo needs and what their records hold.

All modes come to one: an event's line is its JSON form, from which fields are read and which executors open.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from headgate_gateway.pipeline.cloudevents.attributes import NotAnEventError
from headgate_gateway.pipeline.cloudevents.binary import DataNotJsonError, attributes_of, json_form
from headgate_gateway.pipeline.cloudevents.written import Written, write, write_members
from headgate_gateway.pipeline.fields import FieldSet
from headgate_gateway.pipeline.json_body import NotEventsError, array_start, cut_events
from headgate_gateway.pipeline.lines import compile_decode
from headgate_gateway.pipeline.result import LineError, LineReason
from headgate_gateway.pipeline.run import DecodedRun, DecodeRun, Run, why_unusable
from headgate_gateway.pipeline.tombstone import NO_VALUE

ENCODE_STEP = "encode"
_UNLIMITED = 2**62
_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def cut_whole(body: bytes | bytearray) -> Iterator[Run]:
    """The body as the data of one event, even if there is none."""
    data = bytes(body)
    yield data, [data]


def cut_batch(body: bytes | bytearray, size: int, line_limit: int) -> Iterator[Run]:
    """The events of a batch. Raises NotEventsError, at once or later, as `cut_events` does."""
    if not array_start(body):
        raise NotEventsError(LineReason.INVALID_CLOUD_EVENT, "a batch is a JSON array of events")
    return cut_events(body, size, line_limit, one=False)


@dataclass(slots=True)
class _Kept:
    """Some rows of a run with what is written of them, in the order in which they come."""

    written: list[Written] = field(default_factory=list)
    holds: list[bool] = field(default_factory=list)

    def take(self, written: Written | None) -> None:
        self.holds.append(written is not None)
        if written is not None:
            self.written.append(written)

    def put_into(self, decoded: DecodedRun) -> None:
        if not all(self.holds):
            decoded.keep(self.holds)
        decoded.values = [written.value for written in self.written]
        decoded.headers = [written.headers for written in self.written]
        decoded.keys = [written.key for written in self.written]


def compile_decode_json(fields: FieldSet, line_limit: int) -> DecodeRun:
    """The decoder of events in their JSON form."""
    decode_objects = compile_decode(fields, line_limit)

    def decode_run(run: bytes, lines: list[bytes], before: int) -> DecodedRun:
        decoded, kept = decode_objects(run, lines, before), _Kept()
        for line, number in zip(decoded.lines, decoded.numbers, strict=True):
            written = None
            try:
                written = write_members(_members_of(line))
            except (NotAnEventError, msgspec.DecodeError, RecursionError) as error:
                decoded.errors.append(_error_of(number, error))
            kept.take(written)
        kept.put_into(decoded)
        return decoded

    return decode_run


def compile_decode_binary(
    fields: FieldSet, line_limit: int, *, with_data: bool
) -> Callable[[Mapping[str, bytes]], DecodeRun]:
    """For the headers of a request, the decoder of its one event; `with_data`: its data are looked into."""
    decode_object = compile_decode(fields, _UNLIMITED)

    def decode_run(headers: Mapping[str, bytes], run: bytes, lines: list[bytes], before: int) -> DecodedRun:
        del lines
        number = before + 1
        if len(run) > line_limit:
            reason, message = why_unusable(run, line_limit) or (LineReason.TOO_LARGE, "the data is too large")
            return _refused(LineError(number, reason, message))
        try:
            attributes = attributes_of(headers)
            written = write(attributes, run or NO_VALUE)
            line = json_form(attributes, run, with_data=with_data)
        except (NotAnEventError, DataNotJsonError, RecursionError) as error:
            return _refused(_error_of(number, error))
        decoded = decode_object(line, [line], before)
        if decoded.lines:
            decoded.values, decoded.headers, decoded.keys = [written.value], [written.headers], [written.key]
        return decoded

    return lambda headers: partial(decode_run, headers)


def _refused(error: LineError) -> DecodedRun:
    return DecodedRun([], [], [], 1, [error])


def _error_of(number: int, error: Exception) -> LineError:
    match error:
        case NotAnEventError():
            reason = LineReason.INVALID_CLOUD_EVENT
        case RecursionError():
            return LineError(number, LineReason.NESTED_TOO_DEEPLY, "the event nests too deeply")
        case _:
            reason = LineReason.INVALID_JSON
    return LineError(number, reason, str(error))


def write_again(decoded: DecodedRun) -> None:
    """What executors made of events becomes records, where they are events still; all of a line share its fate."""
    written = [_written_or_why(row) for row in decoded.rows]
    faults: dict[int, str] = {}
    for number, made in zip(decoded.numbers, written, strict=True):
        if isinstance(made, str):
            faults.setdefault(number, made)
    decoded.errors += [
        LineError(number, LineReason.EXECUTOR_REFUSED, f"what the executors made is no event: {fault}", ENCODE_STEP)
        for number, fault in faults.items()
    ]
    kept = _Kept()
    for number, made in zip(decoded.numbers, written, strict=True):
        kept.take(made if isinstance(made, Written) and number not in faults else None)
    kept.put_into(decoded)


def _written_or_why(event: dict[str, Any]) -> Written | str:
    try:
        return write_members(event)
    except NotAnEventError as error:
        return str(error)
