"""What may stand in [brokers.mt5] and [data_sources.mt5]."""

from __future__ import annotations

import sys
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from trader_broker_mt5.servertime import ServerTime

LOOPBACK = ("127.0.0.1", "::1", "localhost")
Name = Annotated[str, Field(min_length=1)]


class Terminal(BaseModel):
    """Where the terminal is, and how it says things. The same for broker and data source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        default="",
        description="Where the rpyc classic server of the Windows or Wine Python listens. Empty: on Windows the"
        " MetaTrader5 package of this Python, elsewhere 127.0.0.1.",
    )
    port: int = Field(default=18812, ge=1, le=65535, description="Port of the rpyc classic server.")
    allow_remote_host: bool = Field(
        default=False,
        description="rpyc classic has no password and does whatever it is told: whoever reaches the port owns the"
        " account. true: host need not be this machine; only through a tunnel or a network of your own.",
    )
    path: str = Field(
        default="", description="The terminal's terminal64.exe, as its machine names it; empty: the one that is found."
    )
    portable: bool = Field(default=False, description="Start the terminal in its portable mode.")
    symbols: dict[Name, Name] = Field(
        default={},
        description='Our symbol -> the broker\'s name, where it has a suffix: {"EUR/USD" = "EURUSD.m"}.',
    )
    server_utc_offset_hours: float | None = Field(
        default=None,
        ge=-14,
        le=14,
        description="How far the broker's server time is ahead of UTC. Empty: it is measured on the newest tick.",
    )
    server_timezone: str = Field(
        default="",
        description='Instead: a zone with its summer time, "Europe/Athens", or with hours on top of it'
        ' "America/New_York+7" (a day that ends at New York\'s close).',
    )

    @field_validator("symbols")
    @classmethod
    def _one_to_one(cls, symbols: dict[str, str]) -> dict[str, str]:
        twice = {name for name in symbols.values() if list(symbols.values()).count(name) > 1}
        if twice:
            raise ValueError(f"two symbols have the same name at the broker: {', '.join(sorted(twice))}")
        return symbols

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.host and self.host not in LOOPBACK and not self.allow_remote_host:
            raise ValueError(
                f"host must be this machine (127.0.0.1, ::1, localhost), was {self.host!r}: rpyc classic runs whatever"
                " it is sent; see allow_remote_host"
            )
        if self.server_timezone and self.server_utc_offset_hours is not None:
            raise ValueError("server_timezone and server_utc_offset_hours exclude each other")
        self.server_time()
        return self

    def server_time(self) -> ServerTime:
        """The broker's clock, not measured yet. ValueError for a zone that nobody knows."""
        return ServerTime(hours=self.server_utc_offset_hours, zone=self.server_timezone)

    @property
    def local(self) -> bool:
        """The MetaTrader5 package of this very Python is used."""
        return sys.platform == "win32" and not self.host

    @property
    def address(self) -> tuple[str, int]:
        """Of the rpyc server."""
        return self.host or "127.0.0.1", self.port


class Settings(Terminal):
    """What may stand in [brokers.mt5]."""

    deviation_points: int = Field(
        default=20,
        ge=0,
        description="How far, in points, the price of a market order may move before it is refused (instant and request"
        " execution; the other modes take any price).",
    )
    check_first: bool = Field(
        default=False, description="Ask order_check before each order: one more call, and reasons before the server's."
    )
    history_days: int = Field(default=30, ge=1, description="How far back an order is looked for by its magic number.")


class DataSettings(Terminal):
    """What may stand in [data_sources.mt5]."""
