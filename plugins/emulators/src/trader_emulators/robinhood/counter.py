"""Where orders are taken, shown and canceled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import UUID

from trader.model import (
    ZERO,
    Accepted,
    Fill,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
)
from trader.simulation.floor import VenueOrder

from trader_emulators.http import Answer, Asked
from trader_emulators.robinhood.links import NOT_FOUND, last_part, link, number, page, stamp, uuid_of

if TYPE_CHECKING:
    from trader_emulators.robinhood.emulator import RobinhoodEmulator

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
REQUIRED = ("account", "instrument", "symbol", "type", "time_in_force", "trigger", "quantity", "side")
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
FORCE = {"gfd": TimeInForce.DAY, "gtc": TimeInForce.GTC}
WORDS = {OrderState.FILLED: "filled", OrderState.CANCELED: "cancelled", OrderState.REJECTED: "rejected",
         OrderState.EXPIRED: "cancelled"}  # fmt: skip
"""An order that ran out at the day's end is shown as cancelled."""
TYPES = {("market", "immediate"): OrderType.MARKET, ("limit", "immediate"): OrderType.LIMIT,
         ("market", "stop"): OrderType.STOP, ("limit", "stop"): OrderType.STOP_LIMIT}  # fmt: skip
REFUSALS = {
    "duplicate": {"ref_id": ["Order with this ref_id already exists."]},
    "funds": {"detail": "Not enough buying power to place this order."},
    "position": {"detail": "Not enough shares to sell."},
    "symbol": {"instrument": ["Invalid hyperlink - Object does not exist."]},
    "not_tradable": {"non_field_errors": ["This stock is not tradable."]},
    "quantity": {"quantity": ["Ensure this value is greater than 0."]},
    "lot": {"quantity": ["Ensure that there are no more than 6 decimal places."]},
    "price": {"price": ["Ensure this value is greater than 0."]},
    "order": {"price": ["This field is required."]},
    "tick": {"price": ["Ensure that there are no more than 2 decimal places."]},
}
LATE = Answer(400, {"detail": "Order cannot be cancelled at this time."})


