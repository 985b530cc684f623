"""The minutes of the market."""

from dealing_room.parts import PRESENT, Minutes, Settings
from trader.hookspecs import hookimpl

__all__ = ["Settings"]


@hookimpl
def provide_data_source(settings, env):
    return Minutes(PRESENT[-1], PRESENT[-1].life)
