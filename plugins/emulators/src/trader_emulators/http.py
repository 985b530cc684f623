"""A venue's HTTP and websocket port on 127.0.0.1, on a thread of its own; mishaps happen here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any, NamedTuple, TypeAlias

from aiohttp import WSCloseCode, WSMsgType, web
from trader.model import Fill, Idle, OrderReport, Reset
from trader.testing.emulation import Mishap, Setup

from trader_emulators.emulator import HEADER, Emulator, Unanswered

_log = logging.getLogger("trader_emulators")
AFTER = {Mishap.LOST_REPLY, Mishap.RESET_AFTER, Mishap.FAILED_AFTER, Mishap.TRUNCATED, Mishap.GARBAGE}
NEVER_OPENED = {
    Mishap.LOST_REPLY: Mishap.LOST,
    Mishap.LATE: Mishap.LOST,
    Mishap.RESET_AFTER: Mishap.RESET,
    Mishap.FAILED_AFTER: Mishap.FAILED,
    Mishap.TRUNCATED: Mishap.RESET,
}
"""A connection is open or it is not: what a handshake meets instead of a mishap after it."""
LATE_SECONDS = 2.0
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the venue says to one request."""

    status: int
    body: Any = None
    """As JSON; None: no body."""
    headers: dict[str, str] = field(default_factory=dict)


GARBAGE = Answer(200, {"garbage": [1, None, "x"]})


class Asked(NamedTuple):
    """One request, read."""

    method: str
    path: str
    query: dict[str, str]
    """Of the address; a name that comes twice has its last value."""
    body: bytes
    headers: dict[str, str]
    """Names in lower case."""
    parts: dict[str, str]
    """What the route's {names} matched."""
    raw_query: str

    def json(self) -> Any:
        """The body as JSON, None if there is none. ValueError if it is something else."""
        return json.loads(self.body) if self.body else None


Handler: TypeAlias = Callable[[Asked], Answer]


class Route(NamedTuple):
    """A request that the venue knows. `call` is one of `trader.testing.emulation.CALLS`: what it serves."""

    method: str
    path: str
    call: str
    handle: Handler


