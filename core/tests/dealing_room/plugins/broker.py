"""The client of a book's venue."""

from dealing_room.parts import PRESENT, Client, Settings, StreamingClient
from trader.hookspecs import hookimpl

__all__ = ["Settings"]


@hookimpl
def provide_broker(settings, env):
    room = PRESENT[-1]
    return (StreamingClient if room.stream else Client)(room, room.life, settings.book)
