"""What the strategy suite asks with, and how it looks at an answer."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trader.cycle.market import Market, Window
from trader.model import Array, ExitIntent, Signals, Weights
from trader.testing.conformance.suite import Made

STRAY = 1e-9
"""How far two ways of adding the same numbers may be apart."""


def random_names(count: int) -> tuple[str, ...]:
    """Symbols: S00, S01, ..."""
    return tuple(f"S{number:02}" for number in range(count))


def rows_of(strategy: Any, place: Market) -> list[int]:
    """The rows at which it is asked: every fifth from the first that has its lookback, and the last."""
    return [*range(strategy.lookback - 1, place.panel.rows - 1, 5), place.panel.rows - 1]


def window(strategy: Any, place: Market, row: int, columns: Sequence[int] | None = None) -> Window:
    """What it is shown at `row`: the symbols that are traded; its references it reaches by name."""
    more = len(getattr(strategy, "references", ()))
    if columns is None and not more:
        return place.window(row, strategy.lookback)
    width = len(place.panel.symbols) - more
    return place.window(row, strategy.lookback, columns_of(range(width) if columns is None else columns))


def ask(made: Made, history: Window) -> Any:
    """One call, in a cycle of its own."""
    made.moment(history.now.isoformat())
    return made.object.score(history)


def ask_or_fail(made: Made, history: Window, what: str) -> Any:
    """The same; what it raises fails the case."""
    try:
        return ask(made, history)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises
        pytest.fail(f"With {what} it raised {type(error).__name__}: {error}")


def columns_of(columns: Sequence[int]) -> NDArray[np.intp]:
    """Columns as an index."""
    return np.array(columns, np.intp)


def values_of(answer: object) -> Array | None:
    """The numbers of an answer; None if it is none."""
    if not isinstance(answer, Signals | Weights):
        return None
    try:
        return np.asarray(answer.weight if isinstance(answer, Weights) else answer.score, np.float64)
    except (TypeError, ValueError):
        return None


def assert_in_range(answer: Signals | Weights) -> None:
    """Scores, confidences and weights as the pipeline takes them."""
    values = values_of(answer)
    assert values is not None, f"Expected Signals or Weights, was {answer!r}."
    if isinstance(answer, Weights):
        total = float(np.nansum(np.abs(values)))
        assert total <= 1 + 1e-9, f"Expected weights whose absolute values sum to at most 1, was {total:g}."
        return
    bad = values[~(np.abs(values) <= 1) & ~np.isnan(values)]
    assert bad.size == 0, f"Expected scores from -1 to 1 or NaN, was {bad.flat[0]!r}."
    sure = np.asarray(answer.confidence, np.float64)
    bad = sure[~((sure >= 0) & (sure <= 1))]
    assert bad.size == 0, f"Expected a confidence from 0 to 1, was {bad.flat[0]!r}."


def assert_intent(intent: object, held: Sequence[str]) -> None:
    """An exit as the cycle takes it."""
    assert isinstance(intent, ExitIntent), f"Expected an ExitIntent, was {intent!r}."
    assert intent.symbol in held, f"Expected one of the held symbols {', '.join(held)}, was {intent.symbol!r}."
    assert 0 < intent.fraction <= 1, f"Expected a fraction above 0 and at most 1, was {intent.fraction!r}."
    fine = intent.stop is None or (isfinite(intent.stop) and intent.stop > 0)
    assert fine, f"Expected a finite stop price above 0, was {intent.stop!r}."
    assert intent.reason.strip(), "Expected a reason in words, was none."


def same(one: Sequence[Array], two: Sequence[Array]) -> bool:
    """Equal to the last bit, answer by answer."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, two, strict=True))


def close(one: Array, two: Array) -> bool:
    """Equal but for rounding."""
    return bool(np.allclose(one, two, rtol=STRAY, atol=STRAY, equal_nan=True))
