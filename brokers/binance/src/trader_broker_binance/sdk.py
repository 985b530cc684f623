"""The venue's own client library, aimed: at testnet, at mainnet, at an emulator; its answers as they came.

Every address that the library could use is set, so that nothing meant for an emulator leaves this machine.
"""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from trader.sdk import need

from trader_broker_binance.settings import Place

WHO = "trader-broker-binance"
SUPPORTED = ("python-binance", "1.0.36", "1.1")


def module(name: str) -> Any:
    """A module of python-binance. PluginBroken if it is not there, or of a version that was not tried."""
    return need(WHO, *SUPPORTED, name)


def addresses(url: str) -> dict[str, str]:
    """The library's class attributes, all of them at one emulator."""
    ws = "ws" + url.removeprefix("http")
    api, futures = f"{url}/api", f"{url}/fapi"
    named = {
        "API_URL": api, "API_TESTNET_URL": api, "API_DEMO_URL": api, "MARGIN_API_URL": f"{url}/sapi",
        "WEBSITE_URL": url, "FUTURES_URL": futures, "FUTURES_TESTNET_URL": futures, "FUTURES_DEMO_URL": futures,
        "WS_API_URL": f"{ws}/ws-api/v3", "WS_API_TESTNET_URL": f"{ws}/ws-api/v3", "WS_API_DEMO_URL": f"{ws}/ws-api/v3",
        "WS_FUTURES_URL": f"{ws}/ws-fapi/v1", "WS_FUTURES_TESTNET_URL": f"{ws}/ws-fapi/v1",
        "WS_FUTURES_DEMO_URL": f"{ws}/ws-fapi/v1", "STREAM_URL": f"{ws}/", "STREAM_TESTNET_URL": f"{ws}/",
        "STREAM_DEMO_URL": f"{ws}/", "FSTREAM_URL": f"{ws}/", "FSTREAM_TESTNET_URL": f"{ws}/",
        "FSTREAM_DEMO_URL": f"{ws}/",
    }  # fmt: skip
    rest = ("FUTURES_DATA", "FUTURES_DATA_TESTNET", "FUTURES_COIN", "FUTURES_COIN_TESTNET", "FUTURES_COIN_DEMO",
            "FUTURES_COIN_DATA", "FUTURES_COIN_DATA_TESTNET", "OPTIONS", "OPTIONS_TESTNET", "PAPI")  # fmt: skip
    return {**named, **{f"{name}_URL": url for name in rest}}


def client(place: Place, key: str, secret: str) -> Any:
    """A synchronous client that hands out raw responses: what they mean is `wire`'s, and the library's exceptions
    lose the body. It follows no redirect, for that would be a second order. No network yet."""
    base = module("binance.client").Client

    class Raw(base):  # type: ignore[misc, valid-type, unused-ignore]
        @staticmethod
        def _handle_response(response: Any) -> Any:
            return response

    for name, value in addresses(place.url).items() if place.url else ():
        setattr(Raw, name, value)
    loop = asyncio.new_event_loop()  # the library keeps one for websockets that are not used here
    try:
        asyncio.set_event_loop(loop)
        made = Raw(
            key or None, secret or None, requests_params={"allow_redirects": False},
            testnet=place.environment == "testnet", ping=False,
        )  # fmt: skip
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    if place.url:
        made.session.trust_env = False  # a proxy of this machine's has no business there
    made.abort = _abortable(made.session)
    return made


def _abortable(session: Any) -> Callable[[], None]:
    """Make the session's connections such that another thread can break them while they wait."""
    urllib3 = importlib.import_module("urllib3")
    alive: WeakSet[Any] = WeakSet()

    def kept(pool: Any) -> Any:
        def connect(self: Any) -> None:
            pool.ConnectionCls.connect(self)
            alive.add(self)

        return type("Kept", (pool,), {"ConnectionCls": type("Kept", (pool.ConnectionCls,), {"connect": connect})})

    pools = {"http": kept(urllib3.HTTPConnectionPool), "https": kept(urllib3.HTTPSConnectionPool)}
    for adapter in session.adapters.values():
        adapter.poolmanager.pool_classes_by_scheme = pools

    def abort() -> None:
        for connection in list(alive):
            if connection.sock is not None:
                with suppress(OSError):
                    # Not the TLS socket's own: it forgets its state under the thread that reads.
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    return abort


def streaming(place: Place) -> tuple[Any, Any]:
    """The asynchronous client's class and the socket manager's."""
    base = module("binance.async_client").AsyncClient
    manager = module("binance.ws.streams").BinanceSocketManager
    if not place.url:
        return base, manager
    aimed = addresses(place.url)
    return type("AimedClient", (base,), aimed), type("AimedManager", (manager,), aimed)
