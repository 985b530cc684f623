"""The venue's symbols and ours: "BTCUSDT" is "BTC/USDT". Only the venue's own list can tell where to cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType


class Names:
    """Both ways; what the list does not have keeps its name."""

    def __init__(self, ours: Mapping[str, str] = MappingProxyType({})) -> None:
        """`ours`: venue's name -> ours."""
        self._ours = dict(ours)
        self._theirs = {mine: venue for venue, mine in self._ours.items()}

    def ours(self, venue: str) -> str:
        """As the core writes it: BTC/USDT."""
        return self._ours.get(venue, venue)

    def theirs(self, symbol: str) -> str:
        """As the venue writes it: BTCUSDT."""
        return self._theirs.get(symbol) or symbol.replace("/", "")

    def __contains__(self, symbol: str) -> bool:
        """Whether the venue lists one of our symbols."""
        return symbol in self._theirs

    @property
    def symbols(self) -> Iterable[str]:
        """All of ours."""
        return self._theirs


AS_IS = Names()
PLAIN, CONDITIONAL = "", "algo"
OURS = re.compile(r"t[0-9a-f]{25}")
"""The shape of the client ids that the core makes."""


def venue_id(symbol: str, number: str, space: str = PLAIN) -> str:
    """The venue counts orders by symbol and by kind; this name is one order only: "BTCUSDT:28", "BTCUSDT:algo:28"."""
    return f"{symbol}:{space}:{number}" if space else f"{symbol}:{number}"


def parts(name: str) -> tuple[str, str, str]:
    """(symbol, space, number) of a `venue_id`; a bare number has no symbol."""
    symbol, _, rest = name.partition(":") if ":" in name else ("", "", name)
    space, _, number = rest.rpartition(":")
    return symbol, space, number
