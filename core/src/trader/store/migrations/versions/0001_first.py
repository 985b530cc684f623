"""Everything there is: the first schema. Columns are explained in `trader.store.schema`."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "block",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_block"),
    )
    op.create_table(
        "cash_event",
        sa.Column("seq", _SERIAL, autoincrement=False, nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=True),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_cash_event"),
        sa.UniqueConstraint("venue", "account", "event_id", name="uq_cash_event_venue_account_event_id"),
    )
    op.create_index("ix_cash_event_book_time", "cash_event", ["book", "time"], unique=False)
    op.create_table(
        "command",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_command"),
    )
    op.create_index("ix_command_state", "command", ["state"], unique=False)
    op.create_table(
        "epoch",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_epoch"),
        sa.UniqueConstraint("nonce", name="uq_epoch_nonce"),
    )
    op.create_table(
        "fill",
        sa.Column("seq", _SERIAL, autoincrement=False, nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("execution_id", sa.String(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("venue_id", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("fee", sa.Text(), nullable=False),
        sa.Column("fee_currency", sa.String(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_fill"),
        sa.UniqueConstraint(
            "venue", "account", "symbol", "execution_id", name="uq_fill_venue_account_symbol_execution_id"
        ),
    )
    op.create_index("ix_fill_book_time", "fill", ["book", "time"], unique=False)
    op.create_table(
        "holding",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("entry_time", sa.BigInteger(), nullable=True),
        sa.Column("realized", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "book", "symbol", name="pk_holding"),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    op.create_table(
        "order_event",
        sa.Column("seq", _SERIAL, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("book", sa.String(), nullable=True),
        sa.Column("client_id", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("venue_id", sa.String(), nullable=True),
        sa.Column("filled", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_order_event"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_table(
        "plugin_state",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "book", "instance", name="pk_plugin_state"),
    )
    op.create_table(
        "book",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("cash", sa.Text(), nullable=True),
        sa.Column("peak_equity", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("epoch", "name", name="pk_book"),
        sa.UniqueConstraint("epoch", "venue", "account", name="uq_book_epoch_venue_account"),
        sa.ForeignKeyConstraint(["epoch"], ["epoch.number"], name="fk_book_epoch"),
    )
    op.create_table(
        "cycle",
        sa.Column("seq", _SERIAL, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("equity", sa.Text(), nullable=False),
        sa.Column("cash", sa.Text(), nullable=False),
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("decision", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_cycle"),
        sa.UniqueConstraint("epoch", "book", "cycle_id", name="uq_cycle_epoch_book_cycle_id"),
        sa.ForeignKeyConstraint(["epoch"], ["epoch.number"], name="fk_cycle_epoch"),
    )
    op.create_index("ix_cycle_book_seq", "cycle", ["book", "seq"], unique=False)
    op.create_table(
        "session",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("settings_hash", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.Column("exit_reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.ForeignKeyConstraint(["epoch"], ["epoch.number"], name="fk_session_epoch"),
    )
    op.create_table(
        "intent",
        sa.Column("cycle", _SERIAL, autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("time_in_force", sa.String(), nullable=False),
        sa.Column("limit_price", sa.Text(), nullable=True),
        sa.Column("stop_price", sa.Text(), nullable=True),
        sa.Column("reduce_only", sa.SmallInteger(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("denied", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("open", sa.SmallInteger(), nullable=False),
        sa.Column("filled", sa.Text(), nullable=False),
        sa.Column("venue_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cycle", "line", name="pk_intent"),
        sa.UniqueConstraint("client_id", name="uq_intent_client_id"),
        sa.ForeignKeyConstraint(["cycle"], ["cycle.seq"], name="fk_intent_cycle"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_intent_open", "intent", ["open", "book", "cycle"], unique=False, sqlite_where=sa.text("open = 1")
    )
    op.create_table(
        "id_map",
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("venue_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "venue_id", name="pk_id_map"),
        sa.ForeignKeyConstraint(["client_id"], ["intent.client_id"], name="fk_id_map_client_id"),
    )
    op.create_index("ix_id_map_venue_id", "id_map", ["venue_id"], unique=False)
