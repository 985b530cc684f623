"""The venue's dead-man's switch: it cancels the plain orders of a symbol when it has not heard of us for so long."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from trader.wire import Trouble

from trader_broker_binance.names import parts
from trader_broker_binance.rest import TROUBLE

if TYPE_CHECKING:
    from datetime import datetime

    from trader_broker_binance.futures_broker import FuturesBroker


class DeadMan:
    """Set for each symbol in which an order of ours was placed, renewed by whoever asks for account or positions."""

    def __init__(self, broker: FuturesBroker, seconds: float) -> None:
        self._broker, self._seconds = broker, seconds
        self._lock = Lock()
        self._symbols: set[str] = set()
        self._renewed: datetime | None = None

    def watch(self, symbol: str) -> None:
        """An order was placed in this symbol: it is set at the next look, and from then on renewed."""
        if self._seconds:
            with self._lock:
                if symbol not in self._symbols:
                    self._symbols.add(symbol)
                    self._renewed = None

    def take_over(self) -> Trouble | None:
        """Orders of an earlier process have its countdown, and nobody renews it but we."""
        if not self._seconds:
            return None
        open_orders = self._broker.read(self._broker.ask("futures_get_open_orders"), self._broker.reports)
        if isinstance(open_orders, TROUBLE):
            return open_orders
        for report in open_orders:
            self.watch(parts(report.venue_id)[0])
        return None

    def renew(self) -> None:
        """If a third of the time is over. A refusal is told, and keeps nobody from asking what he came for."""
        now = self._broker.env.now()
        with self._lock:
            # Also where our clock went back.
            fresh = self._renewed is not None and 0 <= (now - self._renewed).total_seconds() < self._seconds / 3
            if not self._symbols or fresh:
                return
            symbols, self._renewed = sorted(self._symbols), now
        for symbol in symbols:
            told = self._broker.urge(
                "futures_countdown_cancel_all",
                symbol=symbol,
                countdownTime=str(int(self._seconds * 1_000)),
            )
            if isinstance(told, TROUBLE):
                with self._lock:
                    self._renewed = None
                self._broker.env.log.warning("dead_man_not_renewed", symbol=symbol, reason=told.reason)
