"""The random walks as bars."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
from trader.cycle.market import instant64
from trader.model import Bars

from _bench.walks import random_walks


def made_up_bars(days: int, symbols: int) -> Bars:
    """Daily bars of the random walks, one each calendar day; highs and lows are the open or the close."""
    open_, close = random_walks(days, symbols)
    end = np.datetime64("2010-01-04T21:00", "ns") + np.arange(days) * np.timedelta64(1, "D")
    names = tuple(f"S{number:03d}" for number in range(symbols))
    return Bars(
        names, "1d", end - np.timedelta64(390, "m"), end, open_, np.maximum(open_, close), np.minimum(open_, close),
        close, np.full(close.shape, 1e12),
    )  # fmt: skip


def bars_until(last: datetime, days: int, symbols: int) -> Bars:
    """The same bars, the last one ending at `last`."""
    bars = made_up_bars(days, symbols)
    move = instant64(last) - bars.end[-1]
    return replace(bars, start=bars.start + move, end=bars.end + move)
