"""What a conformance case may do at the venue behind a broker: move its market, break its wire, count its requests."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

from trader.simulation.faulty import FaultyVenue


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


class EmulatedVenue(Protocol):
    """A venue on this machine that speaks its real protocol. `trader.emulators` entry points make one:
    `emulate(setup) -> EmulatedVenue`, running when it is returned."""

    name: str
    options: Mapping[str, Any]
    """What stands in the broker's settings table so that it comes here."""
    secrets: Mapping[str, str]
    """Keys that it takes, by the names in the broker's manifest."""
    venue: FaultyVenue
    """The account behind the protocol: the truth, a person's hand, the venue's clock."""

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
