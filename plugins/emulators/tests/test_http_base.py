"""An emulated venue's port: every mishap on a real socket, streams, the thread behind it."""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from trader.clock import VirtualClock
from trader.model import Fill, Instrument, OrderReport, Side
from trader.simulation import Faults
from trader.testing.emulation import Mishap
from trader_emulators import Setup
from trader_emulators import http as wire
from trader_emulators.http import Answer, Asked, HttpEmulator, Route
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.sync.client import connect

QUICK = 0.3
WORDS = {Mishap.FAILED: 500, Mishap.RATE_LIMITED: 429, Mishap.UNAUTHORIZED: 401}


class Toy(HttpEmulator):
    """Takes notes, and tells of orders."""

    name = "toy"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.taken: list[Any] = []
        self.beats = 0

    def instruments(self):
        return [Instrument("AAPL")]

    def prices(self):
        return {"AAPL": 100.0}

    @property
    def options(self):
        return {"url": self.url}

    @property
    def secrets(self):
        return {}

    def routes(self):
        return [
            Route("POST", "/orders", "submit", self.take),
            Route("GET", "/orders/{name}", "order", self.tell),
            Route("DELETE", "/orders", "cancel_all", self.forget),
            Route("GET", "/account", "account", self.account),
        ]

    def socket_routes(self):
        return {"/stream": self.listen}

    def trouble(self, what: Mishap) -> Answer:
        return Answer(WORDS[what], {"trouble": str(what)})

    def headers(self):
        return {"X-Left": str(self.allowance[1])}

    def take(self, asked: Asked) -> Answer:
        self.taken.append(asked.json())
        return Answer(201, {"taken": len(self.taken), "text": "long enough to be cut in two"}, {"X-Own": "1"})

    def tell(self, asked: Asked) -> Answer:
        return Answer(200, {"name": asked.parts["name"], "query": asked.query, "agent": asked.headers["x-agent"]})

    def forget(self, _: Asked) -> Answer:
        self.taken.clear()
        return Answer(204)

    def account(self, _: Asked) -> Answer:
        return Answer(200, {"cash": str(self.ask(self.venue.account).cash)})

    async def listen(self, request: web.Request) -> web.StreamResponse:
        socket = await self.socket(request)
        async for said in self.messages(socket):
            await self.send(socket, said)
        return socket

    async def push(self, event: Fill | OrderReport) -> None:
        for socket in list(self.sockets):
            await self.send(socket, type(event).__name__)

    async def beat(self) -> None:
        self.beats += 1


@contextlib.contextmanager
def running(**setup: Any) -> Iterator[Toy]:
    toy = Toy(Setup(**setup))
    toy.start()
    try:
        yield toy
    finally:
        toy.close()


@pytest.fixture
def toy() -> Iterator[Toy]:
    with running() as made:
        yield made


def ask(toy: Toy, method: str = "POST", path: str = "/orders", body: Any = None, timeout: float = 5.0) -> Any:
    """Status, headers and the whole body."""
    line = http.client.HTTPConnection("127.0.0.1", toy.port, timeout=timeout)
    try:
        line.request(method, path, None if body is None else json.dumps(body), {"X-Agent": "me"})
        answer = line.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        line.close()


# ---- requests --------------------------------------------------------------------------------------------------------
def test_a_request_is_read_and_answered(toy):
    status, headers, body = ask(toy, body={"a": 1})
    assert (status, json.loads(body)["taken"], toy.taken) == (201, 1, [{"a": 1}])
    assert (headers["X-Trader-Emulator"], headers["X-Own"], headers["X-Left"]) == ("toy", "1", "1000000")
    _, _, body = ask(toy, "GET", "/orders/a%2Fb?x=1&x=2&y=%20")
    assert json.loads(body) == {"name": "a/b", "query": {"x": "2", "y": " "}, "agent": "me"}


def test_an_answer_without_a_body_has_none(toy):
    status, _, body = ask(toy, "DELETE")
    assert (status, body) == (204, b"")


