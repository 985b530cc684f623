"""What one stored Decision says about one symbol, stage by stage: facts, no prose. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from trader.cli.output import exact
from trader.cycle.decision import TEXT, Verdict

Facts = dict[str, Any]

_BY_TEXT = {text: verdict for verdict, text in TEXT.items()}
_STAGE = {
    "coverage": (
        Verdict.NOT_LISTED, Verdict.FEW_BARS, Verdict.STALE, Verdict.NOT_TRADABLE, Verdict.NOT_COVERED,
        Verdict.BLOCKED, Verdict.REFERENCE, Verdict.BAD_BAR,
    ),
    "exits": (Verdict.EXITED,),
    "fault": (Verdict.FAULT,),
    "pipeline": (Verdict.NO_OPINION,),
    "balancer": (Verdict.IN_BAND, Verdict.NO_CHANGE, Verdict.HELD),
    "planner": (
        Verdict.UNRESOLVED, Verdict.BELOW_LOT, Verdict.BELOW_NOTIONAL, Verdict.NO_CASH, Verdict.NOT_PLANNED,
        Verdict.REDUCE_ONLY, Verdict.NOT_SHORTABLE, Verdict.BELOW_TICK,
    ),
    "order rules": (Verdict.REFUSED,),
}  # fmt: skip
_STOPPED_BY = {verdict: stage for stage, verdicts in _STAGE.items() for verdict in verdicts}


def verdict_of(text: str) -> Verdict | None:
    """The verdict behind its words; None for words of another version."""
    return _BY_TEXT.get(text)


def explain(cycle: Facts, symbol: str) -> Facts:
    """Everything the cycle (as `reading.cycle` gives it) decided about `symbol`; KeyError if it did not look at it.

    Weights, targets, scores are floats (None: no opinion), mark and quantity Decimal. `stopped_by` names the stage
    that kept it from being ordered, None if it was ordered. `orders` are the rows of the store, denied ones too.
    """
    decision = cycle["decision"] or {}
    if symbol not in decision.get("symbols", ()):
        raise KeyError(symbol)
    column = decision["symbols"].index(symbol)
    verdict = decision["verdict"][column]
    orders = [row for row in cycle["orders"] if row["symbol"] == symbol]
    target, rules = _targets(decision, column)
    weight = decision["weight"][column]
    sent = any(row["state"] != "denied" for row in orders)
    stopped_by = None if sent else _STOPPED_BY.get(_BY_TEXT.get(verdict, Verdict.ORDERED))
    return {
        "book": cycle["book"],
        "symbol": symbol,
        "cycle": cycle["number"],
        "cycle_id": cycle["cycle_id"],
        "at": cycle["at"],
        "equity": cycle["equity"],
        "verdict": verdict,
        "stopped_by": stopped_by,
        "mark": exact(decision["price"][column]),
        "quantity": exact(decision["quantity"][column]),
        "weight": weight,
        "exits": [each for each in decision["exits"] if each["symbol"] == symbol],
        "stages": list(_stages(decision, column)),
        "score": _at(decision["score"], column),
        "allocator": decision["allocator"],
        "allocated": _at(decision["target"], column),
        "portfolio_rules": rules,
        "target": target,
        "balancer": decision["balancer"],
        "drift": None if target is None or weight is None else target - weight,
        "cancels": [each["client_id"] for each in decision["cancels"] if each["symbol"] == symbol],
        "trimmed": _trimmed(decision, symbol),
        "refusals": _refusals(decision, symbol),
        "orders": orders,
        "faults": decision["faults"],
        "notes": decision["notes"],
    }


def _at(values: Sequence[float | None] | None, column: int) -> float | None:
    return None if values is None else values[column]


def _stages(decision: Facts, column: int) -> Iterator[Facts]:
    """Each stage that was asked about the symbol."""
    for stage in decision["stages"]:
        if column not in stage["columns"]:
            continue
        place = stage["columns"].index(column)
        yield {
            "name": stage["name"],
            "score": stage["score"][place],
            "confidence": stage["confidence"][place],
            "threshold": stage["threshold"],
            "outcome": stage["stopped"][place],
            "weights": stage["weights"],
            "why": {name: values[place] for name, values in stage["why"].items()},
        }


def _targets(decision: Facts, column: int) -> tuple[float | None, list[Facts]]:
    """The target after every portfolio rule, and each rule that changed it."""
    target = _at(decision["target"], column)
    rules = []
    for step in decision["shrunk"]:
        after = step["target"][column]
        if after != target:
            rules.append({"rule": step["rule"], "from": target, "to": after})
        target = after
    return target, rules


def _trimmed(decision: Facts, symbol: str) -> Facts | None:
    """Where cash did not reach for all that was wished."""
    for each in decision["trimmed"]:
        if each["symbol"] == symbol:
            return {"wished": exact(each["wished"]), "planned": exact(each["planned"])}
    return None


def _refusals(decision: Facts, symbol: str) -> list[Facts]:
    return [
        {
            "client_order_id": each["client_id"],
            "side": each["side"],
            "quantity": Decimal(each["quantity"]),
            **{name: each["refusal"][name] for name in ("rule", "reason", "value", "limit")},
        }
        for each in decision["denied"]
        if each["symbol"] == symbol
    ]
