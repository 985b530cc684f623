"""Buy and hold wants everything, always."""

from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError
from trader_strategy_buy_and_hold import Settings, provide_strategy

HOLD = provide_strategy(Settings(), None)


def test_every_symbol_scores_1_from_one_bar():
    assert HOLD.lookback == 1
    assert HOLD.score(SimpleNamespace(symbols=("A", "B", "C"), close=np.ones((1, 3)))).score.tolist() == [1, 1, 1]


def test_in_a_panel_a_symbol_scores_1_from_its_first_bar_on():
    close = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, 9.0]])
    score = HOLD.score_panel(SimpleNamespace(symbols=("A", "B"), close=close)).score
    assert np.array_equal(score, [[1, np.nan], [1, np.nan], [1, 1]], equal_nan=True)


def test_there_is_nothing_to_set():
    with pytest.raises(ValidationError):
        Settings(lookback=5)
