"""The market of an emulated venue."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trader.errors import DataError
from trader_emulators.market import SECONDS, SPREAD, Candles, Market

NOW = datetime(2026, 3, 4, 15, 30, 20, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
COLUMNS = ("start", "open", "high", "low", "close", "volume")


def market(seed: int = 7, **changed) -> Market:
    return Market({"AAPL": 100.0, "MSFT": 50.0}, now=NOW, seed=seed, **{"days": 30, **changed})


def same(a: Candles, b: Candles) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in COLUMNS)


# ---- determinism -----------------------------------------------------------------------------------------------------
def test_the_same_seed_has_the_same_past_and_future_whoever_asks_and_in_whatever_order():
    one, two = market(), market()
    future = [one.next_price("AAPL", 1.0) for _ in range(5)]
    past = one.candles("AAPL", "1m", NOW - DAY, NOW, now=NOW)
    assert same(past, two.candles("AAPL", "1m", NOW - DAY, NOW, now=NOW))
    [two.next_price("MSFT", 1.0) for _ in range(9)]
    assert [two.next_price("AAPL", 1.0) for _ in range(5)] == future


def test_another_seed_and_another_symbol_are_another_walk():
    asked = ("1m", NOW - DAY, NOW)
    one = market().candles("AAPL", *asked, now=NOW)
    assert not np.array_equal(one.close, market(seed=8).candles("AAPL", *asked, now=NOW).close)
    other = market().candles("MSFT", *asked, now=NOW)
    assert not np.allclose(one.close / 100, other.close / 50)


def test_a_path_is_walked_to_its_end_and_then_at_random():
    walked = market(paths={"AAPL": [1.0, 2.0]})
    assert [walked.next_price("AAPL", 1.0) for _ in range(2)] == [1.0, 2.0]
    after = walked.next_price("AAPL", 1.0)
    assert after != 2.0 and after == pytest.approx(100.0, rel=0.01)


# ---- candles ---------------------------------------------------------------------------------------------------------
def test_the_past_ends_where_the_prices_begin():
    past = market().candles("AAPL", "1m", NOW - DAY, NOW.replace(second=0), now=NOW)
    assert len(past) == 1_439  # a day ago, its minute had begun
    assert past.close[-1] == 100.0
    assert (np.diff(past.start) == np.timedelta64(60, "s")).all()


def test_bars_begin_at_start_or_later_and_before_end():
    minute = NOW.replace(second=0)
    one = market()
    assert len(one.candles("AAPL", "1m", minute - 5 * MINUTE, minute, now=NOW)) == 5
    assert len(one.candles("AAPL", "1m", minute - 5 * MINUTE, minute + timedelta(microseconds=1), now=NOW)) == 6
    assert len(one.candles("AAPL", "1m", minute - 5 * MINUTE + timedelta(microseconds=1), minute, now=NOW)) == 4
    assert len(one.candles("AAPL", "1m", minute, minute, now=NOW)) == 0
    assert len(one.candles("AAPL", "1m", minute + DAY, minute + 2 * DAY, now=NOW)) == 0


def test_a_trade_is_in_the_bar_of_its_minute():
    one = market()
    for seconds, price, volume in ((0, 101.0, 5.0), (10, 99.0, 3.0), (20, 100.5, float("nan"))):
        one.move("AAPL", price, NOW + timedelta(seconds=seconds), volume)
    later = NOW + MINUTE
    bars = one.candles("AAPL", "1m", NOW.replace(second=0), later, now=later)
    assert [getattr(bars, name)[0] for name in COLUMNS[1:]] == [101.0, 101.0, 99.0, 100.5, 108.0]
    assert one.last("AAPL") == 100.5


def test_a_minute_without_a_trade_repeats_the_last_price_with_volume_0():
    one = market()
    one.move("AAPL", 120.0, NOW)
    later = NOW + 3 * MINUTE
    bars = one.candles("AAPL", "1m", NOW.replace(second=0), later, now=later)
    assert bars.close.tolist() == [120.0] * 4
    assert bars.volume.tolist() == [100.0, 0.0, 0.0, 0.0]


def test_what_happens_later_than_now_is_not_shown():
    one = market()
    one.move("AAPL", 120.0, NOW + 10 * MINUTE)
    assert one.candles("AAPL", "1m", NOW, NOW + DAY, now=NOW).close.tolist() == []


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(SECONDS)), st.integers(0, 20 * 1_440), st.integers(1, 3_000), st.integers(0, 300))
def test_a_longer_bar_is_made_of_its_minutes(timeframe, back, minutes, after):
    one = Market({"AAPL": 100.0}, now=NOW, seed=1, days=15)
    for number in range(0, after, 7):
        one.move("AAPL", 100.0 + number % 13, NOW + number * MINUTE)
    now = NOW + after * MINUTE
    start = now - back * MINUTE
    end = start + minutes * MINUTE
    bars = one.candles("AAPL", timeframe, start, end, now=now)
    fine = one.candles("AAPL", "1m", start - DAY, now + DAY, now=now)
    size = np.timedelta64(SECONDS[timeframe], "s")
    opened = fine.start.astype("datetime64[s]").astype(np.int64) // SECONDS[timeframe] * SECONDS[timeframe]
    for row in range(len(bars)):
        begun = bars.start[row]
        assert start.replace(tzinfo=None) <= begun.astype("datetime64[us]").tolist() < end.replace(tzinfo=None)
        inside = opened == begun.astype(np.int64)
        assert bars.open[row] == fine.open[inside][0]
        assert bars.close[row] == fine.close[inside][-1]
        assert bars.high[row] == fine.high[inside].max()
        assert bars.low[row] == fine.low[inside].min()
        assert bars.volume[row] == pytest.approx(fine.volume[inside].sum())
    assert (np.diff(bars.start) == size).all()


def test_every_bar_is_a_possible_one():
    bars = market().candles("AAPL", "15m", NOW - 30 * DAY, NOW - 15 * MINUTE, now=NOW)
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low > 0).all() and (bars.volume > 0).all()


# ---- the rest --------------------------------------------------------------------------------------------------------
def test_the_quote_is_around_the_last_price():
    one = market()
    one.move("AAPL", 200.0, NOW)
    bid, ask = one.quote("AAPL")
    assert bid < 200.0 < ask
    assert (ask - bid) / 200.0 == pytest.approx(SPREAD)


def test_what_is_not_traded_here_is_refused():
    one = market()
    assert one.symbols == ("AAPL", "MSFT") and "AAPL" in one and "NOPE" not in one
    with pytest.raises(DataError, match="not traded here"):
        one.move("NOPE", 1.0, NOW)
    with pytest.raises(DataError, match="not traded here"):
        one.candles("NOPE", "1m", NOW, NOW, now=NOW)
    with pytest.raises(DataError, match="no such time frame"):
        one.candles("AAPL", "7m", NOW, NOW, now=NOW)


@pytest.mark.parametrize("price", [0.0, -1.0, float("inf"), float("nan")])
def test_F47_a_price_that_is_none_does_not_move_the_market(price):
    one = market()
    with pytest.raises(DataError, match="above 0"):
        one.move("AAPL", price, NOW)
    assert one.last("AAPL") == 100.0
