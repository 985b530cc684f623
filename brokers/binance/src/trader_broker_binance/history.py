"""Facts that lie behind us, read once: a question about them reads what is new, and an hour of what was read before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

from trader.model import CashEvent, Fill
from trader.wire import Trouble

from trader_broker_binance.rest import TROUBLE

F = TypeVar("F", Fill, CashEvent)
OVERLAP = timedelta(hours=1)
"""Longer than any lag between an execution and its being listed."""


class _Read(Generic[F]):
    """All facts from `since` on that were there at `until`."""

    def __init__(self, since: datetime, until: datetime, facts: list[F]) -> None:
        self.since, self.until = since, until
        self.facts: list[F] = facts


class History(Generic[F]):
    """By symbol (or any other word). Times are the venue's."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now, self._lock = now, Lock()
        self._read: dict[str, _Read[F]] = {}

    def since(
        self, word: str, since: datetime, read: Callable[[str, datetime], Sequence[F] | Trouble]
    ) -> Sequence[F] | Trouble:
        """Facts at or after `since`. `read(word, start)`: what the venue has from a moment on, all pages."""
        with self._lock:
            known = self._read.get(word)
        fresh = known is None or since < known.since
        start = since if known is None or fresh else max(min(known.until - OVERLAP, self._now()), since)
        until = self._now()
        found = read(word, start)
        if isinstance(found, TROUBLE):
            return found
        before: list[F] = [] if known is None or fresh else [fact for fact in known.facts if since <= fact.time < start]
        facts = before + [fact for fact in found if fact.time >= since]
        with self._lock:
            self._read[word] = _Read(since, until, facts)
        return facts
