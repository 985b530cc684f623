"""The kit finds planted faults: each broken plugin fails the case that is about its fault, and no other."""

import itertools
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from msgspec import structs
from pydantic import BaseModel
from trader.cycle.balancer import OnSignal
from trader.errors import DataError, SettingsError, UsageError
from trader.hookspecs import hookimpl
from trader.model import (
    Accepted,
    Bars,
    Delivered,
    ExitIntent,
    Failed,
    Instrument,
    NotFound,
    OrderType,
    Position,
    Refusal,
    Severity,
    Side,
    Signals,
    Unavailable,
)
from trader.plugins import KINDS
from trader.protocols import Leg
from trader.simulation import PerOrder, Terms
from trader.testing import (
    AlertTransportConformance,
    AllocatorConformance,
    BrokerConformance,
    DataSourceConformance,
    ExecutionStyleConformance,
    NetworkUsed,
    RiskRuleConformance,
    StrategyConformance,
    bars,
    book,
    fake_env,
    history,
    no_network,
    plan,
    positions,
    random_walk,
    trade,
)
from trader.testing.conformance.broker.venue import reason_to_skip
from trader.testing.conformance.suite import number_of
from trader.testing.trading import Venue

SUITES = {
    suite.kind: suite
    for suite in (
        AlertTransportConformance,
        AllocatorConformance,
        BrokerConformance,
        DataSourceConformance,
        ExecutionStyleConformance,
        RiskRuleConformance,
        StrategyConformance,
    )
}
NOWHERE = itertools.count()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def module_of(kind, make, extra="forbid"):
    """A plugin of one file that is not installed; `make` is called for each instance, with its env."""
    module = ModuleType(f"planted_{next(NOWHERE)}")
    module.Settings = type("Settings", (BaseModel,), {"__module__": module.__name__}, extra=extra)

    def provide(settings, env):
        return make(env)

    setattr(module, KINDS[kind].hook, hookimpl(provide))
    return module


def failed(kind, make, tmp_path, monkeypatch, **attributes):
    """Numbers of the cases that such a plugin fails. Runs the suite's cases as pytest would."""
    module = make if isinstance(make, ModuleType) else module_of(kind, make)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    suite = type("Planted", (SUITES[kind],), {"plugin": module, **attributes})
    found = set()
    for name in sorted(filter(number_of, dir(suite))):
        case = suite()
        if kind == "broker" and reason_to_skip(case.found(), getattr(case, name)):
            continue
        case.root, case._opened, case._venue, case._tape = tmp_path / name, [], None, []
        case.root.mkdir()
        case.prepare(case.root)
        try:
            getattr(case, name)()
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever a case ends with
            found.add(number_of(name))
    return found


@pytest.fixture
def fails(tmp_path, monkeypatch):
    return lambda kind, make, **attributes: failed(kind, make, tmp_path, monkeypatch, **attributes)


# ---- every kind ----------------------------------------------------------------------------------------------------
class Rising:
    """Long what rose over the lookback, short what fell: nothing is wrong with it."""

    lookback = 5

    def __init__(self, env=None):
        self.env, self.calls = env, 0

    def score(self, history):
        self.calls += 1
        return Signals(np.tanh(10 * (history.close[-1] / history.close[0] - 1)))


def test_a_sound_plugin_of_one_file_passes_everything(fails):
    assert fails("strategy", Rising) == set()


def test_a_settings_model_that_takes_anything_is_found(fails):
    assert fails("strategy", module_of("strategy", Rising, extra="allow")) == {"PL-03"}


def test_options_that_the_plugin_refuses_are_found(fails):
    assert fails("strategy", Rising, options={"lenght": 3}) == {"PL-04", "PL-05"}


def test_network_while_it_is_made_is_found_even_if_the_error_is_swallowed(fails):
    def make(env):
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=0.01).close()
        return Rising(env)

    assert fails("strategy", make) == {"PL-05"}


def test_an_object_that_lacks_a_method_is_found(fails):
    assert fails("allocator", Rising) == {"PL-05"}


