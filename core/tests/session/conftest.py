"""A book played by hand: the real engine, order life and ledger on the simulated venue, one bar at a time."""

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from trader.cycle.balancer import Threshold
from trader.cycle.coverage import Coverage
from trader.cycle.cycle import Desk
from trader.cycle.market import Market, Panel, instant
from trader.cycle.pipeline import Stage
from trader.cycle.planner import Grid
from trader.model import Bars, Instrument, OrderType, Signals, TimeInForce, Weights
from trader.orders.gate import Gate
from trader.orders.journal import MemoryJournal
from trader.protocols import Leg
from trader.session.by_hand import open_book
from trader.session.engine import Engine
from trader.session.lanes import InlineLane
from trader.session.report import Report
from trader.simulation import SimulatedVenue, Terms

sys.path.append(str(Path(__file__).parent.parent))

from dealing_room.fixtures import make_room, room  # noqa: F401


class Venue(SimulatedVenue):
    """The simulated venue as a Broker. It notes every order that is sent while an older one works in its symbol."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.overlaps, self.cancelled = [], []
        self.answer = None
        """Said instead of the venue's own outcome of a submit (an exception: raised)."""
        self.lost = False
        """Whether the next submits do not arrive."""

    def open(self):
        return self.account()

    def close(self):
        pass

    def key(self, client_id):
        return "K" + client_id

    def submit(self, order):
        self.overlaps += [
            (one.key, order.client_id)
            for one in self.orders()
            if one.symbol == order.symbol and one.time < order.decided_at
        ]
        outcome = None if self.lost else super().submit(order)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer or outcome

    def cancel(self, ref):
        self.cancelled.append(ref.client_id)
        return super().cancel(ref)


class Style:
    """Everything in one leg; a limit is `away` (a fraction of the price) on the cheap side."""

    def __init__(self, time_in_force=TimeInForce.DAY, away=None):
        self.time_in_force, self.away = time_in_force, away

    def legs(self, trades):
        if self.away is None:
            return (Leg(OrderType.MARKET, self.time_in_force),)
        return (Leg(OrderType.LIMIT, self.time_in_force, limit=trades.price * (1 - trades.sign * self.away)),)


class Even:
    lookback = 1

    def allocate(self, signals, history, held):
        direction = np.sign(np.asarray(signals.score, float))
        return direction / max(1, np.abs(direction).sum())


class Says:
    """A strategy that answers with a function of (history, number of the call)."""

    def __init__(self, answer, lookback=1):
        self.answer, self.lookback, self.calls = answer, lookback, 0

    def score(self, history):
        self.calls += 1
        return self.answer(history, self.calls) if callable(self.answer) else self.answer


def bars_of(close, *, opens=None, high=None, low=None, volume=10_000.0, hours=24):
    """close: symbol -> closes (None: no bar). An open is the close before unless given."""
    symbols = tuple(close)

    def table(given, otherwise):
        columns = [
            [np.nan if x is None else float(x) for x in given[s]] if given and s in given else otherwise[:, n]
            for n, s in enumerate(symbols)
        ]
        return np.array(columns, float).T

    closes = table(close, np.empty((0, len(symbols))))
    before = np.vstack([closes[:1], closes[:-1]])
    first = table(opens, np.where(np.isnan(before), closes, before))
    highs, lows = table(high, np.maximum(first, closes)), table(low, np.minimum(first, closes))
    volumes = np.where(np.isnan(closes), np.nan, volume)
    step = np.timedelta64(hours, "h")
    start = np.datetime64("2024-01-01", "ns") + np.arange(len(closes)) * step
    return Bars(symbols, "1d" if hours == 24 else f"{hours}h", start, start + step, first, highs, lows, closes, volumes)


def now(work):
    """The answer of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("an inline lane does not wait")


class Play:
    """A book on these bars. `step()` plays the next one; `report` and `decision` are those of the last."""

    def __init__(
        self, bars, strategy, *, cash=100_000, terms=None, style=None, instruments=None, rules=(), shorting=False,
        dry_run=False, stateful=(), journal=None, **desk_options,
    ):  # fmt: skip
        rules_of = {symbol: Instrument(symbol) for symbol in bars.symbols} | dict(instruments or {})
        terms = replace(terms or Terms(), shorting=shorting)
        self.bars = bars
        self.venue = Venue(Decimal(cash), terms=terms, instruments=rules_of.values())
        self.market = Market(Panel.of(bars), rules_of)
        stages = strategy if isinstance(strategy, list) else [strategy]
        desk_options.setdefault("balancer", Threshold())
        self.desk = Desk(
            [one if isinstance(one, Stage) else Stage(f"s{n}", one) for n, one in enumerate(stages, 1)],
            ("even", Even()),
            ("style", style or Style()),
            Coverage(np.ones(len(bars.symbols), bool), len(bars)),
            Grid(bars.symbols, rules_of),
            order_rules=[(f"r{n}", rule) for n, rule in enumerate(rules, 1)],
            allow_short=shorting,
            **desk_options,
        )
        self.journal = journal or MemoryJournal(b"play", keep=True)
        self.gate = Gate(self.venue, dry_run=dry_run)
        self.engine = Engine(
            "main", desk=self.desk, market=self.market, broker=self.venue, account=self.venue.account(),
            journal=self.journal, gate=self.gate, lane=InlineLane(), state=self.journal.load(), stateful=stateful,
        )  # fmt: skip
        now(open_book(self.engine, Report(), 0, instant(bars.start[0])))
        self.row, self.report = -1, Report()

    def step(self):
        self.row += 1
        self.report = now(self.engine.step(self.row))
        return self.report

    def steps(self):
        """Every bar that is left."""
        while self.row + 1 < len(self.bars):
            yield self.step()

    @property
    def decision(self):
        return self.report.decision

    @property
    def sent(self):
        """The orders of the last cycle."""
        return [approved.order for approved in self.decision.approved]

    def held(self, symbol):
        holding = self.engine.ledger.holdings.get(symbol)
        return holding.quantity if holding else Decimal(0)


@pytest.fixture(scope="session")
def book():
    """The words that the tests of a book at work are written in."""
    return SimpleNamespace(
        Play=Play,
        Says=Says,
        Style=Style,
        bars=bars_of,
        Signals=Signals,
        Weights=Weights,
        Stage=Stage,
        GTC=TimeInForce.GTC,
    )


@pytest.fixture(scope="session")
def small():
    """The settings of a small real session: two shares bought and held on paper, nine months of bars."""
    pytest.importorskip("trader_data_sample", reason="needs the sample data and the plugins of the workspace")
    return """
[application]
models.pipeline = [{ name = "buy_and_hold" }]
allocator = "equal"
broker = "paper"
data = "sample"
execution = "market"
coverage.symbols = ["IBM", "MSFT"]

[data_sources.sample]
start = 2012-06-01
"""
