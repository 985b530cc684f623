"""Strategies in order: each scores what the ones before it kept; opinions meet in a confidence-weighted mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trader.cycle.decision import Fault, StageRecord, Stopped
from trader.cycle.market import Market
from trader.errors import BadAnswer, escaped
from trader.model import Array, Signals, Weights
from trader.protocols import Strategy


@dataclass(frozen=True, slots=True)
class Stage:
    """One strategy of the pipeline. `threshold`: |score| below it means be flat, or hold if `dropped` says so."""

    name: str
    strategy: Strategy
    threshold: float = 0.0
    dropped: Literal["flat", "hold"] = "flat"


@dataclass(slots=True)
class Opinion:
    """What the pipeline thinks; arrays are (symbols,). `score`: NaN hold, 0 flat. `weights`: targets instead."""

    score: Array
    stages: list[StageRecord]
    weights: Array | None = None
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()


def score(
    stages: Sequence[Stage], market: Market, row: int, columns: NDArray[np.intp], *, allow_short: bool, gross: float
) -> Opinion:
    """Ask every stage about `columns`. A stage that fails holds everything: no score is left standing."""
    width = len(market.panel.symbols)
    result = np.full(width, np.nan)
    records: list[StageRecord] = []
    notes: list[str] = []
    whole = len(columns) == width
    weighted, confidence = np.zeros(width), np.zeros(width)
    for position, stage in enumerate(stages):
        if len(columns) == 0:
            break
        history = market.window(row, stage.strategy.lookback, None if whole else columns)
        try:
            answer = stage.strategy.score(history)
            if isinstance(answer, Weights):
                if position != len(stages) - 1:
                    raise BadAnswer("Weights may come from the last stage only; this one has others behind it.")
                return _weights(stage, answer, columns, result, records, allow_short, gross, notes)
            given, sure = _checked(answer, len(columns))
            why = _why(answer.why, len(columns))
        except BaseException as error:  # noqa: BLE001 - what a plugin lets escape becomes the cautious outcome
            exc = escaped(error)
            fault = Fault(stage.name, "score", exc, "all positions were held as they were")
            return Opinion(np.full(width, np.nan), records, faults=(fault,))
        stopped = _stops(given, stage.threshold, allow_short)
        records.append(StageRecord(stage.name, stage.threshold, columns, given, sure, stopped, why))
        if np.isnan(given).all():
            notes.append(f"{stage.name} has no opinion on any of {len(columns)} symbols")
        kept = stopped == Stopped.KEPT
        flat = stopped == Stopped.SHORT_NOT_ALLOWED
        if stage.dropped == "flat":
            flat |= stopped == Stopped.BELOW_THRESHOLD
        result[columns[flat]] = 0.0
        if not kept.all():
            columns, given, sure, whole = columns[kept], given[kept], sure[kept], False
        weighted[columns] += given * sure
        confidence[columns] += sure
    sum_of = confidence[columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        result[columns] = np.where(sum_of > 0, weighted[columns] / sum_of, np.nan)
    return Opinion(result, records, notes=tuple(notes))


def _stops(given: Array, threshold: float, allow_short: bool) -> NDArray[np.int8]:
    stopped = np.zeros(len(given), np.int8)
    stopped[np.abs(given) < threshold] = Stopped.BELOW_THRESHOLD
    if not allow_short:
        stopped[(given < 0) & (stopped == 0)] = Stopped.SHORT_NOT_ALLOWED
    stopped[np.isnan(given)] = Stopped.NO_OPINION
    return stopped


def _row(values: ArrayLike, count: int, what: str, low: float, high: float, *, nan: bool) -> Array:
    """`values` as (count,) float64 in [low, high]; BadAnswer otherwise."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise BadAnswer(
            f"Expected {what} as numbers of shape ({count},), was {type(values).__name__}: {exc}."
        ) from None
    if array.shape == ():
        array = np.full(count, float(array))
    if array.shape != (count,):
        raise BadAnswer(f"Expected {what} of shape ({count},), one for each symbol, was {array.shape}.")
    inside = (array >= low) & (array <= high)
    if nan:
        inside |= np.isnan(array)
    if not inside.all():
        worst = array[~inside][0]
        raise BadAnswer(f"Expected {what} from {low:g} to {high:g}{' or NaN' if nan else ''}, was {worst!r}.")
    return array


def _checked(answer: Signals, count: int) -> tuple[Array, Array]:
    if not isinstance(answer, Signals):
        raise BadAnswer(f"Expected Signals or Weights, was {type(answer).__name__}.")
    given = _row(answer.score, count, "a score", -1.0, 1.0, nan=True)
    return given, _row(answer.confidence, count, "a confidence", 0.0, 1.0, nan=False)


def _why(why: Mapping[str, ArrayLike], count: int) -> dict[str, Array]:
    kept = {}
    for name, values in why.items():
        array = np.asarray(values, dtype=np.float64)
        if array.shape not in ((), (count,)):
            raise BadAnswer(f"Expected why[{name!r}] of shape ({count},), was {array.shape}.")
        kept[name] = np.broadcast_to(array, (count,))
    return kept


def _weights(
    stage: Stage,
    answer: Weights,
    columns: NDArray[np.intp],
    flats: Array,
    records: list[StageRecord],
    allow_short: bool,
    gross: float,
    notes: list[str],
) -> Opinion:
    """`flats` (symbols,): 0 where a stage before this one wants none, else NaN."""
    given = _row(answer.weight, len(columns), "a weight", -gross, gross, nan=True)
    total = float(np.nansum(np.abs(given)))
    if not total <= gross * (1 + 1e-9):
        raise BadAnswer(f"Expected weights whose absolute values sum to at most {gross:g}, was {total:g}.")
    stopped = _stops(given, 0.0, allow_short)
    sure = np.ones(len(columns))
    records.append(
        StageRecord(stage.name, stage.threshold, columns, given, sure, stopped, _why(answer.why, len(columns)), True)
    )
    weights = flats.copy()
    weights[columns] = np.where(stopped == Stopped.SHORT_NOT_ALLOWED, 0.0, given)
    if len(given) and np.isnan(given).all():
        notes.append(f"{stage.name} has no opinion on any of {len(columns)} symbols")
    return Opinion(weights, records, weights, notes=tuple(notes))
