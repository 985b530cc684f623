"""The rpyc server: a classic service whose `import MetaTrader5` is the emulator's own."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import logging
import socket
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trader_emulators.mt5.venue import Mt5Emulator

NAME = "MetaTrader5"
POLL_SECONDS = 0.5
CLOSING_SECONDS = 5.0


class Line:
    """One client's connection: what it was last told, and how it breaks."""

    def __init__(self) -> None:
        self.last_error: tuple[int, str] = (1, "Success")
        self._connection: Any = None

    def join(self, connection: Any) -> None:
        """It is that of an rpyc connection."""
        self._connection = connection

    def cut(self) -> None:
        """It breaks, without a word. Raises EOFError, so that nothing is answered."""
        if self._connection is not None:
            with contextlib.suppress(OSError, EOFError, AttributeError):
                self._connection._channel.stream.sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - rpyc has no abort
        raise EOFError("the connection was cut")


def importing(module: ModuleType) -> dict[str, Any]:
    """The builtins of a namespace in which that module is MetaTrader5; sys.modules stays as it is."""

    def find(name: str, *rest: Any, **more: Any) -> Any:
        return module if name == NAME else builtins.__import__(name, *rest, **more)

    return {**vars(builtins), "__import__": find}


def service(emulator: Mt5Emulator) -> Any:
    """A class of services: each connection has its own namespace and module, all the one terminal."""
    from rpyc.core.service import SlaveService

    from trader_emulators.mt5.package import package

    class TerminalService(SlaveService):  # type: ignore[misc]  # rpyc has no types
        """The classic service, with one module of its own."""

        def __init__(self) -> None:
            super().__init__()
            self.line = Line()
            self.module = package(emulator, self.line)
            self.namespace["__builtins__"] = importing(self.module)

        def getmodule(self, name: Any) -> Any:
            """MetaTrader5 is the emulator's; anything else is this Python's."""
            name = ".".join(name) if isinstance(name, tuple) else name
            return self.module if name == NAME else importlib.import_module(name)

        def on_connect(self, conn: Any) -> None:
            super().on_connect(conn)
            self.line.join(conn)

    return TerminalService


class Server:
    """The port, and a thread for each connection, as rpyc's ThreadedServer has it. Opened again after it was closed,
    it is another."""

    def __init__(self, emulator: Mt5Emulator) -> None:
        self._emulator, self.port = emulator, emulator.setup.port
        self._listener: socket.socket | None = None
        self._clients: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def host(self) -> str:
        """The address that it is bound to. OSError if it is closed."""
        if self._listener is None:
            raise OSError("the server is closed")
        return str(self._listener.getsockname()[0])

    def open(self, port: int) -> None:
        """OSError if the port is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if sys.platform != "win32":  # there it would share a port that is taken
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError:
            listener.close()
            raise
        listener.settimeout(POLL_SECONDS)
        self._listener, self.port = listener, listener.getsockname()[1]
        self._begin(self._accept, listener, service(self._emulator))

    def _begin(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, name="mt5-emulator", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, made: Callable[[], Any]) -> None:
        while self._listener is listener:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._clients.add(client)
            if self._listener is not listener:  # closed meanwhile
                client.close()
                return
            self._begin(self._serve, client, made())

    def _serve(self, client: socket.socket, made: Any) -> None:
        from rpyc.core.channel import Channel
        from rpyc.core.stream import SocketStream

        quiet = logging.getLogger("trader_emulators.mt5.rpyc")
        quiet.setLevel(logging.CRITICAL + 1)
        with client, contextlib.suppress(OSError, EOFError):
            made._connect(Channel(SocketStream(client)), {"logger": quiet}).serve_all()  # noqa: SLF001 - as its servers do
        self._clients.discard(client)

    def drop(self) -> None:
        """Every connection breaks."""
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Returns when every thread has ended. Again is no error."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.drop()
        for thread in list(self._threads):
            thread.join(CLOSING_SECONDS)