def test_a_client_library_imported_early_is_found(fails, tmp_path, monkeypatch):
    (tmp_path / "ccxt.py").write_text("")
    (tmp_path / "planted_early.py").write_text(
        "import ccxt\nfrom pydantic import BaseModel\nfrom trader.hookspecs import hookimpl\n"
        'class Settings(BaseModel, extra="forbid"): ...\n'
        "class S:\n  lookback = 1\n  def score(self, history): ...\n"
        "@hookimpl\ndef provide_strategy(settings, env): return S()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import planted_early

    assert "PL-06" in fails("strategy", planted_early)
    monkeypatch.delitem(sys.modules, "ccxt")


@pytest.mark.parametrize("skip", [{"ST-99": "no such case"}, {"ST-03": " "}])
def test_skipping_needs_a_case_that_is_there_and_a_reason(skip):
    with pytest.raises(UsageError, match="ST-"):
        type("Skipping", (StrategyConformance,), {"plugin": "rising", "skip": skip})


def test_every_case_has_a_number_of_its_own_and_says_what_it_proves():
    for suite in SUITES.values():
        names = [name for name in dir(suite) if name.startswith("test_")]
        numbers = [number_of(name) for name in names]
        assert None not in numbers and len(set(numbers)) == len(numbers), suite
        assert all((getattr(suite, name).__doc__ or "").strip() for name in names), suite


# ---- strategies ----------------------------------------------------------------------------------------------------
class WrongShape(Rising):
    def score(self, history):
        return Signals(np.zeros(len(history.symbols) + 1))


class Raises(Rising):
    def score(self, history):
        raise IndexError("index 5 is out of bounds")


class TooSure(Rising):
    def score(self, history):
        return Signals(2.0 * np.ones(len(history.symbols)))


class UnknownConfidence(Rising):
    def score(self, history):
        return Signals(super().score(history).score, confidence=np.nan)


class Remembers(Rising):
    def score(self, history):
        return Signals(np.asarray(super().score(history).score) / self.calls)


def _columns(history):
    return [history._panel.column[symbol] for symbol in history.symbols]


class ReadsTheFirstBar(Rising):
    def score(self, history):
        return Signals(np.tanh(history._panel.close[0, _columns(history)] / 100))


class LooksAhead(Rising):
    def score(self, history):
        return Signals(np.sign(history._panel.close[history._panel.rows - 1, _columns(history)] - history.close[-1]))


class Writes(Rising):
    def score(self, history):
        history.close[-1] = 1.0
        return Signals(np.ones(len(history.symbols)))


class PrefersTheFirst(Rising):
    def score(self, history):
        return Signals(np.linspace(1, 0, len(history.symbols)))


class NeedsCompany(Rising):
    def score(self, history):
        ranks = np.argsort(np.argsort(history.close[-1] / history.close[0]))
        return Signals(ranks / np.array([len(ranks) - 1 or 1 / 0]))


class NeverSure(Rising):
    def score(self, history):
        return Signals(np.full(len(history.symbols), np.nan))


class FearsStillness(Rising):
    def score(self, history):
        if (history.close == history.close[0]).all(axis=0).any():
            raise ZeroDivisionError("division by zero")
        return super().score(history)


class PanelLooksAhead(Rising):
    def score_panel(self, history):
        moves = np.full(history.close.shape, np.nan)
        moves[3:-1] = np.tanh(10 * (history.close[4:] / history.close[:-4] - 1))
        return Signals(moves)


class ForgetsItsState(Rising):
    def score(self, history):
        return Signals(np.asarray(super().score(history).score) / self.calls)

    def save(self):
        return b""

    def load(self, state):
        self.calls = 0


class LeavesTwice(Rising):
    def exits(self, history, positions):
        return [ExitIntent(symbol, "too old", fraction=2.0) for symbol in history.symbols]


class TiresInALongRun(Rising):
    def score(self, history):
        if self.calls > 35:
            raise MemoryError("out of memory")
        return super().score(history)


@pytest.mark.parametrize(
    ("strategy", "cases"),
    [
        (WrongShape, {"ST-01"}),
        (Raises, {"ST-01"}),
        (TooSure, {"ST-02"}),
        (UnknownConfidence, {"ST-02"}),
        (Remembers, {"ST-03"}),
        (ReadsTheFirstBar, {"ST-04"}),
        (LooksAhead, {"ST-05"}),
        (Writes, {"ST-06"}),
        (PrefersTheFirst, {"ST-07"}),
        (NeedsCompany, {"ST-08"}),
        (NeverSure, {"ST-09"}),
        (FearsStillness, {"ST-10"}),
        (PanelLooksAhead, {"ST-11"}),
        (ForgetsItsState, {"ST-12"}),
        (LeavesTwice, {"ST-13"}),
        (TiresInALongRun, {"ST-14"}),
    ],
)
def test_a_strategy_with_a_fault_fails_the_case_about_it(strategy, cases, fails):
    assert fails("strategy", strategy) == cases


class KeepsItsState(Remembers):
    def save(self):
        return str(self.calls).encode()

    def load(self, state):
        self.calls = int(state)


class Draws(Rising):
    """Random, but through env: the same in a replay."""

    def score(self, history):
        return Signals(self.env.rng.uniform(-1, 1))


class ReadsMore(Rising):
    """Other time frames, a reference, exits and a panel, all in order."""

    timeframes: ClassVar = {"1h": 30, "1w": 4}
    references = ("SPY",)

    def score(self, history):
        index, hours, weeks = history.of("SPY").close, history.on("1h").close, history.on("1w").close
        assert (len(hours), len(weeks)) == (30, 4)
        own = np.asarray(super().score(history).score)
        return Signals(own if index[-1, 0] > index[0, 0] else own / 2, why={"hour": hours[-1]})

    def exits(self, history, positions):
        worst = np.flatnonzero(positions.gain < -0.1)
        return [ExitIntent(history.symbols[column], "loss", stop=float(positions.best[column])) for column in worst]


@pytest.mark.parametrize("strategy", [KeepsItsState, Draws, ReadsMore])
def test_what_the_protocols_allow_passes(strategy, fails):
    assert fails("strategy", strategy) == set()


# ---- allocators ----------------------------------------------------------------------------------------------------
class Proportional:
    lookback = 0

    def __init__(self, env):
        self.calls = 0

    def allocate(self, signals, history, held):
        self.calls += 1
        score = np.asarray(signals.score)
        return score / np.abs(score).sum()


class AllocatesOneTooFew(Proportional):
    def allocate(self, signals, history, held):
        return super().allocate(signals, history, held)[:-1]


class InvestsTwice(Proportional):
    def allocate(self, signals, history, held):
        return 2 * super().allocate(signals, history, held)


class Contrarian(Proportional):
    def allocate(self, signals, history, held):
        return -super().allocate(signals, history, held)


class Wears(Proportional):
    def allocate(self, signals, history, held):
        return super().allocate(signals, history, held) / self.calls


class FavoursTheFirst(Proportional):
    def allocate(self, signals, history, held):
        score = np.asarray(signals.score)
        return np.sign(score) * np.linspace(0.3, 0, len(score))


class ScribblesOnHeld(Proportional):
    def allocate(self, signals, history, held):
        held += 1.0
        return super().allocate(signals, history, held)


class ExpectsAll(Proportional):
    def allocate(self, signals, history, held):
        if len(history.symbols) == 3:
            raise KeyError("B")
        return super().allocate(signals, history, held)


class DividesByMoves(Proportional):
    lookback = 10

    def allocate(self, signals, history, held):
        moved = np.abs(np.diff(history.close, axis=0)).sum(axis=0)
        assert moved.all(), "no volatility"
        return super().allocate(signals, history, held)


@pytest.mark.parametrize(
    ("allocator", "cases"),
    [
        (Proportional, set()),
        (AllocatesOneTooFew, {"AL-01"}),
        (InvestsTwice, {"AL-02"}),
        (Contrarian, {"AL-03"}),
        (Wears, {"AL-04"}),
        (FavoursTheFirst, {"AL-05"}),
        (ScribblesOnHeld, {"AL-06"}),
        (ExpectsAll, {"AL-07"}),
        (DividesByMoves, {"AL-08"}),
    ],
)
def test_an_allocator_with_a_fault_fails_the_case_about_it(allocator, cases, fails):
    assert fails("allocator", allocator) == cases


# ---- execution styles ----------------------------------------------------------------------------------------------
def style(answer):
    """An execution style whose legs are `answer(trades, number of the call)`."""

    class Style:
        def __init__(self, env):
            self.calls = 0

        def legs(self, trades):
            self.calls += 1
            return answer(trades, self.calls)

    return Style


def scribble(trades, _):
    trades.quantity[:] = 1.0
    return [Leg(OrderType.MARKET)]


@pytest.mark.parametrize(
    ("answer", "cases"),
    [
        (lambda trades, _: [Leg(OrderType.MARKET)], set()),
        (lambda trades, _: [], {"EX-01"}),
        (lambda trades, _: [Leg(OrderType.STOP)], {"EX-01", "EX-03"}),
        (lambda trades, _: [Leg(OrderType.MARKET, fraction=0.7)] * 2, {"EX-02"}),
        (lambda trades, _: [Leg(OrderType.LIMIT, limit=trades.ask)], {"EX-03"}),
        (lambda trades, _: [Leg(OrderType.LIMIT)], {"EX-03"}),
        (lambda trades, calls: [Leg(OrderType.LIMIT, limit=trades.price * (1 + calls / 10))], {"EX-04", "EX-05"}),
        (scribble, {"EX-04"}),
        (lambda trades, _: [Leg(OrderType.LIMIT, limit=trades.price + np.arange(len(trades.price)))], {"EX-05"}),
    ],
)
def test_an_execution_style_with_a_fault_fails_the_case_about_it(answer, cases, fails):
    assert fails("execution_style", style(answer)) == cases


# ---- risk rules ----------------------------------------------------------------------------------------------------
class MaxNotional:
    guards = "increasing"

    def __init__(self, env):
        self.calls = 0

    def check(self, plan, book):
        self.calls += 1
        too_large = plan.increases & ~(np.abs(plan.notional) <= 1e5)
        return [Refusal(row, "too large", 1e5, float(plan.notional[row])) for row in np.flatnonzero(too_large).tolist()]


class RefusesTwice(MaxNotional):
    def check(self, plan, book):
        return 2 * super().check(plan, book)


class RefusesNothing(MaxNotional):
    def check(self, plan, book):
        return []


class TrapsPositions(MaxNotional):
    def check(self, plan, book):
        return [Refusal(row, "too large", 1e4, 0.0) for row in np.flatnonzero(np.abs(plan.notional) > 1e4).tolist()]


class LetsNanPass(MaxNotional):
    def check(self, plan, book):
        too_large = plan.increases & (np.abs(plan.notional) > 1e5)
        return [Refusal(row, "too large", 1e5, 0.0) for row in np.flatnonzero(too_large).tolist()]


class Relents(MaxNotional):
    def check(self, plan, book):
        return super().check(plan, book)[self.calls - 1 :]


class RoundsThePlan(MaxNotional):
    def check(self, plan, book):
        found = super().check(plan, book)
        plan.notional[:] = np.round(plan.notional, -3)
        return found


class Enlarges(MaxNotional):
    def limit(self, targets, book):
        return targets * 1.1


class BlamesAnOrder(MaxNotional):
    def assess(self, book):
        return [Refusal(0, "too much", 0.5, 1.0)] if np.abs(book.exposure).sum() else []


class AlarmsAtNothing(MaxNotional):
    def assess(self, book):
        return [Refusal(-1, "not enough", 0.5, 0.0)]


@pytest.mark.parametrize(
    ("rule", "cases"),
    [
        (MaxNotional, set()),
        (RefusesTwice, {"RR-01"}),
        (RefusesNothing, {"RR-02"}),
        (TrapsPositions, {"RR-03", "RR-04"}),
        (LetsNanPass, {"RR-04"}),
        (Relents, {"RR-04", "RR-05"}),
        (RoundsThePlan, {"RR-06"}),
        (Enlarges, {"RR-07"}),
        (BlamesAnOrder, {"RR-08"}),
        (AlarmsAtNothing, {"RR-08"}),
    ],
)
def test_a_risk_rule_with_a_fault_fails_the_case_about_it(rule, cases, fails):
    assert fails("risk_rule", rule) == cases


# ---- alert transports ----------------------------------------------------------------------------------------------
def transport(send=lambda alert, earlier: Delivered(alert.id), check=lambda: None):
    class Transport:
        def __init__(self, env):
            self.sent = []

        def check(self):
            return check()

        def send(self, alert, earlier):
            self.sent.append(alert.id)
            if send == "once" and self.sent.count(alert.id) > 1:
                raise ValueError("I have seen it")
            return Delivered(alert.id) if send == "once" else send(alert, earlier)

    return Transport


@pytest.mark.parametrize(
    ("made", "cases"),
    [
        (transport(), set()),
        (transport(send=lambda alert, earlier: Failed("nobody is there", 5.0)), set()),
        (transport(check=lambda: True), {"AT-01"}),
        (transport(send=lambda a, _: None if a.severity is Severity.CRITICAL else Delivered(a.id)), {"AT-02"}),
        (transport(send="once"), {"AT-03"}),
        (transport(send=lambda alert, earlier: Delivered(str(int(earlier.receipt) if earlier else 7))), {"AT-04"}),
        (transport(send=lambda alert, earlier: Delivered(str(len(alert.text.encode())))), {"AT-05"}),
        (transport(send=lambda alert, earlier: Failed("")), {"AT-02", "AT-03", "AT-04", "AT-05"}),
    ],
)
def test_an_alert_transport_with_a_fault_fails_the_case_about_it(made, cases, fails):
    assert fails("alert_transport", made) == cases


# ---- data sources --------------------------------------------------------------------------------------------------
class Recorded:
    """Three symbols; nothing is wrong with it."""

    def __init__(self, env):
        self.all = random_walk(("A", "B", "C"), 40)
        self.all.close[:5, 1] = np.nan
        self.closed, self.asked = 0, 0

    def open(self):
        return None

    def close(self):
        self.closed += 1

    def symbols(self):
        return self.all.symbols

    def bars(self, symbols, timeframe, start, end):
        self.asked += 1
        first, last = (
            np.searchsorted(self.all.end, np.datetime64(at.replace(tzinfo=None), "ns"), "right") for at in (start, end)
        )
        known = tuple(symbol for symbol in symbols if symbol in self.all.symbols)
        columns = [self.all.symbols.index(symbol) for symbol in known]
        cut = self.all.rows(int(first), int(last))
        values = [getattr(cut, name)[:, columns].copy() for name in ("open", "high", "low", "close", "volume")]
        missing = tuple(symbol for symbol in symbols if symbol not in known)
        return Bars(known, timeframe, cut.start, cut.end, *values, missing)


class ClosesOnce(Recorded):
    def close(self):
        super().close()
        if self.closed == 3:
            raise RuntimeError("already closed")


class ListsTwice(Recorded):
    def symbols(self):
        return (*self.all.symbols, "A")


class OutOfOrder(Recorded):
    def bars(self, *question):
        found = super().bars(*question)
        return replace(found, start=found.start[::-1], end=found.end[::-1])


class TakesTheStartToo(Recorded):
    def bars(self, symbols, timeframe, start, end):
        earlier = start - timedelta(days=1) if start > datetime(2019, 1, 1, tzinfo=UTC) else start
        return super().bars(symbols, timeframe, earlier, end)


class ShowsTheOpenBar(Recorded):
    """What began before the end of the range, closed or not."""

    def bars(self, symbols, timeframe, start, end):
        midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
        return super().bars(symbols, timeframe, start, end if end == midnight else midnight + timedelta(days=1))


class HidesWhatIsMissing(Recorded):
    def bars(self, *question):
        return replace(super().bars(*question), missing=())


class Revises(Recorded):
    def bars(self, *question):
        found = super().bars(*question)
        found.volume[:] += self.asked
        return found


class HandsOutItsOwn(Recorded):
    def bars(self, symbols, *question):
        found = super().bars(symbols, *question)
        if found.symbols == self.all.symbols and len(found) == len(self.all):
            return replace(self.all, missing=found.missing)
        return found


class DropsSharedDays(Recorded):
    def bars(self, *question):
        found = super().bars(*question)
        return found.rows(0, len(found) - 1) if len(found.symbols) == 1 else found


class FailsOnNothing(Recorded):
    def bars(self, *question):
        found = super().bars(*question)
        return found if len(found) else Unavailable("empty", "no bars")


@pytest.mark.parametrize(
    ("source", "cases"),
    [
        (Recorded, set()),
        (ClosesOnce, {"DS-01"}),
        (ListsTwice, {"DS-02"}),
        (OutOfOrder, {"DS-03"}),
        (TakesTheStartToo, {"DS-04"}),
        (HidesWhatIsMissing, {"DS-05"}),
        (Revises, {"DS-06"}),
        (HandsOutItsOwn, {"DS-07"}),
        (DropsSharedDays, {"DS-08"}),
        (FailsOnNothing, {"DS-09"}),
    ],
)
def test_a_data_source_with_a_fault_fails_the_case_about_it(source, cases, fails):
    assert fails("data_source", source) == cases


@pytest.mark.parametrize(("source", "cases"), [(Recorded, set()), (ShowsTheOpenBar, {"DS-04"})])
def test_a_data_source_that_shows_the_bar_that_is_not_closed_yet_is_found(source, cases, fails):
    span = (datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, 14, 30, tzinfo=UTC))
    assert fails("data_source", source, span=span) == cases


