"""What a simulated account is granted and charged."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from trader.model import ONE
from trader.simulation.fees import Fee, NoFee
from trader.simulation.slippage import NoSlippage, Slippage


@dataclass(frozen=True, slots=True)
class Terms:
    """The account's conditions. The default is the plainest: free, no slippage, no limit on volume, long only."""

    fee: Fee = field(default_factory=NoFee)
    slippage: Slippage = field(default_factory=NoSlippage)
    participation: float = 1.0
    """Of a bar's volume, what all orders in a symbol may trade together; above 1 is allowed."""
    shorting: bool = False
    leverage: Decimal = ONE
    """Gross exposure / equity that an account with shorts or margin-settled instruments may reach by trading."""
    quantum: Decimal = Decimal("0.01")
    """The smallest amount of the account's currency that a fee is charged in."""
