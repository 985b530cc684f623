"""Adjusting for splits: properties over random prices, splits and dividends."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trader.model import Array
from trader_data_sample.adjust import RATIOS, Daily, adjust, snap, split_ratios, to_cents

MADE = [float(ratio) for ratio in RATIOS] + [1 / float(ratio) for ratio in RATIOS]
DAYS = 40


def raw_bars(close: Array) -> Daily:
    date = np.datetime64("2001-01-01") + np.arange(len(close))
    return Daily(date, close * 1.01, close * 1.03, close * 0.98, close.copy(), np.full(len(close), 1000.0))


@st.composite
def histories(draw: st.DrawFn, splits: bool = True) -> tuple[Daily, Array, Array]:
    """Raw bars, their split and dividend adjusted close, and the split ratio of each day."""
    returns = np.array(draw(st.lists(st.floats(-0.2, 0.2), min_size=DAYS, max_size=DAYS)))
    yields = np.zeros(DAYS)
    for day in draw(st.sets(st.integers(1, DAYS - 1), max_size=6)):
        yields[day] = draw(st.floats(0.0, 0.02))
    ratio = np.ones(DAYS)
    for day in draw(st.sets(st.integers(1, DAYS - 1), max_size=3)) if splits else ():
        ratio[day] = draw(st.sampled_from(MADE))
    raw = 50 * np.cumprod((1 + returns) * (1 - yields) / ratio)
    later_events = np.append(np.cumprod(((1 - yields) / ratio)[:0:-1])[::-1], 1.0)
    after_the_window = draw(st.floats(0.01, 1.0))
    return raw_bars(raw), raw * later_events * after_the_window, ratio


@given(histories())
def test_return_across_any_day_is_the_raw_return_times_the_split_ratio(history: tuple[Daily, Array, Array]) -> None:
    raw, adjusted_close, ratio = history
    close = adjust(raw, adjusted_close).close
    np.testing.assert_allclose(close[1:] / close[:-1], raw.close[1:] / raw.close[:-1] * ratio[1:])


@given(histories())
def test_no_position_value_jumps_at_a_split(history: tuple[Daily, Array, Array]) -> None:
    raw, adjusted_close, ratio = history
    value_of_the_shares_one_share_became = raw.close * np.cumprod(ratio)
    close = adjust(raw, adjusted_close).close
    np.testing.assert_allclose(close / close[0], value_of_the_shares_one_share_became / raw.close[0])


@given(histories())
def test_volume_scales_so_that_the_money_traded_stays(history: tuple[Daily, Array, Array]) -> None:
    raw, adjusted_close, _ = history
    bars = adjust(raw, adjusted_close)
    np.testing.assert_allclose(bars.volume * bars.close, raw.volume * raw.close)


@given(histories())
def test_the_last_day_keeps_its_raw_prices(history: tuple[Daily, Array, Array]) -> None:
    raw, adjusted_close, _ = history
    bars = adjust(raw, adjusted_close)
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(bars, name)[-1] == getattr(raw, name)[-1]


@given(histories(splits=False))
def test_data_without_splits_is_unchanged_whatever_dividends_it_has(history: tuple[Daily, Array, Array]) -> None:
    raw, adjusted_close, _ = history
    bars = adjust(raw, adjusted_close)
    for field in fields(Daily):
        np.testing.assert_array_equal(getattr(bars, field.name), getattr(raw, field.name))


@given(histories())
def test_rounded_prices_are_whole_cents_and_stay_consistent(history: tuple[Daily, Array, Array]) -> None:
    raw, adjusted_close, _ = history
    bars = to_cents(adjust(raw, adjusted_close))
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    for prices in (bars.open, bars.high, bars.low, bars.close):
        assert (prices >= 0.01).all()
        np.testing.assert_array_equal(prices, np.round(prices, 2))
    np.testing.assert_array_equal(bars.volume, np.round(bars.volume))


@pytest.mark.parametrize(
    ("jump", "ratio"),
    [(2.0, 2.0), (2.04, 2.0), (1.5, 1.5), (1.52, 1.5), (3.05, 3.0), (7.1, 7.0), (0.5, 0.5), (0.51, 0.5), (0.1, 0.1)],
)
def test_a_jump_blurred_by_a_dividend_snaps_to_the_split(jump: float, ratio: float) -> None:
    assert snap(np.array([jump]))[0] == pytest.approx(ratio, rel=1e-12)


def test_a_special_dividend_of_a_tenth_is_not_taken_for_a_split() -> None:
    close = np.array([30.0, 30.0, 27.0, 27.0])
    assert split_ratios(close, np.array([27.0, 27.0, 27.0, 27.0])).tolist() == [1.0] * 4


def test_a_three_for_two_split_is_seen_when_the_adjusted_close_is_rounded() -> None:
    close = np.array([30.0, 20.0])
    assert split_ratios(close, np.array([4.01, 4.0])).tolist() == [1.0, 1.5]
