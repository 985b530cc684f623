"""The nursery as its owner sees it, and the traders that it starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from crash_harness.child import Life
from crash_harness.place import python_path


class Trader:
    """One trader's process. `code`: its exit code once it has ended, -9 for SIGKILL."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log = pid, log
        self.code: int | None = None
        self.ended = threading.Event()

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None if it still lives then."""
        self.ended.wait(seconds)
        return self.code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing if it has ended."""
        if not self.ended.is_set():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until the system has cleared up after it."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        if self.wait(10.0) is None:
            raise RuntimeError(f"process {self.pid} does not die")

    def said(self) -> str:
        """What it wrote to stdout and stderr."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


class Nursery:
    """Starts traders from one warm process, from `with` to its end."""

    def __enter__(self) -> Self:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRADER_", "DYNACONF_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crash_harness.nursery"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=kept | {"PYTHONPATH": python_path(), "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        self._news = threading.Condition()
        self._born: list[int] = []
        self._living: dict[int, Trader] = {}
        self._dead: dict[int, int] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(10)
        self._process.stdout.close()

    def start(self, life: Life, log: Path, environ: Mapping[str, str], path: list[str]) -> Trader:
        """One more trader."""
        given = {"life": msgspec.to_builtins(life), "log": str(log), "environ": dict(environ), "path": path}
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps(given).encode() + b"\n")
        stdin.flush()
        with self._news:
            if not self._news.wait_for(lambda: self._born, 60.0):
                raise RuntimeError("the nursery does not answer")
            trader = Trader(self._born.pop(0), log)
            self._living[trader.pid] = trader
            self._settle()
        return trader

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        for line in stdout:
            fact = json.loads(line)
            with self._news:
                if "started" in fact:
                    self._born.append(fact["started"])
                else:
                    self._dead[fact["ended"]] = fact["code"]
                self._settle()
                self._news.notify_all()

    def _settle(self) -> None:
        for pid in [pid for pid in self._dead if pid in self._living]:
            trader = self._living.pop(pid)
            trader.code = self._dead.pop(pid)
            trader.ended.set()
