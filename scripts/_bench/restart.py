"""How soon a session with a long past decides again: its journal is not played from the first event."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

from trader.orders.replay import replay, state_hash, stored
from trader.plugins import Catalogue, Plugin, catalogue
from trader.session import Session
from trader.store.database import open_store
from trader.telemetry.logs import set_up

from _bench.bars import bars_until
from _bench.history import Life, live_through
from _bench.live_book import BOOK, VENUE
from _bench.result import Conditions, Result, Target

NAME = "restart"
SETTINGS = """
[application]
broker = "bench"
data = "bench"
allocator = "equal"
execution = "market"
models.pipeline = [{{ name = "buy_and_hold" }}]
coverage = {{ source = "pattern", pattern = "S*", timeframe = "1d" }}

[brokers.bench]
account = "account.json"

[data_sources.bench]
last = {last:%Y-%m-%dT%H:%M:%SZ}
days = {days}
symbols = {symbols}
"""
VENUE_SAYS = {"horizon_seconds": 60, "late_arrival_bounded": True}
OURS = [
    Plugin("broker", VENUE, "_bench.plugin_broker", "trader-bench", "0", 1, capabilities=VENUE_SAYS),
    Plugin("data_source", "bench", "_bench.plugin_data", "trader-bench", "0", 1),
]
"""The benchmark's own plugins, as if they were installed."""


def measure(conditions: Conditions) -> Iterator[Result]:
    """Seconds of a session until it has decided; beside them the replay of every event, and a start without a past."""
    symbols, cycles, rounds = (10, 4, 1) if conditions.quick else (500, 200, 5)
    long, short = conditions.folder / "long", conditions.folder / "short"
    life, little = prepare(long, symbols, cycles), prepare(short, symbols, 1)
    first, base, replayed = [], [], []
    for turn in range(rounds + 1):
        took = first_decision(long), first_decision(short), play_again(long)
        if turn:  # the first round also imports
            first.append(took[0])
            base.append(took[1])
            replayed.append(took[2])
    what = f"session with {life.orders:,} orders and {life.fills:,} fills behind it, to its first decision"
    seconds, again, judged = median(first), median(replayed), not conditions.quick
    yield Result(NAME, what, seconds, "s", f"the same with {little.orders:,} orders", median(base), Target(5.0), judged)
    yield Result(NAME, what, seconds, "s", "replay of every event", again, Target(0.2, "ratio"), judged)


def prepare(folder: Path, symbols: int, cycles: int) -> Life:
    """A settings file and the state of a book that lived through so many cycles and has one bar to decide on."""
    state = folder / "var"
    state.mkdir(parents=True)
    days, last = cycles + 1, datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    life = live_through(state, bars_until(last, days, symbols))
    (folder / "account.json").write_bytes(life.account)
    settings = SETTINGS.format(last=last, days=days, symbols=symbols)
    (folder / "settings.toml").write_text(settings, encoding="utf-8")
    return life


def first_decision(past: Path) -> float:
    """Seconds from the making of a session to its first decision, on a copy of what the past left."""
    folder = past.with_name("present")
    shutil.copytree(past, folder)
    decided: list[float] = []
    try:
        plugins = Catalogue([*catalogue(), *OURS])
        began = perf_counter()
        session = Session(folder / "settings.toml", plugins=plugins).start()
        session.run(cycles=1, progress=lambda _book, _report: decided.append(perf_counter()))
    finally:
        set_up(None, terminal=None)  # lets go of the log file
        shutil.rmtree(folder)
    if session.kind != "warm" or len(decided) != 1 or session.kill.halted is not None:
        raise AssertionError(f"not a calm start: {session.kind}, {len(decided)} decisions, {session.kill.halted}")
    return decided[0] - began


def play_again(past: Path) -> float:
    """Seconds to play every event through the state table. Refuses to answer if the journal keeps something else."""
    store = open_store(past / "var" / "trader.db", read_only=True)
    try:
        began = perf_counter()
        found = replay(store, BOOK)
        seconds = perf_counter() - began
        if found.illegal or state_hash(found) != state_hash(stored(store, BOOK)):
            raise AssertionError("the journal does not say what it keeps")
        return seconds
    finally:
        store.close()
