"""Books: every fill once, positions and cash to the last digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from trader.model import Fill

from .case import Case, Judge
from .rows import BookedFill, lasting

ZERO = Decimal(0)
AGAIN = timedelta(minutes=4)
"""After a person lifted a halt without a look at its cause, so long until it is halted again."""


def made_here(fill: BookedFill) -> bool:
    """Whether it is an entry of ours and no execution: a correction, an opening position, a person's adjustment."""
    return "~" in fill.execution_id or fill.execution_id.startswith(("opening ", "adjustment "))


class BookedOnce(Judge):
    """I2: every fill of the account is booked exactly once, with terms that it has or had, and in the end, corrections
    and all, with those that it has (a venue may show old terms for a while after it corrected them); and I3 at every
    moment on this side: the position is the sum of the booked fills, in each committed state."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._booked: set[tuple[str, str]] = set()
        self._units: dict[str, Decimal] = {}

    def each(self) -> None:
        if not self.case.changed:
            return
        fills = self.case.news.fills
        if fills:
            venue = self.case.watched.venue
            truth: dict[tuple[str, str], list[Fill]] = {}
            for real in (*venue.former_fills(), *venue.truth_fills()):
                truth.setdefault((real.symbol, real.execution_id), []).append(real)
            for fill in fills:
                self._fill(fill, truth)
        self._positions()

    def _fill(self, fill: BookedFill, truth: Mapping[tuple[str, str], Sequence[Fill]]) -> None:
        case, name = self.case, (lasting(fill.symbol), fill.execution_id)
        if name in self._booked:
            case.object("I2", f"fill {fill.execution_id} of {fill.symbol} is booked twice")
        self._booked.add(name)
        if not fill.apart:
            self._units[fill.symbol] = self._units.get(fill.symbol, ZERO) + fill.signed
        if made_here(fill):
            return
        real = truth.get(name)
        if real is None:
            case.object("I2", f"fill {fill.execution_id} of {fill.symbol} is booked, the venue never made it")
            return
        if (fill.side, fill.quantity, fill.price) not in [(str(one.side), one.quantity, one.price) for one in real]:
            case.object("I2", f"fill {fill.execution_id} of {fill.symbol} is booked with terms that it never had")
        ours = next((each.client_id for each in case.rows.intents.values() if each.key == real[-1].key), None)
        if ours != fill.client_id:
            case.object(
                "I2", f"fill {fill.execution_id} of {fill.symbol} belongs to {ours}, booked to {fill.client_id}"
            )

    def _positions(self) -> None:
        holdings = self.case.rows.holdings()
        for symbol in self._units.keys() | holdings.keys():
            booked, held = self._units.get(symbol, ZERO), holdings.get(symbol, ZERO)
            if booked != held:
                self.case.object("I3", f"fills of {symbol} add up to {booked}, the position says {held}")

    def end(self) -> None:
        sums: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        for row in self.case.rows.fills():
            name = (lasting(row.symbol), row.execution_id.partition("~")[0])
            units, worth = sums.get(name, (ZERO, ZERO))
            sums[name] = (units + row.signed, worth + row.signed * row.price)
        for fill in self.case.watched.venue.truth_fills():
            name, signed = (fill.symbol, fill.execution_id), fill.side.sign * fill.quantity
            what = f"fill {fill.execution_id} of {fill.symbol}"
            if name not in self._booked:
                self.case.object("I2", f"{what} was never booked")
            elif sums.get(name) != (signed, signed * fill.price):
                self.case.object("I2", f"{what} is booked with other terms than it has, corrections and all")


class Agrees(Judge):
    """I3: booked fills, position and the venue's position are the same when everything came to rest."""

    def end(self) -> None:
        ours = self.case.rows.account()
        venue = self.case.watched.venue
        theirs, split = venue.truth_positions(), {each.symbol for each in venue.splits}
        # A split is no fill: until a person has looked at it, the symbol stands still and the books stay as they are.
        # So it does where a person took the venue's word before the venue had shown all that it did.
        taken = {lasting(fill.symbol) for fill in self.case.rows.fills() if fill.execution_id.startswith("adjustment ")}
        left_to_people = (split | taken) & self.case.rows.halted_symbols(self.case.watched.now - AGAIN)
        for symbol in ours.keys() | theirs.keys():
            here, there = ours.get(symbol, ZERO), theirs.get(symbol, ZERO)
            if here != there and symbol not in left_to_people:
                self.case.object("I3", f"the books have {here} {symbol}, the venue {there}")


class Money(Judge):
    """I13: cash is what the facts say, in each committed state, and what the venue says in the end; exact."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._cash = ZERO
        self._events: set[str] = set()

    def each(self) -> None:
        if not self.case.changed:
            return
        for event in self.case.news.cash:
            if event.event_id in self._events:
                self.case.object("I13", f"cash event {event.event_id} is booked twice")
            self._events.add(event.event_id)
            self._cash += event.amount
        for fill in self.case.news.fills:
            if not fill.apart:
                self._cash -= fill.signed * fill.price + fill.fee
        cash = self.case.rows.cash()
        if cash is not None and cash != self._cash:
            self.case.object("I13", f"facts add up to {self._cash}, the book says {cash}")

    def end(self) -> None:
        rows, truth = self.case.rows, self.case.watched.venue.truth_cash()
        apart = sum((-(fill.signed * fill.price) - fill.fee for fill in rows.fills() if fill.apart), ZERO)
        ours = (rows.cash() or ZERO) + apart
        # A person took the venue's word too early: until another one looks at it, the book only reduces.
        taken = any(event.startswith("adjustment cash ") for (event,) in rows.all("SELECT event_id FROM cash_event"))
        left_to_people = taken and "main" in rows.blocked_books(self.case.watched.now - AGAIN)
        if ours != truth and not left_to_people:
            self.case.object("I13", f"the books have {ours}, the venue {truth}")
