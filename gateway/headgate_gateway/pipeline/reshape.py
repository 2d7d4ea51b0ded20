"""Runs lines through the repo's executors: a line becomes an object, and what they make of it is written anew.

Never lets a defect of an executor cost more than its line, nor a run make more than there is time to reserve.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from headgate_gateway.pipeline.executors import Chain, Refusal, StepFailedError
from headgate_gateway.pipeline.executors.bounds import MAX_EVENT_BYTES, MAX_EVENTS, too_many_bytes, too_many_events
from headgate_gateway.pipeline.placing import BodyState
from headgate_gateway.pipeline.records import RECORD_OVERHEAD
from headgate_gateway.pipeline.result import LineError, LineReason, Processed
from headgate_gateway.pipeline.run import CutBody, DecodedRun, Run
from headgate_gateway.pipeline.steps import Event

RESHAPED_RUN_BYTES = 16 * 2**10
"""Bytes of lines between two reservations: a line may become many times its size."""
MADE_BYTES = 2**20
"""What the lines of a run may become before the others wait until that is reserved."""
ENCODE_STEP = "encode"
MAX_MESSAGE = 400
"""Characters of a message: executors may say anything."""

OpenEvent = Callable[[bytes, Any], Event]
"""Takes a line and its row, returns its event. Raises UnopenableError."""

Reshape = Callable[[DecodedRun, Processed], DecodedRun | None]
"""Returns the lines that are still to come, with all errors so far, where those before have become enough."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class UnopenableError(Exception):
    """A line whose fields could be read, and that cannot be taken as a whole."""

    def __init__(self, reason: LineReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def open_line(line: bytes, row: Any) -> Event:
    """The event of a line of which the constraint's fields were read."""
    del row
    try:
        return _decode(line)
    except RecursionError as error:
        raise UnopenableError(LineReason.NESTED_TOO_DEEPLY, "the line nests too deeply") from error
    except msgspec.DecodeError as error:
        raise UnopenableError(LineReason.INVALID_JSON, str(error)) from error


def open_row(line: bytes, row: Any) -> Event:
    """The event that was read already."""
    del line
    event: Event = row
    return event


def open_text(line: bytes, row: Any) -> Event:
    """The event of a line of text."""
    del line
    return {"message": row}


class _OverBoundError(Exception):
    """A line became more than any may."""


def cut_again(body: BodyState, cut: CutBody, whole: bytes | bytearray) -> Iterator[Run]:
    """The runs of a body, each one again for as long as something is left of it."""
    for run in cut(whole):
        yield run
        while body.rest is not None:
            yield run


def compile_reshape(chain: Chain, open_event: OpenEvent) -> Reshape:
    """The way of a run's lines through a chain."""

    def reshape(decoded: DecodedRun, result: Processed) -> DecodedRun | None:
        lines: list[bytes] = []
        rows: list[Event] = []
        numbers: list[int] = []
        values: list[bytes] = []
        made = 0
        to_come = zip(decoded.lines, decoded.rows, decoded.numbers, strict=True)
        for line, row, number in to_come:
            if made >= MADE_BYTES:
                rest = _rest_of(decoded, [(line, row, number), *to_come])
                decoded.lines, decoded.rows, decoded.numbers, decoded.values = lines, rows, numbers, values
                return rest
            try:
                outcome = chain(open_event(line, row), len(line))
                events: list[Event]
                match outcome:
                    case dict():
                        # The way of most lines: nothing is added before the one step that may fail.
                        value = _encode(outcome)
                        if len(value) > MAX_EVENT_BYTES:
                            raise _OverBoundError(too_many_bytes(len(value)))
                        made += len(value) + RECORD_OVERHEAD
                        values.append(value)
                        lines.append(line)
                        rows.append(outcome)
                        numbers.append(number)
                        continue
                    case list():
                        events = outcome
                        encoded, nbytes = _encode_all(events)
                        made += nbytes + len(events) * RECORD_OVERHEAD
                        values += encoded
                    case Refusal():
                        made += MADE_BYTES if outcome.costly else 0
                        decoded.errors.append(
                            _refuse(number, LineReason.EXECUTOR_REFUSED, outcome.message, outcome.step)
                        )
                        continue
                    case _:
                        events = []
            except Exception as error:  # noqa: BLE001
                # Broad on purpose: executors may be anybody's code, and whatever one raises costs its line alone.
                decoded.errors.append(_blame(number, error, result))
                made += MADE_BYTES if isinstance(error, _OverBoundError) else 0
                continue
            result.dropped += not events
            result.one_each = result.one_each and len(events) < 2
            lines += [line] * len(events)
            rows += events
            numbers += [number] * len(events)
        decoded.lines, decoded.rows, decoded.numbers, decoded.values = lines, rows, numbers, values
        return None

    return reshape


def _rest_of(decoded: DecodedRun, to_come: list[tuple[bytes, Any, int]]) -> DecodedRun:
    lines, rows, numbers = map(list, zip(*to_come, strict=True))
    return DecodedRun(lines, rows, numbers, decoded.counted)


def _encode_all(events: list[Event]) -> tuple[list[bytes], int]:
    """What is sent of them, and its bytes. Raises _OverBoundError before it is more than a line may become."""
    if len(events) > MAX_EVENTS:
        raise _OverBoundError(too_many_events(len(events)))
    encoded, nbytes = [], 0
    for event in events:
        value = _encode(event)
        nbytes += len(value)
        if nbytes > MAX_EVENT_BYTES:
            raise _OverBoundError(too_many_bytes(nbytes))
        encoded.append(value)
    return encoded, nbytes


def _blame(number: int, error: Exception, result: Processed) -> LineError:
    """Whose fault it is: the sender's where the line has no event, else a defect of an executor."""
    match error:
        case UnopenableError():
            return _refuse(number, error.reason, error.message)
        case _OverBoundError():
            return _refuse(number, LineReason.EXECUTOR_REFUSED, str(error), ENCODE_STEP)
        case StepFailedError(step=step):
            cause = error.__cause__
            defect = cause if isinstance(cause, Exception) else error
        case _:
            step, defect = ENCODE_STEP, error
    result.defects.setdefault(step, defect)
    return _refuse(number, LineReason.EXECUTOR_REFUSED, f"the step failed: {type(defect).__name__}", step)


def _refuse(number: int, reason: LineReason, message: str, step: str = "") -> LineError:
    return LineError(number, reason, message[:MAX_MESSAGE], step)
