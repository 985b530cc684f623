"""The simulated venue that the paper broker, the backtest and the fault tests trade on. No I/O, no clock."""

from trader.simulation.fees import Fee, NoFee, Percentage, PerOrder, PerShare
from trader.simulation.record import Changes
from trader.simulation.slippage import Fraction, NoSlippage, Slippage, VolumeShare
from trader.simulation.terms import Terms
from trader.simulation.venue import SimulatedVenue

__all__ = [
    "Changes",
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
