"""What the room wants."""

from dealing_room.parts import PRESENT, Guards, Settings, Wants
from trader.hookspecs import hookimpl

__all__ = ["Settings"]


@hookimpl
def provide_strategy(settings, env):
    room = PRESENT[-1]
    return (Guards if room.guard else Wants)(room, settings.book)
