"""Which symbols a cycle is about: covered, listed, with enough bars (of every time frame) that are fresh and right,
tradable, not blocked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trader.cycle.decision import Verdict
from trader.cycle.market import Market
from trader.cycle.portfolio import Portfolio


@dataclass(slots=True)
class Coverage:
    """`traded`: columns the book covers (references are not). `max_age`: how old the last real bar may be: an int in
    bars of the book, a timedelta64 in time up to the moment of the cycle."""

    traded: NDArray[np.bool_]
    max_age: int | np.timedelta64
    _always: NDArray[np.bool_] | None = None

    def judge(
        self, market: Market, portfolio: Portfolio, row: int, lookback: int, now: np.datetime64
    ) -> NDArray[np.int8]:
        """(symbols,) verdicts; HELD where nothing speaks against a symbol. `now`: the moment of the cycle."""
        panel = market.panel
        if self._always is None:
            self._always = np.array([market.instruments[symbol].tradable for symbol in panel.symbols])
        verdict = np.full(len(panel.symbols), int(Verdict.HELD), np.int8)
        verdict[~self._always] = Verdict.NOT_TRADABLE
        age = panel.age[row]
        too_old = age > self.max_age if isinstance(self.max_age, int) else now - panel.end[row - age] > self.max_age
        verdict[too_old] = Verdict.STALE
        verdict[panel.wrong[row]] = Verdict.BAD_BAR
        verdict[panel.first > row + 1 - lookback] = Verdict.FEW_BARS
        for frame, rows in market.frames.values():
            columns, last = [frame.column[symbol] for symbol in panel.symbols], frame.row_at(panel.end[row])
            if last >= 0:
                verdict[frame.wrong[last, columns]] = Verdict.BAD_BAR
            verdict[frame.first[columns] > last + 1 - rows] = Verdict.FEW_BARS
        verdict[panel.first > row] = Verdict.NOT_LISTED
        verdict[portfolio.blocked] = Verdict.BLOCKED
        verdict[~self.traded] = Verdict.REFERENCE
        verdict[~self.traded & (portfolio.lots != 0)] = Verdict.NOT_COVERED
        return verdict
