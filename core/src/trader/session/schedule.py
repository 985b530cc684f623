"""When cycles run on live data: APScheduler says when, this file does the work.

Triggers: interval, cron (in the person's zone), market (an exchange's open or close plus seconds), bar (the bar's end
plus the source's delay). A trigger that fires while a cycle runs is merged into the next; a cycle is named by the bar
that it decided on, so the same bar is never decided twice.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from trader.cycle.market import check_bars, instant
from trader.errors import DataError
from trader.model import Bars, Severity, Unavailable
from trader.session.assemble import bar_length
from trader.session.lanes import Priority
from trader.settings import Schedule

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Progress, Session

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def trigger(schedule: Schedule, timeframe: str, delay: float) -> Any:
    """The APScheduler trigger of a book."""
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    if schedule.trigger == "cron":
        return CronTrigger.from_crontab(schedule.cron or "* * * * *", timezone=ZoneInfo(schedule.timezone))
    if schedule.trigger == "market":
        return MarketTrigger(schedule.calendar, schedule.at, timedelta(seconds=schedule.offset_seconds))
    if schedule.trigger == "bar":
        length = bar_length(timeframe)
        return IntervalTrigger(
            seconds=int(length.total_seconds()), start_date=EPOCH + timedelta(seconds=delay), timezone=UTC
        )
    return IntervalTrigger(seconds=max(1, round(schedule.interval_seconds)), timezone=UTC)


class MarketTrigger:
    """Fires at each open or close of an exchange, plus an offset; half days and holidays as its calendar has them."""

    def __init__(self, calendar: str, at: str, offset: timedelta) -> None:
        self._calendar, self._at, self._offset = calendar, at, offset

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """APScheduler's protocol: the first moment after `previous` (or from `now` on)."""
        import exchange_calendars

        after = (previous or now).astimezone(UTC)
        first = (after - timedelta(days=7)).date()
        calendar = exchange_calendars.get_calendar(self._calendar, start=first, end=first + timedelta(days=60))
        for stamp in calendar.opens if self._at == "open" else calendar.closes:
            moment: datetime = stamp.to_pydatetime().astimezone(UTC) + self._offset
            if moment > after or (previous is None and moment >= after):
                return moment
        return None


async def follow(session: Session, cycles: int | None, progress: Progress) -> None:
    """Run live cycles until the session stops, or each book has decided `cycles` times."""
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    due: asyncio.Queue[Book] = asyncio.Queue()
    waiting: set[str] = set()
    scheduler = AsyncIOScheduler(timezone=UTC)

    def post(book: Book) -> None:
        if book.name not in waiting:
            waiting.add(book.name)
            due.put_nowait(book)

    async def fire(book: Book) -> None:  # APScheduler runs a coroutine function on this loop, any other in a pool
        post(book)

    for book in session.books:
        plan = trigger(book.parts.settings.schedule, book.engine.market.panel.timeframe, book.parts.feed.delay)
        scheduler.add_job(fire, _as_trigger(plan), args=[book], misfire_grace_time=None, coalesce=True)
        post(book)
    scheduler.start()
    try:
        left = {book.name: cycles for book in session.books}
        while not session.world.stopping.is_set() and any(count is None or count > 0 for count in left.values()):
            try:
                book = await asyncio.wait_for(due.get(), 0.5)
            except TimeoutError:
                session.obey()
                continue
            waiting.discard(book.name)
            decided = await _cycle(session, book, progress)
            count = left[book.name]
            if decided and count is not None:
                left[book.name] = count - 1
            elif not decided and cycles == 1:
                session.stop("no new bar to decide on")
    finally:
        scheduler.shutdown(wait=False)
    if not session.world.stopping.is_set():
        session.stop("cycles")


def _as_trigger(plan: Any) -> Any:
    """APScheduler wants its own base class; ours only has the method."""
    if isinstance(plan, MarketTrigger):
        from apscheduler.triggers.base import BaseTrigger

        inner = plan

        class Trigger(BaseTrigger):  # type: ignore[misc]
            def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
                return inner.get_next_fire_time(previous, now)

        return Trigger()
    return plan


async def _cycle(session: Session, book: Book, progress: Progress) -> bool:
    """Fetch what closed since the last cycle; decide on the newest bar. True if a cycle was decided."""
    if not await _fetch(session, book):
        return False
    panel = book.engine.market.panel
    if panel.rows == 0 or book.next_row >= panel.rows:
        return False
    first = panel.rows - 1 if book.engine.cycle_id is None else book.next_row
    for row in range(first, panel.rows - 1):
        # Bars that closed while nobody decided: the venue trades on them, the book is marked, no cycle is made up.
        book.tell(await book.engine.catch_up(row))
    progress(book, await book.step(panel.rows - 1))
    return True


async def _fetch(session: Session, book: Book) -> bool:
    """New bars of the book's time frame and of the others; False where the source has no answer."""
    market, feed = book.engine.market, book.parts.feed
    now = session.world.clock.now()
    for panel in (market.panel, *(frame for frame, _ in market.frames.values())):
        since = instant(panel.end[panel.rows - 1]) if panel.rows else now - 500 * bar_length(panel.timeframe)
        try:
            ask = feed.made.object.bars
            bars = await feed.lane.call(Priority.BARS, ask, list(panel.symbols), panel.timeframe, since, now)
            if isinstance(bars, Bars):
                check_bars(bars, feed.made.label)
        except DataError as error:
            bars = Unavailable("data", str(error))
        except Exception as error:  # noqa: BLE001 - a source that raises leaves the last good bars in use
            bars = Unavailable("plugin", f"{type(error).__name__}: {error}")
        if isinstance(bars, Unavailable):
            session.log.warning("data_unavailable", source=feed.made.instance, reason=bars.reason)
            text = f"Data source '{feed.made.instance}' did not answer: {bars.reason}"
            session.alerts.raise_(Severity.WARNING, "data_unavailable", text)
            return False
        panel.append(bars)
    return True
