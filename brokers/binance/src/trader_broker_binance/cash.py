"""Money that moved without a trade on spot: three lists of the venue, each by windows of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from trader.model import CashEvent
from trader.wire import Trouble

from trader_broker_binance import wire
from trader_broker_binance.base import BEGINNING
from trader_broker_binance.pages import halved, milliseconds
from trader_broker_binance.rest import TROUBLE

if TYPE_CHECKING:
    from trader_broker_binance.broker import SpotBroker

WINDOW = timedelta(days=89)
"""The venue refuses a question about 90 days."""
SETTLES = timedelta(days=30)
"""Within which a deposit or a withdrawal ends, one way or the other. A window that is older is read once."""
SLACK = timedelta(minutes=1)


class Listed(NamedTuple):
    """One of the venue's lists."""

    method: str
    asset: str
    """What the venue calls the parameter that names the asset."""
    limit: int
    """Rows of a page, at most."""
    read: Callable[[Any], list[CashEvent | None]]
    """What each row of a page is."""


LISTS = (
    Listed("get_deposit_history", "coin", 1_000, lambda told: [wire.deposit(row) for row in _rows(told)]),
    Listed("get_withdraw_history", "coin", 1_000, lambda told: [wire.withdrawal(row) for row in _rows(told)]),
    Listed("get_asset_dividend_history", "asset", 500, lambda told: [*wire.distributions(told)]),
)


def _rows(told: Any) -> list[Any]:
    return wire.documents(told, "transfers")


class Cash:
    """Of one account, in its quote currency. Any thread may ask."""

    def __init__(self, broker: SpotBroker) -> None:
        self._broker, self._quote = broker, broker.settings.quote
        self._settled: dict[tuple[str, int], list[CashEvent]] = {}

    def since(self, since: datetime) -> list[CashEvent] | Trouble:
        """Events at or after `since`, oldest first, each once."""
        found: dict[str, CashEvent] = {}
        for first, last in self._windows(since):
            for listed in LISTS:
                events = self._window(listed, first, last)
                if isinstance(events, TROUBLE):
                    return events
                found |= {event.event_id: event for event in events}
        return sorted((one for one in found.values() if one.time >= since), key=lambda one: (one.time, one.event_id))

    def _windows(self, since: datetime) -> Iterator[tuple[int, int]]:
        """(first, last) millisecond of each. They begin at the same moments whatever is asked for, so that what was
        read can be kept; and one ends where the next begins, for the venue does not say whether an end is within."""
        first, size = milliseconds(BEGINNING), milliseconds(BEGINNING + WINDOW) - milliseconds(BEGINNING)
        # The venue lists a deposit under the time it was first seen, which is not the time of the event.
        start, end = milliseconds(max(since, BEGINNING + SETTLES) - SETTLES), milliseconds(self._broker.now() + SLACK)
        first += (start - first) // size * size
        while first <= end:
            yield first, min(first + size, end)
            first += size

    def _window(self, listed: Listed, first: int, last: int) -> list[CashEvent] | Trouble:
        known = self._settled.get((listed.method, first))
        if known is not None:
            return known

        def page(low: int, high: int) -> tuple[list[CashEvent], bool] | Trouble:
            told = self._broker.ask(
                listed.method, startTime=str(low), endTime=str(high), limit=str(listed.limit),
                **{listed.asset: self._quote},
            )  # fmt: skip
            rows = self._broker.read(told, listed.read)
            if isinstance(rows, TROUBLE):
                return rows
            return [event for event in rows if event is not None], len(rows) >= listed.limit

        found = halved(first, last, page)
        if isinstance(found, TROUBLE):
            return found
        events = [event for event in found if event.currency == self._quote]
        if last < milliseconds(self._broker.now() - SETTLES):
            self._settled[listed.method, first] = events
        return events
