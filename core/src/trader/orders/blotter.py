"""The orders of one book in memory: what is open, what it may still do, what each report and fill makes of it.

Every change answers with the `Move` to be journalled. The store is the durable copy; this one is rebuilt from it.
What a venue says that fits no legal step moves nothing: it is noted in `odd`, for whoever halts the symbol.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from trader.errors import storable
from trader.model import ZERO, Accepted, Fill, OrderReport, OrderRequest, OrderState, Outcome, Refusal, Rejected
from trader.orders.journal import Move, OpenOrder
from trader.orders.lifecycle import TERMINAL, Cause, legal, step

S = OrderState
# An enum's member costs more to look up than most of what is done with it here.
SUBMITTING, WORKING, CLOSING, FILLED, ABSENT = S.SUBMITTING, S.WORKING, S.CLOSING, S.FILLED, S.ABSENT
ACK, FILL = Cause.ACK, Cause.FILL
# Two ways that nearly every order takes are looked up in the table once, here.
ACKED, DONE = step(SUBMITTING, WORKING, ACK), step(CLOSING, FILLED, FILL)
CLOSES = frozenset(state for state in S if legal(state, CLOSING, FILL)) | {CLOSING}
UNCERTAIN = (S.SUBMITTING, S.UNKNOWN)
"""It may or may not be at the venue."""
SETTLED_BY_SIGHT = (S.SUBMITTING, S.UNKNOWN, S.ABSENT, S.CANCEL_UNKNOWN, S.REPLACE_UNKNOWN)
"""It works again as soon as the venue shows it at work."""
LIVE = (S.WORKING, S.CANCEL_SENT, S.CANCEL_UNKNOWN, S.REPLACE_SENT, S.REPLACE_UNKNOWN)
"""It is at the venue, as far as anybody knows."""


class LiveOrder(msgspec.Struct, gc=False):
    """One order on its way. `remaining` counts in every limit until the order is terminal; of one that is absent as
    long as it is watched. `since`: process time, seconds, when it became uncertain."""

    request: OrderRequest
    state: OrderState
    filled: Decimal = ZERO
    venue_id: str | None = None
    since: float = 0.0

    @property
    def remaining(self) -> Decimal:
        return self.request.quantity - self.filled


class Odd(msgspec.Struct, frozen=True):
    """A fact that fits no legal step."""

    client_id: str
    symbol: str
    text: str


class Blotter:
    """Open orders by client id and by the venue's key, and the absent ones that are still watched."""

    def __init__(self, orders: Iterable[OpenOrder] = (), *, since: float = 0.0) -> None:
        self._open: dict[str, LiveOrder] = {}
        self._keys: dict[str, LiveOrder] = {}
        self._absent: dict[str, LiveOrder] = {}
        self.odd: list[Odd] = []
        """What the venue said that fits nowhere, since somebody last took it away."""
        self.revived: list[LiveOrder] = []
        """Absent orders that turned up after all, since somebody last took them away."""
        for stored in orders:
            order = LiveOrder(stored.request, stored.state, stored.filled, stored.venue_id, since)
            (self._absent if stored.state is S.ABSENT else self._open)[order.request.client_id] = order
            self._keys[order.request.key] = order

    def open(self) -> list[LiveOrder]:
        """Not terminal, oldest first."""
        return list(self._open.values())

    def absent(self) -> list[LiveOrder]:
        """Proven absent, and still watched."""
        return list(self._absent.values())

    def get(self, client_id: str) -> LiveOrder | None:
        """An open or a watched order."""
        return self._open.get(client_id) or self._absent.get(client_id)

    def by_key(self, key: str) -> LiveOrder | None:
        return self._keys.get(key)

    def by_venue_id(self, venue_id: str) -> LiveOrder | None:
        """For venues that show no key of ours."""
        everyone = (*self._open.values(), *self._absent.values())
        return next((order for order in everyone if order.venue_id == venue_id), None)

    def uncertain(self, symbol: str) -> bool:
        """Whether an order of this symbol may or may not be at the venue."""
        return any(order.request.symbol == symbol and order.state in UNCERTAIN for order in self._open.values())

    def uncertain_any(self) -> bool:
        """Whether any order may or may not be at the venue."""
        return any(order.state in UNCERTAIN for order in self._open.values())

    def submitting(self, requests: Iterable[OrderRequest]) -> None:
        """Intents that were just committed."""
        for request in requests:
            self._open[request.client_id] = self._keys[request.key] = LiveOrder(request, SUBMITTING)

    def take_up(self, stored: OpenOrder) -> LiveOrder:
        """An order of the store that was forgotten here because it had ended."""
        return LiveOrder(stored.request, stored.state, stored.filled, stored.venue_id)

    def forget(self, order: LiveOrder) -> None:
        """An absent order need not be watched any longer."""
        self._absent.pop(order.request.client_id, None)
        if self._keys.get(order.request.key) is order:
            del self._keys[order.request.key]

    # ---- answers ---------------------------------------------------------------------------------------------------
    def outcome(self, client_id: str, outcome: Outcome | Refusal, at: datetime, now: float = 0.0) -> list[Move]:
        """What the gate or the venue answered to a submit, in time or late. A report or a fill may have come first."""
        order = self._open.get(client_id)
        if order is None:
            return self._late(client_id, outcome, at)
        if isinstance(outcome, Accepted):
            order.venue_id = outcome.venue_id or order.venue_id
            if order.state is SUBMITTING:
                order.state = ACKED
                return [Move(client_id, ACKED, ACK, at, "", order.venue_id, order.filled)]
            return self._venue(order, WORKING, ACK, at) if order.state in UNCERTAIN else []
        if isinstance(outcome, Refusal):
            return [self._move(order, S.NOT_SENT, Cause.GATE, at, f"{outcome.rule}: {outcome.reason}")]
        if isinstance(outcome, Rejected):
            return self._venue(order, S.REJECTED, Cause.REJECT, at, f"{outcome.kind}: {outcome.reason}")
        if order.state is not S.SUBMITTING:
            return []
        order.since = now
        return [self._move(order, S.UNKNOWN, Cause.SILENCE, at, f"{outcome.kind}: {outcome.reason}")]

    def _late(self, client_id: str, outcome: Outcome | Refusal, at: datetime) -> list[Move]:
        order = self._absent.get(client_id)
        if order is None or isinstance(outcome, Refusal):
            return []
        if isinstance(outcome, Accepted):
            order.venue_id = outcome.venue_id or order.venue_id
            return self._venue(order, WORKING, ACK, at, "it arrived after all")
        if isinstance(outcome, Rejected):
            return self._venue(order, S.REJECTED, Cause.REJECT, at, f"{outcome.kind}: {outcome.reason}")
        return []

    def possibly_sent(self, order: LiveOrder, at: datetime) -> list[Move]:
        """At a start: the program that was submitting it ended, before or after the bytes left."""
        return [self._move(order, S.UNKNOWN, Cause.SILENCE, at, "sent, or not: the program ended meanwhile")]

    def proven_absent(self, order: LiveOrder, at: datetime) -> list[Move]:
        """The venue does not show it, and everything that could still arrive there has arrived."""
        moved = self._move(order, S.ABSENT, Cause.HORIZON, at, "the venue does not show it")
        self._absent[order.request.client_id] = self._keys[order.request.key] = order
        return [moved]

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

    # ---- facts -----------------------------------------------------------------------------------------------------
    def fill(self, order: LiveOrder, fill: Fill) -> list[Move]:
        """A booked fill, in whatever state: implies that the order works there; the last one closes it."""
        request, state = order.request, order.state
        client_id, ordered = request.client_id, request.quantity
        filled = order.filled = order.filled + fill.quantity
        if filled > ordered:
            self._note(order, f"{filled:f} filled, {ordered:f} ordered")
        if state is ABSENT:
            self.revived.append(order)
            self._absent.pop(client_id, None)
        if state not in CLOSES:  # terminal: the fact is booked, and somebody must know
            self._note(order, f"filled {fill.quantity:f} after it was {state}")
        elif filled >= ordered:
            order.state = DONE
            self._open.pop(client_id, None)
            self._keys.pop(request.key, None)
            return [Move(client_id, DONE, FILL, fill.time, "", order.venue_id, filled)]
        if state in (S.SUBMITTING, S.UNKNOWN, S.ABSENT):
            return [self._move(order, S.WORKING, Cause.FILL, fill.time)]
        return [Move(client_id, state, Cause.FILL, fill.time, filled=filled)]

    def corrected(self, order: LiveOrder, change: Decimal, at: datetime) -> Move:
        """An execution of it has another quantity now, by so much; whether that ends it is the venue's next word."""
        order.filled += change
        return Move(order.request.client_id, order.state, Cause.FILL, at, filled=order.filled)

    def report(self, report: OrderReport, at: datetime) -> list[Move]:
        """What a query showed. An end is believed only when every fill of it is booked."""
        order = self._keys.get(report.key)
        if order is None and report.venue_id:
            order = self.by_venue_id(report.venue_id)
        if order is None:
            return []
        moves = []
        if order.venue_id != report.venue_id:
            order.venue_id = report.venue_id
            if order.state not in UNCERTAIN and order.state is not S.ABSENT:  # those are named by the move that follows
                moves.append(Move(order.request.client_id, order.state, Cause.REPORT, at, "", order.venue_id))
        if report.state in TERMINAL:
            return moves + self._ended(order, report, at)
        if report.state is S.WORKING and order.state in SETTLED_BY_SIGHT:
            why = "it arrived after all" if order.state is S.ABSENT else ""
            return self._venue(order, S.WORKING, Cause.REPORT, at, why)
        if report.state is S.CANCEL_SENT and order.state in (S.SUBMITTING, S.UNKNOWN, S.ABSENT):
            return self._venue(order, S.WORKING, Cause.REPORT, at)
        return moves

    def _ended(self, order: LiveOrder, report: OrderReport, at: datetime) -> list[Move]:
        """The venue shows an end: REJECTED of what was never acknowledged at once, any other by way of CLOSING."""
        if report.state is S.REJECTED and order.state in UNCERTAIN and not report.filled:
            return [self._move(order, S.REJECTED, Cause.REPORT, at, report.reason)]
        whole = report.filled == order.filled
        if order.state is not S.CLOSING:
            if not legal(order.state, S.CLOSING, Cause.REPORT):
                self._note(order, f"the venue shows {report.state}, it was {order.state}")
                return []
            if not whole:
                return [self._move(order, S.CLOSING, Cause.REPORT, at, "waiting for its fills")]
            order.state = step(order.state, S.CLOSING, Cause.REPORT)
        return [self._move(order, report.state, Cause.REPORT, at, report.reason)] if whole else []

    def _venue(self, order: LiveOrder, to: OrderState, cause: Cause, at: datetime, reason: str = "") -> list[Move]:
        """A step that the venue asks for: taken if it is legal, noted if not."""
        if not legal(order.state, to, cause):
            self._note(order, f"the venue says {to} ({reason or cause}), it was {order.state}")
            return []
        return [self._move(order, to, cause, at, reason)]

    def _note(self, order: LiveOrder, text: str) -> None:
        self.odd.append(Odd(order.request.client_id, order.request.symbol, text))

    def _move(self, order: LiveOrder, to: OrderState, cause: Cause, at: datetime, reason: str = "") -> Move:
        if order.state is S.ABSENT and to is WORKING and cause is not FILL:
            self.revived.append(order)
        order.state = step(order.state, to, cause)
        client_id = order.request.client_id
        if to in TERMINAL:
            self._close(order)
        else:
            self._absent.pop(client_id, None)
            self._open[client_id] = self._keys[order.request.key] = order
        return Move(client_id, to, cause, at, storable(str(reason or "")), order.venue_id, order.filled)

    def _close(self, order: LiveOrder) -> None:
        request = order.request
        self._keys.pop(request.key, None)
        if self._open.pop(request.client_id, None) is None:
            self._absent.pop(request.client_id, None)
