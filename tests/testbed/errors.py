"""Errors of the testbed: one line that says what is wrong and what to do about it.

Owns the exception types only; raised everywhere in the package, printed by `__main__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class TestbedError(Exception):
    """The testbed cannot go on; the message is one line and names the remedy."""

    # pytest would otherwise try to collect a class whose name starts with Test.
    __test__ = False


class CommandError(TestbedError):
    """A command that the testbed ran ended with an error.

    Carries the exit status, the last lines of its output and, if there is one, the log that holds the rest.
    """

    def __init__(self, argv: Sequence[str], status: int, tail: str, log: Path | None = None) -> None:
        self.argv, self.status, self.tail, self.log = list(argv), status, tail, log
        where = f" (whole log: {log})" if log else ""
        lines = "\n".join(f"    {line}" for line in tail.strip().splitlines()[-15:])
        super().__init__(f"`{_short(argv)}` exited with {status}{where}\n{lines}")


def _short(argv: Sequence[str]) -> str:
    line = " ".join(argv).replace("\n", " ")
    return line if len(line) <= 160 else line[:157] + "..."
