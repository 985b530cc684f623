"""What a plan may cost, reach and look like, for any portfolio, any targets and any venue's steps (fault F98)."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from trader.cycle.planner import Grid, spendable
from trader.cycle.portfolio import Portfolio
from trader.model import Instrument, OrderType, Side, TimeInForce
from trader.protocols import Leg

TICKS = ("0.01", "0.05", "1", "0.0001")
LOTS = ("1", "10", "0.001", "0.5")


@st.composite
def books(draw, *, margin=True, short=True):
    """Instruments, prices on the tick, holdings in whole lots, cash, target weights with sum of |w| <= 1."""
    count = draw(st.integers(1, 5))
    names = [f"S{number}" for number in range(count)]
    instruments, prices, held = {}, {}, {}
    for name in names:
        tick, lot = Decimal(draw(st.sampled_from(TICKS))), Decimal(draw(st.sampled_from(LOTS)))
        settlement = draw(st.sampled_from(["cash", "cash", "margin"])) if margin else "cash"
        instruments[name] = Instrument(
            name,
            tick=tick,
            lot=lot,
            min_notional=Decimal(draw(st.sampled_from(["0", "0", "10", "500"]))),
            multiplier=Decimal(draw(st.sampled_from(["1", "1", "50"]))),
            settlement=settlement,
            shortable=draw(st.booleans()),
        )
        prices[name] = draw(st.integers(1, 50_000)) * tick
        held[name] = draw(st.integers(-300 if short else 0, 300)) * lot
    cash = Decimal(draw(st.integers(0, 50_000_000))) / 100
    raw = [draw(st.floats(-1 if short else 0, 1)) for _ in names]
    total = max(1.0, sum(map(abs, raw)))
    return instruments, prices, held, cash, [weight / total for weight in raw]


def equity_of(instruments, prices, held, cash):
    worth = sum(
        (
            held[name] * prices[name] * rules.multiplier
            for name, rules in instruments.items()
            if rules.settlement == "cash"
        ),
        Decimal(0),
    )
    return cash + worth


def decide(cycle, instruments, prices, held, cash, targets, **options):
    options.setdefault("allow_short", True)
    return cycle.decide(
        {name: [float(price)] for name, price in prices.items()},
        cycle.Says(cycle.Weights(np.array(targets))),
        held={name: float(quantity) for name, quantity in held.items() if quantity},
        cash=float(cash),
        instruments=instruments,
        **options,
    )


class Slices:
    """Limit orders in parts, each a few ticks from the mark."""

    def __init__(self, fractions, away):
        self.fractions, self.away = fractions, away

    def legs(self, trades):
        limit = trades.price * (1 - trades.sign * self.away)
        return [Leg(OrderType.LIMIT, fraction=fraction, limit=limit) for fraction in self.fractions]


def sent(decision):
    return [approved.order for approved in decision.approved]


def worst_price(order):
    return order.price if order.limit_price is None else max(order.price, order.limit_price)


def signed(order):
    return order.quantity * order.side.sign


@settings(max_examples=100, deadline=None)
@given(books(), st.sampled_from([0.0, 0.01, 0.1]), st.booleans())
def test_buys_never_cost_more_than_the_spendable_cash(cycle, book, buffer, sells_fund_buys):
    instruments, prices, held, cash, targets = book
    equity = equity_of(instruments, prices, held, cash)
    assume(equity > 0)
    decision = decide(
        cycle, instruments, prices, held, cash, targets, cash_buffer=buffer, sells_fund_buys=sells_fund_buys
    )
    spendable = cash - Decimal(str(buffer)) * equity
    opened = Decimal(0)
    for order in sent(decision):
        rules = instruments[order.symbol]
        if rules.settlement == "margin":
            continue
        value = order.quantity * worst_price(order) * rules.multiplier
        if order.side is Side.BUY and not order.reduce_only:
            opened += value
        elif order.side is Side.BUY:
            spendable -= value
        elif order.reduce_only and sells_fund_buys:
            spendable += order.quantity * order.price * rules.multiplier
    assert opened <= max(spendable, 0) + Decimal("0.000001")


@settings(max_examples=100, deadline=None)
@given(books())
def test_a_position_never_ends_beyond_its_target_and_never_grows_while_it_should_shrink(cycle, book):
    instruments, prices, held, cash, targets = book
    equity = equity_of(instruments, prices, held, cash)
    assume(equity > 0)
    decision = decide(cycle, instruments, prices, held, cash, targets)
    after = dict(held)
    for order in sent(decision):
        after[order.symbol] += signed(order)
    for name, target in zip(instruments, targets, strict=True):
        aim = float(Decimal(target) * equity / (prices[name] * instruments[name].multiplier))
        was, now, lot = float(held[name]), float(after[name]), float(instruments[name].lot)
        if now == was:
            continue
        slack = 1e-9 * max(1.0, abs(aim))
        nearer_to_zero = abs(now) < abs(was) and now * was >= 0
        assert abs(now) <= abs(aim) + slack or nearer_to_zero
        assert now * aim >= 0 or nearer_to_zero
        assert (now - was) * (aim - was) >= 0
        if nearer_to_zero and now * aim > 0:
            assert abs(now) > abs(aim) - lot - slack


@settings(max_examples=100, deadline=None)
@given(books(), st.sampled_from([(1.0,), (0.5, 0.5), (0.7, 0.2), (0.34, 0.33, 0.33)]), st.floats(-0.05, 0.05))
def test_every_order_is_whole_lots_above_the_minimum_at_whole_ticks_rounded_towards_less_risk(cycle, book, parts, away):
    instruments, prices, held, cash, targets = book
    assume(equity_of(instruments, prices, held, cash) > 0)
    assume(all(price > 2 * instruments[name].tick for name, price in prices.items()))
    decision = decide(cycle, instruments, prices, held, cash, targets, style=Slices(parts, away))
    assert not decision.faults
    for order in sent(decision):
        rules = instruments[order.symbol]
        assert order.quantity > 0 and order.quantity % rules.lot == 0
        assert order.quantity * order.price * rules.multiplier >= rules.min_notional
        assert float(order.quantity * order.limit_price * rules.multiplier) >= float(rules.min_notional) * (1 - 1e-12)
        assert order.limit_price % rules.tick == 0
        wished, tick = float(order.price) * (1 - order.side.sign * away), float(rules.tick)
        if order.side is Side.BUY:
            assert wished - tick * (1 + 1e-6) < float(order.limit_price) <= wished + tick * 1e-6
        else:
            assert wished - tick * 1e-6 <= float(order.limit_price) < wished + tick * (1 + 1e-6)


@settings(max_examples=100, deadline=None)
@given(books(), st.sampled_from([(1.0,), (0.5, 0.5), (0.6, 0.3)]))
def test_reducing_orders_never_exceed_what_is_held_and_flips_are_two_orders(cycle, book, parts):
    instruments, prices, held, cash, targets = book
    assume(equity_of(instruments, prices, held, cash) > 0)
    decision = decide(cycle, instruments, prices, held, cash, targets, style=Slices(parts, 0.0))
    reduced = dict.fromkeys(instruments, Decimal(0))
    for order in sent(decision):
        if order.reduce_only:
            assert signed(order) * held[order.symbol] < 0
            reduced[order.symbol] += order.quantity
        elif reduced[order.symbol] < abs(held[order.symbol]) and signed(order) * held[order.symbol] < 0:
            # An order that opens the other side stands only behind one that closes this side.
            assert reduced[order.symbol] > 0
    for name, quantity in reduced.items():
        assert quantity <= abs(held[name])


@settings(max_examples=100, deadline=None)
@given(books(), st.sampled_from([(1.0,), (0.5, 0.5)]))
def test_what_reduces_is_sent_first_and_client_ids_are_unique(cycle, book, parts):
    instruments, prices, held, cash, targets = book
    assume(equity_of(instruments, prices, held, cash) > 0)
    plan = sent(decide(cycle, instruments, prices, held, cash, targets, style=Slices(parts, 0.0)))
    opens = [not order.reduce_only for order in plan]
    assert opens == sorted(opens)
    sides = [order.side is Side.BUY for order in plan if not order.reduce_only and len(parts) == 1]
    assert sides == sorted(sides)
    assert len({order.client_id for order in plan}) == len(plan)


@settings(max_examples=100, deadline=None)
@given(books(margin=False, short=False), st.data())
def test_when_sells_are_refused_the_buys_are_funded_anew_and_never_exceed_cash(cycle, book, data):
    instruments, prices, held, cash, targets = book
    equity = equity_of(instruments, prices, held, cash)
    assume(equity > 0)
    no = data.draw(st.sets(st.sampled_from(sorted(instruments))))
    refuses = cycle.Rule(
        lambda plan, book: [
            cycle.Refusal(number, "no", 0.0, 1.0)
            for number, order in enumerate(plan.orders)
            if order.symbol in no and order.side is Side.SELL
        ],
        guards="all",
    )
    decision = decide(cycle, instruments, prices, held, cash, targets, rules=[refuses], cash_buffer=0.01)
    proceeds = sum(
        (o.quantity * o.price * instruments[o.symbol].multiplier for o in sent(decision) if o.side is Side.SELL),
        Decimal(0),
    )
    cost = sum(
        (o.quantity * o.price * instruments[o.symbol].multiplier for o in sent(decision) if o.side is Side.BUY),
        Decimal(0),
    )
    assert cost <= max(Decimal(0), cash - Decimal("0.01") * equity + proceeds) + Decimal("0.000001")
    assert {order.symbol for order, _ in decision.denied} <= no
    assert not {o.symbol for o in sent(decision) if o.side is Side.SELL} & no


def test_a_refused_sell_takes_the_buy_that_it_would_have_paid_for(cycle):
    close = {"OLD": [100.0], "NEW": [50.0]}
    weights = cycle.Says(cycle.Weights(np.array([0.0, 0.9])))
    free = cycle.decide(close, weights, held={"OLD": 90}, cash=1_001.0)
    assert cycle.orders(free) == [("OLD", "sell", 90), ("NEW", "buy", 180)]
    no_sell = cycle.Rule(lambda plan, book: [cycle.Refusal(0, "locked", 1.0, 2.0)], guards="all")
    refused = cycle.decide(close, weights, held={"OLD": 90}, cash=1_001.0, rules=[no_sell])
    assert cycle.orders(refused) == [("NEW", "buy", 18)]  # 1,001 less 1 % of 10,001 pays for 18 at 50
    assert [(order.symbol, refusal.rule) for order, refusal in refused.denied] == [("OLD", "r1")]
    assert refused.trimmed == [("NEW", 180.0, 18.0)]


def test_buys_are_funded_in_plan_order_and_what_gets_nothing_says_so(cycle):
    close = {"A": [10.0], "B": [10.0]}
    weights = cycle.Says(cycle.Weights(np.array([0.5, 0.5])))
    decision = cycle.decide(close, weights, cash=1_000.0, settled_cash=401.0)
    assert cycle.orders(decision) == [("A", "buy", 39)]  # 401 settled less a buffer of 10
    assert cycle.verdicts(decision) == {"A": "ORDERED", "B": "NO_CASH"}
    assert decision.trimmed == [("A", 50.0, 39.0), ("B", 50.0, 0.0)]


def test_what_working_buys_may_still_take_is_not_spent_again(cycle):
    close = {"A": [10.0], "B": [10.0]}
    weights = cycle.Says(cycle.Weights(np.array([0.8, 0.1])))
    decision = cycle.decide(close, weights, cash=1_001.0, working=[{"symbol": "A", "quantity": 80}], cash_buffer=0.15)
    assert cycle.orders(decision) == [("B", "buy", 5)]  # 1,001 - 800 - 150 = 51


@pytest.mark.parametrize(("price", "quantity"), [(99.99, 100), (100.0, 100), (100.01, 99)])
def test_a_bought_quantity_is_rounded_down_to_the_lot(cycle, price, quantity):
    decision = cycle.decide({"A": [price]}, cycle.Says(cycle.Weights(np.array([1.0]))), cash=10_000.0, cash_buffer=0)
    assert cycle.orders(decision) == [("A", "buy", quantity)]


def test_a_difference_below_a_lot_or_the_minimum_notional_is_no_order_and_says_which(cycle):
    rules = {
        "LOT": Instrument("LOT", lot=Decimal(100)),
        "MIN": Instrument("MIN", min_notional=Decimal(5_000)),
    }
    weights = cycle.Says(cycle.Weights(np.array([0.05, 0.04])))
    decision = cycle.decide({"LOT": [100.0], "MIN": [100.0]}, weights, instruments=rules)
    assert cycle.orders(decision) == []
    assert cycle.verdicts(decision) == {"LOT": "BELOW_LOT", "MIN": "BELOW_NOTIONAL"}


@pytest.mark.parametrize(
    ("parts", "away", "cash", "expected"),
    [
        ((1.0,), 0.02, 100_000, []),  # 50 at 100 are 5,000, at 98 less
        ((1.0,), -0.02, 100_000, [50]),
        ((0.5, 0.5), 0.02, 204_000, [102]),  # 51 at 98 are too little: all in one
        ((1.0,), 0.02, 10_250, []),  # what is settled pays for 51: too little at the limit
    ],
)
def test_F98_an_order_is_as_much_as_the_venue_wants_at_its_limit_too(cycle, parts, away, cash, expected):
    rules = {"MIN": Instrument("MIN", min_notional=Decimal(5_000))}
    poor = cash < 100_000
    weights = cycle.Says(cycle.Weights(np.array([1.0 if poor else 0.05])))
    decision = cycle.decide(
        {"MIN": [100.0]}, weights, instruments=rules, cash=cash, settled_cash=5_250 if poor else None,
        style=Slices(parts, away),
    )  # fmt: skip
    assert [quantity for _, _, quantity in cycle.orders(decision)] == expected
    if not expected:
        assert cycle.verdicts(decision)["MIN"] == ("NO_CASH" if poor else "BELOW_NOTIONAL")


@pytest.mark.parametrize(("target", "held"), [(0.5, 0), (0.0, 100), (0.2, 100)])
def test_F98_a_price_below_half_a_tick_is_no_number_to_divide_by(cycle, target, held):
    close, weights = {"TINY": [0.004], "FINE": [10.0]}, cycle.Says(cycle.Weights(np.array([target, 0.5])))
    decision = cycle.decide(close, weights, held={"TINY": held}, cash=1_000.0)
    assert cycle.orders(decision) == [("FINE", "buy", 50)]
    assert cycle.verdicts(decision) == {"TINY": "BELOW_TICK", "FINE": "ORDERED"}
    assert decision.notes == ["TINY: the price is below half a tick, nothing is planned"]


def test_F98_more_lots_than_64_bits_count_are_cut_and_never_turned_around(cycle):
    fine = {name: Instrument(name, tick=Decimal("1e-8"), lot=Decimal("1e-8")) for name in ("A", "B")}
    weights = cycle.Says(cycle.Weights(np.array([0.5, 0.5])))
    decision = cycle.decide({"A": [1e-8], "B": [1e-8]}, weights, cash=10_000_000.0, instruments=fine)
    assert [(order.side, order.quantity > 10**9) for order in sent(decision)] == [(Side.BUY, True)] * 2


def test_a_flip_is_closed_first_and_opened_on_the_other_side_by_a_second_order(cycle):
    weights = cycle.Says(cycle.Weights(np.array([-0.5])))
    decision = cycle.decide({"A": [100.0]}, weights, held={"A": 200}, cash=80_000.0, allow_short=True)
    close, opened = (approved.order for approved in decision.approved)
    assert (close.side, close.quantity, close.reduce_only) == (Side.SELL, 200, True)
    assert (opened.side, opened.quantity, opened.reduce_only) == (Side.SELL, 500, False)


def test_what_the_venue_does_not_lend_is_closed_and_not_sold_short(cycle):
    rules = {"A": Instrument("A", shortable=False)}
    weights = cycle.Says(cycle.Weights(np.array([-0.5])))
    decision = cycle.decide({"A": [100.0]}, weights, held={"A": 200}, instruments=rules, allow_short=True)
    assert cycle.orders(decision) == [("A", "sell", 200)]
    flat = cycle.decide({"A": [100.0]}, weights, instruments=rules, allow_short=True)
    assert flat.approved == [] and cycle.verdicts(flat) == {"A": "NOT_SHORTABLE"}


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ((), "Expected one Leg or more"),
        ([Leg(OrderType.MARKET, fraction=0.7), Leg(OrderType.MARKET, fraction=0.7)], "sum to at most 1, was 1.4"),
        ([Leg(OrderType.MARKET, fraction=0.0)], "fractions above 0"),
        ([Leg(OrderType.MARKET, fraction=float("nan"))], "fractions above 0"),
        ([Leg(OrderType.STOP)], "Expected market or limit legs, was stop"),
        ([Leg(OrderType.LIMIT)], "limit prices for a limit leg"),
        ([Leg(OrderType.LIMIT, limit=np.array([np.nan]))], "finite limit prices"),
        ([Leg(OrderType.LIMIT, limit=np.array([1.0, 2.0]))], "shape (1,)"),
        (["market"], "Expected one Leg or more"),
    ],
)
def test_an_execution_style_that_answers_nonsense_orders_nothing(cycle, legs, expected):
    class Style:
        def legs(self, trades):
            return legs

    decision = cycle.decide({"A": [100.0]}, cycle.Says(cycle.Weights(np.array([0.5]))), style=Style())
    (fault,) = decision.faults
    assert decision.approved == [] and cycle.verdicts(decision) == {"A": "FAULT"}
    assert expected in str(fault.error) and (fault.instance, fault.method) == ("style", "legs")


@pytest.mark.parametrize(
    ("times", "tags", "wanted", "sent_as"),
    [
        ((), {}, "day", "day"),
        (("day", "gtc"), {}, "day", "day"),
        (("gtc", "ioc"), {}, "day", "gtc"),
        (("day",), {}, "gtc", "day"),
        (("gtc",), {}, "ioc", "ioc"),  # nothing comes near it: the venue refuses it
        (("day", "gtc"), {"time_in_force": "gtc ioc"}, "day", "gtc"),
    ],
)
def test_an_order_lasts_as_its_venue_lets_it(times, tags, wanted, sent_as):
    grid = Grid(["A"], {"A": Instrument("A", tags=tags)}, times)
    assert grid.lasting(0, TimeInForce(wanted)) is TimeInForce(sent_as)


@pytest.mark.parametrize(
    ("held", "sold", "bought", "reserved"),
    [
        (100, 0, 0, 0),
        (100, 0, 50, 50),
        (100, 400, 50, 50),  # more may be sold than bought: what is bought must be paid all the same
        (-100, 0, 80, 0),  # it covers: the cash of the sale pays for it
        (-100, 0, 130, 30),
        (-100, 500, 130, 30),
    ],
)
def test_cash_for_units_that_may_yet_be_bought_is_not_spent_twice(held, sold, bought, reserved):
    instruments = {"A": Instrument("A")}
    grid, portfolio = Grid(["A"], instruments), Portfolio.empty(1, 100_000.0)
    portfolio.quantity = np.array([float(held)])
    up, down = held + bought, held - sold
    portfolio.worst = np.array([float(up if abs(up) >= abs(down) else down)])
    portfolio.coming = (np.array([float(sold)]), np.array([float(bought)])) if sold or bought else None
    marks = grid.to_ticks(np.array([10.0]))
    assert spendable(portfolio, grid, marks, 0.0) == pytest.approx(100_000 - 10 * reserved)
