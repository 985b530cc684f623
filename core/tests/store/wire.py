"""A line to a PostgreSQL server that is cut at a COMMIT."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit


class Line:
    """Passes bytes on to the server's socket, both ways, until it is told to cut. `url` leads through it."""

    def __init__(self, url):
        parts = urlsplit(url)
        self._server = parse_qs(parts.query)["host"][0] + "/.s.PGSQL.5432"
        self._door = socket.create_server(("127.0.0.1", 0))
        port = self._door.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}{parts.path}?sslmode=disable&gssencmode=disable"
        self._cut = None
        self._threads = [threading.Thread(target=self._let_in)]
        self._threads[0].start()

    def cut(self, *, arrives):
        """Once, at the next COMMIT: let it arrive and keep the answer back, or keep it back too."""
        self._cut = arrives

    def close(self):
        """After all who used it have closed."""
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for each in self._threads:
            each.join(5)

    def _let_in(self):
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                thread = threading.Thread(target=self._carry, args=(client, server))
                self._threads.append(thread)
                thread.start()

    def _carry(self, client, server):
        last = threading.Event()
        answers = threading.Thread(target=self._answer, args=(client, server, last))
        answers.start()
        with suppress(OSError):
            while asked := client.recv(65536):
                if self._cut is not None and b"COMMIT\0" in asked:
                    arrives, self._cut = self._cut, None
                    last.set()
                    if arrives:
                        server.sendall(asked)
                    break
                server.sendall(asked)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)  # the server ends what it is doing and hangs up
        answers.join()
        client.close()
        server.close()

    @staticmethod
    def _answer(client, server, last):
        """Until the server hangs up, or its last answer is kept back: then the line is dead."""
        with suppress(OSError):
            while answered := server.recv(65536):
                if last.is_set():
                    break
                client.sendall(answered)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
