"""The emulated Alpaca's push side, met through the unmodified alpaca-py and through plain websockets."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from queue import Empty, Queue
from typing import Any

import msgpack
import pytest
import requests
from alpaca.data.live import CryptoDataStream, StockDataStream
from alpaca.trading.stream import TradingStream
from trader.clock import VirtualClock
from trader.model import Side
from trader.simulation import Faults
from trader.testing.emulation import Mishap
from trader_emulators import Setup, emulate
from trader_emulators.alpaca import AlpacaEmulator
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

START = datetime(2026, 3, 4, 15, 0, 30, tzinfo=UTC)


@pytest.fixture
def venue() -> Iterator[AlpacaEmulator]:
    emulator = emulate("alpaca", Setup(prices={"AAPL": 100.0, "MSFT": 50.0, "BTC/USD": 60_000.0}))
    assert isinstance(emulator, AlpacaEmulator)
    yield emulator
    emulator.close()


@contextmanager
def running(stream: Any) -> Iterator[None]:
    """The SDK's stream on a thread and a loop of its own."""
    loop = asyncio.new_event_loop()
    task: list[asyncio.Task[None]] = []

    def run() -> None:
        asyncio.set_event_loop(loop)
        task.append(loop.create_task(stream._run_forever()))
        try:
            loop.run_until_complete(task[0])
        except asyncio.CancelledError:
            loop.run_until_complete(stream.close())
        loop.close()

    stream._reconnect_min_backoff, stream._reconnect_max_backoff = 0.05, 0.1
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task[0].cancel)
        thread.join(10)
        assert not thread.is_alive()


def place(venue: AlpacaEmulator, **changed: Any) -> dict[str, Any]:
    body = {"symbol": "AAPL", "qty": "2", "side": "buy", "type": "market", "time_in_force": "day", **changed}
    answer = requests.post(f"{venue.url}/v2/orders", json=body, headers=headers_of(venue), timeout=5)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def headers_of(venue: AlpacaEmulator) -> dict[str, str]:
    key, secret = venue.secrets.values()
    return {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}


