"""Keeps in the room what was delivered, as long as it is open; each takes a while."""

import threading

from dealing_room.parts import PRESENT, Settings
from trader.hookspecs import hookimpl
from trader.model import Delivered, Failed

__all__ = ["Settings"]


class Post:
    def __init__(self, room):
        self._room, self._open = room, True

    def check(self):
        return None

    def send(self, alert, earlier):
        threading.Event().wait(0.05)
        if not self._open:
            return Failed("it is closed")
        self._room.post.append((alert.event, alert.text))
        return Delivered("ok")

    def close(self):
        self._open = False


@hookimpl
def provide_alert_transport(settings, env):
    return Post(PRESENT[-1])
