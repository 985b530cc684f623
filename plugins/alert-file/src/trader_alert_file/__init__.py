"""Alerts as JSON lines in a file: one alert, one line, oldest first. The pattern for other transports."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from trader.hookspecs import hookimpl
from trader.model import Alert, Delivered, Failed
from trader.protocols import Env


class Settings(BaseModel):
    """What may stand in [alert_transports.file]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        default="alerts.jsonl",
        pattern=r"^[^\x00]+$",
        description="The file; relative to the transport's own folder in the state directory.",
    )


class AlertFile:
    """Appends. An alert is delivered when its line is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self) -> Failed | None:
        """The file can be written; it is made if it is not there."""
        result = self._append(b"")
        return result if isinstance(result, Failed) else None

    def send(self, alert: Alert, earlier: Delivered | None) -> Delivered | Failed:  # noqa: ARG002 - lines stand alone
        """One line. After a failure that left the line in the file, the retry adds another of the same `id`."""
        try:
            line = msgspec.json.encode(alert) + b"\n"
        except UnicodeEncodeError as error:
            return Failed(f"alert {alert.id} is not text: {error}")
        return self._append(line)

    def _append(self, line: bytes) -> Delivered | Failed:
        """The receipt names the place where the line begins, in bytes: "alerts.jsonl@1024"."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b", buffering=0) as file:
                start = file.seek(0, os.SEEK_END)
                if line and _is_torn(file, start):
                    line, start = b"\n" + line, start + 1  # what a crash left of a line stays a line of its own
                if file.write(line) != len(line):
                    return Failed(f"{self.path}: the disk took only a part of the line; it may be full")
                os.fsync(file.fileno())
        except OSError as error:
            return Failed(f"{self.path}: {error.strerror or error}")
        return Delivered(f"{self.path.name}@{start}")


def _is_torn(file: FileIO, end: int) -> bool:
    """The last line lacks its end."""
    if end == 0:
        return False
    file.seek(end - 1)
    return file.read(1) != b"\n"


@hookimpl
def provide_alert_transport(settings: Settings, env: Env) -> AlertFile:
    """Make the transport."""
    return AlertFile(env.folder / settings.path)
