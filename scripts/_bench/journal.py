"""What it costs that an order is on the disk before it leaves.

Each cycle's intents are one commit of the journal; the same rows go into plain SQLite files with the same pragmas,
one commit a row and one commit a cycle.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from trader.clock import SystemClock
from trader.model import OrderRequest, OrderType, Purpose, Side, TimeInForce
from trader.orders.ids import IdMint
from trader.orders.journal import CycleRecord
from trader.orders.store_journal import StoreJournal
from trader.store.database import open_store
from trader.store.runs import open_epoch

from _bench.result import Conditions, Result, Target

NAME = "journal"
PRAGMAS = ("journal_mode=wal", "synchronous=FULL")
START = datetime(2010, 1, 4, 21, tzinfo=UTC)
SINGLE = 1000
"""Rows that are committed one at a time; all of them would take a minute on a slow disk."""
Rows = Sequence[tuple[Any, ...]]


def measure(conditions: Conditions) -> Iterator[Result]:
    """Medians of rounds in which all ways take their turn, so that other load on the disk meets all alike."""
    orders, cycles, rounds = (5, 4, 1) if conditions.quick else (300, 100, 5)
    work = [_cycle(number, orders) for number in range(cycles)]
    taken: dict[str, list[float]] = {}
    for turn in range(rounds):
        folder = conditions.folder / f"journal-{turn}"
        folder.mkdir()
        for way, rate in _round(folder, work).items():
            taken.setdefault(way, []).append(rate)
        shutil.rmtree(folder)
    rates = {way: median(found) for way, found in taken.items()}
    judged, unit = not conditions.quick, "intents/s"
    what = f"{orders} intents a commit, {cycles} commits"
    targets = {
        "single": ("one row a commit", Target(4, "ratio", least=True)),
        "indexed": ("executemany, same table", Target(0.5, "ratio", least=True)),
        "bare": ("executemany, table without any key", None),
    }
    for way, (against, target) in targets.items():
        yield Result(NAME, what, rates["ours"], unit, f"SQLite, {against}", rates[way], target, judged)


def _round(folder: Path, work: Sequence[tuple[CycleRecord, list[OrderRequest]]]) -> dict[str, float]:
    """Rows a second of each way."""
    ours = _journal(folder / "trader.db", work)
    groups, schema = _stored(folder / "trader.db")
    columns = ", ".join(f"c{number}" for number in range(len(groups[0][0])))
    plain = [f"CREATE TABLE intent ({columns})"]
    every = sum(map(len, groups))
    few = [[row] for group in groups for row in group][:SINGLE]
    return {
        "ours": every / ours,
        "single": len(few) / raw(folder / "single.db", plain, few),
        "indexed": every / raw(folder / "indexed.db", schema, groups),
        "bare": every / raw(folder / "bare.db", plain, groups),
    }


def _journal(path: Path, work: Sequence[tuple[CycleRecord, list[OrderRequest]]]) -> float:
    """Seconds to journal all cycles."""
    store = open_store(path)
    try:
        open_epoch(store, b"bench", "first")
        journal = StoreJournal(store, book="main", venue="paper", account="B1", session="bench", clock=SystemClock())
        began = perf_counter()
        for record, intents in work:
            journal.decided(record, intents, [], {})
        return perf_counter() - began
    finally:
        store.close()


def raw(path: Path, schema: Sequence[str], groups: Sequence[Rows]) -> float:
    """Seconds to insert rows with nothing but the standard library, one commit a group."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        for statement in schema:
            database.execute(statement)
        marks = ", ".join("?" * len(groups[0][0]))
        statement = f"INSERT INTO intent VALUES ({marks})"  # noqa: S608 - question marks only
        began = perf_counter()
        for rows in groups:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(statement, rows)
            database.execute("COMMIT")
        return perf_counter() - began
    finally:
        database.close()


def _stored(path: Path) -> tuple[list[Rows], list[str]]:
    """The intents as the journal stored them, a group for each cycle, and their table with its indexes."""
    database = sqlite3.connect(path)
    try:
        made = "SELECT sql FROM sqlite_master WHERE tbl_name = 'intent' AND sql IS NOT NULL ORDER BY type DESC"
        schema = [sql for (sql,) in database.execute(made)]
        groups: dict[int, list[tuple[Any, ...]]] = {}
        for row in database.execute("SELECT * FROM intent ORDER BY cycle, line"):
            groups.setdefault(row[0], []).append(row)
        return list(groups.values()), schema
    finally:
        database.close()


def _cycle(number: int, orders: int) -> tuple[CycleRecord, list[OrderRequest]]:
    at = START + timedelta(days=number)
    ids = IdMint(b"bench", "B1", "main").cycle(at.isoformat())
    intents = []
    for line in range(orders):
        symbol = f"S{line:03d}"
        client_id, side = ids(symbol), Side.SELL if line < orders // 2 else Side.BUY
        price = Decimal(500_000 + 137 * line + number).scaleb(-4)
        order = OrderRequest(
            client_id, client_id, "main", symbol, side, Decimal(100 + line), OrderType.MARKET, TimeInForce.DAY,
            None, None, False, Purpose.REBALANCE, price, at,
        )  # fmt: skip
        intents.append(order)
    return CycleRecord("main", at.isoformat(), number + 1, at, Decimal(10**7), Decimal(10**5), b"{}"), intents
