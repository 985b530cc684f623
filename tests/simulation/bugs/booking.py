"""What becomes of facts."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from msgspec import structs
from sqlalchemy import false
from sqlalchemy import insert as insert_into
from sqlalchemy.dialects import sqlite
from trader.model import ZERO, CashEvent, OrderState
from trader.orders import ledger
from trader.orders.journal import fact_key
from trader.orders.ledger import Ledger
from trader.orders.lifecycle import TERMINAL
from trader.orders.store_journal import StoreJournal
from trader.session import reconcile
from trader.session.reconcile import Reconciler
from trader.session.strangers import Strangers
from trader.store.database import Store

from .registry import Plot, mutant

S = OrderState


def _ignore_known(plot: Plot, table_name: str) -> None:
    """Take the key away from a table of facts: what is there already is left out without a word."""

    def insert(self: Store, connection: Any, table: Any, rows: Any) -> None:
        if table.name != table_name or not rows:
            inserted(self, connection, table, rows)
            return
        names = table.columns.keys()[: len(rows[0])]
        wishing = insert_into(table).prefix_with("OR IGNORE")
        statement = wishing.compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=names)
        connection.exec_driver_sql(str(statement), list(rows))

    inserted = plot.put(Store, "insert", insert)


@mutant("dedup_in_memory")
def _dedup_in_memory(plot: Plot) -> None:
    """Which fills are booked is known in memory only; a restart forgets it."""

    def begin(self: Ledger, currency: str, cash: Any, holdings: Any = (), seen: Any = None, **rest: Any) -> None:
        begun(self, currency, cash, holdings, {}, **rest)

    begun = plot.put(Ledger, "__init__", begin)
    _ignore_known(plot, "fill")
    _ignore_known(plot, "cash_event")


@mutant("late_fill_dropped")
def _late_fill_dropped(plot: Plot) -> None:
    """A fill of an order that had ended is thrown away."""

    async def book(self: Reconciler, fills: Any, report: Any, row: int) -> None:
        kept = [fill for fill in fills if not ended(self, fill)]
        await booked(self, kept, report, row)

    def ended(self: Reconciler, fill: Any) -> bool:
        known = self.engine.blotter.by_key(fill.key) or self.engine.journal.find(fill.key, fill.venue_id)
        return known is not None and known.state in TERMINAL

    booked = plot.put(Reconciler, "book", book)


@mutant("marked_first")
def _marked_first(plot: Plot) -> None:
    """A fill is marked as booked in a transaction of its own, before the one that moves the position."""
    _torn(plot, fact_first=True)


@mutant("position_first")
def _position_first(plot: Plot) -> None:
    """The position moves in a transaction of its own, before the one that writes the fill."""
    _torn(plot, fact_first=False)


def _torn(plot: Plot, *, fact_first: bool) -> None:
    """Facts with their places in the chain in one transaction; what they move, and the orders, in another."""

    def insert(self: Store, connection: Any, table: Any, rows: Any) -> None:
        if part != "position" or table.name not in ("fill", "cash_event"):
            inserted(self, connection, table, rows)

    def upsert(self: Store, connection: Any, table: Any, rows: Any) -> None:
        if part != "fact" or table.name != "holding":
            upserted(self, connection, table, rows)

    def book(self: StoreJournal, connection: Any, chain: Any, bookings: Any) -> None:
        unmoved, unchained = self._set_cash.where(false()), SimpleNamespace(seq=0, add=lambda *_args, **_facts: None)
        with patch.object(self, "_set_cash", unmoved) if part == "fact" else nullcontext():
            both(self, connection, unchained if part == "position" else chain, bookings)

    def booked(self: StoreJournal, bookings: Any, moves: Any) -> None:
        nonlocal part
        try:
            for part in ("fact", "position") if fact_first else ("position", "fact"):
                together(self, bookings, moves if part == "position" else [])
        finally:
            part = ""

    part = ""
    inserted, upserted = plot.put(Store, "insert", insert), plot.put(Store, "upsert", upsert)
    both, together = plot.put(StoreJournal, "_book", book), plot.put(StoreJournal, "booked", booked)


@mutant("cash_twice")
def _cash_twice(plot: Plot) -> None:
    """A cash event is booked as often as the venue shows it."""

    def after(self: Ledger, event: CashEvent) -> Any:
        self.seen.pop(fact_key(event), None)
        self._older.pop(fact_key(event), None)
        return booked(self, event)

    def knows(self: Ledger, fact: Any) -> bool:
        return not isinstance(fact, CashEvent) and bool(known(self, fact))

    booked = plot.put(Ledger, "after_event", after)
    known = plot.put(Ledger, "knows", knows)
    plot.put(StoreJournal, "knows", lambda *_args: False)
    _ignore_known(plot, "cash_event")


@mutant("no_overlap")
def _no_overlap(plot: Plot) -> None:
    """Fills are asked for from the newest booked one on, so that one that shows up late is not asked for again."""
    plot.put(reconcile, "OVERLAP", reconcile.OVERLAP * 0)


@mutant("external_dropped")
def _external_dropped(plot: Plot) -> None:
    """What somebody else trades on the account is thrown away."""
    plot.put(Strangers, "trade", lambda *_args: [])


@mutant("fee_forgotten")
def _fee_forgotten(plot: Plot) -> None:
    """Fees are written down and not paid."""

    def after(self: Ledger, fill: Any, client_id: Any, instrument: Any) -> Any:
        booking = booked(self, structs.replace(fill, fee=ZERO), client_id, instrument)
        return None if booking is None else structs.replace(booking, fact=fill)

    booked = plot.put(ledger.Ledger, "after_fill", after)
