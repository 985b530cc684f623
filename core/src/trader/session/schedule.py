"""When cycles run on live data: triggers say when, a timetable calls.

Triggers: interval (from when the session began), cron (in the person's zone), market (an exchange's open or close plus
seconds), bar (a bar's end). All but the interval fire later by the source's delay: what closed at that moment is there
then. A trigger that fires while a cycle runs is merged into the next; a cycle is named by the bar that it decided on,
so the same bar is never decided twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from trader.errors import SettingsError
from trader.session.assemble import bar_length
from trader.settings import Schedule
from trader.settings.cron import with_named_days
from trader.telemetry.logs import logger

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Trigger(Protocol):
    """APScheduler's protocol."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The first moment after `previous` (None: from `now` on), aware; None: never again."""


class Timetable(Protocol):
    """Calls when triggers say so, on the event loop of whoever starts it. Calls must not block."""

    def add(self, trigger: Trigger, call: Callable[[], None], /) -> None:
        """One more; a moment that was missed is made up for once, however many there were."""

    def start(self) -> None:
        """From within the running loop."""

    def stop(self) -> None:
        """Nothing is called any more."""


class APTimetable:
    """APScheduler's, on the system's clock."""

    def __init__(self) -> None:
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def add(self, trigger: Trigger, call: Callable[[], None], /) -> None:
        async def fire() -> None:  # APScheduler runs a coroutine function on this loop, any other in a pool
            call()

        self._scheduler.add_job(fire, _as_trigger(trigger), misfire_grace_time=None, coalesce=True)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def trigger(schedule: Schedule, timeframe: str, delay: float) -> Trigger:
    """The trigger of a book."""
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    if schedule.trigger == "cron":
        line = with_named_days(schedule.cron or "* * * * *")
        cron: Trigger = CronTrigger.from_crontab(line, timezone=ZoneInfo(schedule.timezone))
        return Later(cron, delay)
    if schedule.trigger == "market":
        return Later(MarketTrigger(schedule.calendar, schedule.at, timedelta(seconds=schedule.offset_seconds)), delay)
    if schedule.trigger == "bar":
        length = bar_length(timeframe)
        bar: Trigger = IntervalTrigger(
            seconds=int(length.total_seconds()), start_date=EPOCH + timedelta(seconds=delay), timezone=UTC
        )
        return bar
    return Every(timedelta(seconds=max(1, round(schedule.interval_seconds))))


class Every:
    """Fires again and again, the first time one interval from now. APScheduler's own would ask the system's clock."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The next moment of the row."""
        return (previous or now) + self._interval


class Later:
    """Fires so many seconds after another trigger does."""

    def __init__(self, trigger: Trigger, seconds: float) -> None:
        self._trigger, self._delay = trigger, timedelta(seconds=seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """APScheduler's protocol."""
        before = None if previous is None else _moved(previous, -self._delay)
        moment = self._trigger.get_next_fire_time(before, _moved(now, -self._delay))
        return None if moment is None else _moved(moment, self._delay)


def _moved(moment: datetime, by: timedelta) -> datetime:
    """So much later in true time, also where the clocks of its zone change in between."""
    return (moment.astimezone(UTC) + by).astimezone(moment.tzinfo)


class MarketTrigger:
    """Fires at each open or close of an exchange, plus an offset; half days and holidays as its calendar has them.
    SettingsError where nobody knows the exchange."""

    def __init__(self, calendar: str, at: str, offset: timedelta) -> None:
        import exchange_calendars

        if calendar not in exchange_calendars.get_calendar_names():
            raise SettingsError(
                f'There is no exchange calendar "{calendar}".',
                where="application.schedule.calendar",
                todo='Write the MIC of an exchange, such as "XNYS" or "XLON".',
            )
        self._calendar, self._at, self._offset = calendar, at, offset

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """APScheduler's protocol: the first moment after `previous` (or from `now` on). Where the calendar ends: a day
        after `previous`, without a new bar nothing is decided then; SettingsError at a start."""
        after = (previous or now).astimezone(UTC)
        for moment in self._moments((after - timedelta(days=7)).date()):
            if moment > after or (previous is None and moment >= after):
                return moment
        todo = 'Install a newer exchange_calendars, or use trigger = "cron".'
        if previous is None:
            raise SettingsError(
                f'The exchange calendar "{self._calendar}" does not know the days from {after:%Y-%m-%d} on.',
                where="application.schedule.calendar",
                todo=todo,
            )
        logger("session").error("calendar_ended", calendar=self._calendar, after=after, todo=todo)
        return after + timedelta(days=1)

    def _moments(self, first: date) -> list[datetime]:
        """Of the next weeks, as far as the calendar knows them."""
        import exchange_calendars

        last = first + timedelta(days=60)
        try:
            calendar = exchange_calendars.get_calendar(self._calendar, start=first, end=last)
        except ValueError:  # of some exchanges the holidays are recorded to the end of a year only
            bound = type(exchange_calendars.get_calendar(self._calendar)).bound_max()
            if bound is None or not first < bound.date() < last:
                return []
            calendar = exchange_calendars.get_calendar(self._calendar, start=first, end=bound)
        stamps = calendar.opens if self._at == "open" else calendar.closes
        return [stamp.to_pydatetime().astimezone(UTC) + self._offset for stamp in stamps]


def _as_trigger(plan: Trigger) -> Any:
    """APScheduler wants its own base class; ours only have the method."""
    from apscheduler.triggers.base import BaseTrigger

    if isinstance(plan, BaseTrigger):
        return plan

    class Wrapped(BaseTrigger):  # type: ignore[misc]
        def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
            return plan.get_next_fire_time(previous, now)

    return Wrapped()
