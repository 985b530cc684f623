"""What must hold between the journal and the venue once all is quiet, and the figures of it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from crash_harness.truth import Truth
from sqlalchemy import select
from trader.store import reading
from trader.store.chain import verify_chain
from trader.store.database import Store
from trader.store.schema import order_event

NEVER = frozenset({"denied", "not_sent", "rejected", "absent"})
"""States of an order that the venue never had."""
OVER = frozenset({"filled", "canceled", "expired"})
"""States of an order that the venue had."""


@dataclass
class Figures:
    """One line: what was counted, and `faults`, a sentence for each thing that does not hold."""

    orders: int = 0
    fills: int = 0
    orphans: int = 0
    duplicates: int = 0
    lost: int = 0
    doubled: int = 0
    positions_equal: bool = True
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        equal = "yes" if self.positions_equal else "NO"
        return (
            f"orders {self.orders}, fills {self.fills}, orphans {self.orphans}, duplicates {self.duplicates},"
            f" lost fills {self.lost}, position equal {equal}"
        )


def check(store: Store, truth: Truth) -> Figures:
    """Compare everything; nothing works any more on either side."""
    rows = {row["key"]: row for row in reading.orders(store)}
    figures = Figures(orders=len(truth.accepted), fills=len(truth.fills))
    figures.faults += _orders(rows, truth, figures)
    figures.faults += _turned_up(store)
    figures.faults += _fills(store, truth, figures)
    figures.faults += _account(store, truth, figures)
    broken = verify_chain(store)
    if broken is not None:
        figures.faults.append(f"the chain is broken at event {broken}")
    if store.path is not None:
        figures.faults += integrity(store.path)
    return figures


def _orders(rows: dict[str, Any], truth: Truth, figures: Figures) -> Iterator[str]:
    """No order without a row, no two orders of a row, every row at its end, and no byte that was not journalled."""
    there = Counter(key for key, _ in truth.accepted)
    filled: Counter[str] = Counter()
    for fill in truth.fills:
        filled[fill.key] += fill.quantity  # type: ignore[assignment]  # a sum of Decimals
    orphans = [key for key in there if key not in rows]
    doubles = [key for key, count in there.items() if count > 1]
    figures.orphans, figures.duplicates = len(orphans), len(doubles)
    yield from (f"order {key} is at the venue and has no row" for key in orphans)
    yield from (f"{there[key]} orders {key} are at the venue" for key in doubles)
    yield from (f"a submit of {key} reached the venue and it has no row" for key in {*truth.requests} - {*rows})
    yield from (f"order {order.key} still works at the venue" for order in truth.working)
    for key, row in rows.items():
        if row["state"] not in (OVER if key in there else NEVER):
            yield f"order {key} is {row['state']} here; the venue {'has' if key in there else 'never had'} it"
        if row["filled"] != filled[key]:
            yield f"order {key} is filled {row['filled']} here, {filled[key]} at the venue"


def _turned_up(store: Store) -> Iterator[str]:
    """What was called absent must never be there: the horizon is longer than anything is late here."""
    event = order_event.c
    absent: set[str] = set()
    with store.reading() as connection:
        for client_id, state in connection.execute(
            select(event.client_id, event.state).where(event.kind == "moved").order_by(event.seq)
        ):
            if client_id in absent:
                yield f"order {client_id} was taken for absent and turned up"
            absent |= {client_id} if state == "absent" else set()


def _fills(store: Store, truth: Truth, figures: Figures) -> Iterator[str]:
    """Every execution booked once, as it was."""
    booked = Counter(_fact(row) for row in reading.fills(store))
    true = Counter(
        (f.execution_id, f.symbol, f.key, f.side.value, f.quantity, f.price, f.fee) for f in truth.fills
    )  # fmt: skip
    lost, doubled = true - booked, booked - true
    figures.lost, figures.doubled = sum(lost.values()), sum(doubled.values())
    yield from (f"fill {fact[0]} of {fact[1]} is not booked" for fact in lost)
    yield from (f"fill {fact[0]} of {fact[1]} is booked and never was, or twice" for fact in doubled)


def _fact(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("execution_id", "symbol", "key", "side", "quantity", "price", "fee"))


def _account(store: Store, truth: Truth, figures: Figures) -> Iterator[str]:
    held = {row["symbol"]: row["quantity"] for row in reading.holdings(store) if row["quantity"]}
    there = {symbol: quantity for symbol, quantity in truth.positions.items() if quantity}
    figures.positions_equal = held == there
    if held != there:
        yield f"positions are {_plain(held)} here, {_plain(there)} at the venue"
    cash = sum((book["cash"] or Decimal(0) for book in reading.books(store)), Decimal(0))
    if cash != truth.cash:
        yield f"cash is {cash} here, {truth.cash} at the venue"


def _plain(held: dict[str, Decimal]) -> str:
    return ", ".join(f"{quantity:f} {symbol}" for symbol, quantity in sorted(held.items())) or "none"


def integrity(path: Path) -> list[str]:
    """What SQLite finds wrong with the file."""
    with closing(sqlite3.connect(path)) as database:
        found = [row[0] for row in database.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else [f"the file is damaged: {line}" for line in found]
