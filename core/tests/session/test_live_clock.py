"""Live data: cycles on a schedule, on bars that close while the session runs; no bar is decided twice."""

import sys
from datetime import UTC, datetime, timedelta

import pytest
from exchange_calendars import get_calendar
from trader.clock import SystemClock
from trader.env import World
from trader.errors import SettingsError
from trader.session import Session
from trader.session.schedule import MarketTrigger, trigger
from trader.settings import Schedule
from trader.settings import load as load_settings
from trader.store import reading
from trader.store.database import open_store

NEW_YORK = "America/New_York"
TICKER = '''
"""Minute bars of the recent past, up to the moment that is asked for."""

import numpy as np
from pydantic import BaseModel
from trader.hookspecs import hookimpl
from trader.model import Bars, Unavailable

MINUTE = np.timedelta64(1, "m")


class Settings(BaseModel, extra="forbid"):
    down: bool = False
    dead: bool = False


class Ticker:
    def __init__(self, settings):
        self.down, self.dead, self.asked = settings.down, settings.dead, 0

    def open(self):
        return None

    def close(self):
        pass

    def symbols(self):
        return ("AAA", "BBB")

    def bars(self, symbols, timeframe, start, end):
        self.asked += 1
        if (self.down and self.asked in (3, 4)) or (self.dead and self.asked > 1):
            return Unavailable("timeout", "the line is down")
        first, last = (np.datetime64(moment.replace(tzinfo=None), "m") for moment in (start, end))
        ends = np.arange(max(first + MINUTE, last - 300 * MINUTE), last + MINUTE, MINUTE).astype("datetime64[ns]")
        close = 50 + np.outer((ends.astype("int64") // 60_000_000_000) % 7, np.ones(len(symbols)))
        volume = np.full(close.shape, 1e6)
        return Bars(tuple(symbols), timeframe, ends - MINUTE, ends, close, close + 1, close - 1, close, volume)


@hookimpl
def provide_data_source(settings, env):
    return Ticker(settings)
'''
SETTINGS = """
[application]
broker = "paper"
data = "ticker"
allocator = "equal"
execution = "market"
[application.coverage]
symbols = ["AAA", "BBB"]
timeframe = "1m"
[application.models]
pipeline = [{ name = "trend_following" }]
[application.schedule]
interval_seconds = 1
[brokers.paper]
[data_sources.ticker]
"""


# The calendars use pandas in a way that pandas means to change.
calendars = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Hurried:
    """Process time that runs `speed` times as fast as the wall's."""

    def __init__(self, speed):
        self._speed, self._real = speed, SystemClock()
        self._start, self._began = self._real.now(), self._real.monotonic()

    def now(self):
        return self._start + timedelta(seconds=(self._real.monotonic() - self._began) * self._speed)

    def monotonic(self):
        return self._real.monotonic()

    def sleep(self, seconds):
        self._real.sleep(seconds / self._speed)


@pytest.fixture
def live(tmp_path, monkeypatch):
    """live(speed, schedule lines): a session on minute bars, not started."""
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    (site / "my_ticker").mkdir(parents=True)
    (site / "my_ticker" / "__init__.py").write_text(TICKER, encoding="utf-8")
    info = site / "my_ticker-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-ticker\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[trader.data_sources]\nticker = my_ticker\n", encoding="utf-8")
    (info / "RECORD").write_text("my_ticker/__init__.py,,\n", encoding="utf-8")
    monkeypatch.syspath_prepend(site)

    def make(speed=1.0, text=SETTINGS):
        (here / "settings.toml").write_text(text, encoding="utf-8")
        settings = load_settings(here / "settings.toml")
        return Session(settings, world=World(settings.root, settings.state_dir, Hurried(speed)))

    yield make
    sys.modules.pop("my_ticker", None)


def decided(session):
    store = open_store(session.settings.state_dir / "trader.db", read_only=True)
    try:
        return [cycle["at"] for cycle in reading.cycles(store, "main")]
    finally:
        store.close()


