"""The websocket API: the same questions as over HTTP, and on the spot market the account's events."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from trader.testing.emulation import Mishap

from trader_emulators.binance import signature
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.product import Endpoint, Product
from trader_emulators.binance.refusal import Refused
from trader_emulators.binance.streams import say
from trader_emulators.emulator import Unanswered
from trader_emulators.http import AFTER

UNANSWERED = {Mishap.LOST, Mishap.LOST_REPLY, Mishap.LATE, Mishap.RESET, Mishap.RESET_AFTER}
SUBSCRIBE = "userDataStream.subscribe.signature"
UNSUBSCRIBE = "userDataStream.unsubscribe"
NO_METHOD = Refused(-1000, "Unknown method.")
NO_LOGON = Refused(-4056, "HMAC_SHA256 API key is not supported.")
NO_SESSION = Refused(-1127, "Not authenticated. Use 'session.logon' first.", 401)


class Session:
    """One connection, and the account's events that it asked for."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.subscriptions: set[int] = set()
        self._next = 0

    def subscribe(self) -> int:
        """The number of a new subscription."""
        number, self._next = self._next, self._next + 1
        self.subscriptions.add(number)
        return number


class WebsocketApi:
    """One market's. `events`: whether the account's events can be had here."""

    def __init__(self, product: Product, *, events: bool) -> None:
        self._product, self._with_events = product, events
        self._sessions: list[Session] = []

    @property
    def listeners(self) -> int:
        """How many subscriptions there are to the account's events."""
        return sum(len(session.subscriptions) for session in self._sessions)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, until it ends."""
        socket = await self._product.socket(request)
        session = Session(socket)
        self._sessions.append(session)
        try:
            async for message in self._product.messages(socket):
                answer = self._heard(session, message)
                if answer is not None:
                    await say(self._product, socket, answer)
        finally:
            self._sessions.remove(session)
        return socket

    async def tell(self, event: dict[str, Any]) -> None:
        """An event of the account, to everybody who subscribed."""
        for session in list(self._sessions):
            for number in sorted(session.subscriptions):
                await say(self._product, session.socket, {"subscriptionId": number, "event": event})

    def _heard(self, session: Session, message: str | bytes) -> dict[str, Any] | None:
        """What is answered; None: nothing."""
        try:
            asked = json.loads(message)
            number, method, parameters = asked["id"], str(asked["method"]), dict(asked.get("params") or {})
        except (ValueError, KeyError, TypeError, AttributeError):
            return _failed(None, Refused(-1135, "Invalid JSON payload."))
        endpoints = {each.message: each for each in self._product.endpoints if each.message}
        endpoint = endpoints.get(method)
        mishap = self._product.arrived(endpoint.call) if endpoint is not None else None
        if mishap is not None and mishap not in AFTER:
            return self._mishap(number, mishap)
        try:
            result = self._result(session, endpoint, method, parameters)
        except Refused as refused:
            return _failed(number, refused)
        except Unanswered as fault:
            return self._mishap(number, fault.mishap)
        if mishap is not None:
            return self._mishap(number, mishap)
        return {"id": number, "status": 200, "result": result, "rateLimits": self._product.rate_counts()}

    def _result(self, session: Session, endpoint: Endpoint | None, method: str, parameters: dict[str, Any]) -> Any:
        if endpoint is not None:
            if endpoint.security != "open":
                self._signed(parameters)
            return endpoint.speak(Parameters(parameters))
        special: dict[str, Callable[[], Any]] = {}
        if self._with_events:
            special = {
                SUBSCRIBE: lambda: self._subscribe(session, parameters),
                UNSUBSCRIBE: lambda: self._unsubscribe(session, parameters),
                "userDataStream.subscribe": lambda: _refuse(NO_SESSION),
                "session.logon": lambda: _refuse(NO_LOGON),
            }
        return special.get(method, lambda: _refuse(NO_METHOD))()

    def _signed(self, parameters: dict[str, Any]) -> None:
        read = Parameters(parameters)
        signature.known(self._product, read.text("apiKey"))
        read.text("timestamp")
        signature.signed_message(self._product, parameters)
        signature.timely(self._product, read)

    def _subscribe(self, session: Session, parameters: dict[str, Any]) -> dict[str, Any]:
        self._signed(parameters)
        return {"subscriptionId": session.subscribe()}

    def _unsubscribe(self, session: Session, parameters: dict[str, Any]) -> dict[str, Any]:
        read = Parameters(parameters)
        if "subscriptionId" in read:
            session.subscriptions.discard(read.whole("subscriptionId"))
        else:
            session.subscriptions.clear()
        return {}

    def _mishap(self, number: Any, mishap: Mishap) -> dict[str, Any] | None:
        if mishap in UNANSWERED:
            return None
        if mishap in (Mishap.GARBAGE, Mishap.TRUNCATED):
            return {"id": number, "status": 200, "result": {"garbage": [1, None, "x"]}}
        answer = self._product.trouble(Mishap.FAILED if mishap in (Mishap.HTML, Mishap.FAILED_AFTER) else mishap)
        return {"id": number, "status": answer.status, "error": answer.body}


def _refuse(refused: Refused) -> Any:
    raise refused


def _failed(number: Any, refused: Refused) -> dict[str, Any]:
    return {"id": number, "status": refused.status, "error": refused.body}
