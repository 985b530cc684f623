"""The data source through the real client library."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from trader.clock import SystemClock
from trader.model import Unavailable
from trader.testing.emulation import Mishap
from trader_broker_alpaca import panel
from trader_broker_alpaca.wire import Bar

NOW = SystemClock().now()
ASSETS = [{"class": "us_equity", "symbol": name, "tradable": True, "status": "active"} for name in ("A", "B")]
COINS = [{"class": "crypto", "symbol": "BTC/USD", "tradable": True, "status": "active"}]


@pytest.fixture
def source(venue, make):
    made = make.data(venue)
    assert made.open() is None
    return made


@pytest.fixture
def scripted(told, make):
    told.script["GET /v2/assets"] = lambda asked: (200, ASSETS if asked[2]["asset_class"] == "us_equity" else COINS)
    made = make.data(told)
    assert made.open() is None
    return made


def row(minute, close=10):
    return {"t": f"2026-01-05T15:{minute:02d}:00Z", "o": 10, "h": 11, "l": 9, "c": close, "v": 5}


@pytest.mark.parametrize("timeframe", list(panel.FRAMES))
@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
def test_bars_are_closed_and_within_the_range(source, timeframe, symbol):
    length, now = panel.FRAMES[timeframe][1], SystemClock().now()
    start, end = now - 6 * length, now + timedelta(days=1)
    bars = source.bars([symbol], timeframe, start, end)
    assert 3 <= len(bars) <= 7 and bars.symbols == (symbol,)
    assert (bars.end > np.datetime64(start.replace(tzinfo=None))).all()
    assert (bars.end <= np.datetime64(SystemClock().now().replace(tzinfo=None))).all()
    assert (bars.end > bars.start).all() and np.isfinite(bars.close).all()


def test_a_range_holds_the_bar_that_ends_with_it_and_not_the_one_that_ends_at_its_start(source):
    end = NOW.replace(second=0, microsecond=0) - timedelta(minutes=5)
    bars = source.bars(["AAPL"], "1m", end - timedelta(minutes=2), end)
    ends = [np.datetime64((end - timedelta(minutes=back)).replace(tzinfo=None)) for back in (1, 0)]
    assert list(bars.end) == ends


def test_all_pages_come_and_a_symbol_goes_on_over_them(told, scripted):
    told.script["GET /v2/stocks/bars"] = [
        (200, {"bars": {"A": [row(0), row(1)]}, "next_page_token": "x"}),
        (200, {"bars": {"A": [row(2)], "B": [row(2)]}, "next_page_token": None}),
    ]
    bars = scripted.bars(["B", "A"], "1m", datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    assert bars.symbols == ("B", "A") and len(bars) == 3
    assert np.isnan(bars.close[:2, 0]).all() and bars.close[2, 0] == 10 and (bars.close[:, 1] == 10).all()
    first, second = [query for _, path, query, _ in told.heard if path.endswith("/bars")]
    assert (first["adjustment"], first["feed"], first["timeframe"]) == ("split", "iex", "1Min")
    assert "page_token" not in first and second["page_token"] == "x"


def test_F21_a_page_that_fails_makes_all_bars_unavailable(told, scripted):
    half = (200, {"bars": {"A": [row(0)]}, "next_page_token": "x"})
    within = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    for second in ((500, {"message": "oops"}), (200, {"x": 1}), (200, b"{"), half):
        told.script["GET /v2/stocks/bars"] = [half, second]
        answer = scripted.bars(["A"], "1m", *within)
        if second == (200, {"x": 1}):
            continue
        assert isinstance(answer, Unavailable)


def test_the_paid_feed_without_a_plan_says_so(told, scripted):
    told.script["GET /v2/stocks/bars"] = (403, {"message": "subscription does not permit querying recent SIP data"})
    answer = scripted.bars(["A"], "1m", datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    assert answer.kind == "auth" and "subscription" in answer.reason


def test_unknown_symbols_are_missing_and_the_others_come(source):
    bars = source.bars(["AAPL", "NOPE", "BTC/USD", "$%"], "1h", NOW - timedelta(hours=5), NOW)
    assert bars.symbols == ("AAPL", "BTC/USD") and bars.missing == ("NOPE", "$%")


def test_a_symbol_that_was_listed_today_is_found(told, scripted):
    told.script["GET /v2/stocks/bars"] = (200, {"bars": {}, "next_page_token": None})
    within = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    assert scripted.bars(["NEW"], "1m", *within).missing == ("NEW",)
    asked = told.paths("GET").count("/v2/assets")
    scripted.bars(["NEW"], "1m", *within)
    assert told.paths("GET").count("/v2/assets") == asked, "it was asked a moment ago"


def test_a_stocks_day_ends_with_its_session_in_both_halves_of_the_year():
    days = [Bar(datetime(2026, month, 6, hour, tzinfo=UTC), 1, 1, 1, 1, 1) for month, hour in ((1, 5), (7, 4))]
    always = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    bars = panel.columns({"AAPL": days}, "1d", *always)
    assert [str(end)[:16] for end in bars.end] == ["2026-01-06T21:00", "2026-07-06T20:00"]
    assert [str(start)[:16] for start in bars.start] == ["2026-01-06T14:30", "2026-07-06T13:30"]
    coins = panel.columns({"BTC/USD": days}, "1d", *always)
    assert [str(end)[:16] for end in coins.end] == ["2026-01-07T05:00", "2026-07-07T04:00"]


def test_days_of_stocks_and_of_coins_are_asked_apart(source):
    answer = source.bars(["AAPL", "BTC/USD"], "1d", NOW - timedelta(days=9), NOW)
    assert answer.kind == "timeframe"


def test_a_time_frame_that_it_does_not_have_is_named(source):
    assert "1w" in source.bars(["AAPL"], "1w", NOW - timedelta(days=9), NOW).reason


def test_quotes_have_both_sides(venue, source):
    quotes = {one.symbol: one for one in source.quotes(["AAPL", "BTC/USD", "NOPE"])}
    assert set(quotes) == {"AAPL", "BTC/USD"}
    assert quotes["AAPL"].bid < 100 < quotes["AAPL"].ask


def test_symbols_are_those_that_trade(source):
    assert list(source.symbols()) == ["AAPL", "MSFT", "BTC/USD"]


def test_refused_keys_are_named(venue, make):
    answer = make.data(venue, {"ALPACA_API_KEY": "PKX", "ALPACA_SECRET_KEY": "hushhush"}).open()
    assert answer.kind == "auth" and "ALPACA_API_KEY" in answer.reason and "hushhush" not in answer.reason
    assert "ALPACA_SECRET_KEY" in make.data(venue, {"ALPACA_API_KEY": "PKX"}).open().reason


@pytest.mark.parametrize("mishap", [Mishap.FAILED, Mishap.HTML, Mishap.TRUNCATED, Mishap.RESET, Mishap.RATE_LIMITED])
def test_F21_no_mishap_looks_like_an_answer(venue, source, mishap):
    source.symbols()
    venue.mishap("bars", mishap)
    assert isinstance(source.bars(["AAPL"], "1h", NOW - timedelta(hours=5), NOW), Unavailable)


def test_a_closed_source_is_not_open(source):
    source.close()
    assert isinstance(source.symbols(), Unavailable)
    assert isinstance(source.bars(["AAPL"], "1h", NOW - timedelta(hours=5), NOW), Unavailable)
    assert isinstance(source.quotes(["AAPL"]), Unavailable)