def test_run_forever_false_decides_exactly_one_cycle(live):
    session = live(text=SETTINGS.replace("interval_seconds = 1", "run_forever = false"))
    summary = session.start().run()
    assert not session.recorded and summary.books[0].cycles == 1
    (at,) = decided(session)
    assert at.second == 0 and timedelta(0) <= SystemClock().now() - at < timedelta(minutes=3)


def test_a_second_start_within_the_same_bar_decides_nothing_again(live):
    text = SETTINGS.replace("interval_seconds = 1", "run_forever = false")
    session = live(text=text)
    session.start().run()
    again = live(text=text)
    summary = again.start().run()
    assert len(set(decided(again))) == len(decided(again)) == 1 + summary.books[0].cycles


def test_one_cycle_that_got_no_bars_says_that_the_source_did_not_answer(live):
    session = live(text=SETTINGS.replace("interval_seconds = 1", "run_forever = false") + "dead = true\n")
    summary = session.start().run()
    assert (summary.books[0].cycles, summary.reason) == (0, "the data source did not answer")


def test_the_interval_trigger_runs_cycle_after_cycle_and_no_bar_twice(live):
    # A bar closes every 1.3 s, the trigger fires every 1 s; the source is down for its third and fourth question.
    session = live(speed=45.0, text=SETTINGS + "down = true\n")
    summary = session.start().run(cycles=3)
    times = decided(session)
    assert summary.books[0].cycles == 3 == len(times) == len(set(times)) and times == sorted(times)
    assert summary.reason == "cycles" and summary.books[0].faults == 0


def test_a_live_session_stops_when_it_is_asked_to(live):
    session = live(speed=45.0).start()
    summary = session.run(progress=lambda book, report: session.stop("enough"))
    assert summary.reason == "enough" and summary.books[0].cycles == 1


# ---- triggers ------------------------------------------------------------------------------------------------------
@calendars
@pytest.mark.parametrize(
    ("now", "at", "offset", "expected"),
    [
        ("2024-11-27T12:00", "close", 0, "2024-11-27T21:00"),  # a whole day: 16:00 in New York
        ("2024-11-28T12:00", "close", 0, "2024-11-29T18:00"),  # Thanksgiving, then a half day: 13:00
        ("2024-11-29T17:00", "close", -600, "2024-11-29T17:50"),
        ("2024-11-29T18:30", "close", 0, "2024-12-02T21:00"),  # over the week-end
        ("2024-12-24T12:00", "close", 0, "2024-12-24T18:00"),
        ("2024-07-03T12:00", "close", 0, "2024-07-03T17:00"),  # half day in summer time
        ("2024-03-08T12:00", "open", 300, "2024-03-08T14:35"),
        ("2024-03-09T12:00", "open", 300, "2024-03-11T13:35"),  # summer time began between
    ],
)
def test_F54_the_market_trigger_knows_holidays_and_half_days(now, at, offset, expected):
    fires = MarketTrigger("XNYS", at, timedelta(seconds=offset))
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert fires.get_next_fire_time(None, moment) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@calendars
def test_an_exchange_that_nobody_knows_is_named():
    with pytest.raises(SettingsError, match='no exchange calendar "XNIX"'):
        MarketTrigger("XNIX", "close", timedelta(0))


@calendars
@pytest.mark.parametrize("at", ["open", "close"])
def test_F54_a_calendar_that_ends_with_the_year_is_used_to_its_last_day_and_does_not_end_the_schedule(at):
    last = type(get_calendar("XSHG")).bound_max().to_pydatetime().replace(tzinfo=UTC)
    known = get_calendar("XSHG", start=last.date() - timedelta(days=40), end=last.date())
    moments = [stamp.to_pydatetime() for stamp in (known.opens if at == "open" else known.closes)]
    fires = MarketTrigger("XSHG", at, timedelta(0))
    previous, seen = None, []
    for _ in moments:
        previous = fires.get_next_fire_time(previous, last - timedelta(days=40))
        seen.append(previous)
    assert seen == moments
    for days in range(1, 20):
        previous = fires.get_next_fire_time(previous, previous)
        assert previous == moments[-1] + timedelta(days=days)
    with pytest.raises(SettingsError, match="does not know the days from"):
        fires.get_next_fire_time(None, last + timedelta(days=20))


