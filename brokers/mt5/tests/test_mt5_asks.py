"""Orders as trade requests: what cannot be said truthfully is not sent."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from trader.model import OrderRequest, OrderType, Purpose, Rejected, Side, TimeInForce
from trader_broker_mt5 import asks, wire
from trader_broker_mt5.wire import Ticket

D = Decimal
SYMBOL = {
    "name": "EURUSD", "point": 0.00001, "trade_tick_size": 0.00001, "trade_contract_size": 100000.0, "volume_min": 0.05,
    "volume_max": 50.0, "volume_step": 0.01, "trade_mode": 4, "trade_exemode": 2, "filling_mode": 1, "order_mode": 127,
    "expiration_mode": 15, "currency_base": "EUR", "currency_profit": "USD", "bid": 1.1, "ask": 1.1002,
}  # fmt: skip
REQUEST, INSTANT, MARKET, EXCHANGE = range(4)
FOK, IOC, RETURN = 0, 1, 2


def order(side="buy", quantity="0.3", kind="market", tif="day", limit=None, stop=None, reduce_only=False):
    client_id = "t0123456789abcdefghijklmnopqrstuvwxyz"
    return OrderRequest(
        client_id, wire.magic(client_id), "main", "EUR/USD", Side(side), D(quantity), OrderType(kind),
        TimeInForce(tif), limit and D(limit), stop and D(stop), reduce_only, Purpose.MANUAL, D(1),
        datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def ask(one, held=(), hedging=False, **symbol):
    return asks.order_request(one, asks.rules({**SYMBOL, **symbol}), held, hedging=hedging)


def long(ticket, volume):
    return Ticket(ticket, "EURUSD", Side.BUY, D(volume), D("1.1"))


def short(ticket, volume):
    return Ticket(ticket, "EURUSD", Side.SELL, D(volume), D("1.1"))


# ---- what goes out -------------------------------------------------------------------------------------------------
def test_a_market_order_is_a_deal_at_the_price_of_its_side():
    one = order()
    assert ask(one) == {
        "action": 1, "symbol": "EURUSD", "volume": 0.3, "type": 0, "type_filling": FOK, "type_time": 0,
        "magic": int(one.key), "comment": one.client_id[:31], "deviation": 20, "price": 1.1002,
    }  # fmt: skip
    sell = ask(order("sell"))
    assert (sell["type"], sell["price"]) == (1, 1.1)
    assert isinstance(sell["volume"], float)


@pytest.mark.parametrize(
    ("one", "number", "price", "time"),
    [
        (order(kind="limit", limit="1.05", tif="gtc"), 2, 1.05, 0),
        (order("sell", kind="limit", limit="1.15", tif="day"), 3, 1.15, 1),
        (order(kind="stop", stop="1.15", tif="gtc"), 4, 1.15, 0),
        (order("sell", kind="stop", stop="1.05", tif="day"), 5, 1.05, 1),
    ],
)
def test_limits_and_stops_are_pending(one, number, price, time):
    request = ask(one)
    assert (request["action"], request["type"], request["price"], request["type_time"]) == (5, number, price, time)
    assert request["type_filling"] == RETURN
    assert "deviation" not in request


def test_the_comment_has_at_most_31_characters():
    assert len(ask(order())["comment"]) == 31


# ---- filling -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mode", "mask", "tif", "filling"),
    [
        (MARKET, 1, "day", FOK), (MARKET, 2, "day", IOC), (MARKET, 3, "day", IOC), (MARKET, 0, "gtc", FOK),
        (MARKET, 1, "fok", FOK), (MARKET, 2, "ioc", IOC), (MARKET, 1, "ioc", None), (MARKET, 2, "fok", None),
        (INSTANT, 0, "fok", FOK), (REQUEST, 2, "fok", FOK), (INSTANT, 0, "ioc", None),
        (EXCHANGE, 3, "day", RETURN), (EXCHANGE, 3, "ioc", IOC), (EXCHANGE, 3, "fok", FOK), (MARKET, 4, "day", FOK),
    ],
)  # fmt: skip
def test_the_filling_is_chosen_by_the_mask_and_is_never_the_mask(mode, mask, tif, filling):
    request = ask(order(tif=tif), trade_exemode=mode, filling_mode=mask)
    if filling is None:
        assert isinstance(request, Rejected) and "does not fill" in request.reason
    else:
        assert request["type_filling"] == filling


@pytest.mark.parametrize("tif", ["ioc", "fok"])
def test_a_pending_order_that_is_at_once_does_not_exist(tif):
    assert isinstance(ask(order(kind="limit", limit="1.05", tif=tif)), Rejected)


def test_a_stop_limit_is_another_order_there():
    assert "another order" in ask(order(kind="stop_limit", limit="1.16", stop="1.15", tif="gtc")).reason


# ---- hedging and netting -------------------------------------------------------------------------------------------
def test_hedging_closes_carry_the_ticket():
    assert ask(order("sell"), [long(7, "0.3")], hedging=True)["position"] == 7
    assert ask(order("buy"), [short(8, "0.5")], hedging=True)["position"] == 8


def test_of_several_tickets_the_one_of_its_size_is_closed_else_the_smallest_that_is_larger():
    held = [long(1, "0.9"), long(2, "0.3"), long(3, "0.5"), short(4, "0.3"), long(5, "0.3")]
    assert ask(order("sell"), held, hedging=True)["position"] == 2
    assert ask(order("sell", "0.4"), held, hedging=True)["position"] == 3
    assert ask(order("sell", "0.8"), held, hedging=True)["position"] == 1


def test_a_reduction_that_spans_tickets_goes_out_as_one_order_without_a_ticket():
    request = ask(order("sell", "0.6", reduce_only=True), [long(1, "0.3"), long(2, "0.3")], hedging=True)
    assert "position" not in request
    assert request["volume"] == 0.6


def test_an_order_that_adds_or_one_of_a_netting_account_has_no_ticket():
    assert "position" not in ask(order("buy"), [long(7, "0.3")], hedging=True)
    assert "position" not in ask(order("sell"), [long(7, "0.3")])


@pytest.mark.parametrize(
    ("held", "good"),
    [
        ([], False), ([long(1, "0.2")], False), ([short(1, "0.5")], False), ([long(1, "0.3")], True),
        ([long(1, "0.5"), short(2, "0.3")], False), ([long(1, "0.6"), short(2, "0.3")], True),
    ],
)  # fmt: skip
def test_reduce_only_is_checked_against_the_net_position(held, good):
    request = ask(order("sell", reduce_only=True), held, hedging=True)
    assert isinstance(request, dict) is good
    assert good or request.kind == "reduce_only"


# ---- what is refused here ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("one", "symbol", "kind"),
    [
        (order(quantity="0"), {}, "quantity"),
        (order(quantity="-1"), {}, "quantity"),
        (order(quantity="NaN"), {}, "quantity"),
        (order(quantity="Infinity"), {}, "quantity"),
        (order(quantity="0.305"), {}, "quantity"),
        (order(quantity="0.04"), {}, "quantity"),
        (order(quantity="50.01"), {}, "quantity"),
        (order(limit="1.1"), {}, "price"),
        (order(kind="limit"), {}, "price"),
        (order(kind="limit", limit="1.100005"), {}, "price"),
        (order(kind="stop", stop="NaN"), {}, "price"),
        (order(), {"trade_mode": 0}, "not_tradable"),
        (order(), {"order_mode": 126}, "refused"),
        (order(kind="limit", limit="1.05"), {"expiration_mode": 1}, "refused"),
        (order(), {"ask": 0.0, "trade_exemode": INSTANT}, "price"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_sent(one, symbol, kind):
    request = ask(one, **symbol)
    assert isinstance(request, Rejected)
    assert request.kind == kind
    assert request.reason.startswith("not sent: ")


def test_market_execution_needs_no_price():
    assert "price" not in ask(order(), ask=0.0)


def test_a_symbol_without_limits_of_volume_takes_any():
    assert isinstance(ask(order(quantity="900"), volume_max=0.0), dict)
