"""The USD-M futures account, in one-way mode. Orders live in two spaces of ids: plain ones, and conditional ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
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

from trader_broker_binance import asked, futures_wire, wire
from trader_broker_binance.base import PAGE, BinanceBroker
from trader_broker_binance.conditionals import Conditionals
from trader_broker_binance.deadman import DeadMan
from trader_broker_binance.history import History
from trader_broker_binance.memory import Owner
from trader_broker_binance.names import CONDITIONAL, OURS, parts
from trader_broker_binance.pages import whole, windows
from trader_broker_binance.rest import TROUBLE
from trader_broker_binance.settings import FuturesSettings
from trader_broker_binance.troubles import Product
from trader_broker_binance.wire import Ended

WEEK = timedelta(days=7)
TRADES_KEPT, INCOME_KEPT = timedelta(days=180), timedelta(days=89)
"""The venue shows no older ones."""
SLACK = timedelta(minutes=1)
UNCHANGED = "(-4046)"


class FuturesBroker(BinanceBroker):
    """One USD-M futures account at Binance."""

    product: ClassVar[Product] = "futures"

    def __init__(self, settings: FuturesSettings, env: Env) -> None:
        super().__init__(settings, env)
        self.settings = settings
        self.conditionals = Conditionals(self)
        self.dead_man = DeadMan(self, settings.dead_man_seconds)
        self.money: History[CashEvent] = History(self.now)
        self._account_id = ""

    # ---- the account -------------------------------------------------------------------------------------------------
    def prepare(self) -> Trouble | Unavailable | None:
        """Whose account it is, what the key may do, one-way mode, leverage and margin type."""
        alias = self.read(self.ask("futures_account_balance"), futures_wire.alias)
        if isinstance(alias, TROUBLE):
            return alias
        self._account_id = alias
        hedged = self.read(self.ask("futures_get_position_mode"), futures_wire.hedged)
        if isinstance(hedged, TROUBLE):
            return hedged
        if hedged:
            return Unavailable(
                "refused",
                "The account is in hedge mode, where a symbol has a long and a short side by side; a book has one"
                " position a symbol. Switch it to one-way mode (Preferences, Position Mode) while nothing is open.",
            )
        # The testnet has no such endpoint, and the library would send its keys to mainnet.
        if self.settings.environment == "mainnet" or self.settings.url:
            rights = self.read(self.ask("get_account_api_permissions"), lambda told: wire.restrictions(told, "futures"))
            if isinstance(rights, TROUBLE):
                return rights
            self.rights = rights
        return self._dials() or self.dead_man.take_over()

    def _dials(self) -> Trouble | None:
        """Leverage and margin type of the symbols in the settings."""
        settings = self.settings
        for symbol in (self.names.theirs(one) for one in settings.symbols):
            if settings.margin_type is not None:
                told = self.ask("futures_change_margin_type", symbol=symbol, marginType=settings.margin_type.upper())
                if isinstance(told, TROUBLE) and UNCHANGED not in told.reason:
                    return told
            if settings.leverage is not None:
                told = self.ask("futures_change_leverage", symbol=symbol, leverage=str(settings.leverage))
                if isinstance(told, TROUBLE):
                    return told
        return None

    def account(self) -> Account | Unavailable:
        """Cash is the wallet (profit of closed trades in it), equity the margin balance, in the quote currency."""
        self.dead_man.renew()
        account = self.read(
            self.ask("futures_account"),
            lambda told: futures_wire.account(
                told, currency=self.settings.quote, account_id=self._account_id, time=self.now(), kind=self.kind,
                permissions=self.rights,
            ),
        )  # fmt: skip
        return unavailable(account) if isinstance(account, TROUBLE) else account

    def positions(self) -> Sequence[Position] | Unavailable:
        """What is held, at its entry price."""
        self.dead_man.renew()
        held = self._held()
        return unavailable(held) if isinstance(held, TROUBLE) else held

    def _held(self) -> list[Position] | Trouble:
        def read(told: Any) -> list[Position]:
            rows = wire.documents(told, "positions")
            held = [one for row in rows if (one := futures_wire.position(row, self.names)).quantity]
            self.touch(self.names.theirs(one.symbol) for one in held)
            return held

        return self.read(self.ask("futures_position_information"), read)

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        """Funding, transfers and the like, in the last three months; profit and fees of trades are not among them."""
        events = self._income(since)
        return unavailable(events) if isinstance(events, TROUBLE) else events

    def _income(self, since: datetime) -> Sequence[CashEvent] | Trouble:
        start = max(since, self.now() - INCOME_KEPT)
        events = self.money.since("", start, self._read_income)
        if isinstance(events, TROUBLE):
            return events
        return sorted((one for one in events if one.time >= since), key=lambda one: (one.time, one.event_id))

    def _read_income(self, _: str, start: datetime) -> Sequence[CashEvent] | Trouble:
        """It names every symbol that paid a fee: those are asked for trades."""

        def page(first: int, last: int) -> tuple[list[CashEvent], int, datetime | None] | Trouble:
            told = self.ask("futures_income_history", startTime=str(first), endTime=str(last), limit=str(PAGE))
            return self.read(told, self._income_page)

        found: dict[str, CashEvent] = {}
        for first, last in windows(start, self.now() + SLACK, WEEK):
            events = whole(first, last, PAGE, page)
            if isinstance(events, TROUBLE):
                return events
            found |= {event.event_id: event for event in events}
        return list(found.values())

    def _income_page(self, told: Any) -> tuple[list[CashEvent], int, datetime | None]:
        rows = wire.documents(told, "income")
        about = [futures_wire.income_row(row) for row in rows]
        self.touch({symbol for symbol, _ in about if symbol})
        events = [event for row in rows if (event := futures_wire.income(row, self.names)) is not None]
        return events, len(rows), max((moment for _, moment in about), default=None)

    # ---- orders ------------------------------------------------------------------------------------------------------
    def orders(self) -> Sequence[OrderReport] | Unavailable:
        """The open ones of both spaces. What a conditional order became is shown as that conditional order."""
        waiting = self.conditionals.open()
        if isinstance(waiting, TROUBLE):
            return unavailable(waiting)
        plain = self.read(self.ask("futures_get_open_orders"), self.reports)
        if isinstance(plain, TROUBLE):
            return unavailable(plain)
        ids = {report.venue_id for report in waiting}
        return [*waiting, *(report for report in plain if report.venue_id not in ids)]

    def report(self, told: Any) -> OrderReport:
        """A plain order, under the name of the conditional order that it was. Remembered where its key is one of ours:
        a stranger's may be a conditional order that was triggered a moment ago, which `read_owners` asks."""
        report = futures_wire.order(told, self.names)
        symbol, _, number = parts(report.venue_id)
        owner = self.memory.owner(symbol, number)
        if owner is None:
            owner = Owner(report.key, report.venue_id)
            if self.is_ours(report.key):
                self.memory.own(symbol, number, owner)
        return structs.replace(report, key=owner.key, venue_id=owner.venue_id)

    def reports(self, told: Any) -> list[OrderReport]:
        """A list of plain orders."""
        reports = [self.report(one) for one in wire.documents(told, "orders")]
        self.touch({parts(report.venue_id)[0] for report in reports})
        return reports

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        """By the venue's number in its own space; a key that this process did not send is looked for in both."""
        algo = self.named_by(ref, CONDITIONAL)
        if ref.venue_id is None and not self.memory.is_conditional(ref.key):
            plain = self._plain(ref)
            return self.conditionals.order(ref.key, "") if isinstance(plain, NotFound) else plain
        return self.conditionals.order(ref.key, algo[1]) if algo is not None else self._plain(ref)

    def _plain(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        symbol, number = self.named_by(ref) or ("", "")
        by = {"orderId": number} if number else {"origClientOrderId": ref.key}
        return self.found(self.ask("futures_get_order", symbol=symbol, **by), self.report)

    def submit(self, order: OrderRequest) -> Outcome:
        """One request: to the plain service, or to the one for conditional orders."""
        symbol = self.names.theirs(order.symbol)
        params = asked.futures_request(order, symbol)
        refused = params if isinstance(params, Rejected) else self.noted(symbol)
        if isinstance(params, Rejected) or refused is not None:
            return refused or Rejected("refused", "not sent")
        waits = asked.conditional(order)
        self.memory.sends(order.key, conditional=waits)
        answer = self.ask("futures_create_order", **params)
        id_field, key_field = ("algoId", "clientAlgoId") if waits else ("orderId", "clientOrderId")
        space = CONDITIONAL if waits else ""
        told = self.accepted(answer, symbol, order.key, id_field=id_field, key_field=key_field, space=space)
        if isinstance(told, Accepted) and told.venue_id is not None:
            self.dead_man.watch(symbol)
            if not waits:
                self.memory.own(symbol, parts(told.venue_id)[2], Owner(order.key, told.venue_id))
        return told

    def cancel(self, ref: OrderRef) -> Outcome:
        """In the space where the order is; a conditional order that was triggered is in both."""
        algo = self.named_by(ref, CONDITIONAL)
        if ref.venue_id is None and not self.memory.is_conditional(ref.key):
            gone = self._cancel_plain(ref)
            missing = isinstance(gone, Rejected) and gone.kind == "not_found"
            return self.conditionals.cancel(ref.key, "") if missing else gone
        return self.conditionals.cancel(ref.key, algo[1]) if algo is not None else self._cancel_plain(ref)

    def _cancel_plain(self, ref: OrderRef) -> Outcome:
        symbol, number = self.named_by(ref) or ("", "")
        return self.cancel_plain(symbol, {"orderId": number} if number else {"origClientOrderId": ref.key})

    def cancel_plain(self, symbol: str, by: dict[str, str]) -> Outcome:
        """One plain order."""
        gone = self.read(self.urge("futures_cancel_order", symbol=symbol, **by), self.report)
        return outcome(gone) if isinstance(gone, TROUBLE) else Accepted(gone.venue_id)

    def cancel_all(self) -> Outcome:
        """Plain and conditional, symbol by symbol: those with open orders, and all where the venue does not list. Where
        conditional ones wait they go first: one that is triggered meanwhile is a plain order then."""
        listed = [
            self.read(self.urge("futures_get_open_orders"), self.reports),
            self.conditionals.open(urgent=True),
        ]
        first: Outcome | None = None
        symbols: set[str] = set()
        waiting: set[str] = set()
        for answer in listed:
            if isinstance(answer, TROUBLE):
                first, waiting = first or outcome(answer), self.memory.symbols
            else:
                waiting = {parts(report.venue_id)[0] for report in answer}
            symbols |= waiting
        methods = ("futures_cancel_all_open_orders", "futures_cancel_all_algo_open_orders")
        for symbol in sorted(symbols):
            for method in reversed(methods) if symbol in waiting else methods:
                gone = self.read(self.urge(method, symbol=symbol), futures_wire.done)
                if isinstance(gone, TROUBLE) and not (isinstance(gone, Rejected) and gone.kind == "not_found"):
                    first = first or outcome(gone)
        return first or Accepted()

    # ---- executions --------------------------------------------------------------------------------------------------
    def traded(self, since: datetime) -> set[str] | Trouble:
        """Named in the settings, traded by us, held now, or in what the account earned and paid since."""
        income = self._income(since)
        if isinstance(income, TROUBLE):
            return income
        held = self._held()
        if isinstance(held, TROUBLE):
            return held
        return self.memory.symbols | {self.names.theirs(symbol) for symbol in self.settings.symbols}

    def read_trades(self, symbol: str, start: datetime) -> Sequence[Fill] | Trouble:
        """By windows of a week, as far back as the venue goes."""

        def read(told: Any) -> tuple[list[Fill], int, datetime | None]:
            fills = [futures_wire.fill(row, self.names) for row in wire.documents(told, "trades")]
            return fills, len(fills), max((fill.time for fill in fills), default=None)

        def page(first: int, last: int) -> tuple[list[Fill], int, datetime | None] | Trouble:
            told = self.ask(
                "futures_account_trades", symbol=symbol, startTime=str(first), endTime=str(last), limit=str(PAGE)
            )
            return self.read(told, read)

        found: dict[str, Fill] = {}
        begin = max(start, self.now() - TRADES_KEPT)
        for first, last in windows(begin, self.now() + SLACK, WEEK):
            fills = whole(first, last, PAGE, page)
            if isinstance(fills, TROUBLE):
                return fills
            found |= {fill.execution_id: fill for fill in fills}
        return list(found.values())

    def read_owners(self, symbol: str, numbers: set[str]) -> Trouble | None:
        """First what conditional orders became, then the plain orders themselves."""
        trouble = self.conditionals.learn(symbol)
        if trouble is not None:
            return trouble
        for number in sorted(number for number in numbers if self.memory.owner(symbol, number) is None):
            told = self.read(self.ask("futures_get_order", symbol=symbol, orderId=number), self.report)
            if isinstance(told, OrderReport):
                self.memory.own(symbol, number, Owner(told.key, told.venue_id))
            elif not (isinstance(told, Rejected) and told.kind == "not_found"):
                return told
        return None

    def is_ours(self, key: str) -> bool:
        """Whether a key is one that this process or an earlier one gave."""
        return self.memory.is_ours(key) or OURS.fullmatch(key) is not None

    # ---- the stream --------------------------------------------------------------------------------------------------
    def events(self, payload: Any) -> Iterable[Fill | OrderReport | Account | Reset]:
        """A trade of an order whose owner is not certain is no Fill here: it could be a conditional order's, under
        another name. The queries know; the Reset makes somebody ask."""
        became = futures_wire.became(payload)
        if became is not None:
            self.conditionals.note(became)
        for event in futures_wire.stream_event(payload, self.names):
            if isinstance(event, Ended):
                yield Reset(event.reason)
                continue
            symbol, space, number = parts(event.venue_id)
            self.touch([symbol])
            if space:
                yield event
                continue
            owner = self.memory.owner(symbol, number)
            if owner is None and not self.is_ours(event.key):
                yield Reset(f"order {number} of {symbol} is not known here")
                return
            owner = owner or Owner(event.key, event.venue_id)
            yield structs.replace(event, key=owner.key, venue_id=owner.venue_id)
