"""A strategy that changes its mind."""

from __future__ import annotations

from pydantic import BaseModel
from simulation.venue import SimOpinions
from trader.hookspecs import hookimpl
from trader.protocols import Env


class Settings(BaseModel, extra="forbid"):
    """Chances in each cycle: to think anew of a symbol, and to leave a position. `short`: whether it may go short."""

    change: float = 0.4
    leave: float = 0.05
    short: bool = False


@hookimpl
def provide_strategy(settings: Settings, env: Env) -> SimOpinions:
    """Make the strategy."""
    return SimOpinions(env, settings.change, settings.leave, settings.short)
