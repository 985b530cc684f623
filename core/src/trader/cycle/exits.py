"""Exits come first: every open position is asked whether it should be left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from trader.cycle.decision import ExitRecord, Fault
from trader.cycle.market import Market
from trader.cycle.portfolio import Held, Portfolio
from trader.errors import BadAnswer, escaped, storable
from trader.model import Array, ExitIntent
from trader.protocols import HasExits

NEAR = 1e-9
"""90 / 100 - 1 is a loss of 10 %, though not quite in binary."""


@dataclass(frozen=True, slots=True)
class ExitRules:
    """The settings' own exits. `stop`, `target`: fractions of the entry price; `max_age`: bars. None: not used."""

    stop: float | None = None
    target: float | None = None
    max_age: int | None = None

    @property
    def any(self) -> bool:
        return self.stop is not None or self.target is not None or self.max_age is not None


@dataclass(frozen=True, slots=True)
class Exit:
    """One exit to plan."""

    column: int
    reason: str
    by: str
    fraction: float
    stop: float | None

    def record(self, symbols: Sequence[str]) -> ExitRecord:
        return ExitRecord(symbols[self.column], self.column, self.reason, self.by, self.fraction, self.stop)


def ask(
    rules: ExitRules,
    strategies: Sequence[tuple[str, HasExits, int]],
    market: Market,
    portfolio: Portfolio,
    price: Array,
    multiplier: Array,
    row: int,
) -> tuple[list[Exit], list[Fault]]:
    """Every exit of this cycle, one a symbol: leaving now goes before a stop, the settings before a strategy.
    `strategies`: (name, strategy, rows that it is shown)."""
    columns = np.flatnonzero(portfolio.lots)
    if len(columns) == 0 or not (rules.any or strategies):
        return [], []
    held = Held(portfolio, columns, price, multiplier, row)
    found = _by_rules(rules, columns, held)
    faults = []
    for name, strategy, lookback in strategies:
        history = market.window(row, lookback, columns)
        try:
            for intent in strategy.exits(history, held):
                found.append(_checked(intent, name, history.symbols, columns))
        except BaseException as error:  # noqa: BLE001 - what a plugin lets escape becomes the cautious outcome
            exc = escaped(error)
            faults.append(Fault(name, "exits", exc, "its exits were left out in this cycle"))
    first: dict[int, Exit] = {}
    for one in sorted(found, key=lambda one: one.stop is not None):
        first.setdefault(one.column, one)
    return [first[column] for column in sorted(first)], faults


def _by_rules(rules: ExitRules, columns: NDArray[np.intp], held: Held) -> list[Exit]:
    found = []
    for reason, left in (
        ("stop", held.gain <= -rules.stop + NEAR if rules.stop is not None else None),
        ("target", held.gain >= rules.target - NEAR if rules.target is not None else None),
        ("age", held.bars >= rules.max_age if rules.max_age is not None else None),
    ):
        if left is not None:
            found += [Exit(column, reason, "application.exits", 1.0, None) for column in columns[left].tolist()]
    return found


def _checked(intent: ExitIntent, by: str, symbols: tuple[str, ...], columns: NDArray[np.intp]) -> Exit:
    if not isinstance(intent, ExitIntent):
        raise BadAnswer(f"Expected an ExitIntent, was {type(intent).__name__}.")
    if intent.symbol not in symbols:
        raise BadAnswer(f"Expected one of the held symbols {', '.join(symbols)}, was {intent.symbol!r}.")
    if not 0 < intent.fraction <= 1:
        raise BadAnswer(f"Expected a fraction above 0 and at most 1, was {intent.fraction!r}.")
    if intent.stop is not None and not (isfinite(intent.stop) and intent.stop > 0):
        raise BadAnswer(f"Expected a finite stop price above 0, was {intent.stop!r}.")
    return Exit(int(columns[symbols.index(intent.symbol)]), storable(intent.reason), by, intent.fraction, intent.stop)