class HttpEmulator(Emulator):
    """An `Emulator` that is asked over HTTP. A subclass lists its routes and says its errors."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.port = setup.port
        self.sockets: set[web.WebSocketResponse] = set()
        self.muted_until = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    # ---- what a subclass says ----------------------------------------------------------------------------------------
    @abstractmethod
    def routes(self) -> list[Route]:
        """Every request that it knows."""

    def socket_routes(self) -> dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]:
        """Path -> a websocket; see `socket`."""
        return {}

    @abstractmethod
    def trouble(self, what: Mishap) -> Answer:
        """The venue's own words for FAILED, RATE_LIMITED and UNAUTHORIZED."""

    def authorized(self, asked: Asked, call: str) -> Answer | None:  # noqa: ARG002 - for the subclass
        """None, or what the venue says to one without good keys."""
        return self.trouble(Mishap.UNAUTHORIZED) if self.revoked else None

    def headers(self) -> dict[str, str]:
        """On every answer, beside the emulator's own."""
        return {}

    def unknown_path(self) -> Answer:
        """What it says to an address that it does not have."""
        return Answer(404, {"message": "endpoint not found"})

    @property
    def url(self) -> str:
        """http://127.0.0.1:port"""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """ws://127.0.0.1:port"""
        return f"ws://127.0.0.1:{self.port}"

    # ---- the thread --------------------------------------------------------------------------------------------------
    def serve(self) -> None:
        """OSError if the port is taken."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name=f"{self.name}-emulator", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(self._ended.set)
            thread.join()
        self._thread = None

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            self._failure = error
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=2**22)
        for path, handler in self.socket_routes().items():
            app.router.add_get(path, self._door(handler))
        for route in self.routes():
            app.router.add_route(route.method, route.path, self._handler(route))
        app.router.add_route("*", "/{anything:.*}", self._stranger)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handle_signals=False)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self.setup.port)
            await site.start()
            self.port = runner.addresses[0][1]
            pump = asyncio.create_task(self._pump())
            ready.set()
            await self._ended.wait()
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump
            await self._drop()
        finally:
            await runner.cleanup()

    # ---- requests ----------------------------------------------------------------------------------------------------
    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            asked = await _read(request)
            mishap = self.arrived(route.call)
            if mishap is None or mishap in AFTER:
                try:
                    answer = self.authorized(asked, route.call) or route.handle(asked)
                except Unanswered as fault:
                    return await self._meet(request, fault.mishap)
                return await self._answer(request, answer, mishap)
            if mishap is Mishap.LATE:
                await asyncio.sleep(LATE_SECONDS)
                if self.authorized(asked, route.call) is None:
                    with contextlib.suppress(Unanswered):
                        route.handle(asked)
                return await self._silence(request)
            return await self._meet(request, mishap)

        return handle

    def _door(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A websocket's handshake: counted as a request of "stream", and meets what that is to meet."""

        async def handle(request: web.Request) -> web.StreamResponse:
            mishap = self.arrived("stream")
            if mishap is None:
                return await handler(request)
            return await self._meet(request, NEVER_OPENED.get(mishap, mishap))

        return handle

    async def _meet(self, request: web.Request, mishap: Mishap) -> web.StreamResponse:
        """A request that is not handled, or whose answer never was."""
        if mishap is Mishap.LOST:
            return await self._silence(request)
        if mishap is Mishap.RESET:
            return self._break(request)
        if mishap is Mishap.HTML:
            return web.Response(status=502, text=PAGE, content_type="text/html", headers={HEADER: self.name})
        if mishap is Mishap.GARBAGE:
            return self._response(GARBAGE)
        return self._response(self.trouble(mishap))

    async def _answer(self, request: web.Request, answer: Answer, mishap: Mishap | None) -> web.StreamResponse:
        """`mishap`: what becomes of the answer to a request that was handled."""
        if mishap is Mishap.LOST_REPLY:
            return await self._silence(request)
        if mishap is Mishap.RESET_AFTER:
            return self._break(request)
        if mishap is Mishap.FAILED_AFTER:
            return self._response(self.trouble(Mishap.FAILED))
        if mishap is Mishap.GARBAGE:
            return self._response(GARBAGE)
        if mishap is Mishap.TRUNCATED and answer.body is None:
            return self._break(request)  # nothing has no middle
        if mishap is Mishap.TRUNCATED:
            whole = json.dumps(answer.body).encode()
            half = whole[: max(len(whole) // 2, 1)]
            headers = self._headers(answer)
            return web.Response(status=answer.status, body=half, content_type="application/json", headers=headers)
        return self._response(answer)

    def _response(self, answer: Answer) -> web.Response:
        headers = self._headers(answer)
        if answer.body is None:
            return web.Response(status=answer.status, headers=headers)
        return web.json_response(answer.body, status=answer.status, headers=headers)

    def _headers(self, answer: Answer) -> dict[str, str]:
        """The date is the venue's, which may be wrong."""
        date = format_datetime(self.clock.now(), usegmt=True)
        return {HEADER: self.name, "Date": date, **self.headers(), **answer.headers}

    async def _stranger(self, _: web.Request) -> web.StreamResponse:
        return self._response(self.unknown_path())

    async def _silence(self, request: web.Request) -> web.StreamResponse:
        """Hold the connection until the client gives up."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ended.wait(), self.setup.patience)
        return self._break(request)

    def _break(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)

    # ---- push --------------------------------------------------------------------------------------------------------
    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Take a websocket; it is dropped and muted with the others. The subclass reads `messages` until they end."""
        socket = web.WebSocketResponse(autoping=False)
        socket.headers[HEADER] = self.name
        await socket.prepare(request)
        self.sockets.add(socket)
        return socket

    async def messages(self, socket: web.WebSocketResponse) -> AsyncIterator[str | bytes]:
        """What the client says, until it leaves or is dropped. Pings are answered, unless streams are mute."""
        try:
            async for message in socket:
                if message.type is WSMsgType.PING and not self.muted:
                    await socket.pong(message.data)
                elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    yield message.data
        finally:
            self.sockets.discard(socket)

    async def send(self, socket: web.WebSocketResponse, data: str | bytes) -> None:
        """A text or binary message, unless streams are mute. A client that left is no error."""
        if self.muted:
            return
        try:
            await (socket.send_str(data) if isinstance(data, str) else socket.send_bytes(data))
        except ConnectionError:
            self.sockets.discard(socket)

    @property
    def muted(self) -> bool:
        """Whether push connections carry nothing now."""
        return self.clock.monotonic() < self.muted_until

    def drop_streams(self) -> None:
        self.on_loop(self._drop())

    def mute_streams(self, seconds: float) -> None:
        self.muted_until = self.clock.monotonic() + seconds

    async def _drop(self) -> None:
        for socket in list(self.sockets):
            self.sockets.discard(socket)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(socket.close(code=WSCloseCode.GOING_AWAY), 1.0)

    def on_loop(self, work: Any) -> Any:
        """Run a coroutine on the server's loop, from any other thread; its result."""
        if self._loop is None:
            raise RuntimeError(f"{self.name} does not run")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _pump(self) -> None:
        """What happens to orders, as it happens."""
        events = self.venue.connect().stream_orders()
        while True:
            try:
                for _ in range(1_000):
                    event = next(events, None)
                    if event is None:
                        events = self.venue.connect().stream_orders()  # its keeper closed the venue's streams
                    if event is None or isinstance(event, Idle):
                        break
                    await self._told(event)
                await self.beat()
            except Exception:  # noqa: BLE001 - streams go on, and the log has it
                _log.exception("%s: something was not told", self.name)
            await asyncio.sleep(0.005)

    async def _told(self, event: Any) -> None:
        if isinstance(event, Reset):
            await self._drop()
        elif isinstance(event, Fill | OrderReport) and not self.muted:
            await self.push(event)

    async def push(self, event: Fill | OrderReport) -> None:
        """Tell whoever listens; a venue without a stream has nobody."""

    async def beat(self) -> None:
        """Called again and again, some hundred times a second: what a stream tells of by itself."""


async def _read(request: web.Request) -> Asked:
    return Asked(
        request.method, request.path, dict(request.query.items()), await request.read(),
        {name.lower(): value for name, value in request.headers.items()}, dict(request.match_info),
        request.rel_url.raw_query_string,
    )  # fmt: skip
