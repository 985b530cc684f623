"""The emulated futures market's streams and websocket API, by the unmodified python-binance async client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal

import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.enums import FuturesType
from binance.exceptions import BinanceAPIException
from binance.ws.reconnecting_websocket import ReconnectingWebsocket
from trader.clock import SystemClock
from trader_emulators import Setup, emulate
from trader_emulators.binance_futures.futures import Futures

BTC = "BTC/USDT"


@pytest.fixture
def venue() -> Iterator[Futures]:
    futures = emulate("binance_futures", Setup(prices={BTC: 60_000.0}))
    assert isinstance(futures, Futures)
    yield futures
    futures.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The SDK looks only so often whether it should end."""
    monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 0.5)


def run(venue: Futures, work: Callable[[AsyncClient, BinanceSocketManager], Awaitable[None]]) -> None:
    async def whole() -> None:
        urls = {"FUTURES_URL": f"{venue.url}/fapi", "WS_FUTURES_URL": f"{venue.ws_url}/ws-fapi/v1"}
        client = type("Local", (AsyncClient,), urls)(venue.api_key, venue.api_secret)
        manager = type("Manager", (BinanceSocketManager,), {"FSTREAM_URL": f"{venue.ws_url}/"})
        try:
            await asyncio.wait_for(work(client, manager(client, max_queue_size=10_000)), 20)
        finally:
            await client.close_connection()

    asyncio.run(whole())


