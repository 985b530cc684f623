"""The emulated spot market's streams and websocket API, by the unmodified python-binance async client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException, BinanceWebsocketUnableToConnect
from binance.ws.constants import WSListenerState
from binance.ws.reconnecting_websocket import ReconnectingWebsocket
from trader.clock import SystemClock
from trader.testing.emulation import Mishap
from trader_emulators import Setup, emulate
from trader_emulators.binance.spot import Spot

BTC = "BTC/USDT"
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.1"}


@pytest.fixture
def venue() -> Iterator[Spot]:
    spot = emulate("binance", Setup(prices={BTC: 60_000.0}))
    assert isinstance(spot, Spot)
    yield spot
    spot.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The SDK looks only so often whether it should end."""
    monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 0.5)


def run(venue: Spot, work: Callable[[AsyncClient, BinanceSocketManager], Awaitable[None]]) -> None:
    """With a client and its sockets, all of them closed afterwards."""

    async def whole() -> None:
        urls = {"API_URL": f"{venue.url}/api", "WS_API_URL": f"{venue.ws_url}/ws-api/v3"}
        local = type("Local", (AsyncClient,), urls)
        manager = type("Manager", (BinanceSocketManager,), {"STREAM_URL": f"{venue.ws_url}/"})
        client = await local.create(venue.api_key, venue.api_secret)
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
    """The next events of these kinds, in their order."""
    found = []
    for kind in kinds:
        while True:
            event = await asyncio.wait_for(socket.recv(), 5)
            if event["e"] == kind:
                found.append(event)
                break
    return found


def test_an_order_tells_of_itself_and_of_each_execution(venue):
    async def work(client, manager):
        async with manager.user_socket() as user:
            await client.create_order(**ORDER, type="LIMIT", timeInForce="GTC", price="60000", newClientOrderId="mine")
            (new,) = await heard(user, "executionReport")
            assert (new["x"], new["X"], new["c"], new["t"]) == ("NEW", "NEW", "mine", -1)
            (held,) = await heard(user, "outboundAccountPosition")
            assert held["B"][0] == {"a": "USDT", "f": "94000.00000000", "l": "6000.00000000"}
            await asyncio.to_thread(venue.trade, BTC, 59_990.0, 0.04)
            (part,) = await heard(user, "executionReport")
            assert (part["x"], part["X"], part["l"], part["z"]) == (
                "TRADE", "PARTIALLY_FILLED", "0.04000000", "0.04000000",
            )  # fmt: skip
            assert (part["n"], part["N"], part["L"]) == ("0.00004000", "BTC", "59990.00000000")
            await asyncio.to_thread(venue.trade, BTC, 59_980.0)
            (rest,) = await heard(user, "executionReport")
            assert (rest["X"], rest["z"], rest["i"]) == ("FILLED", "0.10000000", new["i"])
            trades = await client.get_my_trades(symbol="BTCUSDT")
            assert [part["t"], rest["t"]] == [trade["id"] for trade in trades]

    run(venue, work)


def test_a_cancel_carries_an_id_of_its_own_and_the_order_id_beside_it(venue):
    """Trap: "c" of a canceled order is the cancel's id, "C" the order's."""

    async def work(client, manager):
        async with manager.user_socket() as user:
            await client.create_order(**ORDER, type="LIMIT", timeInForce="GTC", price="50000", newClientOrderId="mine")
            await client.cancel_order(symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="the-cancel")
            _, gone = await heard(user, "executionReport", "executionReport")
            assert (gone["x"], gone["X"], gone["c"], gone["C"]) == ("CANCELED", "CANCELED", "the-cancel", "mine")

    run(venue, work)


def test_money_that_comes_without_a_trade_is_told(venue):
    async def work(client, manager):
        async with manager.user_socket() as user:
            await asyncio.to_thread(venue.venue.cash, "transfer", Decimal("12.5"))
            (moved,) = await heard(user, "balanceUpdate")
            assert (moved["a"], moved["d"]) == ("USDT", "12.50000000")

    run(venue, work)


def test_the_user_stream_is_silent_for_ever_after_a_drop_unless_it_is_built_anew(venue):
    """Trap: the SDK connects again, and subscribes no more."""

    async def work(client, manager):
        user = await manager.user_socket().__aenter__()
        await asyncio.to_thread(venue.drop_streams)
        assert (await asyncio.wait_for(user.recv(), 5))["e"] == "error"
        # Connected on both sides: the SDK asked meanwhile opens a second connection, and loses one of the two for ever.
        await until(lambda: venue.sockets and client.ws_api.ws_state is WSListenerState.STREAMING)
        assert venue.messages_api.listeners == 0
        async with BinanceSocketManager(client, max_queue_size=10_000).user_socket() as again:
            await client.create_order(**ORDER, type="MARKET", newClientOrderId="mine")
            (new,) = await heard(again, "executionReport")
            assert new["c"] == "mine"

    run(venue, work)


def test_a_mute_stream_stays_open_and_carries_nothing(venue):
    async def work(client, manager):
        async with manager.user_socket() as user:
            venue.mute_streams(0.5)
            await client.create_order(**ORDER, type="LIMIT", timeInForce="GTC", price="50000")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(user.recv(), 0.3)
            await asyncio.sleep(0.4)
            await client.create_order(**ORDER, type="LIMIT", timeInForce="GTC", price="50000", newClientOrderId="heard")
            (new,) = await heard(user, "executionReport")
            assert new["c"] == "heard"

    run(venue, work)


