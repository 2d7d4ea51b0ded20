"""Runs an event through a repo's compiled steps, in order. The package's front door.

Owns what holds for all steps: the first DROP or Reject ends the way, several events share the fate of their line, and
no line makes more events, or heavier ones, than the bounds allow. Never decides what a refusal means.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Protocol

import msgspec

from headgate_gateway.config.executors import Executor, SetFields
from headgate_gateway.pipeline.executors.bounds import (
    MAX_EVENTS,
    MAX_LOOKED_AT,
    MAX_WEIGHT,
    too_heavy,
    too_many_events,
    too_much_to_weigh,
)
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.registry import COMPILERS
from headgate_gateway.pipeline.executors.weight import growth_of, most_of_line, most_of_text, weigh
from headgate_gateway.pipeline.steps import DROP, Dropped, Event, Reject, Step

_encode = msgspec.json.Encoder().encode


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


class Chain(Protocol):
    """All steps of a repo."""

    def __call__(self, event: Event, line_bytes: int = ...) -> Outcome:
        """Takes a line's event, which it may change, and returns what becomes of it. A list is never empty.

        `line_bytes`: how long the line was, which spares weighing its event where that is short. Raises
        StepFailedError, most likely by a plugin.
        """
        ...


_Steps = tuple[tuple[str, Step, int, int], ...]
"""Each with what it may do to an event's weight: the factor and the extra of its Growth."""


class _Load:
    """What the events weigh at most that one line has become so far."""

    __slots__ = ("_unweighed", "_weighed", "weight")

    def __init__(self) -> None:
        self.weight = self._weighed = 0
        self._unweighed: list[Event] = []

    def add(self, event: Event) -> None:
        """One more. Writing it is a tenth of weighing it, and says enough while there are few."""
        self._unweighed.append(event)
        self.weight += most_of_text(len(_encode(event)))
        if self.weight > MAX_WEIGHT:
            self.settle()

    def settle(self) -> int:
        """Weigh all that were not; what they weigh then."""
        self._weighed += sum(map(weigh, self._unweighed))
        self._unweighed.clear()
        self.weight = self._weighed
        return self.weight


def compile_executors(executors: Sequence[Executor], context: ExecutorContext) -> Chain:
    """One chain of all steps. Raises ValueError, naming the executor, where one cannot run."""
    steps = tuple(
        row for index, executor in enumerate(executors) for row in _compile_one(index, executor, context)
    )  # fmt: skip
    return partial(_run_line, steps)


def _run_line(steps: _Steps, event: Event, line_bytes: int = MAX_WEIGHT) -> Outcome:
    return _run(steps, event, most_of_line(line_bytes), None)


def _run(steps: _Steps, event: Event, weight: int, load: _Load | None) -> Outcome:
    """`weight`: what the event weighs at most; `load`: the events beside it, None where there are none."""
    name, looked_at = "", 0
    room = MAX_WEIGHT if load is None else MAX_WEIGHT - load.weight
    try:
        for index, (name, step, factor, extra) in enumerate(steps, 1):
            answer = step(event)
            if factor:
                weight = weight * factor + extra
            if isinstance(answer, dict):
                event = answer
                if weight > room and factor:
                    weight = weigh(event)
                    looked_at += weight
                    if weight > room and load is not None:
                        room = MAX_WEIGHT - load.settle()
                    if weight > room or looked_at > MAX_LOOKED_AT:
                        message = too_heavy() if weight > room else too_much_to_weigh()
                        return Refusal(name, message, costly=True)
            elif answer is DROP:
                return DROP
            elif isinstance(answer, Reject):
                return Refusal(name, answer.message)
            else:
                return _run_all(name, steps[index:], answer, weight, load)
    except RecursionError:
        # Texts decoded into fields can nest deeper than any line.
        return Refusal(name, "the event nests too deeply")
    except StepFailedError:
        raise
    except Exception as error:
        raise StepFailedError(name) from error
    return event


def _run_all(name: str, steps: _Steps, events: list[Event], weight: int, load: _Load | None) -> Outcome:
    """`weight`: what each of the events weighs at most."""
    made: list[Event] = []
    if load is None and any(factor for _, _, factor, _ in steps):
        load = _Load()  # else none of them grows any more
    for event in events:
        outcome = _run(steps, event, weight, load)
        if isinstance(outcome, dict):
            made.append(outcome)
            if load is not None:
                load.add(outcome)
        elif isinstance(outcome, list):
            made += outcome
        elif outcome is not DROP:
            return outcome
        if len(made) > MAX_EVENTS:
            return Refusal(name, too_many_events(len(made)), costly=True)
        if load is not None and load.weight > MAX_WEIGHT:
            return Refusal(name, too_heavy(), costly=True)
    return made or DROP


def _compile_one(index: int, executor: Executor, context: ExecutorContext) -> Iterator[tuple[str, Step, int, int]]:
    word = executor.name
    name = f"executors[{index}].{word}"
    for part in _parts(executor):
        growth = growth_of(part)
        try:
            yield name, COMPILERS[word](getattr(part, word), context), growth.factor, growth.extra
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _parts(executor: Executor) -> Iterator[Executor]:
    """What is weighed by itself: each field that `set` copies may double the event."""
    if executor.set is None:
        yield executor
        return
    numbered = enumerate(executor.set.fields)
    for _, fields in groupby(numbered, lambda each: None if each[1].source is None else each[0]):
        yield Executor(set=SetFields(fields=tuple(field for _, field in fields)))
