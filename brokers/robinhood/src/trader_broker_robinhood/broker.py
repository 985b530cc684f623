"""Robinhood behind the Broker protocol: polling, one account, one form for each order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from trader.errors import BadPayload
from trader.model import (
    ZERO,
    Accepted,
    Account,
    CashEvent,
    Fill,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Outcome,
    Position,
    Rejected,
    Side,
    Unavailable,
    Unknown,
)
from trader.protocols import Env
from trader.wire import Fields, outcome, unavailable

from trader_broker_robinhood import money, wire
from trader_broker_robinhood.client import Client, Reply
from trader_broker_robinhood.directory import Directory
from trader_broker_robinhood.orderbook import ORDERS, OrderBook
from trader_broker_robinhood.settings import Settings

T = TypeVar("T")
USER = "broker"
ACCOUNTS = f"{wire.API}/accounts/"


class RobinhoodBroker:
    """One account. There is no stream: the session polls. Nothing is ever sent twice."""

    def __init__(self, settings: Settings, env: Env) -> None:
        self._settings, self._env = settings, env
        self._client = env.shared("robinhood", lambda: Client(env, settings.url))
        self._directory = Directory(self._client, USER, fractional=settings.fractional)
        self._book = OrderBook(self._client, env, self._directory)
        self._number = settings.account

    # ---- the account -------------------------------------------------------------------------------------------------
    def open(self) -> Account | Unavailable:
        """Take the token from the secrets and ask whose it is. Unavailable("auth") says how to get a new one;
        Unavailable("refused"): this process has another login."""
        refused = self._client.enter(USER, self._settings.url, self)
        if refused is not None:
            return refused
        self._book.forget()
        found = self.account()
        if isinstance(found, Unavailable):
            self._client.leave(USER, self)
        return found

    def close(self) -> None:
        """Give the SDK's session back; whoever waits for an answer is told that the connection broke."""
        self._client.leave(USER, self)

    def key(self, client_id: str) -> str:
        """The `ref_id`: a uuid made of the client id."""
        return wire.key_of(client_id)

    def account(self) -> Account | Unavailable:
        """Cash, equity, and the venue's clock (of the answer's Date, to the second)."""
        chosen = self._chosen()
        if isinstance(chosen, Unavailable):
            return chosen
        row, number = chosen
        reply = self._client.get(USER, f"{wire.API}/portfolios/{number}/")
        if not isinstance(reply, Reply):
            return unavailable(reply)
        # Only on this machine can the header of an emulator be believed.
        kind: Literal["demo", "live"] = "demo" if reply.emulated and self._settings.url else "live"
        try:
            found = wire.account(row, reply.payload, reply.time or self._env.now(), kind)
        except BadPayload as error:
            return Unavailable("payload", str(error))
        self._number = self._book.account = number
        return found

    def _chosen(self) -> tuple[Any, str] | Unavailable:
        """The row of our account, and its number."""
        rows = self._client.whole(USER, ACCOUNTS, {"default_to_all_accounts": "true"}, "accounts")
        if isinstance(rows, Unavailable):
            return rows
        try:
            numbers = [wire.identity(Fields(row, "account"), "account_number") for row in rows]
        except BadPayload as error:
            return Unavailable("payload", str(error))
        wanted = self._settings.account
        if wanted in numbers:
            return rows[numbers.index(wanted)], wanted
        if wanted or len(numbers) != 1:
            asked = f"no account {wanted}" if wanted else "account = ... in the settings must name one"
            return Unavailable("refused", f"{asked}; this login has {', '.join(numbers) or 'none'}")
        return rows[0], numbers[0]

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        """One request for each symbol; (): all pages of all that Robinhood lists."""
        return self._directory.rules(symbols)

    def positions(self) -> Sequence[Position] | Unavailable:
        """An empty page counts only as the answer to a question that was answered: 2xx, whole, and the last page."""
        query = {"nonzero": "true", **({"account_number": self._number} if self._number else {})}
        rows = self._client.whole(USER, f"{wire.API}/positions/", query, "positions")
        if isinstance(rows, Unavailable):
            return rows
        found: list[Position] = []
        for row in rows:
            position = self._named(row, "position", wire.position)
            if isinstance(position, Unavailable):
                return position
            if position.quantity:
                found.append(position)
        return found

    # ---- orders ------------------------------------------------------------------------------------------------------
    def orders(self) -> Sequence[OrderReport] | Unavailable:
        """The working ones, also those that are being canceled or whose state nobody knows."""
        return self._book.working()

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        """By its id; else by our ref_id, among the orders that changed within `history_days`."""
        if ref.venue_id is not None:
            found = self._book.one(ref.venue_id)
            if not isinstance(found, NotFound) or not ref.key:
                return found
        return self._book.by_key(ref.key, self._settings.history_days)

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        """Executions inside the orders that changed since then."""
        rows = self._book.since(since)
        if isinstance(rows, Unavailable):
            return rows
        try:
            found = [fill for row in rows for fill in wire.fills(row.payload, row.report.symbol)]
        except BadPayload as error:
            return Unavailable("payload", str(error))
        return sorted((fill for fill in found if fill.time >= since), key=lambda fill: fill.time)

    def submit(self, order: OrderRequest) -> Outcome:
        """One POST. Rejected also where nothing was sent, and the reason says so."""
        form = self._form(order)
        if isinstance(form, Rejected):
            return form
        reply = self._client.post(USER, "order", ORDERS, form)
        if not isinstance(reply, Reply):
            return outcome(reply)
        try:
            report = wire.taken(reply.payload, order)
        except BadPayload as error:
            return Unknown("payload", str(error))
        self._book.ids[order.key] = report.venue_id
        if report.state is OrderState.REJECTED:
            return Rejected("refused", report.reason or "Robinhood rejected it without a reason")
        return Accepted(report.venue_id)

    def _form(self, order: OrderRequest) -> dict[str, str] | Rejected:
        if not self._number:
            return Rejected("refused", "the account is not known before open(); nothing was sent")
        whole = order.quantity.is_finite() and order.quantity == order.quantity.to_integral_value()
        if not whole and not self._settings.fractional:
            return Rejected("quantity", f"{order.quantity} shares, and fractional = false; nothing was sent")
        instrument = self._directory.id(order.symbol)
        if isinstance(instrument, Unavailable):
            return _unsent(instrument, f"the id of {order.symbol}")
        if instrument is None:
            return Rejected("symbol", f"Robinhood does not know {order.symbol}; nothing was sent")
        collar, ask = self._settings.collar if self._settings.market_buys == "collar" else ZERO, None
        if collar and order.type is OrderType.MARKET and order.side is Side.BUY:
            ask = self._ask(order.symbol)
            if isinstance(ask, Rejected):
                return ask
        return wire.order_request(order, self._number, instrument, ask=ask, collar=collar)

    def _ask(self, symbol: str) -> Any:
        """What it costs now, or why the order is not sent."""
        reply = self._client.get(USER, f"{wire.API}/quotes/", {"symbols": symbol})
        if not isinstance(reply, Reply):
            return _unsent(unavailable(reply), f"the price of {symbol}")
        try:
            rows = Fields(reply.payload, "quotes").raw("results")
            price = wire.ask_price(rows[0]) if isinstance(rows, list) and rows else None
        except BadPayload as error:
            return _unsent(Unavailable("payload", str(error)), f"the price of {symbol}")
        return price or Rejected("price", f"nobody offers {symbol} now; nothing was sent")

    def cancel(self, ref: OrderRef) -> Outcome:
        """Asks for it; needs the order's id, and looks it up if it is not known yet."""
        venue_id = ref.venue_id or self._book.ids.get(ref.key)
        if venue_id is None:
            found = self._book.by_key(ref.key, self._settings.history_days, urgent=True)
            if isinstance(found, NotFound):
                return Rejected("not_found", found.reason)
            if isinstance(found, Unavailable):
                return Unknown(found.kind, f"the order's id could not be asked for: {found.reason}", found.retry_after)
            venue_id = found.venue_id
        reply = self._client.post(USER, "cancel", f"{ORDERS}{quote(venue_id, safe='')}/cancel/", {})
        if not isinstance(reply, Reply):
            return outcome(reply)
        if reply.payload == {} or (isinstance(reply.payload, dict) and reply.payload.get("id") == venue_id):
            return Accepted(venue_id)
        return Unknown("payload", "the answer to the cancel is none that Robinhood gives")

    # ---- money without a trade ---------------------------------------------------------------------------------------
    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        """Dividends, bank transfers, interest, subscriptions, and fees that orders tell of only as a whole."""
        found: list[CashEvent | None] = []
        sources: list[tuple[str, Callable[[Any], CashEvent | None]]] = [
            ("ach/transfers", money.transfer),
            ("ach/received/transfers", money.transfer),
            ("accounts/sweeps", money.sweep),
            ("cash_journal/margin_interest_charges", lambda row: money.charge(row, "interest")),
            ("subscription/subscription_fees", lambda row: money.charge(row, "fee")),
        ]
        rows = self._client.whole(USER, f"{wire.API}/dividends/", {}, "dividends")
        if isinstance(rows, Unavailable):
            return rows
        try:
            for row in rows:
                if self._book.foreign(row, "dividend"):
                    continue
                event = self._named(row, "dividend", money.dividend)
                if isinstance(event, Unavailable):
                    return event
                found.append(event)
            for path, read in sources:
                rows = self._client.whole(USER, f"{wire.API}/{path}/", {}, path)
                if isinstance(rows, Unavailable):
                    return rows
                found += [read(row) for row in rows]
            orders = self._book.since(since)
            if isinstance(orders, Unavailable):
                return orders
            found += [money.fees(row.payload, row.report.symbol) for row in orders]
        except BadPayload as error:
            return Unavailable("payload", str(error))
        return sorted((event for event in found if event and event.time >= since), key=lambda event: event.time)

    def _named(self, row: Any, where: str, read: Callable[[Any, str], T]) -> T | Unavailable:
        """A row that is about an instrument, read with its symbol."""
        try:
            symbol = self._directory.named(row, where)
            return symbol if isinstance(symbol, Unavailable) else read(row, symbol)
        except BadPayload as error:
            return Unavailable("payload", str(error))


def _unsent(trouble: Unavailable, what: str) -> Rejected:
    kind = trouble.kind if trouble.kind in ("rate_limited", "auth") else "refused"
    return Rejected(kind, f"{what} could not be asked for ({trouble.reason}); nothing was sent",
                    trouble.retry_after)  # fmt: skip