def test_a_subscription_needs_a_right_signature(venue):
    async def work(client, manager):
        client.API_SECRET = "wrong"
        with pytest.raises(BinanceAPIException) as error:
            async with manager.user_socket():
                pass
        assert (error.value.status_code, error.value.code) == (400, -1022)

    run(venue, work)


def test_the_websocket_api_takes_orders_and_answers_questions(venue):
    async def work(client, manager):
        placed = await client.ws_create_order(
            **ORDER, type="LIMIT", timeInForce="GTC", price="50000", newClientOrderId="mine"
        )
        assert placed["status"] == "NEW"
        found = await client.ws_get_order(symbol="BTCUSDT", origClientOrderId="mine")
        assert found["orderId"] == placed["orderId"]
        gone = await client.ws_cancel_order(symbol="BTCUSDT", origClientOrderId="mine")
        assert gone["status"] == "CANCELED"
        with pytest.raises(BinanceAPIException) as error:
            await client.ws_get_order(symbol="BTCUSDT", origClientOrderId="never")
        assert error.value.code == -2013
        venue.mishap("order", Mishap.FAILED)
        with pytest.raises(BinanceAPIException) as failed:
            await client.ws_get_order(symbol="BTCUSDT", origClientOrderId="mine")
        assert failed.value.status_code == 503

    run(venue, work)


def test_a_lost_answer_of_the_websocket_api_is_a_timeout_and_the_order_is_there(venue):
    async def work(client, manager):
        client.ws_api.TIMEOUT = 0.2
        venue.mishap("submit", Mishap.LOST_REPLY)
        with pytest.raises(BinanceWebsocketUnableToConnect):
            await client.ws_create_order(**ORDER, type="MARKET", newClientOrderId="mine")
        assert (await client.get_order(symbol="BTCUSDT", origClientOrderId="mine"))["status"] == "NEW"

    run(venue, work)


def test_candles_quotes_and_trades_are_pushed_when_the_price_moves(venue):
    async def work(client, manager):
        async with manager.multiplex_socket(["btcusdt@kline_1m", "btcusdt@bookTicker", "btcusdt@aggTrade"]) as market:
            await asyncio.to_thread(venue.trade, BTC, 60_123.45)
            told = {}
            for _ in range(3):
                message = await asyncio.wait_for(market.recv(), 5)
                told[message["stream"]] = message["data"]
            assert told["btcusdt@kline_1m"]["k"]["c"] == "60123.45000000"
            assert told["btcusdt@kline_1m"]["k"]["x"] is False
            assert Decimal(told["btcusdt@bookTicker"]["b"]) < Decimal("60123.45")
            assert told["btcusdt@aggTrade"]["p"] == "60123.45000000"

    run(venue, work)


def test_one_stream_by_its_path_carries_bare_events(venue):
    async def work(client, manager):
        async with manager.kline_socket("BTCUSDT", "5m") as market:
            await asyncio.to_thread(venue.trade, BTC, 60_001.0)
            event = await asyncio.wait_for(market.recv(), 5)
            assert (event["e"], event["k"]["i"], event["k"]["c"]) == ("kline", "5m", "60001.00000000")

    run(venue, work)


def test_streams_are_subscribed_and_left_by_messages(venue):
    async def work(client, manager):
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.ws_url}/ws") as socket:
            await socket.send_str(json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}))
            assert await socket.receive_json(timeout=5) == {"result": None, "id": 1}
            await asyncio.to_thread(venue.trade, BTC, 60_002.0)
            assert (await socket.receive_json(timeout=5))["e"] == "trade"
            await socket.send_str(json.dumps({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 2}))
            await socket.receive_json(timeout=5)
            await socket.send_str(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 3}))
            assert await socket.receive_json(timeout=5) == {"result": [], "id": 3}
            await socket.send_str("no json")
            assert "error" in await socket.receive_json(timeout=5)

    run(venue, work)


class Ahead:
    """The machine's clock, and so much later."""

    def __init__(self) -> None:
        self._clock, self.later = SystemClock(), timedelta()

    def now(self):
        return self._clock.now() + self.later

    def monotonic(self):
        return self._clock.monotonic()

    def sleep(self, seconds):
        self._clock.sleep(seconds)


def test_a_candle_is_told_once_more_when_it_is_closed():
    clock = Ahead()
    spot = emulate("binance", Setup(prices={BTC: 60_000.0}, clock=clock))

    async def work() -> None:
        address = f"{spot.ws_url}/ws/btcusdt@kline_1m"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            await until(lambda: spot.sockets)
            await asyncio.to_thread(spot.trade, BTC, 60_010.0)
            candles = [(await socket.receive_json(timeout=5))["k"]]
            clock.later += timedelta(minutes=1)
            await asyncio.to_thread(spot.trade, BTC, 60_020.0)
            candles += [(await socket.receive_json(timeout=5))["k"] for _ in range(2)]
        assert [(candle["x"], candle["c"]) for candle in candles] == [
            (False, "60010.00000000"), (True, "60010.00000000"), (False, "60020.00000000"),
        ]  # fmt: skip
        assert candles[0]["t"] == candles[1]["t"] == candles[2]["t"] - 60_000

    try:
        asyncio.run(asyncio.wait_for(work(), 20))
    finally:
        spot.close()
