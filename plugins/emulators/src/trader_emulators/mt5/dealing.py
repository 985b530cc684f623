"""What the trade server does with a request."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from trader.model import (
    ZERO,
    Accepted,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
)
from trader.simulation.floor import VenueOrder
from trader.testing.emulation import Mishap

from trader_emulators.mt5 import requests
from trader_emulators.mt5.book import Holding, Sender, order_ticket
from trader_emulators.mt5.constants import (
    BY_PROGRAM,
    DEAL,
    FOK,
    MODIFY,
    PENDING,
    RETCODES,
)
from trader_emulators.mt5.rows import Rows
from trader_emulators.mt5.structs import OrderSendResult
from trader_emulators.mt5.symbols import BY_NAME, BY_SYMBOL, LEVERAGE, Spec, on_step
from trader_emulators.mt5.words import TROUBLE, Refused

if TYPE_CHECKING:
    from trader_emulators.mt5.venue import Mt5Emulator

DONE, PLACED, PARTIAL = 10009, 10008, 10010
REJECT, NO_MONEY, NO_CHANGES, DISABLED, CLOSED, NO_QUOTES = 10006, 10019, 10025, 10017, 10018, 10021
TOO_MANY_ORDERS, NO_POSITION, TOO_MUCH, BUTTON_OFF, OFFLINE = 10033, 10036, 10038, 10027, 10031
REFUSALS = {
    "funds": NO_MONEY, "position": NO_MONEY, "quantity": requests.INVALID_VOLUME, "lot": requests.INVALID_VOLUME,
    "price": requests.INVALID_PRICE, "tick": requests.INVALID_PRICE, "not_tradable": DISABLED, "currency": DISABLED,
    "symbol": requests.INVALID, "not_found": requests.INVALID, "closed": requests.INVALID,
}  # fmt: skip
"""The venue's kinds of no."""
TROUBLES = {
    Mishap.FAILED: 10011, Mishap.FAILED_AFTER: 10012, Mishap.HTML: PLACED, Mishap.TRUNCATED: PLACED,
    Mishap.GARBAGE: 0, Mishap.RATE_LIMITED: 10024,
}  # fmt: skip
HANDLED = {Mishap.LOST_REPLY, Mishap.RESET_AFTER, Mishap.FAILED_AFTER, Mishap.TRUNCATED, Mishap.GARBAGE}
MOST_ORDERS = 200
TYPES = {
    2: OrderType.LIMIT, 3: OrderType.LIMIT, 4: OrderType.STOP, 5: OrderType.STOP, 6: OrderType.STOP_LIMIT,
    7: OrderType.STOP_LIMIT,
}  # fmt: skip
CLOSE_BY_TICKETS = 900_000_000


