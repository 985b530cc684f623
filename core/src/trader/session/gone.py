"""What a book holds, or has an order in, and nobody lists any more: it counts on, and a person must look at it.

Bars and rules are missing then. What the journal knows takes their place, so that limits and equity have a price.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trader.model import Instrument
from trader.store import reading
from trader.store.database import Store

CENT, DIGITS = Decimal("0.01"), 8


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal knows of a symbol: its last price (None: nobody ever said one), and what a unit of it is."""

    price: Decimal | None = None
    multiplier: Decimal = Decimal(1)


class Gone:
    """Those of one book, found while it is put together. `held`: what it holds, or has orders in; `known(symbol)` is
    asked for those only."""

    def __init__(self, held: Sequence[str], known: Callable[[str], Known]) -> None:
        self.held = held
        self._ask = known
        self._known: dict[str, Known] = {}
        self._why: dict[str, list[str]] = {}

    def without_bars(self, absent: Collection[str], source: str) -> list[str]:
        """Note those that are held. The others: to name them is a mistake."""
        for symbol in absent:
            if symbol in self.held:
                self._note(symbol, f"data source '{source}' has no bars of it")
        return [symbol for symbol in absent if symbol not in self.held]

    def prices(self) -> dict[str, float]:
        """What they count at."""
        return {symbol: float(known.price) for symbol, known in self._known.items() if known.price is not None}

    def rules(self, symbol: str, broker: str, others: Collection[Instrument]) -> Instrument:
        """Of a symbol that the broker does not name: it is not traded, and counts as finely as its price is known."""
        if symbol not in self.held:
            return Instrument(symbol, tradable=False)
        known = self._note(symbol, f"broker '{broker}' does not name it")
        tick = CENT if known.price is None else min(CENT, Decimal(1).scaleb(known.price.adjusted() - DIGITS))
        margin = bool(others) and all(one.settlement == "margin" for one in others)
        settlement = "margin" if margin else "cash"
        return Instrument(symbol, tick=tick, multiplier=known.multiplier, settlement=settlement, tradable=False)  # type: ignore[arg-type]

    def _note(self, symbol: str, why: str) -> Known:
        if symbol not in self._known:
            self._known[symbol] = self._ask(symbol)
        self._why.setdefault(symbol, [])
        if why not in self._why[symbol]:  # a broker may be asked again
            self._why[symbol].append(why)
        return self._known[symbol]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Each symbol, and a text for a person."""
        for symbol, why in self._why.items():
            price = self._known[symbol].price
            worth = "the price that it was bought at" if price is None else f"its last known price, {price:f}"
            text = (
                f"{' and '.join(why)} any more, and the book holds it or has an order in it. It counts at {worth}. "
                f"Delisted, renamed? The venue's own page says; what became of it is booked by: "
                f"trader reconcile --adopt {symbol}"
            )
            yield symbol, text


def remembered(store: Store, book: str, symbol: str) -> Known:
    """The price that the last decision saw; else that of the last execution, or what an order was decided at."""
    fills = [one for one in reading.fills(store, book, symbol) if one["price"]]
    multiplier = next((one["multiplier"] for one in reversed(fills) if one["multiplier"]), Decimal(1))
    last = reading.cycle(store, book)
    decision = last["decision"] if last is not None else None
    if decision and symbol in decision["symbols"]:
        price = decision["price"][decision["symbols"].index(symbol)]
        if price:
            return Known(Decimal(str(price)), multiplier)
    if fills:
        return Known(fills[-1]["price"], multiplier)
    orders = [one["price"] for one in reading.orders(store, book) if one["symbol"] == symbol and one["price"]]
    return Known(orders[-1] if orders else None, multiplier)
