"""Each rule by hand on two symbols, and on any plan: exits pass, NaN does not, targets only shrink."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from trader.model import Quote
from trader_risk_limits import (
    max_gross_exposure,
    max_order_notional,
    max_orders_per_cycle,
    max_position_weight,
    price_collar,
)

MODULES = [max_order_notional, max_position_weight, max_gross_exposure, max_orders_per_cycle, price_collar]
PORTFOLIO_RULES = [max_position_weight, max_gross_exposure]
BUY, SELL, NAN = 1.0, -1.0, float("nan")


def make(module, limit):
    return module.provide_risk_rule(module.Settings(limit=limit), None)


def plan(*orders, price=None):
    """(column, signed notional, increases) for each order; prices are 100 unless said."""
    column, notional, increases = zip(*orders, strict=True) if orders else ((), (), ())
    notional = np.array(notional, dtype=float)
    return SimpleNamespace(
        column=np.array(column, dtype=np.intp),
        notional=notional,
        quantity=np.where(np.isnan(notional), 1.0, notional / 100),
        price=np.full(len(notional), 100.0) if price is None else np.array(price, dtype=float),
        increases=np.array(increases, dtype=bool),
    )


def book(exposure=(0.0, 0.0), equity=100_000.0, price=(100.0, 100.0), quotes=None):
    symbols = tuple("ABCDEF"[: len(exposure)])
    return SimpleNamespace(
        symbols=symbols,
        exposure=np.array(exposure, dtype=float),
        equity=equity,
        price=np.array(price, dtype=float),
        quote=(quotes or {}).get,
    )


def refused(rule, plan, book):
    return [refusal.order for refusal in rule.check(plan, book)]


# ---- max_order_notional --------------------------------------------------------------------------------------------
def test_max_order_notional_refuses_above_the_limit_long_or_short_and_not_at_it():
    rule = make(max_order_notional, 20_000)
    orders = plan((0, 20_000, True), (0, 20_000.01, True), (1, -30_000, True))
    refusals = list(rule.check(orders, book()))
    assert [(r.order, r.limit, r.value) for r in refusals] == [(1, 20_000, 20_000.01), (2, 20_000, 30_000)]


def test_max_order_notional_may_be_unlimited_only_if_spelled_and_still_refuses_what_is_not_known():
    rule = make(max_order_notional, "unlimited")
    assert refused(rule, plan((0, 1e15, True), (1, NAN, True)), book()) == [1]


# ---- max_position_weight -------------------------------------------------------------------------------------------
def test_max_position_weight_counts_what_is_held_on_the_same_side():
    rule = make(max_position_weight, 0.35)
    assert refused(rule, plan((0, 5_000, True)), book((30_000, 0))) == []
    (refusal,) = rule.check(plan((0, 6_000, True)), book((30_000, 0)))
    assert (refusal.order, refusal.limit) == (0, 0.35)
    assert refusal.value == pytest.approx(0.36)


def test_max_position_weight_adds_up_the_orders_of_one_symbol_and_passes_those_that_fit():
    rule = make(max_position_weight, 0.35)
    orders = plan((0, 20_000, True), (1, 30_000, True), (0, 20_000, True), (0, 15_000, True))
    assert refused(rule, orders, book()) == [2]


def test_max_position_weight_judges_a_flip_by_where_it_ends():
    rule = make(max_position_weight, 0.35)
    flip = plan((0, -30_000, False), (0, -36_000, True))
    assert refused(rule, flip, book((30_000, 0))) == [1]
    flip = plan((0, -30_000, False), (0, -34_000, True))
    assert refused(rule, flip, book((30_000, 0))) == []


def test_max_position_weight_does_not_count_on_a_sell_to_make_room_for_a_buy():
    rule = make(max_position_weight, 0.35)
    assert refused(rule, plan((0, -20_000, False), (0, 10_000, True)), book((30_000, 0))) == [1]


def test_max_position_weight_cuts_targets_and_leaves_hold_alone():
    limited = make(max_position_weight, 0.35).limit(np.array([0.5, -0.9, 0.2, NAN]), book())
    assert np.array_equal(limited, [0.35, -0.35, 0.2, NAN], equal_nan=True)


def test_max_position_weight_names_the_symbol_that_is_too_large():
    (found,) = make(max_position_weight, 0.35).assess(book((20_000, -40_000)))
    assert (found.order, found.reason, found.value) == (-1, "B is too large", 0.4)
    assert list(make(max_position_weight, 0.35).assess(book((35_000, 0)))) == []


# ---- max_gross_exposure --------------------------------------------------------------------------------------------
def test_max_gross_exposure_refuses_what_does_not_fit_and_passes_what_still_does():
    rule = make(max_gross_exposure, 1.0)
    orders = plan((0, 50_000, True), (1, 30_000, True), (1, 10_000, True))
    (refusal,) = rule.check(orders, book((30_000, 0)))
    assert (refusal.order, refusal.limit) == (1, 1.0)
    assert refusal.value == pytest.approx(1.1)


def test_max_gross_exposure_counts_shorts_as_positive():
    assert refused(make(max_gross_exposure, 1.0), plan((1, -50_000, True)), book((60_000, 0))) == [0]


def test_max_gross_exposure_lets_the_sells_before_make_room():
    orders = plan((0, -60_000, False), (1, 60_000, True))
    assert refused(make(max_gross_exposure, 1.0), orders, book((100_000, 0))) == []


def test_max_gross_exposure_does_not_let_the_sells_behind_make_room():
    orders = plan((1, 60_000, True), (0, -60_000, False))
    assert refused(make(max_gross_exposure, 1.0), orders, book((100_000, 0))) == [0]


def test_max_gross_exposure_gets_no_room_from_a_sell_of_unknown_or_infinite_size():
    orders = plan((0, float("-inf"), False), (0, NAN, False), (1, 60_000, True))
    assert refused(make(max_gross_exposure, 1.0), orders, book((50_000, 0))) == [2]


def test_max_gross_exposure_scales_all_targets_alike():
    limited = make(max_gross_exposure, 1.0).limit(np.array([1.0, -1.0]), book())
    assert limited == pytest.approx([0.5, -0.5])


def test_max_gross_exposure_leaves_room_for_what_is_held_by_nan():
    limited = make(max_gross_exposure, 1.0).limit(np.array([NAN, 1.0]), book((40_000, 0)))
    assert np.isnan(limited[0])
    assert limited[1] == pytest.approx(0.6)


def test_max_gross_exposure_assesses_the_whole_book():
    rule = make(max_gross_exposure, 1.0)
    (found,) = rule.assess(book((80_000, -40_000)))
    assert (found.order, found.value) == (-1, pytest.approx(1.2))
    assert list(rule.assess(book((60_000, -40_000)))) == []
    assert list(rule.assess(book((0, 0), equity=-5.0))) == []


# ---- max_orders_per_cycle ------------------------------------------------------------------------------------------
def test_max_orders_per_cycle_counts_all_orders_and_refuses_only_those_that_increase():
    rule = make(max_orders_per_cycle, 2)
    orders = plan((0, -1, False), (0, 1, True), (1, 1, True), (1, -1, False), (1, 1, True))
    assert [(r.order, r.limit, r.value) for r in rule.check(orders, book())] == [(2, 2, 3), (4, 2, 5)]


# ---- price_collar --------------------------------------------------------------------------------------------------
def test_price_collar_refuses_a_price_too_far_from_the_mark_on_either_side():
    rule = make(price_collar, 0.05)
    orders = plan(*[(0, 1_000, True)] * 4, price=[105, 95, 105.01, 94.99])
    found = list(rule.check(orders, book()))
    assert [r.order for r in found] == [2, 3]
    assert found[0].value == pytest.approx(0.0501)
    assert found[0].reason == "the price is too far from the last mark"


def test_price_collar_compares_with_the_ask_to_buy_and_the_bid_to_sell():
    quotes = {"A": Quote("A", None, bid=80.0, ask=101.0)}
    orders = plan((0, 1_000, True), (0, -1_000, True))
    (found,) = make(price_collar, 0.05).check(orders, book(quotes=quotes))
    assert (found.order, found.value) == (1, 0.25)
    assert found.reason == "the price is too far from the quote"


@pytest.mark.parametrize("bad", [NAN, 0.0, -1.0, float("inf")])
def test_price_collar_refuses_without_a_usable_price_mark_or_quote(bad):
    rule = make(price_collar, 0.05)
    order = (0, 1_000, True)
    assert refused(rule, plan(order, price=[bad]), book()) == [0]
    assert refused(rule, plan(order), book(price=(bad, 100))) == [0]
    assert refused(rule, plan(order), book(quotes={"A": Quote("A", None, bid=100.0, ask=bad)})) == [0]


# ---- all of them ---------------------------------------------------------------------------------------------------
ANY = st.floats(allow_nan=True, allow_infinity=True)
ORDERS = st.lists(st.tuples(st.integers(0, 1), ANY, st.booleans()), max_size=8)
BOOKS = st.builds(
    book,
    exposure=st.tuples(ANY, ANY),
    equity=ANY,
    price=st.tuples(ANY, ANY),
    quotes=st.none() | st.builds(lambda bid, ask: {"A": Quote("A", None, bid=bid, ask=ask)}, ANY, ANY),
)


@pytest.mark.filterwarnings("ignore:overflow")  # sums of numbers near the end of float64 are infinite, and must refuse
@pytest.mark.parametrize("module", MODULES)
@given(orders=ORDERS, on=BOOKS)
def test_no_rule_ever_refuses_an_order_that_reduces(module, orders, on):
    orders = plan(*orders)
    rows = (
        refused(make(module, 1), orders, on) if module is not price_collar else refused(make(module, 0.5), orders, on)
    )
    assert orders.increases[rows].all()
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("module", [max_order_notional, max_position_weight, max_gross_exposure])
def test_an_order_of_unknown_size_is_refused_and_takes_no_other_with_it(module):
    orders = plan((0, NAN, True), (1, 0.5, True))
    assert refused(make(module, 1), orders, book()) == [0]


@pytest.mark.parametrize("module", PORTFOLIO_RULES)
@pytest.mark.parametrize("equity", [NAN, 0.0, -1.0, float("inf")])
def test_without_equity_nothing_may_grow(module, equity):
    assert refused(make(module, 1), plan((0, 1, True), (0, -1, False)), book(equity=equity)) == [0]


@pytest.mark.parametrize("module", MODULES)
def test_an_empty_plan_is_refused_nothing(module):
    assert refused(make(module, 0.5 if module is price_collar else 1), plan(), book()) == []


@pytest.mark.parametrize("module", PORTFOLIO_RULES)
@given(
    targets=st.lists(st.floats(-5, 5) | st.just(NAN), min_size=3, max_size=3),
    exposure=st.tuples(*[st.floats(-1e6, 1e6)] * 3),
    limit=st.floats(0.01, 10),
)
def test_shrinking_only_moves_targets_nearer_to_0(module, targets, exposure, limit):
    before = np.array(targets)
    after = make(module, limit).limit(before.copy(), book(exposure, price=(1, 1, 1)))
    assert np.array_equal(np.isnan(after), np.isnan(before))
    known = ~np.isnan(before)
    assert (np.abs(after[known]) <= np.abs(before[known])).all()
    assert (after[known] * before[known] >= 0).all()


@given(
    orders=st.lists(st.tuples(st.integers(0, 1), st.floats(-5e4, 5e4), st.just(True)), max_size=8),
    limit=st.floats(0.1, 2),
)
def test_what_passes_stays_within_both_limits_together(orders, limit):
    on, orders = book(), plan(*orders)
    for module in PORTFOLIO_RULES:
        passed = np.ones(len(orders.notional), dtype=bool)
        passed[refused(make(module, limit), orders, on)] = False
        sent = np.bincount(orders.column[passed], weights=np.abs(orders.notional[passed]), minlength=2)
        signed = np.bincount(orders.column[passed], weights=orders.notional[passed], minlength=2)
        worst = sent.sum() if module is max_gross_exposure else np.abs(signed).max()
        assert worst <= limit * on.equity * (1 + 1e-6)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("wrong", [0, -1, NAN, float("inf"), None, "none", "0"])
def test_a_limit_that_is_none_is_refused(module, wrong):
    with pytest.raises(ValidationError):
        module.Settings(limit=wrong)


@pytest.mark.parametrize("module", MODULES)
def test_a_limit_must_be_given(module):
    with pytest.raises(ValidationError):
        module.Settings()


@pytest.mark.parametrize("module", [*PORTFOLIO_RULES, price_collar])
def test_a_percentage_where_a_fraction_is_meant_is_refused(module):
    with pytest.raises(ValidationError):
        module.Settings(limit=35)
