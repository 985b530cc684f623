"""A broker and a data source that go to a venue on this machine: the emulator, or one that says what a test wants."""

import json
import threading
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
from trader.clock import SystemClock
from trader.env import World
from trader.model import OrderRef, OrderRequest, OrderType, Purpose, Side, TimeInForce
from trader_broker_alpaca import AlpacaBroker, Settings
from trader_broker_alpaca.data import AlpacaData
from trader_broker_alpaca.settings import DataSettings
from trader_emulators import Setup, emulate

SECRETS = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
D = Decimal


class Told:
    """A venue that answers from a script: {"GET /v2/account": (200, payload)}; a list is used up, its last answer
    stays; a function gets the request. `heard` has every request."""

    def __init__(self):
        self.script, self.heard = {}, []
        told = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = (self.command, parts.path, dict(parse_qsl(parts.query)), body)
                told.heard.append(asked)
                said = told.script.get(f"{self.command} {parts.path}", (404, {"message": "endpoint not found"}))
                if isinstance(said, list):
                    said = said.pop(0) if len(said) > 1 else said[0]
                if callable(said):
                    said = said(asked)
                status, payload, *more = said
                text = (
                    payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
                )
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the server's names

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def paths(self, method):
        return [path for verb, path, _, _ in self.heard if verb == method]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def told():
    venue = Told()
    venue.script["GET /v2/account"] = (200, {
        "account_number": "PA123", "cash": "1000", "equity": "1000", "status": "ACTIVE", "currency": "USD",
    })  # fmt: skip
    venue.script["GET /v2/clock"] = (200, {
        "timestamp": "2026-01-05T10:00:00-05:00", "is_open": True, "next_open": "2026-01-06T09:30:00-05:00",
        "next_close": "2026-01-05T16:00:00-05:00",
    })  # fmt: skip
    yield venue
    venue.close()


@pytest.fixture
def venue():
    emulator = emulate("alpaca", Setup(prices={"AAPL": 100.0, "MSFT": 200.0, "BTC/USD": 50_000.0}))
    yield emulator
    emulator.close()


@pytest.fixture
def make(tmp_path):
    """make(url, keys=..., **options) -> a broker, not open; make.data(...) a data source."""
    made = []

    def door(keys):
        world = World(tmp_path, tmp_path / "var", clock=SystemClock(), environ=dict(keys))
        return world.door("alpaca", distribution="trader-broker-alpaca", secrets=SECRETS)

    def broker(venue, keys=None, **options):
        keys = getattr(venue, "secrets", None) or dict.fromkeys(SECRETS, "not-a-secret") if keys is None else keys
        made.append(AlpacaBroker(Settings(url=venue.url, **options), door(keys)))
        return made[-1]

    def data(venue, keys=None, **options):
        keys = getattr(venue, "secrets", None) or dict.fromkeys(SECRETS, "not-a-secret") if keys is None else keys
        made.append(AlpacaData(DataSettings(url=venue.url, **options), door(keys)))
        return made[-1]

    broker.data = data
    yield broker
    for one in made:
        one.close()


@pytest.fixture
def broker(venue, make):
    opened = make(venue, silence_seconds=2)
    opened.open()
    return opened


@pytest.fixture
def order():
    """order(key, side="buy", quantity=1, ...) -> OrderRequest"""

    def make_order(key, side="buy", quantity=1, symbol="AAPL", kind="market", tif="day", limit=None, stop=None):
        return OrderRequest(
            key, key, "main", symbol, Side(side), D(quantity), OrderType(kind), TimeInForce(tif),
            None if limit is None else D(limit), None if stop is None else D(stop), False, Purpose.MANUAL, D(100),
            datetime(2026, 1, 5, tzinfo=UTC),
        )  # fmt: skip

    return make_order


@pytest.fixture
def ref():
    return lambda key, venue_id=None: OrderRef(key, key, "AAPL", venue_id)
