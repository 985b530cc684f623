"""Scores to target weights, and the portfolio rules that may only shrink them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trader.cycle.decision import Fault
from trader.cycle.market import Market
from trader.cycle.portfolio import BookView
from trader.errors import BadAnswer, escaped
from trader.model import Array, Signals
from trader.protocols import Allocator, PortfolioRule


@dataclass(slots=True)
class Targets:
    """Target weights (symbols,), NaN hold. `shrunk`: what each rule that changed something left."""

    weight: Array
    shrunk: list[tuple[str, Array]]
    fault: Fault | None = None

    @property
    def final(self) -> Array:
        return self.shrunk[-1][1] if self.shrunk else self.weight


def allocate(
    name: str, allocator: Allocator, score: Array, market: Market, row: int, held: Array, investable: float
) -> Targets:
    """`score` (symbols,): NaN hold, 0 flat. `held`: today's weights of equity; `investable`: the share of equity that
    may be invested, before what is held by NaN is set aside."""
    target = np.where(np.isnan(score), np.nan, 0.0)
    columns = np.flatnonzero(~np.isnan(score) & (score != 0.0))
    if len(columns) == 0:
        return Targets(target, [])
    room = max(0.0, investable - float(np.abs(held[np.isnan(score)]).sum()))
    if room == 0.0:
        target[columns] = np.where(held[columns] == 0.0, 0.0, np.nan)
        return Targets(target, [])
    whole = len(columns) == len(score)
    history = market.window(row, max(allocator.lookback, 1), None if whole else columns)
    try:
        weight = np.asarray(allocator.allocate(Signals(score[columns]), history, held[columns] / room), np.float64)
        if weight.shape != (len(columns),):
            raise BadAnswer(f"Expected weights of shape ({len(columns)},), one for each symbol, was {weight.shape}.")
        if np.isinf(weight).any():
            raise BadAnswer("Expected finite weights, was an infinite one.")
        total = float(np.nansum(np.abs(weight)))
        if not total <= 1 + 1e-9:
            raise BadAnswer(f"Expected weights whose absolute values sum to at most 1, was {total:g}.")
        if (weight * score[columns] < 0).any():
            raise BadAnswer("Expected weights with the sign of their scores, was one against it.")
    except BaseException as error:  # noqa: BLE001 - what a plugin lets escape becomes the cautious outcome
        exc = escaped(error)
        outcome = "all positions were held as they were"
        return Targets(np.full(len(score), np.nan), [], Fault(name, "allocate", exc, outcome))
    target[columns] = weight * room
    return Targets(target, [])


def shrink(targets: Targets, rules: Sequence[tuple[str, PortfolioRule]], book: BookView, held: Array) -> Targets:
    """Let each rule pull targets nearer to 0 (or to what is held). One that fails, or enlarges, holds everything."""
    weight = targets.weight
    for name, rule in rules:
        try:
            after = np.asarray(rule.limit(weight.copy(), book), np.float64)
            _check_shrunk(weight, after, held)
        except BaseException as error:  # noqa: BLE001 - what a plugin lets escape becomes the cautious outcome
            exc = escaped(error)
            outcome = "all positions were held as they were"
            return Targets(np.full(len(weight), np.nan), [], Fault(name, "limit", exc, outcome))
        if not np.array_equal(after, weight, equal_nan=True):
            targets.shrunk.append((name, after))
            weight = after
    return targets


def _check_shrunk(before: Array, after: Array, held: Array) -> None:
    if after.shape != before.shape:
        raise BadAnswer(f"Expected targets of shape {before.shape}, was {after.shape}.")
    nearer = (np.abs(after) <= np.abs(before) + 1e-12) & (after * before >= 0)
    fine: NDArray[np.bool_] = nearer | (np.abs(after - held) <= 1e-12) | (np.isnan(after) & np.isnan(before))
    if not fine.all():
        worst = int(np.flatnonzero(~fine)[0])
        raise BadAnswer(
            f"A portfolio rule may only shrink a target:"
            f" expected between 0 and {before[worst]:g}, was {after[worst]:g}."
        )