async def until(condition: Callable[[], object]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def heard(socket, *kinds: str) -> list[dict]:
    """The next events, which are of these kinds."""
    events = [await asyncio.wait_for(socket.recv(), 5) for _ in kinds]
    assert [event["e"] for event in events] == list(kinds)
    return events


def order(client, **more):
    return client.futures_create_order(**{"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.1", **more})


def test_an_order_and_its_executions_are_told_with_the_position(venue):
    async def work(client, manager):
        async with manager.futures_user_socket() as user:
            placed = await order(client, type="LIMIT", timeInForce="GTC", price="60000", newClientOrderId="mine")
            (new,) = await heard(user, "ORDER_TRADE_UPDATE")
            assert (new["o"]["x"], new["o"]["c"], new["o"]["i"]) == ("NEW", "mine", placed["orderId"])
            await asyncio.to_thread(venue.trade, BTC, 59_990.0, 0.04)
            lite, account, part = await heard(user, "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE")
            assert (part["o"]["x"], part["o"]["X"], part["o"]["z"]) == ("TRADE", "PARTIALLY_FILLED", "0.04")
            assert lite["t"] == part["o"]["t"] and part["o"]["N"] == "USDT"
            (position,) = account["a"]["P"]
            assert (position["s"], position["pa"], position["ep"]) == ("BTCUSDT", "0.04", "59990")
            await client.futures_cancel_order(symbol="BTCUSDT", origClientOrderId="mine")
            (gone,) = await heard(user, "ORDER_TRADE_UPDATE")
            assert (gone["o"]["x"], gone["o"]["X"], gone["o"]["z"]) == ("CANCELED", "CANCELED", "0.04")
            trades = await client.futures_account_trades(symbol="BTCUSDT")
            assert [trade["id"] for trade in trades] == [part["o"]["t"]]

    run(venue, work)


def test_a_conditional_order_is_told_by_events_of_its_own_until_it_is_triggered(venue):
    async def work(client, manager):
        async with manager.futures_user_socket() as user:
            await order(client, type="STOP_MARKET", stopPrice="61000", clientAlgoId="guard")
            (new,) = await heard(user, "ALGO_UPDATE")
            assert (new["o"]["X"], new["o"]["caid"], new["o"]["ai"]) == ("NEW", "guard", "")
            await asyncio.to_thread(venue.trade, BTC, 61_500.0)
            triggered, plain, _, _, traded, finished = await heard(
                user, "ALGO_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE",
                "ALGO_UPDATE",
            )  # fmt: skip
            assert (triggered["o"]["X"], finished["o"]["X"]) == ("TRIGGERED", "FINISHED")
            assert plain["o"]["x"] == "NEW" and traded["o"]["X"] == "FILLED"
            assert finished["o"]["ai"] == str(plain["o"]["i"]) == str(traded["o"]["i"])
            assert traded["o"]["c"] == "guard" and traded["o"]["ot"] == "STOP_MARKET"

    run(venue, work)


def test_a_triggered_limit_order_is_told_without_an_execution(venue):
    async def work(client, manager):
        async with manager.futures_user_socket() as user:
            await order(client, type="STOP", stopPrice="61000", price="60500", timeInForce="GTC", clientAlgoId="guard")
            await asyncio.to_thread(venue.trade, BTC, 61_500.0)
            _, triggered, plain = await heard(user, "ALGO_UPDATE", "ALGO_UPDATE", "ORDER_TRADE_UPDATE")
            assert (triggered["o"]["X"], plain["o"]["X"], plain["o"]["o"]) == ("TRIGGERED", "NEW", "LIMIT")
            await client.futures_cancel_order(symbol="BTCUSDT", origClientOrderId="guard")
            finished, gone = await heard(user, "ALGO_UPDATE", "ORDER_TRADE_UPDATE")
            assert (finished["o"]["X"], gone["o"]["X"]) == ("FINISHED", "CANCELED")

    run(venue, work)


def test_a_conditional_order_that_is_canceled_is_told_by_its_own_event_only(venue):
    async def work(client, manager):
        async with manager.futures_user_socket() as user:
            await order(client, type="STOP_MARKET", stopPrice="61000", clientAlgoId="guard")
            await client.futures_cancel_algo_order(clientAlgoId="guard")
            await order(client, type="MARKET", newClientOrderId="next")
            _, gone, _ = await heard(user, "ALGO_UPDATE", "ALGO_UPDATE", "ORDER_TRADE_UPDATE")
            assert gone["o"]["X"] == "CANCELED"

    run(venue, work)


def test_funding_and_transfers_are_told(venue):
    async def work(client, manager):
        async with manager.futures_user_socket() as user:
            await asyncio.to_thread(venue.venue.cash, "funding", Decimal("-2.5"), BTC)
            (funding,) = await heard(user, "ACCOUNT_UPDATE")
            assert (funding["a"]["m"], funding["a"]["B"][0]["bc"]) == ("FUNDING_FEE", "-2.5")
            assert funding["a"]["P"] == []

    run(venue, work)


def test_a_listen_key_that_is_over_is_told_and_its_stream_is_silent(venue):
    async def work(client, manager):
        async with manager.futures_user_socket() as user:
            venue.users.expire()
            (over,) = await heard(user, "listenKeyExpired")
            assert over["listenKey"] == user._listen_key
            await order(client, type="MARKET")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(user.recv(), 0.3)
            with pytest.raises(BinanceAPIException) as error:
                await client.futures_stream_keepalive(over["listenKey"])
            assert error.value.code == -1125
            assert await client.futures_stream_get_listen_key() != over["listenKey"]

    run(venue, work)


def test_the_user_stream_is_back_after_a_drop_and_replays_nothing(venue):
    async def work(client, manager):
        async with manager.futures_user_socket() as user:
            await asyncio.to_thread(venue.drop_streams)
            await order(client, type="LIMIT", timeInForce="GTC", price="50000", newClientOrderId="missed")
            await until(lambda: venue.sockets)
            await asyncio.sleep(0.1)
            await order(client, type="LIMIT", timeInForce="GTC", price="50000", newClientOrderId="heard")
            events = []
            while not events or events[-1]["e"] != "ORDER_TRADE_UPDATE":
                events.append(await asyncio.wait_for(user.recv(), 5))
            assert events[-1]["o"]["c"] == "heard"

    run(venue, work)


def test_market_streams_are_found_below_their_category(venue):
    async def work(client, manager):
        names = ["btcusdt@kline_1m", "btcusdt@aggTrade", "btcusdt@markPrice@1s", "btcusdt@bookTicker"]
        async with manager.futures_multiplex_socket(names, futures_type=FuturesType.USD_M) as market:
            await asyncio.to_thread(venue.trade, BTC, 60_123.4)
            told = {}
            for _ in names:
                message = await asyncio.wait_for(market.recv(), 5)
                told[message["data"]["e"]] = message["data"]
            assert told["kline"]["k"]["c"] == told["aggTrade"]["p"] == "60123.40000000"
            assert told["markPriceUpdate"]["p"] == "60123.40000000" and told["bookTicker"]["T"] > 0

    run(venue, work)


def test_single_trades_are_not_pushed(venue):
    """Trap: USD-M @trade went silent; @aggTrade is what speaks."""

    async def work(client, manager):
        async with manager.futures_multiplex_socket(["btcusdt@trade"], futures_type=FuturesType.USD_M) as market:
            await asyncio.to_thread(venue.trade, BTC, 60_123.4)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(market.recv(), 0.3)

    run(venue, work)


def test_the_websocket_api_takes_orders(venue):
    async def work(client, manager):
        placed = await client.ws_futures_create_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price="50000",
            newClientOrderId="mine",
        )  # fmt: skip
        found = await client.ws_futures_get_order(symbol="BTCUSDT", origClientOrderId="mine")
        assert found["orderId"] == placed["orderId"]
        gone = await client.ws_futures_cancel_order(symbol="BTCUSDT", origClientOrderId="mine")
        assert gone["status"] == "CANCELED"
        await client.ws_future.close()  # the client itself forgets this one

    run(venue, work)


def test_an_account_that_moves_by_itself_fills_its_orders():
    futures = emulate("binance_futures", Setup(prices={BTC: 60_000.0}, tick_seconds=0.02))
    try:

        async def work(client, manager):
            await order(client, type="MARKET", newClientOrderId="mine")
            for _ in range(100):
                found = await client.futures_get_order(symbol="BTCUSDT", origClientOrderId="mine")
                if found["status"] == "FILLED":
                    return
                await asyncio.to_thread(SystemClock().sleep, 0.02)
            raise AssertionError(found)

        run(futures, work)
    finally:
        futures.close()
