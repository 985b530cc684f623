"""The leg that the room says."""

from trader.hookspecs import hookimpl

from dealing_room.parts import PRESENT, Settings, Style

__all__ = ["Settings"]


@hookimpl
def provide_execution_style(settings, env):
    return Style(PRESENT[-1])
