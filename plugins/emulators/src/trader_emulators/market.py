"""The market of an emulated venue: what prices were and are. By one seed the same prices, whoever asks and when."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from threading import Lock

import numpy as np
from trader.errors import DataError
from trader.model import Array, Times

MINUTE = timedelta(minutes=1)
SECONDS = {"1m": 60, "5m": 300, "15m": 900, "30m": 1_800, "1h": 3_600, "4h": 14_400, "1d": 86_400}
SPREAD = 0.0002
"""Between bid and ask, as a fraction of the price."""
STEP = 0.0005
"""Standard deviation of a minute's return."""


@dataclass(frozen=True, slots=True)
class Candles:
    """Bars of one symbol, oldest first; arrays are (bars,). `start` is UTC; volume is in units."""

    start: Times
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array

    def __len__(self) -> int:
        return len(self.start)


@dataclass(slots=True)
class _Minute:
    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class Market:
    """Prices by canonical symbol. Before it began they are a random walk that ends where they begin; from then on
    they are what `move` says."""

    def __init__(
        self, prices: Mapping[str, float], *, now: datetime, seed: int, days: int = 400,
        paths: Mapping[str, Sequence[float]] | None = None,
    ) -> None:  # fmt: skip
        self._seed, self._days, self._begun = seed, days, now
        self._last = dict(prices)
        self._minutes: dict[str, list[_Minute]] = {symbol: [] for symbol in prices}
        self._past: dict[str, Candles] = {}
        self._paths = {symbol: iter(path) for symbol, path in (paths or {}).items()}
        self._rng = {symbol: np.random.default_rng([seed, zlib.crc32(symbol.encode()), 1]) for symbol in prices}
        self._begin = dict(prices)
        self._lock = Lock()

    @property
    def symbols(self) -> tuple[str, ...]:
        """All that trade here."""
        return tuple(self._last)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._last

    def last(self, symbol: str) -> float:
        """The price now."""
        return self._last[symbol]

    def quote(self, symbol: str) -> tuple[float, float]:
        """Best bid and ask, around the last price."""
        price = self._last[symbol]
        return price * (1 - SPREAD / 2), price * (1 + SPREAD / 2)

    def move(self, symbol: str, price: float, now: datetime, volume: float = 100.0) -> None:
        """A trade at `price`. DataError for a symbol that is not traded here, or a price that is none."""
        if symbol not in self._last:
            raise DataError(f"{symbol} is not traded here; there is {', '.join(self._last)}")
        if not 0 < price < float("inf"):
            raise DataError(f"a price must be above 0, was {price}")
        with self._lock:
            self._last[symbol] = price
            start = now.replace(second=0, microsecond=0)
            minutes = self._minutes[symbol]
            if not minutes or minutes[-1].start < start:
                minutes.append(_Minute(start, price, price, price, price, 0.0))
            minute = minutes[-1]
            minute.high, minute.low = max(minute.high, price), min(minute.low, price)
            minute.close, minute.volume = price, minute.volume + (volume if volume == volume else 100.0)  # noqa: PLR0124 - NaN

    def next_price(self, symbol: str, seconds: float) -> float:
        """Where the price goes within so many seconds: along its path, else at random."""
        following = next(self._paths[symbol], None) if symbol in self._paths else None
        if following is not None:
            return float(following)
        shock = self._rng[symbol].normal(0.0, STEP * (seconds / 60) ** 0.5)
        return float(self._last[symbol] * np.exp(shock))

    def candles(self, symbol: str, timeframe: str, start: datetime, end: datetime, *, now: datetime) -> Candles:
        """Bars that begin at `start` or later and before `end`; the last one may not be closed yet. Minutes without a
        trade repeat the last price with volume 0. DataError for an unknown symbol or time frame."""
        if symbol not in self._last:
            raise DataError(f"{symbol} is not traded here")
        if timeframe not in SECONDS:
            raise DataError(f"no such time frame: {timeframe}; there is {', '.join(SECONDS)}")
        with self._lock:
            minutes = self._all(symbol, now, start)
        size = SECONDS[timeframe] // 60
        opened = minutes.start.astype("datetime64[s]").astype(np.int64)
        first, last = (ceil(moment.timestamp()) for moment in (start, min(end, now + MINUTE)))
        group = opened // (size * 60) * (size * 60)
        keep = (group >= first) & (group < last) & (opened <= int(now.timestamp()))
        if not keep.any():
            empty = np.empty(0)
            return Candles(np.empty(0, "datetime64[s]"), empty, empty, empty, empty, empty)
        group = group[keep]
        edges = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
        ends = np.r_[edges[1:], len(group)] - 1
        return Candles(
            group[edges].astype("datetime64[s]"),
            minutes.open[keep][edges],
            np.maximum.reduceat(minutes.high[keep], edges),
            np.minimum.reduceat(minutes.low[keep], edges),
            minutes.close[keep][ends],
            np.add.reduceat(minutes.volume[keep], edges),
        )

    def _all(self, symbol: str, now: datetime, start: datetime) -> Candles:
        """The past from `start` on, and every minute since, without a hole."""
        past = self._past.get(symbol)
        if past is None:
            past = self._past[symbol] = self._walk(symbol)
        known = {minute.start: minute for minute in self._minutes[symbol]}
        begun = self._begun.replace(second=0, microsecond=0)
        count = max(int((now - begun) / MINUTE), 0) + 1
        price, rows = self._begin[symbol], []
        for number in range(count):
            minute = known.get(begun + number * MINUTE)
            if minute is None:
                rows.append((price, price, price, price, 0.0))
            else:
                rows.append((minute.open, minute.high, minute.low, minute.close, minute.volume))
                price = minute.close
        cut = int(np.searchsorted(past.start, np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "s")))
        since = np.array(rows, dtype=np.float64).T
        first = np.datetime64(begun.astimezone(UTC).replace(tzinfo=None), "s")
        starts = first + np.arange(count) * np.timedelta64(60, "s")
        then = (past.open, past.high, past.low, past.close, past.volume)
        return Candles(np.r_[past.start[cut:], starts], *(np.r_[a[cut:], b] for a, b in zip(then, since, strict=True)))

    def _walk(self, symbol: str) -> Candles:
        rng = np.random.default_rng([self._seed, zlib.crc32(symbol.encode())])
        count = self._days * 1_440
        back = np.cumsum(rng.normal(0.0, STEP, count))
        close = self._begin[symbol] * np.exp(back - back[-1])
        opened = np.r_[close[0], close[:-1]]
        wick = np.abs(rng.normal(0.0, STEP / 2, (2, count)))
        begun = np.datetime64(self._begun.astimezone(UTC).replace(tzinfo=None, second=0, microsecond=0), "s")
        start = begun - np.arange(count, 0, -1) * np.timedelta64(60, "s")
        high, low = np.maximum(opened, close) * (1 + wick[0]), np.minimum(opened, close) * (1 - wick[1])
        return Candles(start, opened, high, low, close, rng.integers(1, 1_000, count).astype(np.float64))
