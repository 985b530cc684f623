"""What trend following answers, on prices small enough to work out by hand and on any prices."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from trader_strategy_trend_following import Settings, provide_strategy


class Rows:
    """As much of a History as the strategy looks at: (time, symbols) closes."""

    def __init__(self, close):
        self.close = np.asarray(close, dtype=float)
        self.symbols = tuple(f"S{n}" for n in range(self.close.shape[1]))

    def __len__(self):
        return len(self.close)


def make(**settings):
    return provide_strategy(Settings(**settings), None)


def prices(rows):
    return arrays(np.float64, st.tuples(rows, st.integers(1, 4)), elements=st.floats(1e-6, 1e6))


SMALL = make(fast=2, slow=4, full_at=1.5)


def test_the_score_is_the_gap_between_the_averages_in_units_of_noise():
    # closes 100, 110, 121, 110 after 100: returns 0, 0.1, 0.1, -1/11
    signals = SMALL.score(Rows([[100], [100], [110], [121], [110]]))
    fast, slow = (121 + 110) / 2, (100 + 110 + 121 + 110) / 4
    volatility = sqrt((0 + 0.01 + 0.01 + 1 / 121) / 4)
    noise = volatility * sqrt((4 - 2) / 2)
    assert signals.score[0] == pytest.approx((fast / slow - 1) / (1.5 * noise))
    assert signals.why["fast"][0] == pytest.approx(fast)
    assert signals.why["slow"][0] == pytest.approx(slow)


def test_a_rise_scores_above_0_a_fall_below_and_a_standstill_is_0():
    score = SMALL.score(Rows(np.array([[10, 11, 12, 13, 14], [14, 13, 12, 11, 10], [0.1] * 5]).T)).score
    assert score[0] > 0 > score[1]
    assert score[2] == 0


def test_the_same_rise_counts_more_where_the_price_is_quiet():
    quiet, wild = [100, 101, 102, 103, 104], [100, 112, 95, 108, 104]
    score = SMALL.score(Rows(np.array([quiet, wild]).T)).score
    assert score[0] > score[1]


def test_a_strong_trend_scores_exactly_1():
    assert make(fast=1, slow=20, full_at=0.5).score(Rows(1.02 ** np.arange(21.0)[:, None])).score[0] == 1.0


def test_it_asks_for_one_bar_more_than_the_slow_average_has():
    assert make().lookback == 101
    assert SMALL.lookback == 5


@given(prices(st.just(5)))
def test_every_score_is_finite_and_between_minus_1_and_1(close):
    score = SMALL.score(Rows(close)).score
    assert score.shape == close.shape[1:]
    assert np.isfinite(score).all()
    assert (np.abs(score) <= 1).all()


@given(prices(st.integers(5, 30)))
def test_the_panel_is_the_score_of_each_row_to_the_last_bit(close):
    panel = SMALL.score_panel(Rows(close))
    assert np.isnan(panel.score[:4]).all()
    for row in range(4, len(close)):
        alone = SMALL.score(Rows(close[row - 4 : row + 1]))
        assert np.array_equal(panel.score[row], alone.score)
        assert np.array_equal(panel.why["slow"][row], alone.why["slow"])


@given(prices(st.just(12)), st.floats(1e-6, 1e6))
def test_what_lies_before_the_lookback_changes_nothing(close, other):
    changed = close.copy()
    changed[:-5] = other
    assert np.array_equal(SMALL.score_panel(Rows(close)).score[-1], SMALL.score_panel(Rows(changed)).score[-1])


def test_a_symbol_that_is_listed_late_is_nan_until_it_has_its_bars_and_disturbs_no_other():
    close = np.linspace(10, 20, 12)[:, None] * [1.0, 1.0]
    close[:3, 1] = np.nan
    score = SMALL.score_panel(Rows(close)).score
    assert np.isnan(score[:7, 1]).all()
    assert np.isfinite(score[7:, 1]).all()
    assert np.isfinite(score[4:, 0]).all()


def test_a_panel_shorter_than_the_lookback_has_no_scores():
    for length in range(5):
        score = SMALL.score_panel(Rows(np.ones((length, 2)))).score
        assert score.shape == (length, 2)
        assert np.isnan(score).all()


@pytest.mark.parametrize(
    "wrong",
    [{"fast": 100}, {"fast": 0}, {"full_at": 0}, {"full_at": float("nan")}, {"full_at": float("inf")}, {"slwo": 9}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        Settings(**wrong)
