"""Books and plans for tests of risk rules, made of the real parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite

import numpy as np

from trader.cycle.market import Window, instant64
from trader.cycle.planner import MARKET, Grid, Orders, Stamp
from trader.cycle.portfolio import BookView, Portfolio
from trader.errors import UsageError
from trader.model import Account, Array, Instrument, OrderType, Quote
from trader.orders.ids import IdMint
from trader.protocols import Leg
from trader.testing.fakes import START

_LIMIT = Leg(OrderType.LIMIT, limit=np.empty(0))


def book(
    price: Mapping[str, float],
    *,
    held: Mapping[str, float] | None = None,
    working: Mapping[str, float] | None = None,
    cash: float = 100_000.0,
    equity: float | None = None,
    day_pnl: float = 0.0,
    drawdown: float = 0.0,
    sent: Iterable[datetime] = (),
    quotes: Mapping[str, tuple[float, float]] | None = None,
    instruments: Mapping[str, Instrument] | None = None,
    history: Window | None = None,
    now: datetime = START,
) -> BookView:
    """Where a book stands: `book({"AAPL": 100.0}, held={"AAPL": 50}, cash=20_000)`.

    `price`: the last marks; its symbols are the book's. `held` and `working`: signed units; an order at work counts
    where it enlarges the position. `equity`: else cash plus what is held. `drawdown` is from 0 to 1. `quotes`: (bid,
    ask). `sent`: passes of the gate. Money in USD.
    """
    symbols = tuple(price)
    rules = {symbol: Instrument(symbol) for symbol in symbols} | dict(instruments or {})
    multiplier = np.array([float(rules[symbol].multiplier) for symbol in symbols])
    marks = np.array([price[symbol] for symbol in symbols], np.float64)
    quantity = _column(held, symbols)
    orders = _column(working, symbols)
    value = np.where(quantity == 0.0, 0.0, quantity * marks * multiplier)
    worth = cash + float(value.sum()) if equity is None else equity
    portfolio = Portfolio.empty(len(symbols), worth)
    portfolio.cash, portfolio.quantity, portfolio.lots = cash, quantity, quantity.astype(np.int64)
    portfolio.worst = np.where(np.abs(quantity + orders) > np.abs(quantity), quantity + orders, quantity)
    portfolio.day_equity = worth - day_pnl
    portfolio.peak_equity = worth / (1.0 - drawdown)
    portfolio.sent = np.array([instant64(moment) for moment in sent], "datetime64[ns]")
    portfolio.account = Account("test", "paper", "USD", _cents(cash), _cents(worth), _cents(cash), True, now)
    seen = {symbol: Quote(symbol, now, bid, ask) for symbol, (bid, ask) in (quotes or {}).items()}
    return BookView(portfolio, symbols, marks, multiplier, now, rules, seen, history)


def _cents(amount: float) -> Decimal:
    return Decimal(round(amount * 100)) / 100 if isfinite(amount) else Decimal(0)


def _column(values: Mapping[str, float] | None, symbols: tuple[str, ...]) -> Array:
    unknown = [symbol for symbol in values or () if symbol not in symbols]
    if unknown:
        raise UsageError(f"Expected symbols with a price ({', '.join(symbols)}), was {unknown[0]}.", where="book()")
    return np.array([(values or {}).get(symbol, 0.0) for symbol in symbols], np.float64)


def plan(book: BookView, *orders: tuple[str, float] | tuple[str, float, float]) -> Orders:
    """Orders in sending order: `plan(book, ("AAPL", 10), ("MSFT", -5), ("AAPL", 10, 99.5))`.

    Each is a symbol and its signed whole lots, at market, or with a limit price. One that moves the book's exposure in
    a symbol towards 0 reduces, every other one increases; one that would flip it is to be written as two.
    """
    rules = {symbol: book.instrument(symbol) for symbol in book.symbols}
    grid = Grid(book.symbols, rules)
    mark = grid.to_ticks(book.price)
    left = book.exposure.copy()
    rows: list[tuple[int, int, bool, int, int]] = []
    for order in orders:
        symbol, lots = order[0], round(order[1])
        if symbol not in book.symbols or lots == 0:
            raise UsageError(f"Expected a symbol of the book and lots other than 0, was {order!r}.", where="plan()")
        column = book.symbols.index(symbol)
        worth = lots * grid.lot[column] * grid.multiplier[column] * book.price[column]
        reduces = left[column] * lots < 0
        if reduces and abs(worth) > abs(left[column]) * (1 + 1e-9):
            raise UsageError(
                f"{order!r} would flip a position of {left[column]:g}.", where="plan()", todo="Write it as two orders."
            )
        left[column] += worth if reduces else 0.0
        limit = order[2] if len(order) == 3 else None
        level = 0 if limit is None else max(1, round(limit / float(grid.tick[column])))
        rows.append((column, lots, not reduces, (0 if limit is None else 2) + (not reduces), level))
    table = np.array(rows, np.int64).reshape(-1, 5)
    columns, signed, increases, leg, levels = table.T
    ids = IdMint(b"test", "test", "main").cycle(book.now.isoformat())
    stamp = Stamp("main", book.now, ids, lambda client_id: client_id)
    return Orders(
        grid, stamp, mark, columns.astype(np.intp), signed, increases.astype(bool), leg, (MARKET, _LIMIT), levels
    )
