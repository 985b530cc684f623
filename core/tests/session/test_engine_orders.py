"""A book at work: orders that take their time, exits at the venue, plugins that fail, money that is always there."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trader.cycle.market import instant
from trader.errors import PluginError
from trader.model import (
    CashEvent,
    ExitIntent,
    Fill,
    Instrument,
    NotFound,
    OrderState,
    Purpose,
    Side,
    Unavailable,
    Unknown,
)
from trader.orders.lifecycle import TERMINAL
from trader.session.report import Report
from trader.simulation import Fraction, PerShare, Terms

NAN = float("nan")
PRICE = st.integers(500, 20_000).map(lambda ticks: ticks / 100)


@st.composite
def random_bars(draw, book, *, rows=12, hours=(24,)):
    """Two symbols that wander; the second may have holes."""
    closes = {
        "A": draw(st.lists(PRICE, min_size=rows, max_size=rows)),
        "B": draw(st.lists(st.one_of(PRICE, PRICE, st.none()), min_size=rows, max_size=rows)),
    }
    closes["B"][0] = 50.0
    return book.bars(closes, volume=draw(st.sampled_from([500.0, 5_000.0])), hours=draw(st.sampled_from(hours)))


@st.composite
def wishes(draw, rows=12):
    """Target weights of two symbols for each cycle; None is no opinion."""
    weight = st.one_of(st.none(), st.sampled_from([0.0, 0.2, 0.45]), st.floats(-0.5, 0.5))
    return [(draw(weight), draw(weight)) for _ in range(rows)]


def follows(book, plan):
    def answer(history, call):
        weights = dict(zip(("A", "B"), plan[call - 1], strict=True))
        return book.Weights([NAN if weights[s] is None else weights[s] for s in history.symbols])

    return book.Says(answer)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_symbol_with_a_non_terminal_order_is_never_planned_again(book, data):
    bars, plan = data.draw(random_bars(book)), data.draw(wishes())
    style = book.Style(book.GTC, data.draw(st.sampled_from([None, 0.0, 0.05])))
    play = book.Play(
        bars, follows(book, plan), terms=Terms(participation=0.01), style=style, shorting=data.draw(st.booleans())
    )
    for report in play.steps():
        open_before = {
            request.symbol
            for request in play.journal.orders
            if request.decided_at < report.decision.at
            and play.venue.order(_ref(request)).state not in TERMINAL | {OrderState.CANCELED}
        }
        assert not {order.symbol for order in play.sent} & open_before
    assert play.venue.overlaps == []


def _ref(request):
    from trader.model import OrderRef

    return OrderRef(request.client_id, request.key, request.symbol)


def test_an_order_that_fills_in_parts_is_waited_for(book):
    play = book.Play(
        book.bars({"A": [10.0] * 6}, volume=1_000.0), book.Says(book.Weights([0.03])), style=book.Style(book.GTC),
        terms=Terms(participation=0.1),
    )  # fmt: skip
    sent, held = [], []
    for _ in play.steps():
        sent.append([(order.symbol, order.quantity) for order in play.sent])
        held.append(play.held("A"))
    assert sent == [[("A", 300)], [], [], [], [], []] and held == [0, 100, 200, 300, 300, 300]


def test_a_stale_working_order_is_cancelled_and_planned_again_when_it_is_gone(book):
    wish = [0.03, 0.03, 0.0, 0.0, 0.0]
    play = book.Play(
        book.bars({"A": [10.0] * 5}, volume=1_000.0), book.Says(lambda history, call: book.Weights([wish[call - 1]])),
        style=book.Style(book.GTC), terms=Terms(participation=0.1),
    )  # fmt: skip
    play.step()
    first = play.sent[0].client_id
    play.step()  # 100 of 300 are filled, the wish is the same
    assert play.sent == [] and play.decision.cancels == []
    play.step()  # 200 filled, now it wants none
    assert play.sent == [] and play.venue.cancelled == [first]
    play.step()  # the cancel is known
    assert [(order.side, order.quantity) for order in play.sent] == [(Side.SELL, 200)]
    assert play.venue.overlaps == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_order_fills_at_or_before_the_close_it_was_decided_on(book, data):
    bars, plan = data.draw(random_bars(book, hours=(24, 1))), data.draw(wishes())
    away = data.draw(st.sampled_from([None, 0.0, -0.05, 0.02]))
    style = book.Style(data.draw(st.sampled_from([book.GTC, "day"])), away)
    play = book.Play(bars, follows(book, plan), style=style, shorting=data.draw(st.booleans()))
    for report in play.steps():
        decided = {request.key: request.decided_at for request in play.journal.orders}
        for fill in report.fills:
            assert fill.time > decided[fill.key]
            assert fill.time <= play.decision.at


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_money_is_what_fills_and_cash_events_make_it_after_every_step(book, data):
    bars, plan = data.draw(random_bars(book)), data.draw(wishes())
    terms = Terms(PerShare(Decimal("0.005"), Decimal(1)), Fraction(5.0), participation=0.1)
    play = book.Play(bars, follows(book, plan), terms=terms, shorting=data.draw(st.booleans()))
    for _ in play.steps():
        cash, held = Decimal(0), {}
        for booking in play.journal.facts:
            fact = booking.fact
            if hasattr(fact, "amount"):
                cash += fact.amount
            else:
                cash -= fact.quantity * fact.side.sign * fact.price + fact.fee
                held[fact.symbol] = held.get(fact.symbol, Decimal(0)) + fact.quantity * fact.side.sign
        marks = dict(zip(bars.symbols, play.market.panel.close[play.row].tolist(), strict=True))
        equity = cash + sum((many * Decimal(f"{marks[s]:.2f}") for s, many in held.items() if many), Decimal(0))
        record = play.journal.records[-1]
        assert (record.cash, record.equity) == (cash, equity)
        assert {p.symbol: p.quantity for p in play.venue.positions()} == {s: q for s, q in held.items() if q}
        assert play.venue.account().cash == cash


def test_F26_money_of_each_day_is_booked_once_in_a_book_that_holds(book):
    """A backtest's journal refuses nothing: the ledger alone knows what was booked, however long ago the last fill."""
    bars = book.bars({"A": [100.0] * 12, "B": [50.0] * 12})
    play = book.Play(bars, follows(book, [(0.5, 0.0)] + [(None, None)] * 11))
    for _ in play.steps():
        play.venue.book_cash(CashEvent(f"f{play.row}", "funding", Decimal(-5), "USD", play.decision.at))
    assert len([1 for booking in play.journal.facts if hasattr(booking.fact, "amount")]) == 12
    assert play.engine.ledger.cash == play.venue.account().cash + 5


