"""No network here: a connection that is tried is refused at once, and reported even if its error was swallowed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_CALLS = ("connect", "connect_ex", "sendto")
_NAMES = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")


class NetworkUsed(AssertionError):
    """Something tried to reach the network where it must not."""


@contextmanager
def no_network() -> Iterator[None]:
    """Within it every connection and every look-up of a host fails. Sockets of this machine's own files pass.

    Raises:
        NetworkUsed: at the end, naming what was tried, also where the plugin caught the error.
    """
    tried: list[str] = []
    calls = {name: getattr(socket.socket, name) for name in _CALLS}
    names = {name: getattr(socket, name) for name in _NAMES}
    for name, real in calls.items():
        setattr(socket.socket, name, _call(name, real, tried))
    for name in names:
        setattr(socket, name, _look_up(name, tried))
    try:
        yield
    finally:
        for name, real in calls.items():
            setattr(socket.socket, name, real)
        for name, real in names.items():
            setattr(socket, name, real)
    if tried:
        raise NetworkUsed(f"Expected no network, was {tried[0]}.")


def _call(name: str, real: Callable[..., Any], tried: list[str]) -> Callable[..., Any]:
    def refuse(self: socket.socket, *args: Any) -> Any:
        if self.family == getattr(socket, "AF_UNIX", None):
            return real(self, *args)
        tried.append(f"socket.{name}{args!r}")
        raise OSError(f"no network here: socket.{name}{args!r}")

    return refuse


def _look_up(name: str, tried: list[str]) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - the signature of what it stands in for
        tried.append(f"socket.{name}{args!r}")
        raise OSError(f"no network here: socket.{name}{args!r}")

    return refuse
