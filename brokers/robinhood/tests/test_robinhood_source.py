"""The data source over the emulator: closed bars, and quotes."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from trader.clock import SystemClock
from trader.model import Bars, Quote, Unavailable
from trader.protocols import DataSource, HasQuotes
from trader.testing.emulation import Mishap

CLOCK = SystemClock()
EPOCH, FAR = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@pytest.fixture
def source(kit, venue):
    return kit.source()


def test_is_a_data_source_with_quotes_that_needs_no_broker(source):
    assert isinstance(source, DataSource) and isinstance(source, HasQuotes)


def test_lists_what_can_be_traded(source, venue):
    venue.page_size = 3
    assert source.symbols() == ["AAPL", "AMZN", "F", "GOOG", "MSFT", "SPY", "TSLA"]


@pytest.mark.parametrize(("timeframe", "minutes"), [("5m", 5), ("10m", 10), ("1h", 60)])
def test_bars_are_closed_and_as_long_as_they_say(source, timeframe, minutes):
    now = CLOCK.now()
    bars = source.bars(["AAPL", "MSFT"], timeframe, now - timedelta(hours=20), now)
    assert isinstance(bars, Bars) and bars.symbols == ("AAPL", "MSFT") and bars.timeframe == timeframe
    assert ((bars.end - bars.start) == np.timedelta64(minutes, "m")).all() and len(bars) > 10
    assert bars.end[-1] <= np.datetime64(now.replace(tzinfo=None)) and np.isfinite(bars.close).all()


def test_days_are_new_yorks_sessions(source):
    bars = source.bars(["AAPL"], "1d", EPOCH, FAR)
    assert len(bars) > 300 and {int(hour) for hour in bars.end.astype("datetime64[h]").astype(int) % 24} <= {20, 21}


def test_the_range_is_kept(source):
    whole = source.bars(["AAPL"], "1d", EPOCH, FAR)
    start, end = (whole.end[index].astype("datetime64[us]").item().replace(tzinfo=UTC) for index in (-5, -2))
    part = source.bars(["AAPL"], "1d", start, end)
    assert (part.end == whole.end[-4:-1]).all() and (part.close == whole.close[-4:-1]).all()


def test_what_the_venue_filled_in_is_no_bar(source, venue):
    venue.skew(0)
    now = CLOCK.now()
    venue.clock.ahead = 3_600.0  # an hour in which nobody traded
    bars = source.bars(["AAPL"], "5m", now - timedelta(hours=1), now + timedelta(hours=2))
    assert len(bars) > 0 and (bars.volume > 0).all()


def test_who_is_unknown_is_missing_and_the_others_come(source):
    bars = source.bars(["AAPL", "NOPE"], "1d", EPOCH, FAR)
    assert (bars.symbols, bars.missing) == (("AAPL",), ("NOPE",))
    assert [quote.symbol for quote in source.quotes(["NOPE", "AAPL"])] == ["AAPL"]


def test_quotes(source):
    (quote,) = source.quotes(["AAPL"])
    assert isinstance(quote, Quote) and quote.bid < 100 < quote.ask and quote.time.tzinfo is not None


def test_many_symbols_are_asked_for_in_parts(source, venue):
    many = [f"X{number}" for number in range(120)]
    assert source.bars([*many, "AAPL"], "1d", EPOCH, FAR).symbols == ("AAPL",) and venue.requests("bars") == 3


def test_a_time_frame_that_it_does_not_have(source):
    assert source.bars(["AAPL"], "1m", EPOCH, FAR).kind == "timeframe"


@pytest.mark.parametrize("mishap", [Mishap.FAILED, Mishap.HTML, Mishap.TRUNCATED, Mishap.GARBAGE, Mishap.RESET,
                                    Mishap.UNAUTHORIZED, Mishap.RATE_LIMITED])  # fmt: skip
def test_F21_a_question_that_was_not_answered_is_unavailable(source, venue, mishap):
    venue.mishap("bars", mishap)
    assert isinstance(source.bars(["AAPL"], "1d", EPOCH, FAR), Unavailable)
    venue.mishap("quotes", mishap)
    assert isinstance(source.quotes(["AAPL"]), Unavailable)


def test_open_tries_the_token(kit, venue):
    venue.revoke()
    answer = kit.source(opened=False).open()
    assert answer.kind == "auth" and "login" in answer.reason
