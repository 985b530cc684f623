"""A session of one broker at its emulated venue, run as a person runs it: `trader run --once`, again and again."""

from __future__ import annotations

import json
from typing import Any

import trader_emulators
from emulated_day.place import VENUES
from trader.store import reading
from trader.store.database import open_store
from trader.testing.emulation import Setup

SETTINGS = """
[trading]
mode = "paper"
[application]
broker = "{name}"
data = "{name}"
allocator = "equal"
execution = "market"
[application.coverage]
symbols = ["{symbol}"]
timeframe = "1h"
[application.models]
pipeline = [{{ name = "buy_and_hold" }}]
[application.portfolio]
currency = "{currency}"
[application.connect]
tries = 1
[brokers.{name}]
{broker}
[data_sources.{name}]
{data}
"""


class Booth:
    """`place` is the folder; `run` one session, which takes the emulator's keys unless others are given."""

    def __init__(self, place: Any, name: str) -> None:
        self.place, self.name, self.day = place, name, VENUES[name]
        self.symbol = self.day.symbols[0]
        self.venue: Any = trader_emulators.emulate(name, Setup(mode=self.day.mode, patience=2.0))
        options = {**self.venue.options, **self.day.broker}
        data = {**getattr(self.venue, "data_options", self.venue.options), **self.day.data}
        self.settings(options, data)

    def settings(self, broker: dict[str, Any], data: dict[str, Any]) -> None:
        """Write settings.toml."""
        self.place.settings(
            SETTINGS.format(
                name=self.name, symbol=self.symbol, currency=self.day.currency, broker=_lines(broker), data=_lines(data)
            )
        )  # fmt: skip

    def run(self, *arguments: str, **keys: str) -> Any:
        """To its end, in this process."""
        return self.place.trader("run", "--once", *arguments, **{**self.venue.secrets, **keys})

    def journal(self) -> Any:
        """The store, to read; it has to be closed."""
        return open_store(self.place.database, create=False, read_only=True, check=False)

    def cash_events(self) -> list[tuple[str, Any]]:
        """Kind and amount of what is booked."""
        store = self.journal()
        try:
            return sorted((event["kind"], event["amount"]) for event in reading.cash_events(store))
        finally:
            store.close()

    def close(self) -> None:
        self.venue.close()


def _lines(options: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