@contextmanager
def trading(venue: AlpacaEmulator) -> Iterator[ClientConnection]:
    """A plain client that listens to trade updates."""
    key, secret = venue.secrets.values()
    with connect(f"{venue.ws_url}/stream") as socket:
        socket.send(json.dumps({"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}))
        assert heard(socket) == {"stream": "authorization",
                                 "data": {"status": "authorized", "action": "authenticate"}}  # fmt: skip
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        assert heard(socket) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        yield socket


def heard(socket: ClientConnection, timeout: float = 5) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(socket.recv(timeout))
    return said


def update(socket: ClientConnection) -> dict[str, Any]:
    said: dict[str, Any] = heard(socket)["data"]
    return said


# ---- orders ----------------------------------------------------------------------------------------------------------
def test_the_sdks_trading_stream_hears_of_a_new_order_and_its_fills(venue):
    updates: Queue[Any] = Queue()

    async def handle(event: Any) -> None:
        updates.put(event)

    stream = TradingStream(*venue.secrets.values(), url_override=f"{venue.ws_url}/stream")
    stream.subscribe_trade_updates(handle)
    with running(stream):
        while not venue.streams._traders:
            threading.Event().wait(0.01)
        made = place(venue, qty="3")
        venue.trade("AAPL", 101.0, 1)
        venue.trade("AAPL", 102.0)
        new, partial, whole = (updates.get(timeout=5) for _ in range(3))
    assert [event.event for event in (new, partial, whole)] == ["new", "partial_fill", "fill"]
    assert str(whole.order.id) == made["id"]
    assert (partial.qty, partial.price, partial.order.filled_qty) == (1.0, 101.0, "1")
    assert (whole.qty, whole.price, whole.order.filled_qty, whole.position_qty) == (2.0, 102.0, "3", 3.0)


def test_frames_are_binary_and_carry_whole_orders(venue):
    with trading(venue) as socket:
        made = place(venue)
        raw = socket.recv(5)
        assert isinstance(raw, bytes)
        order = json.loads(raw)["data"]["order"]
        assert order == {**made, "status": "new"}


def test_F26_the_streams_execution_id_is_not_the_activitys(venue):
    with trading(venue) as socket:
        place(venue)
        venue.trade("AAPL", 101.0)
        fill = next(said for said in iter(lambda: update(socket), None) if said["event"] == "fill")
    (activity,) = requests.get(f"{venue.url}/v2/account/activities/FILL", headers=headers_of(venue), timeout=5).json()
    assert fill["execution_id"] not in activity["id"]
    assert (fill["price"], fill["qty"]) == (activity["price"], activity["qty"]) == ("101", "2")
    assert fill["timestamp"] == activity["transaction_time"]


def test_canceled_replaced_and_expired_orders_are_told_of(venue):
    with trading(venue) as socket:
        first = place(venue, type="limit", limit_price="90")
        assert update(socket)["event"] == "new"
        url = f"{venue.url}/v2/orders/{first['id']}"
        second = requests.patch(url, json={"limit_price": "91"}, headers=headers_of(venue), timeout=5).json()
        replaced, new = update(socket), update(socket)
        assert (replaced["event"], replaced["order"]["replaced_by"]) == ("replaced", second["id"])
        assert (new["event"], new["order"]["id"]) == ("new", second["id"])
        requests.delete(f"{venue.url}/v2/orders/{second['id']}", headers=headers_of(venue), timeout=5)
        canceled = update(socket)
        assert (canceled["event"], canceled["order"]["status"]) == ("canceled", "canceled")
        place(venue, type="limit", limit_price="90", time_in_force="ioc")
        venue.trade("AAPL", 100.0)
        assert [update(socket)["event"] for _ in range(2)] == ["new", "canceled"]


def test_a_day_order_that_expires_is_told_of():
    clock = VirtualClock(START)
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock))
    try:
        with trading(venue) as socket:
            place(venue, type="limit", limit_price="90")
            venue.trade("AAPL", 100.0)
            clock.advance(86_400)
            venue.trade("AAPL", 100.0)
            assert [update(socket)["event"] for _ in range(2)] == ["new", "expired"]
    finally:
        venue.close()


def test_what_a_person_trades_by_hand_is_told_of(venue):
    with trading(venue) as socket:
        venue.venue.manual_trade("AAPL", Side.SELL, Decimal(1))
        venue.trade("AAPL", 100.0)
        events = [update(socket) for _ in range(2)]
    assert [event["event"] for event in events] == ["new", "fill"]
    assert (events[1]["position_qty"], events[1]["order"]["client_order_id"]) == ("-1", "by-hand-1")


def test_wrong_keys_and_listening_without_keys_are_unauthorized(venue):
    with connect(f"{venue.ws_url}/stream") as socket:
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        assert heard(socket)["data"] == {"status": "unauthorized", "action": "listen"}
        socket.send(json.dumps({"action": "authenticate", "data": {"key_id": "PK1", "secret_key": "2"}}))
        assert heard(socket)["data"] == {"status": "unauthorized", "action": "authenticate"}
        socket.send("nonsense")
        socket.send(json.dumps([1]))
        place(venue)
        with pytest.raises(TimeoutError):
            socket.recv(0.1)


def test_F41_a_dropped_stream_may_come_again_and_nothing_is_replayed(venue):
    with trading(venue) as socket:
        venue.drop_streams()
        with pytest.raises(ConnectionClosed):
            socket.recv(5)
    place(venue, client_order_id="missed")
    threading.Event().wait(0.1)  # what is under way is told to whoever has come by then
    with trading(venue) as socket:
        place(venue, client_order_id="heard")
        assert update(socket)["order"]["client_order_id"] == "heard"


def test_F42_a_mute_stream_answers_no_ping_and_tells_nothing(venue):
    with trading(venue) as socket:
        venue.mute_streams(0.4)
        waiting = socket.ping()
        place(venue)
        assert not waiting.wait(0.2)
        with pytest.raises(TimeoutError):
            socket.recv(0.1)
        venue.muted_until = 0.0
        assert socket.ping().wait(5)
        place(venue)
        assert update(socket)["event"] == "new"


def test_F26_a_stream_that_says_everything_twice():
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, faults=Faults(stream_duplicated=1.0)))
    try:
        with trading(venue) as socket:
            place(venue)
            venue.trade("AAPL", 100.0)
            said = [update(socket) for _ in range(3)]
        assert [one["event"] for one in said] == ["new", "fill", "fill"]
        assert said[1]["execution_id"] == said[2]["execution_id"]
    finally:
        venue.close()


