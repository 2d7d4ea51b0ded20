"""What was rendered before, so that a reconcile of thousands of repos renders only what has changed.

A memo never decides: a value is used again only where all that it was made from is equal. It may be dropped at any
time. Belongs to one fleet, and is filled by `render_fleet` alone.
"""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class RenderMemo:
    """Values by key, each beside the inputs that it was made from. Not for use by two reconciles at a time."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[tuple[Any, ...], Any]] = {}
        self._used: set[Hashable] = set()

    def recall(self, key: Hashable, inputs: tuple[Any, ...], make: Callable[[], T]) -> T:
        """The value made from equal inputs before, or a new one."""
        self._used.add(key)
        known = self._known.get(key)
        if known is not None and known[0] == inputs:
            value: T = known[1]
            # The newest of equal inputs is kept, since it is likely to come again, and is equal to itself for free.
            self._known[key] = inputs, value
            return value
        made = make()
        self._known[key] = inputs, made
        return made

    def knows(self, key: Hashable, inputs: tuple[Any, ...]) -> bool:
        """Whether `recall` would make nothing."""
        known = self._known.get(key)
        return known is not None and known[0] == inputs

    def forget_unused(self) -> None:
        """Drop what the last rendering did not ask for: repos that are gone must not keep memory."""
        for key in self._known.keys() - self._used:
            del self._known[key]
        self._used.clear()

    def __len__(self) -> int:
        return len(self._known)
