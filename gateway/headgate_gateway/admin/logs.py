"""Structured logs: one JSON object a line on stdout. Bounds how often one kind of line is written."""

import json
import logging
import sys
import time
from collections.abc import Callable

RECORDS_PER_WINDOW = 10
WINDOW_SECONDS = 10.0

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "suppressed"}


_SUBJECTS = ("namespace", "repo", "profile", "shard", "task")
"""Extras that say whom a line is about: one of them in trouble must not hide another."""
_Kind = tuple[object, ...]


class JsonFormatter(logging.Formatter):
    """A log record as a JSON object: time, level, logger, message, and what `extra` brought."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        suppressed = getattr(record, "suppressed", 0)
        if suppressed:
            line["suppressed"] = suppressed
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class RateLimit(logging.Filter):
    """Lets some records of a kind (logger, message, whom it is about) through in each window, and counts the others.

    An outage fails thousands of requests a second, and a line for each would be an outage of its own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._window = 0.0
        self._seen: dict[_Kind, int] = {}
        self._suppressed: dict[_Kind, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; the first one of a window says how many were not."""
        now = self._clock()
        if now - self._window >= WINDOW_SECONDS:
            self._window = now
            over = {kind: seen - RECORDS_PER_WINDOW for kind, seen in self._seen.items()}
            self._suppressed = {kind: count for kind, count in over.items() if count > 0}
            self._seen = {}
        kind = (record.name, str(record.msg), *(getattr(record, name, None) for name in _SUBJECTS))
        self._seen[kind] = self._seen.get(kind, 0) + 1
        record.suppressed = self._suppressed.pop(kind, 0)
        return self._seen[kind] <= RECORDS_PER_WINDOW


def configure_logs(level: str) -> None:
    """Write all logs of the process to stdout."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(RateLimit())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
