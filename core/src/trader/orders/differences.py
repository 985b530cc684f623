"""What the journal expects and the venue does not show, and since when. Pure.

A difference counts when it was seen twice, unchanged, at least as far apart as a fact may be on its way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trader.model import ZERO

CASH = "cash"
Pair = tuple[Decimal, Decimal]
"""(expected, found)."""


def compare(
    expected: Mapping[str, Decimal], found: Mapping[str, Decimal], *, leave_out: Collection[str] = ()
) -> dict[str, Pair]:
    """The symbols whose signed units differ, but for those left out."""
    return {
        symbol: (expected.get(symbol, ZERO), found.get(symbol, ZERO))
        for symbol in sorted({*expected, *found})
        if symbol not in leave_out and expected.get(symbol, ZERO) != found.get(symbol, ZERO)
    }


@dataclass(slots=True)
class Difference:
    """One symbol, or the cash. `since` is process time, `seconds` its monotonic twin."""

    symbol: str
    expected: Decimal
    found: Decimal
    since: datetime
    seconds: float
    rounds: int = 1
    told: bool = False

    def text(self) -> str:
        """Expected, found, since when."""
        return f"expected {self.expected:f}, the venue says {self.found:f}, since {self.since:%Y-%m-%d %H:%M:%SZ}"


class Differences:
    """What differs now. `settle`: seconds that a difference must outlive to count; 0: it counts at once."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._now: dict[str, Difference] = {}
        self._seconds = 0.0
        self._at: datetime | None = None

    def __iter__(self) -> Iterator[Difference]:
        return iter(self._now.values())

    def __len__(self) -> int:
        return len(self._now)

    @property
    def symbols(self) -> frozenset[str]:
        """What cannot be planned until it is clear."""
        return frozenset(self._now) - {CASH}

    def see(self, found: Mapping[str, Pair], seconds: float, at: datetime, *, kept: Collection[str] = ()) -> None:
        """One comparison. What is gone is forgotten, unless it could not be compared (`kept`)."""
        self._seconds, self._at = seconds, at
        for symbol in [symbol for symbol in self._now if symbol not in found and symbol not in kept]:
            del self._now[symbol]
        for symbol, (expected, there) in found.items():
            known = self._now.get(symbol)
            if known is not None and (known.expected, known.found) == (expected, there):
                known.rounds += 1
            else:
                self._now[symbol] = Difference(symbol, expected, there, at, seconds)

    def confirmed(self) -> list[Difference]:
        """What counts now and was not told before."""
        ready = [
            one
            for one in self._now.values()
            if not one.told and (self._settle == 0 or (one.rounds > 1 and self._seconds - one.seconds >= self._settle))
        ]
        for one in ready:
            one.told = True
        return ready

    def again(self, symbol: str) -> None:
        """A person lifted the halt: while it still differs nothing is planned, and it counts anew."""
        if symbol in self._now:
            one = self._now[symbol]
            one.rounds, one.seconds, one.told = 0, self._seconds, False
            one.since = self._at or one.since

    def forget(self, symbol: str) -> None:
        """It was adopted."""
        self._now.pop(symbol, None)
