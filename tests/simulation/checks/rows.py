"""The journal's rows as they are committed: a connection of our own, read only, plain SQL.

Only what is new is read. Nothing here knows the code that writes the rows.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def lasting(symbol: str) -> str:
    """The name that a symbol had at first: the world renames by an X at the end."""
    return symbol.removesuffix("X")


def moment(micros: int) -> datetime:
    """Aware UTC."""
    return EPOCH + timedelta(microseconds=micros)


class Event(NamedTuple):
    """A row of `order_event`. `filled` is the sum of the fills, None where it did not change."""

    seq: int
    kind: str
    client_id: str | None
    state: str | None
    cause: str | None
    filled: Decimal | None
    recorded_at: datetime
    session: str | None


class Intent(NamedTuple):
    """The columns of an `intent` that never change; `cycle` is the number of its event, `denied` why, if it was."""

    cycle: int
    client_id: str
    key: str
    book: str
    symbol: str
    side: str
    quantity: Decimal
    type: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    purpose: str
    cycle_id: str
    epoch: int
    denied: str | None

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side == "buy" else -self.quantity


class Stands(NamedTuple):
    """Where an order stands by its row."""

    client_id: str
    state: str
    open: bool
    filled: Decimal
    venue_id: str | None


class BookedFill(NamedTuple):
    """A row of `fill`. `apart`: somebody else's, noted, and none of the book's."""

    seq: int
    symbol: str
    execution_id: str
    book: str
    client_id: str | None
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    apart: bool

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side == "buy" else -self.quantity


class Cash(NamedTuple):
    seq: int
    event_id: str
    kind: str
    amount: Decimal


class Standing(NamedTuple):
    """A row of `block` that nobody lifted."""

    id: int
    scope: str
    level: str
    reason: str
    since: datetime


@dataclass(slots=True)
class News:
    """What was committed since the last look."""

    events: list[Event] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    fills: list[BookedFill] = field(default_factory=list)
    cash: list[Cash] = field(default_factory=list)


class Rows:
    """The database of one run. It need not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._version = self._seq = -1
        self.intents: dict[str, Intent] = {}
        """By client id, of all epochs."""

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is None and self._path.exists():
            self._connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def all(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a SELECT; none while there is no database."""
        connection = self._open()
        if connection is None:
            return []
        return connection.execute(sql, values).fetchall()

    def news(self) -> News | None:
        """What was committed since the last call; None if nothing at all was."""
        connection = self._open()
        if connection is None:
            return None
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return None
        try:
            news = self._read()
        except sqlite3.OperationalError:  # no tables yet
            return None
        self._version = version
        return news

    def _read(self) -> News:
        news = News()
        for seq, kind, client_id, state, cause, filled, at, session in self.all(
            "SELECT seq, kind, client_id, state, cause, filled, recorded_at, session FROM order_event"
            " WHERE seq > ? ORDER BY seq",
            self._seq,
        ):
            news.events.append(Event(seq, kind, client_id, state, cause, _exact(filled), moment(at), session))
        kinds = {event.kind for event in news.events}
        if "decided" in kinds:
            news.intents = self._intents()
        if "fill" in kinds:
            news.fills = self.fills(after=self._seq)
        if "cash" in kinds:
            sql = "SELECT seq, event_id, kind, amount FROM cash_event WHERE seq > ? ORDER BY seq"
            news.cash = [Cash(a, b, c, Decimal(d)) for a, b, c, d in self.all(sql, self._seq)]
        if news.events:
            self._seq = news.events[-1].seq
        return news

    def _intents(self) -> list[Intent]:
        found = []
        for *first, quantity, kind, limit, stop, purpose, cycle_id, epoch, denied in self.all(
            "SELECT i.cycle, i.client_id, i.key, i.book, i.symbol, i.side, i.quantity, i.type, i.limit_price,"
            " i.stop_price, i.purpose, c.cycle_id, c.epoch, i.denied FROM intent i JOIN cycle c ON c.seq = i.cycle"
            " WHERE i.cycle > ? ORDER BY i.cycle, i.line",
            self._seq,
        ):
            cycle, client_id, key, book, symbol, side = first
            prices = _exact(limit), _exact(stop)
            found.append(
                Intent(cycle, client_id, key, book, symbol, side, Decimal(quantity), kind, *prices, purpose, cycle_id,
                       epoch, denied)
            )  # fmt: skip
        self.intents.update((intent.client_id, intent) for intent in found)
        return found

    # ---- where things stand ----------------------------------------------------------------------------------------
    @property
    def epoch(self) -> int:
        """The newest; 0 before the first."""
        found = self.all("SELECT max(number) FROM epoch")
        return (found[0][0] or 0) if found else 0

    def fills(self, after: int = -1) -> list[BookedFill]:
        """Booked executions in the order of booking."""
        sql = (
            "SELECT seq, symbol, execution_id, book, client_id, side, quantity, price, fee, external FROM fill"
            " WHERE seq > ? ORDER BY seq"
        )
        return [
            BookedFill(a, b, c, d, e, f, Decimal(g), Decimal(h), Decimal(i), bool(j))
            for a, b, c, d, e, f, g, h, i, j in self.all(sql, after)
        ]

    def stands(self) -> list[Stands]:
        """Every order by its row."""
        sql = "SELECT client_id, state, open, filled, venue_id FROM intent ORDER BY cycle, line"
        return [Stands(a, b, bool(c), Decimal(d), e) for a, b, c, d, e in self.all(sql)]

    def holdings(self) -> dict[str, Decimal]:
        """Symbol -> signed units by the book's own row, of the newest epoch, flat ones left out."""
        found = self.all("SELECT symbol, quantity FROM holding WHERE epoch = ?", self.epoch)
        return {symbol: units for symbol, text in found if (units := Decimal(text))}

    def account(self) -> dict[str, Decimal]:
        """What the account must hold by our books: holdings, and what is kept apart; by the names of the beginning."""
        total: dict[str, Decimal] = {}
        apart = [(fill.symbol, fill.signed) for fill in self.fills() if fill.apart]
        for symbol, units in [*self.holdings().items(), *apart]:
            total[lasting(symbol)] = total.get(lasting(symbol), Decimal(0)) + units
        return {symbol: units for symbol, units in total.items() if units}

    def cash(self) -> Decimal | None:
        """What the newest epoch's book says it has."""
        found = self.all("SELECT cash FROM book WHERE epoch = ?", self.epoch)
        return _exact(found[0][0]) if found else None

    def blocks(self) -> list[Standing]:
        """What stands in the way of trading, oldest first."""
        sql = "SELECT id, scope, level, reason, since FROM block WHERE lifted_at IS NULL ORDER BY id"
        return [Standing(a, b, c, d, moment(e)) for a, b, c, d, e in self.all(sql)]

    def halted_symbols(self, since: datetime) -> set[str]:
        """Symbols that are halted, or were until that moment or later."""
        edge = (since - EPOCH) // timedelta(microseconds=1)
        sql = "SELECT scope FROM block WHERE level = 'halt' AND (lifted_at IS NULL OR lifted_at >= ?)"
        return {lasting(scope.partition("/")[2]) for (scope,) in self.all(sql, edge)}

    def blocked_books(self, since: datetime) -> set[str]:
        """Books that are halted or may only reduce, or that were so until that moment or later."""
        edge = (since - EPOCH) // timedelta(microseconds=1)
        sql = "SELECT scope FROM block WHERE level <> 'pause' AND (lifted_at IS NULL OR lifted_at >= ?)"
        return {scope for (scope,) in self.all(sql, edge) if "/" not in scope}

    def asked_to_halt(self) -> bool:
        """Whether the last word of people on the kill switch is that it be on, and a session said that it is. One that
        lifts it may die before it says so."""
        sql = (
            "SELECT kind FROM command WHERE (kind = 'kill' AND state = 'done') OR (kind = 'rearm' AND"
            " coalesce(json_extract(args, '$.scope'), '') = '') ORDER BY id DESC LIMIT 1"
        )
        return self.all(sql) == [("kill",)]


def _exact(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
