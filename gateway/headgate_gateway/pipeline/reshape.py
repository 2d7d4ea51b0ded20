"""Runs lines through the repo's executors: a line becomes an object, and what they make of it is written anew.

Never lets a defect of an executor cost more than its line.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from headgate_gateway.pipeline.executors import Chain, Refusal, StepFailedError
from headgate_gateway.pipeline.result import LineError, LineReason, Processed
from headgate_gateway.pipeline.run import DecodedRun
from headgate_gateway.pipeline.steps import Event

RESHAPED_RUN_BYTES = 16 * 2**10
"""Bytes of lines between two reservations: a line may become many times its size."""
ENCODE_STEP = "encode"
MAX_MESSAGE = 400
"""Characters of a message: executors may say anything."""

OpenEvent = Callable[[bytes, Any], Event]
"""Takes a line and its row, returns its event. Raises UnopenableError."""

Reshape = Callable[[DecodedRun, Processed], None]

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


def compile_reshape(chain: Chain, open_event: OpenEvent) -> Reshape:
    """The way of a run's lines through a chain."""

    def reshape(decoded: DecodedRun, result: Processed) -> None:
        lines: list[bytes] = []
        rows: list[Event] = []
        numbers: list[int] = []
        values: list[bytes] = []
        for line, row, number in zip(decoded.lines, decoded.rows, decoded.numbers, strict=True):
            try:
                outcome = chain(open_event(line, row))
                events: list[Event]
                match outcome:
                    case dict():
                        # The way of most lines: nothing is added before the one step that may fail.
                        values.append(_encode(outcome))
                        lines.append(line)
                        rows.append(outcome)
                        numbers.append(number)
                        continue
                    case list():
                        events = outcome
                        values += [_encode(event) for event in events]
                    case Refusal():
                        decoded.errors.append(
                            _refuse(number, LineReason.EXECUTOR_REFUSED, outcome.message, outcome.step)
                        )
                        continue
                    case _:
                        events = []
            except Exception as error:  # noqa: BLE001
                # Broad on purpose: executors may be anybody's code, and whatever one raises costs its line alone.
                decoded.errors.append(_blame(number, error, result))
                continue
            result.dropped += not events
            result.one_each = result.one_each and len(events) < 2
            lines += [line] * len(events)
            rows += events
            numbers += [number] * len(events)
        decoded.lines, decoded.rows, decoded.numbers, decoded.values = lines, rows, numbers, values

    return reshape


def _blame(number: int, error: Exception, result: Processed) -> LineError:
    """Whose fault it is: the sender's where the line has no event, else a defect of an executor."""
    match error:
        case UnopenableError():
            return _refuse(number, error.reason, error.message)
        case StepFailedError(step=step):
            cause = error.__cause__
            defect = cause if isinstance(cause, Exception) else error
        case _:
            step, defect = ENCODE_STEP, error
    result.defects.setdefault(step, defect)
    return _refuse(number, LineReason.EXECUTOR_REFUSED, f"the step failed: {type(defect).__name__}", step)


def _refuse(number: int, reason: LineReason, message: str, step: str = "") -> LineError:
    return LineError(number, reason, message[:MAX_MESSAGE], step)
