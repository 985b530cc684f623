"""Exits come first: by the settings, by a strategy's word, now or as a stop order that stands at the venue."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trader.cycle.exits import ExitRules
from trader.cycle.portfolio import Held, Portfolio
from trader.model import ExitIntent, Instrument, OrderType, Purpose, Side, TimeInForce

NAN = float("nan")


def holds(cycle, **more):
    """A strategy without an opinion: only exits move anything."""
    return cycle.Leaves(cycle.Signals(NAN), **more)


@pytest.mark.parametrize(
    ("rules", "close", "held", "reason"),
    [
        (ExitRules(stop=0.1), 90.0, 10, "stop"),
        (ExitRules(stop=0.1), 90.01, 10, None),
        (ExitRules(target=0.5), 150.0, 10, "target"),
        (ExitRules(target=0.5), 149.99, 10, None),
        (ExitRules(stop=0.1), 110.0, -10, "stop"),
        (ExitRules(stop=0.1), 109.0, -10, None),
        (ExitRules(target=0.5), 50.0, -10, "target"),
        (ExitRules(max_age=2), 100.0, 10, "age"),
        (ExitRules(max_age=3), 100.0, 10, None),
        (ExitRules(), 1.0, 10, None),
    ],
)
def test_the_settings_leave_by_loss_gain_and_age(cycle, rules, close, held, reason):
    decision = cycle.decide(
        {"A": [100.0, 100.0, close]}, holds(cycle), held={"A": held}, entry={"A": 100.0}, exits=rules
    )
    assert [one.reason for one in decision.exits] == ([reason] if reason else [])
    side = "sell" if held > 0 else "buy"
    assert cycle.orders(decision) == ([("A", side, abs(held))] if reason else [])
    if reason:
        order = decision.approved[0].order
        assert order.purpose is Purpose.EXIT and order.reduce_only and order.type is OrderType.MARKET
        assert cycle.verdicts(decision) == {"A": "EXITED"} and decision.exits[0].by == "application.exits"


@pytest.mark.parametrize("held", [10, -10])
def test_F101_what_was_taken_over_at_no_price_has_neither_gained_nor_lost(cycle, held):
    rules = ExitRules(stop=0.1, target=0.5)
    decision = cycle.decide({"A": [100.0]}, holds(cycle), held={"A": held}, entry={"A": 0.0}, exits=rules)
    assert decision.exits == [] and decision.approved == [] and decision.faults == []
    aged = cycle.decide(
        {"A": [100.0] * 3}, holds(cycle), held={"A": held}, entry={"A": 0.0}, exits=ExitRules(stop=0.1, max_age=2)
    )
    assert [one.reason for one in aged.exits] == ["age"]


def test_an_exit_takes_the_symbol_out_of_this_cycles_targets(cycle):
    likes = cycle.Leaves(cycle.Signals(1.0), intents=[ExitIntent("A", "enough")])
    decision = cycle.decide({"A": [10.0], "B": [10.0]}, likes, held={"A": 100})
    assert cycle.orders(decision)[0] == ("A", "sell", 100)
    assert {symbol for symbol, side, _ in cycle.orders(decision) if side == "buy"} == {"B"}
    assert likes.asked[0].symbols == ("B",)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.floats(0.001, 1), st.sampled_from(["1", "10", "0.001"]), st.booleans())
def test_a_fraction_is_rounded_up_to_the_lot_and_never_exceeds_what_is_held(cycle, lots, fraction, lot, short):
    rules = Instrument("A", lot=Decimal(lot))
    held = lots * rules.lot
    says = holds(cycle, intents=[ExitIntent("A", "some", fraction=fraction)])
    decision = cycle.decide({"A": [10.0]}, says, held={"A": float(-held if short else held)}, instruments={"A": rules})
    (order,) = (approved.order for approved in decision.approved)
    assert order.quantity % rules.lot == 0 and order.quantity <= held
    assert float(order.quantity) >= float(held) * fraction - 1e-6
    assert float(order.quantity - rules.lot) < float(held) * fraction
    assert order.side is (Side.BUY if short else Side.SELL)


@pytest.mark.parametrize(("held", "level"), [(100, "95.13"), (-100, "95.12")])
def test_a_stop_stands_at_the_venue_rounded_so_that_it_is_out_earlier(cycle, held, level):
    says = holds(cycle, intents=[ExitIntent("A", "guard", stop=95.123)])
    decision = cycle.decide({"A": [100.0]}, says, held={"A": held})
    (order,) = (approved.order for approved in decision.approved)
    assert (order.type, order.time_in_force, order.purpose) == (OrderType.STOP, TimeInForce.GTC, Purpose.STOP)
    assert order.stop_price == Decimal(level) and order.limit_price is None and order.reduce_only
    assert order.quantity == 100
    assert cycle.verdicts(decision) != {"A": "EXITED"}


@pytest.mark.parametrize("stop", [95.0, 95.121, 95.13])
def test_a_stop_that_stands_at_its_level_stays(cycle, stop):
    standing = 95.0 if stop == 95.0 else 95.13
    says = holds(cycle, intents=[ExitIntent("A", "guard", stop=stop)])
    working = [{"symbol": "A", "quantity": -100, "stop": standing}]
    decision = cycle.decide({"A": [100.0]}, says, held={"A": 100}, working=working)
    assert decision.approved == [] and decision.cancels == []


@pytest.mark.parametrize(
    ("held", "fraction", "stays"),
    [(50, 1.0, False), (150, 1.0, False), (150, 0.5, True), (50, 0.5, False), (-100, 1.0, False)],
)
def test_F102_a_stop_that_does_not_fit_what_is_held_any_more_is_replaced(cycle, held, fraction, stays):
    says = holds(cycle, intents=[ExitIntent("A", "guard", stop=95.0, fraction=fraction)])
    working = [{"symbol": "A", "quantity": -100, "stop": 95.0}]
    decision = cycle.decide({"A": [100.0]}, says, held={"A": held}, working=working)
    assert decision.approved == [] and [ref.client_id for ref in decision.cancels] == ([] if stays else ["w1"])
    anew = cycle.decide({"A": [100.0]}, says, held={"A": held})
    assert cycle.orders(anew) == [("A", "sell" if held > 0 else "buy", abs(held) * fraction)]


def test_a_stop_whose_level_moves_is_cancelled_and_placed_again_when_it_is_gone(cycle):
    says = holds(cycle, intents=[ExitIntent("A", "guard", stop=96.0)])
    working = [{"symbol": "A", "quantity": -100, "stop": 95.0}]
    moving = cycle.decide({"A": [100.0]}, says, held={"A": 100}, working=working)
    assert moving.approved == [] and [ref.client_id for ref in moving.cancels] == ["w1"]
    moved = cycle.decide({"A": [100.0]}, says, held={"A": 100})
    assert [approved.order.stop_price for approved in moved.approved] == [Decimal(96)]


def test_leaving_now_cancels_what_works_first(cycle):
    says = holds(cycle, intents=[ExitIntent("A", "out")])
    working = [{"symbol": "A", "quantity": -100, "stop": 95.0}]
    decision = cycle.decide({"A": [100.0]}, says, held={"A": 100}, working=working)
    assert decision.approved == [] and [ref.client_id for ref in decision.cancels] == ["w1"]


@pytest.mark.parametrize(("held", "stays"), [(100, True), (150, True), (50, False)])
def test_an_exit_that_is_on_its_way_is_not_cancelled_unless_less_is_held(cycle, held, stays):
    says = holds(cycle, intents=[ExitIntent("A", "out")])
    working = [{"symbol": "A", "quantity": -100, "leaves": True}]
    decision = cycle.decide({"A": [100.0]}, says, held={"A": held}, working=working)
    assert decision.approved == [] and [ref.client_id for ref in decision.cancels] == ([] if stays else ["w1"])


def test_what_cannot_be_cancelled_now_is_waited_for(cycle):
    says = holds(cycle, intents=[ExitIntent("A", "out")])
    working = [{"symbol": "A", "quantity": -100, "cancellable": False}]
    decision = cycle.decide({"A": [100.0]}, says, held={"A": 100}, working=working)
    assert decision.approved == [] and decision.cancels == []


def test_a_standing_stop_does_not_block_a_trade_it_is_cancelled_first(cycle):
    sells = cycle.Leaves(cycle.Signals(0.0), intents=[ExitIntent("A", "guard", stop=95.0)])
    working = [{"symbol": "A", "quantity": -100, "stop": 95.0}]
    first = cycle.decide({"A": [100.0]}, sells, held={"A": 100}, working=working)
    assert first.approved == [] and [ref.client_id for ref in first.cancels] == ["w1"]
    assert cycle.verdicts(first) == {"A": "UNRESOLVED"}
    then = cycle.decide({"A": [100.0]}, sells, held={"A": 100})
    assert cycle.orders(then) == [("A", "sell", 100)]


@pytest.mark.parametrize(
    ("why", "options"),
    [
        ("BELOW_LOT", {"target": 0.1}),
        ("BELOW_NOTIONAL", {"target": 0.2, "instruments": {"A": Instrument("A", min_notional=Decimal(1000))}}),
        ("REDUCE_ONLY", {"target": 0.5, "reduce_only": True}),
        ("NOT_SHORTABLE", {"target": -0.5, "held": -1, "allow_short": True,
                           "instruments": {"A": Instrument("A", shortable=False)}}),
        ("NO_CASH", {"target": 0.5, "settled_cash": 100.0}),
        ("REFUSED", {"target": 0.5, "refused": True}),
    ],
)  # fmt: skip
def test_a_stop_is_not_cancelled_for_a_trade_that_cannot_go(cycle, why, options):
    held, target = options.pop("held", 1), options.pop("target")
    if options.pop("refused", False):
        options["rules"] = [cycle.Rule(lambda plan, book: [cycle.Refusal(0, "too big", 1.0, 2.0)] * min(1, len(plan)))]
    level = 250.0 if held > 0 else 350.0
    trades = cycle.Leaves(cycle.Weights([target]), intents=[ExitIntent("A", "guard", stop=level)])
    working = [{"symbol": "A", "quantity": -held, "stop": level}]
    decision = cycle.decide({"A": [300.0]}, trades, held={"A": held}, cash=4_700, working=working, **options)
    assert decision.approved == [] and decision.cancels == []
    assert cycle.verdicts(decision) == {"A": why}


def test_a_stop_that_stays_takes_nothing_from_the_trades_of_others(cycle):
    """Neither what its own trade would bring nor what it would cost counts in this cycle."""
    trades = cycle.Leaves(cycle.Weights([0.0, 0.5]), intents=[ExitIntent("A", "guard", stop=95.0)])
    working = [{"symbol": "A", "quantity": -100, "stop": 95.0}]
    decision = cycle.decide(
        {"A": [100.0], "B": [100.0]}, trades, held={"A": 100}, cash=1_050, working=working, cash_buffer=0.0
    )
    assert cycle.orders(decision) == [("B", "buy", 10)]
    assert [ref.client_id for ref in decision.cancels] == ["w1"]
    assert cycle.verdicts(decision) == {"A": "UNRESOLVED", "B": "ORDERED"}


@pytest.mark.parametrize("target", [0.0, 0.05, 0.5])
def test_a_trade_and_a_stop_are_never_sent_together_so_that_both_could_sell_more_than_is_held(cycle, target):
    trims = cycle.Leaves(cycle.Weights([target]), intents=[ExitIntent("A", "guard", stop=95.0)])
    decision = cycle.decide({"A": [100.0]}, trims, held={"A": 100}, cash=90_000)
    assert len(decision.approved) == 1 and decision.approved[0].order.purpose is Purpose.REBALANCE


def test_a_stop_is_placed_although_the_trade_beside_it_was_refused(cycle):
    grows = cycle.Leaves(cycle.Weights([0.9]), intents=[ExitIntent("A", "guard", stop=95.0)])
    no = cycle.Rule(lambda plan, book: [cycle.Refusal(0, "too big", 1.0, 2.0)])
    decision = cycle.decide({"A": [100.0]}, grows, held={"A": 100}, rules=[no])
    assert [(o.order.purpose, o.order.quantity) for o in decision.approved] == [(Purpose.STOP, 100)]
    assert [order.purpose for order, _ in decision.denied] == [Purpose.REBALANCE]


@pytest.mark.parametrize("target", [0.0, 0.05, 0.9, -0.5])
@pytest.mark.parametrize("refuses", ["the trade", "everything"])
def test_a_stop_and_the_trade_beside_it_that_was_refused_have_ids_of_their_own(cycle, target, refuses):
    trades = cycle.Leaves(cycle.Weights([target]), intents=[ExitIntent("A", "guard", stop=95.0)])
    no = cycle.Rule(
        lambda plan, book: [
            cycle.Refusal(row, "closed", 0.0, 0.0)
            for row in range(len(plan))
            if refuses == "everything" or plan.purpose is not Purpose.STOP
        ],
        guards="all",
    )
    decision = cycle.decide({"A": [100.0]}, trades, held={"A": 100}, cash=90_000, rules=[no], allow_short=True)
    known = [*(one.order for one in decision.approved), *(order for order, _ in decision.denied)]
    assert {order.purpose for order in known} == {Purpose.REBALANCE, Purpose.STOP}
    assert len({order.client_id for order in known}) == len(known)


def test_one_exit_a_symbol_leaving_goes_before_a_stop_and_the_settings_before_a_strategy(cycle):
    says = holds(
        cycle,
        intents=[ExitIntent("A", "guard", stop=50.0), ExitIntent("A", "half", fraction=0.5), ExitIntent("B", "mine")],
    )
    decision = cycle.decide(
        {"A": [100.0], "B": [80.0]}, says, held={"A": 100, "B": 10}, entry={"B": 100.0}, exits=ExitRules(stop=0.1)
    )
    assert cycle.orders(decision) == [("A", "sell", 50), ("B", "sell", 10)]
    assert [(one.symbol, one.reason, one.by) for one in decision.exits] == [
        ("A", "half", "s1"),
        ("B", "stop", "application.exits"),
    ]


def test_exits_are_asked_also_for_symbols_that_coverage_dropped(cycle):
    seen = {}

    def leave(history, positions):
        seen.update(symbols=history.symbols, quantity=positions.quantity.tolist(), bars=positions.bars.tolist())
        return [ExitIntent(symbol, "gone") for symbol in history.symbols]

    close = {"A": [10.0, None, None, None], "B": [10.0] * 4}
    decision = cycle.decide(close, holds(cycle, intents=leave), held={"A": 5}, max_age=1)
    assert seen == {"symbols": ("A",), "quantity": [5.0], "bars": [3]}
    assert cycle.orders(decision) == [("A", "sell", 5)]


@pytest.mark.parametrize(("held", "unknown"), [(10.0, -np.inf), (-10.0, np.inf)])
def test_the_best_price_of_what_was_entered_since_the_last_bar_is_the_last_price(held, unknown):
    portfolio = Portfolio.empty(1, 1_000.0)
    portfolio.quantity[:], portfolio.entry_price[:], portfolio.best[:] = held, 100.0, unknown
    seen = Held(portfolio, np.array([0]), np.array([101.0]), np.ones(1), 0)
    assert seen.best.tolist() == [101.0]


def test_what_a_strategy_sees_of_its_positions(cycle):
    seen = {}

    def look(history, positions):
        seen.update(
            {name: getattr(positions, name).tolist() for name in ("quantity", "weight", "gain", "entry_price", "bars")}
        )
        return ()

    close = {"A": [100.0, 110.0], "FLAT": [5.0, 5.0], "S": [50.0, 40.0]}
    cycle.decide(close, holds(cycle, intents=look), held={"A": 10, "S": -10}, entry={"A": 100.0, "S": 50.0}, cash=1_000)
    assert seen["quantity"] == [10.0, -10.0] and seen["entry_price"] == [100.0, 50.0] and seen["bars"] == [1, 1]
    assert np.allclose(seen["gain"], [0.1, 0.2])
    assert np.allclose(seen["weight"], [1100 / 1700, -400 / 1700])


@pytest.mark.parametrize(
    ("intents", "expected"),
    [
        ([ExitIntent("FLAT", "?")], "Expected one of the held symbols A, was 'FLAT'"),
        ([ExitIntent("ELSEWHERE", "?")], "Expected one of the held symbols A, was 'ELSEWHERE'"),
        ([ExitIntent("A", "?", fraction=0.0)], "Expected a fraction above 0 and at most 1"),
        ([ExitIntent("A", "?", fraction=1.5)], "Expected a fraction above 0 and at most 1"),
        ([ExitIntent("A", "?", fraction=NAN)], "Expected a fraction above 0 and at most 1"),
        ([ExitIntent("A", "?", stop=NAN)], "Expected a finite stop price above 0"),
        ([ExitIntent("A", "?", stop=-1.0)], "Expected a finite stop price above 0"),
        (["A"], "Expected an ExitIntent, was str"),
        (None, "not iterable"),
    ],
)
def test_F82_exits_that_are_nonsense_are_left_out_and_the_cycle_goes_on(cycle, intents, expected):
    says = cycle.Leaves(cycle.Weights([NAN, 0.5]), intents=intents)
    decision = cycle.decide({"A": [10.0], "FLAT": [10.0]}, says, held={"A": 100})
    (fault,) = decision.faults
    assert expected in str(fault.error) and (fault.instance, fault.method) == ("s1", "exits")
    assert [order[:2] for order in cycle.orders(decision)] == [("FLAT", "buy")]


def test_exits_pass_rules_that_guard_only_what_increases(cycle):
    refuses_all = cycle.Rule(lambda plan, book: [cycle.Refusal(n, "no", 0.0, 0.0) for n in range(len(plan.orders))])
    says = holds(cycle, intents=[ExitIntent("A", "out")])
    assert cycle.orders(cycle.decide({"A": [10.0]}, says, held={"A": 100}, rules=[refuses_all])) == [("A", "sell", 100)]


def test_exits_pass_in_a_reduce_only_book_but_not_in_read_only_mode(cycle):
    says = holds(cycle, intents=[ExitIntent("A", "out")])
    assert cycle.orders(cycle.decide({"A": [10.0]}, says, held={"A": 1}, reduce_only=True)) == [("A", "sell", 1)]
    assert cycle.decide({"A": [10.0]}, says, held={"A": 1}, plans=False).approved == []
