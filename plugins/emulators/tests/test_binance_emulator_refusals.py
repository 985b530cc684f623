"""What the emulated spot market refuses, in the venue's words; and what goes wrong on its wire."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

import pytest
import requests
from binance.client import Client
from binance.exceptions import BinanceAPIException, BinanceRequestException
from trader.testing.emulation import Mishap
from trader_emulators import Setup, emulate
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.refusal import Refused
from trader_emulators.binance.spot import Spot

BTC = "BTC/USDT"
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1", "price": "50000"}


@pytest.fixture(autouse=True)
def loop():
    """The SDK's clients take the thread's event loop, and make one that nobody closes if there is none."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    made.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def venue() -> Iterator[Spot]:
    spot = emulate("binance", Setup(prices={BTC: 60_000.0}))
    assert isinstance(spot, Spot)
    yield spot
    spot.close()


def made(venue: Spot, key: str | None = None, secret: str | None = None) -> Client:
    local = type("Local", (Client,), {"API_URL": f"{venue.url}/api", "MARGIN_API_URL": f"{venue.url}/sapi"})
    client = local(key or venue.api_key, secret or venue.api_secret)
    client.REQUEST_TIMEOUT = 1.0
    client.REQUEST_RECVWINDOW = 3_000
    return client


@pytest.fixture
def client(venue: Spot) -> Iterator[Client]:
    client = made(venue)
    yield client
    client.close_connection()


def refused(call, *args, **kwargs) -> BinanceAPIException:
    with pytest.raises(BinanceAPIException) as error:
        call(*args, **kwargs)
    return error.value


def test_a_wrong_secret_is_a_wrong_signature(venue):
    error = refused(made(venue, secret="wrong").get_account)
    assert (error.status_code, error.code) == (400, -1022)


def test_a_key_that_is_none_and_a_key_that_is_unknown_have_codes_of_their_own(venue, client):
    assert (refused(made(venue, "no key").get_account).code) == -2014
    unknown = refused(made(venue, "x" * 64).get_account)
    assert (unknown.status_code, unknown.code) == (401, -2015)
    venue.revoke()
    assert refused(client.get_account).code == -2015
    assert client.get_symbol_ticker(symbol="BTCUSDT")["symbol"] == "BTCUSDT"


def test_a_signature_is_over_what_was_sent_to_the_letter(venue, client):
    key = {"X-MBX-APIKEY": venue.api_key}
    bare = requests.get(f"{venue.url}/api/v3/account", headers=key, timeout=5)
    assert bare.json()["code"] == -1102
    unsigned = requests.get(
        f"{venue.url}/api/v3/account", params={"timestamp": venue.server_time()}, headers=key, timeout=5
    )
    assert unsigned.json()["msg"] == ("Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")


@pytest.mark.parametrize("seconds", [10.0, -10.0])
def test_a_clock_that_is_off_is_refused_before_anything_happens(venue, client, seconds):
    venue.skew(seconds)
    error = refused(client.create_order, **ORDER)
    assert (error.status_code, error.code) == (400, -1021)
    assert venue.venue.accepted == []
    client.timestamp_offset = client.get_server_time()["serverTime"] - int(venue.setup.clock.now().timestamp() * 1_000)
    assert client.create_order(**ORDER)["status"] == "NEW"


def test_a_window_of_more_than_a_minute_is_refused(client):
    client.REQUEST_RECVWINDOW = 60_001
    assert refused(client.get_account).code == -1131


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"symbol": "NOPEUSDT"}, -1121, "Invalid symbol."),
        ({"symbol": ""}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "TAKE_PROFIT"}, -1116, "Invalid orderType."),
        ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        ({"timeInForce": None}, -1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
        ({"stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "400000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"quantity": "3"}, -2010, "Account has insufficient balance for requested action."),
        ({"side": "SELL"}, -2010, "Account has insufficient balance for requested action."),
        ({"newOrderRespType": "LONG"}, -1138, "Invalid newOrderRespType."),
    ],
)
def test_an_order_is_refused_with_the_code_and_the_words_of_the_venue(venue, client, change, code, message):
    order = {name: value for name, value in {**ORDER, **change}.items() if value is not None}
    error = refused(client.create_order, **order)
    assert (error.status_code, error.code, error.message) == (400, code, message)
    assert venue.venue.accepted == []


