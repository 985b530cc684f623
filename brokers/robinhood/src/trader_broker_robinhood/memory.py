"""What was read of an account's orders, and from when on nothing of it is missing: bookkeeping, without questions.

Robinhood lists orders by their creation, newest first, and the only limit it takes is `updated_at[gte]`. To ask for all
of it each time costs more with each order that was ever placed. So what was read is kept, for one connection, and after
that only what changed is asked for. What must hold for that, and what guards it:

* An order that changes gets a new `updated_at`, and the filter goes by that and not by the creation. It is proven
  before it is relied on (`telling`): an order that changed after it was made must be in an answer that begins between
  the two. Until then, and where it does not hold, a question reads LIVES further back than it asks: no order works
  longer, so it is whole whichever of the two the filter goes by. A filter that is ignored gives all, which is whole.
* An order may be shown later than it changed. The next question begins OVERLAP before the newest change that was seen:
  a moment of Robinhood's, so that no two clocks are compared. An order that works is kept however old it is.
* An execution may be corrected without a new `updated_at`. Each REREAD everything is read again that was asked for
  since the last time, up to RECHECK back. That is also an audit: a change in it that should have been seen long before
  ends the trust in the filter, until it is proven again after another REREAD.

Nothing of it outlives `open()`. Orders that are over, and older than what is asked for, are forgotten each REREAD.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from trader.model import OrderReport

from trader_broker_robinhood.wire import FINAL

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIVES = timedelta(days=100)
"""Longer than a gtc order may work at Robinhood (90 days)."""
OVERLAP = timedelta(minutes=15)
"""How much later than it happened a change may be shown."""
REREAD = timedelta(hours=1)
RECHECK = timedelta(days=3)
"""A trade of Friday may be corrected on Monday."""


class Row(NamedTuple):
    """One order, as sent and as read."""

    payload: Any
    report: OrderReport
    created: datetime | None
    changed: datetime | None
    """Its `updated_at`."""


class Start(NamedTuple):
    """From which moment the list is read next, and why: what changed; all from then on, for the first time; all of it
    again; all of it, LIVES further back than asked for."""

    moment: datetime
    why: Literal["changes", "first", "again", "careful"]


def telling(rows: Iterable[Row]) -> datetime | None:
    """A moment between the creation and the last change of the order that changed last: an answer that begins there has
    the order only if the filter goes by changes. None: no order changed since it was made."""
    changes = ((row.changed, row.created) for row in rows if row.changed is not None and row.created is not None)
    found = max((pair for pair in changes if pair[1] < pair[0]), default=None)
    if found is None:
        return None
    changed, created = found
    return max(created + (changed - created) / 2, changed - timedelta(seconds=1))


class Memory:
    """The orders of one account, since one `open()`. A question that was given up may still be on its way while the
    next one is asked: each takes what it read in one step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rows: Mapping[str, Row] = {}
        """By id; replaced, never changed."""
        self.ids: dict[str, str] = {}
        """ref_id -> id, of what was seen or sent: it spares the search."""
        self.trusted: bool | None = None
        """Whether the filter goes by changes; None: not proven yet."""
        self._doubted: datetime | None = None
        self._since: datetime | None = None
        """Every order that changed then or later is here, as far as the filter is trusted."""
        self._newest: datetime | None = None
        self._standing = False
        """Every order that works is here, likewise."""
        self._low: datetime | None = None
        """The earliest moment that was asked for since all was read again."""
        self._read: datetime | None = None
        """When that was."""

    def working(self) -> list[Row]:
        """The orders that are not over."""
        return [row for row in self.rows.values() if row.report.state not in FINAL]

    # ---- before a question -----------------------------------------------------------------------------------------
    def start(self, since: datetime | None, now: datetime) -> Start:
        """Where to begin for all that changed since then; None: for all that works. `now` is our clock's."""
        with self._lock:
            asked = now - LIVES if since is None else min(max(since, EPOCH), now)
            if since is not None:
                self._low = asked if self._low is None else min(self._low, asked)
            if self._newest is not None and since is not None:
                asked = min(asked, self._newest - OVERLAP)  # nothing between two answers
            if self.trusted is False and _passed(self._doubted, now):
                self.trusted = None  # another try: it may have been an answer of a server that lags
            if self.trusted is False:
                return self._careful(since, asked)
            if not self.trusted or self._newest is None:
                return Start(asked, "first")
            if not self._standing if since is None else (self._since is None or asked < self._since):
                return Start(asked, "first")
            edge = self._newest - OVERLAP
            if _passed(self._read, now):
                return Start(min(edge, max(self._low or edge, now - RECHECK)), "again")
            return Start(edge, "changes")

    def careful(self, since: datetime | None, now: datetime) -> Start:
        """Where to begin while nobody knows which moment the filter goes by."""
        return self._careful(since, now - LIVES if since is None else min(max(since, EPOCH), now))

    def _careful(self, since: datetime | None, asked: datetime) -> Start:
        return Start(asked if since is None else max(asked, EPOCH + LIVES) - LIVES, "careful")

    def judge(self, holds: bool, now: datetime) -> None:
        """Whether the filter goes by changes."""
        with self._lock:
            self.trusted, self._doubted = holds, None if holds else now

    # ---- after it --------------------------------------------------------------------------------------------------
    def take(self, start: Start, rows: Sequence[Row], before: Mapping[str, Row], now: datetime) -> None:
        """A whole answer; `before` are the rows that were known when it was asked for. An older version of an order
        does not replace a newer one."""
        with self._lock:
            if start.why == "again" and self._missed(rows):
                self.trusted, self._doubted = False, now
            known = dict(self.rows)
            shown = {row.report.venue_id for row in rows}
            if start.why != "changes":
                for gone in before.keys() - shown:
                    if gone in known and known[gone].report.state in FINAL and _moment(known[gone]) >= start.moment:
                        del known[gone]
            for row in rows:
                have = known.get(row.report.venue_id)
                if have is None or have.report.time <= row.report.time:
                    known[row.report.venue_id] = row
                if row.report.key:
                    self.ids[row.report.key] = row.report.venue_id
            if start.why != "changes":
                self._since = start.moment if self._since is None else min(self._since, start.moment)
                self._standing |= start.moment <= now - LIVES
                self._read = now
            if start.why == "again":
                known = self._pruned(known, start.moment)
            changes = [row.changed for row in rows if row.changed is not None and row.changed <= now]
            self._newest = max([*changes, *([] if self._newest is None else [self._newest])], default=None)
            self.rows = known

    def learn(self, row: Row) -> None:
        """An order that was asked for by its id."""
        with self._lock:
            self.rows = {**self.rows, row.report.venue_id: row}

    def forget(self, venue_id: str) -> None:
        """The venue does not know this id: what else is here is no longer sure, the next question reads all."""
        with self._lock:
            self.rows = {known: row for known, row in self.rows.items() if known != venue_id}
            self.ids = {key: known for key, known in self.ids.items() if known != venue_id}
            self._since, self._standing = None, False

    def renamed(self, rows: Sequence[Row], before: Mapping[str, Row]) -> list[str]:
        """Ids that are not shown any more, whose ref_id has a new order now."""
        shown = {row.report.venue_id for row in rows}
        keys = {row.report.key for row in rows if row.report.key and row.report.venue_id not in before}
        return [known for known, row in self.rows.items() if known not in shown and row.report.key in keys]

    def _missed(self, rows: Sequence[Row]) -> bool:
        """Whether something in there should have been seen before."""
        if self._since is None or self._newest is None:
            return False
        for row in rows:
            have = self.rows.get(row.report.venue_id)
            old = row.changed is not None and self._since <= row.changed < self._newest - OVERLAP
            if old and (have is None or have.report.time < row.report.time):
                return True
        return False

    def _pruned(self, known: dict[str, Row], moment: datetime) -> dict[str, Row]:
        low = moment if self._low is None else min(self._low, moment)
        self._low = None
        self._since = low if self._since is None else max(self._since, low)
        return {
            venue_id: row for venue_id, row in known.items() if row.report.state not in FINAL or _moment(row) >= low
        }


def _passed(moment: datetime | None, now: datetime) -> bool:
    """Also where our clock went back."""
    return moment is None or not timedelta(0) <= now - moment < REREAD


def _moment(row: Row) -> datetime:
    return row.report.time if row.changed is None else row.changed
