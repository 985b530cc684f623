"""Fills computed by hand, a rule of the venue each."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from trader.errors import DataError, SettingsError, StoreError
from trader.model import Accepted, Bars, CashEvent, Instrument, NotFound, OrderRef, OrderState, Position, Rejected
from trader.simulation import Fraction, Percentage, PerOrder, PerShare, SimulatedVenue, Terms, VolumeShare

D = Decimal
US = timedelta(microseconds=1)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
FLAT = (100, 101, 99, 100, 1000)


def venue(cash=100_000, *, rules=None, **terms):
    rules = rules or [Instrument("X"), Instrument("Y")]
    return SimulatedVenue(D(cash), terms=Terms(**terms), instruments=rules, recorded=True)


def state(v, key):
    return v.order(OrderRef(key, key, "X")).state


def fills(v):
    return [(f.side.value, f.quantity, f.price) for f in v.fills(ALWAYS)]


def long(v, bars, order, quantity, symbol="X"):
    """Hold `quantity` from day 0 on, at 100."""
    assert isinstance(v.submit(order("buy", quantity, symbol, at=ALWAYS)), Accepted)
    v.on_bars(bars(0, **{symbol: (100, 100, 100, 100, 1e9)}))
    assert v.positions() == (Position(symbol, D(quantity), D(100)),)


# ---- market orders -------------------------------------------------------------------------------------------------
def test_market_buy_fills_at_the_open_of_the_next_bar_one_microsecond_after_it_began(bars, order, day):
    v = venue()
    v.on_bars(bars(0, X=FLAT))
    request = order("buy", 10)
    assert v.submit(request) == Accepted("1")
    v.on_bars(bars(1, X=(102, 110, 90, 105, 1000)))
    (fill,) = v.fills(ALWAYS)
    assert (fill.quantity, fill.price, fill.fee, fill.time) == (D(10), D(102), D(0), day(1) + US)
    assert (fill.execution_id, fill.venue_id, fill.key) == ("1-1", "1", request.key)
    assert state(v, request.key) is OrderState.FILLED
    account = v.account()
    assert (account.cash, account.equity, account.time) == (D(98_980), D(100_030), day(2))


def test_an_order_never_fills_in_a_bar_that_began_before_it_was_decided(bars, order, day):
    v = venue()
    v.submit(order("buy", 1, at=day(1) + US))
    v.on_bars(bars(1, X=FLAT))
    assert fills(v) == []
    v.on_bars(bars(2, X=(50, 50, 50, 50, 1000)))
    assert fills(v) == [("buy", 1, 50)]


def test_slippage_and_ticks_go_against_the_trader(bars, order):
    v = venue(slippage=Fraction(10.0))
    v.submit(order("buy", 5, at=ALWAYS))
    v.on_bars(bars(0, X=FLAT))
    assert fills(v) == [("buy", 5, D("100.10"))]
    v.submit(order("buy", 1))
    v.submit(order("sell", 1))
    v.on_bars(bars(1, X=(33.333, 34, 33, 33, 1000)))
    assert fills(v)[1:] == [("buy", 1, D("33.37")), ("sell", 1, D("33.29"))]  # 33.366333 up, 33.299667 down


def test_volume_share_slippage_grows_with_the_square_of_the_share(bars, order):
    v = venue(slippage=VolumeShare(0.5))
    v.submit(order("buy", 100))
    v.on_bars(bars(1, X=(100, 100, 100, 100, 500)))
    assert fills(v) == [("buy", 100, D(102))]  # 0.5 x 0.2^2 = 2 %


def test_no_bar_and_no_volume_do_not_fill_and_unknown_volume_does(bars, order):
    v = venue()
    v.on_bars(bars(0, X=FLAT))
    v.submit(order("buy", 1))
    v.on_bars(bars(1, X=None))
    v.on_bars(bars(2, X=(100, 100, 100, 100, 0)))
    assert fills(v) == []
    assert len(v.orders()) == 1
    v.on_bars(bars(3, X=(100, 100, 100, 100, np.nan)))
    assert fills(v) == [("buy", 1, 100)]


def test_participation_is_shared_and_the_rest_of_a_day_order_expires_with_a_daily_bar(bars, order):
    v = venue(participation=0.1)
    first, second = order("buy", 80, tif="gtc"), order("buy", 80)
    v.submit(first)
    v.submit(second)
    v.on_bars(bars(1, X=(10, 10, 10, 10, 1009)))  # room for 100
    assert fills(v) == [("buy", 80, 10), ("buy", 20, 10)]
    assert state(v, first.key) is OrderState.FILLED
    report = v.order(OrderRef("", second.key, "X"))
    assert (report.state, report.filled, report.reason) == (OrderState.EXPIRED, D(20), "its day is over")


def test_good_till_canceled_goes_on_in_the_next_bar(bars, order):
    v = venue(participation=0.5)
    request = order("buy", 15, tif="gtc")
    v.submit(request)
    v.on_bars(bars(1, X=(10, 10, 10, 10, 20)))
    v.on_bars(bars(2, X=(11, 11, 11, 11, 20)))
    assert fills(v) == [("buy", 10, 10), ("buy", 5, 11)]
    assert [f.execution_id for f in v.fills(ALWAYS)] == ["1-1", "1-2"]
    assert abs(v.positions()[0].price - D(155) / 15) < D("1e-20")


# ---- limit, stop, stop-limit ---------------------------------------------------------------------------------------
BAR = (100, 104, 96, 101, 1000)
TOUCH = [
    # kind, side, limit, stop, price, at the open
    ("limit", "buy", 101, None, "100", True),
    ("limit", "buy", 98, None, "98", False),
    ("limit", "buy", 96, None, "96", False),
    ("limit", "buy", 95.99, None, None, None),
    ("limit", "sell", 99, None, "100", True),
    ("limit", "sell", 104, None, "104", False),
    ("limit", "sell", 104.01, None, None, None),
    ("stop", "buy", None, 99, "100", True),
    ("stop", "buy", None, 103, "103", False),
    ("stop", "buy", None, 104.01, None, None),
    ("stop", "sell", None, 101, "100", True),
    ("stop", "sell", None, 97, "97", False),
    ("stop", "sell", None, 95.99, None, None),
    ("stop_limit", "buy", 100.5, 99, "100", True),  # met at the open, within the limit
    ("stop_limit", "buy", 97, 99, "97", False),  # met at the open, the low touches the limit later
    ("stop_limit", "buy", 103, 102, "103", False),  # met inside, closes at 101: worst the limit allows
    ("stop_limit", "buy", 110, 102, "104", False),  # ... and the bar: its high
    ("stop_limit", "buy", 100.5, 102, None, None),  # met inside, closes above the limit
    ("stop_limit", "sell", 97, 98, "97", False),
    ("stop_limit", "sell", 90, 98, "96", False),
    ("stop_limit", "sell", 101.5, 98, None, None),
]


@pytest.mark.parametrize(("kind", "side", "limit", "stop", "price", "at_open"), TOUCH)
def test_price_of_a_limit_or_stop_order_in_one_bar(bars, order, day, kind, side, limit, stop, price, at_open):
    v = venue()
    long(v, bars, order, 10)
    request = order(side, 1, kind=kind, tif="gtc", limit=limit, stop=stop)
    assert isinstance(v.submit(request), Accepted)
    v.on_bars(bars(1, X=BAR))
    news = v.fills(day(1))
    if price is None:
        assert not news
        assert state(v, request.key) is OrderState.WORKING
    else:
        assert [(f.price, f.time) for f in news] == [(D(price), day(1) + US if at_open else day(2))]


def test_a_stop_limit_met_but_not_filled_is_a_limit_order_in_the_next_bar(bars, order):
    v = venue()
    v.submit(order("buy", 1, kind="stop_limit", tif="gtc", limit=100.5, stop=102))
    v.on_bars(bars(1, X=BAR))
    v.on_bars(bars(2, X=(101, 101, 100, 100, 1000)))  # the stop is not met again
    assert fills(v) == [("buy", 1, D("100.5"))]


@pytest.mark.parametrize(
    ("row", "first"),
    [((94, 96, 93, 95, 100), ("sell", 10, D(94))), ((99, 99, 94, 97, 100), ("sell", 10, D(95)))],
    ids=["at the open", "inside"],
)
def test_a_stop_that_was_met_is_a_market_order_whatever_the_price_does_then(bars, order, row, first):
    v = venue(participation=0.1)
    long(v, bars, order, 30)
    stop = order("sell", 30, kind="stop", stop=95, tif="gtc")
    v.submit(stop)
    v.on_bars(bars(1, X=row))  # room for 10
    v.on_bars(bars(2, X=(97, 98, 96, 98, 5)))  # and for none
    v.on_bars(bars(3, X=(98, 99, 97, 99, 1000)))
    assert fills(v)[1:] == [first, ("sell", 20, D(98))]
    assert state(v, stop.key) is OrderState.FILLED


def test_a_stop_met_where_nothing_could_be_had_goes_out_with_the_next_bar(bars, order):
    v = venue(participation=0.1)
    long(v, bars, order, 30)
    v.submit(order("sell", 30, kind="stop", stop=95, tif="gtc"))
    v.on_bars(bars(1, X=(94, 96, 93, 95, 5)))
    assert [(report.state, report.filled) for report in v.orders()] == [(OrderState.WORKING, D(0))]
    v.on_bars(bars(2, X=(98, 99, 97, 99, 1000)))
    assert fills(v)[1:] == [("sell", 30, D(98))]


def test_stops_slip_and_limits_do_not(bars, order):
    v = venue(slippage=Fraction(100.0))
    v.submit(order("buy", 1, kind="stop", stop=103))
    v.submit(order("buy", 1, kind="limit", limit=98))
    v.on_bars(bars(1, X=BAR))
    assert fills(v) == [("buy", 1, D("104.03")), ("buy", 1, D(98))]


def test_open_fills_come_before_touch_fills_of_the_same_bar(bars, order):
    v = venue()
    v.submit(order("buy", 1, kind="limit", limit=98))
    v.submit(order("buy", 2))
    v.on_bars(bars(1, X=BAR))
    assert fills(v) == [("buy", 2, 100), ("buy", 1, 98)]


# ---- time in force -------------------------------------------------------------------------------------------------
def test_a_day_order_lives_through_the_bars_of_its_day(bars, order, day):
    v = venue()
    early, late = (order("buy", 1, kind="limit", limit=limit, at=day(1)) for limit in (98, 97))
    v.submit(early)
    v.submit(late)
    v.on_bars(bars(24, hourly=True, X=(100, 100, 99, 100, 10)))
    v.on_bars(bars(25, hourly=True, X=(100, 100, 97.5, 100, 10)))
    assert fills(v) == [("buy", 1, 98)]
    assert state(v, late.key) is OrderState.WORKING
    v.on_bars(bars(48, hourly=True, X=(90, 90, 90, 90, 10)))  # the day after
    assert state(v, late.key) is OrderState.EXPIRED


def test_a_day_order_expires_with_the_bar_that_ends_at_midnight(bars, order, day):
    v = venue()
    request = order("buy", 1, kind="limit", limit=98, at=day(1))
    v.submit(request)
    v.on_bars(bars(47, hourly=True, X=(100, 100, 99, 100, 10)))
    assert state(v, request.key) is OrderState.EXPIRED


def test_the_day_of_an_order_begins_with_the_first_bar_of_its_symbol(bars, order):
    v = venue()
    request = order("buy", 1, kind="limit", limit=98)
    v.submit(request)
    v.on_bars(bars(1, X=None, Y=FLAT))
    assert state(v, request.key) is OrderState.WORKING
    v.on_bars(bars(2, X=FLAT, Y=FLAT))
    assert state(v, request.key) is OrderState.EXPIRED


@pytest.mark.parametrize(
    ("tif", "kind", "limit", "volume", "filled"),
    [
        ("ioc", "market", None, 100, 10),
        ("ioc", "market", None, 6, 6),
        ("ioc", "limit", 98, 100, 0),  # the low would touch it: too late
        ("fok", "market", None, 10, 10),
        ("fok", "market", None, 9, 0),
    ],
)
def test_ioc_and_fok_have_one_open(bars, order, tif, kind, limit, volume, filled):
    v = venue()
    request = order("buy", 10, kind=kind, tif=tif, limit=limit)
    v.submit(request)
    v.on_bars(bars(1, X=(100, 104, 96, 101, volume)))
    report = v.order(OrderRef("", request.key, "X"))
    assert report.filled == filled
    assert report.state is (OrderState.FILLED if filled == 10 else OrderState.EXPIRED)


# ---- cash, positions, fees -----------------------------------------------------------------------------------------
def test_a_market_buy_is_trimmed_to_what_cash_pays_for_with_the_fee(bars, order):
    v = venue(1000, fee=PerShare(D("1"), D(5)))
    request = order("buy", 20)
    v.submit(request)
    v.on_bars(bars(1, X=FLAT))
    assert fills(v) == [("buy", 9, 100)]  # 10 would cost 1000 and their fee
    assert v.fills(ALWAYS)[0].fee == 9
    report = v.order(OrderRef("", request.key, "X"))
    assert (report.state, report.reason) == (OrderState.CANCELED, "funds: the account carries 9 of 20")
    assert v.account().cash == 91


def test_a_buy_that_cash_cannot_pay_a_lot_of_is_canceled(bars, order):
    v = venue(99)
    request = order("buy", 1)
    v.submit(request)
    v.on_bars(bars(1, X=FLAT))
    assert fills(v) == []
    assert state(v, request.key) is OrderState.CANCELED
    assert v.account().cash == 99


def test_what_a_sale_brings_pays_for_a_later_buy_of_the_same_bar(bars, order):
    v = venue(1000)
    long(v, bars, order, 10)
    assert v.account().cash == 0
    assert isinstance(v.submit(order("sell", 10)), Accepted)
    assert isinstance(v.submit(order("buy", 9, "Y")), Accepted)
    v.on_bars(bars(1, X=FLAT, Y=(110, 110, 110, 110, 100)))
    assert fills(v)[1:] == [("sell", 10, 100), ("buy", 9, 110)]
    assert v.account().cash == 10


def test_two_sales_of_one_position_do_not_make_a_short(bars, order):
    v = venue()
    long(v, bars, order, 10)
    second = order("sell", 7)
    v.submit(order("sell", 7))
    v.submit(second)
    v.on_bars(bars(1, X=FLAT))
    assert fills(v)[1:] == [("sell", 7, 100), ("sell", 3, 100)]
    report = v.order(OrderRef("", second.key, "X"))
    assert (report.state, report.filled) == (OrderState.CANCELED, D(3))
    assert v.positions() == ()


def test_fees_are_charged_once_an_order_and_rounded_half_up(bars, order):
    v = venue(fee=PerShare(D("0.005"), D(1)), participation=0.1)
    v.submit(order("buy", 301, tif="gtc"))
    for n in (1, 2, 3, 4):
        v.on_bars(bars(n, X=(10, 10, 10, 10, 1000)))
    assert [f.fee for f in v.fills(ALWAYS)] == [D("1.00"), D(0), D("0.50"), D("0.01")]  # 1.505 in all -> 1.51
    v = venue(fee=Percentage(D("0.001")))
    v.submit(order("buy", 3))
    v.on_bars(bars(1, X=(11.5, 12, 11, 11, 1000)))
    assert v.fills(ALWAYS)[0].fee == D("0.03")  # 0.0345
    v = venue(fee=PerOrder(D("2.5")), participation=0.1)
    v.submit(order("buy", 150, tif="gtc"))
    v.on_bars(bars(1, X=(10, 10, 10, 10, 1000)))
    v.on_bars(bars(2, X=(10, 10, 10, 10, 1000)))
    assert [f.fee for f in v.fills(ALWAYS)] == [D("2.50"), D(0)]


def test_the_fee_of_a_sale_never_makes_debt(bars, order):
    v = venue(102, fee=PerOrder(D(2)))
    long(v, bars, order, 1)
    v.submit(order("sell", 1))
    v.on_bars(bars(1, X=(1.5, 2, 1, 1, 1000)))
    assert v.fills(ALWAYS)[1].fee == D("1.50")
    assert v.account().cash == 0


def test_average_price_is_that_of_the_entries_since_flat(bars, order):
    v = venue()
    long(v, bars, order, 10)
    v.submit(order("buy", 30, tif="gtc"))
    v.on_bars(bars(1, X=(110, 110, 110, 110, 1000)))
    assert v.positions() == (Position("X", D(40), D("107.5")),)
    v.submit(order("sell", 20))
    v.on_bars(bars(2, X=(90, 90, 90, 90, 1000)))
    assert v.positions() == (Position("X", D(20), D("107.5")),)


def test_fractions_of_units_and_fine_ticks_are_exact(bars, order):
    v = venue(rules=[Instrument("X", tick=D("0.00000001"), lot=D("0.00000001"))])
    v.submit(order("buy", "0.12345678"))
    v.on_bars(bars(1, X=(30123.45678901, 40000, 30000, 30000, 5.0)))
    (fill,) = v.fills(ALWAYS)
    assert abs(fill.price - D("30123.45678901")) <= D("0.00000001")
    assert v.account().cash == D(100_000) - fill.price * fill.quantity


# ---- shorts and margin ---------------------------------------------------------------------------------------------
def test_a_short_is_covered_by_equity_and_earns_when_the_price_falls(bars, order):
    v = venue(1000, shorting=True)
    request = order("sell", 15)
    v.submit(request)
    v.on_bars(bars(1, X=FLAT))
    assert fills(v) == [("sell", 10, 100)]  # gross exposure <= equity
    assert "funds" in v.order(OrderRef("", request.key, "X")).reason
    v.submit(order("buy", 10, at=datetime(2024, 1, 3, tzinfo=UTC)))
    v.on_bars(bars(2, X=(90, 90, 90, 90, 1000)))
    assert v.positions() == ()
    assert v.account().cash == 1100


def test_a_losing_short_can_always_be_bought_back(bars, order):
    v = venue(1000, shorting=True)
    v.submit(order("sell", 10))
    v.on_bars(bars(1, X=FLAT))
    v.submit(order("buy", 10))
    v.on_bars(bars(2, X=(300, 300, 300, 300, 1000)))
    assert v.positions() == ()
    assert v.account().cash == -1000


def test_leverage_lets_gross_exposure_exceed_equity(bars, order):
    v = venue(1000, shorting=True, leverage=D(2))
    v.submit(order("sell", 30))
    v.on_bars(bars(1, X=FLAT))
    assert fills(v) == [("sell", 20, 100)]


def test_one_order_may_flip_a_position_where_shorts_are_allowed(bars, order):
    v = venue(shorting=True)
    long(v, bars, order, 10)
    v.submit(order("sell", 15))
    v.on_bars(bars(1, X=(120, 120, 120, 120, 1000)))
    assert v.positions() == (Position("X", D(-5), D(120)),)
    assert v.account().equity == 100_200


def test_a_margin_instrument_moves_cash_by_profit_only(bars, order):
    future = Instrument("X", tick=D("0.25"), multiplier=D(50), settlement="margin")
    v = venue(10_000, rules=[future], leverage=D(20), fee=PerOrder(D(2)))
    v.submit(order("buy", 2))
    v.on_bars(bars(1, X=(1000, 1000, 1000, 1000, 1e5)))
    assert v.account().cash == 9_998
    assert v.positions() == (Position("X", D(2), D(1000)),)
    v.on_bars(bars(2, X=(1010, 1010, 1010, 1010, 1e5)))
    assert v.account().equity == 9_998 + 2 * 50 * 10
    v.submit(order("sell", 1))
    v.on_bars(bars(3, X=(1010, 1010, 1010, 1010, 1e5)))
    assert v.account().cash == 9_998 + 50 * 10 - 2
    v.submit(order("buy", 10))
    v.on_bars(bars(4, X=(1010, 1010, 1010, 1010, 1e5)))
    assert v.positions()[0].quantity == 4  # 4 x 50 x 1010 <= 20 x equity < 5 x 50 x 1010


# ---- refused at once -----------------------------------------------------------------------------------------------
RULES = [
    Instrument("X", tick=D("0.05"), lot=D(10), min_notional=D(500)),
    Instrument("HALTED", tradable=False),
    Instrument("EURO", currency="EUR"),
]


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ({"quantity": 15}, "lot", "15 is not a multiple of the lot 10"),
        ({"quantity": 0}, "quantity", "0 is not above 0"),
        ({"quantity": -10}, "quantity", "-10"),
        ({"quantity": "NaN"}, "quantity", "NaN"),
        ({"kind": "limit", "limit": 99.99}, "tick", "99.99 is not a multiple of the tick 0.05"),
        ({"kind": "stop", "stop": -1}, "price", "-1"),
        ({"kind": "limit"}, "order", "needs a limit_price"),
        ({"limit": 100}, "order", "has no limit_price"),
        ({"kind": "stop", "stop": 100, "tif": "ioc"}, "order", "cannot be ioc"),
        ({"kind": "limit", "limit": 10}, "min_notional", "100 is below the minimum of 500"),
        ({"symbol": "NONE"}, "symbol", "NONE"),
        ({"symbol": "HALTED"}, "not_tradable", "HALTED"),
        ({"symbol": "EURO"}, "currency", "EUR"),
        ({"side": "sell"}, "position", "sells 10, holds 0"),
        ({"reduce_only": True}, "reduce_only", "nothing to reduce"),
        ({"at": datetime(2024, 1, 1)}, "order", "time zone"),  # noqa: DTZ001 -- the fault
    ],
)
def test_what_cannot_be_is_rejected_with_its_numbers(order, what, kind, text):
    v = venue(rules=RULES)
    request = order(what.pop("side", "buy"), what.pop("quantity", 10), **what)
    answer = v.submit(request)
    assert isinstance(answer, Rejected)
    assert answer.kind == kind
    assert text in answer.reason
    assert isinstance(v.order(OrderRef("", request.key, "X")), NotFound)


def test_a_key_is_accepted_once_also_after_its_order_is_closed(bars, order):
    v = venue()
    request = order("buy", 1)
    v.submit(request)
    assert v.submit(request).kind == "duplicate"
    v.on_bars(bars(1, X=FLAT))
    assert v.submit(request).kind == "duplicate"
    assert len(fills(v)) == 1


def test_without_cash_and_sales_a_buy_is_rejected(bars, order):
    v = venue(1000)
    long(v, bars, order, 10)
    assert v.submit(order("buy", 1)).kind == "funds"


def test_reduce_only_never_opens(bars, order):
    v = venue(shorting=True)
    long(v, bars, order, 10)
    v.submit(order("sell", 25, reduce_only=True))
    v.on_bars(bars(1, X=FLAT))
    assert v.positions() == ()


def test_a_template_serves_what_bars_have_shown(bars, order):
    v = SimulatedVenue(D(1000), template=Instrument("", lot=D("0.1")))
    v.on_bars(bars(0, X=FLAT))
    assert isinstance(v.submit(order("buy", "0.3")), Accepted)
    assert v.submit(order("buy", 1, "TYPO")).kind == "symbol"
    assert [i.symbol for i in v.instruments(["X", "Z"])] == ["X", "Z"]
    assert isinstance(v.submit(order("buy", 1, "Z")), Accepted)


def test_steps_finer_than_the_venue_counts_are_refused():
    with pytest.raises(SettingsError, match="coarser"):
        venue(rules=[Instrument("X", tick=D("1e-10"), lot=D("1e-10"))]).instruments(["X"])


# ---- cancel, questions, time ---------------------------------------------------------------------------------------
def test_cancel_takes_effect_once(bars, order):
    v = venue()
    request = order("buy", 1)
    v.submit(request)
    ref = OrderRef("", request.key, "X")
    assert v.cancel(ref) == Accepted("1")
    assert v.cancel(ref).kind == "closed"
    assert v.cancel(OrderRef("", "nobody", "X")).kind == "not_found"
    v.on_bars(bars(1, X=FLAT))
    assert fills(v) == []
    assert state(v, request.key) is OrderState.CANCELED


def test_cancel_all_leaves_nothing_working(order):
    v = venue()
    for _ in range(3):
        v.submit(order("buy", 1))
    assert v.cancel_all() == Accepted()
    assert v.orders() == ()


def test_the_same_bars_again_change_nothing(bars, order):
    v = venue()
    v.submit(order("buy", 1, tif="gtc", kind="limit", limit=95))
    v.on_bars(bars(1, X=FLAT))
    v.changes()
    before = (v.account(), v.orders(), fills(v))
    v.on_bars(bars(1, X=(90, 90, 90, 90, 1000)))
    v.on_bars(bars(0, X=(90, 90, 90, 90, 1000)))
    assert (v.account(), v.orders(), fills(v)) == before
    assert not v.changes()


def test_the_times_of_fills_never_go_back_though_bars_overlap(bars, order, day):
    v = venue()
    v.submit(order("buy", 1, kind="limit", limit=98))
    v.submit(order("buy", 2, tif="gtc"))
    v.on_bars(bars(1, X=(100, 100, 97, 100, 1)))  # volume for one: the market order at the open, then none is left
    assert v.fills(ALWAYS)[0].time == day(1) + US
    v.submit(order("buy", 1, kind="limit", limit=98))
    v.on_bars(bars(2, X=(100, 100, 97, 100, 2)))
    half = np.timedelta64(12, "h")
    late = bars(2, X=FLAT)
    v.submit(order("buy", 1))
    v.on_bars(Bars(late.symbols, "1d", late.start + half, late.end + half, *(late.open,) * 4, late.volume))
    times = [fill.time for fill in v.fills(ALWAYS)]
    assert times == [day(1) + US, day(2) + US, day(3), day(3)]


def test_rows_out_of_order_are_refused_whole(bars, order):
    v = venue()
    v.submit(order("buy", 1))
    one, two = bars(2, X=FLAT), bars(1, X=FLAT)
    names = ("start", "end", "open", "high", "low", "close", "volume")
    mixed = Bars(one.symbols, "1d", *(np.concatenate([getattr(b, name) for b in (one, two)]) for name in names))
    with pytest.raises(DataError, match="time order"):
        v.on_bars(mixed)
    assert fills(v) == []


def test_columns_may_change_from_call_to_call(bars, order):
    v = venue()
    long(v, bars, order, 10, "Y")
    v.on_bars(bars(1, X=FLAT))
    assert v.account().equity == 100_000  # Y at its last close
    v.submit(order("sell", 10, "Y"))
    v.on_bars(bars(2, X=FLAT))
    v.on_bars(bars(3, Y=(70, 70, 70, 70, 1000), X=FLAT))
    assert v.account().cash == 99_700


def test_fills_since_and_from_a_cursor_answer_what_is_new(bars, order, day):
    v = venue()
    for n in range(3):
        v.submit(order("buy", n + 1, at=day(n)))
        v.on_bars(bars(n, X=FLAT))
    assert [f.quantity for f in v.fills(day(1) + US)] == [2, 3]
    assert [f.quantity for f in v.fills(day(1) + 2 * US)] == [3]
    some, cursor = v.fills_from(1)
    assert ([f.quantity for f in some], cursor) == ([2, 3], 3)
    v.forget(day(2))
    assert [f.quantity for f in v.fills(ALWAYS)] == [3]
    assert [f.quantity for f in v.fills_from(2)[0]] == [3]
    assert v.fills_from(3) == ([], 3)
    assert isinstance(v.order(OrderRef("", "", "X", "1")), NotFound)
    assert v.order(OrderRef("", "", "X", "3")).state is OrderState.FILLED


def test_cash_events_move_cash_once(day):
    v = venue(100)
    event = CashEvent("d1", "dividend", D("1.25"), "USD", day(1), "X")
    v.book_cash(event)
    v.book_cash(event)
    assert v.account().cash == D("101.25")
    assert v.cash_events(day(1)) == [event]
    assert v.cash_events(day(2)) == []
    with pytest.raises(DataError, match="EUR"):
        v.book_cash(CashEvent("d2", "dividend", D(1), "EUR", day(1)))


def test_a_book_that_no_longer_fits_the_lot_is_refused(bars, order):
    v = venue()
    long(v, bars, order, 15)
    kept = v.changes()
    with pytest.raises(StoreError, match="no multiple of the lot 10"):
        venue(rules=[Instrument("X", lot=D(10))]).restore(kept.account, kept.orders, kept.fills, kept.events)
