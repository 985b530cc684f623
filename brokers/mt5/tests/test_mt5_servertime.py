"""The server's clock: set, or measured on the newest tick."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from trader_broker_mt5 import Settings
from trader_broker_mt5.servertime import ServerTime

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_an_offset_is_measured_on_a_fresh_tick():
    time = ServerTime()
    assert not time.sure
    time.saw(NOW + 3 * HOUR - timedelta(seconds=2), NOW)
    assert (time.sure, time.offset, time.changed) == (True, 3 * HOUR, None)
    assert time.utc(NOW + 3 * HOUR) == NOW
    assert time.stamp(NOW) == NOW + 3 * HOUR
    time.saw(NOW + 3 * HOUR, NOW)
    assert time.changed is None


# ---- summer time -----------------------------------------------------------------------------------------------------
def test_an_hour_more_is_seen_on_the_first_tick_of_it():
    time = measured(2)
    monday = NOW + timedelta(days=5)
    time.saw(monday + 3 * HOUR, monday)
    assert (time.offset, time.changed) == (3 * HOUR, monday)


@pytest.mark.parametrize("first", [timedelta(minutes=10), timedelta(days=2)])
def test_an_hour_less_is_seen_on_a_tick_that_by_the_old_offset_came_before_the_last_look(first):
    """After a long pause the first tick may just be an hour old; the next one cannot be."""
    time = measured(3)
    now = NOW + first
    time.saw(now + 2 * HOUR, now)
    if first > HOUR:
        assert (time.offset, time.changed) == (3 * HOUR, None)
        now += timedelta(minutes=10)
        time.saw(now + 2 * HOUR, now)
    assert (time.offset, time.changed) == (2 * HOUR, now)


def test_the_hour_that_comes_twice_is_seen_on_a_market_that_never_closes():
    time = measured(3)
    for minutes in (0, 10, 20):
        now = NOW + timedelta(minutes=minutes)
        time.saw(now + (3 if minutes < 10 else 2) * HOUR, now)
    assert time.offset == 2 * HOUR


def test_a_tick_that_stays_is_not_measured_again_however_old_it_grows():
    time = measured(3)
    for minutes in range(5, 3000, 5):
        time.saw(NOW + 3 * HOUR, NOW + timedelta(minutes=minutes))
        assert (time.offset, time.sure, time.changed) == (3 * HOUR, True, None)


def test_a_new_tick_that_is_old_by_whole_quarters_at_the_next_look_shortens_nothing():
    """The last of the week came after the last look of the evening, and is seen the next day."""
    time = measured(3)
    for hours in (1, 5, 14):
        time = measured(3)
        time.saw(NOW + 3 * HOUR + timedelta(minutes=20), NOW + timedelta(minutes=20) + hours * HOUR)
        assert (time.offset, time.changed) == (3 * HOUR, None)


def test_ticks_of_two_symbols_say_nothing_about_each_other():
    time = measured(3, "EURUSD")
    late = NOW + timedelta(minutes=60)
    time.saw(late + 3 * HOUR, late, "EURUSD")
    late += timedelta(minutes=1)
    time.saw(late + 2 * HOUR, late, "XAUUSD")
    assert time.offset == 3 * HOUR, "gold may have stood for an hour"


def test_an_offset_that_was_too_small_since_a_week_end_is_mended_by_the_first_fresh_tick():
    time = ServerTime()
    friday = NOW + 3 * HOUR
    time.saw(friday, NOW + 30 * HOUR / 2)
    assert time.offset == -12 * HOUR
    monday = NOW + timedelta(days=2)
    time.saw(monday + 3 * HOUR, monday)
    assert (time.offset, time.changed) == (3 * HOUR, monday)


def measured(hours, name=""):
    time = ServerTime()
    time.saw(NOW + hours * HOUR, NOW, name)
    assert (time.sure, time.offset) == (True, hours * HOUR)
    return time


# ---- what tells nothing ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("age", [60, 400, 3 * 86400, 86400 + 5])
def test_an_old_tick_tells_nothing(age):
    time = ServerTime()
    time.saw(NOW - timedelta(seconds=age), NOW)
    assert (time.sure, time.overlap) == (False, 15 * HOUR)


def test_an_old_tick_that_looks_fresh_makes_moments_later_never_earlier():
    time = ServerTime()
    time.saw(NOW + 3 * HOUR - 5 * HOUR, NOW)
    assert time.offset == -2 * HOUR
    assert time.utc(NOW + 3 * HOUR) > NOW


def test_a_clock_that_is_ahead_is_told_beyond_the_offset():
    time = ServerTime()
    time.saw(NOW + 3 * HOUR + timedelta(seconds=300), NOW)
    assert (time.offset, time.ahead) == (3 * HOUR, 300)
    fixed = ServerTime(hours=3)
    fixed.saw(NOW + 3 * HOUR + timedelta(seconds=90), NOW)
    assert (fixed.offset, fixed.ahead, fixed.sure) == (3 * HOUR, 90, True)


def test_a_zone_knows_its_summer_time():
    time = ServerTime(zone="Europe/Athens")
    winter, summer = datetime(2026, 1, 5, 9, tzinfo=UTC), datetime(2026, 7, 6, 9, tzinfo=UTC)
    assert time.stamp(winter) - winter == 2 * HOUR
    assert time.stamp(summer) - summer == 3 * HOUR
    assert time.utc(time.stamp(summer)) == summer
    assert time.overlap == timedelta()
    time.saw(NOW + 9 * HOUR, NOW)
    assert time.stamp(summer) - summer == 3 * HOUR


def test_a_day_that_ends_at_new_yorks_close():
    time = ServerTime(zone="America/New_York+7")
    close = datetime(2026, 7, 6, 21, tzinfo=UTC)  # 17:00 in New York
    assert time.stamp(close) == datetime(2026, 7, 7, 0, tzinfo=UTC)
    assert time.utc(datetime(2026, 1, 6, 0, tzinfo=UTC)) == datetime(2026, 1, 5, 22, tzinfo=UTC)


# ---- settings ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "table",
    [
        {"host": "192.168.1.5"},
        {"host": "broker.example"},
        {"port": 0},
        {"server_timezone": "Europe/Nowhere"},
        {"server_timezone": "../../etc/passwd"},
        {"server_timezone": "Europe/Athens", "server_utc_offset_hours": 2},
        {"server_utc_offset_hours": 20},
        {"symbols": {"A": "X", "B": "X"}},
        {"symbols": {"A": ""}},
        {"login": 5},
        {"history_days": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(table):
    with pytest.raises(ValidationError):
        Settings(**table)


def test_a_host_that_is_not_this_machine_needs_to_be_allowed():
    assert Settings(host="192.168.1.5", allow_remote_host=True).address == ("192.168.1.5", 18812)
    assert Settings().address == ("127.0.0.1", 18812)
    with pytest.raises(ValidationError, match="rpyc classic runs whatever it is sent"):
        Settings(host="192.168.1.5")
