"""The two ways to the MetaTrader5 module: in this Python, or in another one over rpyc."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from trader.errors import BadPayload
from trader.sdk import need

from trader_broker_mt5 import served

WHO = "trader-broker-mt5"
BESIDE = """
import MetaTrader5
def ask_here(text): return ask(MetaTrader5, text)
def send_here(text): return send(MetaTrader5, text)
"""
"""Binds the functions of `served` to the module over there."""


class Link(Protocol):
    """A way to the functions of `served`."""

    def call(self, function: str, text: str, seconds: float) -> str: ...
    def close(self) -> None: ...


class Here:
    """The MetaTrader5 module of this Python."""

    def __init__(self) -> None:
        """PluginBroken if it is missing or of another version."""
        self._module = need(WHO, "MetaTrader5", "5.0.45", "6", "MetaTrader5")

    def call(self, function: str, text: str, seconds: float) -> str:  # noqa: ARG002 - it cannot be interrupted
        return str(getattr(served, function)(self._module, text))

    def close(self) -> None:
        """The terminal goes on, and so does a call that it does not answer."""


class There:
    """The module of a Windows or Wine Python, through the rpyc classic server that it runs."""

    def __init__(self, address: tuple[str, int], seconds: float) -> None:
        """OSError, EOFError or TimeoutError where nobody answers."""
        need(WHO, "rpyc", "6", "7", "rpyc")
        from rpyc.core.service import MasterService
        from rpyc.core.stream import SocketStream
        from rpyc.utils.factory import connect_stream

        line = socket.create_connection(address, timeout=seconds)  # rpyc's own leaks a socket where nobody listens
        line.settimeout(None)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream: Any = SocketStream(line)
        try:
            # Master only: whoever answers at that port may not run anything here.
            self._connection: Any = connect_stream(self._stream, MasterService, {"sync_request_timeout": seconds})
            self._connection.execute(Path(served.__file__).read_text("utf-8") + BESIDE)
            names = self._connection.namespace
            self._functions = {name: names[f"{name}_here"] for name in ("ask", "send")}
        except BaseException:
            self.close()
            raise

    def call(self, function: str, text: str, seconds: float) -> str:
        self._connection._config["sync_request_timeout"] = seconds  # noqa: SLF001 - rpyc has no timeout by call
        answer = self._functions[function](text)
        if not isinstance(answer, str):
            raise BadPayload(function, "", "text", type(answer))
        return answer

    def close(self) -> None:
        """At once, from any thread; rpyc's own close would wait for the other side to agree."""
        with suppress(Exception):
            self._stream.sock.shutdown(socket.SHUT_RDWR)
        with suppress(Exception):
            self._stream.close()
