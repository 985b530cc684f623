"""The emulated futures market, asked by the unmodified python-binance client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from threading import Thread

import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException
from trader.clock import SystemClock
from trader.testing.emulation import Mishap
from trader_emulators import Setup, emulate
from trader_emulators.binance.register import Register
from trader_emulators.binance_futures.futures import Futures

BTC = "BTC/USDT"
HOUR = 3_600_000


@pytest.fixture(autouse=True)
def loop():
    """The SDK's clients take the thread's event loop, and make one that nobody closes if there is none."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    made.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def venue() -> Iterator[Futures]:
    yield from running(Setup(prices={BTC: 60_000.0, "ETH/USDT": 3_000.0}))


def running(setup: Setup) -> Iterator[Futures]:
    futures = emulate("binance_futures", setup)
    assert isinstance(futures, Futures)
    yield futures
    futures.close()


@pytest.fixture
def client(venue: Futures) -> Iterator[Client]:
    made = local(venue)
    yield made
    made.close_connection()


def local(venue: Futures) -> Client:
    urls = {"FUTURES_URL": f"{venue.url}/fapi", "MARGIN_API_URL": f"{venue.url}/sapi"}
    return type("Local", (Client,), urls)(
        venue.secrets["BINANCE_API_KEY"], venue.secrets["BINANCE_API_SECRET"], ping=False
    )


def market(client: Client, key: str, quantity: str, side: str = "BUY", **more) -> dict:
    return client.futures_create_order(
        symbol="BTCUSDT", side=side, type="MARKET", quantity=quantity, newClientOrderId=key, **more
    )


def limit(client: Client, key: str, price: str = "50000", quantity: str = "0.1", side: str = "BUY", **more) -> dict:
    return client.futures_create_order(**{
        "symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity,
        "price": price, "newClientOrderId": key, **more,
    })  # fmt: skip


def stop(client: Client, key: str, trigger: str, quantity: str = "0.1", side: str = "SELL", **more) -> dict:
    return client.futures_create_order(**{
        "symbol": "BTCUSDT", "side": side, "type": "STOP_MARKET", "quantity": quantity, "stopPrice": trigger,
        "clientAlgoId": key, **more,
    })  # fmt: skip


def refused(call, *args, **kwargs) -> BinanceAPIException:
    with pytest.raises(BinanceAPIException) as error:
        call(*args, **kwargs)
    return error.value


def test_a_short_position_is_held_with_its_margin_and_its_profit(venue, client):
    market(client, "short", "0.5", "SELL")
    venue.trade(BTC, 60_000.0)
    venue.trade(BTC, 59_000.0)
    (held,) = client.futures_position_information()
    assert (held["positionAmt"], held["entryPrice"], held["positionSide"]) == ("-0.5", "60000", "BOTH")
    assert held["unRealizedProfit"] == "500.00000000" and held["initialMargin"] == "1475.00000000"
    account = client.futures_account()
    assert Decimal(account["totalWalletBalance"]) == 100_000 - 15
    assert Decimal(account["totalMarginBalance"]) == 100_000 - 15 + 500
    assert Decimal(account["availableBalance"]) == 100_000 - 15 + 500 - 1_475
    assert {row["symbol"] for row in account["positions"]} == {"BTCUSDT", "ETHUSDT"}
    short = client._request_futures_api("get", "account", True, 3, data={})
    assert {row["symbol"] for row in short["positions"]} == {"BTCUSDT"}
    assert client.futures_account_balance()[0]["balance"] == account["totalWalletBalance"]
    everything = client._request_futures_api("get", "positionRisk", True, 2, data={})
    assert [row["leverage"] for row in everything] == ["20", "20"]


def test_a_contract_takes_so_many_orders_as_it_says(venue, client):
    told = {each["filterType"]: each for each in client.futures_exchange_info()["symbols"][0]["filters"]}
    for number in range(told["MAX_NUM_ALGO_ORDERS"]["limit"]):
        stop(client, f"s{number}", "70000", "0.01", "BUY")
    error = refused(stop, client, "one-more", "70000", "0.01", "BUY")
    assert (error.code, error.message) == (-4045, "Reach max stop order limit.")
    for number in range(told["MAX_NUM_ORDERS"]["limit"]):
        limit(client, f"l{number}", quantity="0.002")
    error = refused(limit, client, "one-more", quantity="0.002")
    assert (error.code, error.message) == (-2025, "Reach max open order limit.")
    assert len(client.futures_get_open_orders(symbol="BTCUSDT")) == 200