# ---- exits at the venue --------------------------------------------------------------------------------------------
class Guards:
    """Buys once, keeps a stop order at a level of its own."""

    lookback = 1

    def __init__(self, book, levels):
        self.book, self.levels, self.calls = book, levels, 0

    def score(self, history):
        return self.book.Weights([0.5 if self.calls == 0 else NAN] * len(history.symbols))

    def exits(self, history, positions):
        self.calls += 1
        level = self.levels[min(self.calls, len(self.levels)) - 1]
        return [ExitIntent(symbol, "guard", stop=level) for symbol in history.symbols if level]


def test_a_stop_order_stands_at_the_venue_and_leaves_when_the_bar_touches_it(book):
    bars = book.bars({"A": [100.0, 100.0, 100.0, 94.0, 94.0]}, opens={"A": [100, 100, 100, 99, 94]})
    play = book.Play(bars, Guards(book, [95.0]))
    play.step()
    play.step()
    (stop,) = play.sent
    assert (stop.purpose, stop.quantity, stop.stop_price) == (Purpose.STOP, 500, Decimal(95))
    play.step()
    assert play.sent == [] and play.engine.open_orders() == [(stop.client_id, OrderState.WORKING)]
    play.step()
    (fill,) = play.report.fills
    assert (fill.side, fill.quantity, fill.price, fill.key) == (Side.SELL, 500, Decimal(95), stop.key)
    assert play.held("A") == 0 and play.engine.open_orders() == []


