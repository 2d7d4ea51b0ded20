"""What an executor's step is: the public interface of Headgate's own executors and of plugins alike.

    compile(config) -> step(event) -> Event | list[Event] | DROP | Reject

`compile` runs once, when a config is loaded, and raises ValueError where the config is no good; the step runs once an
event. A step may change the event that it is given and return it. Steps do no I/O, and the same event gives the same
answer: a gateway may run a step again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

STEP_API_VERSION: Final = 1
"""Raised when a plugin that was written for the version before would no longer run."""

Event = dict[str, Any]
"""An event as JSON has it: None, booleans, numbers, strings, lists and objects with string keys."""


class Dropped(Enum):
    """The type of DROP."""

    DROP = "drop"


DROP: Final = Dropped.DROP
"""The event is counted as dropped, and forgotten."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The event cannot be processed: its line goes to the dead letter, or is refused where the repo has none."""

    message: str
    """Why, for the sender: names the field and what is wrong with it, never its value."""


Answer = Event | list[Event] | Dropped | Reject
Step = Callable[[Event], Answer]
