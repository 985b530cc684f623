"""Pages by time: windows no longer than the venue takes, and each window whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from trader.model import CashEvent, Fill, Unknown
from trader.wire import EPOCH, Trouble

from trader_broker_binance.rest import TROUBLE

F = TypeVar("F", Fill, CashEvent)
MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    """Since 1970, rounded down."""
    return (moment - EPOCH) // MILLISECOND


def windows(start: datetime, end: datetime, length: timedelta) -> Iterator[tuple[int, int]]:
    """(first, last) millisecond of each."""
    first, last, size = milliseconds(start), milliseconds(end), length // MILLISECOND
    while first <= last:
        yield first, min(first + size - 1, last)
        first += size


def whole(
    first: int, last: int, limit: int, page: Callable[[int, int], tuple[Sequence[F], int, datetime | None] | Trouble]
) -> list[F] | Trouble:
    """Everything from millisecond `first` to `last`. `page(first, last)`: facts, how many rows there were, and the time
    of the newest row. A full page is asked on from its last millisecond: the same facts come twice, and count once."""
    found: list[F] = []
    while True:
        told = page(first, last)
        if isinstance(told, TROUBLE):
            return told
        facts, rows, newest = told
        found += facts
        if rows < limit:
            return found
        following = milliseconds(newest) if newest is not None else first
        if following <= first:
            return Unknown("payload", f"{rows} rows within one millisecond: the venue's pages do not go on")
        first = following


def halved(
    first: int, last: int, page: Callable[[int, int], tuple[Sequence[F], bool] | Trouble]
) -> list[F] | Trouble:  # fmt: skip
    """Everything from millisecond `first` to `last`, of a list in no certain order. `page(first, last)`: facts, and
    whether there are more than it shows; then both halves are asked for. A fact of the middle comes twice."""
    found: list[F] = []
    waiting = [(first, last)]
    while waiting:
        low, high = waiting.pop()
        told = page(low, high)
        if isinstance(told, TROUBLE):
            return told
        facts, more = told
        if not more:
            found += facts
            continue
        if high - low < 2:
            return Unknown("payload", f"more than {len(facts)} within a millisecond: the venue's pages do not go on")
        middle = (low + high) // 2
        waiting += [(middle, high), (low, middle)]
    return found
