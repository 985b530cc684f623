"""Alembic's entry: runs the migrations in the transaction that `trader.store.upgrade` has open."""

from alembic import context
from trader.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
