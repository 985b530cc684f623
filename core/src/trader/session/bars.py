"""Bars that closed since a book last asked its data source, and when it asks again for those that did not come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trader.cycle.market import Panel, instant, instant64, sift
from trader.env import World
from trader.errors import ESCAPES, DataError, words
from trader.model import Bars, Severity, Unavailable
from trader.session.assemble import LASTING, bar_length, check_closed
from trader.session.connect import pauses
from trader.session.lanes import Priority
from trader.settings import Connect

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Session

OVERLAP = 10
"""Rows that are asked for again: a bar that came late for one symbol fills its hole there."""
BACK_OFF = Connect(first_seconds=5.0, longest_seconds=300.0, tries=1_000_000)
"""Between two questions for bars that did not come."""
PATIENCE = timedelta(hours=1)
"""A bar that is late is asked for as long as it lasts itself, and at most for so long."""
WEEK = timedelta(days=7)


async def fetch(session: Session, book: Book) -> Unavailable | None:
    """New bars of the book's time frame and of the others; why there is no answer, where the source has none."""
    market, feed = book.engine.market, book.parts.feed
    now: datetime = session.world.clock.now()
    for panel in (market.panel, *(frame for frame, _ in market.frames.values())):
        since = now - 500 * bar_length(panel.timeframe)
        if panel.rows:
            since = instant(panel.end[max(panel.rows - 1 - OVERLAP, 0)])
        wrong, says = np.zeros(0, bool), dict[str, str]()
        try:
            question = feed.made.object.bars
            bars = await feed.lane.call(Priority.BARS, question, list(panel.symbols), panel.timeframe, since, now)
            if isinstance(bars, Bars):
                bars, wrong, says = sift(bars, feed.made.label)
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
            newest = panel.end[panel.rows - 1] if panel.rows else "none"
            same = f"{book.name} {feed.made.instance} {newest} {bars.kind}"
            session.alerts.raise_(Severity.WARNING, "data_unavailable", text, same=same)
            return bars
        _tell_wrong(session, book, panel, bars, wrong, says)
        _take(session, book, panel, bars, wrong)
    return None


def _take(session: Session, book: Book, panel: Panel, bars: Bars, wrong: NDArray[np.bool_]) -> None:
    filled = panel.fill(bars)
    for row, symbol in filled:
        session.log.info(
            "bar_late", book=book.name, symbol=symbol, timeframe=panel.timeframe, at=instant(panel.end[row])
        )
    standing = book.engine.standing
    if filled and panel is book.engine.market.panel and standing.row >= 0:
        standing.recall(standing.row)  # the best prices since the entries, as after a restart
    panel.append(bars, wrong)


def _tell_wrong(
    session: Session, book: Book, panel: Panel, bars: Bars, wrong: NDArray[np.bool_], says: dict[str, str]
) -> None:
    """Those of the newest rows only: what is asked for again was told before."""
    newest = bars.end >= panel.end[panel.rows - 1] if panel.rows else np.ones(len(bars), bool)
    for symbol, what in says.items():
        if (wrong[:, bars.symbols.index(symbol)] & newest).any():
            text = f"Data source '{book.parts.feed.made.instance}', book '{book.name}': {what} {symbol} is left out."
            same = f"{book.name} {symbol} {panel.timeframe}"
            if session.alerts.raise_(Severity.ERROR, "bar_wrong", text, same=same) is not None:
                session.log.error("bar_wrong", book=book.name, symbol=symbol, text=what)


def overdue(panel: Panel, now: datetime, delay: float) -> bool:
    """Whether a bar that should be here by now is missing. A market that was closed at this time a week ago, as far as
    its bars reach back, is taken to be closed again."""
    if not panel.rows:
        return True
    last, edge = panel.end[panel.rows - 1], instant64(now - timedelta(seconds=delay))
    if last + np.timedelta64(bar_length(panel.timeframe)) > edge:
        return False
    week = np.timedelta64(WEEK)
    if panel.end[0] > edge - week:
        return True
    return panel.row_at(edge - week) > panel.row_at(last - week)


def promised_in(panel: Panel, now: datetime, delay: float) -> float:
    """Seconds until the source has the bar that closed just now, 0.0 where it has it, or none closed."""
    length = bar_length(panel.timeframe)
    if not panel.rows or delay >= length.total_seconds() or not overdue(panel, now, 0.0):
        return 0.0
    since = (now - instant(panel.end[panel.rows - 1])) % length
    return max(0.0, delay - since.total_seconds())


class Again:
    """When a book asks for bars again before its next trigger: after a failure until there is an answer, for a bar that
    is late only for a while. `at`: process seconds; None: not before the trigger."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.at: float | None = None
        self._pauses: Iterator[float] | None = None
        self._since: float | None = None
        self._until: float | None = None
        self._told = False

    def triggered(self) -> None:
        """A trigger fired: what is late is asked for as long as ever."""
        self._until = None

    def well(self) -> None:
        """Everything is there."""
        self.at = self._pauses = self._since = self._until = None
        self._told = False

    def failed(self, why: Unavailable) -> None:
        """The source did not answer. What no number of questions changes is left to the next trigger."""
        self.at = None if why.kind in LASTING else self._world.clock.monotonic() + self._pause()

    def late(self, timeframe: str) -> bool:
        """The newest bar is not there yet. True, once: it was asked for long enough, somebody should know."""
        now, patience = self._world.clock.monotonic(), min(bar_length(timeframe), PATIENCE).total_seconds()
        self._since = now if self._since is None else self._since
        self._until = now + patience if self._until is None else self._until
        self.at = min(now + self._pause(), self._until) if now < self._until else None
        told, self._told = self._told, self._told or now - self._since >= patience
        return self._told and not told

    def _pause(self) -> float:
        if self._pauses is None:
            self._pauses = pauses(BACK_OFF, self._world)
        return next(self._pauses)