# ---- brokers -------------------------------------------------------------------------------------------------------
class Shop:
    """The simulated venue as a broker; its book outlives the instance, by folder. Nothing is wrong with it."""

    books: ClassVar = {}

    def __init__(self, env):
        self.venue = self.books.setdefault(env.folder, Venue(Decimal(10_000), template=Instrument("")))
        self.closed = 0

    def open(self):
        return self.account()

    def close(self):
        self.closed += 1

    def key(self, client_id):
        return client_id

    def account(self):
        return self.venue.account()

    def instruments(self, symbols):
        return self.venue.instruments(symbols)

    def positions(self):
        return self.venue.positions()

    def orders(self):
        return self.venue.orders()

    def order(self, ref):
        return self.venue.order(ref)

    def fills(self, since):
        return self.venue.fills(since)

    def submit(self, order):
        return self.venue.submit(order)

    def cancel(self, ref):
        return self.venue.cancel(ref)

    def on_bars(self, bars):
        return self.venue.on_bars(bars)


class Live(Shop):
    def account(self):
        return structs.replace(self.venue.account(), kind="live")


class HasAPast(Shop):
    def positions(self):
        return self.venue.positions() or (Position("OLD", Decimal(1), Decimal(1)),)


class NoRules(Shop):
    def instruments(self, symbols):
        return self.venue.instruments(symbols) if symbols else Unavailable("symbols", "ask for some")


