"""The order desk: POST, GET, PATCH and DELETE of /v2/orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from trader.model import (
    ZERO,
    Accepted,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Rejected,
    Side,
)
from trader.simulation.floor import VenueOrder

from trader_emulators.alpaca import intake
from trader_emulators.alpaca.assets import Asset, asset_of
from trader_emulators.alpaca.intake import Purse, Wish
from trader_emulators.alpaca.ledger import Note
from trader_emulators.alpaca.text import Refused, amount, invalid, no, read_moment
from trader_emulators.http import Answer, Asked, Route

if TYPE_CHECKING:
    from trader_emulators.alpaca.venue import AlpacaEmulator

PAGE, LARGEST = 50, 500
DUPLICATE = "client_order_id must be unique"
CODES = {"funds": 40310000, "position": 40310000, "min_notional": 40310000, "duplicate": 40010001}


def guarded(handle: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """Says what it refuses."""

    def handled(asked: Asked) -> Answer:
        try:
            return handle(asked)
        except Refused as refusal:
            return refusal.answer

    return handled


class Desk:
    """Takes orders, shows them, cancels them."""

    def __init__(self, emulator: AlpacaEmulator) -> None:
        self._emulator, self._venue, self._ledger = emulator, emulator.venue, emulator.ledger

    def routes(self) -> list[Route]:
        one = "/v2/orders/{order_id}"
        return [
            Route("POST", "/v2/orders", "submit", guarded(self.post)),
            Route("GET", "/v2/orders", "orders", guarded(self.list)),
            Route("DELETE", "/v2/orders", "cancel_all", guarded(self.delete_all)),
            Route("GET", "/v2/orders:by_client_order_id", "order", guarded(self.by_client_id)),
            Route("GET", one, "order", guarded(self.get)),
            Route("DELETE", one, "cancel", guarded(self.delete)),
            Route("PATCH", one, "submit", guarded(self.patch)),
        ]

    # ---- placing -----------------------------------------------------------------------------------------------------
    def post(self, asked: Asked) -> Answer:
        body = intake.body_of(asked.body)
        key = body.get("client_order_id")
        if isinstance(key, str) and self._known(key):
            raise invalid(DUPLICATE)
        wish = intake.wish(body, self._find, self._price, str(uuid4()))
        return Answer(200, self.place(wish))

    def place(self, wish: Wish) -> dict[str, Any]:
        """The order as accepted. Refused if the account does not carry it."""
        price = wish.limit or wish.stop or self._price(wish.asset.symbol)
        self._face(wish)
        intent = intake.weigh(wish, self.purse(wish.asset.symbol, wish.side), price)
        note = Note(wish.notional, wish.extended_hours, intent)
        return self._submit(wish, note)

    def _face(self, wish: Wish, but: str = "") -> None:
        """Refused beside an order that it could trade with, whoever sent that; `but` one of them."""
        for standing in self._venue.truth_working():
            reason = intake.wash(wish, standing) if standing.venue_id != but else None
            if reason is not None:
                raise intake.refused(
                    40310000, "potential wash trade detected. use complex orders",
                    existing_order_id=self._emulator.names.order(standing.venue_id), reject_reason=reason,
                )  # fmt: skip

    def _submit(self, wish: Wish, note: Note) -> dict[str, Any]:
        key = wish.client_order_id
        self._ledger.notes[key] = note
        order = OrderRequest(
            key, key, "", wish.asset.symbol, wish.side, wish.quantity, wish.type, wish.time_in_force, wish.limit,
            wish.stop, False, Purpose.MANUAL, self._price(wish.asset.symbol), self._emulator.clock.now(),
        )  # fmt: skip
        outcome = self._emulator.ask(self._venue.submit, order)
        if isinstance(outcome, Rejected):
            message = DUPLICATE if outcome.kind == "duplicate" else outcome.reason
            raise intake.refused(CODES.get(outcome.kind, 42210000), message)
        taken = self._ledger.taken(outcome.venue_id)
        return self._ledger.payload(taken, taken.report, "pending_new")

    def _known(self, key: str) -> bool:
        return self._ledger.knows(key)

    def _find(self, name: str) -> Asset | None:
        asset = asset_of(name)
        return asset if asset is not None and asset.symbol in self._emulator.rules else None

    def _price(self, symbol: str) -> Decimal:
        return Decimal(repr(self._emulator.market.last(symbol)))

    def purse(self, symbol: str, side: Side) -> Purse:
        """What is left for one more order."""
        held = self._venue.truth_positions()
        mine, promised, reducing = held.get(symbol, ZERO), ZERO, ZERO
        for report in self._venue.truth_working():
            rest = report.quantity - report.filled
            if held.get(report.symbol, ZERO) * report.side.sign >= 0:
                promised += rest * (report.limit_price or report.stop_price or self._price(report.symbol))
            elif report.symbol == symbol and report.side is side:
                reducing += rest
        power, short = self._emulator.power()
        return Purse(mine, reducing, max(power - promised, ZERO), max(short - promised, ZERO))

    # ---- showing -----------------------------------------------------------------------------------------------------
    def list(self, asked: Asked) -> Answer:
        query = asked.query
        status, direction = query.get("status", "open"), query.get("direction", "desc")
        if status not in ("open", "closed", "all"):
            raise invalid(f"invalid status: {status}")
        if direction not in ("asc", "desc"):
            raise invalid(f"invalid direction: {direction}")
        found = self._ledger.everything(self._emulator.ask(self._venue.orders))
        kept = [pair for pair in found if self._wanted(*pair, status, query)]
        if direction == "desc":
            kept.reverse()
        count = whole(query, "limit", PAGE, LARGEST)
        return Answer(200, [self._ledger.payload(*pair) for pair in kept[:count]])

    def _wanted(self, taken: VenueOrder, report: OrderReport, status: str, query: Mapping[str, str]) -> bool:
        if status != "all" and (report.state is OrderState.WORKING) is not (status == "open"):
            return False
        if "side" in query and query["side"] != report.side:
            return False
        symbols = {name for name in query.get("symbols", "").split(",") if name}
        if symbols and not symbols & {report.symbol, report.symbol.replace("/", "")}:
            return False
        submitted = self._ledger.submitted(taken)
        after, until = (moment(query, name) for name in ("after", "until"))
        return (after is None or submitted > after) and (until is None or submitted < until)

    def get(self, asked: Asked) -> Answer:
        text = asked.parts["order_id"]
        return Answer(200, self._ledger.payload(*self._shown(self._ledger.ref(text), text)))

    def by_client_id(self, asked: Asked) -> Answer:
        key = asked.query.get("client_order_id", "")
        return Answer(200, self._ledger.payload(*self._shown(OrderRef("", key, ""), key)))

    def _shown(self, ref: OrderRef | None, text: str) -> tuple[VenueOrder, OrderReport]:
        report = NotFound() if ref is None else self._emulator.ask(self._venue.order, ref)
        if isinstance(report, NotFound):
            raise Refused(no(404, 40410000, f"order not found for {text}"))
        return self._ledger.taken(report.venue_id), report

    # ---- canceling ---------------------------------------------------------------------------------------------------
    def delete(self, asked: Asked) -> Answer:
        text = asked.parts["order_id"]
        ref = self._ledger.ref(text)
        if ref is not None and self._ends(ref):
            return no(422, 42210000, "order pending cancel")
        outcome = Rejected("not_found", "") if ref is None else self._emulator.ask(self._venue.cancel, ref)
        if isinstance(outcome, Accepted):
            self._ledger.note(
                self._ledger.taken(str(outcome.venue_id)).key
            ).cancel_requested = self._emulator.clock.now()
            return Answer(204)
        if outcome.kind == "not_found":
            return no(404, 40410000, f"order not found for {text}")
        taken = self._ledger.taken(ref.venue_id) if ref is not None and ref.venue_id is not None else None
        state = f'"{self._ledger.status(taken, taken.report)}"' if taken is not None else "its final"
        return no(422, 42210000, f"order is already in {state} state")

    def _ends(self, ref: OrderRef) -> bool:
        """Whether it works, and its cancel was taken before."""
        working = (taken.key for taken in self._venue.truth_working() if taken.venue_id == ref.venue_id)
        return any(self._ledger.note(key).cancel_requested is not None for key in working)

    def delete_all(self, _: Asked) -> Answer:
        working = self._venue.truth_working()
        self._emulator.ask(self._venue.cancel_all)
        return Answer(207, [self._gone(report) for report in working])

    def _gone(self, report: OrderReport) -> dict[str, Any]:
        taken, now = self._ledger.taken(report.venue_id), self._emulator.clock.now()
        self._ledger.note(taken.key).cancel_requested = now
        return {"id": self._emulator.names.order(taken.venue_id), "status": 200}

    # ---- replacing ---------------------------------------------------------------------------------------------------
    def patch(self, asked: Asked) -> Answer:
        """Another order takes its place: the old one is canceled, and what it filled stays with it."""
        text, body = asked.parts["order_id"], intake.body_of(asked.body)
        ref = self._ledger.ref(text)
        taken, report = self._shown(ref, text)
        old = self._ledger.note(taken.key)
        if taken.report.state is not OrderState.WORKING or old.notional is not None:
            raise intake.refused(42210000, "order is not open")
        key = body.get("client_order_id")
        if isinstance(key, str) and self._known(key):
            raise invalid(DUPLICATE)
        wish = self._changed(taken, report, body)
        self._face(wish, taken.venue_id)
        self._afford(wish, taken)
        self._venue.manual_cancel(taken.venue_id)
        note = Note(None, wish.extended_hours, old.intent, replaces=self._emulator.names.order(taken.venue_id))
        made = self._submit(wish, note)
        old.replaced, old.replaced_by = self._emulator.clock.now(), made["id"]
        return Answer(200, made)

    def _changed(self, taken: VenueOrder, report: OrderReport, body: Mapping[str, Any]) -> Wish:
        order = taken.order
        merged: dict[str, Any] = {
            "symbol": order.symbol, "side": str(order.side), "type": str(order.type),
            "qty": body.get("qty") or report.quantity - report.filled,
            "time_in_force": body.get("time_in_force") or str(order.time_in_force),
            "client_order_id": body.get("client_order_id"),
        }  # fmt: skip
        if order.type is not OrderType.MARKET:
            before = {"limit_price": order.limit_price, "stop_price": order.stop_price}
            merged |= {name: body.get(name) or price for name, price in before.items()}
        return intake.wish(merged, self._find, self._price, str(uuid4()))

    def _afford(self, wish: Wish, taken: VenueOrder) -> None:
        """As if the old order were gone."""
        purse, report = self.purse(wish.asset.symbol, wish.side), taken.report
        rest = report.quantity - report.filled
        price = wish.limit or wish.stop or self._price(wish.asset.symbol)
        was = rest * (report.limit_price or report.stop_price or price)
        free = Purse(
            purse.held, max(purse.held_for_orders - rest, ZERO), purse.buying_power + was, purse.short_power + was
        )
        intake.weigh(wish, free, price)


def whole(query: Mapping[str, str], name: str, usual: int, largest: int) -> int:
    """A number of things on a page. Refused beyond 1 .. largest."""
    text = query.get(name)
    if not text:
        return usual
    if not text.isdecimal() or not 1 <= int(text) <= largest:
        raise invalid(f"{name} must be between 1 and {largest}, was {text}")
    return int(text)


def moment(query: Mapping[str, str], name: str) -> int | None:
    """Nanoseconds since 1970; None if it is not asked. Refused for what is no moment."""
    text = query.get(name)
    if not text:
        return None
    try:
        return read_moment(text)
    except ValueError:
        raise invalid(f"invalid {name}: {text}") from None


def percentage(query: Mapping[str, str], held: Decimal) -> Decimal:
    """How much of a position a request to close it names."""
    part, of = intake.number(query, "qty"), intake.number(query, "percentage")
    if part is not None and of is not None:
        raise invalid("only one of qty or percentage is accepted")
    quantity = part if part is not None else abs(held) * (of if of is not None else Decimal(100)) / 100
    if not quantity > 0:
        raise invalid(f"qty must be > 0, was {amount(quantity)}")
    return quantity
