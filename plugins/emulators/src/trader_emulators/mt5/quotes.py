"""Bars and ticks as the terminal's arrays; times on the server's clock. Prices are bids, as in its charts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from trader_emulators.market import Candles
from trader_emulators.mt5.constants import TIMEFRAMES
from trader_emulators.mt5.symbols import Spec
from trader_emulators.mt5.words import PARAMS, Refused, call_argument, moment

if TYPE_CHECKING:
    from trader_emulators.mt5.venue import Mt5Emulator

RATE = np.dtype([
    ("time", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"), ("tick_volume", "<u8"),
    ("spread", "<i4"), ("real_volume", "<u8"),
])  # fmt: skip
TICK = np.dtype([
    ("time", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("last", "<f8"), ("volume", "<u8"), ("time_msc", "<i8"),
    ("flags", "<u4"), ("volume_real", "<f8"),
])  # fmt: skip
MINUTES = {"M1": 1, "M5": 5, "M15": 15, "M30": 30, "H1": 60, "H4": 240, "D1": 1_440}
SECONDS = {TIMEFRAMES[name]: 60 * minutes for name, minutes in MINUTES.items()}
"""The time frames that the market behind this has."""
PIECES = {60: "1m", 300: "5m", 900: "15m", 1_800: "30m", 3_600: "1h"}
ALL, INFO, TRADE = -1, 1, 2


def _seconds(timeframe: Any) -> int:
    if call_argument(timeframe, int, "timeframe") not in SECONDS:
        raise Refused(PARAMS, "Invalid params")
    return SECONDS[timeframe]


def _count(value: Any, name: str, least: int) -> int:
    number: int = call_argument(value, int, name)
    if number < least:
        raise Refused(PARAMS, f'Invalid "{name}" argument')
    return number


def rates_until(emulator: Mt5Emulator, spec: Spec, timeframe: Any, until: Any, count: Any) -> Any:
    """The last `count` that begin at `until` or before."""
    size, number, last = _seconds(timeframe), _count(count, "count", 1), moment(until, "date_from")
    now = _now(emulator)
    last = min(last, now)
    return _rates(emulator, spec, size, last - size * (number + 1), last)[-number:]


def rates_back(emulator: Mt5Emulator, spec: Spec, timeframe: Any, position: Any, count: Any) -> Any:
    """`count` of them, the last one `position` before the open one."""
    size, back, number = _seconds(timeframe), _count(position, "start_pos", 0), _count(count, "count", 1)
    now = _now(emulator)
    rates = _rates(emulator, spec, size, now - size * (number + back + 1), now)
    return rates[: len(rates) - back][-number:]


def rates_within(emulator: Mt5Emulator, spec: Spec, timeframe: Any, since: Any, until: Any) -> Any:
    """Those that begin within."""
    return _rates(emulator, spec, _seconds(timeframe), moment(since, "date_from"), moment(until, "date_to"))


def _now(emulator: Mt5Emulator) -> float:
    return emulator.server_time(emulator.clock.now()) / 1000


def _rates(emulator: Mt5Emulator, spec: Spec, size: int, first: float, last: float) -> Any:
    """Bars that begin from `first` to `last`, on the server's clock. Its hours and days begin by that clock."""
    offset = emulator.offset.total_seconds()
    start, end = (_utc(moment - offset) for moment in (first - first % size, last + size))
    piece = next((s for s in sorted(PIECES, reverse=True) if size % s == 0 and offset % s == 0), 60)
    candles = emulator.market.candles(spec.symbol, PIECES[piece], start, end, now=emulator.clock.now())
    rates = _joined(candles, size, round(offset), spec)
    return rates[(rates["time"] >= first) & (rates["time"] <= last)]


def _utc(seconds: float) -> datetime:
    """A moment of this and the next century: so far arithmetic with dates goes."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(seconds, 0.0), 6e9))


def _joined(candles: Candles, size: int, offset: int, spec: Spec) -> Any:
    """Bars of `size` seconds from smaller ones."""
    if not len(candles):
        return np.empty(0, RATE)
    opened = candles.start.astype("datetime64[s]").astype(np.int64) + offset
    group = opened // size * size
    edges = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    ends = np.r_[edges[1:], len(group)] - 1
    rates = np.zeros(len(edges), RATE)
    rates["time"] = group[edges]
    rates["open"], rates["close"] = candles.open[edges], candles.close[ends]
    rates["high"] = np.maximum.reduceat(candles.high, edges)
    rates["low"] = np.minimum.reduceat(candles.low, edges)
    rates["tick_volume"] = np.maximum(np.add.reduceat(candles.volume, edges), 1.0).astype(np.uint64)
    rates["spread"] = max(round(float(rates["close"][-1]) * 0.0002 / float(spec.point)), 1)
    for name in ("open", "high", "low", "close"):
        rates[name] = np.round(rates[name], spec.digits)
    return rates


def ticks_from(emulator: Mt5Emulator, spec: Spec, since: Any, count: Any, flags: Any) -> Any:
    """The first `count` at `since` or later."""
    first, number = moment(since, "date_from"), _count(count, "count", 1)
    return _ticks(emulator, spec, first, float("inf"), flags)[:number]


def ticks_within(emulator: Mt5Emulator, spec: Spec, since: Any, until: Any, flags: Any) -> Any:
    """Those within."""
    return _ticks(emulator, spec, moment(since, "date_from"), moment(until, "date_to"), flags)


def _ticks(emulator: Mt5Emulator, spec: Spec, first: float, last: float, flags: Any) -> Any:
    """Since the emulator began. Changes of bid and ask; of trades there are none."""
    if call_argument(flags, int, "flags") not in {ALL, INFO, TRADE}:
        raise Refused(PARAMS, 'Invalid "flags" argument')
    rows = []
    for tick in () if flags == TRADE else list(emulator.ticks[spec.symbol]):
        time = emulator.server_time(tick.time)
        if first <= time / 1000 <= last:
            rows.append((time // 1000, tick.bid, tick.ask, 0.0, 0, time, 6, 0.0))
    return np.array(rows, dtype=TICK)
