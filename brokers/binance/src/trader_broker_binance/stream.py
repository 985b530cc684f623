"""The user stream: the library's socket on a loop in a thread of ours, rebuilt whenever anything is wrong with it.

The library reconnects by itself, and must not be trusted with it: on spot it does not subscribe again, and after an
overflow, or too many tries, it says nothing for ever. So any word of an error, any closed connection, and any silence
longer than `silence_seconds` ends one life of the stream, and the next begins with a Reset.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from trader.env import Secret
from trader.inbox import Inbox
from trader.model import Reset

from trader_broker_binance import sdk
from trader_broker_binance.settings import Place
from trader_broker_binance.troubles import Product

QUEUE = 100_000
"""Messages that the library keeps; beyond it, it drops them and dies."""
RENEW = 300
"""Seconds after which the futures listen key is renewed; the venue forgets it after an hour."""
CONNECT = 10.0
FIRST, LONGEST = 0.2, 30.0
GONE = ("error", "listenKeyExpired", "eventStreamTerminated")


class Lost(Exception):
    """One life of the stream has ended, and why."""


class UserStream:
    """`inbox` has the messages as the venue sent them, and Reset after each (re)connect."""

    def __init__(
        self, place: Place, product: Product, key: Secret, secret: Secret, *, offset: Callable[[], int],
        silence_seconds: float, log: Any, renew_seconds: float = RENEW,
    ) -> None:  # fmt: skip
        self._place, self._product, self._key, self._secret = place, product, key, secret
        self._offset, self._silence, self._log, self._renew = offset, silence_seconds, log, renew_seconds
        self.inbox: Inbox[Any] = Inbox()
        self._closing = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._heard, self._connected = 0.0, False
        self._thread = threading.Thread(target=self._run, name=f"binance-{product}-stream", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def close(self) -> None:
        """End it, from any thread; twice is fine."""
        self._closing.set()
        self.inbox.close()
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(stop.set)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2.0)

    # ---- the thread --------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            asyncio.run(self._lives())
        finally:
            self.inbox.close()

    async def _lives(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        reason, pause = "connected", FIRST
        while not self._closing.is_set():
            began, why, self._connected = self._loop.time(), "", False
            try:
                await self._live(reason)
            except Exception as error:  # noqa: BLE001 - whatever the library raises, the stream is built anew
                why = str(error) if isinstance(error, Lost) else _words(error)
                reason = why if self._connected else reason
            pause = FIRST if self._loop.time() - began > LONGEST else min(2 * pause, LONGEST)
            if not self._closing.is_set():
                self._log.warning("stream_lost", product=self._product, reason=why)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _live(self, reason: str) -> None:
        """One connection, from its beginning to its end."""
        client_class, manager_class = sdk.streaming(self._place)
        client = client_class(
            self._key.reveal(), self._secret.reveal(), testnet=self._place.environment == "testnet",
            requests_params={"allow_redirects": False},
        )  # fmt: skip
        carriers = [client.ws_api, client.ws_future]
        try:
            client.REQUEST_TIMEOUT, client.timestamp_offset = CONNECT, self._offset()
            client.ws_api.max_queue_size = QUEUE
            manager = manager_class(client, user_timeout=self._renew, max_queue_size=QUEUE)
            for wanted in (client.ws_api._ws_kwargs, manager.ws_kwargs):  # noqa: SLF001 - its constructor takes none
                wanted.update(_connecting(self._place))
            socket = manager.user_socket() if self._product == "spot" else manager.futures_user_socket()
            carriers.append(socket)
            async with asyncio.timeout(min(CONNECT, max(1.0, self._silence))):
                await self._unless_closing(socket.connect())
            carrier = client.ws_api if self._product == "spot" else socket
            self._connected = True
            self.inbox.put(Reset(reason))
            await self._listen(socket, carrier)
        finally:
            await _let_go(client, carriers)

    async def _unless_closing(self, work: Any) -> Any:
        """Its result; Lost as soon as the stream is closed."""
        assert self._stop is not None  # noqa: S101 - set before the first life
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Lost("closed")
            return task.result()
        finally:
            for one in (task, stop):
                one.cancel()

    async def _listen(self, socket: Any, carrier: Any) -> None:
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        watch = asyncio.ensure_future(self._watch(carrier))
        try:
            while True:
                message = await self._either(socket.recv(), watch)
                self._heard = loop.time()
                if isinstance(message, dict) and message.get("e") in GONE:
                    raise Lost(f"{message['e']}: {message.get('type', '')}".rstrip(": "))
                self.inbox.put(message)
        finally:
            watch.cancel()

    async def _either(self, work: Any, watch: asyncio.Future[None]) -> Any:
        """What is received; the watch's word if it has one first."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                watch.result()
            return await task
        finally:
            task.cancel()

    async def _watch(self, carrier: Any) -> None:
        """Ping; Lost when the connection is closed, when nothing is heard for too long, or when we leave."""
        assert self._stop is not None  # noqa: S101 - set before the first life
        loop = asyncio.get_running_loop()
        pong: Any = None
        pinged = loop.time()
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), min(1.0, self._silence / 5))
            if self._stop.is_set():
                raise Lost("closed")
            connection, now = carrier.ws, loop.time()
            if connection is None or connection.state.name != "OPEN":
                raise Lost("the connection was closed")
            if pong is not None and pong.done():
                self._heard, pong = now, None
            if now - self._heard > self._silence:
                raise Lost(f"silent for {now - self._heard:.1f} s")
            if pong is None and now - pinged >= self._silence / 3:
                pong, pinged = await connection.ping(), now


async def _let_go(client: Any, carriers: list[Any]) -> None:
    """The library's own way out waits ten seconds for its reader: what is left is cancelled."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for carrier in carriers:
        if carrier.ws is not None:
            with suppress(Exception):
                await asyncio.wait_for(carrier.ws.close(), 1.0)
    with suppress(Exception):
        await asyncio.wait_for(client.session.close(), 1.0)


def _connecting(place: Place) -> dict[str, Any]:
    """For websockets: at level DEBUG it logs what is sent, and that has the key; and it takes the machine's proxy,
    which does not lead to an emulator on this machine."""
    logger = logging.getLogger("trader_broker_binance.websocket")
    logger.setLevel(logging.INFO)
    connect = importlib.import_module("websockets").connect
    takes_proxies = "proxy" in inspect.signature(connect).parameters  # since websockets 15
    return {"logger": logger, **({"proxy": None} if place.url and takes_proxies else {})}


def _words(error: Exception) -> str:
    """The venue's own words where it spoke; else the kind of error, for its text may have what was signed."""
    message = getattr(error, "message", None)
    name = type(error).__name__
    return f"{name}: {str(message)[:200]}" if isinstance(message, str) and hasattr(error, "code") else name
