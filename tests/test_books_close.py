"""The books close: after every cycle of a real session, cash and equity are what fills and cash events alone make them.

Exact in Decimal, to the cent, with fees, slippage, partial fills and real prices.
"""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from trader.session import Session
from trader.store import reading
from trader.store.database import open_store

CYCLES = 450
SETTINGS = """
[application]
broker = "paper"
data = "sample"
allocator = "inverse_volatility"
execution = "market"

[application.coverage]
symbols = ["AAPL", "FB", "GOOG", "IBM", "MSFT"]

[application.models]
pipeline = [{ name = "trend_following", drop_threshold = 0.1 }, { name = "momentum" }]

[application.portfolio]
threshold_weight = 0.01
allow_short = true

[application.exits]
stop = 0.15

[brokers.paper]
slippage_bps = 5
participation = 0.00002
shorting = true
fees = { kind = "per_share", rate = "0.005", minimum = 1 }

[data_sources.sample]
[risk_rules.max_position_weight]
limit = 0.5
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """(summary, cycles, fills, cash events, orders, closes by time) of a session."""
    folder = tmp_path_factory.mktemp("books")
    (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    session = Session(folder / "settings.toml").start()
    panel = session.books[0].engine.market.panel
    closes = {
        panel.end[row].astype("datetime64[us]").item(): dict(zip(panel.symbols, panel.close[row].tolist(), strict=True))
        for row in range(CYCLES)
    }
    summary = session.run(cycles=CYCLES)
    store = open_store(folder / "var" / "trader.db", read_only=True)
    try:
        facts = (reading.fills(store), reading.cash_events(store), reading.orders(store))
        yield summary, reading.cycles(store, "main"), *facts, closes
    finally:
        store.close()


def test_the_session_traded_enough_to_prove_something(played):
    summary, cycles, fills, events, orders, _ = played
    book = summary.books[0]
    assert len(cycles) == book.cycles == CYCLES and len(fills) > 100 and book.fees > 100
    assert {fill["side"] for fill in fills} == {"buy", "sell"} and len(events) == 1
    assert any(0 < order["filled"] < order["quantity"] for order in orders), "some orders filled in part only"


def test_cash_and_equity_of_every_cycle_are_what_the_facts_make_them(played):
    _, cycles, fills, events, _, closes = played
    facts = sorted([*events, *fills], key=lambda fact: fact["time"])
    cash, held, at = Decimal(0), {}, 0
    for cycle in cycles:
        while at < len(facts) and facts[at]["time"] <= cycle["at"]:
            fact = facts[at]
            if "event_id" in fact:
                cash += fact["amount"]
            else:
                signed = fact["quantity"] if fact["side"] == "buy" else -fact["quantity"]
                cash -= signed * fact["price"] + fact["fee"]
                held[fact["symbol"]] = held.get(fact["symbol"], Decimal(0)) + signed
            at += 1
        marks = closes[cycle["at"].replace(tzinfo=None)]
        worth = sum((many * _cents(marks[symbol]) for symbol, many in held.items() if many), Decimal(0))
        assert cycle["cash"] == cash, cycle["cycle_id"]
        assert cycle["equity"] == cash + worth, cycle["cycle_id"]
    assert at == len(facts)


def test_what_is_held_at_the_end_is_the_sum_of_the_fills(played):
    summary, cycles, fills, _, _, closes = played
    held = {}
    for fill in fills:
        held[fill["symbol"]] = held.get(fill["symbol"], 0) + fill["quantity"] * (1 if fill["side"] == "buy" else -1)
    book = summary.books[0]
    assert {symbol: line.quantity for symbol, line in book.positions.items()} == {s: q for s, q in held.items() if q}
    assert book.equity == book.cash + sum(line.value for line in book.positions.values()) == cycles[-1]["equity"]
    marks = closes[cycles[-1]["at"].replace(tzinfo=None)]
    assert {s: line.price for s, line in book.positions.items()} == {s: _cents(marks[s]) for s in book.positions}


def _cents(price):
    return Decimal(price).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
