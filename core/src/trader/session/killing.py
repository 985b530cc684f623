"""After a trip: cancel from each venue's own list until none is left, confirmed, for as long as it takes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from trader.model import Severity
from trader.safety.sweep import PATIENT_LOOKS, Swept, sweep
from trader.session.asking import ask
from trader.session.lanes import Priority
from trader.session.report import Report

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Session

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
SOON = 10.0
"""Seconds after which a person is told what could not be confirmed yet."""


class Sweeper:
    """Sweeps every venue of a session while it is halted."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tasks: dict[str, asyncio.Task[str]] = {}

    def soon(self) -> None:
        """Begin at every venue where it is not going on: one that does not answer keeps no other from a new sweep."""
        for book in self._session.books:
            task = self._tasks.get(book.name)
            if task is None or task.done():
                self._tasks[book.name] = asyncio.ensure_future(self._sweep(book, patience=float("inf")))

    async def end(self, book: Book) -> None:
        """The session ends: wait until this book's venue shows no order. On recorded data it stands still: one look."""
        if self._session.recorded:
            await self._sweep(book, patience=0.0)
            return
        self.soon()
        await self._tasks[book.name]

    async def once(self, book: Book) -> None:
        """One look at one venue, and cancels for what it shows."""
        await self._sweep(book, patience=0.0)

    def cancel(self) -> None:
        """The session has ended."""
        for task in self._tasks.values():
            task.cancel()

    async def now(self, patience: float = SOON) -> str:
        """Sweep every venue, at most for so many seconds; what is left or not confirmed, "" if nothing is."""
        books = self._session.books
        left = await asyncio.gather(*(self._sweep(book, patience) for book in books))
        return "; ".join(text for text in left if text)

    async def _sweep(self, book: Book, patience: float) -> str:
        session, engine = self._session, book.engine
        began = told = session.world.clock.monotonic()
        pause, looks = FIRST_PAUSE, 0
        while True:
            looks += 1
            one_by_one = looks > PATIENT_LOOKS
            swept = await ask(engine.lane, Priority.CANCEL, partial(sweep, one_by_one=one_by_one), engine.broker)
            trouble = self._left(book, swept)
            if not trouble:
                session.log.warning("kill_switch", book=book.name, state="confirmed", working=0)
                await self._news_of(book)
                return ""
            now = session.world.clock.monotonic()
            if now - began >= patience or session.kill.halted is None:
                return trouble
            if now - told >= 60.0:
                told = now
                session.alerts.raise_(Severity.CRITICAL, "kill_unconfirmed", trouble)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _news_of(self, book: Book) -> None:
        """What the sweep did to the book's orders, asked at once or in the book's own time."""
        session = self._session
        runner = next((each for each in session.runners if each.book is book), None)
        if runner is not None:
            runner.reconcile_soon()
            return
        report, row = Report(), max(min(book.next_row, book.rows) - 1, 0)
        await book.engine.reconciler.news(report, row, session.world.now())
        book.tell(report)

    def _left(self, book: Book, swept: object) -> str:
        """What speaks against "no order works there"."""
        if not isinstance(swept, Swept):
            return f"the broker of book '{book.name}' does not answer"
        if swept.trouble:
            return f"book '{book.name}': {swept.trouble}"
        if swept.shown:
            return f"book '{book.name}': {len(swept.shown)} orders work at the venue, cancels are asked for"
        if book.engine.blotter.uncertain_any():
            return f"book '{book.name}': an order may still reach the venue"
        return ""
