"""Market data over HTTP: bars, quotes, trades and snapshots of stocks and crypto."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from trader_emulators.alpaca.assets import Asset, asset_of
from trader_emulators.alpaca.desk import guarded
from trader_emulators.alpaca.grid import SIZES, Bar, bars, latest
from trader_emulators.alpaca.text import EPOCH, Refused, nanoseconds, read_moment, stamp
from trader_emulators.http import Answer, Asked, Route

if TYPE_CHECKING:
    from trader_emulators.alpaca.venue import AlpacaEmulator

STOCKS, CRYPTO = "/v2/stocks", "/v1beta3/crypto/us"
PAGE, LARGEST = 1_000, 10_000
Row = tuple[int, dict[str, Any]]
"""When (nanoseconds since 1970), and what."""


class Tape:
    """Answers about the market."""

    def __init__(self, emulator: AlpacaEmulator) -> None:
        self._emulator, self._market = emulator, emulator.market

    def routes(self) -> list[Route]:
        made: list[Route] = []
        for root in (STOCKS, CRYPTO):
            crypto = root == CRYPTO
            for what, call in (("bars", "bars"), ("quotes", "quotes"), ("trades", "quotes")):
                made += [
                    Route("GET", f"{root}/{what}", call, self._past(what, crypto=crypto)),
                    Route("GET", f"{root}/{'latest/' if crypto else ''}{what}{'' if crypto else '/latest'}", "quotes",
                          self._latest(what, crypto=crypto)),
                ]  # fmt: skip
                if not crypto:
                    made += [
                        Route("GET", f"{root}/{{symbol}}/{what}", call, self._past(what, crypto=False)),
                        Route("GET", f"{root}/{{symbol}}/{what}/latest", "quotes", self._latest(what, crypto=False)),
                    ]
            made.append(Route("GET", f"{root}/snapshots", "quotes", self._snapshots(crypto=crypto)))
        made.append(Route("GET", f"{STOCKS}/{{symbol}}/snapshot", "quotes", self._snapshots(crypto=False)))
        return made

    # ---- the past ----------------------------------------------------------------------------------------------------
    def _past(self, what: str, *, crypto: bool) -> Callable[[Asked], Answer]:
        def handle(asked: Asked) -> Answer:
            assets, query = self._assets(asked, crypto=crypto), asked.query
            now = self._emulator.clock.now()
            start, end = _moments(query, now)
            sort, size = query.get("sort", "asc"), _limit(query)
            found: dict[str, list[dict[str, Any]]] = {}
            begin, count, token = _read_token(query.get("page_token")), 0, None
            for asset in assets:
                if begin is not None and asset.symbol < begin[0]:
                    continue
                first, last = _left(asset, begin, start, end, reverse=sort == "desc")
                for when, row in self._rows(what, asset, query, first, last, now, reverse=sort == "desc"):
                    if begin is not None and not _beyond((asset.symbol, when), begin, reverse=sort == "desc"):
                        continue
                    if count == size:
                        return _page(asked, what, found, token)
                    found.setdefault(asset.symbol, []).append(row)
                    token = (asset.symbol, when)
                    count += 1
            return _page(asked, what, found, None)

        return guarded(handle)

    def _rows(
        self, what: str, asset: Asset, query: Mapping[str, str], start: datetime, end: datetime, now: datetime,
        *, reverse: bool,
    ) -> Iterator[Row]:  # fmt: skip
        frame = query.get("timeframe", "1Min") if what == "bars" else "1Min"
        if what == "bars" and "timeframe" not in query:
            raise _bad("timeframe is required")
        if frame not in SIZES:
            raise _bad(f"invalid timeframe: {frame}")
        for bar in bars(self._market, asset, frame, start, end, now, newest_first=reverse):
            if what == "bars":
                yield nanoseconds(bar.start), bar_row(bar)
            else:
                when = nanoseconds(bar.start) + 30_000_000_000
                if what == "trades":
                    yield when, trade_row(asset, when, bar.close, bar.volume)
                else:
                    yield when, quote_row(asset, when, bar.close * 0.9999, bar.close * 1.0001)

    # ---- now ---------------------------------------------------------------------------------------------------------
    def _latest(self, what: str, *, crypto: bool) -> Callable[[Asked], Answer]:
        def handle(asked: Asked) -> Answer:
            found = {asset.symbol: self._now(what, asset) for asset in self._assets(asked, crypto=crypto)}
            if "symbol" in asked.parts:
                symbol = asked.parts["symbol"]
                if symbol not in found:
                    raise Refused(Answer(404, {"message": f"no {what[:-1]} found for {symbol}"}))
                return Answer(200, {"symbol": symbol, what[:-1]: found[symbol]})
            return Answer(200, {what: found})

        return guarded(handle)

    def _now(self, what: str, asset: Asset) -> dict[str, Any]:
        now = self._emulator.clock.now()
        if what == "trades":
            return trade_row(asset, nanoseconds(now), self._market.last(asset.symbol), 100.0)
        if what == "quotes":
            return quote_row(asset, nanoseconds(now), *self._market.quote(asset.symbol))
        return bar_row(latest(self._market, asset, "1Min", now, 1)[0])

    def _snapshots(self, *, crypto: bool) -> Callable[[Asked], Answer]:
        def handle(asked: Asked) -> Answer:
            found = {asset.symbol: self._snapshot(asset) for asset in self._assets(asked, crypto=crypto)}
            if "symbol" in asked.parts:
                symbol = asked.parts["symbol"]
                if symbol not in found:
                    raise Refused(Answer(404, {"message": f"no snapshot found for {symbol}"}))
                return Answer(200, {"symbol": symbol, **found[symbol]})
            return Answer(200, {"snapshots": found} if crypto else found)

        return guarded(handle)

    def _snapshot(self, asset: Asset) -> dict[str, Any]:
        now = self._emulator.clock.now()
        today, before = latest(self._market, asset, "1Day", now, 2)
        return {
            "latestTrade": self._now("trades", asset), "latestQuote": self._now("quotes", asset),
            "minuteBar": self._now("bars", asset), "dailyBar": bar_row(today), "prevDailyBar": bar_row(before),
        }  # fmt: skip

    def _assets(self, asked: Asked, *, crypto: bool) -> list[Asset]:
        """By symbol; those that are not traded here are left out, as the venue does."""
        names = [asked.parts["symbol"]] if "symbol" in asked.parts else asked.query.get("symbols", "").split(",")
        names = sorted({name for name in names if name})
        if not names:
            raise _bad("symbols is required")
        for name in names:
            if crypto and "/" not in name:
                raise _bad(f"invalid symbol: {name} does not match ^[A-Z]+x?/[A-Z]+$")
            if not crypto and not name.replace(".", "").isalnum():
                raise _bad(f"invalid symbol: {name}")
        found = (asset_of(name) for name in names)
        return [
            asset for asset in found if asset is not None and asset.crypto is crypto and asset.symbol in self._market
        ]


# ---- rows ------------------------------------------------------------------------------------------------------------
def bar_row(bar: Bar) -> dict[str, Any]:
    """Volume of a stock is a whole number."""
    return {
        "t": stamp(nanoseconds(bar.start)), "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close,
        "v": int(bar.volume) if float(bar.volume).is_integer() else bar.volume, "n": max(int(bar.volume) // 10, 1),
        "vw": round((bar.high + bar.low + bar.close) / 3, 6),
    }  # fmt: skip


def trade_row(asset: Asset, when: int, price: float, size: float) -> dict[str, Any]:
    """A public trade; `when` in nanoseconds since 1970."""
    row = {"t": stamp(when), "p": price, "s": size, "i": when // 1_000_000}
    return row | ({"tks": "B"} if asset.crypto else {"x": "V", "c": ["@"], "z": "C"})


def quote_row(asset: Asset, when: int, bid: float, ask: float) -> dict[str, Any]:
    """Best bid and ask; `when` in nanoseconds since 1970."""
    row = {"t": stamp(when), "bp": round(bid, 4), "bs": 1, "ap": round(ask, 4), "as": 1}
    return row if asset.crypto else row | {"bx": "V", "ax": "V", "c": ["R"], "z": "C"}


# ---- questions -------------------------------------------------------------------------------------------------------
def _bad(message: str) -> Refused:
    """An error of the data API, which has no codes."""
    return Refused(Answer(400, {"message": message}))


def _moments(query: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    """From `start` (today) to `end` (now), both included."""
    found = []
    for name, usual in (("start", now.replace(hour=0, minute=0, second=0, microsecond=0)), ("end", now)):
        text = query.get(name)
        try:
            found.append(usual if not text else EPOCH + timedelta(microseconds=read_moment(text) // 1_000))
        except ValueError:
            raise _bad(
                f"Invalid format for parameter {name}: error parsing '{text}' as RFC3339 or 2006-01-02"
            ) from None
    if found[0] > found[1]:
        raise _bad("end should not be before start")
    return found[0].astimezone(UTC), found[1].astimezone(UTC)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit") or str(PAGE)
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST:
        raise _bad(f"invalid limit: must be between 1 and {LARGEST}")
    return int(text)


def _page(asked: Asked, what: str, found: dict[str, list[dict[str, Any]]], last: tuple[str, int] | None) -> Answer:
    text = None if last is None else base64.b64encode(f"{last[0]}|{last[1]}".encode()).decode()
    if "symbol" in asked.parts:
        symbol = asked.parts["symbol"]
        return Answer(200, {what: found.get(symbol), "symbol": symbol, "next_page_token": text})
    return Answer(200, {what: found, "next_page_token": text})


def _read_token(text: str | None) -> tuple[str, int] | None:
    if not text:
        return None
    try:
        symbol, when = base64.b64decode(text, validate=True).decode().split("|")
        return symbol, int(when)
    except (ValueError, binascii.Error):
        raise _bad("invalid page_token") from None


def _left(
    asset: Asset, last: tuple[str, int] | None, start: datetime, end: datetime, *, reverse: bool
) -> tuple[datetime, datetime]:
    """The part of start .. end that pages before have not had; roughly."""
    if last is None or asset.symbol != last[0]:
        return start, end
    moment = EPOCH + timedelta(microseconds=last[1] // 1_000)
    return (start, min(end, moment)) if reverse else (max(start, moment - timedelta(minutes=1)), end)


def _beyond(row: tuple[str, int], last: tuple[str, int], *, reverse: bool) -> bool:
    """Whether a row comes after the last one of the page before; symbols always rise."""
    if row[0] != last[0]:
        return row[0] > last[0]
    return row[1] < last[1] if reverse else row[1] > last[1]
