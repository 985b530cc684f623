"""What may stand in [brokers.paper]."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from trader.model import ONE, ZERO, Instrument
from trader.simulation import Fee, Fraction, NoFee, NoSlippage, Percentage, PerOrder, PerShare, Terms

Positive = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Fees(BaseModel):
    """What trading costs, for each order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["none", "per_share", "percentage", "per_order"] = "none"
    rate: NotNegative | None = Field(
        default=None,
        description="per_share: currency for each unit. percentage: fraction of the notional, 0.001 is 10 basis points."
        " per_order: currency for each order that is filled.",
    )
    minimum: NotNegative = Field(default=ZERO, description="per_share: at least this for each order.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.kind == "none") is not (self.rate is None):
            raise ValueError(f'kind "{self.kind}" ' + ("needs a rate" if self.rate is None else "has no rate"))
        if self.minimum and self.kind != "per_share":
            raise ValueError('only kind "per_share" has a minimum')
        return self

    def make(self) -> Fee:
        """The venue's fee object."""
        if self.rate is None:
            return NoFee()
        if self.kind == "per_share":
            return PerShare(self.rate, self.minimum)
        return Percentage(self.rate) if self.kind == "percentage" else PerOrder(self.rate)


class Rules(BaseModel):
    """The rules of one symbol, where they differ."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tick: Positive | None = Field(default=None, description="Smallest step of a price; else the broker's.")
    lot: Positive | None = Field(default=None, description="Smallest step of a quantity; else the broker's.")
    min_notional: NotNegative = Field(default=ZERO, description="Smallest order, quantity x price x multiplier.")
    multiplier: Positive = Field(default=ONE, description="Currency that one unit moves by when the price moves by 1.")
    settlement: Literal["cash", "margin"] = Field(
        default="cash",
        description="cash: a buy pays its notional. margin: only profit moves cash (futures, FX).",
    )
    tradable: bool = True
    shortable: bool = True


class Settings(BaseModel):
    """What may stand in [brokers.paper]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(default="", pattern=r"^[\w.-]*$", description="Name of the account; else the instance's name.")
    cash: NotNegative = Field(default=Decimal(100_000), description="What a new account begins with.")
    currency: str = Field(default="USD", min_length=1)
    tick: Positive = Field(default=Decimal("0.01"), description="Smallest step of a price.")
    lot: Positive = Field(default=ONE, description="Smallest step of a quantity.")
    fees: Fees = Fees()
    slippage_bps: float = Field(
        default=0.0, ge=0, lt=10_000, description="Market and stop orders fill this many basis points worse."
    )
    participation: float = Field(
        default=0.1,
        gt=0,
        allow_inf_nan=False,
        description="Share of a bar's volume that all orders may trade.",
    )
    shorting: bool = Field(default=False, description="Whether more may be sold than is held.")
    leverage: Positive = Field(
        default=ONE, description="Gross exposure / equity that shorts and margin-settled symbols may reach by trading."
    )
    instruments: dict[str, Rules] = Field(default={}, description="Rules of single symbols, by symbol.")

    def terms(self) -> Terms:
        """The account's conditions."""
        return Terms(
            fee=self.fees.make(),
            slippage=Fraction(self.slippage_bps) if self.slippage_bps else NoSlippage(),
            participation=self.participation,
            shorting=self.shorting,
            leverage=self.leverage,
        )

    def template(self) -> Instrument:
        """The rules of every symbol that has none of its own."""
        return Instrument("", currency=self.currency, tick=self.tick, lot=self.lot)

    def overrides(self) -> list[Instrument]:
        """The rules of the symbols that have their own."""
        return [
            Instrument(
                symbol,
                currency=self.currency,
                tick=rules.tick or self.tick,
                lot=rules.lot or self.lot,
                min_notional=rules.min_notional,
                multiplier=rules.multiplier,
                settlement=rules.settlement,
                tradable=rules.tradable,
                shortable=rules.shortable,
            )
            for symbol, rules in self.instruments.items()
        ]
