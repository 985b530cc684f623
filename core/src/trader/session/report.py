"""What one step of a book did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trader.cycle.decision import Decision, Fault
from trader.model import Account, CashEvent, Fill, OrderRequest, Position, Refusal
from trader.orders.journal import Move


@dataclass(slots=True)
class Report:
    """What one step did, for observers, logs and counters."""

    decision: Decision | None = None
    fills: list[Fill] = field(default_factory=list)
    events: list[CashEvent] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    refused: list[tuple[OrderRequest, Refusal]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    alarms: list[tuple[str, str]] = field(default_factory=list)
    """(event, text) for people."""
    account: Account | None = None
    positions: Sequence[Position] | None = None
    reconciled: bool = False
    told: dict[str, int] = field(default_factory=dict)

    def fresh(self, what: str, now: int) -> int:
        """How many of them were told before; from now on `now` are. For "decision": whether it was not told yet."""
        before = self.told.get(what, 0)
        self.told[what] = now
        return now - before if what == "decision" else before

    def alarm(self, event: str, text: str) -> None:
        self.alarms.append((event, text))
