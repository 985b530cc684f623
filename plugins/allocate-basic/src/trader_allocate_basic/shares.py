"""What the allocators of this package have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from trader.model import Array


def shares(score: ArrayLike, strength: Array) -> Array:
    """Weights (symbols,) in proportion to `strength` (finite, >= 0), with the sign of `score`; sum of |weight| is 1.

    A score of 0 gets 0, NaN stays NaN (keep what is held) and takes no share. Nobody with an opinion: all 0.
    """
    sign = np.sign(np.broadcast_to(np.asarray(score, dtype=np.float64), strength.shape))
    size = strength * np.nan_to_num(np.abs(sign))
    total = size.sum()
    return sign * size / total if total > 0 else sign * 0.0
