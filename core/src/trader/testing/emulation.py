"""What a conformance case may do at the venue behind a broker: move its market, break its wire, count its requests."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from trader.clock import Clock, SystemClock
from trader.errors import PluginBroken, PluginMissing
from trader.simulation.faults import Faults
from trader.simulation.faulty import FaultyVenue

GROUP = "trader.emulators"
"""Entry points: name of a venue -> module with `emulate(setup) -> EmulatedVenue`, running when it is returned."""


class Mishap(StrEnum):
    """What happens to one request on the wire. An emulator does it as its venue would: with its status, code, body."""

    LOST = "lost"
    """It is not handled, and nobody answers."""
    LOST_REPLY = "lost_reply"
    """It is handled, and nobody answers."""
    LATE = "late"
    """Nobody answers; it is handled two seconds later."""
    RESET = "reset"
    """The connection breaks before it is handled."""
    RESET_AFTER = "reset_after"
    """It is handled, then the connection breaks before a word of the answer."""
    FAILED = "failed"
    """The venue's own 5xx (or its like); not handled."""
    FAILED_AFTER = "failed_after"
    """The same words, although it is handled: a 504 after acceptance."""
    HTML = "html"
    """A proxy's page with status 502; not handled."""
    TRUNCATED = "truncated"
    """It is handled; the answer ends in the middle."""
    GARBAGE = "garbage"
    """It is handled; status 200 and well-formed JSON that is no answer to it."""
    RATE_LIMITED = "rate_limited"
    """Too many requests, try again in a second; not handled."""
    UNAUTHORIZED = "unauthorized"
    """What the venue says to keys that it does not know; not handled."""


CALLS = (
    "account", "positions", "orders", "order", "fills", "cash_events", "instruments", "submit", "cancel", "cancel_all",
    "bars", "quotes", "login", "time", "stream",
)  # fmt: skip
"""The calls of the broker and data source protocols that a request may serve; "stream": of a push connection."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What `emulate` of a venue is handed. What is None, the venue chooses as its likes do."""

    port: int = 0
    """0: any that is free."""
    seed: int = 0
    """Of the prices and of the faults."""
    cash: Decimal = Decimal(100_000)
    prices: Mapping[str, float] | None = None
    """Canonical symbol -> where its price begins: {"AAPL": 100.0}."""
    paths: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Canonical symbol -> the prices it walks along, one a tick; else it walks at random."""
    faults: Faults | None = None
    """What goes wrong by chance; None: nothing."""
    tick_seconds: float | None = None
    """Prices move and orders fill by themselves, so often; None: only when somebody calls `trade`."""
    clock: Clock = field(default_factory=SystemClock)
    patience: float = 30.0
    """Seconds for which a request that nobody answers is held open."""
    mode: str = ""
    """A venue's own choice, such as "hedging" of a MetaTrader account."""


class EmulatedVenue(Protocol):
    """A venue on this machine that speaks its real protocol."""

    name: str
    options: Mapping[str, Any]
    """What stands in the broker's settings table so that it comes here."""
    secrets: Mapping[str, str]
    """Keys that it takes, by the names in the broker's manifest."""
    currency: str
    """Of its cash."""
    venue: FaultyVenue
    """The account behind the protocol: the truth, a person's hand, the venue's clock."""

    @property
    def marks(self) -> Mapping[str, float]:
        """What trades there, by canonical symbol, and where it stands now."""

    def trade(self, symbol: str, price: float, volume: float = float("nan")) -> None:
        """The market in a symbol trades at `price` now; what may fill does. `volume` bounds it; NaN: it does not."""

    def mishap(self, call: str, mishap: Mishap, times: int = 1, *, after: int = 0) -> None:
        """The next `times` requests of a call (one of CALLS) meet this, once `after` of them went well."""

    def requests(self, call: str) -> int:
        """How many requests of a call came over the wire so far, handled or not."""

    def drop_streams(self) -> None:
        """Every push connection breaks; the client may come again at once."""

    def mute_streams(self, seconds: float) -> None:
        """Push connections stay open and carry nothing, not even a sign of life."""

    def revoke(self) -> None:
        """The keys are no longer known."""

    def skew(self, seconds: float) -> None:
        """The venue's clock is so far ahead of this machine's."""

    def limit(self, requests: int, seconds: float) -> None:
        """From now on the venue takes so many requests in so many seconds, and says so as it does."""

    def close(self) -> None:
        """Let go of the port."""


def emulators() -> list[str]:
    """The venues that can be emulated here, by whatever distribution brings them."""
    return sorted({point.name for point in importlib.metadata.entry_points(group=GROUP)})


def emulate(name: str, setup: Setup | None = None) -> EmulatedVenue:
    """Start a venue; close() ends it.

    Raises:
        PluginMissing: there is none of that name.
        PluginBroken: it does not import.
        OSError: its port is taken.
    """
    points = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if name not in points:
        there = ", ".join(sorted(points)) or "none (trader-emulators brings some)"
        raise PluginMissing(f"There is no emulator {name!r}; there is {there}.")
    try:
        module = importlib.import_module(points[name].value)
    except Exception as error:
        raise PluginBroken(
            f"The emulator {name!r} ({points[name].value}) does not import: {type(error).__name__}: {error}",
            todo="Install the distribution that brings it anew, with what it needs.",
        ) from error
    venue: EmulatedVenue = module.emulate(setup or Setup())
    return venue
