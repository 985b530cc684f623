"""What the room wants."""

from trader.hookspecs import hookimpl

from dealing_room.parts import PRESENT, Settings, Wants

__all__ = ["Settings"]


@hookimpl
def provide_strategy(settings, env):
    return Wants(PRESENT[-1], settings.book)
