"""What `trader emulate` says: what runs, and what to paste so that trader goes there. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

NAMES = {
    "alpaca": "Alpaca",
    "binance": "Binance, spot",
    "binance_futures": "Binance, USD-M futures",
    "mt5": "A MetaTrader 5 terminal",
    "robinhood": "Robinhood",
}
SHORTEST = {"robinhood": "5m"}
"""Bars of the venue's that close the soonest, where they are not of a minute."""


@dataclass(frozen=True, slots=True)
class Running:
    """A venue that runs. `options` and `data_options` stand in the broker's and the data source's table."""

    name: str
    address: str
    options: Mapping[str, Any]
    data_options: Mapping[str, Any]
    secrets: Mapping[str, str]
    symbols: Sequence[str]
    cash: Decimal
    currency: str
    prices: str
    """Where they come from, in words."""
    faults: str
    tick: float


def as_text(venue: Running) -> str:
    """For a person."""
    shown = ", ".join(venue.symbols[:8]) + (f" and {len(venue.symbols) - 8} more" if len(venue.symbols) > 8 else "")
    return "\n".join(
        [
            f"{NAMES.get(venue.name, venue.name)}, emulated at {venue.address} until Ctrl-C: an offline paper venue.",
            "Nothing leaves this machine; the money, the prices and the keys are made up.",
            "",
            f"  account  {venue.cash:f} {venue.currency}, for as long as this runs",
            f"  symbols  {shown}",
            f"  prices   {venue.prices}; they move and orders fill every {venue.tick:g} s",
            f"  faults   {venue.faults}",
            "",
            "Into settings.local.toml:",
            "",
            *settings_lines(venue),
            "",
            "Into .env, or the environment:",
            "",
            *(f"{name}={value}" for name, value in venue.secrets.items()),
            "",
        ]
    )


def settings_lines(venue: Running) -> list[str]:
    """The settings that bring a session here."""
    return [
        "[application]",
        f"broker = {value(venue.name)}",
        f"data = {value(venue.name)}",
        "",
        "[application.coverage]",
        f"symbols = {value(list(venue.symbols[:4]))}",
        f"timeframe = {value(SHORTEST.get(venue.name, '1m'))}",
        "",
        "[application.portfolio]",
        f"currency = {value(venue.currency)}",
        "",
        "[application.schedule]",
        'trigger = "bar"',
        "",
        f"[brokers.{venue.name}]",
        *(f"{key} = {value(each)}" for key, each in venue.options.items()),
        "",
        f"[data_sources.{venue.name}]",
        *(f"{key} = {value(each)}" for key, each in venue.data_options.items()),
    ]


def as_json(venue: Running) -> str:
    """For a program: one object on one line."""
    return json.dumps(
        {
            "venue": venue.name, "address": venue.address, "options": dict(venue.options),
            "data_options": dict(venue.data_options), "secrets": dict(venue.secrets), "symbols": list(venue.symbols),
            "cash": str(venue.cash), "currency": venue.currency, "prices": venue.prices, "faults": venue.faults,
            "tick_seconds": venue.tick,
        }
    )  # fmt: skip


def value(thing: Any) -> str:
    """A value as TOML: what JSON writes of strings, numbers, booleans and lists of them is TOML too."""
    return json.dumps(thing, ensure_ascii=False, default=str)