def test_a_stop_whose_level_moves_is_replaced_and_never_doubled(book):
    play = book.Play(book.bars({"A": [100.0] * 7}), Guards(book, [95.0, 95.0, 96.0]))
    play.step()  # buys
    working = []
    for _ in play.steps():
        working.append([str(report.stop_price) for report in play.venue.orders()])
        assert sum((report.quantity for report in play.venue.orders()), Decimal(0)) <= play.held("A")
    assert working == [["95.00"], ["95.00"], [], ["96.00"], ["96.00"], ["96.00"]]


def test_a_standing_stop_that_nobody_asks_for_any_more_is_cancelled(book):
    play = book.Play(book.bars({"A": [100.0] * 6}), Guards(book, [95.0, 95.0, None]))
    play.step()  # buys
    standing = [[str(report.stop_price) for report in play.venue.orders()] for _ in play.steps()]
    assert standing == [["95.00"], ["95.00"], [], [], []]
    assert play.held("A") > 0 and play.engine.open_orders() == []


def test_a_standing_stop_is_cancelled_before_the_position_is_traded(book):
    class Sells(Guards):
        def score(self, history):
            return self.book.Weights([0.5 if self.calls < 3 else 0.0])

    play = book.Play(book.bars({"A": [100.0] * 7}), Sells(book, [95.0]))
    purposes = [[str(order.purpose) for order in play.sent] for _ in play.steps()]
    assert purposes == [["rebalance"], ["stop"], [], [], ["rebalance"], [], []]
    assert play.held("A") == 0 and play.venue.orders() == () and play.venue.overlaps == []


def test_an_exit_that_takes_its_time_goes_on_and_is_not_cancelled_in_every_second_cycle(book):
    from trader.cycle.exits import ExitRules

    says = book.Says(lambda history, call: book.Weights([0.5 if call == 1 else NAN]))
    bars = book.bars({"A": [100.0] * 8}, volume=200.0, hours=1)
    play = book.Play(bars, says, cash=100_000, exits=ExitRules(max_age=2), style=book.Style(book.GTC))
    held = [int(play.held("A")) for _ in play.steps()]
    assert held == [0, 200, 400, 500, 300, 100, 0, 0] and play.venue.cancelled == []


def test_age_is_counted_in_bars_of_the_book(book):
    from trader.cycle.exits import ExitRules

    says = book.Says(lambda history, call: book.Weights([0.5 if call == 1 else NAN]))
    play = book.Play(book.bars({"A": [100.0] * 7}), says, exits=ExitRules(max_age=3))
    left = [[one.reason for one in report.decision.exits] for report in play.steps()]
    assert left == [[], [], [], [], ["age"], [], []]  # filled in the bar of row 1, which is age 0


def units_of_somebody(symbol, side, at):
    return Fill(f"of {symbol}", "", "", symbol, side, Decimal(100), Decimal(300), Decimal(0), at)


@pytest.mark.parametrize(("side", "best"), [(Side.BUY, [103.0, 10.0]), (Side.SELL, [101.0, 10.0])])
def test_after_a_restart_the_best_price_is_known_also_where_the_bars_begin_with_a_hole(book, side, best):
    from trader.cycle.exits import ExitRules

    bars = book.bars({"A": [None, 101.0, 103.0, 102.0], "B": [10.0] * 4})
    play = book.Play(bars, book.Says(book.Weights([NAN, NAN])), exits=ExitRules(max_age=99), shorting=True)
    at = instant(bars.start[0] - np.timedelta64(30, "D"))
    play.engine.reconciler.take_over([units_of_somebody(symbol, side, at) for symbol in ("A", "B")], Report(), 0)
    standing = play.engine.standing
    standing.recall(2)
    assert standing.portfolio.best.tolist() == best
    standing.recall(0)
    for row in range(3):
        standing.mark(row, instant(bars.end[row]))
    assert standing.portfolio.best.tolist() == best


