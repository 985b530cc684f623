"""How a session's loop is run, and how a person interrupts it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Never


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
        self._old = _hear(self._first)

    def _first(self, number: int, _frame: Any) -> None:
        for known in self._old:
            signal.signal(known, signal.default_int_handler if known == signal.SIGINT else signal.SIG_DFL)
        self._stop(f"signal {signal.Signals(number).name}")

    def __exit__(self, *_: object) -> None:
        _restore(self._old)


@contextmanager
def interruptible() -> Iterator[None]:
    """Whatever asks for a stop raises KeyboardInterrupt, as Ctrl-C does anyway: for a start, which has decided nothing
    yet and may be left at any point."""
    old = _hear(_interrupted)
    try:
        yield
    finally:
        _restore(old)


def _interrupted(_number: int, _frame: Any) -> Never:
    raise KeyboardInterrupt


def _hear(handler: Callable[[int, Any], None]) -> dict[int, Any]:
    """The handlers that it replaces; none outside the main thread, which alone may hear signals."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    heard = [number for number in STOPPING if not _outlives(number)]
    return {number: signal.signal(number, handler) for number in heard}


def _outlives(number: int) -> bool:
    """By nohup: it is to outlive its terminal."""
    return number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) is signal.SIG_IGN


def _restore(old: dict[int, Any]) -> None:
    for number, handler in old.items():
        signal.signal(number, handler)


# A console that is closed: SIGHUP; on Windows SIGBREAK, which Ctrl-Break, closing, logging off and shutting down send.
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
