"""Bars that closed since a book last asked its data source."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from trader.cycle.market import check_bars, instant
from trader.errors import ESCAPES, DataError, words
from trader.model import Bars, Severity, Unavailable
from trader.session.assemble import bar_length, check_closed
from trader.session.lanes import Priority

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Session


async def fetch(session: Session, book: Book) -> bool:
    """New bars of the book's time frame and of the others; False where the source has no answer."""
    market, feed = book.engine.market, book.parts.feed
    now: datetime = session.world.clock.now()
    for panel in (market.panel, *(frame for frame, _ in market.frames.values())):
        since = instant(panel.end[panel.rows - 1]) if panel.rows else now - 500 * bar_length(panel.timeframe)
        try:
            question = feed.made.object.bars
            bars = await feed.lane.call(Priority.BARS, question, list(panel.symbols), panel.timeframe, since, now)
            if isinstance(bars, Bars):
                check_bars(bars, feed.made.label)
                check_closed(bars, now, feed.made.label)
            elif not isinstance(bars, Unavailable):
                raise DataError(f"Expected Bars or Unavailable, was {bars!r:.100}.", where=feed.made.label)
        except DataError as error:
            bars = Unavailable("data", str(error))
        except ESCAPES as error:  # a source that raises leaves the last good bars in use
            bars = Unavailable("plugin", words(error))
        if isinstance(bars, Unavailable):
            session.log.warning("data_unavailable", source=feed.made.instance, reason=bars.reason)
            text = f"Data source '{feed.made.instance}' did not answer: {bars.reason}"
            session.alerts.raise_(Severity.WARNING, "data_unavailable", text)
            return False
        panel.append(bars)
    return True