@pytest.mark.parametrize(("settlement", "side"), [("cash", Side.BUY), ("cash", Side.SELL), ("margin", Side.BUY)])
def test_what_is_held_without_any_bar_counts_at_what_it_was_bought_for_and_not_as_nothing(book, settlement, side):
    rules = {"HALTED": Instrument("HALTED", settlement=settlement)}
    bars = book.bars({"HALTED": [None] * 3, "B": [10.0] * 3})
    play = book.Play(bars, book.Says(book.Weights([0.0])), instruments=rules)
    at = instant(bars.start[0])
    play.engine.reconciler.take_over([units_of_somebody("HALTED", side, at)], Report(), 0)
    play.step()
    standing = play.engine.standing
    assert (standing.equity, standing.day_equity, standing.peak) == (100_000, 100_000, 100_000)
    assert play.decision.equity == 100_000


# ---- plugins that fail ---------------------------------------------------------------------------------------------
def fails_in(book, cycles, weight=0.5):
    def answer(history, call):
        if call in cycles:
            raise ValueError("no")
        return book.Weights([weight] * len(history.symbols))

    return book.Says(answer)


def test_F78_three_failures_in_a_row_make_the_book_reduce_only(book):
    play = book.Play(book.bars({"A": [100.0] * 6}), fails_in(book, {1, 2, 3}))
    reports = list(play.steps())
    assert [len(report.faults) for report in reports] == [1, 1, 1, 0, 0, 0]
    assert "s1 failed in 3 cycles in a row: the book may only reduce from now on" in reports[2].decision.notes
    assert not any(report.decision.approved for report in reports) and play.desk.reduce_only


def test_two_failures_in_a_row_do_not(book):
    play = book.Play(book.bars({"A": [100.0] * 6}), fails_in(book, {1, 2, 4, 5}))
    reports = list(play.steps())
    assert not play.desk.reduce_only and [len(r.decision.approved) for r in reports] == [0, 0, 1, 0, 0, 0]


def test_a_reduce_only_book_still_sells(book):
    def answer(history, call):
        if call in (3, 4, 5):
            raise ValueError("no")
        return book.Weights([0.5 if call < 3 else 0.0])

    play = book.Play(book.bars({"A": [100.0] * 8}), book.Says(answer))
    for _ in play.steps():
        pass
    assert play.desk.reduce_only and play.held("A") == 0


class Counts:
    """Keeps a number; raises in the cycles it is told to, after it changed its number."""

    lookback = 1

    def __init__(self, book, bad=()):
        self.book, self.bad, self.count, self.loaded = book, bad, 0, []

    def score(self, history):
        self.count += 1
        if self.count in self.bad:
            raise ValueError("no")
        return self.book.Weights([NAN])

    def save(self):
        return b"%d" % self.count

    def load(self, state):
        self.loaded.append(state)
        self.count = int(state)


def test_state_is_rolled_back_after_a_call_that_raised(book):
    strategy = Counts(book, bad={3})
    play = book.Play(book.bars({"A": [100.0] * 4}), strategy, stateful=[("s1", strategy)])
    for _ in range(2):
        play.step()
    assert strategy.loaded == [] and strategy.count == 2
    play.step()
    assert strategy.loaded == [b"2"] and strategy.count == 2


def test_state_is_rolled_back_also_when_the_first_call_raises(book):
    strategy = Counts(book, bad={1})
    play = book.Play(book.bars({"A": [100.0] * 3}), strategy, stateful=[("s1", strategy)])
    play.step()
    assert strategy.count == 0


