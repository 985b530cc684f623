"""Recorded bars: the source's clock drives market time, as fast as cycles decide or at a pace."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from trader.cycle.market import instant

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Progress, Session

POLL_SECONDS = 0.5
"""How often a session looks for what other processes ask of it."""


async def play(session: Session, cycles: int | None, pace: float | None, progress: Progress) -> None:
    """Step every book through the bars that it has not decided on, at most `cycles` each, `pace` bars a second."""
    await session.obey()
    asked = time.monotonic()  # noqa: TID251 - how often other processes are heard, decides nothing
    cut = cycles is not None and any(book.rows - book.next_row > cycles for book in session.books)
    for at, book, row in moments(session.books, cycles):
        await session.while_halted()
        if session.world.stopping.is_set():
            return
        session.market_now = at
        if book.brakes.paused:
            book.tell(await book.engine.catch_up(row))
        else:
            progress(book, await book.step(row))
        now = time.monotonic()  # noqa: TID251 - as above
        if now - asked > POLL_SECONDS:
            asked = now
            await session.obey()
        if pace:
            await _rest(session, 1.0 / pace)
    session.ended("cycles" if cut else "end of data")


def moments(books: Sequence[Book], most: int | None) -> Iterator[tuple[datetime, Book, int]]:
    """Every undecided row of every book (the first `most` of each), in order of market time; books in their order
    within a moment."""

    def rows(order: int, book: Book) -> Iterator[tuple[datetime, int, Book, int]]:
        panel, first = book.engine.market.panel, book.next_row
        end = panel.rows if most is None else min(panel.rows, first + most)
        return ((instant(panel.end[row]), order, book, row) for row in range(first, end))

    every = (rows(order, book) for order, book in enumerate(books))
    for at, _, book, row in heapq.merge(*every, key=lambda moment: moment[:2]):
        yield at, book, row


async def _rest(session: Session, seconds: float) -> None:
    until = session.world.clock.monotonic() + seconds
    while (left := until - session.world.clock.monotonic()) > 0 and not session.world.stopping.is_set():
        await asyncio.sleep(min(left, POLL_SECONDS))
        await session.obey()
