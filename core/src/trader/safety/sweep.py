"""Cancel what works at a venue, from the venue's own list, until it shows none. Needs no journal."""

from __future__ import annotations

from dataclasses import dataclass, field

from trader.errors import ESCAPES
from trader.model import OrderRef, OrderReport, Unavailable
from trader.protocols import Broker, HasCancelAll


@dataclass(slots=True)
class Swept:
    """One look and one round of cancels. `clean`: the venue answered, and showed no working order."""

    shown: list[OrderReport] = field(default_factory=list)
    asked: int = 0
    trouble: str = ""

    @property
    def clean(self) -> bool:
        return not self.trouble and not self.shown


def sweep(broker: Broker) -> Swept:
    """List what works, ask for each to be cancelled. Call it again until it is clean: a cancel is only asked for."""
    swept = Swept()
    try:
        shown = broker.orders()
        if isinstance(shown, Unavailable) or not all(isinstance(each, OrderReport) for each in shown):
            reason = shown.reason if isinstance(shown, Unavailable) else "its answer is no list of orders"
            swept.trouble = f"the venue does not say what works there: {reason}"
            if isinstance(broker, HasCancelAll):  # blind, and better than nothing
                broker.cancel_all()
                swept.asked += 1
            return swept
        swept.shown = list(shown)
        if len(swept.shown) > 1 and isinstance(broker, HasCancelAll):
            broker.cancel_all()
            swept.asked += 1
            return swept
        for each in swept.shown:
            broker.cancel(OrderRef("", each.key, each.symbol, each.venue_id))
            swept.asked += 1
    except ESCAPES as error:
        swept.trouble = f"{type(error).__name__}: {error}"
    return swept