class ForgetsTheSide(Shop):
    def order(self, ref):
        found = self.venue.order(ref)
        return structs.replace(found, side=Side.SELL) if getattr(found, "state", "") == "working" else found


class SaysAcceptedAgain(Shop):
    def submit(self, order):
        first = self.venue.submit(order)
        return Accepted("another") if getattr(first, "kind", "") == "duplicate" else first


class CancelRaises(Shop):
    def cancel(self, ref):
        if isinstance(self.venue.order(ref), NotFound):
            raise KeyError(ref.key)
        return self.venue.cancel(ref)


class LookUpRaises(Shop):
    def order(self, ref):
        found = self.venue.order(ref)
        if isinstance(found, NotFound):
            raise LookupError(ref.key)
        return found


class NonsenseRaises(Shop):
    def submit(self, order):
        if not order.quantity.is_finite():
            raise ValueError("cannot convert float NaN to integer")
        return self.venue.submit(order)


class DropsReduceOnly(Shop):
    def submit(self, order):
        return self.venue.submit(structs.replace(order, reduce_only=False))


class DrawsKeys(Shop):
    numbers = itertools.count()

    def key(self, client_id):
        return f"{client_id}{next(self.numbers)}"


class IgnoresSince(Shop):
    def fills(self, since):
        return self.venue.fills(EPOCH)


