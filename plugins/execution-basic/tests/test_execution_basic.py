"""How trades go out: at market, or with a limit worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from trader.model import OrderType, TimeInForce
from trader.protocols import Trades
from trader_execution_basic import limit, market

BUY_AND_SELL = Trades(
    symbols=("A", "B"),
    sign=np.array([1.0, -1.0]),
    quantity=np.array([10.0, 20.0]),
    price=np.array([100.0, 50.0]),
    bid=np.array([99.0, 49.0]),
    ask=np.array([101.0, 51.0]),
)


def limits(trades=BUY_AND_SELL, **settings):
    (leg,) = limit.provide_execution_style(limit.Settings(**settings), None).legs(trades)
    assert leg.type is OrderType.LIMIT
    assert leg.fraction == 1.0
    return leg.limit


def without_quotes(bid, ask):
    return Trades(
        BUY_AND_SELL.symbols, BUY_AND_SELL.sign, BUY_AND_SELL.quantity, BUY_AND_SELL.price, np.array(bid), np.array(ask)
    )


def test_market_sends_the_whole_trade_at_market_for_the_day():
    (leg,) = market.provide_execution_style(market.Settings(), None).legs(BUY_AND_SELL)
    assert (leg.type, leg.time_in_force, leg.fraction, leg.limit) == (OrderType.MARKET, TimeInForce.DAY, 1.0, None)


def test_limit_is_the_last_close_unless_told_otherwise():
    assert limits() == pytest.approx([100, 50])


def test_an_offset_concedes_to_the_other_side():
    assert limits(offset=0.01) == pytest.approx([101, 49.5])


def test_a_negative_offset_waits_for_a_better_price():
    assert limits(offset=-0.01) == pytest.approx([99, 50.5])


def test_at_touch_a_buy_pays_the_ask_and_a_sell_gets_the_bid():
    assert limits(reference="touch") == pytest.approx([101, 49])


@pytest.mark.parametrize("none", [np.nan, 0.0, np.inf])
def test_at_touch_without_a_quote_the_last_close_is_taken(none):
    assert limits(without_quotes([99.0, none], [none, 51.0]), reference="touch") == pytest.approx([100, 50])


def test_time_in_force_is_as_set():
    style = limit.provide_execution_style(limit.Settings(time_in_force="ioc"), None)
    assert style.legs(BUY_AND_SELL)[0].time_in_force is TimeInForce.IOC


@given(st.floats(-0.49, 0.49), st.sampled_from(["close", "touch"]))
def test_every_limit_is_finite_above_0_and_on_the_side_that_the_offset_says(offset, reference):
    got = limits(offset=offset, reference=reference)
    base = limits(reference=reference)
    assert (np.isfinite(got) & (got > 0)).all()
    assert (np.sign(got - base) * BUY_AND_SELL.sign * np.sign(offset) >= 0).all()


@pytest.mark.parametrize(
    "wrong", [{"offset": 0.5}, {"offset": float("nan")}, {"reference": "mid"}, {"time_in_force": "week"}, {"ofset": 0}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        limit.Settings(**wrong)
