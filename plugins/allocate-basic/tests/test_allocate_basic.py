"""What the three allocators answer: by hand on two or three symbols, and on any scores."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from trader.model import Signals
from trader_allocate_basic import equal, inverse_volatility, proportional

NAMES = ["proportional", "equal", "inverse_volatility"]
ALLOCATORS = {
    "proportional": proportional.provide_allocator(proportional.Settings(), None),
    "equal": equal.provide_allocator(equal.Settings(), None),
    "inverse_volatility": inverse_volatility.provide_allocator(inverse_volatility.Settings(lookback=2), None),
}


def history(close, traded=None):
    """As much of a History as an allocator looks at: (time, symbols) closes."""
    close = np.asarray(close, dtype=float)
    traded = np.ones(close.shape, dtype=bool) if traded is None else np.asarray(traded)
    return SimpleNamespace(symbols=tuple(f"S{n}" for n in range(close.shape[1])), close=close, traded=traded)


def weights(name, score, close=None, traded=None):
    close = np.ones((3, np.size(score))) if close is None else close
    return ALLOCATORS[name].allocate(Signals(score), history(close, traded), np.zeros(np.shape(close)[1]))


CASES = arrays(np.float64, st.integers(1, 6), elements=st.floats(-1, 1)).flatmap(
    lambda score: st.tuples(st.just(score), arrays(np.float64, (3, len(score)), elements=st.floats(1e-6, 1e6)))
)


def test_proportional_gives_twice_the_weight_for_twice_the_score():
    assert weights("proportional", [0.6, -0.3, 0.3]) == pytest.approx([0.5, -0.25, 0.25])


def test_equal_gives_every_opinion_the_same_weight_and_its_sign():
    assert weights("equal", [0.9, -0.1, 0.0]) == pytest.approx([0.5, -0.5, 0.0])


def test_inverse_volatility_gives_half_the_weight_to_what_moves_twice_as_much():
    close = [[100, 100], [110, 120], [121, 144]]  # 10 % and 20 % a bar
    assert weights("inverse_volatility", [0.2, -0.9], close) == pytest.approx([2 / 3, -1 / 3])


def test_a_symbol_without_known_volatility_counts_as_the_wildest():
    close = [[100, 100, 50], [110, 120, 50], [121, 144, 50]]
    assert weights("inverse_volatility", [1, 1, 1], close) == pytest.approx([0.5, 0.25, 0.25])


def test_where_no_volatility_is_known_all_weights_are_equal():
    assert weights("inverse_volatility", [1, 1], np.ones((3, 2))) == pytest.approx([0.5, 0.5])


def test_carried_bars_do_not_make_a_symbol_look_calm():
    close = [[100, 100], [110, 100], [121, 110]]
    carried = [[True, True], [True, False], [True, True]]
    assert weights("inverse_volatility", [1, 1], close, carried) == pytest.approx([0.5, 0.5])


def test_inverse_volatility_asks_for_one_bar_more_than_returns():
    assert inverse_volatility.provide_allocator(inverse_volatility.Settings(), None).lookback == 21


@pytest.mark.parametrize("name", NAMES)
def test_a_single_symbol_gets_everything(name):
    assert weights(name, [0.1]).tolist() == [1.0]


@pytest.mark.parametrize("name", NAMES)
def test_one_score_for_all_symbols_is_enough(name):
    assert weights(name, 0.5, np.ones((3, 4))) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("name", NAMES)
def test_no_opinion_is_answered_with_nan_and_takes_no_share(name):
    got = weights(name, [0.5, np.nan, 0.5])
    assert np.isnan(got[1])
    assert got[[0, 2]] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_zeros_is_answered_with_zeros(name):
    assert weights(name, [0.0, 0.0]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", NAMES)
@given(case=CASES)
def test_weights_are_finite_have_the_sign_of_their_scores_and_sum_to_1_or_0(name, case):
    score, close = case
    got = weights(name, score, close)
    assert got.shape == score.shape
    assert np.isfinite(got).all()
    assert (got * score >= 0).all()
    assert np.abs(got).sum() == pytest.approx(1.0 if score.any() else 0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("module", "wrong"), [(inverse_volatility, {"lookback": 1}), (inverse_volatility, {"window": 5}), (equal, {"n": 3})]
)
def test_settings_that_make_no_sense_are_refused(module, wrong):
    with pytest.raises(ValidationError):
        module.Settings(**wrong)
