"""What may stand in [brokers.robinhood] and in [data_sources.robinhood]."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def loopback(url: str) -> str:
    """The address without a slash at its end. ValueError unless it is on this machine, or empty."""
    if url and (urlsplit(url).scheme != "http" or urlsplit(url).hostname not in LOOPBACK):
        raise ValueError(
            f"url is for an emulator on this machine, such as http://127.0.0.1:8011 (127.0.0.1, ::1 or localhost);"
            f" was {url}. Leave it out for the venue itself"
        )
    return url.rstrip("/")


Url = Annotated[
    str,
    AfterValidator(loopback),
    Field(
        description="Address of an emulator on this machine, such as http://127.0.0.1:8011; empty: the venue itself."
    ),
]


class Settings(BaseModel):
    """What may stand in [brokers.robinhood]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url = ""
    account: str = Field(
        default="", pattern=r"^\w*$", description="Number of the account; needed only where the login has several."
    )
    market_buys: Literal["collar", "market"] = Field(
        default="collar",
        description="collar: a market or stop buy goes out as a limit order at the ask (or the stop) plus `collar`, as"
        " Robinhood's own apps do. market: as type=market, which Robinhood does not always take.",
    )
    collar: Decimal = Field(
        default=Decimal("0.05"), gt=0, le=Decimal("0.2"), description="What such a buy may pay more, as a fraction."
    )
    fractional: bool = Field(
        default=False, description="Trade parts of a share (market day orders only), where allowed."
    )
    history_days: int = Field(
        default=30, ge=1, le=365, description="How far back an order of unknown fate is looked for by our id."
    )


class DataSettings(BaseModel):
    """What may stand in [data_sources.robinhood]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url = ""
