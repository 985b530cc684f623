"""The terminal's functions of positions, orders and deals."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from trader.testing.emulation import Mishap

from trader_emulators.emulator import Unanswered
from trader_emulators.mt5 import estimates, requests
from trader_emulators.mt5.constants import REMOVE
from trader_emulators.mt5.dealing import HANDLED
from trader_emulators.mt5.gate import Gate
from trader_emulators.mt5.rows import named
from trader_emulators.mt5.server import Line
from trader_emulators.mt5.standing import Dealer
from trader_emulators.mt5.words import DISABLED, Refused, call_argument, moment

if TYPE_CHECKING:
    from trader_emulators.mt5.venue import Mt5Emulator

LATE_SECONDS = 2.0


class Trades(Gate):
    """What the account did and has, and what it is to do."""

    def __init__(self, emulator: Mt5Emulator, line: Line) -> None:
        super().__init__(emulator, line)
        self._dealer = Dealer(emulator, self._rows)

    def positions_total(self) -> Any:
        """How many are open."""
        return self._query(("positions",), lambda: len(self._rows.positions()))

    def positions_get(self, *, symbol: str = "", group: str = "", ticket: int = 0) -> Any:
        """Open positions, or those of a symbol, of a filter, of a ticket."""
        return self._query(("positions",), lambda: _chosen(self._rows.positions(), symbol, group, ticket))

    def orders_total(self) -> Any:
        """How many work."""
        return self._query(("orders", "order"), lambda: len(self._rows.orders()))

    def orders_get(self, *, symbol: str = "", group: str = "", ticket: int = 0) -> Any:
        """Working orders, or those of a symbol, of a filter, of a ticket."""
        return self._query(("orders", "order"), lambda: _chosen(self._rows.orders(), symbol, group, ticket))

    def history_orders_total(self, date_from: Any, date_to: Any) -> Any:
        """How many orders were closed within."""
        return self._query(("order",), lambda: len(self._closed(date_from, date_to, "", 0, 0)))

    def history_orders_get(self, date_from: Any = None, date_to: Any = None, *, group: str = "", ticket: int = 0,
                           position: int = 0) -> Any:  # fmt: skip
        """Orders that were closed within; or one by its ticket; or those of a position."""
        return self._query(("order",), self._closed, date_from, date_to, group, ticket, position)

    def _closed(self, since: Any, until: Any, group: str, ticket: int, position: int) -> tuple[Any, ...]:
        rows = self._rows.history_orders()
        if ticket or position:
            return tuple(row for row in rows if row.ticket == ticket or (position and row.position_id == position))
        first, last = moment(since, "date_from"), moment(until, "date_to")
        return named((row for row in rows if first <= row.time_done <= last), group)

    def history_deals_total(self, date_from: Any, date_to: Any) -> Any:
        """How many deals were made within."""
        return self._query(("fills", "cash_events"), lambda: len(self._deals(date_from, date_to, "", 0, 0)))

    def history_deals_get(self, date_from: Any = None, date_to: Any = None, *, group: str = "", ticket: int = 0,
                          position: int = 0) -> Any:  # fmt: skip
        """Deals within; or those of an order, by its ticket; or those of a position."""
        return self._query(("fills", "cash_events"), self._deals, date_from, date_to, group, ticket, position)

    def _deals(self, since: Any, until: Any, group: str, ticket: int, position: int) -> tuple[Any, ...]:
        rows = self._rows.deals()
        if ticket or position:
            return tuple(
                row for row in rows if (ticket and row.order == ticket) or (position and row.position_id == position)
            )
        first, last = moment(since, "date_from"), moment(until, "date_to")
        return named((row for row in rows if first <= row.time <= last), group)

    # ---- trading -----------------------------------------------------------------------------------------------------
    def order_calc_margin(self, action: int, symbol: str, volume: float, price: float) -> Any:
        """What a new position would bind, in the account's currency."""
        return self._query((), lambda: estimates.margin(action, self._spec(symbol), volume, price))

    def order_calc_profit(self, action: int, symbol: str, volume: float, price_open: float, price_close: float) -> Any:
        """What it would earn, in the account's currency."""
        return self._query((), lambda: estimates.profit(action, self._spec(symbol), volume, price_open, price_close))

    def order_check(self, request: dict[str, Any]) -> Any:
        """OrderCheckResult; its retcode is 0 if the order could be sent."""
        return self._query(
            (), lambda: estimates.check(self._emulator, self._rows, self._dealer, requests.read(request))
        )

    def order_send(self, request: dict[str, Any]) -> Any:
        """OrderSendResult; None where it did not get out, or nobody knows."""
        emulator = self._emulator
        asked = self._query((), self._read, request)
        if asked is None:
            return None
        mishap = emulator.arrived(*(("cancel", "cancel_all") if asked.action == REMOVE else ("submit",)))
        if mishap is None:
            try:
                with emulator.desk:
                    return self._dealer.handle(asked)
            except Unanswered as error:
                mishap = error.mishap
        elif mishap in HANDLED:
            self._do(asked)
        elif mishap is Mishap.LATE:
            threading.Thread(target=self._do_later, args=(asked,), name="mt5-late", daemon=True).start()
        if mishap in {Mishap.RESET, Mishap.RESET_AFTER}:
            self._line.cut()
        if mishap in {Mishap.LOST, Mishap.LOST_REPLY, Mishap.LATE}:
            emulator.wait(emulator.patience)
        return self._ask((), self._dealer.trouble, mishap, asked)

    def _read(self, request: Any) -> Any:
        if not self._emulator.api_trading:
            raise Refused(DISABLED, "Auto-Trading using Python API disabled in Terminal")
        return requests.read(request)

    def _do(self, asked: Any) -> None:
        with self._emulator.desk, contextlib.suppress(Unanswered):
            self._dealer.handle(asked)

    def _do_later(self, asked: Any) -> None:
        if self._emulator.wait(LATE_SECONDS):
            self._do(asked)


def _chosen(rows: list[Any], symbol: str, group: str, ticket: int) -> tuple[Any, ...]:
    call_argument(symbol, str, "symbol")
    call_argument(group, str, "group")
    call_argument(ticket, int, "ticket")
    kept = [row for row in rows if (not symbol or row.symbol == symbol) and (not ticket or row.ticket == ticket)]
    return named(kept, group)
