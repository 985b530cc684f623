"""Deals and positions as a MetaTrader account counts them, from the executions of the venue inside: pure.

The venue nets: it knows one position a symbol. A hedging account has a position for each opening order; these tickets
are a layer over the venue's executions, and their profits add up to the venue's, since both are linear in the price.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from trader.model import ONE, ZERO, Fill, Side

from trader_emulators.mt5.constants import IN, INOUT, OUT, OUT_BY


@dataclass(frozen=True, slots=True)
class Sender:
    """What is told of the order behind an execution."""

    ticket: int
    position: int = 0
    """The position that it closes, 0: none in particular."""
    magic: int = 0
    comment: str = ""
    reason: int = 0
    sl: float = 0.0
    tp: float = 0.0


@dataclass(slots=True)
class Holding:
    """An open position. `volume` > 0 in lots, `sign` 1 for a long one; times are UTC."""

    identifier: int
    ticket: int
    symbol: str
    sign: int
    volume: Decimal
    price: Decimal
    opened: datetime
    updated: datetime
    sender: Sender


@dataclass(frozen=True, slots=True)
class Deal:
    """One execution as the account's history has it; `profit` is of what it closed, `fee` > 0 is paid."""

    ticket: int
    order: int
    time: datetime
    symbol: str
    side: Side
    volume: Decimal
    price: Decimal
    entry: int
    position: int
    profit: Decimal
    fee: Decimal
    sender: Sender


@dataclass(frozen=True, slots=True)
class CloseBy:
    """Two opposite positions of a hedging account close each other; the venue inside has nothing to do."""

    order: int
    time: datetime
    position: int
    by: int
    volume: Decimal
    sender: Sender


@dataclass
class Book:
    """What the account holds after the events that it was told, in their order."""

    hedging: bool
    multipliers: dict[str, Decimal]
    deals: list[Deal] = field(default_factory=list)
    holdings: dict[int, Holding] = field(default_factory=dict)
    """By identifier."""
    of_order: dict[int, int] = field(default_factory=dict)
    """Order ticket -> identifier of the position that it opened or changed."""
    newest: dict[str, Holding] = field(default_factory=dict)
    """By symbol, open or closed."""
    fills: list[Fill] = field(default_factory=list)
    """What was booked, beside `met` of the pairs that closed each other."""
    met: int = 0

    def follow(self, fills: Sequence[Fill], pairs: Sequence[CloseBy], sender: Callable[[Fill], Sender]) -> Book:
        """The book after exactly these events: this one if they only go on from its own, else a new one."""
        known = len(self.fills)
        if len(pairs) == self.met and self.fills == list(fills[:known]):
            for fill in fills[known:]:
                self.execute(fill, sender(fill))
            return self
        book = Book(self.hedging, self.multipliers)
        events: list[Fill | CloseBy] = [*fills, *pairs]
        for event in sorted(events, key=lambda event: event.time):
            if isinstance(event, CloseBy):
                book.meet(event)
            else:
                book.execute(event, sender(event))
        return book

    def execute(self, fill: Fill, sender: Sender) -> None:
        """Book one execution."""
        self.fills.append(fill)
        sign, held = fill.side.sign, self._meant(fill, sender)
        if held is None or held.sign == sign:
            held = self._open(fill, sender, held)
            self._deal(fill, sender, IN, held, ZERO)
            return
        closed = min(held.volume, fill.quantity)
        profit = self.profit(held, fill.price, closed)
        rest = fill.quantity - closed
        held.volume -= closed
        held.updated = fill.time
        if not rest:
            self._deal(fill, sender, OUT, held, profit)
        else:  # a netting account turns round: the ticket is the newer order's, the identifier stays
            held.sign, held.volume, held.price = sign, rest, fill.price
            held.ticket = sender.ticket
            held.sender = replace(sender, position=0)
            self._deal(fill, sender, INOUT, held, profit)
        if not held.volume:
            del self.holdings[held.identifier]

    def profit(self, held: Holding, price: Decimal, volume: Decimal) -> Decimal:
        """Of so much of a position at a price."""
        return (price - held.price) * volume * held.sign * self.multipliers.get(held.symbol, ONE)

    def _meant(self, fill: Fill, sender: Sender) -> Holding | None:
        """The position that an execution adds to or takes from."""
        if self.hedging:
            return self.holdings.get(sender.position or sender.ticket)
        return next((held for held in self.holdings.values() if held.symbol == fill.symbol), None)

    def _open(self, fill: Fill, sender: Sender, held: Holding | None) -> Holding:
        if held is None:
            held = Holding(sender.ticket, sender.ticket, fill.symbol, fill.side.sign, fill.quantity, fill.price,
                           fill.time, fill.time, sender)  # fmt: skip
            self.holdings[held.identifier] = self.newest[fill.symbol] = held
            return held
        volume = held.volume + fill.quantity
        held.price = (held.price * held.volume + fill.price * fill.quantity) / volume
        held.volume, held.updated = volume, fill.time
        return held

    def _deal(self, fill: Fill, sender: Sender, entry: int, held: Holding, profit: Decimal) -> None:
        self.of_order[sender.ticket] = held.identifier
        self.deals.append(
            Deal(deal_ticket(fill.execution_id), sender.ticket, fill.time, fill.symbol, fill.side, fill.quantity,
                 fill.price, entry, held.identifier, profit, fill.fee, sender)
        )  # fmt: skip

    def meet(self, event: CloseBy) -> None:
        """Close two positions by each other: each at the price at which the other was opened."""
        first, second = self.holdings.get(event.position), self.holdings.get(event.by)
        if first is None or second is None or min(first.volume, second.volume) < event.volume:
            return  # the executions that opened them are not all shown yet: it is met in a new book, when they are
        self.met += 1
        self.of_order[event.order] = event.position
        for part, (held, price) in enumerate(((first, second.price), (second, first.price))):
            profit = self.profit(held, price, event.volume) if held is first else ZERO
            side = Side.SELL if held.sign > 0 else Side.BUY
            self.deals.append(
                Deal(event.order * 10 + part, event.order, event.time, held.symbol, side, event.volume, price, OUT_BY,
                     held.identifier, profit, ZERO, event.sender)
            )  # fmt: skip
            held.volume -= event.volume
            held.updated = event.time
            if not held.volume:
                del self.holdings[held.identifier]


def deal_ticket(execution_id: str) -> int:
    """The venue's "12-3" as a number."""
    order, part = execution_id.split("-")
    return 70_000_000_000 + int(order) * 10_000 + int(part)


def order_ticket(venue_id: str) -> int:
    """The venue's "V12" as a number; "V12-2", the same order under another id, as another."""
    number, _, again = venue_id.removeprefix("V").partition("-")
    return 500_000_000 + int(number) + 10_000_000 * (int(again or 1) - 1)


def number_of(venue_id: str) -> int:
    """The order's place among all that the venue took."""
    return int(venue_id.removeprefix("V").partition("-")[0]) - 1
