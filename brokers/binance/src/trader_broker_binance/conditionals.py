"""Conditional orders: another service with ids of its own, and what becomes of them in the plain one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from trader.model import Accepted, NotFound, OrderReport, OrderState, Outcome, Rejected, Unavailable, Unknown
from trader.wire import Trouble, outcome, unavailable

from trader_broker_binance import futures_wire, wire
from trader_broker_binance.futures_wire import Algo, Became
from trader_broker_binance.memory import Owner
from trader_broker_binance.names import CONDITIONAL, parts, venue_id
from trader_broker_binance.pages import milliseconds, windows
from trader_broker_binance.rest import TROUBLE

if TYPE_CHECKING:
    from trader_broker_binance.futures_broker import FuturesBroker

LOOK_BACK = timedelta(days=89)
WEEK = timedelta(days=7)
SLACK = timedelta(minutes=1)
PAGE = 100


class Conditionals:
    """Of one account."""

    def __init__(self, broker: FuturesBroker) -> None:
        self._broker = broker

    def note(self, became: Became) -> None:
        """From now on the plain order of this number is that conditional one."""
        name = venue_id(became.symbol, became.algo_id, CONDITIONAL)
        self._broker.memory.own(became.symbol, became.number, Owner(became.key, name))

    def _read(self, told: Any) -> Algo:
        algo = futures_wire.algo(told, self._broker.names)
        symbol, _, number = parts(algo.report.venue_id)
        self._broker.memory.sends(algo.report.key, conditional=True)
        if algo.became:
            self.note(Became(symbol, algo.report.key, number, algo.became))
        return algo

    def open(self, *, urgent: bool = False) -> list[OrderReport] | Trouble:
        """Those that wait for their price."""

        def read(told: Any) -> list[OrderReport]:
            reports = [self._read(row).report for row in wire.documents(told, "algos")]
            self._broker.touch({parts(report.venue_id)[0] for report in reports})
            return reports

        return self._broker.read(
            (self._broker.urge if urgent else self._broker.ask)("futures_get_open_algo_orders"), read
        )

    def _one(self, key: str, number: str, *, urgent: bool = False) -> Algo | Trouble:
        by = {"algoId": number} if number else {"clientAlgoId": key}
        ask = self._broker.urge if urgent else self._broker.ask
        return self._broker.read(ask("futures_get_algo_order", **by), self._read)

    def order(self, key: str, number: str) -> OrderReport | NotFound | Unavailable:
        """As it stands; once it was triggered, as the order stands that it became."""
        algo = self._one(key, number)
        if isinstance(algo, Rejected) and algo.kind == "not_found":
            return NotFound(algo.reason)
        if isinstance(algo, TROUBLE):
            return unavailable(algo)
        if not algo.became:
            return algo.report
        symbol = parts(algo.report.venue_id)[0]
        told = self._broker.ask("futures_get_order", symbol=symbol, orderId=algo.became)
        plain = self._broker.read(told, lambda order: futures_wire.order(order, self._broker.names))
        if isinstance(plain, Rejected) and plain.kind == "not_found":  # triggered a moment ago, or forgotten
            return algo.report if algo.report.state is OrderState.WORKING else NotFound(plain.reason)
        return unavailable(plain) if isinstance(plain, TROUBLE) else futures_wire.merged(algo.report, plain)

    def cancel(self, key: str, number: str) -> Outcome:
        """Here; where it was triggered before, in the plain service."""
        by = {"algoId": number} if number else {"clientAlgoId": key}
        gone = self._broker.read(
            self._broker.urge("futures_cancel_algo_order", **by),
            lambda told: futures_wire.canceled(told, key, number),
        )
        if not isinstance(gone, TROUBLE):
            return Accepted()
        if not (isinstance(gone, Rejected) and gone.kind == "not_found"):
            return outcome(gone)
        algo = self._one(key, number, urgent=True)
        if isinstance(algo, TROUBLE) and not (isinstance(algo, Rejected) and algo.kind == "not_found"):
            return Unknown("server", f"nobody knows whether it was triggered: {algo.reason}")
        if isinstance(algo, TROUBLE) or not algo.became:
            return outcome(gone)
        return self._broker.cancel_plain(parts(algo.report.venue_id)[0], {"orderId": algo.became})

    def learn(self, symbol: str) -> Trouble | None:
        """What the conditional orders of a symbol became."""
        now = self._broker.now()
        for first, last in windows(now - LOOK_BACK, now + SLACK, WEEK):
            trouble = self._window(symbol, first, last)
            if trouble is not None:
                return trouble
        return None

    def _window(self, symbol: str, first: int, last: int) -> Trouble | None:
        while True:
            told = self._broker.ask(
                "futures_get_all_algo_orders", symbol=symbol, startTime=str(first), endTime=str(last), limit=str(PAGE)
            )
            algos = self._broker.read(told, lambda rows: [self._read(row) for row in wire.documents(rows, "algos")])
            if isinstance(algos, TROUBLE):
                return algos
            if len(algos) < PAGE:
                return None
            first = max(first + 1, *(milliseconds(algo.report.time) for algo in algos))
