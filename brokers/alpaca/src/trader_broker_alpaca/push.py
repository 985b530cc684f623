# ruff: noqa: SLF001 - the library has no public way to its handshake, its loop or its connection
"""A stream of the client library, run on a thread and a loop of its own, and heard through an `Inbox`.

The library connects, logs in, subscribes, and comes back with growing pauses after a break. What it does badly is done
here: keys that are refused end the stream (it would try for ever), what cannot be read becomes a Reset (it would log
and go on), and silence is noticed: a ping that nobody answers in time breaks the connection.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar

from trader.errors import BadPayload
from trader.inbox import Inbox
from trader.model import Idle, Reset

from trader_broker_alpaca.door import sdk
from trader_broker_alpaca.settings import Connection

T = TypeVar("T")
OPENING = 10.0
"""Seconds until a connection must stand, and until the first word on it."""
CLOSING = 1.0
"""Seconds for saying goodbye."""
FORBIDDEN = (401, 403)


def options(settings: Connection) -> dict[str, Any]:
    """For the websocket: a mute connection is broken after `silence_seconds`, and what is sent is not logged (the keys
    are: websockets logs every message at level DEBUG)."""
    silence = settings.silence_seconds
    logger = logging.getLogger("trader_broker_alpaca.websocket")
    logger.setLevel(logging.INFO)
    return {
        "logger": logger,
        "ping_interval": silence / 3,
        "ping_timeout": 2 * silence / 3,
        "open_timeout": min(OPENING, silence),
        "close_timeout": CLOSING,
        "max_queue": 1024,
    }


class Push(Generic[T]):
    """Iterate once, in one thread; `close` from any ends it. A subclass makes the library's stream and reads it."""

    refusals: tuple[str, ...]
    """What the library says when the venue does not take the keys."""

    def __init__(self, about: str, settings: Connection) -> None:
        """`about`: which stream, whose keys, for the reason of a refusal."""
        self._about, self._patience = about, min(OPENING, settings.silence_seconds)
        self._inbox: Inbox[T] = Inbox()
        self._lock = threading.Lock()
        self._closed = False
        self._stop: Callable[[], object] | None = None
        self._thread: threading.Thread | None = None
        self._stream: Any = None

    @abstractmethod
    def make(self) -> Any:
        """The library's stream, subscribed."""

    @abstractmethod
    def hear(self, raw: str | bytes) -> None:
        """A message; `put` what it says. BadPayload if it says nothing that can be read."""

    def put(self, event: T | Reset) -> None:
        """For whoever iterates."""
        self._inbox.put(event)

    def __iter__(self) -> Iterator[T | Reset | Idle]:
        with self._lock:
            if not self._closed and self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"alpaca {self._about}", daemon=True)
                self._thread.start()
        yield from self._inbox

    def close(self) -> None:
        """Say goodbye, and let go of the thread; again is no error."""
        with self._lock:
            self._closed = True
            if self._stop is not None:
                with suppress(RuntimeError):  # its loop has ended by itself
                    self._stop()
        self._inbox.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2 * CLOSING)

    # ---- on the stream's thread --------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:  # noqa: BLE001 - whoever iterates is told, and may come again
            self.put(Reset(f"{self._about} ended: {type(error).__name__}: {error}"[:300]))
        finally:
            self._inbox.close()

    async def _live(self) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        with self._lock:
            if self._closed or task is None:
                return
            self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        stream = self._stream = self.make()
        self._log_in, stream._auth = stream._auth, self._authenticate
        self._start, stream._start_ws = stream._start_ws, self._begin
        stream._consume = self._consume
        try:
            with suppress(asyncio.CancelledError):
                await stream._run_forever()
        finally:
            with suppress(Exception):
                await asyncio.wait_for(stream.close(), 2 * CLOSING)

    async def _begin(self) -> None:
        try:
            await asyncio.wait_for(self._start(), self._patience)
        except Exception as error:
            if getattr(error, "status_code", None) in FORBIDDEN:
                self.refuse(str(error))
            raise

    async def _authenticate(self) -> None:
        try:
            await self._log_in()
        except ValueError as error:
            if str(error) in self.refusals:
                self.refuse(str(error))
            raise

    def refuse(self, said: str) -> None:
        """Trying again does not help: tell, and end."""
        self.put(Reset(f"auth: {self._about} does not take ALPACA_API_KEY and ALPACA_SECRET_KEY: {said}"[:300]))
        raise asyncio.CancelledError

    async def _consume(self) -> None:
        stream, broken = self._stream, sdk("websockets").WebSocketException
        patience: float | None = self._patience
        self.connected()
        while True:
            try:
                raw = await asyncio.wait_for(stream._ws.recv(), patience)
            except broken:
                raise
            except Exception:  # the library would ask the same dead connection again, at once and for ever
                await stream.close()
                raise
            stream._data_received, patience = True, None
            try:
                self.hear(raw)
            except BadPayload as payload:
                self.put(Reset(f"{self._about} said what cannot be read: {payload}"[:300]))

    def connected(self) -> None:
        """The connection stands; nothing was heard on it yet."""
