"""What may stand in [brokers.alpaca] and in [data_sources.alpaca]."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Connection(BaseModel):
    """Where it goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: Literal["paper", "live"] = Field(
        "paper", description="paper: Alpaca's simulated accounts. live: real money. Each has keys of its own."
    )
    url: str = Field(
        "",
        description="Address of an emulator on this machine, such as http://127.0.0.1:8011; empty: the venue itself.",
    )
    silence_seconds: float = Field(
        30.0,
        gt=0,
        le=300,
        description="A stream that carried nothing for so long, not even an answer to a ping, is connected anew.",
    )

    @field_validator("url")
    @classmethod
    def _on_this_machine(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme != "http" or parts.hostname not in LOOPBACK):
            raise ValueError(
                f"expected an address on this machine (http://127.0.0.1:PORT, [::1] or localhost), was {url!r};"
                " leave it empty to reach Alpaca itself"
            )
        return url.rstrip("/")


class Settings(Connection):
    """What may stand in [brokers.alpaca]."""

    fractional: bool = Field(
        False,
        description="Trade parts of shares where Alpaca does. Parts go as day orders only, and never short.",
    )


class DataSettings(Connection):
    """What may stand in [data_sources.alpaca]."""

    feed: Literal["iex", "sip"] = Field(
        "iex",
        description="Of stocks. iex: one exchange, about 2 % of the volume, free. sip: all exchanges; without a paid"
        " plan only what is older than 15 minutes.",
    )
