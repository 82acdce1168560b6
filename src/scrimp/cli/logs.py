"""Logging of the commands that serve: one structured line per event, to stderr."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from scrimp.errors import place_of

_QUIET = ("uvicorn", "uvicorn.error", "asyncio", "aiohttp")


class LineFormatter(logging.Formatter):
    """`key=value` pairs in one line, with `worker` where there are several.

    Of an exception only its kind and place: its message may hold what a client sent.
    """

    def __init__(self, worker: str = "") -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        pairs = [
            ("at", at.replace("+00:00", "Z")),
            ("level", record.levelname.lower()),
            ("logger", record.name),
            ("message", json.dumps(record.getMessage(), ensure_ascii=False)),
        ]
        if self._worker:
            pairs.insert(2, ("worker", self._worker))
        if record.exc_info and (error := record.exc_info[1]) is not None:
            pairs.append(("error", type(error).__name__))
            if place := place_of(error):
                pairs.append(("place", place))
        return " ".join(f"{name}={value}" for name, value in pairs)


def log_to_stderr(level: str, *, worker: str = "") -> None:
    """Set the process's logging up, once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(worker))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        for name in _QUIET:
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
