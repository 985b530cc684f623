"""What a run came to: the numbers that people and programs read at its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from trader.cycle.decision import plain
from trader.model import ZERO

YEAR = 365.25 * 86_400


class Line(msgspec.Struct):
    """One position at the end."""

    quantity: Decimal
    price: Decimal
    value: Decimal
    weight: float


class BookSummary(msgspec.Struct):
    """One book. Counts are of this run, `total_cycles` of the journal's epoch; money is the book's currency."""

    book: str
    account: str
    currency: str
    data: str
    cycles: int
    total_cycles: int
    orders: int
    filled: int
    refusals: int
    fills: int
    fees: Decimal
    traded: Decimal
    start_equity: Decimal
    cash: Decimal
    equity: Decimal
    positions: dict[str, Line]
    refused_by: dict[str, int]
    first: datetime | None
    last: datetime | None
    curve: list[tuple[datetime, Decimal]]
    open_orders: int
    faults: int
    at_end: bool

    @property
    def total_return(self) -> float:
        """Fraction of the first equity."""
        return float(self.equity / self.start_equity - 1) if self.start_equity > 0 else 0.0

    @property
    def years(self) -> float:
        if self.first is None or self.last is None:
            return 0.0
        return (self.last - self.first).total_seconds() / YEAR

    @property
    def annual_return(self) -> float | None:
        """Compound growth a year; None below a quarter of a year, where it says nothing."""
        if self.years < 0.25 or self.start_equity <= 0 or self.equity <= 0:
            return None
        growth: float = float(self.equity / self.start_equity) ** (1 / self.years)
        return growth - 1

    @property
    def turnover(self) -> float | None:
        """Traded value / mean equity / years; None where the mean is not above 0."""
        if self.years < 0.25 or not self.curve:
            return None
        mean = sum(float(equity) for _, equity in self.curve) / len(self.curve)
        return float(self.traded) / mean / self.years if mean > 0 else None

    def worst_drawdown(self) -> tuple[float, datetime | None, datetime | None]:
        """(fraction <= 0, when its peak was, when its bottom was)."""
        return worst_drawdown(self.curve)


class Summary(msgspec.Struct):
    """The whole session. `reason`: why it ended: done, end of data, stopped, cycles."""

    session: str
    mode: str
    start: str
    reason: str
    seconds: float
    books: list[BookSummary]
    fingerprint: str = ""

    def as_json(self) -> dict[str, Any]:
        """The object that `trader run --json` prints: book `main` on top, the others under `books`."""
        main = next((book for book in self.books if book.book == "main"), self.books[0])
        rest = {book.book: _book(book) for book in self.books if book is not main}
        head = {
            "session": self.session,
            "mode": self.mode,
            "start": self.start,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            "fingerprint": self.fingerprint,
        }
        return {**head, **_book(main), "books": rest}


def worst_drawdown(curve: Sequence[tuple[datetime, Decimal]]) -> tuple[float, datetime | None, datetime | None]:
    """The deepest fall from a peak of an equity curve: (fraction <= 0, peak's time, bottom's time)."""
    worst, top, bottom = 0.0, None, None
    peak, peak_at = ZERO, None
    for at, equity in curve:
        if equity > peak:
            peak, peak_at = equity, at
        elif peak > 0 and float(equity / peak) - 1 < worst:
            worst, top, bottom = float(equity / peak) - 1, peak_at, at
    return worst, top, bottom


def _book(book: BookSummary) -> dict[str, Any]:
    drawdown, _, _ = book.worst_drawdown()
    return {
        "book": book.book,
        "account": book.account,
        "currency": book.currency,
        "data": book.data,
        "cycles": book.cycles,
        "total_cycles": book.total_cycles,
        "orders": book.orders,
        "filled": book.filled,
        "fills": book.fills,
        "refusals": book.refusals,
        "refused_by": book.refused_by,
        "open_orders": book.open_orders,
        "faults": book.faults,
        "fees": plain(book.fees),
        "start_equity": plain(book.start_equity),
        "cash": plain(book.cash),
        "equity": plain(book.equity),
        "return": book.total_return,
        "annual_return": book.annual_return,
        "worst_drawdown": drawdown,
        "turnover": book.turnover,
        "first": book.first.isoformat() if book.first else None,
        "last": book.last.isoformat() if book.last else None,
        "at_end_of_data": book.at_end,
        "positions": {
            symbol: {
                "quantity": plain(line.quantity),
                "price": plain(line.price),
                "value": plain(line.value),
                "weight": line.weight,
            }
            for symbol, line in book.positions.items()
        },
    }
