"""The drift band stops churn: nothing is rebalanced inside it; opening and closing ignore it."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from trader.cycle.balancer import OnSignal, Threshold
from trader.model import Instrument

WEIGHT = st.floats(-1, 1, allow_subnormal=False).map(lambda x: round(x, 6))
BAND = st.floats(0, 1).map(lambda x: round(x, 4))


@given(st.lists(st.tuples(WEIGHT, WEIGHT), min_size=1, max_size=8), BAND, BAND)
def test_inside_the_band_nothing_is_due_and_outside_everything_is(pairs, absolute, relative):
    target, held = (np.array(column) for column in zip(*pairs, strict=True))
    due = Threshold(absolute, relative).due(target, held)
    for wish, has, trades in zip(target, held, due, strict=True):
        if (wish == 0) != (has == 0):
            assert trades, "opening and closing ignore the band"
        elif abs(wish - has) < max(absolute, relative * abs(wish)) or wish == has:
            assert not trades
        else:
            assert trades


@given(st.lists(st.tuples(WEIGHT, WEIGHT), min_size=1, max_size=8))
def test_on_signal_trades_only_to_open_to_close_and_to_turn(pairs):
    target, held = (np.array(column) for column in zip(*pairs, strict=True))
    due = OnSignal().due(target, held)
    assert due.tolist() == [np.sign(wish) != np.sign(has) for wish, has in pairs]


@pytest.mark.parametrize("balancer", [Threshold(), Threshold(0.5), OnSignal()])
def test_no_opinion_is_never_due(balancer):
    assert not balancer.due(np.array([np.nan, np.nan]), np.array([0.0, 0.5])).any()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_whole_cycle_places_no_rebalancing_order_inside_the_band(cycle, data):
    count = data.draw(st.integers(1, 4))
    names = [f"S{number}" for number in range(count)]
    held = {name: data.draw(st.integers(1, 400)) for name in names}
    price = {name: data.draw(st.integers(100, 20_000)) / 100 for name in names}
    targets = np.array([data.draw(st.floats(0.001, 1)) for _ in names])
    targets /= max(1.0, targets.sum())
    band, relative = data.draw(st.floats(0.001, 0.3)), data.draw(st.sampled_from([0.0, 0.1, 0.5]))
    cash = data.draw(st.floats(1_000, 100_000))
    equity = cash + sum(held[name] * price[name] for name in names)
    decision = cycle.decide(
        {name: [value] for name, value in price.items()},
        cycle.Says(cycle.Weights(targets)),
        held=held,
        cash=cash,
        balancer=Threshold(band, relative),
    )
    drift = {name: abs(target - held[name] * price[name] / equity) for name, target in zip(names, targets, strict=True)}
    inside = {
        name for name, target in zip(names, targets, strict=True) if drift[name] < max(band, relative * target) - 1e-12
    }
    assume(inside)
    assert not {symbol for symbol, _, _ in cycle.orders(decision)} & inside
    assert {cycle.verdicts(decision)[name] for name in inside} == {"IN_BAND"}


def test_opening_and_closing_ignore_the_band(cycle):
    weights = cycle.Says(cycle.Weights(np.array([0.01, 0.0])))
    decision = cycle.decide(
        {"OPEN": [10.0], "CLOSE": [10.0]}, weights, held={"CLOSE": 50}, cash=99_500, balancer=Threshold(0.5)
    )
    assert cycle.orders(decision) == [("CLOSE", "sell", 50), ("OPEN", "buy", 100)]


def test_what_is_already_flat_needs_no_change(cycle):
    decision = cycle.decide({"A": [10.0]}, cycle.Says(cycle.Signals(0.0)))
    assert cycle.verdicts(decision) == {"A": "NO_CHANGE"}


def test_on_signal_leaves_what_drifts_and_buys_what_turns(cycle):
    weights = cycle.Says(cycle.Weights(np.array([0.8, 0.1])))
    decision = cycle.decide(
        {"DRIFTS": [10.0], "NEW": [10.0]}, weights, held={"DRIFTS": 100}, cash=9_000, balancer=OnSignal()
    )
    assert cycle.orders(decision) == [("NEW", "buy", 100)]
    assert cycle.verdicts(decision)["DRIFTS"] == "IN_BAND"


@pytest.mark.parametrize("balancer", [Threshold(0.5), OnSignal()])
def test_F105_what_a_fee_left_below_a_lot_is_no_position_it_is_opened_again(cycle, balancer):
    rules = {"BTC/USDT": Instrument("BTC/USDT", lot=Decimal("0.001"))}
    buys = cycle.Says(cycle.Weights(np.array([0.4])))
    options = {"held": {"BTC/USDT": 0.0004}, "cash": 1_000, "instruments": rules, "balancer": balancer}
    decision = cycle.decide({"BTC/USDT": [100.0]}, buys, **options)
    assert cycle.orders(decision) == [("BTC/USDT", "buy", Decimal(4))]
    flat = cycle.decide({"BTC/USDT": [100.0]}, cycle.Says(cycle.Weights(np.array([0.0]))), **options)
    assert flat.approved == [] and cycle.verdicts(flat) == {"BTC/USDT": "NO_CHANGE"}


@pytest.mark.parametrize("balancer", [Threshold(), Threshold(0.5), OnSignal()])
@pytest.mark.parametrize(
    ("rules", "price", "held", "closing"),
    [
        (Instrument("A", lot=Decimal("0.001")), 100.0, 1.0004, [-1.0]),  # a fee left the rest
        (Instrument("A", lot=Decimal("0.1")), 100.0, 0.3, [-0.1, -0.2]),  # 0.1 + 0.2 is not quite 0.3
        (Instrument("A", multiplier=Decimal("0.1")), 101.37, 3, [-3.0]),
        (Instrument("A", multiplier=Decimal("0.1")), 101.37, -3, [3.0]),
    ],
)
def test_F105_an_order_that_closes_all_whole_lots_is_left_at_work(cycle, balancer, rules, price, held, closing):
    flat = cycle.Says(cycle.Weights(np.array([0.0])))
    working = [{"symbol": "A", "quantity": units, "name": f"w{n}"} for n, units in enumerate(closing)]
    options = {"held": {"A": held}, "cash": 1_000, "instruments": {"A": rules}, "balancer": balancer}
    decision = cycle.decide({"A": [price]}, flat, working=working, **options)
    assert decision.cancels == [] and decision.approved == []
    turns = cycle.decide({"A": [price]}, cycle.Says(cycle.Weights(np.array([0.9]))), working=working, **options)
    assert [ref.client_id for ref in turns.cancels] == [order["name"] for order in working]
