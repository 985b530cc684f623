"""A limit on the units of one symbol."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel
from simulation.venue import SimCap
from trader.hookspecs import hookimpl
from trader.protocols import Env


class Settings(BaseModel, extra="forbid"):
    """`units`, long or short."""

    units: int


@hookimpl
def provide_risk_rule(settings: Settings, env: Env) -> SimCap:
    """Make the rule."""
    return SimCap(Decimal(settings.units))
