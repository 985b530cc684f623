"""What the database's driver says, as an error for a person: what it was, and the way out."""

from __future__ import annotations

from trader.errors import StoreError

_SAYINGS = (  # part of the driver's message (lower case), what happened, what to do
    (
        ("password", "authentication failed", "no pg_hba.conf entry"),
        "The database server does not let this user in.",
        "Set the password in PGPASSWORD or ~/.pgpass, and check the user in the URL.",
    ),
    (
        ('" does not exist',),
        "The database server has no such database, or no such user.",
        "Make it (createdb NAME, createuser NAME), or correct the URL.",
    ),
    (
        ("permission denied for",),
        "The database server does not let this user write there.",
        "Make this user the owner of the database (ALTER DATABASE NAME OWNER TO USER).",
    ),
    (
        ("too many clients", "remaining connection slots"),
        "The database server has no connection left.",
        "End other programs that use it, or raise its max_connections.",
    ),
    (
        ("deadlock detected", "could not serialize"),
        "Another writer was in the way: nothing was written.",
        "Try again.",
    ),
    (
        ("disk is full", "no space left"),
        "The disk is full: nothing was written.",
        "Make room on that disk and start again; what was committed before is safe.",
    ),
    (
        ("is locked", "lock timeout", "canceling statement due to lock"),
        "Another process holds the database: nothing was written.",
        "End the other process (or wait until it is done) and try again.",
    ),
    (
        ("malformed", "not a database", "corrupt", "disk i/o error"),
        "The database is damaged.",
        "Nothing was changed. Copy the file aside, check the disk, and restore a backup or begin with an empty one.",
    ),
    (
        ("readonly", "read-only", "unable to open", "permission denied"),
        "It cannot be opened for writing.",
        "Give this user the right to write to the folder and the file, or name another state folder.",
    ),
    (
        (
            "connection refused",
            "could not connect",
            "connection failed",
            "connection is bad",
            "could not translate",
            "failed to resolve",
            "connection timeout",
            "starting up",
            "not yet accepting",
            "shutting down",
            "in recovery mode",
        ),
        "The database server does not answer.",
        "Check that it runs, and the host, port and name in the URL.",
    ),
    (
        (
            "server closed the connection",
            "terminating connection",
            "connection is closed",
            "connection was lost",
            "connection is lost",
            "consuming input failed",
            "could not receive data",
            "could not send data",
        ),
        "The connection to the database was lost; what was under way may or may not be committed.",
        "Start again: what is stored is read anew and nothing is written twice.",
    ),
)


_CONFLICTS = {"40001", "40P01"}  # PostgreSQL: not serializable, deadlock


def is_conflict(problem: BaseException | None) -> bool:
    """Whether PostgreSQL rolled a transaction back only because of another one: the same work may be tried again."""
    return getattr(getattr(problem, "orig", None), "sqlstate", None) in _CONFLICTS


def no_connection(where: str, most: int) -> StoreError:
    """All connections for reading are in use."""
    return StoreError(
        f"{most} read from it already, and none came to an end in time.", where=where, todo="Read less at once."
    )


def store_error(problem: BaseException, where: str) -> StoreError:
    """The explanation of a driver's exception."""
    said = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0:1]
    text = said[0] if said else type(problem).__name__
    low = text.lower()
    for words, what, todo in _SAYINGS:
        if any(word in low for word in words):
            return StoreError(f"{what} ({text})", where=where, todo=todo)
    return StoreError(f"The database refused: {text}", where=where)
