"""What a broker of ours adds to its client library: the median time of a submit, and of the library's own call.

The venue is its emulator, in a process of its own, on loopback. Ours and the bare call take turns, each on a connection
that is open already, each with an order that stays working.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from trader.env import World
from trader.model import Accepted, Account, OrderRequest, OrderType, Purpose, Side, TimeInForce
from trader.plugins import catalogue, provide

from _bench.programs import Failed
from _bench.result import Conditions, Result, Target

NAME = "submit"
VENUE = """import json, sys
from trader_emulators import Setup, emulate
name, symbol, price = sys.argv[1:]
venue = emulate(name, Setup(prices={symbol: float(price)}))
print(json.dumps({"options": dict(venue.options), "secrets": dict(venue.secrets)}), flush=True)
sys.stdin.read()
venue.close()
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A venue that runs, and what its manifest says to ask it with."""

    name: str
    options: dict[str, Any]
    secrets: dict[str, str]
    symbol: str
    price: Decimal
    quantity: Decimal


def measure(conditions: Conditions) -> Iterator[Result]:
    """A line for each venue. Failed where an order was not taken."""
    count = 10 if conditions.quick else 90  # some venues take no more than 200 open orders
    for name, bare in BARE.items():
        with venue(name) as place:
            folder = conditions.folder / f"submit-{name}"
            folder.mkdir()
            ours, theirs = side_by_side(place, bare(place), folder, count)
        what = f"{name}: one submit, order to answer"
        against = "the client library's own call"
        yield Result(
            NAME, what, ours * 1000, "ms", against, theirs * 1000, Target(1.3, of="ratio"), not conditions.quick
        )


@contextmanager
def venue(name: str) -> Iterator[Place]:
    """The emulator, in a process of its own."""
    asked = catalogue().get("broker", name).conformance
    symbol, price = str(asked["symbol"]), str(asked["price"])
    process = subprocess.Popen(
        [sys.executable, "-c", VENUE, str(asked["emulator"]), symbol, price],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        options = {**said["options"], **asked.get("options", {})}
        yield Place(name, options, said["secrets"], symbol, Decimal(price), Decimal(str(asked["quantity"])))
    finally:
        process.communicate()


def side_by_side(place: Place, bare: Callable[[OrderRequest], Any], folder: Path, count: int) -> tuple[float, float]:
    """Median seconds: ours, theirs."""
    plugin = catalogue().get("broker", place.name)
    world = World(folder, folder / "var", environ=place.secrets)
    door = world.door(place.name, distribution=plugin.distribution, secrets=plugin.permissions.secrets)
    broker = provide(plugin, place.options, door, instance=place.name).object
    opened = broker.open()
    if not isinstance(opened, Account):
        raise Failed(f"{place.name} does not open: {opened!r}")
    (rules,) = broker.instruments([place.symbol])
    low = (place.price * Decimal("0.8") // rules.tick) * rules.tick
    lasting = TimeInForce.GTC if "gtc" in plugin.capabilities["time_in_force"] else TimeInForce.DAY
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(2 * count + 4):
        who = "theirs" if number % 2 else "ours"
        client_id = f"t{number:025d}"
        order = OrderRequest(
            client_id, broker.key(client_id), "main", place.symbol, Side.BUY, place.quantity,
            OrderType.LIMIT, lasting, low, None, False, Purpose.REBALANCE, place.price, datetime.now(UTC),
        )  # fmt: skip
        began = perf_counter()
        answer = broker.submit(order) if who == "ours" else bare(order)
        seconds = perf_counter() - began
        if not (isinstance(answer, Accepted) if who == "ours" else answer):
            raise Failed(f"{place.name}, {who}: {answer!r}")
        if number >= 4:  # the first ones open connections
            taken[who].append(seconds)
    broker.close()
    return median(taken["ours"]), median(taken["theirs"])


# ---- the client libraries, as their own pages show them --------------------------------------------------------------
def alpaca(place: Place) -> Callable[[OrderRequest], Any]:
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide
    from alpaca.trading.enums import TimeInForce as Lasting
    from alpaca.trading.requests import LimitOrderRequest

    keys = (place.secrets["ALPACA_API_KEY"], place.secrets["ALPACA_SECRET_KEY"])
    client = TradingClient(*keys, paper=True, url_override=place.options["url"])

    def submit(order: OrderRequest) -> Any:
        return client.submit_order(
            LimitOrderRequest(
                symbol=order.symbol, qty=float(order.quantity), side=OrderSide.BUY, time_in_force=Lasting.GTC,
                limit_price=float(order.limit_price or 0), client_order_id=order.client_id,
            )
        )  # fmt: skip

    return submit


def binance(place: Place) -> Callable[[OrderRequest], Any]:
    client = _binance(place)
    symbol = place.symbol.replace("/", "")
    return lambda order: client.create_order(
        symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", quantity=f"{order.quantity:f}",
        price=f"{order.limit_price:f}", newClientOrderId=order.client_id,
    )  # fmt: skip


def binance_futures(place: Place) -> Callable[[OrderRequest], Any]:
    client = _binance(place)
    symbol = place.symbol.replace("/", "")
    return lambda order: client.futures_create_order(
        symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", quantity=f"{order.quantity:f}",
        price=f"{order.limit_price:f}", newClientOrderId=order.client_id,
    )  # fmt: skip


def _binance(place: Place) -> Any:
    import asyncio

    from binance.client import Client

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # the library takes one, or makes one that it does not close
    client = Client(place.secrets["BINANCE_API_KEY"], place.secrets["BINANCE_API_SECRET"], ping=False)
    asyncio.set_event_loop(None)
    loop.close()
    client.API_URL, client.FUTURES_URL = place.options["url"] + "/api", place.options["url"] + "/fapi"
    return client


def mt5(place: Place) -> Callable[[OrderRequest], Any]:
    import rpyc

    connection = rpyc.classic.connect(place.options["host"], place.options["port"])
    terminal = connection.modules.MetaTrader5
    terminal.initialize()
    terminal.login(
        int(place.secrets["MT5_LOGIN"]), password=place.secrets["MT5_PASSWORD"], server=place.secrets["MT5_SERVER"]
    )
    symbol = place.symbol.replace("/", "")
    terminal.symbol_select(symbol, True)
    connection.execute(
        "import MetaTrader5 as mt5, json\n"
        "def send_json(text):\n"
        "    done = mt5.order_send(json.loads(text))\n"
        "    said = None if done is None else dict(done._asdict(), request=done.request._asdict())\n"
        "    return json.dumps([said, mt5.last_error()])"
    )
    send = connection.namespace["send_json"]

    def submit(order: OrderRequest) -> Any:
        asked = {
            "action": 5, "symbol": symbol, "volume": float(order.quantity), "type": 2,
            "price": float(order.limit_price or 0),
            "type_time": 0, "type_filling": 2, "magic": int(order.key) + 1, "comment": order.client_id[:16],
        }  # fmt: skip
        said, _ = json.loads(send(json.dumps(asked)))
        return said["retcode"] == 10009

    return submit


def robinhood(_: Place) -> Callable[[OrderRequest], Any]:
    """The library's own request, with the payload that its order call makes, on its one session for a process: by then
    our broker has logged in there. (The order call itself asks four more questions first.)"""
    from robin_stocks.robinhood import helper

    ready: dict[str, str] = {}

    def submit(order: OrderRequest) -> Any:
        if not ready:
            account = helper.request_get("https://api.robinhood.com/accounts/", "results")[0]
            named = {"symbol": order.symbol}
            found = helper.request_get("https://api.robinhood.com/instruments/", "results", named)[0]
            ready.update(account=account["url"], instrument=found["url"])
        payload = {
            **ready, "symbol": order.symbol, "price": f"{order.limit_price:f}", "quantity": f"{order.quantity:f}",
            "ref_id": order.key, "type": "limit", "time_in_force": "gtc", "trigger": "immediate", "side": "buy",
        }  # fmt: skip
        return "id" in helper.request_post("https://api.robinhood.com/orders/", payload)

    return submit


BARE: dict[str, Callable[[Place], Callable[[OrderRequest], Any]]] = {
    "alpaca": alpaca, "binance": binance, "binance_futures": binance_futures, "robinhood": robinhood, "mt5": mt5,
}  # fmt: skip