class Intake:
    """Takes new orders."""

    def __init__(self, emulator: Mt5Emulator, rows: Rows) -> None:
        self._emulator, self._rows = emulator, rows

    # ---- answers -----------------------------------------------------------------------------------------------------
    def answer(self, asked: Any, retcode: int, **known: Any) -> Any:
        """A result with this code."""
        spec = BY_NAME.get(asked.symbol)
        bid, ask = self._emulator.quote(spec.symbol) if spec and spec.symbol in self._emulator.rules else (0.0, 0.0)
        text = RETCODES[retcode][1] if retcode in RETCODES else ""
        blank = {
            "retcode": retcode, "deal": 0, "order": 0, "volume": 0.0, "price": 0.0, "bid": bid, "ask": ask,
            "comment": text, "request_id": next(self._emulator.numbers), "retcode_external": 0, "request": asked,
        }  # fmt: skip
        return OrderSendResult(**{**blank, **known})

    def trouble(self, mishap: Mishap, asked: Any) -> Any:
        """What the client is told instead of the result. Refused where that is nothing."""
        if mishap not in TROUBLES:
            raise Refused(*TROUBLE[mishap])
        known = {"bid": 0.0, "ask": 0.0, "request_id": 0} if mishap is Mishap.GARBAGE else {}
        return self.answer(asked, TROUBLES[mishap], **known)

    # ---- new orders --------------------------------------------------------------------------------------------------
    def _market(self, spec: Spec) -> requests.Market:
        emulator = self._emulator
        bid, ask = emulator.quote(spec.symbol)
        return requests.Market(spec, bid, ask, emulator.server_time(emulator.clock.now()) / 1000)

    def refusal(self, asked: Any) -> int:
        """Why a DEAL or PENDING request is refused before it reaches the account; 0: it is not."""
        emulator, spec = self._emulator, BY_NAME.get(asked.symbol)
        if spec is None or spec.symbol not in emulator.rules:
            return requests.INVALID
        if spec.name not in emulator.selected:
            return NO_QUOTES
        if not spec.tradable:
            return DISABLED
        if spec.symbol in emulator.shut:
            return CLOSED
        market = self._market(spec)
        if asked.action == PENDING:
            full = len(emulator.venue.truth_working()) >= MOST_ORDERS
            return requests.pending(asked, market) or (TOO_MANY_ORDERS if full else 0)
        return requests.deal(asked, market) or self._unheld(asked) or self._unpaid(asked, spec, market)

    def _unheld(self, asked: Any) -> int:
        """A deal that names a position closes it, or a part of it."""
        if not asked.position:
            return 0
        held = self._held(asked.position)
        if held is None:
            return NO_POSITION
        if BY_SYMBOL[held.symbol].name != asked.symbol or held.sign == (1 if asked.type == 0 else -1):
            return requests.INVALID
        return TOO_MUCH if asked.volume > float(held.volume) + 1e-9 else 0

    def _held(self, ticket: int) -> Holding | None:
        held = self._emulator.book().holdings.values()
        return next((each for each in held if each.ticket == ticket), None)

    def _unpaid(self, asked: Any, spec: Spec, market: requests.Market) -> int:
        """The free margin covers what the deal adds to the larger side, or to the net position."""
        if asked.position:
            return 0
        sign = 1 if asked.type == 0 else -1
        same = [each for each in self._emulator.book().holdings.values() if each.symbol == spec.symbol]
        long, short = (sum((each.volume for each in same if each.sign == way), ZERO) for way in (1, -1))
        volume = Decimal(repr(asked.volume))
        before = max(long, short) if self._emulator.hedging else abs(long - short)
        after = abs(long - short + sign * volume)
        if self._emulator.hedging:
            after = max(long + volume, short) if sign > 0 else max(long, short + volume)
        price = Decimal(repr(market.ask if sign > 0 else market.bid))
        added = (after - before) * spec.contract * price / LEVERAGE
        free = self._emulator.venue.truth_account().equity - self._rows.margin()
        return NO_MONEY if added > 0 and added > free else 0

    def _deal(self, asked: Any) -> Any:
        refused = self.refusal(asked)
        if refused:
            return self.answer(asked, refused)
        spec, emulator = BY_NAME[asked.symbol], self._emulator
        in_force = TimeInForce.FOK if asked.type_filling == FOK else TimeInForce.IOC
        order = self._order(asked, spec, OrderType.MARKET, in_force)
        outcome = self._submit(asked, order, self._sender(asked))
        if isinstance(outcome, Rejected):
            return self.answer(asked, REFUSALS.get(outcome.kind, REJECT))
        if emulator.at_once:
            depth = emulator.depth.get(spec.symbol, float("nan"))
            emulator.venue.tick({spec.symbol: emulator.market.last(spec.symbol)}, depth)
        return self._executed(asked, order)

    def _executed(self, asked: Any, order: OrderRequest) -> Any:
        """What became of a market order by now."""
        venue = self._emulator.venue
        taken = self._taken(order)
        report, ticket = taken.report, self._emulator.sender(taken).ticket
        fills = [fill for fill in venue.truth_fills() if fill.venue_id == report.venue_id]
        if not fills:
            if report.state is OrderState.WORKING:
                return self.answer(asked, PLACED, order=ticket, volume=asked.volume)
            poor = report.reason.startswith("funds")
            return self.answer(asked, NO_MONEY if poor else REJECT, order=ticket)
        filled = sum((fill.quantity for fill in fills), ZERO)
        price = sum((fill.quantity * fill.price for fill in fills), ZERO) / filled
        deal = next(each.ticket for each in reversed(self._emulator.book().deals) if each.order == ticket)
        code = DONE if filled == order.quantity else PARTIAL
        return self.answer(asked, code, deal=deal, order=ticket, volume=float(filled), price=float(price))

    def _taken(self, order: OrderRequest) -> VenueOrder:
        return next(taken for taken in reversed(self._emulator.venue.accepted) if taken.order is order)

    def _pending(self, asked: Any) -> Any:
        refused = self.refusal(asked)
        if refused:
            return self.answer(asked, refused)
        order = self._waiting(asked, BY_NAME[asked.symbol])
        outcome = self._submit(asked, order, self._sender(asked))
        if isinstance(outcome, Rejected):
            return self.answer(asked, REFUSALS.get(outcome.kind, REJECT))
        return self.answer(asked, DONE, order=order_ticket(str(outcome.venue_id)), volume=asked.volume)

    def _waiting(self, asked: Any, spec: Spec) -> OrderRequest:
        in_force = TimeInForce.DAY if asked.type_time == requests.DAY else TimeInForce.GTC
        return self._order(asked, spec, TYPES[asked.type], in_force)

    def _order(self, asked: Any, spec: Spec, kind: OrderType, in_force: TimeInForce) -> OrderRequest:
        """As the venue inside takes it; its key is the magic number, if there is one."""
        limit = stop = None
        if kind in {OrderType.STOP, OrderType.STOP_LIMIT}:
            stop = requests.exact(asked.price, spec)
        if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT}:
            limit = requests.exact(asked.stoplimit if stop is not None else asked.price, spec)
        key = str(asked.magic) if asked.magic else f"mt5-{next(self._emulator.numbers)}"
        side = Side.BUY if asked.type % 2 == 0 else Side.SELL
        volume = on_step(asked.volume, spec.volume_step) or ZERO
        return OrderRequest(key, key, "", spec.symbol, side, volume, kind, in_force, limit, stop,
                            False, Purpose.MANUAL, ZERO, self._emulator.clock.now())  # fmt: skip

    def _sender(self, asked: Any) -> Sender:
        comment, closes = self._emulator.comment, asked.position if asked.action == DEAL else 0
        return Sender(0, closes, asked.magic, asked.comment if comment is None else comment, BY_PROGRAM, asked.sl,
                      asked.tp)  # fmt: skip

    def _submit(self, asked: Any, order: OrderRequest, sender: Sender) -> Accepted | Rejected:
        emulator = self._emulator
        expires = None
        if asked.type_time in {requests.SPECIFIED, requests.SPECIFIED_DAY} and asked.action in {PENDING, MODIFY}:
            second = asked.expiration
            if asked.type_time == requests.SPECIFIED_DAY:
                second += 86_399 - second % 86_400
            expires = datetime.fromtimestamp(second, UTC) - emulator.offset
        emulator.remember(order, sender, asked.type_filling, asked.type_time, expires)
        outcome: Accepted | Rejected = emulator.ask(emulator.venue.submit, order)
        return outcome
