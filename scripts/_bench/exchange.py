"""A venue that answers at once: an account in memory, so that what is measured is trader and not a venue."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from time import perf_counter

import msgspec
from trader.model import (
    ZERO,
    Accepted,
    Account,
    Fill,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    Outcome,
    Position,
)

from _bench.walks import CASH

CURRENCY = "USD"
TICK = Decimal("0.0001")


class Kept(msgspec.Struct):
    """An account as it is written to a file. `fills`: oldest first."""

    account: Account
    positions: list[Position]
    fills: list[Fill]
    count: int


class Exchange:
    """A Broker. Each order is accepted; with `parts` it is filled at once, at the price it was planned at, in so many
    executions, without it stays open. `submitted`: when the last order arrived, `perf_counter` seconds."""

    def __init__(self, started: datetime, *, parts: int = 0, cash: Decimal = Decimal(CASH)) -> None:
        self.parts, self.submitted = parts, 0.0
        self._account = Account("B1", "paper", CURRENCY, cash, cash, cash, False, started)
        self._held: dict[str, Decimal] = {}
        self._working: dict[str, OrderReport] = {}
        self._fills: list[Fill] = []
        self.count = 0

    def open(self) -> Account:
        return self._account

    def close(self) -> None:
        """Nothing is held open."""

    def key(self, client_id: str) -> str:
        return client_id

    def account(self) -> Account:
        return self._account

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        return [Instrument(symbol, tick=TICK) for symbol in symbols]

    def positions(self) -> Sequence[Position]:
        return [Position(symbol, units, ZERO) for symbol, units in self._held.items() if units]

    def orders(self) -> Sequence[OrderReport]:
        return list(self._working.values())

    def order(self, ref: OrderRef) -> OrderReport | NotFound:
        return self._working.get(ref.key) or NotFound(f"no order {ref.key}")

    def fills(self, since: datetime) -> Sequence[Fill]:
        return self._fills[bisect_left(self._fills, since, key=attrgetter("time")) :]

    def cancel(self, ref: OrderRef) -> Outcome:
        self._working.pop(ref.key, None)
        return Accepted(ref.venue_id)

    def submit(self, order: OrderRequest) -> Outcome:
        self.count += 1
        venue_id = str(self.count)
        report = OrderReport(
            order.key, venue_id, order.symbol, order.side, order.quantity, ZERO, OrderState.WORKING, order.decided_at
        )
        self._working[order.key] = report
        if self.parts:
            self._trade(report, order.price, self.parts)
        self.submitted = perf_counter()
        return Accepted(venue_id)

    def fill_all(self, price: Decimal) -> None:
        """Every open order is filled whole, at one price."""
        for report in list(self._working.values()):
            self._trade(report, price, 1)

    def _trade(self, order: OrderReport, price: Decimal, parts: int) -> None:
        first = order.quantity // parts
        for part in range(parts):
            units = first if part < parts - 1 else order.quantity - first * (parts - 1)
            name = f"{order.venue_id}-{part}"
            self._fills.append(
                Fill(name, order.key, order.venue_id, order.symbol, order.side, units, price, ZERO, order.time)
            )
        signed = order.quantity * order.side.sign
        self._held[order.symbol] = self._held.get(order.symbol, ZERO) + signed
        cash = self._account.cash - signed * price
        self._account = msgspec.structs.replace(self._account, cash=cash, settled_cash=cash)
        del self._working[order.key]

    # ---- a file of it ----------------------------------------------------------------------------------------------
    def keep(self, since: datetime) -> bytes:
        """The account, for `taken_up`; of its fills those at or after `since`. No order is open."""
        return msgspec.json.encode(Kept(self._account, list(self.positions()), list(self.fills(since)), self.count))

    @classmethod
    def taken_up(cls, text: bytes) -> Exchange:
        """The account that `keep` wrote."""
        kept = msgspec.json.decode(text, type=Kept)
        exchange = cls(kept.account.time)
        exchange._account, exchange._fills, exchange.count = kept.account, kept.fills, kept.count
        exchange._held = {position.symbol: position.quantity for position in kept.positions}
        return exchange