class Counter:
    """The orders of one account, behind the form that Robinhood has for them."""

    def __init__(self, emulator: RobinhoodEmulator) -> None:
        self._emulator = emulator
        self._final: dict[str, OrderReport] = {}
        """Orders that were shown as done: they change no more."""
        self._made_up = count(1)
        self._presets: dict[str, str] = {}
        """Collars of market buys by key: shown again, the price says it all."""

    # ---- requests ----------------------------------------------------------------------------------------------------
    def place(self, asked: Asked) -> Answer:
        """POST /orders/"""
        form = dict(parse_qsl(asked.body.decode()))
        order = self._read(form)
        if isinstance(order, Answer):
            return order
        self._presets.setdefault(order.key, form.get("preset_percent_limit", ""))
        poor = self._poor(order)
        outcome = poor or self._emulator.ask(self._emulator.venue.submit, order)
        if isinstance(outcome, Rejected):
            return Answer(400, REFUSALS.get(outcome.kind, {"detail": outcome.reason}))
        taken = self._taken(outcome)
        return Answer(201, self._payload(taken, taken.report, [])) if taken is not None else NOT_FOUND

    def show_all(self, asked: Asked) -> Answer:
        """GET /orders/"""
        rows = self._shown()
        since = asked.query.get("updated_at[gte]")
        if since is not None:
            try:
                moment = datetime.fromisoformat(since)
            except ValueError:
                return Answer(400, {"updated_at": ["Enter a valid date/time."]})
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            rows = [row for row in rows if row[1].time >= moment]
        fills = self._fills()
        payloads = [
            (taken.number, self._payload(taken, report, fills.get(taken.key, []))) for taken, report in reversed(rows)
        ]
        return page(asked, ["orders"], payloads, self._emulator.page_size)

    def show(self, asked: Asked) -> Answer:
        """GET /orders/{id}/"""
        taken = self._known(asked.parts["id"])
        report = None if taken is None else self._report(taken)
        if taken is None or report is None:
            return NOT_FOUND
        return Answer(200, self._payload(taken, report, self._fills().get(taken.key, [])))

    def cancel(self, asked: Asked) -> Answer:
        """POST /orders/{id}/cancel/"""
        taken = self._known(asked.parts["id"])
        if taken is None:
            return NOT_FOUND
        ref = OrderRef(taken.key, taken.key, taken.order.symbol, taken.venue_id)
        outcome = self._emulator.ask(self._emulator.venue.cancel, ref)
        if isinstance(outcome, Accepted):
            return Answer(200, {})
        return NOT_FOUND if outcome.kind == "not_found" else LATE

    # ---- an order that comes in --------------------------------------------------------------------------------------
    def _read(self, form: Mapping[str, str]) -> OrderRequest | Answer:
        """The order, or what is wrong with the form."""
        missing = [name for name in REQUIRED if name not in form]
        if missing:
            return Answer(400, {name: ["This field is required."] for name in missing})
        emulator, symbol = self._emulator, form["symbol"]
        if last_part(form["account"]) != emulator.account_number:
            return Answer(400, {"account": ["Invalid hyperlink - Object does not exist."]})
        if symbol not in emulator.rules or last_part(form["instrument"]) != uuid_of("instrument", symbol):
            return Answer(400, REFUSALS["symbol"])
        key = _uuid(form.get("ref_id") or uuid_of("ref", str(next(self._made_up))))
        kind, force = TYPES.get((form["type"], form["trigger"])), FORCE.get(form["time_in_force"])
        side = SIDES.get(form["side"])
        if key is None:
            return Answer(400, {"ref_id": [f'"{form["ref_id"]}" is not a valid UUID.']})
        if kind is None or force is None or side is None:
            wrong = "type" if kind is None else "time_in_force" if force is None else "side"
            return Answer(400, {wrong: [f'"{form[wrong]}" is not a valid choice.']})
        try:
            quantity, price, stop = (_decimal(form.get(name, "")) for name in ("quantity", "price", "stop_price"))
        except InvalidOperation:
            return Answer(400, {"quantity": ["A valid number is required."]})
        limit = price if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None
        stop = stop if kind in (OrderType.STOP, OrderType.STOP_LIMIT) else None
        return OrderRequest(key, key, "", symbol, side, quantity or ZERO, kind, force, limit, stop, False,
                            Purpose.MANUAL, ZERO, emulator.clock.now())  # fmt: skip

    def _poor(self, order: OrderRequest) -> Rejected | None:
        """Buying power, and shares to be sold, are looked at when an order is placed; those that wait hold back theirs.
        A ref_id that was there before is refused as that."""
        venue = self._emulator.venue
        if any(taken.key == order.key for taken in venue.accepted):
            return None
        if order.side is Side.SELL:
            free = venue.truth_positions().get(order.symbol, ZERO) - self.shares_held(order.symbol)
            return Rejected("position", "") if order.quantity > free else None
        cost = order.quantity * (order.limit_price or order.stop_price or self._mark(order.symbol))
        return Rejected("funds", "") if cost > venue.truth_account().cash - self.cash_held() else None

    def _mark(self, symbol: str) -> Decimal:
        return Decimal(repr(self._emulator.market.last(symbol)))

    def cash_held(self) -> Decimal:
        """What the buys that wait may cost."""
        buys = (report for report in self._emulator.venue.truth_working() if report.side is Side.BUY)
        return sum(
            (
                (buy.quantity - buy.filled) * (buy.limit_price or buy.stop_price or self._mark(buy.symbol))
                for buy in buys
            ),
            ZERO,
        )

    def shares_held(self, symbol: str) -> Decimal:
        """What the sales that wait may take of a symbol."""
        working = self._emulator.venue.truth_working()
        sales = (report for report in working if report.symbol == symbol and report.side is Side.SELL)
        return sum((sale.quantity - sale.filled for sale in sales), ZERO)

    def _taken(self, outcome: Accepted) -> VenueOrder | None:
        orders = reversed(self._emulator.venue.accepted)
        return next((taken for taken in orders if taken.venue_id == outcome.venue_id), None)

    # ---- what is shown -----------------------------------------------------------------------------------------------
    def _known(self, shown: str) -> VenueOrder | None:
        orders = self._emulator.venue.accepted
        return next((taken for taken in orders if uuid_of("order", taken.venue_id) == shown), None)

    def _shown(self) -> list[tuple[VenueOrder, OrderReport]]:
        """Every order that can be seen by now, oldest first."""
        working = {report.venue_id: report for report in self._emulator.ask(self._emulator.venue.orders)}
        rows = []
        for taken in list(self._emulator.venue.accepted):
            report = working.get(taken.venue_id) or self._report(taken)
            if report is not None:
                rows.append((taken, report))
        return rows

    def _report(self, taken: VenueOrder) -> OrderReport | None:
        done = self._final.get(taken.venue_id)
        if done is not None:
            return done
        ref = OrderRef(taken.key, taken.key, taken.order.symbol, taken.venue_id)
        report = self._emulator.ask(self._emulator.venue.order, ref)
        if isinstance(report, NotFound):
            return None
        found: OrderReport = report
        if found.state is not OrderState.WORKING:
            self._final[taken.venue_id] = found
        return found

    def _fills(self) -> dict[str, list[Fill]]:
        """By the order's key."""
        found: dict[str, list[Fill]] = {}
        for fill in self._emulator.ask(self._emulator.venue.fills, BEGINNING):
            found.setdefault(fill.key, []).append(fill)
        return found

    def _payload(self, taken: VenueOrder, report: OrderReport, fills: Sequence[Fill]) -> dict[str, Any]:
        order, account = taken.order, self._emulator.account_number
        shown, instrument = uuid_of("order", taken.venue_id), uuid_of("instrument", order.symbol)
        working = report.state is OrderState.WORKING
        state = WORDS.get(report.state) or ("partially_filled" if report.filled else "confirmed")
        kind, trigger = next(words for words, meaning in TYPES.items() if meaning is order.type)
        paid = sum((fill.quantity * fill.price for fill in fills), ZERO)
        done = sum((fill.quantity for fill in fills), ZERO)
        return {
            "id": shown,
            "ref_id": _uuid(taken.key) or uuid_of("ref", taken.key),
            "url": link("orders", shown),
            "account": link("accounts", account),
            "position": link("positions", account, instrument),
            "cancel": link("orders", shown, "cancel") if working else None,
            "instrument": link("instruments", instrument),
            "instrument_id": instrument,
            "cumulative_quantity": number(report.filled),
            "average_price": number(paid / done) if done else None,
            "fees": number(sum((fill.fee for fill in fills), ZERO), 2),
            "state": state,
            "type": kind,
            "side": order.side.value,
            "time_in_force": "gtc" if order.time_in_force is TimeInForce.GTC else "gfd",
            "trigger": trigger,
            "price": None if order.limit_price is None else number(order.limit_price),
            "stop_price": None if order.stop_price is None else number(order.stop_price),
            "quantity": number(order.quantity),
            "reject_reason": report.reason if state == "rejected" else None,
            "created_at": stamp(taken.moment),
            "updated_at": stamp(report.time),
            "last_transaction_at": stamp(report.time),
            "executions": [self._execution(fill) for fill in fills],
            "extended_hours": False,
            "market_hours": "regular_hours",
            "order_form_version": 4,
            "preset_percent_limit": self._presets.get(taken.key) or None,
            "placed_agent": "user",
        }

    def _execution(self, fill: Fill) -> dict[str, Any]:
        return {
            "id": uuid_of("execution", f"{fill.symbol}/{fill.execution_id}"),
            "price": number(fill.price),
            "quantity": number(fill.quantity),
            "rounded_notional": number(fill.quantity * fill.price, 2),
            "settlement_date": fill.time.date().isoformat(),
            "timestamp": stamp(fill.time),
            "trade_execution_date": fill.time.date().isoformat(),
            "ipo_access_execution_rank": None,
            "fees": number(fill.fee, 2),
        }


def _uuid(text: str) -> str | None:
    """A ref_id as the venue writes it; None: it is no uuid."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _decimal(text: str) -> Decimal | None:
    """None: nothing was sent. InvalidOperation for what is no number."""
    value = Decimal(text) if text else None
    if value is not None and not value.is_finite():
        raise InvalidOperation
    return value
