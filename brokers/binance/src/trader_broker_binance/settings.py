"""What may stand in [brokers.binance], [brokers.binance_futures] and the data sources of the same names."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

LOOPBACK = ("127.0.0.1", "::1", "localhost")
Asset = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$")]
Pair = Annotated[str, Field(pattern=r"^[^\s/]+(/[^\s/]+)?$")]


def _loopback(url: str) -> str:
    """Keys and orders must not go to another machine by a settings file's word."""
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK or parts.port is None:
        raise ValueError(f"url is for an emulator on this machine, such as http://127.0.0.1:8011; was {url!r}")
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(_loopback)]


class Place(BaseModel):
    """Where the venue is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    environment: Literal["testnet", "mainnet"] = Field(
        default="testnet", description="testnet: play money. mainnet: real money; it has to be named."
    )
    url: Url = Field(
        default="",
        description="Address of an emulator on this machine, such as http://127.0.0.1:8011; empty: the venue itself.",
    )

    @property
    def name(self) -> str:
        """As a person calls it."""
        return "emulator" if self.url else self.environment


class Account(Place):
    """What both brokers have."""

    quote: Asset = Field(default="USDT", description="The account's currency: the asset that the book counts in.")
    symbols: tuple[Pair, ...] = Field(
        default=(),
        description='Symbols that the book trades, such as ["BTC/USDT"]: their trades are always asked for.'
        " On spot, positions are then those of these symbols only.",
    )
    recv_window: int = Field(
        default=3_000,
        ge=100,
        le=3_000,
        description="Milliseconds after which the venue refuses a request that is late.",
    )
    silence_seconds: float = Field(
        default=30.0,
        gt=0,
        description="The user stream is rebuilt when it carried nothing, not even a pong to our ping, for so long.",
    )


class SpotSettings(Account):
    """What may stand in [brokers.binance]."""

    leave_out: tuple[Asset, ...] = Field(
        default=(), description='Assets that are no positions of the book, such as ["BNB"] kept for fees.'
    )


class FuturesSettings(Account):
    """What may stand in [brokers.binance_futures]."""

    leverage: int | None = Field(
        default=None, ge=1, le=125, description="Set for `symbols` when the broker opens; none: left as it is."
    )
    margin_type: Literal["crossed", "isolated"] | None = Field(
        default=None, description="Set for `symbols` when the broker opens; none: left as it is."
    )
    dead_man_seconds: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="The venue cancels our plain orders when it has not heard of us for so long; 0: it does not. At"
        " least three times application.heartbeat.interval_seconds: each heartbeat renews it.",
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.symbols and (self.leverage is not None or self.margin_type is not None):
            raise ValueError("leverage and margin_type are set for `symbols`; name them")
        if 0 < self.dead_man_seconds < 10:
            raise ValueError("dead_man_seconds is 0, or 10 and more: below that a slow minute cancels orders")
        return self


class DataSettings(Place):
    """What may stand in the data sources' tables. Market data need no key; testnet has prices of its own."""
