"""What the emulated server trades. A quantity at the venue inside is a volume in lots; the contract size multiplies."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from trader.model import Instrument

CURRENCY = "USD"
LEVERAGE = 100
FILLS_FOK, FILLS_IOC = 1, 2


@dataclass(frozen=True, slots=True)
class Spec:
    """One symbol, as the server's administrator sets it up."""

    name: str
    base: str
    profit: str
    digits: int
    contract: int
    begin: float
    """Where its price begins."""
    filling: int = FILLS_FOK
    """A mask of FILLS_FOK and FILLS_IOC: how a market order may be filled."""
    stops_level: int = 0
    """Points between the price and a stop or pending order, at least."""
    calc_mode: int = 0
    path: str = "Forex"
    description: str = ""
    volume_min: Decimal = Decimal("0.01")
    volume_step: Decimal = Decimal("0.01")
    volume_max: Decimal = Decimal(500)
    selected: bool = True
    """Stands in Market Watch from the beginning."""

    @property
    def symbol(self) -> str:
        """Canonical: "EUR/USD" for a name that is base and profit currency, else the name."""
        return f"{self.base}/{self.profit}" if self.name == self.base + self.profit else self.name

    @property
    def point(self) -> Decimal:
        """The smallest step of the price."""
        return Decimal(1).scaleb(-self.digits)

    @property
    def tradable(self) -> bool:
        """Profits in another currency would have to be converted: the account here has one."""
        return self.profit == CURRENCY

    def instrument(self) -> Instrument:
        """For the venue inside."""
        return Instrument(
            self.symbol, self.profit, self.point, self.volume_step, multiplier=Decimal(self.contract),
            settlement="margin", tradable=self.tradable,
        )  # fmt: skip


SPECS = (
    Spec("EURUSD", "EUR", "USD", 5, 100_000, 1.1, description="Euro vs US Dollar"),
    Spec("GBPUSD", "GBP", "USD", 5, 100_000, 1.3, FILLS_IOC, description="Great Britain Pound vs US Dollar"),
    Spec("USDJPY", "USD", "JPY", 3, 100_000, 150.0, description="US Dollar vs Japanese Yen"),
    Spec("XAUUSD", "XAU", "USD", 2, 100, 2_400.0, FILLS_FOK | FILLS_IOC, 20, 4, "Metals", "Gold vs US Dollar"),
    Spec("US500", "USD", "USD", 1, 10, 5_000.0, FILLS_IOC, 5, 3, "Indices", "US 500 Index", selected=False),
    Spec("BTCUSD", "BTC", "USD", 2, 1, 60_000.0, FILLS_IOC, 0, 4, "Crypto", "Bitcoin vs US Dollar"),
)
BY_NAME = {spec.name: spec for spec in SPECS}
BY_SYMBOL = {spec.symbol: spec for spec in SPECS}


def on_step(value: float, step: Decimal) -> Decimal | None:
    """The whole multiple of the step that a float means, to a millionth of the step; None: it means none."""
    steps = Decimal(repr(float(value))) / step
    whole = steps.to_integral_value()
    return whole * step if abs(steps - whole) < Decimal("0.000001") else None
