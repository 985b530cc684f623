"""What the venue's errors mean, and what of an order it has no words for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec import structs
from pydantic import ValidationError
from trader.model import OrderRequest, OrderType, Purpose, Rejected, Side, TimeInForce, Unknown
from trader.wire import AuthFailed, RateLimited
from trader_broker_binance import asked, futures_wire, wire
from trader_broker_binance.settings import DataSettings, FuturesSettings, SpotSettings

BOTH, SPOT, FUTURES = ("spot", "futures"), ("spot",), ("futures",)
BALANCE = "Account has insufficient balance for requested action."
TABLE = [
    # product, status, code, message, what it is, its kind
    (BOTH, 400, -1021, "Timestamp for this request is outside of the recvWindow.", Rejected, "clock"),
    (BOTH, 400, -1022, "Signature for this request is not valid.", AuthFailed, ""),
    (BOTH, 401, -2014, "API-key format invalid.", AuthFailed, ""),
    (BOTH, 401, -2015, "Invalid API-key, IP, or permissions for action.", AuthFailed, ""),
    (BOTH, 400, -2015, "Invalid API-key, IP, or permissions for action.", AuthFailed, ""),
    (BOTH, 429, -1003, "Too many requests.", RateLimited, ""),
    (BOTH, 418, -1003, "Way too many requests; IP banned until 1.", RateLimited, ""),
    (BOTH, 400, -1015, "Too many new orders.", RateLimited, ""),
    (BOTH, 403, None, "<html>WAF</html>", RateLimited, ""),
    (BOTH, 451, 0, "Service unavailable from a restricted location.", AuthFailed, ""),
    (BOTH, 400, -2010, BALANCE, Rejected, "funds"),
    (BOTH, 400, -2010, "Duplicate order sent.", Rejected, "duplicate"),
    (BOTH, 400, -2010, "Market is closed.", Rejected, "market_closed"),
    (BOTH, 400, -2010, "Stop price would trigger immediately.", Rejected, "price"),
    (BOTH, 400, -2010, "This action is disabled on this account.", Rejected, "not_tradable"),
    (BOTH, 400, -2010, "Something else.", Rejected, "refused"),
    (FUTURES, 400, -2019, "Margin is insufficient.", Rejected, "funds"),
    (FUTURES, 400, -4116, "ClientOrderId is duplicated.", Rejected, "duplicate"),
    (BOTH, 400, -1013, "Filter failure: LOT_SIZE", Rejected, "quantity"),
    (BOTH, 400, -1013, "Filter failure: MARKET_LOT_SIZE", Rejected, "quantity"),
    (BOTH, 400, -1013, "Filter failure: NOTIONAL", Rejected, "quantity"),
    (BOTH, 400, -1013, "Filter failure: MIN_NOTIONAL", Rejected, "quantity"),
    (BOTH, 400, -1013, "Filter failure: PRICE_FILTER", Rejected, "price"),
    (BOTH, 400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", Rejected, "price"),
    (BOTH, 400, -1013, "Filter failure: MAX_POSITION", Rejected, "position"),
    (BOTH, 400, -1013, "Filter failure: MAX_NUM_ORDERS", Rejected, "refused"),
    (BOTH, 400, -1111, "Precision is over the maximum defined for this asset.", Rejected, "quantity"),
    (BOTH, 400, -1111, "Parameter 'price' has too much precision.", Rejected, "price"),
    (BOTH, 400, -1102, "Mandatory parameter 'quantity' was not sent.", Rejected, "quantity"),
    (FUTURES, 400, -4164, "Order's notional must be no smaller than 5.", Rejected, "quantity"),
    (FUTURES, 400, -4014, "Price not increased by tick size.", Rejected, "price"),
    (FUTURES, 400, -4023, "Qty not increased by step size.", Rejected, "quantity"),
    (FUTURES, 400, -4140, "Invalid symbol status for opening position.", Rejected, "not_tradable"),
    (FUTURES, 400, -4120, "Order type not supported for this endpoint.", Rejected, "refused"),
    (BOTH, 400, -1121, "Invalid symbol.", Rejected, "symbol"),
    (BOTH, 400, -2013, "Order does not exist.", Rejected, "not_found"),
    (BOTH, 400, -2011, "Unknown order sent.", Rejected, "not_found"),
    (FUTURES, 400, -2022, "ReduceOnly Order is rejected.", Rejected, "reduce_only"),
    (SPOT, 400, -2022, "Order cancel-replace failed.", Rejected, "refused"),
    (FUTURES, 400, -2021, "Order would immediately trigger.", Rejected, "price"),
    (SPOT, 409, -2021, "Order cancel-replace partially failed.", Unknown, "server"),
    (BOTH, 409, -1, "Half of it.", Unknown, "server"),
    (BOTH, 503, -1001, "Internal error; unable to process your request. Please try again.", Unknown, "server"),
    (BOTH, 504, None, "<html>gateway</html>", Unknown, "server"),
    (BOTH, 502, None, "", Unknown, "server"),
    (BOTH, 500, -2010, BALANCE, Unknown, "server"),
    (BOTH, 400, -1000, "An unknown error occurred.", Unknown, "server"),
    (BOTH, 400, -1001, "Disconnected.", Unknown, "server"),
    (BOTH, 400, -1006, "Execution status unknown.", Unknown, "server"),
    (BOTH, 408, -1007, "Timeout. Execution status unknown.", Unknown, "timeout"),
    (BOTH, 400, -1008, "Request throttled by system-level protection.", Unknown, "server"),
    (FUTURES, 503, -1008, "Request throttled by system-level protection.", Rejected, "busy"),
    (FUTURES, 503, -1001, "Service Unavailable.", Rejected, "busy"),
    (SPOT, 503, -1008, "Server is currently overloaded with other requests.", Unknown, "server"),
    (BOTH, 503, -1000, "Unknown error, please check your request or try again later.", Unknown, "server"),
    (BOTH, 503, None, "Service Unavailable.", Unknown, "server"),
    (BOTH, 400, None, "<html>bad request</html>", Unknown, "payload"),
    (BOTH, 404, None, "<html>not found</html>", Unknown, "payload"),
    (BOTH, 302, None, "", Unknown, "payload"),
    (BOTH, 400, -9999, "A code of tomorrow.", Rejected, "refused"),
]
ROWS = [(product, *row) for products, *row in TABLE for product in products]


@pytest.mark.parametrize(("product", "status", "code", "message", "kind", "word"), ROWS)
def test_F20_the_error_table(product, status, code, message, kind, word):
    body = message if code is None else json.dumps({"code": code, "msg": message})
    trouble = wire.error(status, body, product)
    assert type(trouble) is kind, trouble
    assert getattr(trouble, "kind", "") == word
    assert trouble.reason.strip()


def test_one_code_says_two_things_by_product():
    """-2021 and -2022: a cancel-replace of spot, a trigger and a reduce-only order of futures."""
    body = '{"code":-2022,"msg":"no"}'
    assert wire.error(400, body, "spot").kind == "refused"
    assert futures_wire.error(400, body).kind == "reduce_only"


def test_F22_a_ban_says_for_how_long():
    assert wire.error(429, '{"code":-1003,"msg":"slow"}', "spot", 7.0).retry_after == 7.0


# ---- orders ----------------------------------------------------------------------------------------------------------
PLAIN = OrderRequest(
    "t1", "t1", "main", "BTC/USDT", Side.BUY, Decimal("0.00001"), OrderType.MARKET, TimeInForce.DAY, None, None, False,
    Purpose.REBALANCE, Decimal(20_000), datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def made(**change):
    return structs.replace(PLAIN, **change)


def test_amounts_go_out_as_they_are_owed_not_as_floats():
    params = asked.spot_request(PLAIN, "BTCUSDT")
    assert params["quantity"] == "0.00001"
    assert asked.spot_request(made(quantity=Decimal("1E+3")), "BTCUSDT")["quantity"] == "1000"


def test_every_order_has_our_id():
    assert asked.spot_request(PLAIN, "BTCUSDT")["newClientOrderId"] == "t1"
    assert asked.futures_request(PLAIN, "BTCUSDT")["newClientOrderId"] == "t1"


def test_F39_a_conditional_order_of_futures_has_our_id_as_client_algo_id():
    """The library drops newClientOrderId on its way to the algo service, and makes up another one."""
    stop = made(type=OrderType.STOP, time_in_force=TimeInForce.GTC, stop_price=Decimal(25_000))
    params = asked.futures_request(stop, "BTCUSDT")
    assert params["clientAlgoId"] == "t1" and "newClientOrderId" not in params
    assert (params["type"], params["triggerPrice"]) == ("STOP_MARKET", "25000")
    both = asked.futures_request(
        structs.replace(stop, type=OrderType.STOP_LIMIT, limit_price=Decimal(26_000)), "BTCUSDT"
    )
    assert (both["type"], both["price"], both["timeInForce"]) == ("STOP", "26000", "GTC")


def test_a_stop_on_spot():
    stop = made(type=OrderType.STOP, time_in_force=TimeInForce.GTC, stop_price=Decimal(25_000))
    params = asked.spot_request(stop, "BTCUSDT")
    assert (params["type"], params["stopPrice"]) == ("STOP_LOSS", "25000") and "timeInForce" not in params


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"quantity": Decimal(0)}, "quantity"),
        ({"quantity": Decimal("NaN")}, "quantity"),
        ({"quantity": Decimal("Infinity")}, "quantity"),
        ({"type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC}, "price"),
        ({"type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "limit_price": Decimal("NaN")}, "price"),
        ({"type": OrderType.LIMIT, "limit_price": Decimal(1)}, "refused"),
        ({"type": OrderType.STOP, "stop_price": Decimal(1), "time_in_force": TimeInForce.IOC}, "refused"),
        ({"time_in_force": TimeInForce.FOK}, "refused"),
        ({"key": "no spaces"}, "refused"),
        ({"key": "x" * 37}, "refused"),
    ],
)
def test_what_the_venue_has_no_words_for_never_leaves(change, kind):
    for build in (asked.spot_request, asked.futures_request):
        refused = build(made(**change), "BTCUSDT")
        assert isinstance(refused, Rejected) and refused.kind == kind and refused.reason


def test_a_day_order_is_told_what_to_be_instead():
    refused = asked.spot_request(made(type=OrderType.LIMIT, limit_price=Decimal(1)), "BTCUSDT")
    assert "gtc" in refused.reason


def test_no_symbol_never_leaves():
    assert asked.spot_request(PLAIN, "").kind == "symbol"
    assert asked.spot_request(PLAIN, "BTC&side=SELL").kind == "symbol"


def test_a_buy_on_spot_reduces_nothing():
    assert asked.spot_request(made(reduce_only=True), "BTCUSDT").kind == "reduce_only"
    assert asked.futures_request(made(reduce_only=True), "BTCUSDT")["reduceOnly"] == "true"


# ---- settings --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("settings", [SpotSettings, FuturesSettings, DataSettings])
def test_testnet_unless_mainnet_is_named(settings):
    assert settings().environment == "testnet"
    assert settings(environment="mainnet").environment == "mainnet"
    with pytest.raises(ValidationError):
        settings(environment="live")


@pytest.mark.parametrize(
    "url", ["https://api.binance.com", "http://10.0.0.1:80", "http://127.0.0.1", "http://127.0.0.1.evil.org:80", "x"]
)
def test_an_address_is_of_this_machine(url):
    with pytest.raises(ValidationError, match="emulator on this machine"):
        SpotSettings(url=url)
    assert SpotSettings(url="http://127.0.0.1:8011/").url == "http://127.0.0.1:8011"


def test_settings_refuse_what_they_do_not_know_and_what_does_not_fit():
    for wrong in ({"enviroment": "mainnet"}, {"recv_window": 5_000}, {"silence_seconds": 0}):
        with pytest.raises(ValidationError):
            SpotSettings(**wrong)
    with pytest.raises(ValidationError, match="symbols"):
        FuturesSettings(leverage=5)
    with pytest.raises(ValidationError, match="dead_man_seconds"):
        FuturesSettings(dead_man_seconds=1)