class PaysAgain(Shop):
    seen = 0

    def on_bars(self, bars):
        if len(bars) == self.seen and self.venue.fills(EPOCH):
            self.venue._holdings.cash -= 1
        self.seen = len(bars)
        return self.venue.on_bars(bars)


class LivesInMemory(Shop):
    def __init__(self, env):
        super().__init__(env)
        self.venue = Venue(Decimal(10_000), template=Instrument(""))


class ClosesOnceOnly(Shop):
    def close(self):
        super().close()
        if self.closed > 1:
            raise RuntimeError("not connected")


@pytest.mark.parametrize(
    ("broker", "cases"),
    [
        (Shop, set()),
        (Live, {"BC-01"}),
        (HasAPast, {"BC-02", "BC-29", "BC-30"}),
        (NoRules, {"BC-03"}),
        (ForgetsTheSide, {"BC-04"}),
        (SaysAcceptedAgain, {"BC-05"}),
        (CancelRaises, {"BC-06", "BC-39"}),
        (LookUpRaises, {"BC-07"}),
        (NonsenseRaises, {"BC-08"}),
        (DrawsKeys, {"BC-09"}),
        (IgnoresSince, {"BC-10", "BC-33"}),
        (PaysAgain, {"BC-11"}),
        (LivesInMemory, {"BC-12", "BC-46"}),
        (ClosesOnceOnly, {"BC-13"}),
        (DropsReduceOnly, {"BC-86"}),
    ],
)
def test_a_broker_with_a_fault_fails_the_case_about_it(broker, cases, fails):
    assert fails("broker", broker) == cases


