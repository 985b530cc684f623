"""The account's stream: listen keys, and who listens by one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.product import Endpoint
from trader_emulators.binance.refusal import Refused
from trader_emulators.binance.streams import say

if TYPE_CHECKING:
    from trader_emulators.binance_futures.futures import Futures

LIFE = timedelta(minutes=60)
NO_KEY = Refused(-1125, "This listenKey does not exist.")


class Users:
    """One account has one listen key at a time. A connection with another key is taken and hears nothing."""

    def __init__(self, market: Futures) -> None:
        self._market = market
        self._key, self._end = "", market.clock.now()
        self._count = 0
        self._sockets: list[tuple[str, web.WebSocketResponse]] = []

    def endpoints(self) -> list[Endpoint]:
        path = "/fapi/v1/listenKey"
        return [
            Endpoint("POST", path, "login", "key", self._open, "userDataStream.start"),
            Endpoint("PUT", path, "login", "key", self._keep, "userDataStream.ping"),
            Endpoint("DELETE", path, "login", "key", self._close, "userDataStream.stop"),
        ]

    def _open(self, _: Parameters) -> dict[str, Any]:
        if not self._key:
            self._count += 1
            self._key = f"emulatedListenKey{self._count:047d}"
        self._end = self._market.clock.now() + LIFE
        return {"listenKey": self._key}

    def _keep(self, _: Parameters) -> dict[str, Any]:
        if not self._key:
            raise NO_KEY
        return self._open(_)

    def _close(self, _: Parameters) -> dict[str, Any]:
        self._key = ""
        return {}

    def expire(self) -> None:
        """The key's time is over, now."""
        self._end = self._market.clock.now()

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """One connection, until it ends."""
        key = request.query.get("listenKey", "")
        socket = await self._market.socket(request)
        self._sockets.append((key, socket))
        try:
            async for _ in self._market.messages(socket):
                pass  # there is nothing that a client could say here
        finally:
            self._sockets.remove((key, socket))
        return socket

    async def look(self) -> None:
        """Whether the key is over: whoever listens by it is told, and hears nothing more."""
        if self._key and self._market.clock.now() >= self._end:
            now = self._market.server_time()
            await self.tell({"e": "listenKeyExpired", "E": now, "listenKey": self._key})
            self._key = ""

    async def tell(self, event: dict[str, Any]) -> None:
        """An event of the account, to everybody who listens."""
        for key, socket in list(self._sockets):
            if key and key == self._key:
                await say(self._market, socket, event)
