"""Where the book stands, in arrays over the panel's columns: what is held, on its way, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from trader.cycle.market import Window
from trader.model import Account, Array, Instrument, OrderRef, Quote, Times

NO_TIME = np.datetime64("NaT", "ns")


@dataclass(slots=True)
class Portfolio:
    """The state a decision starts from; arrays have shape (symbols,), in the panel's order. Floats are estimates of the
    ledger's exact numbers; `lots` is exact (held quantity in whole lots, toward zero)."""

    cash: float
    equity: float
    quantity: Array
    lots: NDArray[np.int64]
    entry_price: Array
    entry_time: Times
    entry_row: NDArray[np.int64]
    best: Array
    pending: Array
    """Signed units that working and unresolved orders may still add (stop orders that stand guard left out)."""
    worst: Array
    """Signed worst case, units: held plus every unresolved order that would enlarge it."""
    unresolved: NDArray[np.bool_]
    """A symbol with an order that is not terminal: not planned again."""
    blocked: NDArray[np.bool_]
    working: tuple[WorkingOrder, ...] = ()
    coming: tuple[Array, Array] | None = None
    """Units that may yet be (sold, bought), whoever decided it; None: none. `worst` knows the larger side only."""
    account: Account | None = None
    settled_cash: float | None = None
    """What may be spent now where the venue settles later; None: all cash."""
    peak_equity: float = 0.0
    day_equity: float = 0.0
    sent: Times = field(default_factory=lambda: np.empty(0, "datetime64[ns]"))

    @classmethod
    def empty(cls, symbols: int, cash: float) -> Portfolio:
        """Nothing held, nothing on its way."""
        return cls(
            cash=cash,
            equity=cash,
            quantity=np.zeros(symbols),
            lots=np.zeros(symbols, np.int64),
            entry_price=np.zeros(symbols),
            entry_time=np.full(symbols, NO_TIME),
            entry_row=np.zeros(symbols, np.int64),
            best=np.zeros(symbols),
            pending=np.zeros(symbols),
            worst=np.zeros(symbols),
            unresolved=np.zeros(symbols, bool),
            blocked=np.zeros(symbols, bool),
            peak_equity=cash,
            day_equity=cash,
        )


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that is not terminal, as far as a decision cares."""

    ref: OrderRef
    column: int
    stop: float | None
    """The level of a protective stop; None for any other order."""
    cancellable: bool
    rest: float
    """Signed units that may still be traded."""
    leaves: bool = False
    """Whether it is an exit at market."""


class Held:
    """The `Positions` that a strategy's `exits` sees: the columns that are not flat."""

    __slots__ = ("bars", "best", "entry_price", "entry_time", "gain", "quantity", "weight")

    def __init__(
        self, portfolio: Portfolio, columns: NDArray[np.intp], price: Array, multiplier: Array, row: int
    ) -> None:
        quantity = portfolio.quantity[columns]
        entry = portfolio.entry_price[columns]
        self.quantity, self.entry_price = quantity, entry
        self.entry_time = portfolio.entry_time[columns]
        self.weight = quantity * price[columns] * multiplier[columns] / portfolio.equity
        self.bars = np.maximum(row - portfolio.entry_row[columns], 0)  # entered after `row` closed: no bar yet
        best = portfolio.best[columns]
        self.best = np.where(np.isinf(best), price[columns], best)  # no bar closed since then: the last price
        paid = np.where(entry > 0.0, entry, np.nan)  # units taken over at no price: nobody knows what they gained
        self.gain = np.sign(quantity) * (price[columns] / paid - 1.0)


class BookView:
    """The `Book` that risk rules see."""

    __slots__ = (
        "_instruments", "_portfolio", "_quotes", "_unit", "account", "cash", "day_pnl", "drawdown", "equity",
        "exposure", "history", "now", "price", "sent", "symbols",
    )  # fmt: skip

    def __init__(
        self,
        portfolio: Portfolio,
        symbols: tuple[str, ...],
        price: Array,
        multiplier: Array,
        now: datetime,
        instruments: Mapping[str, Instrument],
        quotes: Mapping[str, Quote],
        history: Window | None = None,
    ) -> None:
        self.symbols, self.now, self.price, self.history = symbols, now, price, history
        self.equity, self.cash = portfolio.equity, portfolio.cash
        self.exposure = np.where(portfolio.worst == 0.0, 0.0, portfolio.worst * price * multiplier)
        self.day_pnl = portfolio.equity - portfolio.day_equity
        self.drawdown = max(0.0, 1.0 - portfolio.equity / portfolio.peak_equity) if portfolio.peak_equity > 0 else 0.0
        self.sent = portfolio.sent
        self.account = portfolio.account
        self._instruments, self._quotes = instruments, quotes
        self._portfolio, self._unit = portfolio, price * multiplier

    def facing(self, column: NDArray[np.intp], lots: NDArray[np.int64]) -> BookView:
        """This book for rules that judge orders which open `lots` (signed) in `column`. An exposure has one sign: with
        the worst case on the other side, rules would see nothing of what may yet come on the side that is opened."""
        if self._portfolio.coming is None or len(column) == 0:
            return self
        sold, bought = self._portfolio.coming
        side = np.sign(lots)
        held, comes = self._portfolio.quantity[column], np.where(side > 0, bought[column], sold[column])
        # A flip closes first what is held: none of it stands against what comes.
        most = np.maximum(np.abs(self._portfolio.worst[column]), np.abs(held) + comes)
        seen = (comes > 0) | (held * side > 0)
        turned = copy(self)
        turned.exposure = self.exposure.copy()
        turned.exposure[column[seen]] = (side * most * self._unit[column])[seen]
        return turned

    def instrument(self, symbol: str) -> Instrument:
        return self._instruments[symbol]

    def quote(self, symbol: str) -> Quote | None:
        return self._quotes.get(symbol)