# ---- fakes ---------------------------------------------------------------------------------------------------------
def test_history_is_a_real_window_with_holes_carried():
    shown = history(close={"A": [1, 2, None, 4], "B": [None, 5, 6, 7]}, rows=3)
    assert shown.symbols == ("A", "B") and len(shown) == 3 and shown.timeframe == "1d"
    assert shown.close.tolist() == [[2, 5], [2, 6], [4, 7]]
    assert shown.volume[:, 0].tolist() == [1e6, 0, 1e6]
    assert shown.traded[:, 0].tolist() == [True, False, True]
    assert shown.now == datetime(2020, 1, 5, tzinfo=UTC)
    with pytest.raises(ValueError, match="read-only"):
        shown.close[0] = 1.0


def test_history_shows_other_time_frames_and_fields():
    hours = random_walk(("A",), 48, timeframe="1h")
    shown = history(close={"A": [1.0, 2.0]}, fields={"rate": {"A": [0.1, 0.2]}}, frames={"1h": hours})
    assert shown["rate"][:, 0].tolist() == [0.1, 0.2]
    assert shown.on("1h").close[-1, 0] == hours.close[-1, 0]


def test_bars_fill_in_what_is_not_given_and_refuse_what_does_not_fit():
    made = bars({"A": [10.0, 12.0]})
    assert (made.open[:, 0].tolist(), made.high[:, 0].tolist(), made.low[:, 0].tolist()) == (
        [10, 10],
        [10, 12],
        [10, 10],
    )
    with pytest.raises(UsageError, match=r"of A of shape \(2,\)"):
        bars({"A": [10.0, 12.0]}, volume={"A": [1]})
    with pytest.raises(UsageError, match="close of B"):
        bars({"A": [10.0, 12.0], "B": [1.0]})
    with pytest.raises(DataError, match="above 0"):
        bars({"A": [10.0, 0.0]})
    with pytest.raises(UsageError, match="time zone"):
        bars({"A": [10.0]}, start=datetime(2020, 1, 1))  # noqa: DTZ001 - the fault


