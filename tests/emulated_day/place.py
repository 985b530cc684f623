"""Where the trader of an emulated day lives: its settings, and the plugins that make it trade all the time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
"""The folder that holds the package `emulated_day`."""


@dataclass(frozen=True, slots=True)
class Venue:
    """How a day at one venue goes."""

    name: str
    symbols: tuple[str, ...]
    currency: str
    timeframe: str = "30m"
    market: str = "day"
    limit: str = "gtc"
    """For how long its market and its limit orders are good."""
    short: bool = False
    """Whether it sells what it has not."""
    cash_tolerance: str = "0.01"
    """What the journal's cash may differ from the venue's, in money: see the broker's README on rounding."""
    mode: str = ""
    broker: Mapping[str, Any] = field(default_factory=dict)
    """Options beside those that lead to the emulator."""
    data: Mapping[str, Any] = field(default_factory=dict)


VENUES = {
    venue.name: venue
    for venue in (
        Venue("alpaca", ("AAPL", "MSFT", "NVDA", "BTC/USD"), "USD", market="gtc"),
        Venue("binance", ("BTC/USDT", "ETH/USDT", "BNB/USDT"), "USDT"),
        Venue("binance_futures", ("BTC/USDT", "ETH/USDT"), "USDT", short=True),
        Venue("robinhood", ("AAPL", "MSFT", "F"), "USD", timeframe="1h"),
        Venue("mt5", ("EUR/USD", "GBP/USD", "XAU/USD"), "USD", short=True),
    )
}

SETTINGS = """
[trading]
mode = "paper"

[application]
broker = "{name}"
data = "{name}"
allocator = "equal"
execution = "halves"

[application.coverage]
symbols = {symbols}
timeframe = "{timeframe}"

[application.models]
pipeline = [{{ name = "restless" }}]

[application.portfolio]
threshold_weight = 0.01
cash_buffer = 0.05
currency = "{currency}"
allow_short = {short}

[application.schedule]
trigger = "bar"

[application.reconcile]
interval_seconds = 600

[application.heartbeat]
interval_seconds = 3600

[application.connect]
tries = 8
first_seconds = 0.1
longest_seconds = 0.5

[application.shutdown]
grace = 2

[strategies.restless]
lowest = {lowest}

[execution_styles.halves]
market = "{market}"
limit = "{limit}"

[brokers.{name}]
timeout = 10
{broker}

[data_sources.{name}]
timeout = 10
{data}
"""
POINTS = """
[trader.strategies]
restless = emulated_day.restless
[trader.execution_styles]
halves = emulated_day.halves
"""


def python_path(*more: Path) -> str:
    """PYTHONPATH for the processes of a day."""
    return os.pathsep.join([*map(str, more), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])


def install(site: Path) -> Path:
    """What pip would leave of the plugins' distribution, but for the package itself: that lies in TESTS."""
    info = site / "emulated_day-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: emulated-day\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    (info / "RECORD").write_text("", encoding="utf-8")
    return site


def furnish(folder: Path, venue: Venue, options: Mapping[str, Any], data: Mapping[str, Any]) -> Path:
    """Write settings.toml; `options` and `data` lead the broker and its data source to the emulator."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.toml"
    text = SETTINGS.format(
        name=venue.name, symbols=json.dumps(list(venue.symbols)), timeframe=venue.timeframe, currency=venue.currency,
        market=venue.market, limit=venue.limit, short=json.dumps(venue.short), lowest=-2 if venue.short else 0,
        broker=_lines({**options, **venue.broker}), data=_lines({**data, **venue.data}),
    )  # fmt: skip
    path.write_text(text, encoding="utf-8")
    return path


def _lines(options: Mapping[str, Any]) -> str:
    return "\n".join(f"{key} = {json.dumps(value, default=str)}" for key, value in options.items())