def test_an_execution_is_counted_once_though_the_market_and_the_server_look_at_once(venue, client, monkeypatch):
    """The thread that moves prices looks for conditional orders, the server's tells of executions."""
    market(client, "parts", "0.5")
    venue.trade(BTC, 60_000.0, volume=0.3)
    venue.trade(BTC, 61_000.0)
    register = Register(venue.venue)
    order = register.order
    monkeypatch.setattr(register, "order", lambda venue_id: venue._stopping.wait(0.05) or order(venue_id))
    threads = [Thread(target=register.truth, args=("V1",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [fill.quantity for fill in register.truth("V1").fills] == [Decimal("0.3"), Decimal("0.2")]


def test_fees_and_realized_profits_are_in_the_executions_and_in_the_income(venue, client):
    market(client, "in", "0.5")
    venue.trade(BTC, 60_000.0)
    market(client, "out", "0.5", "SELL", reduceOnly="true")
    venue.trade(BTC, 61_000.0)
    bought, sold = client.futures_account_trades(symbol="BTCUSDT")
    assert (bought["commission"], bought["commissionAsset"], bought["realizedPnl"]) == ("15", "USDT", "0")
    assert (sold["commission"], sold["realizedPnl"]) == ("15.25", "500")
    venue.venue.cash("funding", Decimal("-3.5"), BTC)
    venue.venue.cash("transfer", Decimal(100))
    income = client.futures_income_history()
    assert [(row["incomeType"], row["income"]) for row in income] == [
        ("COMMISSION", "-15.00000000"), ("COMMISSION", "-15.25000000"), ("REALIZED_PNL", "500.00000000"),
        ("FUNDING_FEE", "-3.50000000"), ("TRANSFER", "100.00000000"),
    ]  # fmt: skip
    assert len({row["tranId"] for row in income}) == 5
    (funding,) = client.futures_income_history(incomeType="FUNDING_FEE", symbol="BTCUSDT")
    assert funding["symbol"] == "BTCUSDT"
    assert client.futures_income_history(startTime=income[0]["time"], limit=2, page=2) == income[2:4]
    assert Decimal(client.futures_account()["totalWalletBalance"]) == Decimal("100566.25")


def test_an_order_is_found_by_both_ids_and_canceled_once(venue, client):
    placed = limit(client, "mine")
    assert placed["status"] == "NEW" and placed["cumQty"] == "0"
    found = client.futures_get_order(symbol="BTCUSDT", orderId=placed["orderId"])
    assert found == client.futures_get_order(symbol="BTCUSDT", origClientOrderId="mine")
    assert client.futures_cancel_order(symbol="BTCUSDT", origClientOrderId="mine")["status"] == "CANCELED"
    assert refused(client.futures_cancel_order, symbol="BTCUSDT", origClientOrderId="mine").code == -2011
    assert refused(client.futures_get_order, symbol="BTCUSDT", origClientOrderId="never").code == -2013


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"quantity": "0.0001"}, -1111),
        ({"price": "50000.001"}, -1111),
        ({"price": "50000.05"}, -4014),
        ({"price": "400000"}, -4016),
        ({"price": "1000"}, -4024),
        ({"quantity": "0"}, -4003),
        ({"quantity": "2000000"}, -4005),
        ({"quantity": "100"}, -2019),
        ({"reduceOnly": "true"}, -2022),
        ({"timeInForce": "GTX", "price": "61000"}, -5022),
        ({"timeInForce": "DAY"}, -1115),
        ({"positionSide": "LONG"}, -4061),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"side": "HOLD"}, -1117),
    ],
)
def test_an_order_is_refused_with_the_code_of_the_venue(venue, client, change, code):
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1",
             "price": "50000", **change}  # fmt: skip
    assert refused(client.futures_create_order, **order).code == code
    assert venue.venue.accepted == []


def test_the_smallest_order_is_for_those_that_do_not_only_reduce(venue, client):
    eth = {"symbol": "ETHUSDT", "type": "MARKET", "quantity": "0.001"}
    assert refused(client.futures_create_order, **eth, side="BUY").code == -4164
    client.futures_create_order(symbol="ETHUSDT", type="MARKET", side="BUY", quantity="1")
    venue.trade("ETH/USDT", 3_000.0)
    assert client.futures_create_order(**eth, side="SELL", reduceOnly="true")["reduceOnly"] is True


