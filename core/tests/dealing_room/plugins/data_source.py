"""The minutes of the market."""

from trader.hookspecs import hookimpl

from dealing_room.parts import PRESENT, Minutes, Settings

__all__ = ["Settings"]


@hookimpl
def provide_data_source(settings, env):
    return Minutes(PRESENT[-1], PRESENT[-1].life)
