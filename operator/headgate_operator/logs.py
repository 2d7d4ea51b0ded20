"""How the operator logs: one JSON object a line, or text for people. Called once, by the composition root."""

import json
import logging
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """One record as one JSON object: time, level, logger, message, and the trace if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(form: str, level: str) -> None:
    """Log to standard error, everything of ours at `level`; libraries only what is worth a look."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("headgate").setLevel(level.upper())
    logging.getLogger("kopf").setLevel(logging.WARNING if level != "debug" else logging.INFO)
