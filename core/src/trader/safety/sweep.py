"""Cancel what works at a venue, from the venue's own list, until it shows none. Needs no journal."""

from __future__ import annotations

from dataclasses import dataclass, field

from trader.errors import escaped, words
from trader.model import Accepted, OrderRef, OrderReport, Unavailable
from trader.protocols import Broker, HasCancelAll

PATIENT_LOOKS = 2
"""So many times one cancel for all is asked for; what works after that is asked to be gone one by one."""


TRYING = "the session goes on trying"
"""How a session's answer to a kill ends as long as not every venue was seen without an order."""


@dataclass(slots=True)
class Swept:
    """One look and one round of cancels. `clean`: the venue answered, and showed no working order."""

    shown: list[OrderReport] = field(default_factory=list)
    asked: int = 0
    trouble: str = ""

    @property
    def clean(self) -> bool:
        return not self.trouble and not self.shown


def sweep(broker: Broker, *, one_by_one: bool = False) -> Swept:
    """List what works, ask for each to be cancelled. Call it again until it is clean: a cancel is only asked for.

    Several orders go by the broker's `cancel_all` where it has one, and one by one where that fails, or if
    `one_by_one` says that it was asked for and left some.
    """
    shown = _working(broker)
    if isinstance(shown, str):
        return Swept(asked=int(_all_gone(broker)), trouble=shown)  # blind, and better than nothing
    swept = Swept(shown)
    if len(swept.shown) > 1 and not one_by_one and _all_gone(broker):
        swept.asked += 1
        return swept
    for each in swept.shown:
        try:
            broker.cancel(OrderRef("", each.key, each.symbol, each.venue_id))
            swept.asked += 1
        except BaseException as error:  # noqa: BLE001 - the others are asked for too
            swept.trouble = words(escaped(error))
    return swept


def _working(broker: Broker) -> list[OrderReport] | str:
    """What works there, or why nobody knows."""
    try:
        shown = broker.orders()
        if isinstance(shown, Unavailable):
            return f"the venue does not say what works there: {shown.reason}"
        if not all(isinstance(each, OrderReport) for each in shown):
            return "the venue does not say what works there: its answer is no list of orders"
        return list(shown)
    except BaseException as error:  # noqa: BLE001 - whatever it is, nobody knows
        return words(escaped(error))


def _all_gone(broker: Broker) -> bool:
    """Whether the broker took one cancel for all."""
    if not isinstance(broker, HasCancelAll):
        return False
    try:
        return isinstance(broker.cancel_all(), Accepted)
    except BaseException as error:  # noqa: BLE001 - they are asked for one by one then
        escaped(error)
        return False