@calendars
def test_the_market_trigger_goes_on_from_where_it_fired():
    fires = MarketTrigger("XNYS", "close", timedelta(0))
    moment, seen = datetime(2024, 11, 26, tzinfo=UTC), []
    previous = None
    for _ in range(4):
        previous = fires.get_next_fire_time(previous, moment)
        moment = previous
        seen.append(f"{previous:%m-%d %H:%M}")
    assert seen == ["11-26 21:00", "11-27 21:00", "11-29 18:00", "12-02 21:00"]


def test_the_bar_trigger_fires_at_the_bars_end_and_the_sources_delay():
    fires = trigger(Schedule(trigger="bar"), "15m", 20.0)
    now = datetime(2024, 3, 5, 10, 7, tzinfo=UTC)
    first = fires.get_next_fire_time(None, now)
    assert first.astimezone(UTC) == datetime(2024, 3, 5, 10, 15, 20, tzinfo=UTC)
    assert fires.get_next_fire_time(first, first) - first == timedelta(minutes=15)


def test_a_cron_trigger_is_written_in_the_persons_zone():
    fires = trigger(Schedule(trigger="cron", cron="30 15 * * mon-fri", timezone=NEW_YORK), "1d", 0.0)
    winter = fires.get_next_fire_time(None, datetime(2024, 1, 5, 22, tzinfo=UTC))
    summer = fires.get_next_fire_time(None, datetime(2024, 7, 5, 12, tzinfo=UTC))
    assert winter.astimezone(UTC) == datetime(2024, 1, 8, 20, 30, tzinfo=UTC)
    assert summer.astimezone(UTC) == datetime(2024, 7, 5, 19, 30, tzinfo=UTC)


@calendars
@pytest.mark.parametrize("schedule", [
    Schedule(trigger="cron", cron="0 16 * * mon-fri", timezone=NEW_YORK), Schedule(trigger="market"),
])  # fmt: skip
def test_a_trigger_at_the_close_fires_when_the_source_has_the_bar_of_the_close(schedule):
    fires = trigger(schedule, "1d", 20.0)
    now, fired = datetime(2024, 1, 4, 21, 0, 10, tzinfo=UTC), []  # ten seconds after a close
    previous = None
    for _ in range(3):
        previous = fires.get_next_fire_time(previous, now)
        now = previous.astimezone(UTC)
        fired.append(f"{now:%d %H:%M:%S}")
    assert fired == ["04 21:00:20", "05 21:00:20", "08 21:00:20"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("1-5", "mon tue wed thu fri"), ("0", "sun"), ("7", "sun"), ("5-7", "fri sat sun"), ("1,wed,5", "mon wed fri"),
        ("1-5/2", "mon wed fri"), ("*/2", "tue thu sat sun"), ("*", "mon tue wed thu fri sat sun"), ("sat", "sat"),
    ],
)  # fmt: skip
def test_the_days_of_a_cron_trigger_are_numbered_as_in_a_crontab(days, expected):
    fires = trigger(Schedule(trigger="cron", cron=f"30 15 * * {days}"), "1d", 0.0)
    moment, fired = datetime(2024, 1, 1, tzinfo=UTC), set()
    while (moment := fires.get_next_fire_time(moment, moment + timedelta(seconds=1))) < datetime(
        2024, 1, 8, tzinfo=UTC
    ):
        fired.add(f"{moment:%a}".lower())
    assert fired == set(expected.split())
