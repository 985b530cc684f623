"""Which symbols a cycle is about: covered, listed, with enough (of every time frame) and fresh bars, tradable, not
blocked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trader.cycle.decision import Verdict
from trader.cycle.market import Market
from trader.cycle.portfolio import Portfolio


@dataclass(slots=True)
class Coverage:
    """`traded`: columns the book covers (references are not). `max_age`: bars since the last real one, at most."""

    traded: NDArray[np.bool_]
    max_age: int
    _always: NDArray[np.bool_] | None = None

    def judge(self, market: Market, portfolio: Portfolio, row: int, lookback: int) -> NDArray[np.int8]:
        """(symbols,) verdicts; HELD where nothing speaks against a symbol."""
        panel = market.panel
        if self._always is None:
            self._always = np.array([market.instruments[symbol].tradable for symbol in panel.symbols])
        verdict = np.full(len(panel.symbols), int(Verdict.HELD), np.int8)
        verdict[~self._always] = Verdict.NOT_TRADABLE
        verdict[panel.age[row] > self.max_age] = Verdict.STALE
        verdict[panel.first > row + 1 - lookback] = Verdict.FEW_BARS
        for frame, rows in market.frames.values():
            first = frame.first[[frame.column[symbol] for symbol in panel.symbols]]
            verdict[first > frame.row_at(panel.end[row]) + 1 - rows] = Verdict.FEW_BARS
        verdict[panel.first > row] = Verdict.NOT_LISTED
        verdict[portfolio.blocked] = Verdict.BLOCKED
        verdict[~self.traded] = Verdict.REFERENCE
        verdict[~self.traded & (portfolio.lots != 0)] = Verdict.NOT_COVERED
        return verdict
