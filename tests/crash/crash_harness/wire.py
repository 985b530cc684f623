"""A line to the venue server: one call, one answer, over a socket on 127.0.0.1."""

from __future__ import annotations

import os
import socket
import threading
from multiprocessing.connection import Client, Connection
from typing import Any, Literal

KEY = "CRASH_VENUE_KEY"
"""The environment's name for the word that opens a line, in hexadecimal."""
Role = Literal["trader", "keeper"]
"""A trader's calls can be held and are counted; a keeper runs the experiment."""


class Down(Exception):
    """The server did not answer: nobody knows whether the call arrived."""


class ServerFault(Exception):
    """The server's own code raised."""


def at_once(connection: Connection) -> Connection:
    """Let small messages leave at once: the system would keep a second one back for 40 ms."""
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Line:
    """Calls to a server; every thread has a connection of its own."""

    def __init__(self, port: int, key: bytes, role: Role) -> None:
        self._port, self._key, self._role = port, key, role
        self._mine = threading.local()

    def ask(self, method: str, *args: Any, timeout: float = 30.0) -> Any:
        """The answer. Down if the line breaks or nothing comes in `timeout` seconds, ServerFault if it raised there."""
        try:
            connection = self._connection()
            connection.send((self._role, os.getpid(), method, args))
            if not connection.poll(timeout):
                raise TimeoutError(f"no answer in {timeout:g} s")
            fine, answer = connection.recv()
        except (OSError, EOFError) as problem:
            self.close()
            raise Down(f"{method}: {problem!r}") from problem
        if not fine:
            raise ServerFault(answer)
        return answer

    def _connection(self) -> Any:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = at_once(Client(("127.0.0.1", self._port), authkey=self._key))
        return connection

    def close(self) -> None:
        """Let go of this thread's connection; the next call makes a new one."""
        connection = getattr(self._mine, "connection", None)
        if connection is not None:
            connection.close()
            self._mine.connection = None
