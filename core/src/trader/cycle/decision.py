"""The Decision: everything that a cycle saw, thought and asked for, whole. The decision diary is a list of these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from trader.errors import words
from trader.model import Approved, Array, OrderRef, OrderRequest, Refusal


class Verdict(IntEnum):
    """What became of a symbol in this cycle. `TEXT` says it in words."""

    NOT_LISTED = 0
    FEW_BARS = 1
    STALE = 2
    NOT_TRADABLE = 3
    NOT_COVERED = 4
    BLOCKED = 5
    EXITED = 6
    FAULT = 7
    NO_OPINION = 8
    UNRESOLVED = 9
    IN_BAND = 10
    NO_CHANGE = 11
    BELOW_LOT = 12
    BELOW_NOTIONAL = 13
    NO_CASH = 14
    REFUSED = 15
    ORDERED = 16
    HELD = 17
    NOT_PLANNED = 18
    REFERENCE = 19
    REDUCE_ONLY = 20
    NOT_SHORTABLE = 21
    BELOW_TICK = 22
    BAD_BAR = 23


TEXT: dict[Verdict, str] = {
    Verdict.NOT_LISTED: "not listed yet: no bar so far",
    Verdict.FEW_BARS: "fewer bars than the pipeline looks back",
    Verdict.STALE: "its last bar is too old: no new risk",
    Verdict.NOT_TRADABLE: "the venue does not trade it now",
    Verdict.NOT_COVERED: "not covered: what is held is kept",
    Verdict.BLOCKED: "halted by a stored block",
    Verdict.EXITED: "an exit takes it out of this cycle's targets",
    Verdict.FAULT: "a plugin failed: everything is kept as it was",
    Verdict.NO_OPINION: "no opinion: what is held is kept",
    Verdict.UNRESOLVED: "an earlier order is not terminal yet",
    Verdict.IN_BAND: "inside the drift band: no trade",
    Verdict.NO_CHANGE: "already at its target",
    Verdict.BELOW_LOT: "the difference is below one lot",
    Verdict.BELOW_NOTIONAL: "the difference is below the venue's minimum notional",
    Verdict.NO_CASH: "no cash left for it",
    Verdict.REFUSED: "refused by a risk rule",
    Verdict.ORDERED: "ordered",
    Verdict.HELD: "kept as it is",
    Verdict.NOT_PLANNED: "nothing is planned in this mode",
    Verdict.REFERENCE: "read, never traded",
    Verdict.REDUCE_ONLY: "the book may only reduce: nothing is opened or enlarged",
    Verdict.NOT_SHORTABLE: "the venue does not lend it: nothing is sold short",
    Verdict.BAD_BAR: "its last bar is wrong: no new risk",
    Verdict.BELOW_TICK: "its price is below half a tick: no number of lots is worth the target",
}


class Stopped(IntEnum):
    """What a stage did with a symbol."""

    KEPT = 0
    BELOW_THRESHOLD = 1
    NO_OPINION = 2
    SHORT_NOT_ALLOWED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """A plugin that raised or answered nonsense, and what was done instead."""

    instance: str
    method: str
    error: BaseException
    outcome: str


@dataclass(frozen=True, slots=True, eq=False)
class StageRecord:
    """One stage of the pipeline: arrays over `columns` (indices into the Decision's symbols)."""

    name: str
    threshold: float
    columns: NDArray[np.intp]
    score: Array
    confidence: Array
    stopped: NDArray[np.int8]
    why: Mapping[str, Array]
    weights: bool = False


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """An exit that was asked for: by the settings ("application.exits") or by a strategy."""

    symbol: str
    column: int
    reason: str
    by: str
    fraction: float
    stop: float | None


@dataclass(slots=True, eq=False)
class Decision:
    """One cycle of one book. Arrays have shape (symbols,); weights are shares of equity, NaN is "no opinion"."""

    book: str
    cycle_id: str
    number: int
    at: datetime
    symbols: tuple[str, ...]
    equity: float
    cash: float
    price: Array
    quantity: Array
    weight: Array
    verdict: NDArray[np.int8]
    stages: list[StageRecord] = field(default_factory=list)
    score: Array | None = None
    target: Array | None = None
    shrunk: list[tuple[str, Array]] = field(default_factory=list)
    """(portfolio rule, targets after it), for each rule that changed one."""
    allocator: str = ""
    balancer: str = ""
    exits: list[ExitRecord] = field(default_factory=list)
    cancels: list[OrderRef] = field(default_factory=list)
    approved: list[Approved] = field(default_factory=list)
    denied: list[tuple[OrderRequest, Refusal]] = field(default_factory=list)
    trimmed: list[tuple[str, float, float]] = field(default_factory=list)
    """(symbol, wished quantity, planned quantity) where cash did not reach."""
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def final_target(self) -> Array | None:
        """The target after every portfolio rule."""
        return self.shrunk[-1][1] if self.shrunk else self.target

    def encode(self) -> bytes:
        """Canonical JSON: the same decision gives the same bytes. NaN is null."""
        return _encoder.encode(
            {
                "book": self.book,
                "cycle_id": self.cycle_id,
                "number": self.number,
                "at": self.at,
                "equity": self.equity,
                "cash": self.cash,
                "symbols": self.symbols,
                "price": self.price,
                "quantity": self.quantity,
                "weight": self.weight,
                "verdict": [TEXT[Verdict(code)] for code in self.verdict.tolist()],
                "stages": [_stage(stage) for stage in self.stages],
                "score": self.score,
                "allocator": self.allocator,
                "target": self.target,
                "shrunk": [{"rule": rule, "target": target} for rule, target in self.shrunk],
                "balancer": self.balancer,
                "exits": [
                    {"symbol": e.symbol, "reason": e.reason, "by": e.by, "fraction": e.fraction, "stop": e.stop}
                    for e in self.exits
                ],
                "cancels": [{"client_id": ref.client_id, "symbol": ref.symbol} for ref in self.cancels],
                "orders": [_order(approved.order) for approved in self.approved],
                "denied": [{**_order(order), "refusal": refusal} for order, refusal in self.denied],
                "contributions": contributions(self, {self.symbols.index(a.order.symbol) for a in self.approved}),
                "trimmed": [{"symbol": s, "wished": w, "planned": p} for s, w, p in self.trimmed],
                "faults": [
                    {
                        "plugin": f.instance,
                        "method": f.method,
                        "error": words(f.error),
                        "outcome": f.outcome,
                    }
                    for f in self.faults
                ],
                "notes": self.notes,
            }
        )


def _stage(stage: StageRecord) -> dict[str, Any]:
    return {
        "name": stage.name,
        "threshold": stage.threshold,
        "columns": stage.columns,
        "score": stage.score,
        "confidence": stage.confidence,
        "stopped": [Stopped(code).name.lower() for code in stage.stopped.tolist()],
        "why": dict(sorted(stage.why.items())),
        "weights": stage.weights,
        "statistics": statistics(stage),
    }


def statistics(stage: StageRecord) -> dict[str, float]:
    """How many symbols the stage saw, kept, dropped, had no opinion on; mean score of those with one."""
    known = stage.score[~np.isnan(stage.score)]
    counts = np.bincount(stage.stopped, minlength=4)
    return {
        "seen": len(stage.columns),
        "kept": int(counts[Stopped.KEPT]),
        "dropped": int(counts[Stopped.BELOW_THRESHOLD] + counts[Stopped.SHORT_NOT_ALLOWED]),
        "no_opinion": int(counts[Stopped.NO_OPINION]),
        "mean_score": float(known.mean()) if len(known) else float("nan"),
    }


def _order(order: OrderRequest) -> dict[str, Any]:
    return {
        "client_id": order.client_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "type": order.type,
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "reduce_only": order.reduce_only,
        "purpose": order.purpose,
        "price": order.price,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a Decision cannot hold {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="string")


def plain(value: Decimal) -> str:
    """A decimal as people and programs read it: no exponent."""
    return format(value, "f")


def contributions(decision: Decision, columns: Iterable[int]) -> dict[str, dict[str, float]]:
    """Share of each stage in the combined score, by symbol: |score| x confidence over the sum of those. Figures per
    strategy split fills by them."""
    shares: dict[str, dict[str, float]] = {}
    for column in sorted(columns):
        parts: dict[str, float] = {}
        for stage in decision.stages:
            at = np.flatnonzero(stage.columns == column)
            if len(at) and not np.isnan(stage.score[at[0]]):
                parts[stage.name] = float(abs(stage.score[at[0]]) * stage.confidence[at[0]])
        total = sum(parts.values())
        shares[decision.symbols[column]] = {name: part / total if total else 0.0 for name, part in parts.items()}
    return shares
