"""Bars and orders in one line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from trader.model import Bars, OrderRequest, OrderType, Purpose, Side, TimeInForce

DAY0 = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def day():
    """Midnight of day n."""
    return lambda n: DAY0 + timedelta(days=n)


@pytest.fixture(scope="session")
def bars():
    """bars(n, X=(open, high, low, close, volume), ...): one row, day n, or hour n of the day; None is no bar."""

    def make(n, *, hourly=False, **symbols):
        step = np.timedelta64(1, "h" if hourly else "D")
        start = np.array([np.datetime64("2024-01-01", "ns") + n * step])
        rows = [(np.nan,) * 5 if row is None else row for row in symbols.values()]
        columns = [np.array([[row[i] for row in rows]], dtype=float) for i in range(5)]
        return Bars(tuple(symbols), "1h" if hourly else "1d", start, start + step, *columns)

    return make


@pytest.fixture(scope="session")
def order():
    """order(side, quantity, ...): decided at the midnight that begins day 1, before that day's bar."""

    def make(
        side,
        quantity,
        symbol="X",
        kind="market",
        tif="day",
        *,
        limit=None,
        stop=None,
        at=None,
        key=None,
        reduce_only=False,
    ):
        make.count += 1
        key = key or f"k{make.count}"
        return OrderRequest(
            key, key, "main", symbol, Side(side), Decimal(str(quantity)), OrderType(kind), TimeInForce(tif),
            None if limit is None else Decimal(str(limit)), None if stop is None else Decimal(str(stop)),
            reduce_only, Purpose.MANUAL, Decimal(100), at or DAY0 + timedelta(days=1),
        )  # fmt: skip

    make.count = 0
    return make
