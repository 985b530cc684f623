"""The minutes of the simulated market."""

from __future__ import annotations

from pydantic import BaseModel
from simulation.plugins.presence import present
from simulation.venue import SimBars
from trader.hookspecs import hookimpl
from trader.protocols import Env


class Settings(BaseModel, extra="forbid"):
    """Nothing to choose."""


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> SimBars:
    """The source of the life that runs."""
    return SimBars(present())
