"""Made-up prices and the weights that W2 follows. NumPy only: the environments of peers import it too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LOOKBACK = 60
"""Returns that the volatility is taken from; there are no weights before that row."""
CASH = 10_000_000
SEED = 11


def random_walks(days: int, symbols: int) -> tuple[Array, Array]:
    """(open, close), each (days, symbols), in whole ticks of 0.0001.

    Each symbol starts at 50 and has a volatility of its own, 0.8 % to 3 % a day; a day opens 0.2 % or so away from the
    close before it. The same arguments give the same prices.
    """
    random = np.random.default_rng(SEED)
    volatility = random.uniform(0.008, 0.03, symbols)
    returns = random.normal(0.0002, 1.0, (days, symbols)) * volatility
    close = 50.0 * np.exp(np.cumsum(returns, axis=0))
    before = np.vstack([np.full((1, symbols), 50.0), close[:-1]])
    open_ = before * (1.0 + random.normal(0.0, 0.002, (days, symbols)))
    return open_.round(4), close.round(4)


def inverse_volatility(close: Array, invested: float) -> Array:
    """(days, symbols) target weights that sum to `invested`; NaN before row LOOKBACK."""
    returns = close[1:] / close[:-1] - 1.0
    weights = np.full(close.shape, np.nan)
    for row in range(LOOKBACK, len(close)):
        calm = 1.0 / returns[row - LOOKBACK : row].std(axis=0)
        weights[row] = calm / calm.sum() * invested
    return weights
