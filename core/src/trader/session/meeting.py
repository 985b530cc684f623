"""The first words with each venue at a start: learn what happened meanwhile, and agree on what is held."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from trader.cycle.market import instant
from trader.errors import Unreachable
from trader.session import by_hand, opening
from trader.session.connect import pauses
from trader.session.report import Report

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Session


async def meet(session: Session, *, adopt: bool, cancel_open: bool) -> None:
    """Meet the venue of every book, with all the tries that the settings allow. A book that has a journal and gets no
    answer is marked as not met; a new one is left out. Refused for a new book on an account that is not clean, unless
    `adopt` or `cancel_open` says what to do with it; Unreachable without answers for the only book, for a new one in a
    cold start, and on recorded data."""
    onlooker = asyncio.ensure_future(_look_on(session))
    try:
        for book in [*session.books]:
            try:
                await _meet(session, book, adopt, cancel_open)
            except Unreachable as error:
                if session.recorded or session.kind == "cold" or len(session.books) == 1:
                    raise
                opening.leave_out(session, book.name, error)
                session.books.remove(book)
    finally:
        onlooker.cancel()


async def _look_on(session: Session) -> None:
    """Venues may take minutes to answer; what nobody can place is told meanwhile."""
    while True:
        for book in session.books:
            book.look_at_the_unknown()
        await asyncio.sleep(1.0)


async def _meet(session: Session, book: Book, adopt: bool, cancel_open: bool) -> None:
    waits = pauses(session.settings.application.connect, session.world)
    while not await _met(session, book, adopt, cancel_open):
        pause = next(waits, None)
        if pause is None and (session.recorded or book.engine.opened is None):
            raise Unreachable(f"The broker of book '{book.name}' does not say where the account stands.")
        if session.kill.halted is not None:  # what works there does not wait until everything is answered
            await session.sweep_once(book)
        if pause is None:
            book.met = False  # the book's own task goes on asking; it decides nothing until then
            return
        await asyncio.sleep(pause)


async def _met(session: Session, book: Book, adopt: bool, cancel_open: bool) -> bool:
    engine, panel = book.engine, book.engine.market.panel
    row = min(book.next_row, max(panel.rows - 1, 0))
    at = instant(panel.start[row]) if session.recorded else session.world.clock.now()
    report = Report()
    session.world.point("connect>reconcile")
    try:
        if engine.number == 0 and not engine.ledger.holdings and engine.opened is None:
            await by_hand.open_book(engine, report, row, at, adopt=adopt, cancel_open=cancel_open)
            whole = True
        else:
            whole = await engine.awaken(report, row, at)
            if book.next_row > 0 and panel.rows:
                engine.standing.look(min(book.next_row - 1, panel.rows - 1))
    except Unreachable as error:
        report.unreached.append(error.what)
        whole = False
    book.tell(report)
    book.look_at_the_unknown()
    return whole
