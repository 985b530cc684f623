"""The emulated spot market, asked by the unmodified python-binance client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException
from trader.clock import SystemClock
from trader.model import Side
from trader_emulators import Setup, emulate
from trader_emulators.binance.moments import milliseconds
from trader_emulators.binance.spot import Spot

BTC = "BTC/USDT"


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
    spot = emulate("binance", Setup(prices={BTC: 60_000.0, "ETH/USDT": 3_000.0}))
    assert isinstance(spot, Spot)
    yield spot
    spot.close()


@pytest.fixture
def client(venue: Spot) -> Iterator[Client]:
    local = type("Local", (Client,), {"API_URL": f"{venue.url}/api", "MARGIN_API_URL": f"{venue.url}/sapi"})
    made = local(venue.secrets["BINANCE_API_KEY"], venue.secrets["BINANCE_API_SECRET"])
    yield made
    made.close_connection()


def limit(client: Client, key: str, price: str = "50000", quantity: str = "0.1", side: str = "BUY", **more) -> dict:
    return client.create_order(
        symbol="BTCUSDT", side=side, type="LIMIT", timeInForce="GTC", quantity=quantity, price=price,
        newClientOrderId=key, **more,
    )  # fmt: skip


def market(client: Client, key: str, quantity: str = "0.1", side: str = "BUY", symbol: str = "BTCUSDT") -> dict:
    return client.create_order(symbol=symbol, side=side, type="MARKET", quantity=quantity, newClientOrderId=key)


def refused(call, *args, **kwargs) -> BinanceAPIException:
    with pytest.raises(BinanceAPIException) as error:
        call(*args, **kwargs)
    return error.value


def free(client: Client, asset: str) -> Decimal:
    return Decimal(client.get_asset_balance(asset)["free"])


def test_an_account_begins_with_its_cash_and_every_listed_asset_at_zero(venue, client):
    account = client.get_account()
    assert account["balances"] == [
        {"asset": "USDT", "free": "100000.00000000", "locked": "0.00000000"},
        {"asset": "BTC", "free": "0.00000000", "locked": "0.00000000"},
        {"asset": "ETH", "free": "0.00000000", "locked": "0.00000000"},
    ]
    assert [row["asset"] for row in client.get_account(omitZeroBalances="true")["balances"]] == ["USDT"]
    assert client.response.headers["X-Trader-Emulator"] == "binance"


def test_a_buy_pays_its_fee_in_what_it_bought_and_a_sale_is_free(venue, client):
    market(client, "buy", "0.5")
    venue.trade(BTC, 60_010.0)
    market(client, "sell", "0.2", "SELL")
    venue.trade(BTC, 60_000.0)
    bought, sold = client.get_my_trades(symbol="BTCUSDT")
    assert (bought["commission"], bought["commissionAsset"], bought["qty"]) == ("0.00050000", "BTC", "0.50000000")
    assert (sold["commission"], sold["commissionAsset"], sold["isBuyer"]) == ("0.00000000", "USDT", False)
    assert free(client, "BTC") == Decimal("0.2995")
    assert free(client, "USDT") == 100_000 - Decimal(30005) + 12_000


def test_the_commission_of_the_account_says_what_buyers_and_sellers_pay(client):
    told = client._get("account/commission", True, data={"symbol": "BTCUSDT"})["standardCommission"]
    assert told == {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00100000", "seller": "0.00000000"}


def test_an_order_is_found_by_its_client_id_and_by_an_integer_beyond_32_bits(venue, client):
    placed = limit(client, "mine")
    assert placed["status"] == "NEW" and placed["orderId"] > 2**31
    by_id = client.get_order(symbol="BTCUSDT", orderId=placed["orderId"])
    assert by_id == client.get_order(symbol="BTCUSDT", origClientOrderId="mine")
    assert [order["clientOrderId"] for order in client.get_open_orders()] == ["mine"]
    assert client.get_open_orders(symbol="ETHUSDT") == []


def test_the_answer_to_an_order_is_as_long_as_was_asked_for(client):
    assert "status" not in limit(client, "ack", newOrderRespType="ACK")
    assert "fills" not in limit(client, "result", newOrderRespType="RESULT")
    assert limit(client, "full")["fills"] == []


def test_open_orders_lock_what_they_may_need(client):
    limit(client, "rests", "50000", "1")
    usdt = client.get_asset_balance("USDT")
    assert (usdt["free"], usdt["locked"]) == ("50000.00000000", "50000.00000000")
    assert refused(limit, client, "more", "50001", "1").message.startswith("Account has insufficient balance")


def test_a_partial_execution_shows_the_same_order_as_partially_filled(venue, client):
    limit(client, "part", "60000", "1")
    venue.trade(BTC, 59_999.0, 0.25)
    order = client.get_order(symbol="BTCUSDT", origClientOrderId="part")
    assert (order["status"], order["executedQty"]) == ("PARTIALLY_FILLED", "0.25000000")
    assert Decimal(order["cummulativeQuoteQty"]) == Decimal("14999.75")
    canceled = client.cancel_order(symbol="BTCUSDT", origClientOrderId="part")
    assert (canceled["status"], canceled["executedQty"]) == ("CANCELED", "0.25000000")


def test_a_client_order_id_is_taken_while_its_order_is_open_and_free_again_afterwards(venue, client):
    """Trap: to send the same id again after the first order filled is a second trade."""
    first = market(client, "again")
    duplicate = refused(market, client, "again")
    assert (duplicate.code, duplicate.message) == (-2010, "Duplicate order sent.")
    venue.trade(BTC, 60_000.0)
    second = market(client, "again")
    assert second["orderId"] != first["orderId"]
    venue.trade(BTC, 60_000.0)
    assert [order["status"] for order in client.get_all_orders(symbol="BTCUSDT")] == ["FILLED", "FILLED"]
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="again")["orderId"] == second["orderId"]


def test_a_stop_waits_until_its_price_and_one_that_was_reached_is_refused(venue, client):
    market(client, "buy", "0.5")
    venue.trade(BTC, 60_000.0)
    stop = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.1"}
    client.create_order(**stop, type="STOP_LOSS", stopPrice="59000", newClientOrderId="guard")
    client.create_order(
        **stop, type="STOP_LOSS_LIMIT", stopPrice="58000", price="57900", timeInForce="GTC", newClientOrderId="deep"
    )
    at_once = refused(client.create_order, **stop, type="STOP_LOSS", stopPrice="60001")
    assert (at_once.code, at_once.message) == (-2010, "Stop price would trigger immediately.")
    assert {order["type"] for order in client.get_open_orders()} == {"STOP_LOSS", "STOP_LOSS_LIMIT"}
    venue.trade(BTC, 58_990.0)
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="guard")["status"] == "FILLED"
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="deep")["status"] == "NEW"


def test_a_post_only_order_that_would_take_is_refused(client):
    maker = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.1"}
    taking = refused(client.create_order, **maker, price="60100")
    assert taking.message == "Order would immediately match and take."
    client.create_order(**maker, price="59000", newClientOrderId="makes")
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="makes")["type"] == "LIMIT_MAKER"


def test_what_the_venue_itself_ends_is_expired_and_not_canceled(venue, client):
    client.create_order(symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="IOC", quantity="0.1", price="50000",
                        newClientOrderId="now")  # fmt: skip
    venue.trade(BTC, 60_000.0)
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="now")["status"] == "EXPIRED"


def test_cancel_all_ends_what_works_in_one_symbol_and_says_so_if_nothing_does(venue, client):
    for number in range(3):
        limit(client, f"n{number}")
    gone = client._delete("openOrders", True, data={"symbol": "BTCUSDT"})
    assert [order["origClientOrderId"] for order in gone] == ["n0", "n1", "n2"]
    assert client.get_open_orders() == []
    assert refused(client._delete, "openOrders", True, data={"symbol": "BTCUSDT"}).code == -2011


def test_an_order_that_a_person_placed_at_the_venue_is_shown(venue, client):
    venue.venue.manual_trade(BTC, Side.BUY, Decimal("0.1"))
    assert [order["clientOrderId"] for order in client.get_open_orders()] == ["by-hand-1"]
    venue.trade(BTC, 60_000.0)
    assert free(client, "BTC") == Decimal("0.0999")


def test_cancel_replace_tells_which_of_its_two_legs_happened(venue, client):
    """Trap: status 409 means that one of the two was done."""

    def swap(key: str, old: str, mode: str = "STOP_ON_FAILURE", quantity: str = "0.1") -> dict:
        return client._post("order/cancelReplace", True, data={
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity,
            "price": "50001", "cancelReplaceMode": mode, "cancelOrigClientOrderId": old, "newClientOrderId": key,
        })  # fmt: skip

    limit(client, "old")
    assert swap("new", "old")["newOrderResponse"]["clientOrderId"] == "new"
    neither = refused(swap, "newer", "unknown")
    assert (neither.status_code, neither.code) == (400, -2022)
    half = refused(swap, "huge", "new", quantity="100")
    assert (half.status_code, half.code) == (409, -2021)
    assert client.get_open_orders() == []
    other = refused(swap, "alone", "unknown", "ALLOW_FAILURE")
    assert other.status_code == 409
    assert [order["clientOrderId"] for order in client.get_open_orders()] == ["alone"]


# ---- pages -----------------------------------------------------------------------------------------------------------
def test_executions_are_paged_by_id_and_the_newest_come_without_one(venue, client):
    for number in range(5):
        market(client, f"n{number}", "0.01")
        venue.trade(BTC, 60_000.0 + number)
    ids = [trade["id"] for trade in client.get_my_trades(symbol="BTCUSDT")]
    assert ids == sorted(ids) and len(ids) == 5
    assert [trade["id"] for trade in client.get_my_trades(symbol="BTCUSDT", limit=2)] == ids[-2:]
    assert [trade["id"] for trade in client.get_my_trades(symbol="BTCUSDT", fromId=ids[1], limit=2)] == ids[1:3]
    assert client.get_my_trades(symbol="ETHUSDT") == []
    order = client.get_order(symbol="BTCUSDT", origClientOrderId="n3")
    assert [trade["id"] for trade in client.get_my_trades(symbol="BTCUSDT", orderId=order["orderId"])] == [ids[3]]


def test_executions_between_two_times_must_not_be_more_than_a_day_apart(venue, client):
    market(client, "one")
    venue.trade(BTC, 60_000.0)
    time = client.get_my_trades(symbol="BTCUSDT")[0]["time"]
    day = 24 * 3_600_000
    assert len(client.get_my_trades(symbol="BTCUSDT", startTime=time, endTime=time + day)) == 1
    assert client.get_my_trades(symbol="BTCUSDT", startTime=time + 1) == []
    assert refused(client.get_my_trades, symbol="BTCUSDT", startTime=time, endTime=time + day + 1).code == -1127
    assert refused(client.get_my_trades, symbol="BTCUSDT", startTime=time, fromId=1).code == -1128


def test_orders_are_paged_by_id(client):
    ids = [limit(client, f"n{number}")["orderId"] for number in range(4)]
    page = client.get_all_orders(symbol="BTCUSDT", orderId=ids[1], limit=2)
    assert [order["orderId"] for order in page] == ids[1:3]
    assert [order["orderId"] for order in client.get_all_orders(symbol="BTCUSDT", limit=1)] == ids[-1:]


def test_money_that_moved_without_a_trade_is_listed_as_the_venue_lists_it(venue, client):
    venue.venue.cash("transfer", Decimal(250))
    venue.venue.cash("transfer", Decimal(-40))
    venue.venue.cash("interest", Decimal("1.5"))
    assert [row["amount"] for row in client.get_deposit_history()] == ["250.00000000"]
    assert [row["amount"] for row in client.get_withdraw_history()] == ["40.00000000"]
    assert [row["enInfo"] for row in client.get_asset_dividend_history()["rows"]] == ["interest"]
    assert free(client, "USDT") == Decimal("100211.5")


# ---- market data -----------------------------------------------------------------------------------------------------
def test_candles_end_with_the_one_that_is_open(venue, client):
    venue.trade(BTC, 61_000.0)
    candles = client.get_klines(symbol="BTCUSDT", interval="1m", limit=3)
    assert len(candles) == 3 and candles[-1][4] == "61000.00000000"
    assert candles[-1][6] > venue.server_time() > candles[-2][6]
    assert candles[1][0] - candles[0][0] == 60_000


@pytest.mark.parametrize(("interval", "minutes"), [("3m", 3), ("2h", 120), ("12h", 720), ("1d", 1_440)])
def test_longer_candles_begin_at_whole_multiples(client, interval, minutes):
    candles = client.get_klines(symbol="BTCUSDT", interval=interval, limit=4)
    assert len(candles) == 4 and all(candle[0] % (minutes * 60_000) == 0 for candle in candles)


def test_candles_from_a_start_come_oldest_first_and_stop_at_the_end(venue, client):
    start = (venue.server_time() // 3_600_000 - 10) * 3_600_000
    some = client.get_klines(symbol="BTCUSDT", interval="1h", startTime=start, endTime=start + 2 * 3_600_000)
    assert [candle[0] for candle in some] == [start, start + 3_600_000, start + 7_200_000]
    assert client.get_klines(symbol="BTCUSDT", interval="1h", startTime=start, limit=2) == some[:2]
    assert refused(client.get_klines, symbol="BTCUSDT", interval="7m").code == -1120


def test_quotes_lie_around_the_last_price_on_whole_ticks(venue, client):
    venue.trade(BTC, 61_234.56)
    best = client.get_orderbook_ticker(symbol="BTCUSDT")
    assert Decimal(best["bidPrice"]) < Decimal("61234.56") < Decimal(best["askPrice"])
    assert Decimal(best["bidPrice"]) % Decimal("0.01") == 0
    assert client.get_symbol_ticker(symbol="BTCUSDT")["price"] == "61234.56000000"
    assert {row["symbol"] for row in client.get_orderbook_tickers()} == {"BTCUSDT", "ETHUSDT"}
    book = client.get_order_book(symbol="BTCUSDT", limit=5)
    assert len(book["bids"]) == len(book["asks"]) == 5 and book["bids"][0][0] == best["bidPrice"]
    assert client.get_ticker(symbol="BTCUSDT")["lastPrice"] == "61234.56000000"


def test_public_trades_come_by_id_and_by_time(venue, client):
    for price in (60_001.0, 60_002.0, 60_003.0):
        venue.trade(BTC, price)
    trades = client.get_aggregate_trades(symbol="BTCUSDT")
    assert [trade["p"][:5] for trade in trades] == ["60001", "60002", "60003"]
    assert client.get_aggregate_trades(symbol="BTCUSDT", fromId=trades[1]["a"]) == trades[1:]
    assert len(client.get_recent_trades(symbol="BTCUSDT", limit=2)) == 2


def test_rules_tell_steps_and_the_smallest_order(client):
    info = client.get_symbol_info("BTCUSDT")
    filters = {each["filterType"]: each for each in info["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000" and filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
    assert [each["symbol"] for each in client.get_exchange_info()["symbols"]] == ["BTCUSDT", "ETHUSDT"]


def test_every_market_order_of_a_seed_meets_the_same_prices():
    def prices() -> list[float]:
        spot = emulate("binance", Setup(seed=5, prices={BTC: 100.0}))
        try:
            for _ in range(3):
                spot.step()
            return [spot.market.last(BTC)]
        finally:
            spot.close()

    assert prices() == prices()


def test_time_is_in_milliseconds_since_1970(venue, client):
    assert abs(client.get_server_time()["serverTime"] - milliseconds(SystemClock().now())) < 5_000
