"""How a session's loop is run, and how a person interrupts it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def complete(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, in a thread of its own where this one has a loop already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


class Signals:
    """Ctrl-C, SIGTERM and a closing console ask for a stop; a second one leaves at once, with the journal intact."""

    def __init__(self, stop: Callable[[str], None]) -> None:
        self._stop = stop
        self._old: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may hear signals
        for number in STOPPING:
            if number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: it is to outlive its terminal
            self._old[number] = signal.signal(number, self._first)

    def _first(self, number: int, _frame: Any) -> None:
        for known, old in self._old.items():
            signal.signal(known, old)
        self._stop(f"signal {signal.Signals(number).name}")

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)


# A console that is closed: SIGHUP; on Windows SIGBREAK, which Ctrl-Break, closing, logging off and shutting down send.
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
