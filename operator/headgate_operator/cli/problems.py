"""What is wrong with a file, and how it is told to people: `file:line: error: what, and what to do`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"


class Severity(StrEnum):
    """Errors decide the exit code; warnings are what only the cluster could tell."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake; line 0 where it belongs to no line."""

    file: str
    line: int
    message: str
    severity: Severity = Severity.ERROR

    def describe(self, *, colour: bool) -> str:
        """One line for people."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        word = str(self.severity)
        if colour:
            word = f"{_RED if self.severity is Severity.ERROR else _YELLOW}{word}{_PLAIN}"
        return f"{where}: {word}: {self.message}"


def has_errors(problems: list[Problem]) -> bool:
    """Whether the command should fail."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def tell(problems: list[Problem], err: TextIO) -> None:
    """One line for each, in order of files and lines."""
    ordered = sorted(problems, key=lambda problem: (problem.file, problem.line, problem.message))
    err.writelines(problem.describe(colour=err.isatty()) + "\n" for problem in ordered)


def count(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
