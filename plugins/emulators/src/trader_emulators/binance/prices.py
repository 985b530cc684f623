"""Market data: candles, quotes, depth, trades. Public; the same shapes on both markets."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from trader_emulators.binance.listing import Pair
from trader_emulators.binance.moments import eight, milliseconds, moment, near
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.product import Endpoint, Product
from trader_emulators.binance.refusal import BAD_INTERVAL, combined
from trader_emulators.market import SECONDS, Candles

MADE_OF = {"3m": ("1m", 180), "2h": ("1h", 7_200), "6h": ("1h", 21_600), "8h": ("1h", 28_800), "12h": ("1h", 43_200)}
"""Intervals that the market does not have: of which, and their seconds."""
KEPT = 1_000


class Print(NamedTuple):
    """One public trade."""

    number: int
    price: Decimal
    quantity: Decimal
    time: int


class Prices:
    """What a market tells everybody about its prices."""

    def __init__(self, product: Product, *, most: int) -> None:
        self._product, self._most = product, most
        self._prints: dict[str, deque[Print]] = {pair.symbol: deque(maxlen=KEPT) for pair in product.listed.values()}
        self._count = 0

    def endpoints(self, root: str, *, message: bool) -> list[Endpoint]:
        """Below `root`, such as /api/v3."""
        rows = [
            ("klines", "bars", self.klines, "klines"),
            ("depth", "quotes", self.depth, "depth"),
            ("ticker/price", "quotes", self.ticker, "ticker.price"),
            ("ticker/bookTicker", "quotes", self.best, "ticker.book"),
            ("ticker/24hr", "quotes", self.day, "ticker.24hr"),
            ("trades", "quotes", self.trades, "trades.recent"),
            ("aggTrades", "quotes", self.aggregated, "trades.aggregate"),
        ]
        return [
            Endpoint("GET", f"{root}/{path}", call, "open", speak, name if message else "")
            for path, call, speak, name in rows
        ]

    def moved(self, prices: Mapping[str, float]) -> dict[str, Print]:
        """Take note of public trades; each as it is told."""
        told, now = {}, self._product.server_time()
        for symbol, price in prices.items():
            pair = self._product.pairs[symbol]
            self._count += 1
            told[symbol] = Print(self._count, near(price, pair.tick), pair.lot * 100, now)
            self._prints[symbol].append(told[symbol])
        return told

    # ---- candles -----------------------------------------------------------------------------------------------------
    def klines(self, parameters: Parameters) -> list[list[Any]]:
        """Candles that opened between startTime and endTime, the last one open; without a start the newest."""
        pair, interval = self._product.pair(parameters), parameters.text("interval")
        if interval not in SECONDS and interval not in MADE_OF:
            raise BAD_INTERVAL
        base, seconds = MADE_OF.get(interval) or (interval, SECONDS[interval])
        limit, size = parameters.limit(500, self._most), timedelta(seconds=seconds)
        now = self._product.clock.now()
        start, end = parameters.moment("startTime"), min(parameters.moment("endTime") or now, now)
        first = start or moment(milliseconds(end) // (seconds * 1_000) * seconds * 1_000) - (limit - 1) * size
        first = moment(-(-milliseconds(first) // (seconds * 1_000)) * seconds * 1_000)  # the next that opens
        candles = self._product.market.candles(
            pair.symbol, base, first, min(end + timedelta(milliseconds=1), first + limit * size), now=now
        )
        return rows(gathered(candles, seconds), seconds, pair)[:limit]

    def candle(self, pair: Pair, interval: str, opened: int | None = None) -> list[Any]:
        """The one that is open now, or the one that opened then (milliseconds since 1970)."""
        seconds, now = SECONDS[interval], self._product.clock.now()
        first = moment(milliseconds(now) // (seconds * 1_000) * seconds * 1_000 if opened is None else opened)
        candles = self._product.market.candles(
            pair.symbol, interval, first, first + timedelta(seconds=seconds), now=now
        )
        return rows(candles, seconds, pair)[-1]

    # ---- quotes ------------------------------------------------------------------------------------------------------
    def ticker(self, parameters: Parameters) -> Any:
        """The last price."""
        return self._each(parameters, lambda pair: {"symbol": pair.name, "price": eight(self._product.last(pair))})

    def best(self, parameters: Parameters) -> Any:
        """Best bid and ask."""
        return self._each(parameters, self.quote)

    def quote(self, pair: Pair) -> dict[str, Any]:
        """Best bid and ask of one pair."""
        bid, ask = self._product.book(pair)
        size = eight(pair.lot * 1_000)
        return {"symbol": pair.name, "bidPrice": eight(bid), "bidQty": size, "askPrice": eight(ask), "askQty": size}

    def day(self, parameters: Parameters) -> Any:
        """What the last 24 hours were."""
        return self._each(parameters, self._day)

    def _day(self, pair: Pair) -> dict[str, Any]:
        now = self._product.clock.now()
        hours = self._product.market.candles(pair.symbol, "1h", now - timedelta(hours=24), now, now=now)
        last = self._product.last(pair)
        opened = near(float(hours.open[0]), pair.tick) if len(hours) else last
        return {
            **self.quote(pair),
            "priceChange": eight(last - opened),
            "priceChangePercent": f"{(last / opened - 1) * 100:.3f}",
            "lastPrice": eight(last),
            "openPrice": eight(opened),
            "highPrice": eight(near(float(hours.high.max()), pair.tick) if len(hours) else last),
            "lowPrice": eight(near(float(hours.low.min()), pair.tick) if len(hours) else last),
            "volume": eight(float(hours.volume.sum())),
            "quoteVolume": eight(float((hours.volume * hours.close).sum())),
            "openTime": milliseconds(now - timedelta(hours=24)),
            "closeTime": milliseconds(now),
        }

    def depth(self, parameters: Parameters) -> dict[str, Any]:
        """Bids and asks, best first."""
        pair, limit = self._product.pair(parameters), parameters.limit(100, 5_000)
        bid, ask = self._product.book(pair)
        size = eight(pair.lot * 1_000)
        steps = range(min(limit, 100))
        bids = [[eight(bid - step * pair.tick), size] for step in steps if bid > step * pair.tick]
        asks = [[eight(ask + step * pair.tick), size] for step in steps]
        now = self._product.server_time()
        return {"lastUpdateId": now, "E": now, "T": now, "bids": bids, "asks": asks}

    def _each(self, parameters: Parameters, tell: Any) -> Any:
        told = [tell(pair) for pair in self._product.asked_pairs(parameters)]
        return told[0] if "symbol" in parameters else told

    # ---- trades ------------------------------------------------------------------------------------------------------
    def trades(self, parameters: Parameters) -> list[dict[str, Any]]:
        """The newest, oldest first."""
        pair = self._product.pair(parameters)
        prints = list(self._prints[pair.symbol])[-parameters.limit(500, 1_000) :]
        return [
            {"id": each.number, "price": eight(each.price), "qty": eight(each.quantity),
             "quoteQty": eight(each.price * each.quantity), "time": each.time, "isBuyerMaker": False,
             "isBestMatch": True} for each in prints
        ]  # fmt: skip

    def aggregated(self, parameters: Parameters) -> list[dict[str, Any]]:
        """From fromId on, or between startTime and endTime, or the newest."""
        pair, limit = self._product.pair(parameters), parameters.limit(500, 1_000)
        start, end, first = (parameters.whole(name, -1) for name in ("startTime", "endTime", "fromId"))
        if first >= 0 and max(start, end) >= 0:
            raise combined()
        prints = [
            each for each in self._prints[pair.symbol]
            if each.number >= first and each.time >= start and (end < 0 or each.time <= end)
        ]  # fmt: skip
        chosen = prints[:limit] if max(start, first) >= 0 else prints[-limit:]
        return [aggregate(each) for each in chosen]


def aggregate(each: Print) -> dict[str, Any]:
    """One aggregated trade."""
    number = each.number
    return {"a": number, "p": eight(each.price), "q": eight(each.quantity), "f": number, "l": number, "T": each.time,
            "m": False, "M": True}  # fmt: skip


def gathered(candles: Candles, seconds: int) -> Candles:
    """The same in longer stretches of time."""
    opened = candles.start.astype("datetime64[s]").astype(np.int64) // seconds * seconds
    if not len(opened):
        return candles
    edges = np.flatnonzero(np.r_[True, opened[1:] != opened[:-1]])
    ends = np.r_[edges[1:], len(opened)] - 1
    return Candles(
        opened[edges].astype("datetime64[s]"),
        candles.open[edges],
        np.maximum.reduceat(candles.high, edges),
        np.minimum.reduceat(candles.low, edges),
        candles.close[ends],
        np.add.reduceat(candles.volume, edges),
    )


def rows(candles: Candles, seconds: int, pair: Pair) -> list[list[Any]]:
    """As the venue writes candles."""
    opened = (candles.start.astype("datetime64[s]").astype(np.int64) * 1_000).tolist()
    made = []
    for index, start in enumerate(opened):
        prices = (candles.open[index], candles.high[index], candles.low[index], candles.close[index])
        volume = float(candles.volume[index])
        worth = volume * float(candles.close[index])
        made.append([
            start, *(eight(near(float(price), pair.tick)) for price in prices), eight(volume),
            start + seconds * 1_000 - 1, eight(worth), int(volume), eight(volume / 2), eight(worth / 2), "0",
        ])  # fmt: skip
    return made
