"""The way of each request of the SDK's session: its timeout, its end at `close`, its detour to an emulator."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout

LOCAL = threading.local()
"""Of the calling thread: `owner`, who asks; `failure`, the exception that its last request ended in."""
LIVE: WeakKeyDictionary[HTTPConnection, str] = WeakKeyDictionary()
"""Connection -> who used it last."""
LOCK = threading.Lock()


def _taken(connection: HTTPConnection) -> None:
    with LOCK:
        LIVE[connection] = getattr(LOCAL, "owner", "")


def interrupt(owner: str) -> None:
    """Every request of `owner` that waits for an answer ends at once, with a broken connection."""
    with LOCK:
        mine = [connection for connection, who in LIVE.items() if who == owner]
    for connection in mine:
        if isinstance(connection.sock, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # not SSLSocket's: another thread reads there


class _Plain(HTTPConnection):
    def request(self, *args: Any, **more: Any) -> None:
        _taken(self)
        super().request(*args, **more)


class _Secure(HTTPSConnection):
    def request(self, *args: Any, **more: Any) -> None:
        _taken(self)
        super().request(*args, **more)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class Road(HTTPAdapter):
    """Mounted on the SDK's session for https://. Never tries again. `base`: an emulator's address, "" for the venue.

    Robinhood's real names stay in the addresses (and in the Host header), links in answers included.
    """

    def __init__(self, base: str, seconds: Callable[[], float]) -> None:
        """`seconds` is asked for each request's timeout."""
        self._base, self._seconds = base, seconds
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """With connections that can be interrupted."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def send(self, request: PreparedRequest, *args: Any, **more: Any) -> Response:
        """One request, the whole answer read within its time."""
        if self._base:
            there = urlsplit(request.url or "")
            request.headers["Host"] = there.netloc
            request.url = self._base + there.path + (f"?{there.query}" if there.query else "")
            more["proxies"] = {}
        more["timeout"] = Timeout(total=self._seconds())
        LOCAL.failure = None
        try:
            response = super().send(request, *args, **more)
            response.content  # noqa: B018 - read here, so that its failure is seen here
        except Exception as error:
            LOCAL.failure = error
            raise
        return response
