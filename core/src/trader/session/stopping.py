"""The parts of a stop: outcomes under way, orders, positions, what is left, and what is kept for the post-mortem."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trader.errors import TraderError
from trader.model import OrderState
from trader.orders.blotter import UNCERTAIN
from trader.session import by_hand
from trader.session.live import POLL_SECONDS
from trader.session.reconcile import reference
from trader.session.report import Report

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Session


AGAIN_SECONDS = 5.0
"""After that a cancel is asked for again: the venue may have refused it for its rate limit, or never got it."""


async def wind_down(session: Session) -> None:
    """No decision any more: wait for outcomes, then do with orders and positions what the settings say; at most for
    `application.shutdown.grace` seconds. What is unknown then is stored as unknown."""
    chosen = session.settings.application.shutdown
    until = session.stop_by or session.world.clock.monotonic() + chosen.grace
    ends = await asyncio.gather(*(_in_time(session, book, until) for book in session.books), return_exceptions=True)
    for end in ends:
        if end is not None:
            raise end
    for book in session.books:
        for client_id, state in book.engine.open_orders():
            level = session.log.info if session.recorded else session.log.warning
            level("left_working", book=book.name, client_id=client_id, state=state)


async def _in_time(session: Session, book: Book, until: float) -> None:
    """All books at the same time: one whose venue is away takes none of the others' grace."""
    grace = session.settings.application.shutdown.grace
    left = max(until - session.world.clock.monotonic(), 0.05)
    try:
        _give_up(book)
        await asyncio.wait_for(_wind_down(session, book, until), left)
    except TimeoutError:
        session.log.warning("shutdown", book=book.name, text=f"not everything is known after {grace:g} s")
    except TraderError as error:
        session.log.error("shutdown", book=book.name, text=str(error))


async def _wind_down(session: Session, book: Book, until: float) -> None:
    chosen = session.settings.application.shutdown
    await _settle(session, book, until, _certain(book))
    if session.kill.halted is not None:  # nobody goes on with it when the session is gone
        await session.swept(book)
        await _settle(session, book, until, lambda: not book.engine.blotter.open())
    if chosen.orders == "cancel":
        await _cancel(session, book, until)
    if chosen.positions == "close" and session.kill.halted is None:
        await _flatten(session, book, until)


def _give_up(book: Book) -> None:
    """Sends that the end of the session cut off: whether they arrived is asked from now on."""
    report = Report()
    book.engine.take_for_sent(report, book.place()[1])
    book.tell(report)


def _certain(book: Book) -> Callable[[], bool]:
    return lambda: not book.engine.blotter.uncertain_any()


async def _settle(session: Session, book: Book, until: float, done: Callable[[], bool]) -> None:
    """Ask for news until it is done, or the time is up. Recorded data stands still: once is all there is to ask."""
    while not done():
        report = Report()
        row, at = book.place()
        await book.engine.reconciler.news(report, row, at)
        book.tell(report)
        if done() or session.recorded or session.world.clock.monotonic() >= until:
            return
        await asyncio.sleep(POLL_SECONDS)


async def _cancel(session: Session, book: Book, until: float) -> None:
    engine, clock = book.engine, session.world.clock

    def over() -> bool:
        return not engine.blotter.open() or clock.monotonic() >= until

    while True:
        report = Report()
        _, at = book.place()
        refs = [
            reference(o)
            for o in engine.blotter.open()
            if o.state not in UNCERTAIN and o.state is not OrderState.CLOSING
        ]
        await engine.sender.cancel(refs, report, at, again=True, journal=True)
        book.tell(report)
        await _settle(session, book, min(until, clock.monotonic() + AGAIN_SECONDS), over)
        if session.recorded or over():
            return


async def _flatten(session: Session, book: Book, until: float) -> None:
    engine = book.engine
    for symbol in [symbol for symbol, held in engine.ledger.holdings.items() if held.quantity]:
        report = Report()
        row, at = book.place()
        try:
            text = await by_hand.close(engine, symbol, report, row, at)
            session.log.info("shutdown", book=book.name, text=text)
        except TraderError as error:
            session.log.error("shutdown", book=book.name, symbol=symbol, text=error.what)
        book.tell(report)
    await _settle(session, book, until, lambda: not engine.blotter.open())


def keep_for_the_post_mortem(session: Session, reason: str) -> Path | None:
    """This session's log lines and figures, in archive/<UTC time>-<session>/: for live data, and where it ended by an
    error. None where nothing is kept."""
    if session.recorded and not reason.startswith("error"):
        return None
    folder = session.settings.state_dir / "archive" / f"{session.world.clock.now():%Y%m%dT%H%M%SZ}-{session.id}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figures = {
            "session": session.id,
            "reason": reason,
            "books": {
                book.name: {
                    "cycles": book.cycles, "orders": book.orders, "filled": book.filled, "fills": book.fills,
                    "refusals": book.refusals, "faults": book.faults, "passes": book.engine.gate.passes,
                    "open_orders": dict(book.engine.open_orders()),
                }
                for book in session.books
            },
        }  # fmt: skip
        (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        _copy_log(session.settings.state_dir / "logs", folder / "log.jsonl", session.id)
    except OSError as error:
        session.log.error("archive_failed", reason=str(error))
        return None
    return folder


def _copy_log(logs: Path, target: Path, session: str) -> None:
    """The lines of this session, of every log file that has some."""
    if not logs.is_dir():
        return
    mark = f'"{session}"'
    with target.open("w", encoding="utf-8") as kept:
        for path in sorted(logs.iterdir(), key=lambda path: path.stat().st_mtime):
            with path.open(encoding="utf-8", errors="replace") as lines:
                kept.writelines(line for line in lines if mark in line)
