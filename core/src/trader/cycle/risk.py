"""Order rules see the plan as a batch and only refuse. The core approves what no rule refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trader.cycle.decision import Fault
from trader.cycle.planner import Orders
from trader.cycle.portfolio import BookView
from trader.errors import BadAnswer, escaped, storable, words
from trader.model import Approved, Refusal
from trader.protocols import RiskRule


@dataclass(slots=True)
class Judgement:
    """`passed` (orders,): no rule refused. `refusals`: the first of each refused order, by its row."""

    passed: NDArray[np.bool_]
    refusals: dict[int, Refusal]
    faults: list[Fault]


def judge(plan: Orders, rules: Sequence[tuple[str, RiskRule]], book: BookView) -> Judgement:
    """Ask every rule. A rule that guards what increases risk has no say on the rest; one that fails refuses all that
    it guards."""
    passed = np.ones(len(plan), bool)
    refusals: dict[int, Refusal] = {}
    faults: list[Fault] = []
    if len(plan) == 0:
        return Judgement(passed, refusals, faults)
    for name, rule in rules:
        guarded = plan.increases if rule.guards == "increasing" else np.ones(len(plan), bool)
        if not guarded.any():
            continue
        try:
            found = [_checked(refusal, name, len(plan)) for refusal in rule.check(plan, book)]
        except BaseException as error:  # noqa: BLE001 - what a plugin lets escape becomes the cautious outcome
            exc = escaped(error)
            faults.append(Fault(name, "check", exc, "every order that it guards was refused"))
            reason = f"the rule failed: {words(exc)}"
            found = [Refusal(row, reason, 0.0, 0.0, name) for row in np.flatnonzero(guarded).tolist()]
        for refusal in found:
            if guarded[refusal.order]:
                passed[refusal.order] = False
                refusals.setdefault(refusal.order, refusal)
    _keep_flips_whole(plan, passed, refusals)
    return Judgement(passed, refusals, faults)


def _keep_flips_whole(plan: Orders, passed: NDArray[np.bool_], refusals: dict[int, Refusal]) -> None:
    """Where the closing half of a flip is refused, so is the half that would open the other side."""
    for row in np.flatnonzero(~passed & ~plan.increases).tolist():
        for other in np.flatnonzero(passed & plan.increases & (plan.column == plan.column[row])).tolist():
            passed[other] = False
            reason = "the order that closes the other side was refused"
            refusals[other] = Refusal(other, reason, 0.0, 0.0, refusals[row].rule)


def _checked(refusal: Refusal, rule: str, count: int) -> Refusal:
    if not isinstance(refusal, Refusal):
        raise BadAnswer(f"Expected a Refusal, was {type(refusal).__name__}.")
    if not 0 <= refusal.order < count:
        raise BadAnswer(f"Expected the index of an order, 0 to {count - 1}, was {refusal.order}.")
    return Refusal(refusal.order, storable(refusal.reason), float(refusal.limit), float(refusal.value), rule)


def approve(plan: Orders) -> list[Approved]:
    """Every row of a plan that no rule refused, in sending order."""
    return [Approved(order) for order in plan.orders]
