"""How the log is written: lines for people, or JSON for what collects logs."""

import json
import logging
from datetime import UTC, datetime

from billing.base.redaction import Redacting, redacted
from billing.monitoring import context

REFUSALS = range(400, 500)
UNAVAILABLE = 503


class Lines(Redacting):
    """A line for people, with the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        told = context.told()
        line = super().format(record)
        if "request_id" not in told:
            return line  # What a job writes says which.
        first, *rest = line.split("\n", 1)
        about = " ".join(f"{name}={value}" for name, value in told.items())
        return "\n".join([f"{first} [{redacted(about)}]", *rest])


class Json(logging.Formatter):
    """One JSON object a line, redacted in each of its texts."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **context.told(),
            **getattr(record, "figures", {}),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        for name, each in told.items():
            if isinstance(each, str):
                told[name] = redacted(each)
        return json.dumps(told, ensure_ascii=False, default=str)


class Calm(logging.Filter):
    """What was refused needs no traceback, and what passes by itself is no error."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", None)
        if status in REFUSALS or record.name.startswith("django.security"):
            record.exc_info = record.exc_text = None
        if status == UNAVAILABLE:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True
