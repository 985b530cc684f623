"""The floor of a faulty venue: what really happens to orders and to the account, without any fault.

A `SimulatedVenue` matches. Around it: the policy on keys, the venue's own ids, the wall clock's time on everything
(an execution happens when its bar is shown, or at its own time if that is later), and facts that no order made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Literal, Protocol, TypeAlias

from msgspec import structs

from trader.errors import DataError, SettingsError
from trader.model import (
    ZERO,
    Accepted,
    Account,
    Bars,
    CashEvent,
    Fill,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    Outcome,
    Position,
    Rejected,
    Side,
)
from trader.simulation.backoffice import BackOffice, Entry, base
from trader.simulation.book import EXACT
from trader.simulation.fees import NoFee
from trader.simulation.ticket import BEGINNING
from trader.simulation.venue import SimulatedVenue

WORKING = OrderState.WORKING
Ids: TypeAlias = Literal["forever", "open_only", "none"]
Later: TypeAlias = Callable[[Callable[[datetime], None]], None]
"""Has something done at a moment of its choice, and tells it that moment."""
Cash: TypeAlias = Literal["dividend", "fee", "funding", "interest", "transfer", "adjustment"]


class Listener(Protocol):
    """Is told what happened, at once and in order."""

    def order(self, number: int, report: OrderReport, moment: datetime) -> None: ...
    def fill(self, number: int, fill: Fill, moment: datetime) -> None: ...
    def position(self, symbol: str, position: Position | None, moment: datetime) -> None: ...
    def account(self, account: Account, moment: datetime) -> None: ...
    def event(self, number: int, event: CashEvent, moment: datetime) -> None: ...


@dataclass(slots=True, eq=False)
class VenueOrder:
    """One order that the venue ever took. `order` is as it was sent, `report` as it stands in truth."""

    number: int
    """Its place among all."""
    venue_id: str
    key: str
    order: OrderRequest
    moment: datetime
    """When it arrived."""
    external: bool
    """Placed by a person at the venue."""
    report: OrderReport
    inside: OrderRef
    """Where the matching venue has it."""
    former: list[str] = field(default_factory=list)
    """Venue ids that it had before."""


@dataclass(frozen=True, slots=True)
class Split:
    """`ratio` for 1, after the first `fills` executions."""

    symbol: str
    ratio: Decimal
    moment: datetime
    fills: int


class Floor:
    """One account. `base_fee`: of what is bought in "BASE/QUOTE", the fraction that is kept as the fee, in BASE."""

    def __init__(self, venue: SimulatedVenue, listener: Listener, *, ids: Ids, base_fee: Decimal = ZERO) -> None:
        if venue.positions() or venue.orders() or venue.fills(BEGINNING):
            raise SettingsError("the simulated venue was traded on before; a faulty venue begins with an empty one")
        if base_fee and not (isinstance(venue.terms.fee, NoFee) and not venue.terms.shorting):
            raise SettingsError("base_fee is for an account without shorts whose terms name no other fee")
        self._venue, self._listener, self._ids, self._base_fee = venue, listener, ids, base_fee
        self.office = BackOffice(venue)
        self.accepted: list[VenueOrder] = []
        self.fills: list[Fill] = []
        """Every execution by number, as it stands in truth."""
        self.former: list[Fill] = []
        """What executions said before they were corrected, in the order of the corrections."""
        self.events: list[CashEvent] = []
        self.splits: list[Split] = []
        self.working: dict[str, VenueOrder] = {}
        """By the matching venue's id, in the order of acceptance."""
        self._by_inside: dict[str, VenueOrder] = {}
        self._by_id: dict[str, VenueOrder] = {}
        self._by_key: dict[str, VenueOrder] = {}
        self._history: dict[str, list[Entry]] = {}

    # ---- orders ----------------------------------------------------------------------------------------------------
    def submit(self, order: OrderRequest, moment: datetime, *, external: bool = False) -> Outcome:
        """What the venue makes of an order that arrives now."""
        same = self._by_key.get(order.key)
        if same is not None and (self._ids == "forever" or (self._ids == "open_only" and same.report.state is WORKING)):
            return Rejected("duplicate", f"key {order.key} belongs to order {same.venue_id}")
        number = len(self.accepted)
        outcome = self._venue.submit(structs.replace(order, key=str(number), decided_at=moment))
        if not isinstance(outcome, Accepted):
            return outcome
        inside = OrderRef("", "", order.symbol, outcome.venue_id)
        venue_id = f"V{number + 1}"
        report = self._report(inside, order.key, venue_id, moment)
        taken = VenueOrder(number, venue_id, order.key, order, moment, external, report, inside)
        self.accepted.append(taken)
        self._by_id[venue_id] = self._by_key[order.key] = taken
        self._by_inside[str(outcome.venue_id)] = self.working[str(outcome.venue_id)] = taken
        self._listener.order(number, report, moment)
        return Accepted(venue_id)

    def cancel(self, ref: OrderRef, moment: datetime, later: Later | None = None) -> Outcome:
        """By the id that it has now, else by key: the newest with it. `later`: it is taken, and ends the order then."""
        taken = self._by_id.get(ref.venue_id) if ref.venue_id is not None else self._by_key.get(ref.key)
        if taken is None:
            return Rejected("not_found", f"no order {ref.venue_id or ref.key}")
        if taken.report.state is not WORKING:
            return Rejected("closed", f"order {taken.venue_id} is {taken.report.state}")
        if later is not None:
            later(partial(self._end, [taken]))
            return Accepted(taken.venue_id)
        self._end([taken], moment)
        return Accepted(taken.venue_id)

    def cancel_all(self, moment: datetime, later: Later | None = None) -> Outcome:
        """Accepted also if nothing works. `later`: as above, those that work now."""
        if later is not None:
            later(partial(self._end, list(self.working.values())))
            return Accepted()
        self._venue.cancel_all()
        self._look_around(moment)
        return Accepted()

    def _end(self, orders: Sequence[VenueOrder], moment: datetime) -> None:
        """What of these works yet is canceled."""
        for taken in orders:
            self._venue.cancel(taken.inside)
            self._look(taken, moment)

    def rename(self, venue_id: str, moment: datetime) -> str:
        """Another id for the same order; the old one is known no more."""
        taken = self._known(venue_id)
        taken.former.append(venue_id)
        taken.venue_id = f"V{taken.number + 1}-{len(taken.former) + 1}"
        del self._by_id[venue_id]
        self._by_id[taken.venue_id] = taken
        taken.report = structs.replace(taken.report, venue_id=taken.venue_id, time=moment)
        self._listener.order(taken.number, taken.report, moment)
        return taken.venue_id

    def _known(self, venue_id: str) -> VenueOrder:
        if venue_id not in self._by_id:
            raise DataError(f"the venue has no order {venue_id}")
        return self._by_id[venue_id]

    # ---- the market ------------------------------------------------------------------------------------------------
    def trade(self, bars: Bars, moment: datetime) -> None:
        """Trade on closed bars."""
        self._venue.on_bars(bars)
        moved: dict[str, None] = {}
        for fill in self._venue.fills_from(len(self.fills))[0]:
            self._execute(fill, moment)
            moved[fill.symbol] = None
        if self.working:
            self._look_around(moment)
        for symbol in moved:
            self._listener.position(symbol, self.office.position(symbol), moment)
        self._listener.account(self.office.account(), moment)

    def _execute(self, inside: Fill, moment: datetime) -> None:
        taken, number = self._by_inside[inside.venue_id], len(self.fills)
        fee, currency = inside.fee, inside.fee_currency
        if self._base_fee and inside.side is Side.BUY and base(inside.symbol):
            fee = self.office.take(inside.symbol, EXACT.multiply(inside.quantity, self._base_fee))
            currency = base(inside.symbol)
        fill = Fill(inside.execution_id, taken.key, taken.venue_id, inside.symbol, inside.side, inside.quantity,
                    inside.price, fee, max(moment, inside.time), currency)  # fmt: skip
        self.fills.append(fill)
        self._history.setdefault(fill.symbol, []).append(number)
        self._listener.fill(number, fill, moment)

    def _look_around(self, moment: datetime) -> None:
        for taken in list(self.working.values()):
            self._look(taken, moment)

    def _look(self, taken: VenueOrder, moment: datetime) -> None:
        """Tell of an order that changed."""
        was, now = taken.report, self._report(taken.inside, taken.key, taken.venue_id, moment)
        if now.state is was.state and now.filled == was.filled:
            return
        taken.report = now
        if now.state is not WORKING:
            del self.working[str(taken.inside.venue_id)]
        self._listener.order(taken.number, now, moment)

    def _report(self, inside: OrderRef, key: str, venue_id: str, moment: datetime) -> OrderReport:
        found = self._venue.order(inside)
        if not isinstance(found, OrderReport):
            raise AssertionError(f"the matching venue forgot order {inside.venue_id}")
        return structs.replace(found, key=key, venue_id=venue_id, time=moment)

    # ---- facts that no order made ----------------------------------------------------------------------------------
    def split(self, symbol: str, ratio: Decimal, moment: datetime) -> None:
        """Position and average change, no execution says so. Working orders stay as they are."""
        self.office.split(symbol, ratio)
        self.splits.append(Split(symbol, ratio, moment, len(self.fills)))
        self._history.setdefault(symbol, []).append(ratio)
        self._listener.position(symbol, self.office.position(symbol), moment)
        self._listener.account(self.office.account(), moment)

    def cash(self, kind: Cash, amount: Decimal, symbol: str | None, moment: datetime) -> CashEvent:
        """Money comes (> 0) or goes."""
        event = CashEvent(f"C{len(self.events) + 1}", kind, amount, self._venue.currency, moment, symbol)
        self._venue.book_cash(event)
        self.events.append(event)
        self._listener.event(len(self.events), event, moment)
        self._listener.account(self.office.account(), moment)
        return event

    def correct(self, execution_id: str, price: Decimal, moment: datetime) -> Fill:
        """The same execution at another price. DataError if there is none, or the price is no tick."""
        numbers = [number for number, fill in enumerate(self.fills) if fill.execution_id == execution_id]
        if not numbers:
            raise DataError(f"the venue has no execution {execution_id}")
        number = numbers[0]
        symbol, before = self.fills[number].symbol, list(self.fills)
        tick = self._venue.instruments([symbol])[0].tick
        if not (price.is_finite() and price > 0) or EXACT.remainder(price, tick):
            raise DataError(f"price {price} is not above 0, or not a multiple of the tick {tick:f}")
        self.former.append(self.fills[number])
        fill = self.fills[number] = structs.replace(self.fills[number], price=price)
        self.office.correct(symbol, self._history[symbol], before, self.fills)
        self._listener.fill(number, fill, moment)
        self._listener.position(symbol, self.office.position(symbol), moment)
        self._listener.account(self.office.account(), moment)
        return fill
