"""Which schema a database has, by what it says and by what is there; and how an empty one gets this version's."""

from __future__ import annotations

from sqlalchemy import Connection, text

from trader.errors import StoreError
from trader.store.schema import REVISION, metadata

_SQLITE = """
SELECT t.name, c.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c
WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!'
"""
_POSTGRESQL = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"


def revision(connection: Connection, where: str) -> str | None:
    """The stored schema revision; None for an empty database.

    Errors: StoreError for the database of another program, and where a table or column of this revision is missing.
    """
    found = _columns(connection)
    tables = {table for table, _ in found}
    if not tables:
        return None
    stored: str | None = None
    if {"alembic_version", "order_event"} <= tables:
        stored = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if not stored:
        raise StoreError("It is the database of another program.", where=where, todo="Name another one.")
    if stored == REVISION:
        _refuse_mixed(found, where)
    return stored


def make(connection: Connection) -> None:
    """All tables at once, as the migrations would have made them."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:revision)"), {"revision": REVISION})


def _columns(connection: Connection) -> set[tuple[str, str]]:
    statement = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    return {(table, column) for table, column in connection.execute(text(statement))}


def _refuse_mixed(found: set[tuple[str, str]], where: str) -> None:
    wanted = {(table.name, column.name) for table in metadata.tables.values() for column in table.columns}
    lacking = sorted(f"{table}.{column}" for table, column in wanted - found)
    if lacking:
        raise StoreError(
            f"Its schema is mixed: it says revision {REVISION}, and {', '.join(lacking[:5])} is missing.",
            where=where,
            todo="Nothing was changed. Restore a backup, or name another database.",
        )