def test_an_unknown_address_is_404_and_no_call(toy):
    assert ask(toy, "GET", "/nowhere")[0] == 404
    assert ask(toy, "PUT", "/orders")[0] == 404
    assert toy.requests("order") == 0


def test_the_date_is_the_venues(toy):
    toy.skew(86_400.0)
    assert ask(toy)[1]["Date"] == toy.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_revoked_keys_are_known_no_more(toy):
    toy.revoke()
    assert ask(toy)[0] == 401
    assert toy.taken == []


# ---- mishaps ---------------------------------------------------------------------------------------------------------
def meets(toy: Toy, mishap: Mishap, method: str = "POST") -> Any:
    toy.mishap("submit" if method == "POST" else "cancel_all", mishap)
    try:
        return ask(toy, method, timeout=QUICK)
    finally:
        assert toy.requests("submit") + toy.requests("cancel_all") == 1


def test_F17_lost_nobody_answers_and_it_was_not_handled(toy):
    with pytest.raises(TimeoutError):
        meets(toy, Mishap.LOST)
    assert toy.taken == []


def test_F16_lost_reply_nobody_answers_and_it_was_handled(toy):
    with pytest.raises(TimeoutError):
        meets(toy, Mishap.LOST_REPLY)
    assert toy.taken == [None]


def test_F18_late_nobody_answers_and_it_is_handled_later(toy, monkeypatch):
    monkeypatch.setattr(wire, "LATE_SECONDS", 2 * QUICK)
    with pytest.raises(TimeoutError):
        meets(toy, Mishap.LATE)
    assert toy.taken == []
    for _ in range(500):
        if toy.taken:
            break
        threading.Event().wait(0.01)
    assert toy.taken == [None]


def test_reset_breaks_the_connection_before_it_was_handled(toy):
    with pytest.raises(ConnectionError):
        meets(toy, Mishap.RESET)
    assert toy.taken == []


def test_reset_after_breaks_the_connection_when_it_was_handled(toy):
    with pytest.raises(ConnectionError):
        meets(toy, Mishap.RESET_AFTER)
    assert toy.taken == [None]


@pytest.mark.parametrize(
    ("mishap", "status", "taken"),
    [
        (Mishap.FAILED, 500, []),
        (Mishap.FAILED_AFTER, 500, [None]),
        (Mishap.RATE_LIMITED, 429, []),
        (Mishap.UNAUTHORIZED, 401, []),
    ],
)
def test_F21_trouble_has_the_venues_own_words(toy, mishap, status, taken):
    found, headers, body = meets(toy, mishap)
    said = Mishap.FAILED if mishap is Mishap.FAILED_AFTER else mishap
    assert (found, json.loads(body)) == (status, {"trouble": str(said)})
    assert headers["X-Trader-Emulator"] == "toy"
    assert toy.taken == taken


def test_F21_html_is_a_proxys_page_and_it_was_not_handled(toy):
    status, headers, body = meets(toy, Mishap.HTML)
    assert (status, headers.get_content_type()) == (502, "text/html")
    assert b"<html>" in body and toy.taken == []


def test_F21_truncated_ends_in_the_middle_and_it_was_handled(toy):
    status, headers, body = meets(toy, Mishap.TRUNCATED)
    assert (status, headers.get_content_type(), toy.taken) == (201, "application/json", [None])
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def test_F21_an_answer_without_a_body_breaks_where_another_is_truncated(toy):
    toy.taken.append("old")
    with pytest.raises(ConnectionError):
        meets(toy, Mishap.TRUNCATED, "DELETE")
    assert toy.taken == []


def test_F21_garbage_is_well_formed_and_no_answer_and_it_was_handled(toy):
    status, _, body = meets(toy, Mishap.GARBAGE)
    assert (status, toy.taken) == (200, [None])
    assert "taken" not in json.loads(body)


