"""Runs an event through a repo's compiled steps, in order. The package's front door.

Owns what holds for all steps: the first DROP or Reject ends the way, several events share the fate of their line, and
no line makes more events, or more bytes of them, than the bounds allow. Never decides what a refusal means.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from headgate_gateway.config.executors import Executor
from headgate_gateway.pipeline.executors.bounds import MAX_EVENT_BYTES, MAX_EVENTS, too_many_bytes, too_many_events
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.registry import COMPILERS
from headgate_gateway.pipeline.steps import DROP, Dropped, Event, Reject, Step


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that a step cannot work on."""

    step: str
    """Which one, such as `executors[2].cast`."""
    message: str
    """Why, without the field's value."""
    costly: bool = False
    """Whether it took the work of many events to find out."""


class StepFailedError(Exception):
    """A step raised what no step should: a defect of its own, which is the cause of this."""

    def __init__(self, step: str) -> None:
        super().__init__(f"{step} failed")
        self.step = step


Outcome = Event | list[Event] | Dropped | Refusal
Chain = Callable[[Event], Outcome]
"""Takes a line's event, which it may change, and returns what becomes of it. A list is never empty.

Raises StepFailedError, most likely by a plugin."""

_Steps = tuple[tuple[str, Step], ...]


def compile_executors(executors: Sequence[Executor], context: ExecutorContext) -> Chain:
    """One chain of all steps. Raises ValueError, naming the executor, where one cannot run."""
    steps = tuple(_compile_one(index, executor, context) for index, executor in enumerate(executors))
    return partial(_run, steps)


def _run(steps: _Steps, event: Event) -> Outcome:
    name = ""
    try:
        for index, (name, step) in enumerate(steps, 1):
            answer = step(event)
            if isinstance(answer, dict):
                event = answer
            elif answer is DROP:
                return DROP
            elif isinstance(answer, Reject):
                return Refusal(name, answer.message)
            else:
                return _run_all(name, steps[index:], answer)
    except RecursionError:
        # Texts decoded into fields can nest deeper than any line.
        return Refusal(name, "the event nests too deeply")
    except StepFailedError:
        raise
    except Exception as error:
        raise StepFailedError(name) from error
    return event


def _run_all(name: str, steps: _Steps, events: list[Event]) -> Outcome:
    made: list[Event] = []
    weight = 0
    for event in events:
        outcome = _run(steps, event)
        if outcome.__class__ is dict:
            made.append(outcome)
        elif outcome.__class__ is list:
            made += outcome
            weight += sum(map(_weight, outcome))
        elif outcome is not DROP:
            return outcome
        if len(made) > MAX_EVENTS:
            return Refusal(name, too_many_events(len(made)), costly=True)
        if weight > MAX_EVENT_BYTES:
            return Refusal(name, too_many_bytes(weight), costly=True)
    return made or DROP


def _weight(event: Event) -> int:
    return len(msgspec.json.encode(event))


def _compile_one(index: int, executor: Executor, context: ExecutorContext) -> tuple[str, Step]:
    word = executor.name
    name = f"executors[{index}].{word}"
    try:
        return name, COMPILERS[word](getattr(executor, word), context)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