def test_a_client_order_id_is_taken_while_its_order_is_open(venue, client):
    limit(client, "again")
    assert refused(limit, client, "again").code == -4116
    client.futures_cancel_order(symbol="BTCUSDT", origClientOrderId="again")
    assert limit(client, "again")["status"] == "NEW"


def test_margin_is_what_leverage_makes_of_the_position_and_the_orders(venue, client):
    limit(client, "rests", "50000", "4")
    assert client.futures_account()["totalOpenOrderInitialMargin"] == "10000.00000000"
    assert client.futures_change_leverage(symbol="BTCUSDT", leverage=2)["leverage"] == 2
    assert client.futures_account()["availableBalance"] == "0.00000000"
    assert refused(limit, client, "more").code == -2019
    assert refused(client.futures_change_leverage, symbol="BTCUSDT", leverage=21).code == -4028


# ---- conditional orders ----------------------------------------------------------------------------------------------
def test_F39_a_conditional_order_is_nowhere_in_the_plain_space_until_it_is_triggered(venue, client):
    """Trap: another endpoint, another id, and no entry in openOrders."""
    market(client, "in", "0.1")
    venue.trade(BTC, 60_000.0)
    placed = stop(client, "guard", "59000", reduceOnly="true")
    assert (placed["algoStatus"], placed["clientAlgoId"], placed["orderType"]) == ("NEW", "guard", "STOP_MARKET")
    assert client.futures_get_open_orders() == []
    assert refused(client.futures_get_order, symbol="BTCUSDT", origClientOrderId="guard").code == -2013
    assert refused(client.futures_cancel_order, symbol="BTCUSDT", origClientOrderId="guard").code == -2011
    assert [order["algoId"] for order in client.futures_get_open_orders(conditional=True)] == [placed["algoId"]]
    venue.trade(BTC, 58_990.0)
    algo = client.futures_get_algo_order(clientAlgoId="guard")
    plain = client.futures_get_order(symbol="BTCUSDT", origClientOrderId="guard")
    assert (algo["algoStatus"], algo["actualOrderId"]) == ("FINISHED", str(plain["orderId"]))
    assert algo["triggerTime"] > 0
    assert (plain["status"], plain["type"], plain["origType"]) == ("FILLED", "MARKET", "STOP_MARKET")
    assert client.futures_get_open_orders(conditional=True) == []
    assert [trade["orderId"] for trade in client.futures_account_trades(symbol="BTCUSDT")][-1] == plain["orderId"]
    assert client.futures_get_all_algo_orders(symbol="BTCUSDT") == [algo]
    assert [order["clientOrderId"] for order in client.futures_get_all_orders(symbol="BTCUSDT")] == ["in", "guard"]


def test_the_client_order_id_of_a_conditional_order_is_dropped_by_the_sdk(venue, client):
    """Trap: newClientOrderId is thrown away, a random clientAlgoId goes out."""
    placed = client.futures_create_order(
        symbol="BTCUSDT", side="BUY", type="STOP_MARKET", quantity="0.1", stopPrice="61000", newClientOrderId="mine"
    )
    assert placed["clientAlgoId"] != "mine"
    assert refused(client.futures_get_algo_order, clientAlgoId="mine").code == -2013


def test_a_conditional_order_at_the_plain_endpoint_is_sent_away(venue, client):
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "STOP_MARKET", "quantity": "0.1", "stopPrice": "61000"}
    assert refused(client._request_futures_api, "post", "order", True, data=order).code == -4120


def test_a_stop_limit_that_was_triggered_rests_in_the_plain_space(venue, client):
    stop(client, "both", "61000", side="BUY", type="STOP", price="60500")
    venue.trade(BTC, 61_500.0)
    assert client.futures_get_algo_order(clientAlgoId="both")["algoStatus"] == "TRIGGERED"
    (open_order,) = client.futures_get_open_orders()
    assert (open_order["clientOrderId"], open_order["type"], open_order["price"]) == ("both", "LIMIT", "60500")
    assert refused(client.futures_cancel_algo_order, clientAlgoId="both").code == -2011
    client.futures_cancel_order(symbol="BTCUSDT", origClientOrderId="both")
    assert client.futures_get_algo_order(clientAlgoId="both")["algoStatus"] == "FINISHED"


