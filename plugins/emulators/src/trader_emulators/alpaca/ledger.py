"""The orders and executions of the account behind the protocol, as Alpaca shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from trader.model import ZERO, Fill, OrderRef, OrderReport, OrderState, Side, TimeInForce
from trader.simulation.faulty import FaultyVenue
from trader.simulation.floor import VenueOrder

from trader_emulators.alpaca.assets import listed
from trader_emulators.alpaca.text import Names, amount, nanoseconds, stamp

WORDS = {
    OrderState.WORKING: "new",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "canceled",
    OrderState.EXPIRED: "expired",
    OrderState.REJECTED: "rejected",
}
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


@dataclass(slots=True)
class Note:
    """What the protocol knows of an order and the account behind it does not. Order ids are the protocol's."""

    notional: Decimal | None = None
    extended_hours: bool = False
    intent: str = ""
    cancel_requested: datetime | None = None
    replaced: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None


class Ledger:
    """Looks things up in the venue's books. `notes` are by client order id."""

    def __init__(self, venue: FaultyVenue, names: Names) -> None:
        self._venue, self._names = venue, names
        self.notes: dict[str, Note] = {}
        self._places: dict[str, list[int]] = {}
        """Client order id -> the numbers of its executions."""
        self._counted = 0
        self._keys: set[str] = set()
        self._listed = 0

    def note(self, key: str) -> Note:
        """That of an order; a new one for an order that came without."""
        return self.notes.setdefault(key, Note())

    def knows(self, key: str) -> bool:
        """Whether the venue ever took an order with this client order id."""
        accepted = self._venue.accepted
        self._keys.update(taken.key for taken in accepted[self._listed :])
        self._listed = len(accepted)
        return key in self._keys

    def taken(self, venue_id: str) -> VenueOrder:
        """The order that the venue calls so, or called so."""
        return self._venue.accepted[int(venue_id.removeprefix("V").partition("-")[0]) - 1]

    def executions(self, key: str) -> list[Fill]:
        """All of one order, oldest first."""
        fills = self._venue.truth_fills()
        for place in range(self._counted, len(fills)):
            self._places.setdefault(fills[place].key, []).append(place)
        self._counted = len(fills)
        return [fills[place] for place in self._places.get(key, ())]

    def until(self, fill: Fill) -> list[Fill]:
        """Those of its order up to one execution."""
        found: list[Fill] = []
        for other in self.executions(fill.key):
            found.append(other)
            if other.execution_id == fill.execution_id:
                break
        return found

    def submitted(self, taken: VenueOrder) -> int:
        """Nanoseconds since 1970; no two orders have the same, unless a thousand come in one microsecond."""
        return nanoseconds(taken.moment) + 1 + taken.number % 999

    def status(self, taken: VenueOrder, report: OrderReport) -> str:
        """Alpaca's word. What could not be filled at once is canceled there, not expired."""
        note = self.notes.get(report.key)
        if report.state is OrderState.WORKING:
            if note is not None and note.cancel_requested is not None:
                return "pending_cancel"
            return "partially_filled" if report.filled else "new"
        if report.state is OrderState.CANCELED and note is not None and note.replaced_by is not None:
            return "replaced"
        if report.state is OrderState.EXPIRED and taken.order.time_in_force in AT_ONCE:
            return "canceled"
        return WORDS[report.state]

    def payload(self, taken: VenueOrder, report: OrderReport, status: str = "") -> dict[str, Any]:
        """An order, as of `report`."""
        note, asset = self.note(taken.key), listed(report.symbol)
        done = _first(self.executions(taken.key), report.filled)
        order, begun = taken.order, self.submitted(taken)
        at, status = stamp(max(nanoseconds(report.time), begun)), status or self.status(taken, report)
        return {
            "id": self._names.order(taken.venue_id), "client_order_id": taken.key,
            "created_at": stamp(begun), "updated_at": at, "submitted_at": stamp(begun),
            "filled_at": stamp(nanoseconds(done[-1].time)) if done and status == "filled" else None,
            "expired_at": at if status == "expired" else None, "expires_at": None,
            "canceled_at": at if status == "canceled" else None,
            "cancel_requested_at": _maybe(note.cancel_requested),
            "failed_at": at if status == "rejected" else None,
            "replaced_at": _maybe(note.replaced) if status == "replaced" else None,
            "replaced_by": note.replaced_by if status == "replaced" else None, "replaces": note.replaces,
            "asset_id": asset.id, "symbol": asset.symbol, "asset_class": asset.kind,
            "notional": None if note.notional is None else amount(note.notional),
            "qty": None if note.notional is not None else amount(order.quantity),
            "filled_qty": amount(report.filled), "filled_avg_price": average(done),
            "order_class": "", "order_type": str(order.type), "type": str(order.type), "side": str(order.side),
            "position_intent": note.intent or ("buy_to_open" if order.side is Side.BUY else "sell_to_close"),
            "time_in_force": str(order.time_in_force),
            "limit_price": None if order.limit_price is None else amount(order.limit_price),
            "stop_price": None if order.stop_price is None else amount(order.stop_price),
            "status": status, "extended_hours": note.extended_hours,
            "legs": None, "trail_percent": None, "trail_price": None, "hwm": None,
            "subtag": None, "source": None,
        }  # fmt: skip

    def everything(self, working: Sequence[OrderReport]) -> list[tuple[VenueOrder, OrderReport]]:
        """Every order that is shown, oldest first; `working`: those that are shown so."""
        shown = {report.venue_id: report for report in working}
        found = []
        for taken in self._venue.accepted:
            report = shown.get(taken.venue_id, taken.report)
            if taken.venue_id in shown or report.state is not OrderState.WORKING:
                found.append((taken, report))
        return found

    def ref(self, text: str) -> OrderRef | None:
        """How the venue is asked for an order of this id; None: there never was one."""
        venue_id = self._names.venue_order(text)
        return None if venue_id is None else OrderRef("", "", "", venue_id)


def _first(fills: Iterable[Fill], filled: Decimal) -> list[Fill]:
    """The executions that sum up to `filled`."""
    found, total = [], ZERO
    for fill in fills:
        if total >= filled:
            break
        found.append(fill)
        total += fill.quantity
    return found


def average(fills: Sequence[Fill]) -> str | None:
    """Average price; None without an execution."""
    total = sum((fill.quantity for fill in fills), ZERO)
    return amount(sum((fill.quantity * fill.price for fill in fills), ZERO) / total) if total else None


def _maybe(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(nanoseconds(moment))
