"""The client of the simulated venue."""

from __future__ import annotations

from pydantic import BaseModel
from simulation.plugins.presence import present
from simulation.venue import SimBroker, SimStreamBroker
from trader.hookspecs import hookimpl
from trader.protocols import Env


class Settings(BaseModel, extra="forbid"):
    """Nothing to choose."""


@hookimpl
def provide_broker(settings: Settings, env: Env) -> SimBroker:
    """The client of the life that runs."""
    process = present()
    return SimStreamBroker(process) if process.world.profile.streams else SimBroker(process)