def test_each_cancel_all_ends_the_orders_of_its_own_space(venue, client):
    """Trap: it has to be asked twice."""
    limit(client, "plain")
    stop(client, "guard", "70000", side="BUY")
    assert client.futures_cancel_all_open_orders(symbol="BTCUSDT")["code"] == 200
    assert client.futures_get_open_orders() == []
    assert len(client.futures_get_open_orders(conditional=True)) == 1
    client.futures_cancel_all_open_orders(symbol="BTCUSDT", conditional=True)
    assert client.futures_get_open_orders(conditional=True) == []
    assert client.futures_get_algo_order(clientAlgoId="guard")["algoStatus"] == "CANCELED"
    assert [order["clientOrderId"] for order in client.futures_get_all_orders(symbol="BTCUSDT")] == ["plain"]


def test_a_conditional_order_can_be_canceled_by_its_own_ids_only(venue, client):
    placed = stop(client, "guard", "70000", side="BUY")
    gone = client.futures_cancel_algo_order(algoId=placed["algoId"])
    assert gone == {"algoId": placed["algoId"], "clientAlgoId": "guard", "code": "200", "msg": "success"}
    assert refused(client.futures_cancel_algo_order, clientAlgoId="guard").code == -2011
    assert refused(client.futures_get_algo_order, algoId=1).code == -2013


def test_a_stop_that_was_reached_is_refused(client):
    assert refused(stop, client, "guard", "60001").code == -2021


def test_a_close_position_stop_needs_a_position_and_leaves_none(venue, client):
    close = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "stopPrice": "59000", "closePosition": "true"}
    assert refused(client.futures_create_order, **close, clientAlgoId="early").code == -4509
    market(client, "in", "0.3")
    venue.trade(BTC, 60_000.0)
    placed = client.futures_create_order(**close, clientAlgoId="guard")
    assert (placed["closePosition"], placed["quantity"]) == (True, "0")
    venue.trade(BTC, 58_000.0)
    assert client.futures_position_information() == []


# ---- what can be set -------------------------------------------------------------------------------------------------
def test_what_is_set_already_need_not_be_set(venue, client):
    """Trap: an error that says that all is well."""
    assert refused(client.futures_change_margin_type, symbol="BTCUSDT", marginType="CROSSED").code == -4046
    assert refused(client.futures_change_position_mode, dualSidePosition="false").code == -4059
    assert refused(client.futures_change_multi_assets_mode, multiAssetsMargin=False).code == -4171
    assert client.futures_get_position_mode() == {"dualSidePosition": False}
    assert client.futures_change_margin_type(symbol="BTCUSDT", marginType="ISOLATED")["code"] == 200


def test_an_account_in_hedge_mode_says_so_and_takes_no_order():
    for futures in running(Setup(prices={BTC: 60_000.0}, mode="hedge")):
        client = local(futures)
        assert client.futures_get_position_mode() == {"dualSidePosition": True}
        assert refused(limit, client, "mine").code == -4061
        client.futures_change_position_mode(dualSidePosition="false")
        assert limit(client, "mine")["status"] == "NEW"


def test_brackets_rates_and_rules_are_told(client):
    assert client.futures_leverage_bracket(symbol="BTCUSDT")[0]["brackets"][0]["initialLeverage"] == 20
    assert client.futures_commission_rate(symbol="BTCUSDT")["takerCommissionRate"] == "0.00050000"
    (rules, _) = client.futures_exchange_info()["symbols"]
    filters = {each["filterType"]: each for each in rules["filters"]}
    assert (filters["PRICE_FILTER"]["tickSize"], rules["pricePrecision"]) == ("0.10", 2)
    assert filters["MIN_NOTIONAL"]["notional"] == "5"
    assert client.get_account_api_permissions()["enableFutures"] is True


