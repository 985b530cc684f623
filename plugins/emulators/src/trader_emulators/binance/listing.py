"""What trades at the venue: pairs against USDT, their steps and smallest orders."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

QUOTE = "USDT"


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair on one of the venue's markets; prices in USDT."""

    base: str
    begin: float
    """Where its price begins, if nobody says."""
    tick: Decimal
    lot: Decimal
    least: Decimal
    """The smallest order, in USDT."""
    most: Decimal = Decimal(1_000_000)
    """The largest order, in units."""

    @property
    def symbol(self) -> str:
        """Canonical: BTC/USDT."""
        return f"{self.base}/{QUOTE}"

    @property
    def name(self) -> str:
        """The venue's: BTCUSDT."""
        return f"{self.base}{QUOTE}"

    @property
    def price_places(self) -> int:
        """Digits behind the point of a price."""
        return places(self.tick)

    @property
    def written_places(self) -> int:
        """Digits behind the point that a price may be written with: two of 0.10."""
        return max(0, -int(self.tick.as_tuple().exponent))

    @property
    def lot_places(self) -> int:
        """Digits behind the point of a quantity."""
        return places(self.lot)


def places(step: Decimal) -> int:
    """Digits behind the point of a step: 2 of 0.01, 0 of 1."""
    return max(0, -int(step.normalize().as_tuple().exponent))


def pairs(table: str, least: str) -> dict[str, Pair]:
    """By canonical symbol, of lines "BASE price tick lot"."""
    rows = (line.split() for line in table.strip().splitlines())
    made = (Pair(base, float(price), Decimal(tick), Decimal(lot), Decimal(least)) for base, price, tick, lot in rows)
    return {pair.symbol: pair for pair in made}


SPOT = pairs(
    """
    BTC   60000.0  0.01     0.00001
    ETH    3000.0  0.01     0.0001
    BNB     600.0  0.01     0.001
    SOL     150.0  0.01     0.001
    XRP       0.6  0.0001   0.1
    ADA       0.4  0.0001   0.1
    DOGE      0.15 0.00001  1
    LTC      80.0  0.01     0.001
    LINK     15.0  0.01     0.01
    AVAX     30.0  0.01     0.01
    """,
    "5",
)
FUTURES = pairs(
    """
    BTC   60000.0  0.10     0.001
    ETH    3000.0  0.01     0.001
    BNB     600.0  0.010    0.01
    SOL     150.0  0.0100   0.01
    XRP       0.6  0.0001   0.1
    ADA       0.4  0.00010  1
    DOGE      0.15 0.000010 1
    LTC      80.0  0.01     0.001
    LINK     15.0  0.001    0.01
    AVAX     30.0  0.0010   1
    """,
    "5",
)
