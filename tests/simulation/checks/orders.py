"""Orders: one for each intent, none without its row, legal steps only, and nothing lost on the way."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from trader.model import OrderRequest

from .case import Case, Judge
from .rows import Event, Intent, lasting

ENDED = frozenset({"denied", "not_sent", "rejected", "filled", "canceled", "expired", "absent"})
_END = {"closing", "filled", "canceled", "expired"}
_LIVE = _END | {"rejected"}
STEPS: dict[str, set[str]] = {
    "submitting": {"not_sent", "working", "rejected", "unknown", *_END},
    "unknown": {"working", "rejected", "absent", *_END},
    "absent": {"working", "rejected", *_END},
    "working": {"cancel_sent", "replace_sent", *_LIVE},
    "cancel_sent": {"working", "cancel_unknown", *_LIVE},
    "cancel_unknown": {"working", "cancel_sent", *_LIVE},
    "replace_sent": {"working", "replace_unknown", *_LIVE},
    "replace_unknown": {"working", *_LIVE},
    "closing": {"filled", "canceled", "expired", "rejected"},
}
"""The state table as the design has it, written down a second time. One row may stand for a step through CLOSING."""


class OneOrder(Judge):
    """I1: one intent, at most one order at the venue, ever."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._seen: Counter[str] = Counter()

    def each(self) -> None:
        for order in self.case.accepted:
            if order.external:
                continue
            self._seen[order.key] += 1
            if self._seen[order.key] > 1:
                self.case.object("I1", f"{self._seen[order.key]} orders at the venue for the intent {order.key}")


class Journalled(Judge):
    """I7: nothing leaves without a committed row of the same id and the same terms, and nothing leaves twice."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._left: set[str] = set()

    def each(self) -> None:
        case = self.case
        for request in case.requests:
            intent = case.rows.intents.get(request.client_id)
            if intent is None:
                case.object("I7", f"{request.client_id} left, and the journal has no row of it")
            elif intent.denied is not None:
                case.object("I7", f"{request.client_id} left, and it was denied: {intent.denied}")
            elif intent.key != request.key:
                case.object("I7", f"{request.client_id} left with key {request.key}; its row says {intent.key}")
            elif request.order is not None:
                self._terms(intent, request.order)
            if request.key in self._left:
                case.object("I7", f"{request.key} left a second time")
            self._left.add(request.key)

    def _terms(self, intent: Intent, order: OrderRequest) -> None:
        sent = (order.symbol, str(order.side), order.quantity, str(order.type), order.limit_price, order.stop_price)
        row = (lasting(intent.symbol), intent.side, intent.quantity, intent.type, intent.limit_price, intent.stop_price)
        if sent != row:
            self.case.object("I7", f"{order.client_id} was sent as {sent}, its row says {row}")


class Legal(Judge):
    """I6: legal steps only; the sum of fills never falls; an ended order gains a fill only with an alert; and what the
    journal calls ended, refused or never sent is not at work at the venue."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.states: dict[str, str] = {}
        self._filled: dict[str, Decimal] = {}
        self._decided: dict[str, str | None] = {}
        self._late: list[str] = []

    def each(self) -> None:
        news = self.case.news
        decided: dict[int, list[Intent]] = {}
        for intent in news.intents:
            decided.setdefault(intent.cycle, []).append(intent)
        for event in news.events:
            if event.kind == "decided":
                for intent in decided.get(event.seq, ()):
                    self.states[intent.client_id] = "submitting" if intent.denied is None else "denied"
                    self._decided[intent.client_id] = event.session
            elif event.kind == "moved":
                self._step(event, event.client_id or "", event.state or "")

    def _step(self, event: Event, name: str, to: str) -> None:
        was = self.states.get(name)
        if was is None:
            self.case.object("I6", f"{name} moved to {to}, and it was never decided")
        elif to == was:
            if event.cause not in ("fill", "report"):
                self.case.object("I6", f"{name} moved from {was} to itself by {event.cause}")
            elif event.cause == "fill" and was in ENDED:
                self._late.append(name)
        elif to not in STEPS.get(was, ()):
            self.case.object("I6", f"{name} went from {was} to {to} by {event.cause}")
        self.states[name] = to
        if event.filled is not None:
            before = self._filled.get(name, Decimal(0))
            if event.filled < before:
                self.case.object("I6", f"{name} had {before} filled, then {event.filled}")
            self._filled[name] = event.filled
        self._evidence(event, name, to)

    def _evidence(self, event: Event, name: str, to: str) -> None:
        """What the step says about the venue, against the venue."""
        case = self.case
        venue, intent = case.watched.venue, case.rows.intents.get(name)
        if intent is None:
            return
        if to == "not_sent":
            if self._decided.get(name) != event.session:
                case.object("I6", f"{name} is not_sent, said by another process than the one that decided it")
            if any(request.key == intent.key for request in venue.requests):
                case.object("I6", f"{name} is not_sent, and it left")
        if to in ("rejected", "canceled", "expired", "filled"):
            self._over(name, to, intent.key)
        if to == "rejected" and event.cause == "silence":
            case.object("I6", f"{name} is rejected because nobody answered")
        for request in venue.requests if to == "absent" else ():
            age = (event.recorded_at - request.moment).total_seconds()
            if request.key == intent.key and age < case.watched.profile.horizon:
                case.object("I6", f"{name} is absent {age:.1f} s after it left; the horizon is longer")

    def _over(self, name: str, to: str, key: str) -> None:
        """What the journal calls over is over at the venue, and all its fills are booked."""
        case = self.case
        venue = case.watched.venue
        if any(each.key == key for each in venue.truth_working()):
            case.object("I6", f"{name} is {to}, and it works at the venue")
        filled = sum((each.report.filled for each in venue.accepted if each.key == key), Decimal(0))
        booked = self._filled.get(name, Decimal(0))
        if filled != booked:
            case.object("I6", f"{name} is {to} with {booked} filled, at the venue it has {filled}")

    def end(self) -> None:
        told = [f"{raised.alert.text} {raised.alert.facts}" for raised in self.case.watched.alerts]
        for name in self._late:
            if not any(name in text for text in told):
                self.case.object("I6", f"{name} gained a fill after its end, and nobody was told")
        sums: dict[str, Decimal] = {}
        for fill in self.case.rows.fills():
            if fill.client_id is not None:
                signed = -fill.quantity if fill.execution_id.endswith("-") else fill.quantity
                sums[fill.client_id] = sums.get(fill.client_id, Decimal(0)) + signed
        for order in self.case.rows.stands():
            booked = sums.get(order.client_id, Decimal(0))
            if order.filled != booked:
                self.case.object("I6", f"{order.client_id} says {order.filled} filled, booked are {booked}")


