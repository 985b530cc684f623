"""What a faulty venue's queries show: the truth, each event of it a while after it happened."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import Any

from msgspec import structs

from trader.model import Account, CashEvent, Fill, NotFound, OrderRef, OrderReport, OrderState, Position
from trader.simulation.agenda import Agenda
from trader.simulation.faults import Dice, Faults
from trader.simulation.stream import Wire

WORKING = OrderState.WORKING


class Window:
    """Is told each event when it happens, and shows it after that event's own lag; the stream carries it at once.

    One thing's events are shown in their order: an order that was seen filled is never seen working again. Two
    things' are not: a fill may be shown before its order, and an order as filled before its fills.
    """

    def __init__(self, agenda: Agenda, dice: Dice, wire: Wire, account: Account) -> None:
        self._agenda, self._dice, self._wire = agenda, dice, wire
        self.faults = Faults()
        self._turn = 0
        self._shown: dict[Hashable, int] = {}
        """Thing -> the turn of its newest event that is shown."""
        self._account = account
        self._orders: dict[int, OrderReport] = {}
        self._working: dict[int, OrderReport] = {}
        self._by_id: dict[str, int] = {}
        self._by_key: dict[str, int] = {}
        self._fills: list[tuple[datetime, int, Fill]] = []
        self._positions: dict[str, Position] = {}
        self._events: list[tuple[datetime, int, CashEvent]] = []

    def _later(self, lag: float, moment: datetime, thing: Hashable, show: Callable[..., None], *args: Any) -> None:
        self._turn += 1
        if lag > 0:
            self._agenda.at(moment + self._dice.delay(lag), self._show, self._turn, thing, show, args)
        else:
            self._show(self._turn, thing, show, args)

    def _show(self, turn: int, thing: Hashable, show: Callable[..., None], args: tuple[Any, ...]) -> None:
        if turn > self._shown.get(thing, 0):
            self._shown[thing] = turn
            show(*args)

    # ---- what happened ---------------------------------------------------------------------------------------------
    def order(self, number: int, report: OrderReport, moment: datetime) -> None:
        """The order that was the `number`th to be accepted is now as in `report`."""
        self._wire.emit(report, moment)
        self._later(self.faults.order_lag, moment, ("order", number), self._show_order, number, report)

    def fill(self, number: int, fill: Fill, moment: datetime) -> None:
        """The `number`th execution, new or corrected."""
        self._wire.emit(fill, moment)
        self._later(self.faults.fill_lag, moment, ("fill", number), self._show_fill, number, fill)

    def position(self, symbol: str, position: Position | None, moment: datetime) -> None:
        """None: flat."""
        self._later(self.faults.position_lag, moment, ("position", symbol), self._show_position, symbol, position)

    def account(self, account: Account, moment: datetime) -> None:
        self._later(self.faults.account_lag, moment, "account", self._show_account, account)

    def event(self, number: int, event: CashEvent, moment: datetime) -> None:
        """The `number`th cash event."""
        shown = (event.time, number, event)
        self._later(self.faults.cash_lag, moment, ("event", number), insort, self._events, shown)

    def _show_order(self, number: int, report: OrderReport) -> None:
        before = self._orders.get(number)
        if before is None:
            self._by_key[report.key] = max(number, self._by_key.get(report.key, number))
        elif before.venue_id != report.venue_id:
            del self._by_id[before.venue_id]
        self._orders[number] = report
        self._by_id[report.venue_id] = number
        if report.state is WORKING:
            self._working[number] = report
        else:
            self._working.pop(number, None)

    def _show_fill(self, number: int, fill: Fill) -> None:
        place = bisect_left(self._fills, (fill.time, number))
        if place < len(self._fills) and self._fills[place][1] == number:
            self._fills[place] = (fill.time, number, fill)
        else:
            self._fills.insert(place, (fill.time, number, fill))

    def _show_position(self, symbol: str, position: Position | None) -> None:
        if position is None:
            self._positions.pop(symbol, None)
        else:
            self._positions[symbol] = position

    def _show_account(self, account: Account) -> None:
        self._account = account

    # ---- what is shown ---------------------------------------------------------------------------------------------
    def find(self, ref: OrderRef) -> OrderReport | NotFound:
        """By the venue's id if there is one, else by key: the newest order with it."""
        number = self._by_id.get(ref.venue_id) if ref.venue_id is not None else self._by_key.get(ref.key)
        return NotFound(f"no order {ref.venue_id or ref.key}") if number is None else self._orders[number]

    def orders(self) -> Sequence[OrderReport]:
        """The working ones, in the order of acceptance."""
        return tuple(self._working[number] for number in sorted(self._working))

    def fills(self, since: datetime) -> Sequence[Fill]:
        """At or after `since`, oldest first."""
        return tuple(fill for _, _, fill in self._fills[bisect_left(self._fills, (since,)) :])

    def positions(self) -> Sequence[Position]:
        return tuple(position for _, position in sorted(self._positions.items()))

    def events(self, since: datetime) -> Sequence[CashEvent]:
        """At or after `since`, oldest first."""
        return tuple(event for _, _, event in self._events[bisect_left(self._events, (since,)) :])

    def balance(self, now: datetime) -> Account:
        """The account as shown, on the venue's clock."""
        return structs.replace(self._account, time=now)
