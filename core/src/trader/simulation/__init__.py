"""The simulated venue that the paper broker, the backtest and the fault tests trade on. No I/O, no clock.

`FaultyVenue` puts a live venue's faults in front of it, on a clock that it is handed.
"""

from trader.simulation.faults import Faults
from trader.simulation.faulty import FaultyVenue
from trader.simulation.fees import Fee, NoFee, Percentage, PerOrder, PerShare
from trader.simulation.record import Changes
from trader.simulation.slippage import Fraction, NoSlippage, Slippage, VolumeShare
from trader.simulation.terms import Terms
from trader.simulation.venue import SimulatedVenue

__all__ = [
    "Changes",
    "Faults",
    "FaultyVenue",
    "Fee",
    "Fraction",
    "NoFee",
    "NoSlippage",
    "PerOrder",
    "PerShare",
    "Percentage",
    "SimulatedVenue",
    "Slippage",
    "Terms",
    "VolumeShare",
]
