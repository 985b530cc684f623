"""The push side: /stream tells of orders in JSON, the data streams of prices in MessagePack."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from msgspec import structs
from trader.model import ZERO, Fill, OrderReport, OrderState

from trader_emulators.alpaca.assets import listed
from trader_emulators.alpaca.grid import Bar, bars, latest
from trader_emulators.alpaca.tape import bar_row, quote_row, trade_row
from trader_emulators.alpaca.text import EPOCH, amount, nanoseconds, read_moment, stamp

if TYPE_CHECKING:
    from trader_emulators.alpaca.venue import AlpacaEmulator

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")
CRYPTO_CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "orderbooks")
ENDS = (OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED)
LONGEST = 10_000
"""Trades that wait to be told; older ones are forgotten."""


@dataclass(eq=False)
class Listener:
    """One client of a data stream."""

    socket: web.WebSocketResponse
    packed: bool
    crypto: bool
    known: bool = False
    wants: dict[str, set[str]] = field(default_factory=dict)

    def takes(self, channel: str, symbol: str) -> bool:
        wanted = self.wants.get(channel, set())
        return symbol in wanted or "*" in wanted


class Streams:
    """Who listens, and what is told. All but `moved` runs on the server's loop."""

    def __init__(self, emulator: AlpacaEmulator) -> None:
        self._emulator = emulator
        self._traders: set[web.WebSocketResponse] = set()
        self._listeners: set[Listener] = set()
        self._moves: deque[tuple[str, float, datetime]] = deque(maxlen=LONGEST)
        self._minute = _minute(emulator.clock.now())
        self._seen: set[str] = set()
        """Client ids of orders that were told of."""

    # ---- orders ------------------------------------------------------------------------------------------------------
    async def trading(self, request: web.Request) -> web.StreamResponse:
        """/stream"""
        socket = await self._emulator.socket(request)
        known = False
        try:
            async for said in self._emulator.messages(socket):
                read = _read(said, packed=False)
                action, data = read.get("action"), read.get("data")
                data = data if isinstance(data, dict) else {}
                if action in ("authenticate", "auth"):
                    known = self._emulator.knows(
                        data.get("key_id", read.get("key")), data.get("secret_key", read.get("secret"))
                    )
                    status = "authorized" if known else "unauthorized"
                    await self._say(socket, "authorization", {"status": status, "action": "authenticate"})
                elif action == "listen":
                    if known:
                        streams = [name for name in data.get("streams", ()) if name == "trade_updates"]
                        (self._traders.add if streams else self._traders.discard)(socket)
                        await self._say(socket, "listening", {"streams": streams})
                    else:
                        await self._say(socket, "authorization", {"status": "unauthorized", "action": "listen"})
        finally:
            self._traders.discard(socket)
        return socket

    async def _say(self, socket: web.WebSocketResponse, stream: str, data: Mapping[str, Any]) -> None:
        await self._emulator.send(socket, json.dumps({"stream": stream, "data": data}).encode())

    async def tell(self, event: Fill | OrderReport) -> None:
        """What happened to an order."""
        told = self._fill(event) if isinstance(event, Fill) else self._change(event)
        if told is not None:
            for socket in list(self._traders):
                await self._say(socket, "trade_updates", told)

    def _fill(self, fill: Fill) -> dict[str, Any]:
        ledger = self._emulator.ledger
        taken, done = ledger.taken(fill.venue_id), ledger.until(fill)
        total = sum((other.quantity for other in done), ZERO)
        whole = total >= taken.order.quantity
        state = OrderState.FILLED if whole else OrderState.WORKING
        report = structs.replace(taken.report, filled=total, state=state, time=fill.time)
        return {
            "event": "fill" if whole else "partial_fill",
            "execution_id": self._emulator.names.execution(fill.execution_id), "price": amount(fill.price),
            "qty": amount(fill.quantity), "position_qty": amount(self._held(fill)),
            "timestamp": stamp(nanoseconds(fill.time)),
            "order": ledger.payload(taken, report, "filled" if whole else "partially_filled"),
        }  # fmt: skip

    def _held(self, fill: Fill) -> Decimal:
        return self._emulator.venue.truth_positions().get(fill.symbol, ZERO)

    def _change(self, report: OrderReport) -> dict[str, Any] | None:
        """A new order, or one that ended unfilled; executions are told of as such."""
        ledger = self._emulator.ledger
        taken = ledger.taken(report.venue_id)
        status = ledger.status(taken, report)
        event = status if report.state in ENDS else None
        if report.state is OrderState.WORKING and report.key not in self._seen:
            self._seen.add(report.key)
            event = status = "new"
        if event is None:
            return None
        now = stamp(nanoseconds(report.time))
        return {
            "event": event, "execution_id": self._emulator.names.execution(f"{event}/{report.venue_id}"),
            "timestamp": now, "order": ledger.payload(taken, report, status),
        }  # fmt: skip

    # ---- prices ------------------------------------------------------------------------------------------------------
    async def stocks(self, request: web.Request) -> web.StreamResponse:
        """/v2/{feed}"""
        return await self._data(request, crypto=False)

    async def crypto(self, request: web.Request) -> web.StreamResponse:
        """/v1beta3/crypto/us"""
        return await self._data(request, crypto=True)

    async def _data(self, request: web.Request, *, crypto: bool) -> web.StreamResponse:
        socket = await self._emulator.socket(request)
        listener = Listener(socket, request.headers.get("Content-Type") == "application/msgpack", crypto)
        self._listeners.add(listener)
        try:
            await self._tell(listener, [{"T": "success", "msg": "connected"}])
            async for said in self._emulator.messages(socket):
                await self._tell(listener, [self._heard(listener, _read(said, packed=listener.packed))])
        finally:
            self._listeners.discard(listener)
        return socket

    def _heard(self, listener: Listener, read: Mapping[str, Any]) -> dict[str, Any]:
        action = read.get("action")
        if action == "auth":
            if listener.known:
                return {"T": "error", "code": 403, "msg": "already authenticated"}
            listener.known = self._emulator.knows(read.get("key"), read.get("secret"))
            good = {"T": "success", "msg": "authenticated"}
            return good if listener.known else {"T": "error", "code": 402, "msg": "auth failed"}
        if action not in ("subscribe", "unsubscribe"):
            return {"T": "error", "code": 400, "msg": "invalid syntax"}
        if not listener.known:
            return {"T": "error", "code": 401, "msg": "not authenticated"}
        channels = CRYPTO_CHANNELS if listener.crypto else CHANNELS
        for channel in channels:
            names = {name for name in read.get(channel) or () if isinstance(name, str)}
            wanted = listener.wants.setdefault(channel, set())
            (wanted.update if action == "subscribe" else wanted.difference_update)(names)
        return {"T": "subscription", **{channel: sorted(listener.wants[channel]) for channel in channels}}

    def moved(self, prices: Mapping[str, float]) -> None:
        """From any thread: prices moved."""
        now = self._emulator.clock.now()
        self._moves.extend((symbol, price, now) for symbol, price in prices.items())

    async def beat(self) -> None:
        """Tell what moved, and of the minutes that ended."""
        while self._moves:
            symbol, price, now = self._moves.popleft()
            for listener in self._wanting(symbol):
                await self._price(listener, symbol, price, nanoseconds(now))
        minute = _minute(self._emulator.clock.now())
        if minute > self._minute:
            begun, self._minute = self._minute, minute
            for symbol in self._emulator.market.symbols:
                for listener in self._wanting(symbol):
                    await self._minutes(listener, symbol, begun, minute)

    def _wanting(self, symbol: str) -> list[Listener]:
        return [
            listener
            for listener in self._listeners
            if listener.crypto is ("/" in symbol) and any(listener.takes(name, symbol) for name in CHANNELS)
        ]

    async def _price(self, listener: Listener, symbol: str, price: float, when: int) -> None:
        asset = listed(symbol)
        rows = []
        if listener.takes("trades", symbol):
            rows.append({"T": "t", "S": symbol, **trade_row(asset, when, price, 100)})
        if listener.takes("quotes", symbol):
            bid, ask = self._emulator.market.quote(symbol)
            rows.append({"T": "q", "S": symbol, **quote_row(asset, when, bid, ask)})
        if rows:
            await self._tell(listener, rows)

    async def _minutes(self, listener: Listener, symbol: str, begun: datetime, minute: datetime) -> None:
        asset, market, second = listed(symbol), self._emulator.market, timedelta(seconds=1)
        if listener.takes("bars", symbol):
            for bar in bars(market, asset, "1Min", begun, minute - second, minute):
                await self._tell(listener, [_pushed("b", symbol, bar)])
        if listener.takes("dailyBars", symbol):
            await self._tell(listener, [_pushed("d", symbol, bar) for bar in latest(market, asset, "1Day", minute, 1)])

    async def _tell(self, listener: Listener, rows: list[dict[str, Any]]) -> None:
        if self._emulator.muted or not rows:
            return
        if listener.packed:
            await self._emulator.send(listener.socket, msgspec.msgpack.encode([_timed(row) for row in rows]))
        else:
            await self._emulator.send(listener.socket, json.dumps(rows))


def _pushed(kind: str, symbol: str, bar: Bar) -> dict[str, Any]:
    return {"T": kind, "S": symbol, **bar_row(bar)}


def _timed(row: Mapping[str, Any]) -> dict[str, Any]:
    """With MessagePack's own kind of time."""
    return {**row, "t": EPOCH + timedelta(microseconds=read_moment(row["t"]) // 1_000)} if "t" in row else dict(row)


def _read(said: str | bytes, *, packed: bool) -> dict[str, Any]:
    """What a client says; empty if nobody can read it."""
    try:
        read = msgspec.msgpack.decode(said) if packed and isinstance(said, bytes) else json.loads(said)
    except (ValueError, msgspec.MsgspecError):
        return {}
    return read if isinstance(read, dict) else {}


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