def test_positions_are_aligned_with_the_history():
    shown = history(close={"A": [10, 12, 11], "B": [10, 12, 11]})
    held = positions(shown, {"A": 10, "B": -10}, bars={"A": 2}, entry_price={"B": 10.0})
    assert held.quantity.tolist() == [10, -10] and held.bars.tolist() == [2, 0]
    assert held.gain == pytest.approx([0.1, -0.1]) and held.best.tolist() == [12, 11]
    assert held.weight == pytest.approx([0.0011, -0.0011])
    with pytest.raises(UsageError, match=r"history\.of"):
        positions(shown, {"A": 10})


def test_env_is_real_and_knows_only_the_secrets_given(monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "from the environment")
    env = fake_env(secrets={"API_KEY": "s3cret"}, seed=7, now=datetime(2024, 1, 1, tzinfo=UTC))
    assert env.secret("API_KEY").reveal() == "s3cret" and "s3cret" not in repr(env.secret("API_KEY"))
    with pytest.raises(SettingsError):
        env.secret("OTHER_KEY")
    env.sleep(60)
    assert env.now() == datetime(2024, 1, 1, 0, 1, tzinfo=UTC)
    assert (
        env.folder.is_dir() and env.rng.random() == fake_env(seed=7, now=datetime(2024, 1, 1, tzinfo=UTC)).rng.random()
    )


def test_the_temporary_folder_goes_with_the_env():
    env = fake_env()
    folder = env.folder
    del env
    assert not folder.exists()


def test_book_and_plan_are_what_a_rule_sees():
    here = book({"A": 100.0, "B": 50.0}, held={"A": 10, "B": -4}, working={"A": 5}, cash=9_000, drawdown=0.25)
    assert here.equity == 9_800 and here.exposure.tolist() == [1_500, -200] and here.drawdown == pytest.approx(0.25)
    orders = plan(here, ("A", -10), ("B", 4), ("B", 3, 49.99), ("A", 1))
    assert orders.increases.tolist() == [False, False, True, True]
    assert orders.notional.tolist() == [-1_000, 200, 150, 100] and orders.price.tolist() == [100, 50, 49.99, 100]
    assert orders.orders[2].limit_price == Decimal("49.99") and orders.orders[0].side is Side.SELL
    with pytest.raises(UsageError, match="flip"):
        plan(here, ("B", 5))


def test_no_network_names_what_was_tried_and_lets_go_again():
    real = socket.getaddrinfo
    with pytest.raises(NetworkUsed, match=r"example\.invalid"), no_network(), suppress(OSError):
        socket.getaddrinfo("example.invalid", 443)
    assert socket.getaddrinfo is real


# ---- a run ---------------------------------------------------------------------------------------------------------
def test_a_run_by_hand_is_exact():
    """Decided at 11, bought at the next open (11): 90 units of 990 (the buffer keeps 10); sold at 12."""

    class Once:
        lookback = 2

        def score(self, history):
            return Signals([1.0 if history.close[-1, 0] > history.close[0, 0] else 0.0])

    rising = bars({"A": [10, 11, 12, 12, 12]})
    run = trade(Once(), rising, cash=1_000, balancer=OnSignal(), terms=Terms(fee=PerOrder(Decimal(1))))
    assert [(f.side, f.quantity, f.price) for f in run.fills] == [
        (Side.BUY, Decimal(90), Decimal(11)),
        (Side.SELL, Decimal(90), Decimal(12)),
    ]
    assert run.curve == [1000, 1000, 1089, 1089, 1088]
    assert (run.cash, run.equity, run.positions) == (1088, 1088, {}) and run.total_return == pytest.approx(0.088)
    assert len(run.decisions) == 5 and [order.quantity for order in run.orders] == [90, 90] and not run.refused


