"""The spot account: what is held of each asset is a position in its pair with the quote currency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from msgspec import structs
from trader.model import (
    Accepted,
    Account,
    CashEvent,
    Fill,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    Outcome,
    Position,
    Rejected,
    Reset,
    Unavailable,
)
from trader.protocols import Env
from trader.wire import Trouble, outcome, unavailable

from trader_broker_binance import asked, wire
from trader_broker_binance.base import PAGE, BinanceBroker
from trader_broker_binance.cash import Cash
from trader_broker_binance.memory import Owner
from trader_broker_binance.names import parts
from trader_broker_binance.pages import milliseconds
from trader_broker_binance.rest import TROUBLE, Answer
from trader_broker_binance.settings import SpotSettings
from trader_broker_binance.troubles import Product
from trader_broker_binance.wire import Balances, Ended


class SpotBroker(BinanceBroker):
    """One spot account at Binance."""

    product: ClassVar[Product] = "spot"

    def __init__(self, settings: SpotSettings, env: Env) -> None:
        super().__init__(settings, env)
        self.settings = settings
        self.money = Cash(self)
        self._marks: dict[str, Decimal] = {}

    # ---- the account -------------------------------------------------------------------------------------------------
    def prepare(self) -> Trouble | Unavailable | None:
        """What the key may do. The testnet has no such endpoint, and the library would send its keys to mainnet."""
        if not self.has_wallet:
            self.rights = ()
            return None
        rights = self.read(self.ask("get_account_api_permissions"), wire.restrictions)
        if isinstance(rights, TROUBLE):
            return rights
        self.rights = rights
        return None

    @property
    def has_wallet(self) -> bool:
        """Whether /sapi is there: permissions, deposits, withdrawals."""
        return self.settings.environment == "mainnet" or bool(self.settings.url)

    def account(self) -> Account | Unavailable:
        """Cash is the quote currency, free and locked; equity adds the positions at the middle of bid and ask."""
        held = self._balances()
        if isinstance(held, Unavailable):
            return held
        balances, answer = held
        prices = self._prices(self._counted(balances))
        if isinstance(prices, TROUBLE):
            return unavailable(prices)
        return structs.replace(
            wire.account(
                answer, currency=self.settings.quote, prices=prices, time=self.now(), kind=self.kind,
                permissions=self.rights,
            ),
            account_id=balances.uid or "spot",
        )  # fmt: skip

    def positions(self) -> Sequence[Position] | Unavailable:
        """Price is the middle of bid and ask now: the venue does not know what was paid."""
        held = self._balances()
        if isinstance(held, Unavailable):
            return held
        counted = self._counted(held[0])
        prices = self._prices(counted)
        if isinstance(prices, TROUBLE):
            return unavailable(prices)
        return [
            Position(self._pair(asset), total, prices.get(asset, Decimal(0)))
            for asset, total in sorted(counted.items())
        ]

    def _balances(self) -> tuple[Balances, Answer] | Unavailable:
        answer = self.ask("get_account")
        read = self.read(answer, wire.balances)
        if isinstance(read, TROUBLE):
            return unavailable(read)
        self.touch(self.names.theirs(self._pair(asset)) for asset in self._counted(read))
        return read, answer

    def _pair(self, asset: str) -> str:
        return f"{asset}/{self.settings.quote}"

    def _counted(self, balances: Balances) -> dict[str, Decimal]:
        """The balances that are positions of the book."""
        chosen = set(self.settings.symbols)
        known = self.memory.sent if chosen else set()
        return {
            asset: total
            for asset, total in balances.totals.items()
            if total and asset != self.settings.quote and asset not in self.settings.leave_out
            and self.lists(pair := self._pair(asset))
            and (not chosen or pair in chosen or self.names.theirs(pair) in known)
        }  # fmt: skip

    def _prices(self, counted: dict[str, Decimal]) -> dict[str, Decimal] | Trouble:
        """Asset -> its price in the quote currency, the last one where nobody quotes it now; one question, none if
        nothing is held."""
        if not counted:
            return {}
        names = {asset: self.names.theirs(self._pair(asset)) for asset in counted}
        one = {"symbol": next(iter(names.values()))} if len(names) == 1 else {}
        marks = self.read(self.rest.ask("get_orderbook_tickers", one, signed=False), wire.marks)
        if isinstance(marks, TROUBLE):
            return marks
        self._marks |= marks
        return {asset: self._marks[name] for asset, name in names.items() if name in self._marks}

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        """Deposits and withdrawals that are done, and distributions, in the quote currency. Of another asset they are
        a position that changed. None on the testnet: it has no such lists, and its keys must not go to mainnet's."""
        if not self.has_wallet:
            return ()
        events = self.money.since(since)
        return unavailable(events) if isinstance(events, TROUBLE) else events

    # ---- orders ------------------------------------------------------------------------------------------------------
    def orders(self) -> Sequence[OrderReport] | Unavailable:
        """All open orders, of every symbol."""
        reports = self.read(self.ask("get_open_orders"), self._reports)
        return unavailable(reports) if isinstance(reports, TROUBLE) else reports

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        """By the venue's number, else by newClientOrderId."""
        named = self.named_by(ref)
        if named is None:
            return NotFound(f"{ref.venue_id} is no order of the spot market")
        symbol, number = named
        by = {"orderId": number} if number else {"origClientOrderId": ref.key}
        return self.found(self.ask("get_order", symbol=symbol, **by), self._report)

    def _report(self, told: Any) -> OrderReport:
        report = wire.order(told, self.names)
        symbol, _, number = parts(report.venue_id)
        self.memory.own(symbol, number, Owner(report.key, report.venue_id))
        return report

    def _reports(self, told: Any) -> list[OrderReport]:
        reports = [self._report(one) for one in wire.documents(told, "orders")]
        self.touch({parts(report.venue_id)[0] for report in reports})
        return reports

    def submit(self, order: OrderRequest) -> Outcome:
        """One request, never a second one; newClientOrderId is the key."""
        symbol = self.names.theirs(order.symbol)
        params = asked.spot_request(order, symbol)
        refused = params if isinstance(params, Rejected) else self.noted(symbol)
        if isinstance(params, Rejected) or refused is not None:
            return refused or Rejected("refused", "not sent")
        self.memory.sends(order.key)
        answer = self.ask("create_order", **params)
        told = self.accepted(answer, symbol, order.key, id_field="orderId", key_field="clientOrderId", space="")
        if isinstance(told, Accepted) and told.venue_id is not None:
            self.memory.own(symbol, parts(told.venue_id)[2], Owner(order.key, told.venue_id))
        return told

    def cancel(self, ref: OrderRef) -> Outcome:
        """Rejected("not_found") also where it has ended: `order` tells which."""
        named = self.named_by(ref)
        if named is None:
            return Rejected("not_found", f"{ref.venue_id} is no order of the spot market")
        symbol, number = named
        by = {"orderId": number} if number else {"origClientOrderId": ref.key}
        gone = self.read(self.urge("cancel_order", symbol=symbol, **by), self._report)
        return outcome(gone) if isinstance(gone, TROUBLE) else Accepted(gone.venue_id)

    def cancel_all(self) -> Outcome:
        """Symbol by symbol: those with open orders; where the venue does not list them, all that were ever traded."""
        listed = self.read(self.urge("get_open_orders"), self._reports)
        first: Outcome | None = None
        if isinstance(listed, TROUBLE):
            first, symbols = outcome(listed), self.memory.symbols
        else:
            symbols = {parts(report.venue_id)[0] for report in listed}
        for symbol in sorted(symbols):
            gone = self.read(self.urge("cancel_all_open_orders", symbol=symbol), _several)
            if isinstance(gone, TROUBLE) and not (isinstance(gone, Rejected) and gone.kind == "not_found"):
                first = first or outcome(gone)
        return first or Accepted()

    # ---- executions --------------------------------------------------------------------------------------------------
    def traded(self, since: datetime) -> set[str] | Trouble:  # noqa: ARG002 - of the base
        """Named in the settings, traded by us, held now or at any look before; see the README."""
        chosen = {self.names.theirs(symbol) for symbol in self.settings.symbols}
        if not chosen:
            held = self.read(self.ask("get_account"), wire.balances)
            if isinstance(held, TROUBLE):
                return held
            self.touch(self.names.theirs(self._pair(asset)) for asset in self._counted(held))
        listed = {self.names.theirs(symbol) for symbol in self.names.symbols if self.lists(symbol)}
        return (chosen | (self.memory.sent if chosen else self.memory.symbols)) & listed

    def read_trades(self, symbol: str, start: datetime) -> Sequence[Fill] | Trouble:
        """By time to begin with, then by id, for a page ends inside a millisecond."""
        trades: list[Fill] = []
        where = {"startTime": str(milliseconds(start))}
        while True:
            told = self.ask("get_my_trades", symbol=symbol, limit=str(PAGE), **where)
            page = self.read(told, lambda rows: [wire.fill(row, self.names) for row in wire.documents(rows, "trades")])
            if isinstance(page, TROUBLE):
                return page
            trades += page
            if len(page) < PAGE:
                return trades
            where = {"fromId": str(max(int(fill.execution_id) for fill in page) + 1)}

    def read_owners(self, symbol: str, numbers: set[str]) -> Trouble | None:
        """allOrders from the first of them on; it lists every order that ever filled."""
        missing, first = set(numbers), min(int(number) for number in numbers)
        while missing:
            told = self.ask("get_all_orders", symbol=symbol, orderId=str(first), limit=str(PAGE))
            page = self.read(told, self._reports)
            if isinstance(page, TROUBLE):
                return page
            found = {parts(report.venue_id)[2] for report in page}
            missing -= found
            if len(page) < PAGE:
                return None
            first = max(int(number) for number in found) + 1
        return None

    # ---- the stream --------------------------------------------------------------------------------------------------
    def events(self, payload: Any) -> Iterable[Fill | OrderReport | Account | Reset]:
        """An execution has the trade's id here as in myTrades."""
        for event in wire.stream_event(payload, self.names):
            if isinstance(event, Ended):
                yield Reset(event.reason)
                continue
            if isinstance(event, OrderReport):
                symbol, _, number = parts(event.venue_id)
                self.memory.own(symbol, number, Owner(event.key, event.venue_id))
                self.touch([symbol])
            yield event


def _several(told: Any) -> int:
    return len(wire.documents(told, "canceled"))
