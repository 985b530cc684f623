"""Migrations, by Alembic. Imported only where a stored schema differs: Alembic is slow to import."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from trader.errors import StoreError


def configuration() -> Config:
    """Alembic's configuration: the migrations beside this file."""
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config


def upgrade(connection: Connection, revision: str | None, where: str) -> None:
    """Bring the schema to the newest revision inside the connection's transaction: all steps, or none.

    Errors: StoreError where a newer trader made it.
    """
    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise StoreError(
            f"A newer version of trader made it: its schema is revision {revision}, and this one knows "
            f"{', '.join(sorted(known))}.",
            where=where,
            todo="Install the newer version again, or name another database.",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
