"""One MetaTrader 5 account behind the Broker protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from trader.errors import BadPayload, SettingsError
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
    Unavailable,
    Unknown,
)
from trader.protocols import Env
from trader.wire import AuthFailed, Fields, Trouble, outcome, unavailable

from trader_broker_mt5 import asks, wire
from trader_broker_mt5.history import History, items
from trader_broker_mt5.market import Market
from trader_broker_mt5.netting import Net, Netting
from trader_broker_mt5.settings import Settings
from trader_broker_mt5.sharing import credentials
from trader_broker_mt5.terminal import Failed, State, Terminal

T = TypeVar("T")
LOOKS = 3
"""So often an account is read that changes while it is read."""
HORIZON = timedelta(seconds=120)
"""After so long an order that the terminal does not show will not be there."""
RULES_HOLD = timedelta(seconds=10)
"""A symbol's steps and modes are not asked for again with every order."""


@dataclass(frozen=True, slots=True)
class Flight:
    """An order whose outcome nobody knows."""

    ref: OrderRef
    moment: datetime


class Mt5Broker:
    """One account; calls go to the terminal one at a time. Quantities are lots."""

    def __init__(self, settings: Settings, env: Env, terminal: Terminal) -> None:
        self._settings, self._env, self._terminal = settings, env, terminal
        self._market = Market(terminal, self, settings.symbols, env.now)
        self._login = 0
        self._hedging = False
        self._currency = ""
        self._known: dict[str, tuple[asks.Rules, datetime]] = {}
        self._flights: dict[str, Flight] = {}
        self._history = History(self._ask, self._market, terminal.time, env.now, settings.history_days)
        self._netting = Netting(self._history, self._market, settings.history_days)

    def __repr__(self) -> str:
        return f"Mt5Broker({self._env.name!r})"

    # ---- open and close ----------------------------------------------------------------------------------------------
    def open(self) -> Account | Unavailable:
        """Log in, learn the symbols, measure the server's clock. PluginBroken without the library."""
        self._terminal.join(self)
        self._history.begin()
        answer: Account | Unavailable | None = None
        try:
            answer = self._answer(self._open)
        finally:
            if not isinstance(answer, Account):
                self._terminal.leave(self)
        return answer

    def _open(self) -> Account:
        self._login = credentials(self._env).login
        account = self._account()
        self._market.load()
        time = self._terminal.time
        self._env.log.info("mt5_open", hedging=self._hedging, server_utc_offset=str(time.offset), measured=time.sure)
        if not time.sure:
            self._env.log.warning("mt5_server_time_unknown", todo="set server_timezone or server_utc_offset_hours")
        if "trade" not in account.permissions:
            self._env.log.warning("mt5_trading_is_off", todo="press Algo Trading in the terminal, or ask the broker")
        return account

    def close(self) -> None:
        """Leave the terminal as it is; a call that waits ends."""
        self._terminal.leave(self)

    def key(self, client_id: str) -> str:
        """The magic number."""
        return wire.magic(client_id)

    # ---- questions ---------------------------------------------------------------------------------------------------
    def account(self) -> Account | Unavailable:
        """Cash is balance and credit, in a hedging account with what its tickets would have realised if they netted;
        equity counts open positions."""
        return self._answer(self._account)

    def _account(self) -> Account:
        payload, state = self._ask("account_info")
        self._hedging, self._currency = wire.hedging(payload), Fields(payload, "account").text("currency")
        realised = ZERO
        if self._hedging:
            payload, state, nets = self._at_rest()
            realised = sum((net.cash for net in nets), ZERO)
        with suppress(Failed, BadPayload):  # the account was answered; the next question looks again
            self._market.look_at_the_clock()
        now = self._env.now() + timedelta(seconds=self._terminal.time.ahead)
        return wire.account(payload, now, trading=state.trading, realised=realised)

    def _at_rest(self) -> tuple[Any, State, Sequence[Net]]:
        """A hedging account and its tickets, of one moment."""
        for _ in range(LOOKS):
            tickets = self._tickets()
            payload, state = self._ask("account_info")
            if not tickets:
                return payload, state, ()
            nets = self._nets(tickets)
            if self._tickets() == tickets:
                return payload, state, nets
        raise Failed(Unknown("server", "the account's positions changed each time while it was read"))

    def _tickets(self) -> Sequence[wire.Ticket]:
        return wire.tickets(self._ask("positions_get")[0])

    def _nets(self, tickets: Sequence[wire.Ticket]) -> Sequence[Net]:
        return self._netting.of(tickets, self._env.now(), self._currency)

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        """() is all; who is unknown is left out."""
        return self._answer(lambda: self._instruments(symbols))

    def _instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        if not symbols:
            return self._market.load()
        found = []
        for symbol in symbols:
            name = self._market.name(symbol)
            if name is not None:
                found.append(wire.instrument(self._market.info(name), symbol))
        return found

    def positions(self) -> Sequence[Position] | Unavailable:
        """Net by symbol, whatever tickets the terminal has; the price is the average that goes with the cash."""
        return self._answer(self._positions)

    def _positions(self) -> Sequence[Position]:
        if self._hedging:
            nets = self._nets(self._tickets())
            return [Position(net.symbol, net.quantity, round(net.price, 10)) for net in nets if net.quantity]
        payload, _ = self._ask("positions_get")
        names = {one.name: self._market.symbol(one.name) for one in wire.tickets(payload)}
        return wire.positions(payload, names)

    def orders(self) -> Sequence[OrderReport] | Unavailable:
        """Pending ones, a person's too."""
        return self._answer(self._orders)

    def _orders(self) -> Sequence[OrderReport]:
        payload, _ = self._ask("orders_get")
        return [self._history.report(item) for item in items(payload, "orders")]

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        """By ticket, else by magic: among pending orders, the history's orders, positions and deals."""
        answer = self._answer(lambda: self._history.find(ref))
        if isinstance(answer, Unavailable):
            return answer
        flight = self._flight(ref.symbol)
        if flight is not None and flight.ref.key == ref.key and self._is_over(flight, answer):
            del self._flights[ref.symbol]
        return (
            answer
            if answer is not None
            else NotFound(
                f"no order {ref.venue_id or ''}, and none with magic {ref.key}, in {self._settings.history_days} days"
            )
        )

    def _is_over(self, flight: Flight, answer: OrderReport | None) -> bool:
        return answer is not None or self._env.now() - flight.moment >= HORIZON

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        """From the history's deals. Where the server's clock is not certain some older ones may come along: an
        execution is known by its id."""
        return self._answer(lambda: self._history.dated(since, wire.fill, self._currency))

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        """Deposits, credits, charges, interest, and the swap that a closing deal settles."""
        return self._answer(lambda: self._history.dated(since, wire.cash_event, self._currency))

    # ---- orders ------------------------------------------------------------------------------------------------------
    def submit(self, order: OrderRequest) -> Outcome:
        """One request, once. While an order in the symbol is unresolved there is no second one: the server would
        take a repetition as another order."""
        if self._in_doubt(order.symbol):
            stuck = self._flights[order.symbol].ref
            return Rejected("unresolved", f"not sent: what became of {stuck.client_id} in {order.symbol} is not known")
        try:
            request = self._request(order)
            if isinstance(request, Rejected):
                return request
            result = self._terminal.send(self, request, self._login)
            said = wire.result(result)
            ticket = wire.placed(result)
            if ticket is not None and isinstance(self.order(_ref(order, ticket)), OrderReport):
                said = Accepted(ticket)
        except Failed as failed:
            if not failed.sent:
                return _never(failed.trouble)
            said = outcome(failed.trouble)
        except BadPayload as bad:
            said = Unknown("payload", str(bad))
        if isinstance(said, Rejected) and said.kind == "rate_limited":
            self._terminal.allowance.wait(said.retry_after)
        if isinstance(said, Unknown):
            self._flights[order.symbol] = Flight(_ref(order), self._env.now())
        return said

    def _in_doubt(self, symbol: str) -> bool:
        """Whether an order's outcome is still unknown; an old one is looked up here."""
        flight = self._flight(symbol)
        if flight is not None and self._env.now() - flight.moment >= HORIZON:
            self.order(flight.ref)
        return symbol in self._flights

    def _flight(self, symbol: str) -> Flight | None:
        """The order in this symbol whose outcome nobody knows. Where our clock went back, it began now."""
        flight, now = self._flights.get(symbol), self._env.now()
        if flight is not None and flight.moment > now:
            flight = self._flights[symbol] = Flight(flight.ref, now)
        return flight

    def _request(self, order: OrderRequest) -> asks.Request | Rejected:
        """What is sent, from what the terminal says now. Failed with `sent` False."""
        try:
            name = self._market.name(order.symbol) if order.symbol else None
            if name is None:
                return Rejected("symbol", f"not sent: the broker has no symbol {order.symbol!r}")
            rules = self._rules(name, priced=order.type is OrderType.MARKET)
            held: Sequence[wire.Ticket] = ()
            if order.reduce_only or (self._hedging and order.type is OrderType.MARKET):
                held = wire.tickets(self._ask("positions_get", symbol=name)[0])
            request = asks.order_request(
                order, rules, held, hedging=self._hedging, deviation=self._settings.deviation_points
            )
            if isinstance(request, Rejected) or not self._settings.check_first:
                return request
            checked = wire.check(self._terminal.ask(self, "order_check", request)[0])
        except Failed as failed:
            raise Failed(failed.trouble, sent=False) from None
        except BadPayload as bad:
            raise Failed(Unknown("payload", str(bad)), sent=False) from None
        if isinstance(checked, Accepted):
            return request
        kind = checked.kind if isinstance(checked, Rejected) else "refused"
        return Rejected(kind, f"not sent: order_check says {checked.reason}")

    def _rules(self, name: str, *, priced: bool) -> asks.Rules:
        """A symbol's steps and modes, at most ten seconds old; `priced`: with the bid and ask of now."""
        known, moment = self._known.get(name, (None, None))
        now = self._env.now()
        if known is None or moment is None or priced or not timedelta(0) <= now - moment < RULES_HOLD:
            known = asks.rules(self._market.info(name))
            self._known[name] = known, now
        return known

    def cancel(self, ref: OrderRef) -> Outcome:
        """Of a pending order, by its ticket."""
        try:
            found = self._history.find(ref, urgent=True)
        except Failed as failed:
            return _never(failed.trouble)
        except BadPayload as bad:
            return Unknown("payload", str(bad))
        if found is None:
            return Rejected("not_found", f"not sent: no order with magic {ref.key}")
        if found.state not in (OrderState.WORKING, OrderState.CANCEL_SENT, OrderState.UNKNOWN):
            return Rejected("closed", f"not sent: order {found.venue_id} is {found.state}")
        return self._remove(found.venue_id)

    def _remove(self, venue_id: str) -> Outcome:
        try:
            request = asks.cancel_request(int(venue_id))
            said = wire.removal(self._terminal.send(self, request, self._login, urgent=True))
        except Failed as failed:
            return outcome(failed.trouble) if failed.sent else _never(failed.trouble)
        except BadPayload as bad:
            return Unknown("payload", str(bad))
        if isinstance(said, Rejected) and said.kind == "rate_limited":
            self._terminal.allowance.wait(said.retry_after)
        return said

    def cancel_all(self) -> Outcome:
        """Every pending order of the account, a person's too. What was over before its turn came does not count."""
        try:
            said = {ticket: self._remove(ticket) for ticket in self._pending()}
        except Failed as failed:
            return _never(failed.trouble)
        except BadPayload as bad:
            return Unknown("payload", str(bad))
        if any(isinstance(one, Rejected) for one in said.values()):
            with suppress(Failed, BadPayload):  # then every refusal counts
                left = self._pending()
                said = {ticket: one for ticket, one in said.items() if ticket in left or not isinstance(one, Rejected)}
        for kind in (Unknown, Rejected):
            for one in said.values():
                if isinstance(one, kind):
                    return one
        return Accepted()

    def _pending(self) -> list[str]:
        """The tickets of all orders that work."""
        payload, _ = self._ask("orders_get", urgent=True)
        return [Fields(item, "order").text("ticket") for item in items(payload, "orders")]

    # ---- asking ------------------------------------------------------------------------------------------------------
    def _ask(self, call: str, *args: Any, **more: Any) -> tuple[Any, State]:
        """About the account: answered by a terminal that is connected, and logged in to it."""
        value, state = self._terminal.ask(self, call, *args, state=True, **more)
        if state is None or state.login != self._login:
            who = "nobody" if state is None else f"account {state.login}"
            raise Failed(AuthFailed(f"in the terminal {who} is logged in, this is for account {self._login}"))
        return value, state

    def _answer(self, question: Callable[[], T]) -> T | Unavailable:
        try:
            return question()
        except Failed as failed:
            return unavailable(failed.trouble)
        except BadPayload as bad:
            return Unavailable("payload", str(bad))
        except SettingsError as problem:
            return Unavailable("auth", str(problem))


def _ref(order: OrderRequest, venue_id: str | None = None) -> OrderRef:
    return OrderRef(order.client_id, order.key, order.symbol, venue_id)


def _never(trouble: Trouble) -> Rejected | Unknown:
    """What to say of an order that did not go out."""
    said = outcome(trouble)
    if said.reason.startswith("not sent"):
        return said
    return type(said)(said.kind, f"not sent: {said.reason}", said.retry_after)