@pytest.mark.parametrize("answer", [None, "text", ValueError("no")])
def test_a_save_that_fails_is_a_fault_and_the_state_stays_as_it_was(book, answer):
    strategy = Counts(book)
    play = book.Play(book.bars({"A": [100.0] * 5}), strategy, stateful=[("s1", strategy)])
    play.step()

    def save():
        if isinstance(answer, Exception):
            raise answer
        return answer

    strategy.save = save
    faults = [[(one.method, one.instance) for one in play.step().faults] for _ in range(3)]
    assert faults == [[("save", "s1")]] * 3 and play.desk.reduce_only


def test_a_plugin_that_cannot_take_up_its_state_stops_the_start(book):
    class Picky(Counts):
        def load(self, state):
            raise KeyError("version")

        def save(self):
            raise KeyError("version")

    strategy = Picky(book)
    with pytest.raises(PluginError, match="cannot take up the state that it kept: KeyError"):
        book.Play(book.bars({"A": [100.0]}), strategy, stateful=[("s1", strategy)])


def test_a_plugin_starts_with_the_state_that_was_stored(book):
    class Stored(type(book.Play(book.bars({"A": [1.0]}), Counts(book)).journal)):
        def load(self):
            import msgspec

            return msgspec.structs.replace(super().load(), plugins={"s1": b"41"})

    strategy = Counts(book)
    play = book.Play(
        book.bars({"A": [100.0] * 2}), strategy, stateful=[("s1", strategy)], journal=Stored(b"x", keep=True)
    )
    play.step()
    assert strategy.loaded == [b"41"] and strategy.count == 42


# ---- a venue that does not answer ----------------------------------------------------------------------------------
def test_F16_a_timeout_is_no_rejection_the_order_is_found_and_filled_once(book):
    play = book.Play(book.bars({"A": [100.0] * 4}), book.Says(book.Weights([0.5])))
    play.venue.answer = TimeoutError("no answer")
    play.step()
    assert [state for _, state in play.engine.open_orders()] == [OrderState.UNKNOWN]
    play.venue.answer = None
    play.step()
    assert play.held("A") == 500 and play.engine.open_orders() == []
    for _ in play.steps():
        assert play.sent == []


def test_F17_an_order_that_is_unknown_counts_and_is_not_decided_again(book):
    play = book.Play(book.bars({"A": [100.0] * 3}), book.Says(book.Weights([0.5])))
    play.venue.answer, play.venue.lost = Unknown("timeout", "?"), True
    play.step()
    assert [state for _, state in play.engine.open_orders()] == [OrderState.UNKNOWN]
    portfolio = play.engine.standing.view(None, np.empty(0, "datetime64[ns]"))
    assert portfolio.worst.tolist() == [500.0] and portfolio.unresolved.tolist() == [True]


def test_a_query_that_fails_changes_nothing_and_is_told(book, monkeypatch):
    play = book.Play(book.bars({"A": [100.0] * 4}), book.Says(book.Weights([0.5])))
    play.step()
    real = play.venue.fills
    monkeypatch.setattr(play.venue, "fills", lambda since: Unavailable("timeout", "down"))
    play.step()
    assert play.held("A") == 0 and any("down" in one for one in play.report.unreached) and play.sent == []
    monkeypatch.setattr(play.venue, "fills", real)
    play.step()
    assert play.held("A") == 500 and len(play.report.fills) == 1


def test_a_query_that_raises_is_a_query_that_fails(book, monkeypatch):
    play = book.Play(book.bars({"A": [100.0] * 3}), book.Says(book.Weights([0.5])))
    play.step()
    monkeypatch.setattr(play.venue, "fills", lambda since: 1 / 0)
    play.step()
    assert play.held("A") == 0 and any("ZeroDivisionError" in one for one in play.report.unreached)


def test_a_dry_run_plans_and_sends_nothing(book):
    play = book.Play(book.bars({"A": [100.0] * 3}), book.Says(book.Weights([0.5])), dry_run=True)
    for report in play.steps():
        assert [refusal.rule for _, refusal in report.refused] == ["dry_run"]
    assert play.venue.orders() == () and play.held("A") == 0 and play.gate.passes == 0
    assert isinstance(play.venue.order(_ref(play.journal.orders[0])), NotFound)
