"""The tables. Amounts are plain decimal strings, moments are integer microseconds since 1970 UTC: exact, and the same
on SQLite and PostgreSQL.

Append-only: epoch, cycle, intent (but for its last columns), order_event, fill, cash_event. The rest are projections of
these, or work in hand. Every projection belongs to an epoch: a new epoch starts blank and the old one stays.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

REVISION = "0002"
"""The newest migration, known without asking Alembic. Later ones sort after it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Aware UTC."""
    return _EPOCH + timedelta(microseconds=value)


def plain(value: Decimal) -> str:
    """A decimal string without an exponent."""
    return format(value, "f")


class Exact(TypeDecorator[Decimal]):
    """A Decimal as a plain string."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, _dialect: Dialect) -> str | None:
        return None if value is None else plain(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Moment(TypeDecorator[datetime]):
    """An aware datetime as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else moment(value)


class Flag(TypeDecorator[bool]):
    """A bool as 0 or 1."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: bool | None, _dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


Serial = BigInteger().with_variant(Integer(), "sqlite")  # SQLite's row number is an INTEGER primary key, nothing else

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# ---- who wrote, and in which run ------------------------------------------------------------------------------------
epoch = Table(
    "epoch",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("nonce", LargeBinary, nullable=False, unique=True),
    Column("reason", String, nullable=False),  # first | cold | fresh
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment),
)

session = Table(
    "session",
    metadata,
    Column("id", String, primary_key=True),
    Column("epoch", ForeignKey(epoch.c.number), nullable=False),
    Column("mode", String, nullable=False),
    Column("version", String, nullable=False),
    Column("settings_hash", String, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("stopped_at", Moment),
    Column("exit_reason", String),
)

# ---- what was decided -----------------------------------------------------------------------------------------------
cycle = Table(
    "cycle",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=False),  # of its event in the chain
    Column("epoch", ForeignKey(epoch.c.number), nullable=False),
    Column("book", String, nullable=False),
    Column("cycle_id", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("equity", Exact, nullable=False),
    Column("cash", Exact, nullable=False),
    Column("session", String, nullable=False),
    Column("decision", LargeBinary, nullable=False),  # canonical JSON
    UniqueConstraint("epoch", "book", "cycle_id"),
    Index(None, "book", "seq"),
)

intent = Table(
    "intent",
    metadata,
    Column("cycle", ForeignKey(cycle.c.seq), primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),  # its place in the plan; denied ones come last
    Column("client_id", String, nullable=False, unique=True),
    Column("key", String, nullable=False),
    Column("book", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("side", String, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("type", String, nullable=False),
    Column("time_in_force", String, nullable=False),
    Column("limit_price", Exact),
    Column("stop_price", Exact),
    Column("reduce_only", Flag, nullable=False),
    Column("purpose", String, nullable=False),
    Column("price", Exact, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("denied", String),  # why, if it was
    # Up to here it never changes. The rest is where it stands: a projection of its events, kept in the same row
    # because a second table keyed by these random ids would double the pages that each commit writes.
    Column("state", String, nullable=False),
    Column("open", Flag, nullable=False),  # not terminal
    Column("filled", Exact, nullable=False),
    Column("venue_id", String),
    Column("reason", String, nullable=False),
    Column("at", Moment, nullable=False),
    # Partial on SQLite only: naming the other dialect here would import it at each start.
    Index("ix_intent_open", "open", "book", "cycle", sqlite_where=text("open = 1")),
    sqlite_with_rowid=False,
)

FIXED = 17
"""So many columns of an intent never change: the chain covers them."""

# ---- what happened --------------------------------------------------------------------------------------------------
order_event = Table(
    "order_event",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),  # opened | decided | moved | fill | cash | odd
    Column("epoch", Integer, nullable=False),
    Column("book", String),
    Column("client_id", String),
    Column("state", String),
    Column("cause", String),
    Column("reason", String),
    Column("venue_id", String),
    Column("filled", Exact),
    Column("digest", LargeBinary),  # of the rows this event stands for
    Column("at", Moment),  # market time
    Column("recorded_at", Moment, nullable=False),  # process time
    Column("session", String),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

fill = Table(
    "fill",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=False),  # of its event: the order of booking
    Column("venue", String, nullable=False),
    Column("account", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("execution_id", String, nullable=False),
    Column("book", String, nullable=False),
    Column("client_id", String),
    Column("key", String, nullable=False),
    Column("venue_id", String, nullable=False),
    Column("side", String, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("price", Exact, nullable=False),
    Column("fee", Exact, nullable=False),
    Column("fee_currency", String, nullable=False),
    Column("time", Moment, nullable=False),
    # Rows of revision 0001 have NULL from here on; `chain.fact_digest` leaves it out, so that they still verify.
    Column("amount", Exact),  # what it moved cash by, signed, with the fee
    Column("multiplier", Exact),
    Column("external", Flag),  # a trade of somebody else that the book leaves alone
    UniqueConstraint("venue", "account", "symbol", "execution_id"),
    Index(None, "book", "time"),
)

cash_event = Table(
    "cash_event",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=False),
    Column("venue", String, nullable=False),
    Column("account", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("book", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("amount", Exact, nullable=False),
    Column("currency", String, nullable=False),
    Column("symbol", String),
    Column("time", Moment, nullable=False),
    Column("moved", Exact),  # what it moved the book's cash by, where that is not the amount (another currency)
    UniqueConstraint("venue", "account", "event_id"),
    Index(None, "book", "time"),
)

# ---- where things stand: projections --------------------------------------------------------------------------------
book = Table(
    "book",
    metadata,
    Column("epoch", ForeignKey(epoch.c.number), primary_key=True, autoincrement=False),
    Column("name", String, primary_key=True),
    Column("venue", String, nullable=False),
    Column("account", String, nullable=False),
    Column("cash", Exact),
    Column("peak_equity", Exact),
    UniqueConstraint("epoch", "venue", "account"),
)

holding = Table(
    "holding",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("book", String, primary_key=True),
    Column("symbol", String, primary_key=True),
    Column("quantity", Exact, nullable=False),
    Column("price", Exact, nullable=False),
    Column("entry_time", Moment),
    Column("realized", Exact, nullable=False),
)

plugin_state = Table(
    "plugin_state",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("book", String, primary_key=True),
    Column("instance", String, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)

id_map = Table(  # the names an order had before its venue renamed it: many venue ids, one intent
    "id_map",
    metadata,
    Column("client_id", ForeignKey(intent.c.client_id), primary_key=True),
    Column("venue_id", String, primary_key=True),
    Index(None, "venue_id"),
)

# ---- between processes ----------------------------------------------------------------------------------------------
command = Table(
    "command",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("kind", String, nullable=False),
    Column("args", Text, nullable=False),  # JSON
    Column("requested_by", String, nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("state", String, nullable=False),  # waiting | done | refused
    Column("answered_at", Moment),
    Column("answer", String),
    Index(None, "state"),
)

block = Table(
    "block",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("scope", String, nullable=False),  # see `trader.store.blocks`
    Column("reason", String, nullable=False),
    Column("since", Moment, nullable=False),
    Column("lifted_by", String),
    Column("lifted_at", Moment),
    Column("level", String, nullable=False, server_default="halt"),  # pause | reduce | halt
    Column("lifted_why", String),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
