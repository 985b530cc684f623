"""What the database's driver says, as an error for a person: what it was, and the way out."""

from __future__ import annotations

from trader.errors import StoreError

_SAYINGS = (  # part of the driver's message (lower case), what happened, what to do
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
        ("connection refused", "could not connect", "connection failed", "connection is bad", "could not translate"),
        "The database server does not answer.",
        "Check that it runs, and the host, port and name in the URL.",
    ),
    (
        ("server closed the connection", "terminating connection", "connection is closed", "connection was lost"),
        "The connection to the database was lost; what was under way may or may not be committed.",
        "Start again: what is stored is read anew and nothing is written twice.",
    ),
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
