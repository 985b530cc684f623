"""Orders that have ended at the venue and whose executions are not all booked: how often they are asked for, and when
nobody need wait any longer.

Some venues tell of an execution later than of the end that it brought. Until both agree the rest of the order counts in
every limit and its symbol's position cannot be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from trader.model import OrderReport, OrderState
from trader.orders.blotter import LiveOrder
from trader.orders.lifecycle import TERMINAL

if TYPE_CHECKING:
    from trader.session.engine import Engine
    from trader.session.report import Report

SOON = 1.0
"""Seconds until executions are asked for that an order's end told of."""
LAG = 60.0
"""Seconds in which executions come that an end told of, at the slowest venue; a manifest's horizon may be longer. It is
for what is on its way there, and says little of how fast a venue lists what it did."""


@dataclass(slots=True)
class Waiting:
    """One such order. `said`: what the venue shows of its end (None: not asked since a start); `since`: process time,
    `seconds` its monotonic twin; `due`: when it is told, if it has not been."""

    order: LiveOrder
    since: datetime
    seconds: float
    due: float
    said: OrderReport | None = None
    told: bool = False

    @property
    def expected(self) -> str:
        return f"{self.said.filled:f}" if self.said is not None else "more"

    def text(self) -> str:
        """Expected, found, since when."""
        return (
            f"order {self.order.request.client_id} has ended, expected {self.expected} filled as the venue says, found "
            f"executions of {self.order.filled:f}, since {self.since:%Y-%m-%d %H:%M:%SZ}"
        )


class Awaited:
    """Those of one book."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[str, Waiting] = {}

    @property
    def _patience(self) -> float:
        return max(LAG, self._engine.policy.horizon_seconds)

    def shown(self, one: OrderReport) -> None:
        """The venue's word on an order."""
        blotter = self._engine.blotter
        order = blotter.by_key(one.key) or (blotter.by_venue_id(one.venue_id) if one.venue_id else None)
        if order is not None and order.state is OrderState.CLOSING and one.state in TERMINAL:
            self._now()[order.request.client_id].said = one

    def pause(self) -> float | None:
        """Seconds until it is worth to ask again: as long as the youngest has been waited for. None: there is none, or
        a person was told."""
        now = self._engine.clock.monotonic()
        ages = [now - one.seconds for one in self._now().values() if not one.told]
        return max(SOON, min(ages)) if ages else None

    def look(self, report: Report) -> None:
        """After executions were asked for: what is not there after so long is a difference that nobody can explain."""
        engine = self._engine
        if engine.recorded:
            return
        for one in self._now().values():
            if not one.told and engine.clock.monotonic() >= one.due:
                one.told = True
                symbol = one.order.request.symbol
                engine.halt_symbol(symbol, one.text())
                report.alarm("fills_missing", f"{symbol}: {one.text()}. It is halted")

    def overdue(self, name: str | None = None) -> list[Waiting]:
        """Those that nobody need wait for any longer; `name`: that a person may mean by a symbol, or by the beginning
        of a client id."""
        now = self._engine.clock.monotonic()
        late = [one for one in self._now().values() if now - one.seconds >= self._patience]
        if name is None:
            return late
        return [one for one in late if one.order.request.symbol == name or one.order.request.client_id.startswith(name)]

    def again(self, symbol: str) -> None:
        """A person lifted the halt: if it is still so after a while, it counts anew."""
        for one in self._waiting.values():
            if one.told and one.order.request.symbol == symbol:
                one.told, one.due = False, self._engine.clock.monotonic() + self._patience

    def _now(self) -> dict[str, Waiting]:
        """Kept in step with the blotter, which alone knows what is open."""
        engine, found = self._engine, dict[str, Waiting]()
        for order in engine.blotter.open():
            if order.state is OrderState.CLOSING:
                known = self._waiting.get(order.request.client_id)
                if known is None:
                    now = engine.clock.monotonic()
                    known = Waiting(order, engine.clock.now(), now, now + self._patience)
                found[order.request.client_id] = known
        self._waiting = found
        return found
