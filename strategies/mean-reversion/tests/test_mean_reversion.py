"""What mean reversion answers, on prices small enough to work out by hand and on any prices."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from trader_strategy_mean_reversion import Settings, provide_strategy


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


SMALL = make(lookback=4, entry=1.0, full_at=2.0)


def test_a_price_below_its_average_scores_its_distance_in_deviations():
    # 10, 10, 10, 6: mean 9, standard deviation sqrt((1 + 1 + 1 + 9) / 4) = sqrt(3), z = -3 / sqrt(3)
    signals = SMALL.score(Rows([[10], [10], [10], [6]]))
    assert signals.why["z"][0] == pytest.approx(-sqrt(3))
    assert signals.score[0] == pytest.approx(sqrt(3) / 2)


def test_a_price_above_its_average_scores_the_same_with_the_other_sign():
    low = SMALL.score(Rows([[10], [10], [10], [6]])).score[0]
    high = SMALL.score(Rows([[10], [10], [10], [14]])).score[0]
    assert high == pytest.approx(-low)


def test_nearer_than_entry_is_flat():
    # 9, 11, 9, 10: mean 9.75, deviation 0.829, z = 0.30
    assert SMALL.score(Rows([[9], [11], [9], [10]])).score[0] == 0


def test_far_away_scores_exactly_1():
    assert make(lookback=20, full_at=2.0).score(Rows([[10.0]] * 19 + [[5.0]])).score[0] == 1.0


@given(st.floats(1e-6, 1e6))
def test_a_price_that_stands_still_is_flat_even_without_an_entry_level(price):
    assert make(lookback=20, entry=0).score(Rows(np.full((20, 1), price))).score[0] == 0


@given(prices(st.just(4)))
def test_every_score_is_finite_and_between_minus_1_and_1(close):
    score = SMALL.score(Rows(close)).score
    assert score.shape == close.shape[1:]
    assert np.isfinite(score).all()
    assert (np.abs(score) <= 1).all()


@given(prices(st.integers(4, 25)))
def test_the_panel_is_the_score_of_each_row_to_the_last_bit(close):
    panel = SMALL.score_panel(Rows(close))
    assert np.isnan(panel.score[:3]).all()
    for row in range(3, len(close)):
        alone = SMALL.score(Rows(close[row - 3 : row + 1]))
        assert np.array_equal(panel.score[row], alone.score)
        assert np.array_equal(panel.why["z"][row], alone.why["z"])


@given(prices(st.just(10)), st.floats(1e-6, 1e6))
def test_what_lies_before_the_lookback_changes_nothing(close, other):
    changed = close.copy()
    changed[:-4] = other
    assert np.array_equal(SMALL.score_panel(Rows(close)).score[-1], SMALL.score_panel(Rows(changed)).score[-1])


def test_a_symbol_that_is_listed_late_is_nan_until_it_has_its_bars():
    close = np.array([[10.0, np.nan]] * 2 + [[10, 10], [10, 10], [10, 10], [6, 6]])
    score = SMALL.score_panel(Rows(close)).score
    assert np.isnan(score[:5, 1]).all()
    assert score[5, 1] == score[5, 0] > 0


def test_a_panel_shorter_than_the_lookback_has_no_scores():
    for length in range(4):
        score = SMALL.score_panel(Rows(np.ones((length, 2)))).score
        assert score.shape == (length, 2)
        assert np.isnan(score).all()


def test_an_entry_that_no_price_can_reach_is_refused_with_the_reason():
    with pytest.raises(ValidationError, match=r"below 2\.00, the largest"):
        Settings(lookback=5, entry=2.0, full_at=3.0)


@pytest.mark.parametrize(
    "wrong", [{"entry": 3.0}, {"lookback": 2}, {"entry": -1}, {"full_at": float("nan")}, {"full_at": 0}, {"look": 9}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        Settings(**wrong)
