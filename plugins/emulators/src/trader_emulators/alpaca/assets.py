"""What the emulated Alpaca trades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trader.model import ONE, ZERO, Instrument

from trader_emulators.alpaca.text import amount, fixed_id

LOT = Decimal("1e-9")
CRYPTO_MINIMUM = Decimal(10)


@dataclass(frozen=True, slots=True)
class Asset:
    """One thing to trade; `price` is where it begins."""

    symbol: str
    name: str
    exchange: str
    price: float
    lot: Decimal = LOT
    """Crypto: the smallest order too."""

    @property
    def crypto(self) -> bool:
        return "/" in self.symbol

    @property
    def kind(self) -> str:
        """Its asset class."""
        return "crypto" if self.crypto else "us_equity"

    @property
    def base(self) -> str:
        """BTC of BTC/USD."""
        return self.symbol.partition("/")[0]

    @property
    def held_as(self) -> str:
        """Its name in the list of positions, where pairs have no slash."""
        return self.symbol.replace("/", "")

    @property
    def id(self) -> str:
        return fixed_id(self.symbol)

    def rules(self, price: float) -> Instrument:
        """As the account behind the protocol trades it, where its price begins."""
        tick = Decimal("0.01") if self.crypto or price >= 1 else Decimal("0.0001")
        minimum = CRYPTO_MINIMUM if self.crypto else ONE
        return Instrument(self.symbol, "USD", tick, self.lot, minimum, shortable=not self.crypto)

    def payload(self, rules: Instrument) -> dict[str, Any]:
        """Of GET /v2/assets."""
        stock = not self.crypto
        said: dict[str, Any] = {
            "id": self.id, "class": self.kind, "exchange": self.exchange, "symbol": self.symbol, "name": self.name,
            "status": "active", "tradable": rules.tradable, "marginable": stock, "shortable": rules.shortable,
            "easy_to_borrow": rules.shortable, "fractionable": True,
            "maintenance_margin_requirement": 30 if stock else 100,
            "margin_requirement_long": "30" if stock else "100",
            "margin_requirement_short": "30" if stock else "100",
            "attributes": ["fractional_eh_enabled"] if stock else [],
        }  # fmt: skip
        if self.crypto:
            step = amount(self.lot)
            said |= {"min_order_size": step, "min_trade_increment": step, "price_increment": amount(rules.tick)}
        return said


ASSETS: Mapping[str, Asset] = {
    asset.symbol: asset
    for asset in (
        Asset("AAPL", "Apple Inc. Common Stock", "NASDAQ", 210.0),
        Asset("AMZN", "Amazon.com, Inc. Common Stock", "NASDAQ", 220.0),
        Asset("AMD", "Advanced Micro Devices, Inc. Common Stock", "NASDAQ", 160.0),
        Asset("DIA", "SPDR Dow Jones Industrial Average ETF Trust", "ARCA", 430.0),
        Asset("GLD", "SPDR Gold Shares", "ARCA", 300.0),
        Asset("GOOGL", "Alphabet Inc. Class A Common Stock", "NASDAQ", 180.0),
        Asset("IWM", "iShares Russell 2000 ETF", "ARCA", 220.0),
        Asset("JPM", "JPMorgan Chase & Co. Common Stock", "NYSE", 280.0),
        Asset("KO", "The Coca-Cola Company Common Stock", "NYSE", 70.0),
        Asset("META", "Meta Platforms, Inc. Class A Common Stock", "NASDAQ", 650.0),
        Asset("MSFT", "Microsoft Corporation Common Stock", "NASDAQ", 450.0),
        Asset("NFLX", "Netflix, Inc. Common Stock", "NASDAQ", 1_200.0),
        Asset("NVDA", "NVIDIA Corporation Common Stock", "NASDAQ", 150.0),
        Asset("QQQ", "Invesco QQQ Trust, Series 1", "NASDAQ", 540.0),
        Asset("SPY", "SPDR S&P 500 ETF Trust", "ARCA", 600.0),
        Asset("TLT", "iShares 20+ Year Treasury Bond ETF", "NASDAQ", 88.0),
        Asset("TSLA", "Tesla, Inc. Common Stock", "NASDAQ", 320.0),
        Asset("XOM", "Exxon Mobil Corporation Common Stock", "NYSE", 110.0),
        Asset("BTC/USD", "Bitcoin / US Dollar", "CRYPTO", 60_000.0, Decimal("0.0001")),
        Asset("ETH/USD", "Ethereum / US Dollar", "CRYPTO", 3_000.0, Decimal("0.001")),
    )
}
_NAMES = {name: asset for asset in ASSETS.values() for name in (asset.symbol, asset.held_as, asset.id)}


def asset_of(name: str) -> Asset | None:
    """By symbol, by symbol without its slash, or by id."""
    return _NAMES.get(name)


def listed(symbol: str) -> Asset:
    """What is traded or held is listed; KeyError if that is not so."""
    return ASSETS[symbol]


def is_whole(quantity: Decimal) -> bool:
    """No fraction of a share."""
    return quantity % 1 == ZERO
