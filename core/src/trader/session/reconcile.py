"""What the venue says is, and what the journal says happened: the two made to agree.

`news` books what is new (fills, money, the state of our orders). `everything` also looks at what is not ours
(`trader.session.strangers`), positions, cash. An answer that did not come changes nothing; a difference counts as one
when it has outlived everything that could still be on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from msgspec import structs

from trader.model import (
    ZERO,
    Account,
    CashEvent,
    Fill,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderState,
    Unavailable,
)
from trader.orders.blotter import LIVE, LiveOrder
from trader.orders.differences import CASH, Difference, Differences, compare
from trader.orders.journal import FLOW, Booking, Move, fact_key
from trader.protocols import HasCashEvents
from trader.session import asking
from trader.session.asking import ask
from trader.session.awaited import Awaited
from trader.session.corrections import corrections
from trader.session.lanes import Priority
from trader.session.strangers import Strangers

if TYPE_CHECKING:
    from trader.session.engine import Engine
    from trader.session.report import Report

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(days=1)
STILL_RUNNING = 900.0
"""A call that its lane has given up may still send for so long, seconds; after that it is taken for dead."""


class Reconciler:
    """The reconciliation of one book; the engine's ledger, blotter and journal are its own."""

    def __init__(self, engine: Engine, since: datetime | None, money_since: datetime | None) -> None:
        self.engine = engine
        self._since = since or EPOCH
        self.money_since = money_since or EPOCH
        """What `_since` was when cash events were last answered and booked; the engine keeps it over restarts."""
        self._head: tuple[int, str] = (0, "")
        """How many fills of the moment `_since` are booked, and the id of the last one."""
        # A protocol check walks its methods: once, not in every step.
        self._has_cash = engine.broker if isinstance(engine.broker, HasCashEvents) else None
        self.differences = Differences(0.0 if engine.recorded else engine.policy.horizon_seconds)
        self.strangers = Strangers(engine, self._is_news)
        self.awaited = Awaited(engine)
        self.shown_working = 0
        """How many working orders the venue listed the last time."""
        self._missing: dict[str, float] = {}
        self._told: set[str] = set()
        self.opened_at: datetime | None = None
        """Facts of before are not this epoch's; its opening balance has them. None: recorded data, all are."""

    @property
    def foreign(self) -> Sequence[OrderReport]:
        """Orders at the venue that somebody else placed, as last shown."""
        return self.strangers.foreign

    # ---- what is new -----------------------------------------------------------------------------------------------
    async def news(self, report: Report, row: int, at: datetime) -> bool:
        """Ask for fills, cash events and the state of open orders; book what is new. False: no answer to some of it."""
        engine = self.engine
        engine.sender.settle_late(report, at)
        asked_since = self._since if engine.recorded else max(self._since - OVERLAP, EPOCH)
        fits = None if engine.recorded else asking.are_fills
        fills = await ask(engine.lane, Priority.QUERY, engine.broker.fills, asked_since, fits=fits)
        if isinstance(fills, Unavailable):
            report.unreached.append(f"fills: {fills.reason}")
            return False
        fresh = self._unseen(fills)
        if fresh:
            await self.book(fresh, report, row)
        complete = await self._money(report)
        complete &= await self._orders(report, at)  # a venue that does not answer for money may for orders
        self.awaited.look(report)
        self._odd(report, at)
        return complete

    def _unseen(self, fills: Sequence[Fill]) -> Sequence[Fill]:
        """Without the head that was booked the last time: an answer begins with the fills of the moment asked from."""
        count, last = self._head
        if self.engine.recorded and 0 < count <= len(fills) and fills[count - 1].execution_id == last:
            return fills[count:]
        return fills

    async def book(self, fills: Sequence[Fill], report: Report, row: int) -> None:
        """What is new: ledger, orders, journal (one transaction), portfolio."""
        engine = self.engine
        owners: dict[str, LiveOrder | None] = {}
        ended: dict[str, LiveOrder] = {}
        if not engine.recorded:
            fills = [fill for fill in fills if self._is_news(fill)]
            owners = {fact_key(fill): await self.strangers.owner(fill) for fill in fills}
        bookings: list[Booking] = []
        moves: list[Move] = []
        instruments, blotter, ledger = engine.market.instruments, engine.blotter, engine.ledger
        booked: list[Fill] = []
        for shown in fills:
            order = blotter.by_key(shown.key)
            if order is None:
                order = owners.get(fact_key(shown))
                if order is not None:  # it may have become an open one meanwhile, or have had a fill before this one
                    name = order.request.client_id
                    order = blotter.get(name) or ended.setdefault(name, order)
            fill = self._as_booked(shown, order)
            rules = instruments.get(fill.symbol)
            if rules is None or (order is None and not engine.recorded):
                bookings += self.strangers.trade(fill, rules, report)
                continue
            client_id = order.request.client_id if order is not None else None
            booking = ledger.after_fill(fill, client_id, rules)
            if booking is None:
                bookings += corrections(engine, fill, rules, report, order=order, moves=moves)
                continue
            bookings.append(booking)
            booked.append(fill)
            if order is not None:
                moves += blotter.fill(order, fill)
        if bookings:
            mixed = len(booked) < len(bookings)  # among them somebody else's trades, or corrections
            self._note_newest(_fills_of(bookings) if mixed else booked)
            engine.journal.booked(bookings, moves)
            if mixed:
                booked = [each.fact for each in bookings if isinstance(each.fact, Fill) and not each.apart]
            report.fills += booked
            report.moves += moves
            engine.standing.booked(bookings, row)

    def _as_booked(self, fill: Fill, order: LiveOrder | None) -> Fill:
        """An order trades one symbol: its execution that was booked under that one is the same, whatever the symbol is
        called now. Somebody else's is known by its order and its moment."""
        if self.engine.recorded or self.engine.ledger.knows(fill):
            return fill
        symbol = self.engine.journal.renamed(fill) if order is None else order.request.symbol
        if symbol is None or symbol == fill.symbol:
            return fill
        former = structs.replace(fill, symbol=symbol)
        return former if self.engine.ledger.knows(former) else fill

    def _is_news(self, fill: Fill) -> bool:
        terms = self.engine.ledger.said(fill)
        if terms is None:
            return fill.quantity != 0 and (self.opened_at is None or fill.time >= self.opened_at)
        return terms != (fill.quantity, fill.price)

    def take_over(self, fills: Sequence[Fill], report: Report, row: int, opening: Sequence[CashEvent] = ()) -> None:
        """Book units that no trade of ours explains, by a person's word; with the cash that the book opens with, or
        neither."""
        engine = self.engine
        bookings: list[Booking | None] = [engine.ledger.after_event(event) for event in opening]
        for fill in fills:
            rules = engine.market.instruments.get(fill.symbol)
            if rules is not None:
                bookings.append(engine.ledger.after_fill(fill, None, rules))
            else:
                bookings.append(engine.ledger.after_foreign(structs.replace(fill, price=ZERO), Instrument(fill.symbol)))
        booked = [booking for booking in bookings if booking is not None]
        if booked:
            if taken := _fills_of(booked):
                self._note_newest(taken)
            engine.journal.booked(booked, [])
            report.events += [one.fact for one in booked if isinstance(one.fact, CashEvent)]
            report.fills += [one.fact for one in booked if isinstance(one.fact, Fill) and not one.apart]
            engine.standing.booked(booked, row)

    def _note_newest(self, fills: Sequence[Fill]) -> None:
        """Of all that the ledger knows, somebody else's too: it forgets by them what the venue is not asked for again.
        Fills come oldest first; a source that does not keep to it costs time, not truth (`ledger.seen`)."""
        newest, last = max(fills[0].time, fills[-1].time), fills[-1]
        if newest >= self._since:
            before = self._head[0] if newest == self._since else 0
            now = len(fills) if fills[0].time == newest else sum(fill.time == newest for fill in fills)
            self._head = (before + now, last.execution_id) if last.time == newest else (0, "")
            self._since = newest

    async def _money(self, report: Report) -> bool:
        engine = self.engine
        if self._has_cash is None:
            return True
        newest = self._since
        since = self.money_since if engine.recorded else max(self.money_since - OVERLAP, EPOCH)
        fits = None if engine.recorded else asking.are_events
        events = await ask(engine.lane, Priority.QUERY, self._has_cash.cash_events, since, fits=fits)
        if isinstance(events, Unavailable):
            report.unreached.append(f"cash events: {events.reason}")
            return False
        if events:
            self.book_events(events, report)
        self.money_since = newest
        return True

    def book_events(self, events: Sequence[CashEvent], report: Report) -> None:
        """Money that moved without a trade, once by its venue id. After a long silence of the venue it may be shown
        again when the ledger has forgotten it: the journal has not."""
        engine, ledger = self.engine, self.engine.ledger
        edge = self.opened_at
        bookings = [
            booking
            for event in events
            if (edge is None or event.time >= edge)
            and not (ledger.knows(event) or engine.journal.knows(event))
            and (booking := ledger.after_event(event)) is not None
        ]
        if bookings:
            engine.journal.booked(bookings, [])
            for booking in bookings:
                if isinstance(booking.fact, CashEvent):
                    report.events.append(booking.fact)
                    engine.standing.flow += booking.amount if booking.fact.kind == FLOW else ZERO

    # ---- our orders ------------------------------------------------------------------------------------------------
    async def _orders(self, report: Report, at: datetime) -> bool:
        """Ask what became of what is open here: all at once where there are many, else one by one."""
        engine, complete = self.engine, True
        opened = engine.blotter.open()
        if len(opened) > 2 and not engine.recorded:
            shown = await ask(engine.lane, Priority.QUERY, engine.broker.orders, fits=asking.are_reports)
            if not isinstance(shown, Unavailable):
                listed = {one.key for one in shown}
                self.shown(shown, report, at)
                opened = [order for order in opened if order.request.key not in listed]
        for order in opened:
            complete &= await self._look_up(order, report, at)
        return complete

    def shown(self, reports: Sequence[OrderReport], report: Report, at: datetime) -> None:
        """What the venue shows of our orders: their moves, journalled."""
        engine = self.engine
        engine.point("query>apply")
        if self._missing:
            for one in reports:
                order = engine.blotter.by_key(one.key)
                if order is not None:
                    self._missing.pop(order.request.client_id, None)
        moves = [move for one in reports for move in engine.blotter.report(one, at)]
        if moves:
            engine.journal.moved(moves)
            report.moves += moves
        for one in () if engine.recorded else reports:
            self.awaited.shown(one)

    async def _look_up(self, order: LiveOrder, report: Report, at: datetime) -> bool:
        engine = self.engine
        client_id, asked = order.request.client_id, engine.clock.monotonic()
        fits = None if engine.recorded else asking.is_report
        ref = reference(order)
        found = await ask(engine.lane, Priority.QUERY, engine.broker.order, ref, fits=fits)
        if isinstance(found, NotFound) and ref.venue_id is not None:  # the venue may have given it another name
            unnamed = structs.replace(ref, venue_id=None)
            found = await ask(engine.lane, Priority.QUERY, engine.broker.order, unnamed, fits=fits)
        if isinstance(found, OrderReport):
            self._missing.pop(client_id, None)
            self.shown([found], report, at)
            return True
        if not isinstance(found, NotFound):
            report.unreached.append(f"order {client_id}: {found.reason}")
            return False
        if order.state is OrderState.UNKNOWN:
            self._perhaps_absent(order, asked, report, at)
        elif order.state not in (OrderState.SUBMITTING, OrderState.ABSENT):
            self._not_shown(order, asked, report)
        return True

    def _perhaps_absent(self, order: LiveOrder, asked: float, report: Report, at: datetime) -> None:
        """Not found is evidence only when everything that could still arrive has arrived, and could be seen."""
        engine, client_id = self.engine, order.request.client_id
        given_up = engine.sender.in_flight.get(client_id)
        if given_up is not None and asked - given_up < STILL_RUNNING:
            return
        if asked - order.since < engine.policy.horizon_seconds:
            return
        engine.sender.in_flight.pop(client_id, None)
        moves = engine.blotter.proven_absent(order, at)
        engine.journal.moved(moves)
        report.moves += moves
        order.since = asked
        engine.absent_now.append(order.request)

    def _not_shown(self, order: LiveOrder, asked: float, report: Report) -> None:
        """It was acknowledged, and the venue does not know it: longer than any lag, that is somebody's fault."""
        client_id = order.request.client_id
        since = self._missing.setdefault(client_id, asked)
        if asked - since >= self.engine.policy.horizon_seconds > 0 and client_id not in self._told:
            self._told.add(client_id)
            text = f"order {client_id} was acknowledged, and the venue does not show it any more"
            report.alarm("order_missing", f"{order.request.symbol}: {text}")
            self.engine.halt_symbol(order.request.symbol, text)

    def missing(self, beginning: str) -> LiveOrder | None:
        """The one acknowledged order of this client id, or its beginning, that the venue does not show any more, and
        not for longer than a query may lag behind: one that it shows later still works there."""
        late = self.engine.clock.monotonic() - self.engine.policy.horizon_seconds
        found = [name for name, since in self._missing.items() if since <= late and name.startswith(beginning)]
        return self.engine.blotter.get(found[0]) if len(found) == 1 else None

    def _odd(self, report: Report, at: datetime) -> None:
        """What fits no legal step: kept in the journal, told, and the symbol is halted."""
        engine = self.engine
        while engine.blotter.odd:
            odd = engine.blotter.odd.pop(0)
            engine.journal.odd(odd.client_id, odd.text, at)
            text = f"order {odd.client_id}: {odd.text}"
            report.alarm("illegal_transition", f"{odd.symbol}: {text}")
            engine.halt_symbol(odd.symbol, text)

    # ---- everything ------------------------------------------------------------------------------------------------
    async def everything(self, report: Report, row: int, at: datetime) -> bool:
        """News, then orders of all kinds, positions and cash against the journal. False: something did not answer."""
        engine = self.engine
        if not await self.news(report, row, at):
            return False
        shown = await ask(engine.lane, Priority.QUERY, engine.broker.orders, fits=asking.are_reports)
        positions = await ask(engine.lane, Priority.QUERY, engine.broker.positions, fits=asking.are_positions)
        account = await ask(engine.lane, Priority.QUERY, engine.broker.account, fits=asking.is_account)
        silent = [answer for answer in (shown, positions, account) if isinstance(answer, Unavailable)]
        report.unreached += [f"reconciliation: {answer.reason}" for answer in silent]
        if silent:
            return False
        self.shown(shown, report, at)
        for order in engine.blotter.absent():  # it may have come and gone between two looks
            await self._look_up(order, report, at)
        self.strangers.look(shown, report, at)
        self._odd(report, at)
        self.shown_working = len(shown)
        engine.account = report.account = account
        report.positions = positions
        self._compare(positions, account, report)
        self._unwatch()
        return True

    def _compare(self, positions: Any, account: Account, report: Report) -> None:
        """Positions and cash. What cannot be judged yet (an order is uncertain, a trade waits for its owner) is not."""
        engine, now = self.engine, self.engine.clock
        there: dict[str, Decimal] = {}
        for one in positions:  # a hedging account shows two of a symbol
            there[one.symbol] = there.get(one.symbol, ZERO) + one.quantity
        uncertain = {order.request.symbol for order in engine.blotter.open() if order.state not in LIVE}
        found = compare(engine.ledger.expected(), there, leave_out=uncertain)
        settled = not uncertain and not self.strangers.waiting and not found
        rest = account.cash - engine.ledger.cash - engine.ledger.apart_cash
        if settled and abs(rest) > engine.policy.cash_tolerance:
            found[CASH] = (engine.ledger.cash + engine.ledger.apart_cash, account.cash)
        kept = set(uncertain) | (set() if settled or CASH in found else {CASH})
        self.differences.see(found, now.monotonic(), now.now(), kept=kept)
        for one in self.differences.confirmed():
            self._confirmed(one, report)

    def _confirmed(self, one: Difference, report: Report) -> None:
        engine = self.engine
        if one.symbol == CASH:
            engine.block_book("reduce", f"cash: {one.text()}")
            report.alarm(
                "cash_differs", f"Cash of book '{engine.name}': {one.text()}. No new risk until it is explained"
            )
        else:
            engine.halt_symbol(one.symbol, one.text())
            report.alarm("position_differs", f"{one.symbol} of book '{engine.name}': {one.text()}. It is halted")

    def _unwatch(self) -> None:
        now, watch = self.engine.clock.monotonic(), self.engine.policy.watch_seconds
        for order in self.engine.blotter.absent():
            if now - order.since > watch:
                self.engine.blotter.forget(order)


def _fills_of(bookings: Sequence[Booking]) -> list[Fill]:
    return [each.fact for each in bookings if isinstance(each.fact, Fill)]


def reference(order: LiveOrder) -> OrderRef:
    """Enough to find it at the venue."""
    return OrderRef(order.request.client_id, order.request.key, order.request.symbol, order.venue_id)
