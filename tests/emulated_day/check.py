"""What must hold between the trader's journal and the emulator's truth when the day is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from trader.orders.lifecycle import UNRESOLVED
from trader.simulation import FaultyVenue
from trader.store import blocks, reading
from trader.store.chain import verify_chain
from trader.store.database import Store

NEVER = frozenset({"denied", "not_sent", "rejected", "absent"})
"""States of an order that the venue never had."""


@dataclass
class Figures:
    """What was counted, and `faults`, a sentence for each thing that does not hold."""

    cycles: int = 0
    orders: int = 0
    fills: int = 0
    open: int = 0
    states: Counter[str] = field(default_factory=Counter)
    cash_off: Decimal = Decimal(0)
    faults: list[str] = field(default_factory=list)


def compare(store: Store, venue: FaultyVenue, tolerance: Decimal) -> Figures:
    """Orders, fills, positions, cash, what works, what is halted, and the chain."""
    rows = {row["key"]: row for row in reading.orders(store)}
    accepted = list(venue.accepted)
    figures = Figures(len(reading.cycles(store, "main")), len(accepted), len(venue.truth_fills()))
    figures.states = Counter(str(row["state"]) for row in rows.values())
    figures.faults += _orders(rows, venue)
    figures.faults += _holdings(store, venue)
    figures.faults += _working(rows, venue, figures)
    (book,) = reading.books(store)
    figures.cash_off = (book["cash"] or Decimal(0)) - venue.truth_cash()
    if abs(figures.cash_off) > tolerance:
        figures.faults.append(f"cash is {book['cash']:f} here, {venue.truth_cash():f} at the venue")
    figures.faults += [
        f"{block.scope} is on {block.level}: {block.reason}"
        for block in blocks.standing(store)
        if block.level != "pause"
    ]
    broken = verify_chain(store)
    if broken is not None:
        figures.faults.append(f"the chain is broken at event {broken}")
    return figures


def _orders(rows: dict[str, Any], venue: FaultyVenue) -> Iterator[str]:
    """Every order there has one row here, filled by as much; no row says that the venue had what it never had."""
    there = Counter(one.key for one in venue.accepted)
    filled: Counter[str] = Counter()
    for fill in venue.truth_fills():
        filled[fill.key] += fill.quantity  # type: ignore[assignment]  # a sum of Decimals
    yield from (f"{count} orders {key} are at the venue" for key, count in there.items() if count > 1)
    yield from (f"order {key} is at the venue and has no row" for key in there if key not in rows)
    for key, row in rows.items():
        if (row["state"] in NEVER) is (key in there):
            yield f"order {key} is {row['state']} here; the venue {'has' if key in there else 'never had'} it"
        if row["filled"] != filled[key]:
            yield f"order {key} of {row['symbol']} is filled {row['filled']:f} here, {filled[key]} at the venue"


def _holdings(store: Store, venue: FaultyVenue) -> Iterator[str]:
    held = {row["symbol"]: row["quantity"] for row in reading.holdings(store) if row["quantity"]}
    there = {symbol: quantity for symbol, quantity in venue.truth_positions().items() if quantity}
    if held != there:
        yield f"positions are {_plain(held)} here, {_plain(there)} at the venue"


def _working(rows: dict[str, Any], venue: FaultyVenue, figures: Figures) -> Iterator[str]:
    """No order is open on one side only."""
    here = {key for key, row in rows.items() if row["state"] in UNRESOLVED}
    there = {report.key for report in venue.truth_working()}
    figures.open = len(there)
    yield from (f"order {key} works at the venue and is {_state(rows, key)} here" for key in sorted(there - here))
    yield from (f"order {key} is {_state(rows, key)} here and does not work at the venue" for key in here - there)


def _state(rows: dict[str, Any], key: str) -> str:
    return str(rows[key]["state"]) if key in rows else "not known"


def _plain(held: dict[str, Decimal]) -> str:
    return ", ".join(f"{quantity:f} {symbol}" for symbol, quantity in sorted(held.items())) or "none"
