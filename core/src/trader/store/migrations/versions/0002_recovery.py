"""What recovery needs: levels of blocks, what a fact moved; no outbox (fills are told again from the journal itself).

Columns are explained in `trader.store.schema`. They come last and are NULL in rows that are there already, so that the
chain's digests of those rows stay true. A block that is there already halts: that is all a block could do before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns, drop a table that nothing ever read."""
    op.add_column("block", sa.Column("level", sa.String(), nullable=False, server_default="halt"))
    op.add_column("block", sa.Column("lifted_why", sa.String(), nullable=True))
    op.add_column("fill", sa.Column("amount", sa.Text(), nullable=True))
    op.add_column("fill", sa.Column("multiplier", sa.Text(), nullable=True))
    op.add_column("fill", sa.Column("external", sa.SmallInteger(), nullable=True))
    op.add_column("cash_event", sa.Column("moved", sa.Text(), nullable=True))
    op.drop_table("outbox")
