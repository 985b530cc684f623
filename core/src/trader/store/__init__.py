"""The database: schema, migrations, the hash chain, and what the command line reads.

SQLite (WAL, synchronous=FULL) beside the settings, or PostgreSQL by URL. Nothing here knows what an order may do next.
"""

from __future__ import annotations

from pathlib import Path

DATABASE = "trader.db"
"""The name of the SQLite file in the state folder."""

MARK = "journal.mark"
"""The name of the journal's high-water mark (`trader.store.mark`), in the state folder."""

_FILE = "sqlite:///"


def database_of(url: str | None, root: Path, state: Path) -> str | Path:
    """What `application.database` means, as `open_store` takes it: the path of a SQLite file, relative ones from the
    folder of the settings (`root`) wherever one stands, or the URL of another database."""
    if not url:
        return state / DATABASE
    return root / url.removeprefix(_FILE) if url.startswith(_FILE) or "://" not in url else url
