"""The orders of one book in memory: what is open, what it may still do, what each report and fill makes of it.

Every change answers with the `Move` to be journalled. The store is the durable copy; this one is rebuilt from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from trader.model import ZERO, Accepted, Fill, OrderReport, OrderRequest, OrderState, Outcome, Refusal, Rejected
from trader.orders.journal import Move, OpenOrder
from trader.orders.lifecycle import TERMINAL, Cause, legal, step

S = OrderState
# An enum's member costs more to look up than most of what is done with it here.
SUBMITTING, WORKING, CLOSING, FILLED = S.SUBMITTING, S.WORKING, S.CLOSING, S.FILLED
ACK, FILL = Cause.ACK, Cause.FILL
# Two ways that nearly every order takes are looked up in the table once, here.
ACKED, DONE = step(SUBMITTING, WORKING, ACK), step(CLOSING, FILLED, FILL)
CLOSES = frozenset(state for state in S if legal(state, CLOSING, FILL)) | {CLOSING}


class LiveOrder(msgspec.Struct, gc=False):
    """One order on its way. `remaining` counts in every limit until the order is terminal."""

    request: OrderRequest
    state: OrderState
    filled: Decimal = ZERO
    venue_id: str | None = None

    @property
    def remaining(self) -> Decimal:
        return self.request.quantity - self.filled


class Blotter:
    """Open orders by client id and by the venue's key."""

    def __init__(self, orders: Iterable[OpenOrder] = ()) -> None:
        self._open: dict[str, LiveOrder] = {}
        self._keys: dict[str, LiveOrder] = {}
        for stored in orders:
            order = LiveOrder(stored.request, stored.state, stored.filled, stored.venue_id)
            self._open[order.request.client_id] = self._keys[order.request.key] = order

    def open(self) -> list[LiveOrder]:
        """Not terminal, oldest first."""
        return list(self._open.values())

    def get(self, client_id: str) -> LiveOrder | None:
        return self._open.get(client_id)

    def by_key(self, key: str) -> LiveOrder | None:
        return self._keys.get(key)

    def submitting(self, requests: Iterable[OrderRequest]) -> None:
        """Intents that were just committed."""
        for request in requests:
            self._open[request.client_id] = self._keys[request.key] = LiveOrder(request, SUBMITTING)

    def outcome(self, client_id: str, outcome: Outcome | Refusal, at: datetime) -> list[Move]:
        """What the gate or the venue answered to a submit. A report or a fill may have come first."""
        order = self._open.get(client_id)
        if order is None:
            return []
        if isinstance(outcome, Accepted):
            order.venue_id = outcome.venue_id or order.venue_id
            if order.state is not SUBMITTING:
                return []
            order.state = ACKED
            return [Move(client_id, ACKED, ACK, at, "", order.venue_id, order.filled)]
        if isinstance(outcome, Refusal):
            return [self._move(order, S.NOT_SENT, Cause.GATE, at, f"{outcome.rule}: {outcome.reason}")]
        if isinstance(outcome, Rejected):
            return [self._move(order, S.REJECTED, Cause.REJECT, at, f"{outcome.kind}: {outcome.reason}")]
        if order.state is not S.SUBMITTING:
            return []
        return [self._move(order, S.UNKNOWN, Cause.SILENCE, at, f"{outcome.kind}: {outcome.reason}")]

    def cancel_sent(self, client_id: str, at: datetime) -> list[Move]:
        """Before a cancel is sent; nothing where it cannot be (already on its way, or not acknowledged yet)."""
        order = self._open.get(client_id)
        if order is None or not legal(order.state, S.CANCEL_SENT, Cause.CANCEL):
            return []
        return [self._move(order, S.CANCEL_SENT, Cause.CANCEL, at)]

    def cancel_outcome(self, client_id: str, outcome: Outcome, at: datetime) -> list[Move]:
        """Accepted changes nothing: gone is what the venue shows."""
        order = self._open.get(client_id)
        if order is None or order.state is not S.CANCEL_SENT or isinstance(outcome, Accepted):
            return []
        if isinstance(outcome, Rejected):
            return [self._move(order, S.WORKING, Cause.REJECT, at, f"{outcome.kind}: {outcome.reason}")]
        return [self._move(order, S.CANCEL_UNKNOWN, Cause.SILENCE, at, f"{outcome.kind}: {outcome.reason}")]

    def fill(self, order: LiveOrder, fill: Fill) -> list[Move]:
        """A booked fill: implies that the order works there; the last one closes it."""
        order.filled += fill.quantity
        if order.filled >= order.request.quantity:
            if order.state not in CLOSES:
                step(order.state, CLOSING, FILL)
            order.state = DONE
            client_id = order.request.client_id
            del self._open[client_id], self._keys[order.request.key]
            return [Move(client_id, DONE, FILL, fill.time, "", order.venue_id, order.filled)]
        if order.state in (S.SUBMITTING, S.UNKNOWN, S.ABSENT):
            return [self._move(order, S.WORKING, Cause.FILL, fill.time)]
        return [Move(order.request.client_id, order.state, Cause.FILL, fill.time, filled=order.filled)]

    def absent(self, order: LiveOrder, at: datetime) -> list[Move]:
        """The venue does not show it, and everything that could still arrive there has arrived: it never will be."""
        moves = []
        if order.state is SUBMITTING:
            moves.append(self._move(order, S.UNKNOWN, Cause.SILENCE, at, "sent, or not: the program ended meanwhile"))
        if order.state is S.UNKNOWN:
            moves.append(self._move(order, S.ABSENT, Cause.HORIZON, at, "the venue does not show it"))
        return moves

    def report(self, report: OrderReport, at: datetime) -> list[Move]:
        """What a query showed. An end is believed only when every fill of it is booked."""
        order = self._keys.get(report.key)
        if order is None:
            return []
        order.venue_id = report.venue_id
        if report.state in TERMINAL:
            if report.filled != order.filled:
                if order.state is S.CLOSING:
                    return []
                return [self._move(order, S.CLOSING, Cause.REPORT, at, "waiting for its fills")]
            if order.state is not S.CLOSING:
                step(order.state, S.CLOSING, Cause.REPORT)
            return [self._end(order, report.state, Cause.REPORT, at, report.reason)]
        if report.state is S.WORKING and order.state in (S.SUBMITTING, S.UNKNOWN, S.ABSENT, S.CANCEL_UNKNOWN):
            return [self._move(order, S.WORKING, Cause.REPORT, at)]
        return []

    def _move(self, order: LiveOrder, to: OrderState, cause: Cause, at: datetime, reason: str = "") -> Move:
        order.state = step(order.state, to, cause)
        return self._moved(order, cause, at, reason)

    def _end(self, order: LiveOrder, to: OrderState, cause: Cause, at: datetime, reason: str = "") -> Move:
        order.state = step(S.CLOSING, to, cause)
        return self._moved(order, cause, at, reason)

    def _moved(self, order: LiveOrder, cause: Cause, at: datetime, reason: str) -> Move:
        if order.state in TERMINAL:
            del self._open[order.request.client_id]
            del self._keys[order.request.key]
        return Move(order.request.client_id, order.state, cause, at, reason, order.venue_id, order.filled)
