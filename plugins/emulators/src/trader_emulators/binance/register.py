"""The account's orders and executions by the integers that the venue shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from threading import Lock
from typing import NamedTuple

from msgspec import structs
from trader.model import ZERO, CashEvent, Fill, OrderReport, OrderState
from trader.simulation import FaultyVenue
from trader.simulation.floor import VenueOrder

FIRST_ORDER = 4_000_000_000
"""Beyond 32 bits, as the venue's are."""
FIRST_TRADE = 700_000_000
RENAMES = 100
_INSIDE = re.compile(r"^V(\d+)(?:-(\d+))?$")


class Seen(NamedTuple):
    """One order as the venue shows it now."""

    taken: VenueOrder
    report: OrderReport
    fills: Sequence[Fill]
    """Its executions, as many as are in what the report calls filled."""

    @property
    def order_id(self) -> int:
        """The venue's integer."""
        return order_id(self.report.venue_id)

    def before(self) -> Seen:
        """The order as it was before anything came of it."""
        return Seen(self.taken, structs.replace(self.report, filled=ZERO, state=OrderState.WORKING), ())

    @property
    def notional(self) -> Decimal:
        """Price times quantity of what was filled."""
        return sum((fill.price * fill.quantity for fill in self.fills), ZERO)

    @property
    def average(self) -> Decimal:
        """Price of what was filled; 0 if nothing was."""
        filled = sum((fill.quantity for fill in self.fills), ZERO)
        return self.notional / filled if filled else ZERO

    @property
    def state(self) -> str:
        """In the venue's word."""
        return word(self.report)


def word(report: OrderReport) -> str:
    """What the venue calls the state of an order."""
    if report.state is OrderState.WORKING:
        return "PARTIALLY_FILLED" if report.filled else "NEW"
    if report.state is OrderState.CANCELED and report.reason != "canceled on request":
        return "EXPIRED"  # by the venue itself, who does not call that canceled
    return str(report.state).upper()


def order_id(venue_id: str) -> int:
    """The venue's integer of "V3", or of "V3-2": the second id of the third order."""
    found = _INSIDE.match(venue_id)
    if found is None:
        raise ValueError(f"{venue_id!r} is no order of this venue")
    return FIRST_ORDER + int(found[1]) * RENAMES + int(found[2] or 0)


def inside(number: int) -> str:
    """The other way; what can be no order has an id that nobody has."""
    place, former = divmod(number - FIRST_ORDER, RENAMES)
    return f"V{place}-{former}" if former else f"V{place}"


class Register:
    """What a venue that takes orders remembers of them; reads the truth, shows by what it is told is visible."""

    def __init__(self, venue: FaultyVenue) -> None:
        self._venue = venue
        self._counted = self._told = 0
        self._trades: dict[str, int] = {}
        self._of_order: dict[int, list[int]] = {}
        self._lock = Lock()

    def order(self, venue_id: str) -> VenueOrder:
        """The order as it was sent, by the id it has inside."""
        found = _INSIDE.match(venue_id)
        if found is None:
            raise ValueError(f"{venue_id!r} is no order of this venue")
        return self._venue.accepted[int(found[1]) - 1]

    def trade_id(self, fill: Fill) -> int:
        """The venue's integer for an execution; the same for a corrected one."""
        self._count()
        return FIRST_TRADE + self._trades[fill.execution_id]

    def seen(self, report: OrderReport) -> Seen:
        """With what belongs to it."""
        taken = self.order(report.venue_id)
        return Seen(taken, report, self.fills(taken, report.filled))

    def truth(self, venue_id: str) -> Seen:
        """As it really stands."""
        return self.seen(self.order(venue_id).report)

    def at(self, number: int) -> Seen:
        """The order of that number among all, as it really stands."""
        return self.seen(self._venue.accepted[number].report)

    def after(self, fill: Fill) -> Seen:
        """The order as it was right after one of its executions."""
        self._count()
        taken, fills, total = self.order(fill.venue_id), self._venue.truth_fills(), ZERO
        for number in self._of_order.get(taken.number, ()):
            total += fills[number].quantity
            if fills[number].execution_id == fill.execution_id:
                break
        state = OrderState.FILLED if total == taken.order.quantity else OrderState.WORKING
        report = structs.replace(taken.report, filled=total, state=state, time=fill.time)
        return Seen(taken, report, self.fills(taken, total))

    def new_events(self) -> list[CashEvent]:
        """What moved the account's money without a trade, since the last time."""
        events = self._venue.truth_events()
        new, self._told = list(events[self._told :]), len(events)
        return new

    def fills(self, taken: VenueOrder, filled: Decimal) -> list[Fill]:
        """The first executions of an order, up to a quantity."""
        self._count()
        fills, found, total = self._venue.truth_fills(), [], ZERO
        for number in self._of_order.get(taken.number, ()):
            if total >= filled:
                break
            found.append(fills[number])
            total += fills[number].quantity
        return found

    def _count(self) -> None:
        """Take note of the executions since the last time: from the server's thread, and from the market's."""
        with self._lock:
            fills = self._venue.truth_fills()
            for number in range(self._counted, len(fills)):
                fill = fills[number]
                self._trades[fill.execution_id] = number
                self._of_order.setdefault(self.order(fill.venue_id).number, []).append(number)
            self._counted = len(fills)