def test_F72_when_a_countdown_runs_out_the_venue_itself_cancels_what_is_in_the_plain_space(venue, client):
    limit(client, "gone")
    stop(client, "stays", "70000", side="BUY")
    client.futures_countdown_cancel_all(symbol="BTCUSDT", countdownTime=60_000)
    client.futures_countdown_cancel_all(symbol="ETHUSDT", countdownTime=60_000)
    assert len(client.futures_get_open_orders()) == 1
    client.futures_countdown_cancel_all(symbol="BTCUSDT", countdownTime=50)
    deadline = venue.clock.monotonic() + 5
    while venue.venue.truth_working()[0].key != "stays" and venue.clock.monotonic() < deadline:
        SystemClock().sleep(0.01)
    assert client.futures_get_open_orders() == []
    assert len(client.futures_get_open_orders(conditional=True)) == 1


def test_a_countdown_that_is_set_to_nothing_does_not_run_out(venue, client):
    limit(client, "stays")
    client.futures_countdown_cancel_all(symbol="BTCUSDT", countdownTime=100)
    client.futures_countdown_cancel_all(symbol="BTCUSDT", countdownTime=0)
    SystemClock().sleep(0.2)
    assert len(client.futures_get_open_orders()) == 1


# ---- pages -----------------------------------------------------------------------------------------------------------
def test_executions_are_of_seven_days_and_paged_by_id(venue, client):
    for number in range(4):
        market(client, f"n{number}", "0.01")
        venue.trade(BTC, 60_000.0 + number)
    ids = [trade["id"] for trade in client.futures_account_trades(symbol="BTCUSDT")]
    assert [trade["id"] for trade in client.futures_account_trades(symbol="BTCUSDT", fromId=ids[1], limit=2)] == ids[
        1:3
    ]
    now = venue.server_time()
    week = 7 * 24 * HOUR
    early = client.futures_account_trades(symbol="BTCUSDT", startTime=now - week - HOUR)
    assert early == []
    recent = client.futures_account_trades(symbol="BTCUSDT", startTime=now - week + HOUR, endTime=now + HOUR)
    assert len(recent) == 4
    wide = refused(client.futures_account_trades, symbol="BTCUSDT", startTime=now - week - 1, endTime=now)
    assert wide.code == -4165
    assert refused(client.futures_account_trades, symbol="BTCUSDT", startTime=now, fromId=ids[0]).code == -1128


def test_all_orders_are_paged_by_id_and_not_more_than_seven_days_apart(venue, client):
    ids = [limit(client, f"n{number}")["orderId"] for number in range(3)]
    page = client.futures_get_all_orders(symbol="BTCUSDT", orderId=ids[1], limit=1)
    assert [order["orderId"] for order in page] == [ids[1]]
    start = venue.server_time() - 8 * 24 * HOUR
    error = refused(client.futures_get_all_orders, symbol="BTCUSDT", startTime=start, endTime=venue.server_time())
    assert error.code == -4165
    assert client.futures_get_all_orders(symbol="BTCUSDT", startTime=start) == []


# ---- market data and the wire ----------------------------------------------------------------------------------------
def test_candles_quotes_marks_and_funding_are_told(venue, client):
    venue.trade(BTC, 61_000.0)
    assert client.futures_klines(symbol="BTCUSDT", interval="1m", limit=2)[-1][4] == "61000.00000000"
    assert len(client.futures_klines(symbol="BTCUSDT", interval="5m", limit=1_500)) == 1_500
    assert client.futures_mark_price(symbol="BTCUSDT")["markPrice"] == "61000.00000000"
    assert client.futures_symbol_ticker(symbol="BTCUSDT")["price"] == "61000.00000000"
    best = client.futures_orderbook_ticker(symbol="BTCUSDT")
    assert Decimal(best["bidPrice"]) < 61_000 < Decimal(best["askPrice"])
    assert client.futures_aggregate_trades(symbol="BTCUSDT")[0]["p"] == "61000.00000000"
    rates = client.futures_funding_rate(symbol="BTCUSDT", limit=3)
    assert [rate["fundingTime"] % (8 * HOUR) for rate in rates] == [0, 0, 0]


def test_F19_a_clock_that_is_off_is_refused(venue, client):
    venue.skew(timedelta(minutes=2).total_seconds())
    assert refused(limit, client, "mine").code == -1021
    assert venue.venue.accepted == []


def test_F21_a_failure_after_the_order_was_taken_leaves_it_there(venue, client):
    venue.mishap("submit", Mishap.FAILED_AFTER)
    assert refused(stop, client, "guard", "70000", side="BUY").status_code == 503
    assert client.futures_get_algo_order(clientAlgoId="guard")["algoStatus"] == "NEW"
