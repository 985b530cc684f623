"""Limits as a share of the book's equity."""

from __future__ import annotations

from math import isfinite, nan

from trader.protocols import Book

SLACK = 1 + 1e-9
"""Sums may exceed a limit by a billionth, so that float64 rounding does not refuse an order of just the limit."""


def allowed(limit: float, book: Book) -> float:
    """`limit` x equity, in the book's currency; NaN, which nothing is within, unless equity is finite and above 0."""
    return limit * book.equity * SLACK if _known(book) else nan


def share(value: float, book: Book) -> float:
    """`value` as a multiple of equity; NaN unless equity is finite and above 0."""
    return float(value / book.equity) if _known(book) else nan


def _known(book: Book) -> bool:
    return isfinite(book.equity) and book.equity > 0
