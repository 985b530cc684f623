"""What the room wants."""

from dealing_room.parts import PRESENT, Settings, Wants
from trader.hookspecs import hookimpl

__all__ = ["Settings"]


@hookimpl
def provide_strategy(settings, env):
    return Wants(PRESENT[-1], settings.book)