def test_a_sixth_stop_in_a_symbol_is_refused_as_the_filter_says(client):
    told = client.get_symbol_info("BTCUSDT")["filters"]
    most = next(each["maxNumAlgoOrders"] for each in told if each["filterType"] == "MAX_NUM_ALGO_ORDERS")
    stop = {"symbol": "BTCUSDT", "side": "BUY", "type": "STOP_LOSS", "quantity": "0.01", "stopPrice": "70000"}
    for number in range(most):
        client.create_order(**stop, newClientOrderId=f"s{number}")
    error = refused(client.create_order, **stop)
    assert (error.code, error.message) == (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS")
    client.create_order(**ORDER)
    client.cancel_order(symbol="BTCUSDT", origClientOrderId="s0")
    client.create_order(**stop)


@pytest.mark.parametrize(("name", "value"), [("quantity", 1e-05), ("newClientOrderId", "a.b"), ("price", "-1")])
def test_what_is_no_number_or_no_id_is_illegal(client, name, value):
    """Trap: a float goes out as 1e-05."""
    error = refused(client.create_order, **{**ORDER, name: value})
    assert error.code == -1100 and f"'{name}'" in error.message


def test_an_unknown_order_has_one_code_for_a_question_and_another_for_a_cancel(venue, client):
    assert refused(client.get_order, symbol="BTCUSDT", origClientOrderId="never").code == -2013
    assert refused(client.get_order, symbol="BTCUSDT", orderId=1).code == -2013
    assert refused(client.cancel_order, symbol="BTCUSDT", origClientOrderId="never").code == -2011
    assert refused(client.get_order, symbol="BTCUSDT").code == -1102
    client.create_order(**ORDER, newClientOrderId="once")
    client.cancel_order(symbol="BTCUSDT", origClientOrderId="once")
    assert refused(client.cancel_order, symbol="BTCUSDT", origClientOrderId="once").code == -2011


def test_an_address_that_is_none_is_not_found(venue):
    assert requests.get(f"{venue.url}/api/v3/nothing", timeout=5).status_code == 404


# ---- the wire --------------------------------------------------------------------------------------------------------
def test_used_weight_is_on_every_answer(client):
    client.ping()
    first = int(client.response.headers["X-MBX-USED-WEIGHT-1M"])
    client.ping()
    assert int(client.response.headers["X-MBX-USED-WEIGHT-1M"]) == first + 1


def test_F34_beyond_the_limit_the_answer_is_429_with_the_seconds_to_wait(venue, client):
    venue.limit(2, 30.0)
    client.ping()
    assert client.response.headers["X-MBX-USED-WEIGHT-30S"] == "1"
    assert client.get_exchange_info()["rateLimits"][0] == {
        "rateLimitType": "REQUEST_WEIGHT", "interval": "SECOND", "intervalNum": 30, "limit": 2,
    }  # fmt: skip
    error = refused(client.ping)
    assert (error.status_code, error.code) == (429, -1003)
    assert 1 <= int(error.response.headers["Retry-After"]) <= 30


@pytest.mark.parametrize(("mishap", "status", "code"), [
    (Mishap.FAILED, 503, -1001), (Mishap.RATE_LIMITED, 429, -1003), (Mishap.UNAUTHORIZED, 401, -2015),
])  # fmt: skip
def test_a_mishap_before_the_order_leaves_no_order(venue, client, mishap, status, code):
    venue.mishap("submit", mishap)
    error = refused(client.create_order, **ORDER)
    assert (error.status_code, error.code) == (status, code)
    assert venue.venue.accepted == []


def test_F21_a_server_error_after_the_order_was_taken_looks_the_same_and_the_order_is_there(venue, client):
    venue.mishap("submit", Mishap.FAILED_AFTER)
    assert refused(client.create_order, **ORDER, newClientOrderId="there").status_code == 503
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="there")["status"] == "NEW"


def test_F21_a_page_instead_of_json_has_no_code_and_half_an_answer_is_no_answer(venue, client):
    venue.mishap("submit", Mishap.HTML)
    assert refused(client.create_order, **ORDER).code == 0
    venue.mishap("submit", Mishap.TRUNCATED)
    with pytest.raises(BinanceRequestException):
        client.create_order(**ORDER, newClientOrderId="half")
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="half")["status"] == "NEW"


def test_F16_a_lost_answer_is_a_timeout_and_the_order_is_there(venue, client):
    venue.mishap("submit", Mishap.LOST_REPLY)
    client.REQUEST_TIMEOUT = 0.2
    with pytest.raises(requests.ReadTimeout):
        client.create_order(**ORDER, newClientOrderId="there")
    client.REQUEST_TIMEOUT = 2
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="there")["status"] == "NEW"


def test_an_order_that_arrives_after_its_window_is_not_taken(venue, client):
    client.REQUEST_RECVWINDOW, client.REQUEST_TIMEOUT = 1_000, 0.2
    venue.mishap("submit", Mishap.LATE)
    with pytest.raises(requests.ReadTimeout):
        client.create_order(**ORDER)
    venue._stopping.wait(2.2)
    assert venue.venue.accepted == []


def test_a_mishap_of_positions_meets_the_account_that_shows_them(venue, client):
    venue.mishap("positions", Mishap.FAILED)
    assert refused(client.get_account).status_code == 503
    assert venue.requests("positions") == venue.requests("account") == 1


def test_a_key_that_may_withdraw_can_be_shown(venue, client):
    assert client.get_account_api_permissions()["enableWithdrawals"] is False
    venue.permissions = {"enableWithdrawals": True}
    assert client.get_account_api_permissions()["enableWithdrawals"] is True


@pytest.mark.parametrize("name", ["binance", "binance_futures"])
def test_whatever_is_asked_is_answered_or_refused_and_nothing_breaks(name):
    chance = random.Random(7)
    words = ["", "BTCUSDT", "XX", "BUY", "MARKET", "STOP", "GTC", "0.1", "-1", "1e5", "0", "9" * 20, "true", "[]",
             '["', "1m"]  # fmt: skip
    names = ["symbol", "side", "type", "timeInForce", "quantity", "price", "stopPrice", "triggerPrice", "orderId",
             "origClientOrderId", "newClientOrderId", "algoId", "clientAlgoId", "algoType", "interval", "limit",
             "startTime", "endTime", "fromId", "symbols", "page", "offset", "leverage", "countdownTime"]  # fmt: skip
    venue = emulate(name, Setup(prices={BTC: 60_000.0}))
    try:
        asked = [each for each in venue.endpoints if "kline" not in each.path]
        for _ in range(1_500):
            endpoint = chance.choice(asked)
            given = {each: chance.choice(words) for each in names if chance.random() < 0.3}
            given["symbol"] = chance.choice(["BTCUSDT", "BTCUSDT", "BTCUSDT", "XX"])
            with contextlib.suppress(Refused):
                endpoint.speak(Parameters(given))
    finally:
        venue.close()
