"""The state table: every legal step of an order's life, and what may cause it.

Terminal states are DENIED, NOT_SENT, REJECTED, FILLED, CANCELED, EXPIRED, and ABSENT (which stays watched: an order
that turns up after all moves on to WORKING). Partly filled is no state: it is the sum of the fills, and fills are
booked in every state.
"""

from __future__ import annotations

from enum import StrEnum

from trader.errors import IllegalTransition
from trader.model import OrderState as S


class Cause(StrEnum):
    """What moved an order."""

    RISK = "risk"
    COMMIT = "commit"
    GATE = "gate"
    CANCEL = "cancel"
    REPLACE = "replace"
    HORIZON = "horizon"
    ACK = "ack"
    REJECT = "reject"
    SILENCE = "silence"
    REPORT = "report"
    FILL = "fill"

    __hash__ = str.__hash__  # as OrderState's


_ANSWER = frozenset({Cause.ACK, Cause.REPORT, Cause.FILL})
_SHOWN = frozenset({Cause.REPORT, Cause.FILL})
_REFUSED = frozenset({Cause.REJECT, Cause.REPORT})
_SILENT = frozenset({Cause.SILENCE})
_CLOSED = frozenset({Cause.REPORT, Cause.FILL})

TABLE: dict[S, dict[S, frozenset[Cause]]] = {
    S.PLANNED: {S.DENIED: frozenset({Cause.RISK}), S.SUBMITTING: frozenset({Cause.COMMIT})},
    S.SUBMITTING: {
        S.NOT_SENT: frozenset({Cause.GATE}),
        S.WORKING: _ANSWER,
        S.REJECTED: _REFUSED,
        S.UNKNOWN: _SILENT,
        S.CLOSING: _CLOSED,
    },
    S.UNKNOWN: {
        S.WORKING: _ANSWER,
        S.REJECTED: _REFUSED,
        S.ABSENT: frozenset({Cause.HORIZON}),
        S.CLOSING: _CLOSED,
    },
    S.ABSENT: {S.WORKING: _ANSWER, S.REJECTED: frozenset({Cause.REJECT}), S.CLOSING: _CLOSED},
    S.WORKING: {
        S.CANCEL_SENT: frozenset({Cause.CANCEL}),
        S.REPLACE_SENT: frozenset({Cause.REPLACE}),
        S.CLOSING: _CLOSED,
    },
    S.CANCEL_SENT: {S.WORKING: _REFUSED, S.CANCEL_UNKNOWN: _SILENT, S.CLOSING: _CLOSED},
    S.CANCEL_UNKNOWN: {
        S.WORKING: _SHOWN,
        S.CANCEL_SENT: frozenset({Cause.CANCEL}),
        S.CLOSING: _CLOSED,
    },
    S.REPLACE_SENT: {S.WORKING: _ANSWER | _REFUSED, S.REPLACE_UNKNOWN: _SILENT, S.CLOSING: _CLOSED},
    S.REPLACE_UNKNOWN: {S.WORKING: _SHOWN, S.CLOSING: _CLOSED},
    S.CLOSING: {S.FILLED: _CLOSED, S.CANCELED: _CLOSED, S.EXPIRED: _CLOSED, S.REJECTED: _CLOSED},
    S.DENIED: {},
    S.NOT_SENT: {},
    S.REJECTED: {},
    S.FILLED: {},
    S.CANCELED: {},
    S.EXPIRED: {},
}

TERMINAL = frozenset(state for state, ways in TABLE.items() if not ways) | {S.ABSENT}
UNRESOLVED = frozenset(S) - TERMINAL - {S.PLANNED}
"""States in which the rest of the order counts in every limit, at its worst case."""


def legal(state: S, to: S, cause: Cause) -> bool:
    """Whether the table has this way."""
    return cause in TABLE[state].get(to, ())


def step(state: S, to: S, cause: Cause) -> S:
    """`to`, or IllegalTransition where the table has no such way."""
    if cause not in TABLE[state].get(to, ()):
        raise IllegalTransition(f"an order cannot go from {state} to {to} by {cause}")
    return to