@pytest.mark.parametrize(
    ("mishap", "status"),
    [(Mishap.FAILED, 504), (Mishap.RATE_LIMITED, 429), (Mishap.UNAUTHORIZED, 401), (Mishap.HTML, 502),
     (Mishap.GARBAGE, 200)],
)  # fmt: skip
def test_a_handshake_can_be_refused(venue, mishap, status):
    venue.mishap("stream", mishap)
    with pytest.raises(InvalidStatus) as caught, connect(f"{venue.ws_url}/stream"):
        pass
    assert caught.value.response.status_code == status
    with trading(venue):
        assert venue.requests("stream") == 2


# ---- prices ----------------------------------------------------------------------------------------------------------
def listen(venue: AlpacaEmulator, stream: Any, subscribe: str, symbol: str) -> tuple[Queue[Any], Any]:
    found: Queue[Any] = Queue()

    async def handle(event: Any) -> None:
        found.put(event)

    getattr(stream, subscribe)(handle, symbol)
    return found, running(stream)


def subscribed(venue: AlpacaEmulator) -> bool:
    return any(any(wanted.values()) for wanted in (one.wants for one in venue.streams._listeners))


@pytest.mark.parametrize(
    ("maker", "path", "symbol"),
    [(StockDataStream, "/v2/iex", "AAPL"), (CryptoDataStream, "/v1beta3/crypto/us", "BTC/USD")],
)
def test_the_sdks_data_streams_hear_trades_and_quotes(venue, maker, path, symbol):
    for subscribe in ("subscribe_trades", "subscribe_quotes"):
        stream = maker(*venue.secrets.values(), url_override=venue.ws_url + path)
        found, thread = listen(venue, stream, subscribe, symbol)
        with thread:
            while not subscribed(venue):
                threading.Event().wait(0.01)
            venue.trade("MSFT", 51.0)
            venue.trade(symbol, 200.0)
            event = found.get(timeout=5)
        assert event.symbol == symbol
        if subscribe == "subscribe_trades":
            assert event.price == 200.0
        else:
            assert event.bid_price < 200.0 < event.ask_price
        assert abs(event.timestamp - venue.clock.now()) < timedelta(seconds=30)


def test_the_sdks_data_stream_hears_a_minute_when_it_is_over():
    clock = VirtualClock(START)
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock))
    try:
        stream = StockDataStream(*venue.secrets.values(), url_override=f"{venue.ws_url}/v2/sip")
        found, thread = listen(venue, stream, "subscribe_bars", "*")
        with thread:
            while not subscribed(venue):
                threading.Event().wait(0.01)
            venue.trade("AAPL", 101.0, 5)
            venue.trade("AAPL", 99.0, 5)
            with pytest.raises(Empty):
                found.get(timeout=0.1)
            clock.advance(30)
            bar = found.get(timeout=5)
        assert (bar.symbol, bar.open, bar.high, bar.low, bar.close) == ("AAPL", 101.0, 101.0, 99.0, 99.0)
        assert (bar.timestamp, bar.volume) == (START.replace(second=0), pytest.approx(10))
    finally:
        venue.close()


