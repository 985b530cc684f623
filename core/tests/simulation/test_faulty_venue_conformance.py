"""A faulty venue without faults does what every broker must do."""

from decimal import Decimal
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from trader.hookspecs import hookimpl
from trader.model import Instrument
from trader.simulation import FaultyVenue, SimulatedVenue
from trader.testing import BrokerConformance


class Settings(BaseModel):
    """It has none."""

    model_config = ConfigDict(extra="forbid")


class Clock:
    """The world's time."""

    def __init__(self, env):
        self.now = env.now


FAR_AWAY: dict = {}
"""Folder -> the venue, which outlives every client."""


@hookimpl
def provide_broker(settings, env):
    if env.folder not in FAR_AWAY:
        inner = SimulatedVenue(Decimal(100_000), instruments=[Instrument("AAPL")])
        FAR_AWAY[env.folder] = FaultyVenue(inner, clock=Clock(env), seed=1)
    return FAR_AWAY[env.folder]


class TestFaultyVenueWithoutFaults(BrokerConformance):
    plugin = provide_broker
    skip: ClassVar = {}