def test_mishaps_come_in_their_order_and_then_all_is_well(toy):
    toy.mishap("submit", Mishap.FAILED, times=2)
    toy.mishap("submit", Mishap.RATE_LIMITED)
    assert [ask(toy)[0] for _ in range(4)] == [500, 500, 429, 201]


def test_a_mishap_of_one_call_is_none_of_another(toy):
    toy.mishap("submit", Mishap.FAILED)
    assert ask(toy, "GET", "/account")[0] == 200


def test_F22_the_limit_counts_every_call_and_ends(toy):
    with running(clock=VirtualClock(toy.clock.now())) as slow:
        slow.limit(2, 10.0)
        assert [ask(slow, "GET", "/account")[0] for _ in range(3)] == [200, 200, 429]
        slow.setup.clock.advance(10.1)
        assert ask(slow)[0] == 201


@pytest.mark.parametrize(
    ("faults", "meets"),
    [
        (Faults(query_failed=1.0), 500),
        (Faults(query_rate_limited=1.0), 429),
        (Faults(query_lost=1.0), TimeoutError),
        (Faults(query_raises=1.0), ConnectionError),
    ],
)
def test_faults_of_the_venue_behind_are_mishaps_on_the_wire(faults, meets):
    with running(faults=faults) as toy:
        if isinstance(meets, int):
            assert ask(toy, "GET", "/account")[0] == meets
        else:
            with pytest.raises(meets):
                ask(toy, "GET", "/account", timeout=QUICK)


def test_an_unanswered_request_ends_with_the_venues_patience():
    with running(patience=0.05) as toy:
        toy.mishap("submit", Mishap.LOST)
        with pytest.raises(ConnectionError):
            ask(toy)


# ---- streams ---------------------------------------------------------------------------------------------------------
def test_a_stream_is_read_and_written_and_carries_the_venues_name(toy):
    with connect(f"{toy.ws_url}/stream") as socket:
        assert socket.response.headers["X-Trader-Emulator"] == "toy"
        for said in ("text", b"bytes"):
            socket.send(said)
            assert socket.recv(5) == said
        assert socket.ping().wait(5)
    assert toy.requests("stream") == 1


def test_what_happens_to_orders_is_pushed(toy):
    with connect(f"{toy.ws_url}/stream") as socket:
        socket.send("here")
        socket.recv(5)
        toy.venue.manual_trade("AAPL", Side.BUY, Decimal(1))
        toy.trade("AAPL", 101.0)
        assert [socket.recv(5) for _ in range(3)] == ["OrderReport", "Fill", "OrderReport"]


def test_F41_streams_that_the_venue_behind_ends_are_dropped_and_come_again(toy):
    for end in (toy.venue.close, lambda: toy.venue.disconnect(0.01)):
        with connect(f"{toy.ws_url}/stream") as socket:
            end()
            with pytest.raises(ConnectionClosed):
                socket.recv(5)
        with connect(f"{toy.ws_url}/stream") as socket:
            socket.send("again")
            assert socket.recv(5) == "again"
            toy.venue.manual_trade("AAPL", Side.BUY, Decimal(1))
            assert socket.recv(5) == "OrderReport"


def test_a_fault_in_telling_is_logged_and_the_next_thing_is_told(toy, caplog):
    tell, first = toy.push, []

    async def push(event: Fill | OrderReport) -> None:
        if not first:
            first.append(event)
            raise ZeroDivisionError("not told")
        await tell(event)

    toy.push = push
    with connect(f"{toy.ws_url}/stream") as socket:
        socket.send("here")
        socket.recv(5)
        toy.venue.manual_trade("AAPL", Side.BUY, Decimal(1))
        toy.trade("AAPL", 100.0)
        assert socket.recv(5) == "Fill"
    assert "toy: something was not told" in caplog.text


