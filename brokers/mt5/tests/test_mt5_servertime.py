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
    time.saw(NOW + 2 * HOUR, NOW)
    assert (time.offset, time.changed) == (2 * HOUR, NOW), "summer time ended"


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
