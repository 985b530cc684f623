"""Market streams: who listens to what, and what is told when prices move."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import web

from trader_emulators.binance.listing import Pair
from trader_emulators.binance.moments import eight
from trader_emulators.binance.prices import Print
from trader_emulators.binance.product import Product
from trader_emulators.market import SECONDS

Tell = Callable[[Pair, Print], dict[str, Any]]
PATIENCE = 1.0
"""Seconds for which a client may be slow to take a message."""


class Listener:
    """One connection to the market streams."""

    def __init__(self, socket: web.WebSocketResponse, names: list[str], *, combined: bool) -> None:
        self.socket, self.names, self.combined = socket, dict.fromkeys(names), combined


class Streams:
    """All market streams of one market. `tells`: what is told of a trade under a name such as aggTrade, and the stream
    kline_1m of itself."""

    def __init__(self, product: Product, tells: dict[str, Tell]) -> None:
        self._product, self._tells = product, tells
        self._listeners: list[Listener] = []
        self._waiting: deque[dict[str, Print]] = deque()
        self._opened: dict[tuple[str, str], list[Any]] = {}

    def routes(self, prefixes: tuple[str, ...]) -> dict[str, Callable[[web.Request], Any]]:
        """/ws/name, /ws, /stream?streams=names, below each prefix."""
        tails = ("/ws/{names:.+}", "/ws", "/stream")
        return {prefix + tail: self._listen for prefix in prefixes for tail in tails}

    # ---- who listens -------------------------------------------------------------------------------------------------
    async def _listen(self, request: web.Request) -> web.StreamResponse:
        combined = request.path.endswith("/stream")
        named = request.query.get("streams", "") if combined else request.match_info.get("names", "")
        socket = await self._product.socket(request)
        listener = Listener(socket, [name for name in named.split("/") if name], combined=combined)
        self._listeners.append(listener)
        try:
            async for message in self._product.messages(socket):
                await say(self._product, socket, self._command(listener, message))
        finally:
            self._listeners.remove(listener)
        return socket

    def _command(self, listener: Listener, message: str | bytes) -> dict[str, Any]:
        """SUBSCRIBE, UNSUBSCRIBE or LIST_SUBSCRIPTIONS; what is answered."""
        try:
            command = json.loads(message)
            method, names, number = command["method"], [str(name) for name in command.get("params", [])], command["id"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return {"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}}
        if method == "SUBSCRIBE":
            listener.names |= dict.fromkeys(names)
        elif method == "UNSUBSCRIBE":
            for name in names:
                listener.names.pop(name, None)
        elif method == "LIST_SUBSCRIPTIONS":
            return {"result": list(listener.names), "id": number}
        else:
            return {"error": {"code": 2, "msg": f"Invalid request: unknown variant `{method}`"}, "id": number}
        return {"result": None, "id": number}

    # ---- what is told ------------------------------------------------------------------------------------------------
    def moved(self, prints: dict[str, Print]) -> None:
        """From any thread: tell of these trades soon."""
        self._waiting.append(prints)

    async def publish(self) -> None:
        """Tell of all that waits, to whoever listens."""
        while self._waiting:
            prints = self._waiting.popleft()
            told: dict[str, list[dict[str, Any]]] = {}
            for listener in list(self._listeners):
                for name in list(listener.names):
                    if name not in told:
                        told[name] = self._events(name, prints)
                    for event in told[name]:
                        body = {"stream": name, "data": event} if listener.combined else event
                        await say(self._product, listener.socket, body)

    def _events(self, name: str, prints: dict[str, Print]) -> list[dict[str, Any]]:
        """What a stream of that name has to tell; nothing where the venue has no such stream."""
        lower, _, kind = name.partition("@")
        pair = self._product.listed.get(lower.upper())
        if pair is None or pair.symbol not in prints:
            return []
        kind, _, speed = kind.partition("@")
        if kind.startswith("kline_") and kind[6:] in SECONDS and not speed:
            return self._klines(pair, kind[6:])
        return [self._tells[kind](pair, prints[pair.symbol])] if kind in self._tells else []

    def _klines(self, pair: Pair, interval: str) -> list[dict[str, Any]]:
        """The open candle; before it the last one, if that closed since it was told."""
        row = self._product.candle(pair, interval)
        key, told = (pair.symbol, interval), []
        before = self._opened.get(key)
        if before is not None and before[0] != row[0]:
            closed = self._product.candle(pair, interval, before[0]) or before
            told.append(self._kline(pair, interval, closed, closed=True))
        self._opened[key] = row
        return [*told, self._kline(pair, interval, row, closed=False)]

    def _kline(self, pair: Pair, interval: str, row: list[Any], *, closed: bool) -> dict[str, Any]:
        candle = {
            "t": row[0], "T": row[6], "s": pair.name, "i": interval, "f": 100, "L": 200, "o": row[1], "c": row[4],
            "h": row[2], "l": row[3], "v": row[5], "n": row[8], "x": closed, "q": row[7], "V": row[9], "Q": row[10],
            "B": "0",
        }  # fmt: skip
        return {"e": "kline", "E": self._product.server_time(), "s": pair.name, "k": candle}


def spot_tells(product: Product) -> dict[str, Tell]:
    """The streams of the spot market."""

    def best(pair: Pair, print_: Print) -> dict[str, Any]:
        bid, ask = product.book(pair)
        size = eight(pair.lot * 1_000)
        return {"u": print_.number, "s": pair.name, "b": eight(bid), "B": size, "a": eight(ask), "A": size}

    def aggregate(pair: Pair, each: Print) -> dict[str, Any]:
        return {
            "e": "aggTrade", "E": product.server_time(), "s": pair.name, "a": each.number, "p": eight(each.price),
            "q": eight(each.quantity), "f": each.number, "l": each.number, "T": each.time, "m": False, "M": True,
        }  # fmt: skip

    def trade(pair: Pair, each: Print) -> dict[str, Any]:
        return {
            "e": "trade", "E": product.server_time(), "s": pair.name, "t": each.number, "p": eight(each.price),
            "q": eight(each.quantity), "T": each.time, "m": False, "M": True,
        }  # fmt: skip

    return {"bookTicker": best, "aggTrade": aggregate, "trade": trade}


async def say(product: Product, socket: web.WebSocketResponse, body: Any) -> None:
    """One message; a client that does not take it is let go."""
    try:
        await asyncio.wait_for(product.send(socket, json.dumps(body)), PATIENCE)
    except TimeoutError:
        product.sockets.discard(socket)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(socket.close(), PATIENCE)
