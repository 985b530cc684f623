"""The database: schema, migrations, the hash chain, and what the command line reads.

SQLite (WAL, synchronous=FULL) beside the settings, or PostgreSQL by URL. Nothing here knows what an order may do next.
"""

DATABASE = "trader.db"
"""The name of the SQLite file in the state folder."""

MARK = "journal.mark"
"""The name of the journal's high-water mark (`trader.store.mark`), in the state folder."""
