"""From bars, symbol by symbol, to columns. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta

import numpy as np
from trader.model import Bars, Times

from trader_broker_alpaca.wire import NEW_YORK, Bar, is_crypto

FRAMES = {
    "1m": ("1Min", timedelta(minutes=1)),
    "5m": ("5Min", timedelta(minutes=5)),
    "15m": ("15Min", timedelta(minutes=15)),
    "30m": ("30Min", timedelta(minutes=30)),
    "1h": ("1Hour", timedelta(hours=1)),
    "4h": ("4Hour", timedelta(hours=4)),
    "1d": ("1Day", timedelta(days=1)),
}
"""Ours -> Alpaca's, and how long it is."""
DAILY = "1d"
OPENS, CLOSES = time(9, 30), time(16)
"""A stock's daily bar is its regular session, which ends at four also on the days when the market closes at one:
later than it could be known, never earlier."""


def span(symbol: str, timeframe: str, opened: datetime) -> tuple[datetime, datetime]:
    """Start and end of the bar that Alpaca stamps with `opened`; a stock's day is stamped with New York's midnight."""
    if timeframe != DAILY or is_crypto(symbol):
        return opened, opened + FRAMES[timeframe][1]
    day = opened.astimezone(NEW_YORK).date()
    start, end = (datetime.combine(day, clock, NEW_YORK) for clock in (OPENS, CLOSES))
    return start.astimezone(opened.tzinfo), end.astimezone(opened.tzinfo)


def columns(
    rows: Mapping[str, Sequence[Bar]], timeframe: str, start: datetime, end: datetime, missing: Sequence[str] = ()
) -> Bars:
    """The bars that end in (start, end], columns in the order of `rows`; of two with one end the later one counts."""
    kept = {
        symbol: {ends: (begins, bar) for bar in bars for begins, ends in [span(symbol, timeframe, bar.start)]
                 if start < ends <= end}
        for symbol, bars in rows.items()
    }  # fmt: skip
    starts = {ends: begins for bars in kept.values() for ends, (begins, _) in bars.items()}
    order = sorted(starts)
    row_of = {ends: number for number, ends in enumerate(order)}
    values = np.full((5, len(order), len(kept)), np.nan)
    for column, bars in enumerate(kept.values()):
        for ends, (_, bar) in bars.items():
            values[:, row_of[ends], column] = bar[1:]
    begun, ended = _times([starts[ends] for ends in order]), _times(order)
    opened, high, low, close, volume = values
    return Bars(tuple(kept), timeframe, begun, ended, opened, high, low, close, volume, tuple(missing))


def _times(moments: Sequence[datetime]) -> Times:
    return np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[ns]")