def test_F41_dropped_streams_end_and_may_come_again(toy):
    with connect(f"{toy.ws_url}/stream") as one, connect(f"{toy.ws_url}/stream") as two:
        toy.drop_streams()
        for socket in (one, two):
            with pytest.raises(ConnectionClosed):
                socket.recv(5)
    assert toy.sockets == set()
    with connect(f"{toy.ws_url}/stream") as socket:
        socket.send("again")
        assert socket.recv(5) == "again"


def test_F42_mute_streams_stay_open_and_carry_nothing_not_even_a_pong(toy):
    with connect(f"{toy.ws_url}/stream") as socket:
        toy.mute_streams(30.0)
        waiting = socket.ping()
        socket.send("lost")
        assert not waiting.wait(0.2)
        toy.mute_streams(0.0)
        socket.send("kept")
        assert socket.recv(5) == "kept"
        assert socket.ping().wait(5)


@pytest.mark.parametrize(
    ("mishap", "status"),
    [(Mishap.FAILED, 500), (Mishap.FAILED_AFTER, 500), (Mishap.RATE_LIMITED, 429), (Mishap.UNAUTHORIZED, 401),
     (Mishap.HTML, 502), (Mishap.GARBAGE, 200)],
)  # fmt: skip
def test_a_handshake_meets_its_mishap(toy, mishap, status):
    toy.mishap("stream", mishap)
    with pytest.raises(InvalidStatus) as caught, connect(f"{toy.ws_url}/stream"):
        pass
    assert caught.value.response.status_code == status


@pytest.mark.parametrize("mishap", [Mishap.RESET, Mishap.RESET_AFTER, Mishap.TRUNCATED])
def test_a_handshake_breaks(toy, mishap):
    toy.mishap("stream", mishap)
    with pytest.raises((InvalidMessage, ConnectionError, EOFError)), connect(f"{toy.ws_url}/stream"):
        pass


@pytest.mark.parametrize("mishap", [Mishap.LOST, Mishap.LOST_REPLY, Mishap.LATE])
def test_a_handshake_is_never_answered(toy, mishap):
    toy.mishap("stream", mishap)
    with pytest.raises(TimeoutError), connect(f"{toy.ws_url}/stream", open_timeout=QUICK):
        pass


def test_a_client_that_vanished_is_no_trouble_for_the_others(toy):
    gone = connect(f"{toy.ws_url}/stream")
    with connect(f"{toy.ws_url}/stream") as socket:
        gone.socket.close()
        toy.trade("AAPL", 101.0)
        socket.send("still here")
        assert socket.recv(5) == "still here"


# ---- the thread ------------------------------------------------------------------------------------------------------
def test_a_port_that_is_taken_is_an_error(toy):
    with pytest.raises(OSError, match=str(toy.port)):
        Toy(Setup(port=toy.port)).start()


def test_the_port_is_free_again_after_close_and_a_second_close_is_no_error():
    with running() as toy:
        port = toy.port
    toy.close()
    with pytest.raises(ConnectionRefusedError):
        ask(toy)
    with running(port=port) as again:
        assert again.port == port
        assert ask(again)[0] == 201


def test_close_does_not_wait_for_requests_that_nobody_answers():
    with running() as toy:
        toy.mishap("submit", Mishap.LOST)
        answers: list[object] = []

        def unanswered() -> None:
            try:
                ask(toy, timeout=20.0)
            except OSError as error:
                answers.append(error)

        thread = threading.Thread(target=unanswered)
        thread.start()
        while not toy.requests("submit"):
            threading.Event().wait(0.01)
    thread.join(5)
    assert not thread.is_alive() and answers


def test_close_ends_streams(toy):
    with connect(f"{toy.ws_url}/stream") as socket:
        toy.close()
        with pytest.raises(ConnectionClosed):
            socket.recv(5)


def test_it_beats_by_itself(toy):
    before = toy.beats
    threading.Event().wait(0.2)
    assert toy.beats > before


def test_what_does_not_run_has_no_loop():
    toy = Toy(Setup())
    toy.close()
    with pytest.raises(RuntimeError, match="does not run"):
        toy.on_loop(None)