def test_a_run_closes_its_books_and_is_repeatable():
    made = random_walk(rows=120, seed=3)
    first, second = (trade(Rising(), made, allow_short=True, drop_threshold=0.3) for _ in range(2))
    assert first.fills and first.curve == second.curve and first.fills == second.fills
    cash = first.start - sum(fill.side.sign * fill.quantity * fill.price + fill.fee for fill in first.fills)
    assert first.cash == cash
    marks = dict(zip(made.symbols, made.close[-1].tolist(), strict=True))
    worth = sum(held.quantity * Decimal(str(marks[symbol])) for symbol, held in first.positions.items())
    assert first.equity == first.cash + worth


def test_a_run_obeys_rules_and_shows_what_they_refused():
    run = trade(Rising(), random_walk(rows=30), rules=[MaxNotional(None)], cash=1_000_000)
    assert run.refused and all(refusal.rule == "MaxNotional" for _, refusal in run.refused)


def test_a_strategy_that_raises_in_a_run_is_not_hidden():
    with pytest.raises(IndexError, match="out of bounds") as caught:
        trade(Raises(), random_walk(rows=10))
    assert caught.value.__notes__ == ["in score in the cycle of 2020-01-06 00:00"]


def test_a_run_works_inside_a_running_event_loop():
    import asyncio

    async def notebook():
        return trade(Rising(), random_walk(rows=20))

    assert len(asyncio.run(notebook()).curve) == 20


def test_every_exported_name_is_there():
    import trader.testing as kit

    assert all(getattr(kit, name).__doc__ for name in kit.__all__)
    with pytest.raises(AttributeError, match="no_such_thing"):
        kit.no_such_thing  # noqa: B018 - asking is the test


# ---- pytest --------------------------------------------------------------------------------------------------------
def test_fixtures_are_there_without_an_import(trader_env, trader_no_network, tmp_path):
    (tmp_path / "data.csv").write_text("x")
    assert trader_env().file("data.csv") == tmp_path / "data.csv"
    assert trader_env("alpaca", secrets={"K": "v"}).secret("K").reveal() == "v"


def run_pytest(folder, *options):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def test_a_whole_suite_in_six_lines(tmp_path):
    (tmp_path / "rsi_dip.py").write_text(
        "import numpy as np\nfrom pydantic import BaseModel\n"
        "from trader.hookspecs import hookimpl\nfrom trader.model import Signals\n\n"
        'class Settings(BaseModel, extra="forbid"):\n    length: int = 14\n\n'
        "class Dip:\n    def __init__(self, length):\n        self.lookback = length\n\n"
        "    def score(self, history):\n"
        "        return Signals(np.where(history.close[-1] < history.close.mean(axis=0), 1.0, 0.0))\n\n"
        "@hookimpl\ndef provide_strategy(settings, env):\n    return Dip(settings.length)\n"
    )
    (tmp_path / "test_rsi_dip.py").write_text(
        "import rsi_dip\nfrom trader.testing import StrategyConformance\n\n"
        "class TestRsiDip(StrategyConformance):\n    plugin = rsi_dip\n    options = {'length': 7}\n"
        "    skip = {'ST-10': 'it is used on liquid symbols only'}\n"
    )
    done = run_pytest(tmp_path, "-rs")
    assert done.returncode == 0, done.stdout
    assert "ST-10: it is used on liquid symbols only" in done.stdout and "14 passed" in done.stdout, done.stdout


def test_a_project_that_does_not_use_the_kit_does_not_pay_for_it(tmp_path):
    (tmp_path / "test_plain.py").write_text(
        "import sys\n\ndef test_nothing_is_imported():\n"
        "    assert 'trader.testing.pytest_plugin' in sys.modules\n"
        "    assert not {'numpy', 'pydantic', 'hypothesis', 'trader.model', 'trader.session'} & set(sys.modules)\n"
    )
    done = run_pytest(tmp_path, "-p", "no:hypothesispytest")
    assert done.returncode == 0, done.stdout


def test_a_case_of_a_broker_is_left_out_by_its_manifest_only():
    with pytest.raises(UsageError, match="declare in its manifest what it cannot do"):
        type("Excused", (BrokerConformance,), {"plugin": "paper", "skip": {"BC-04": "it is hard"}})