class OneDecision(Judge):
    """I12: one decision for each symbol and cycle, and no new trade in a symbol whose order is not resolved."""

    def __init__(self, case: Case, legal: Legal) -> None:
        super().__init__(case)
        self._legal = legal
        self._seen: dict[tuple[object, ...], int] = {}
        self._live: dict[str, list[Intent]] = {}

    def each(self) -> None:
        for intent in self.case.news.intents:
            if intent.denied is not None:
                continue
            # A trade through zero is two orders of one decision: to close, and to open.
            what = (intent.epoch, intent.book, intent.cycle_id, intent.symbol)
            if self._seen.setdefault(what, intent.cycle) != intent.cycle:
                self.case.object("I12", f"{intent.symbol} was decided twice in cycle {intent.cycle_id}")
            self._unresolved(intent)
            self._live.setdefault(intent.symbol, []).append(intent)

    def _unresolved(self, intent: Intent) -> None:
        """`Legal` ran before: its states are those after this look, in which only orders of this very decision are
        new."""
        open_ = [
            each
            for each in self._live.get(intent.symbol, ())
            if self._legal.states.get(each.client_id, "submitting") not in ENDED
        ]
        self._live[intent.symbol] = open_
        others = [each.client_id for each in open_ if each.cycle != intent.cycle and each.purpose != "stop"]
        if others and intent.purpose == "rebalance":
            self.case.object(
                "I12", f"{intent.client_id} trades {intent.symbol} while {', '.join(others)} is not resolved"
            )


class Conserved(Judge):
    """I11: what passed the gate, what left, what the journal says and what the venue has are the same orders."""

    def each(self) -> None:
        watched = self.case.watched
        left = len(watched.venue.requests)
        if left > watched.passes:
            self.case.object("I11", f"{left} orders reached the venue's door, {watched.passes} passed the gate")

    def end(self) -> None:
        case, venue = self.case, self.case.watched.venue
        for raised in case.watched.alerts:
            if raised.alert.event == "kill_switch" and "a fault of the program" in raised.alert.text:
                case.object("I11", f"the program found a fault of its own: {raised.alert.text}")
        left = {request.key for request in venue.requests}
        there = {order.key for order in venue.accepted if not order.external}
        for order in case.rows.stands():
            key = case.rows.intents[order.client_id].key
            if order.state in ("denied", "not_sent") and key in left:
                case.object("I11", f"{order.client_id} is {order.state}, and it left")
            if order.state in ("working", "filled", "canceled", "expired", "closing") and key not in there:
                case.object("I11", f"{order.client_id} is {order.state}, and the venue never had it")
            if order.state == "absent" and key in there:
                case.object("I11", f"{order.client_id} is absent, and the venue has it")
        keys = {intent.key for intent in case.rows.intents.values()}
        for key in there - keys:
            case.object("I11", f"the venue has {key}, and the journal has no row of it")
