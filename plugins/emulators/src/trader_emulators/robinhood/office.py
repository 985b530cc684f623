"""What the account shows: cash, equity, positions, and money that moved without a trade."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trader.model import ZERO, CashEvent, Position

from trader_emulators.http import Answer, Asked, Handler
from trader_emulators.robinhood.counter import BEGINNING, Counter
from trader_emulators.robinhood.links import NOT_FOUND, link, money, number, page, stamp, uuid_of

if TYPE_CHECKING:
    from trader_emulators.robinhood.emulator import RobinhoodEmulator

USD = "1072fc76-1862-41ab-82c2-485837590762"


class Office:
    """One brokerage account."""

    def __init__(self, emulator: RobinhoodEmulator, counter: Counter) -> None:
        self._emulator, self._counter = emulator, counter

    def accounts(self, asked: Asked) -> Answer:
        """GET /accounts/"""
        return page(asked, ["accounts"], [(1, self._account())], 10)

    def account(self, asked: Asked) -> Answer:
        """GET /accounts/{number}/"""
        return Answer(200, self._account()) if self._mine(asked) else NOT_FOUND

    def portfolios(self, asked: Asked) -> Answer:
        """GET /portfolios/"""
        return page(asked, ["portfolios"], [(1, self._portfolio())], 10)

    def portfolio(self, asked: Asked) -> Answer:
        """GET /portfolios/{number}/"""
        return Answer(200, self._portfolio()) if self._mine(asked) else NOT_FOUND

    def positions(self, asked: Asked) -> Answer:
        """GET /positions/?nonzero=true"""
        held = self._emulator.ask(self._emulator.venue.positions)
        rows = [(len(held) - place, self._position(position)) for place, position in enumerate(held)]
        return page(asked, ["positions"], rows, self._emulator.page_size)

    def events(self, *path: str, of: Callable[[CashEvent], bool], shape: Callable[[CashEvent], Any]) -> Handler:
        """GET of one kind of cash events."""

        def answer(asked: Asked) -> Answer:
            found = [event for event in self._emulator.ask(self._emulator.venue.cash_events, BEGINNING) if of(event)]
            rows = [(place, shape(event)) for place, event in enumerate(found, 1)]
            return page(asked, path, rows[::-1], self._emulator.page_size)

        return answer

    # ---- shapes ------------------------------------------------------------------------------------------------------
    def _mine(self, asked: Asked) -> bool:
        return asked.parts["number"] == self._emulator.account_number

    def _account(self) -> dict[str, Any]:
        account = self._emulator.ask(self._emulator.venue.account)
        shown, cash, held = self._emulator.account_number, money(account.cash), self._counter.cash_held()
        return {
            "url": link("accounts", shown),
            "account_number": shown,
            "type": "cash",
            "brokerage_account_type": "individual",
            "state": "active",
            "deactivated": False,
            "only_position_closing_trades": False,
            "withdrawal_halted": False,
            "deposit_halted": False,
            "portfolio_cash": cash,
            "cash": cash,
            "buying_power": money(max(account.cash - held, ZERO)),
            "cash_available_for_withdrawal": cash,
            "unsettled_funds": "0.0000",
            "uncleared_deposits": "0.0000",
            "cash_held_for_orders": money(held),
            "margin_balances": None,
            "cash_balances": {"cash": cash, "unsettled_funds": "0.0000", "uncleared_deposits": "0.0000"},
            "portfolio": link("accounts", shown, "portfolio"),
            "positions": link("accounts", shown, "positions"),
            "user": link("user"),
            "created_at": "2020-01-02T15:00:00.000000Z",
            "updated_at": stamp(account.time),
        }

    def _portfolio(self) -> dict[str, Any]:
        account = self._emulator.ask(self._emulator.venue.account)
        shown = self._emulator.account_number
        return {
            "url": link("portfolios", shown),
            "account": link("accounts", shown),
            "equity": money(account.equity),
            "extended_hours_equity": None,
            "market_value": money(account.equity - account.cash),
            "equity_previous_close": money(account.equity),
            "excess_margin": None,
            "withdrawable_amount": money(account.settled_cash),
        }

    def _position(self, position: Position) -> dict[str, Any]:
        shown, instrument = self._emulator.account_number, uuid_of("instrument", position.symbol)
        held = self._counter.shares_held(position.symbol)
        return {
            "url": link("positions", shown, instrument),
            "account": link("accounts", shown),
            "account_number": shown,
            "instrument": link("instruments", instrument),
            "instrument_id": instrument,
            "symbol": position.symbol,
            "quantity": number(position.quantity),
            "average_buy_price": number(position.price),
            "pending_average_buy_price": number(position.price),
            "intraday_average_buy_price": "0.0000",
            "intraday_quantity": "0.00000000",
            "shares_held_for_buys": "0.00000000",
            "shares_held_for_sells": number(held),
            "shares_held_for_stock_grants": "0.00000000",
        }

    def dividend(self, event: CashEvent) -> dict[str, Any]:
        """Paid out."""
        shown = uuid_of("cash", event.event_id)
        return {
            "id": shown,
            "url": link("dividends", shown),
            "account": link("accounts", self._emulator.account_number),
            "instrument": link("instruments", uuid_of("instrument", event.symbol or "")),
            "amount": number(event.amount, 2),
            "rate": "0.2500000000",
            "position": "1.00000000",
            "withholding": "0.00",
            "record_date": event.time.date().isoformat(),
            "payable_date": event.time.date().isoformat(),
            "paid_at": stamp(event.time),
            "state": "paid",
            "nra_withholding": "0",
            "drip_enabled": False,
        }

    def transfer(self, event: CashEvent) -> dict[str, Any]:
        """Between the account and a bank."""
        shown = uuid_of("cash", event.event_id)
        return {
            "id": shown,
            "url": link("ach", "transfers", shown),
            "amount": number(abs(event.amount), 2),
            "direction": "deposit" if event.amount > 0 else "withdraw",
            "state": "completed",
            "status_description": "",
            "fees": "0.00",
            "cancel": None,
            "scheduled": False,
            "expected_landing_date": event.time.date().isoformat(),
            "created_at": stamp(event.time),
            "updated_at": stamp(event.time),
        }

    def sweep(self, event: CashEvent) -> dict[str, Any]:
        """Interest that is paid on cash."""
        return {
            "id": uuid_of("cash", event.event_id),
            "amount": {"amount": number(event.amount, 2), "currency_code": "USD", "currency_id": USD},
            "direction": "credit",
            "reason": "interest_payment",
            "pay_date": stamp(event.time),
        }

    def charge(self, event: CashEvent) -> dict[str, Any]:
        """Interest or a subscription that is taken."""
        return {
            "id": uuid_of("cash", event.event_id),
            "amount": number(abs(event.amount), 2),
            "state": "completed",
            "created_at": stamp(event.time),
        }