@contextmanager
def data(venue: AlpacaEmulator) -> Iterator[ClientConnection]:
    with connect(f"{venue.ws_url}/v2/iex", additional_headers={"Content-Type": "application/msgpack"}) as socket:
        assert unpacked(socket) == [{"T": "success", "msg": "connected"}]
        yield socket


def unpacked(socket: ClientConnection) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = msgpack.unpackb(socket.recv(5))
    return said


def test_a_data_stream_says_what_is_wrong_with_a_request(venue):
    key, secret = venue.secrets.values()
    with data(venue) as socket:
        for said, answer in (
            ({"action": "subscribe", "trades": ["AAPL"]}, {"T": "error", "code": 401, "msg": "not authenticated"}),
            ({"action": "auth", "key": key, "secret": "x"}, {"T": "error", "code": 402, "msg": "auth failed"}),
            ({"action": "auth", "key": key, "secret": secret}, {"T": "success", "msg": "authenticated"}),
            ({"action": "auth", "key": key, "secret": secret}, {"T": "error", "code": 403,
                                                                "msg": "already authenticated"}),
            ({"action": "dance"}, {"T": "error", "code": 400, "msg": "invalid syntax"}),
        ):  # fmt: skip
            socket.send(msgpack.packb(said))
            assert unpacked(socket) == [answer]
        socket.send(b"\xc1")
        assert unpacked(socket)[0]["code"] == 400


def test_subscriptions_are_confirmed_as_a_whole_and_can_be_taken_back(venue):
    key, secret = venue.secrets.values()
    with data(venue) as socket:
        socket.send(msgpack.packb({"action": "auth", "key": key, "secret": secret}))
        unpacked(socket)
        socket.send(msgpack.packb({"action": "subscribe", "trades": ["AAPL", "MSFT"], "bars": ["*"]}))
        (said,) = unpacked(socket)
        assert (said["T"], said["trades"], said["bars"]) == ("subscription", ["AAPL", "MSFT"], ["*"])
        socket.send(msgpack.packb({"action": "unsubscribe", "trades": ["AAPL"]}))
        assert unpacked(socket)[0]["trades"] == ["MSFT"]
        venue.trade("AAPL", 101.0)
        venue.trade("MSFT", 51.0)
        (trade,) = unpacked(socket)
        assert (trade["T"], trade["S"], trade["p"]) == ("t", "MSFT", 51.0)
        assert isinstance(trade["t"], msgpack.Timestamp)


def test_a_client_that_does_not_ask_for_messagepack_is_told_in_json(venue):
    key, secret = venue.secrets.values()
    with connect(f"{venue.ws_url}/v1beta3/crypto/us") as socket:
        assert json.loads(socket.recv(5)) == [{"T": "success", "msg": "connected"}]
        for said in ({"action": "auth", "key": key, "secret": secret}, {"action": "subscribe", "quotes": ["BTC/USD"]}):
            socket.send(json.dumps(said))
            socket.recv(5)
        venue.trade("BTC/USD", 61_000.0)
        (quote,) = json.loads(socket.recv(5))
        assert (quote["T"], quote["S"]) == ("q", "BTC/USD")


def test_daily_bars_are_told_each_minute():
    clock = VirtualClock(START)
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock))
    key, secret = venue.secrets.values()
    try:
        with data(venue) as socket:
            socket.send(msgpack.packb({"action": "auth", "key": key, "secret": secret}))
            socket.send(msgpack.packb({"action": "subscribe", "dailyBars": ["AAPL"]}))
            unpacked(socket), unpacked(socket)
            venue.trade("AAPL", 123.0)
            clock.advance(31)
            (day,) = unpacked(socket)
        assert (day["T"], day["c"], day["t"].to_datetime().hour) == ("d", 123.0, 5)
    finally:
        venue.close()


def test_streams_need_keys_that_are_still_known(venue):
    venue.revoke()
    key, secret = venue.secrets.values()
    with data(venue) as socket:
        socket.send(msgpack.packb({"action": "auth", "key": key, "secret": secret}))
        assert unpacked(socket)[0]["code"] == 402
