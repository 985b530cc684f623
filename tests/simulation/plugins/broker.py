"""The client of the simulated venue."""

from __future__ import annotations

from pydantic import BaseModel
from simulation.plugins import present
from simulation.venue import SimBroker
from trader.hookspecs import hookimpl
from trader.protocols import Env


class Settings(BaseModel, extra="forbid"):
    """Nothing to choose."""


@hookimpl
def provide_broker(settings: Settings, env: Env) -> SimBroker:
    """The client of the life that runs."""
    return SimBroker(present())
