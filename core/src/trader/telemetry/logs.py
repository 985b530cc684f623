"""structlog: JSON lines to a file, readable lines to a terminal, one event name a fact.

Loggers below the level cost almost nothing. Event names that operators know stay: cold_start, warm_start, heartbeat,
kill_switch, loop_shutdown.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import msgspec
import structlog

from trader.errors import redacted

FILE = "trader.jsonl"
_MEGABYTE = 1_000_000


class _File(RotatingFileHandler):
    """Goes on in the same file where it cannot begin the next one; lines that it does not take are lost. It says each
    once."""

    _told = _told_lost = False

    def doRollover(self) -> None:  # noqa: N802 - the library's name
        try:
            super().doRollover()
        except OSError as error:
            if not self._told:
                sys.stderr.write(f"The log goes on in {self.baseFilename}, it cannot be rotated: {error}\n")
            self._told = True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        if not self._told_lost:
            self._told_lost = True
            with suppress(OSError):
                sys.stderr.write(f"The log {self.baseFilename} cannot be written, its lines are lost: {error}\n")


def set_up(folder: Path | None, *, level: str = "info", terminal: str | None = "info") -> None:
    """Send every log line to `folder`/trader.jsonl (None: no file) and to stderr (`terminal`: least level there; None:
    nothing). Replaces what was set up before. OSError: the file cannot be written."""
    root = logging.getLogger("trader")
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.propagate = False
    root.setLevel(level.upper())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / FILE).exists():
            (folder / FILE).open("a").close()  # each line would tell of it otherwise, and be lost
        file = _File(folder / FILE, maxBytes=50 * _MEGABYTE, backupCount=10, encoding="utf-8", delay=True)
        file.setFormatter(_formatter(structlog.processors.JSONRenderer(serializer=_json), shared))
        root.addHandler(file)
    if terminal is not None:
        screen = logging.StreamHandler(sys.stderr)
        screen.setLevel(terminal.upper())
        screen.setFormatter(_formatter(_for_people, shared))
        root.addHandler(screen)


def _formatter(renderer: Any, shared: list[Any]) -> logging.Formatter:
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(processors=[remove, renderer], foreign_pre_chain=shared)


def _for_people(_logger: Any, _method: str, event: dict[str, Any]) -> str:
    """One line: time, level if it is not info, event, facts. A `text` that was written for people stands below."""
    level, text = event.pop("level", "info"), event.pop("text", None)
    time, trace = str(event.pop("timestamp", ""))[11:19], event.pop("exception", None)
    head = f"{time}Z {'' if level == 'info' else level + ' '}{event.pop('event', '')}"
    facts = "  ".join(f"{name}={_shown(value)}" for name, value in event.items() if name != "session")
    below = "".join("\n  " + str(part).replace("\n", "\n  ") for part in (text, trace) if part)
    return redacted(f"{head}  {facts}".rstrip() + below)


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text else text


def _json(event: dict[str, Any], **_: Any) -> str:
    try:
        return redacted(msgspec.json.encode(event, enc_hook=_plain).decode())
    except UnicodeEncodeError:  # half a character, from a venue
        return redacted(json.dumps(event, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | datetime):
        return str(value)
    return repr(value)


def logger(name: str) -> Any:
    """A bound logger below "trader"."""
    return structlog.get_logger(f"trader.{name}")
