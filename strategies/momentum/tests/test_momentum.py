"""What momentum answers, on prices small enough to work out by hand and on any prices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from trader_strategy_momentum import Settings, provide_strategy, rank_score


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
    return arrays(np.float64, st.tuples(rows, st.integers(1, 6)), elements=st.floats(1e-6, 1e6))


SMALL = make(lookback=3, skip=1, top=0.5)


def test_the_return_runs_from_lookback_bars_ago_to_skip_bars_ago():
    signals = SMALL.score(Rows([[100], [7], [150], [1]]))
    assert SMALL.lookback == 4
    assert signals.why["return"][0] == pytest.approx(0.5)


def test_without_skip_the_return_ends_at_the_last_bar():
    signals = make(lookback=3, skip=0).score(Rows([[100], [7], [150], [120]]))
    assert signals.why["return"][0] == pytest.approx(0.2)


def test_the_best_half_is_held_the_better_the_higher_and_the_rest_is_flat():
    end = np.array([90.0, 140.0, 110.0, 120.0])
    close = np.vstack([np.full(4, 100.0), np.full(4, 100.0), end, np.full(4, 100.0)])
    assert SMALL.score(Rows(close)).score.tolist() == [0.0, 1.0, 0.0, 0.5]


def test_at_least_one_symbol_is_held():
    assert rank_score(np.array([[0.1, 0.3, 0.2]]), 0.01).tolist() == [[0.0, 1.0, 0.0]]


def test_of_equal_returns_the_first_symbol_ranks_higher():
    assert rank_score(np.array([[0.2, 0.2, 0.2]]), 0.34).tolist() == [[1.0, 0.0, 0.0]]


def test_a_symbol_that_is_not_listed_yet_is_nan_and_not_counted():
    score = rank_score(np.array([[np.nan, 0.1, 0.2]]), 0.5)  # half of two is one
    assert np.array_equal(score, [[np.nan, 0.0, 1.0]], equal_nan=True)


@given(prices(st.just(4)))
def test_every_score_is_from_0_to_1_and_only_the_top_is_above_0(close):
    score = SMALL.score(Rows(close)).score
    assert ((score >= 0) & (score <= 1)).all()
    assert (score > 0).sum() == max(1, round(0.5 * close.shape[1]))
    assert (score == 1).sum() == 1


@given(prices(st.just(4)))
def test_a_better_return_never_scores_lower(close):
    signals = SMALL.score(Rows(close))
    by_return = np.argsort(signals.why["return"], kind="stable")
    different = np.diff(signals.why["return"][by_return]) > 0
    assert (np.diff(signals.score[by_return])[different] >= 0).all()


@given(prices(st.integers(4, 25)))
def test_the_panel_is_the_score_of_each_row_to_the_last_bit(close):
    panel = SMALL.score_panel(Rows(close)).score
    assert np.isnan(panel[:3]).all()
    for row in range(3, len(close)):
        assert np.array_equal(panel[row], SMALL.score(Rows(close[row - 3 : row + 1])).score)


@given(prices(st.just(10)), st.floats(1e-6, 1e6))
def test_what_lies_before_the_lookback_changes_nothing(close, other):
    changed = close.copy()
    changed[:-4] = other
    assert np.array_equal(SMALL.score_panel(Rows(close)).score[-1], SMALL.score_panel(Rows(changed)).score[-1])


def test_a_panel_shorter_than_the_lookback_has_no_scores():
    for length in range(4):
        score = SMALL.score_panel(Rows(np.ones((length, 2)))).score
        assert score.shape == (length, 2)
        assert np.isnan(score).all()


@pytest.mark.parametrize(
    "wrong", [{"skip": 252}, {"top": 0}, {"top": 1.5}, {"top": float("nan")}, {"skip": -1}, {"best": 3}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        Settings(**wrong)
