"""A live venue that fails: late, lost and repeated answers, lagging queries, broken streams, by one seed.

What a call does at the venue, what its caller is told, and what queries show later are three different things here.
Time is the clock's; nothing happens by itself between calls, and all that is due by now happens at the beginning of
each. The same seed and the same calls at the same times give the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeVar, cast

from msgspec import structs

from trader.clock import Clock
from trader.model import (
    ZERO,
    Accepted,
    Account,
    CashEvent,
    Fill,
    Idle,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    Outcome,
    Position,
    Rejected,
    Reset,
    Unavailable,
    Unknown,
)
from trader.simulation.backstage import Backstage
from trader.simulation.client import Client
from trader.simulation.faults import Fault, Faults, breakdown, nonsense
from trader.simulation.floor import Ids
from trader.simulation.stream import Line
from trader.simulation.venue import SimulatedVenue

T = TypeVar("T")
ARRIVES = (Fault.LOST_REPLY, Fault.FAILED_ACCEPTED)
PERHAPS = (Fault.RAISES, Fault.GARBAGE)


@dataclass(slots=True, eq=False)
class Request:
    """One submit, or one cancel, that reached the client's door; `answer` is what the caller was told, None where the
    call raised. Of a cancel-all `key` and `venue_id` are empty."""

    key: str
    client_id: str
    venue_id: str | None
    """Of a submit: the order's, once it was accepted. Of a cancel: the one that was asked for."""
    order: OrderRequest | None
    """None: a cancel."""
    moment: datetime
    made: datetime
    """What the request says of its own age, for a venue with `expiry_seconds`."""
    fate: Literal["never", "pending", "expired", "rejected", "accepted"] = "never"
    """What became of it at the venue: it never arrived, is under way, came too late, was refused, was taken."""
    answer: Any = None


class FaultyVenue(Backstage):
    """One account at a venue that fails as `faults` say, in front of a `SimulatedVenue` that nobody traded on yet.

    `ids`: whether a key is accepted once ever ("forever"), once at a time ("open_only"), or always ("none"). With
    `expiry_seconds` a request that arrives later than that after it was made is dropped; `made` tells when that was,
    and if it is None, it was when `submit` was called. `base_fee`: fraction of what is bought in "BASE/QUOTE" that is
    kept as the fee. `idle(seconds)` is called where a stream has nothing: to wait on a real clock; None does not wait.

    It is a Broker that trades on its keeper's bars and not on the session's. `connect` gives one client's view of it:
    several may share a venue, and none of them has the keeper's methods.
    """

    def __init__(
        self,
        venue: SimulatedVenue,
        *,
        clock: Clock,
        seed: int,
        faults: Faults | None = None,
        ids: Ids = "forever",
        expiry_seconds: float | None = None,
        made: Callable[[OrderRequest], datetime] | None = None,
        base_fee: Decimal = ZERO,
        kind: Literal["paper", "demo", "live"] = "demo",
        idle: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(
            venue, clock=clock, seed=seed, faults=faults, ids=ids, expiry_seconds=expiry_seconds, base_fee=base_fee
        )
        self._instruments, self._made, self._kind, self._idle = venue.instruments, made, kind, idle
        self.requests: list[Request] = []
        """Every submit, in the order of the calls."""
        self.cancels: list[Request] = []
        """Every cancel, likewise."""

    def connect(self) -> Client:
        """A client of this venue: the broker's methods only, with streams of its own."""
        return Client(self)

    def open(self) -> Account | Unavailable:
        """The account; fails as a query does."""
        return self.account()

    def close(self, owner: object = None) -> None:
        """End every stream (or those of one owner). The venue itself stays as it is, and goes on answering."""
        with self._lock:
            self._wire.end(owner)

    def key(self, client_id: str) -> str:
        """The client id as it is."""
        return client_id

    # ---- requests --------------------------------------------------------------------------------------------------
    def submit(self, order: OrderRequest) -> Outcome:
        """What the caller is told; `requests` says what became of it."""
        with self._lock:
            now = self._begin()
            made = now if self._made is None else self._made(order)
            request = Request(order.key, order.client_id, None, order, now, made)
            self.requests.append(request)
            return self._send(request, "submit", partial(self._floor.submit, order))

    def cancel(self, ref: OrderRef) -> Outcome:
        """Takes effect on arrival, or later where it is slow. Rejected("not_found") or Rejected("closed") where there
        is nothing to cancel."""
        with self._lock:
            now = self._begin()
            request = Request(ref.key, ref.client_id, ref.venue_id, None, now, now)
            self.cancels.append(request)
            return self._send(request, "cancel", partial(self._floor.cancel, ref))

    def cancel_all(self) -> Outcome:
        """Every working order of the account, whoever placed it; Accepted also if there is none."""
        with self._lock:
            now = self._begin()
            request = Request("", "", None, None, now, now)
            self.cancels.append(request)
            return self._send(request, "cancel", self._floor.cancel_all)

    def _send(self, request: Request, call: str, work: Callable[..., Outcome]) -> Outcome:
        """One request on its way there and back."""
        now = request.moment
        if now < self._shut_until:
            request.answer = Unknown("maintenance", "503 Service Unavailable", self._left(now))
            return cast("Outcome", request.answer)
        fault = self._dice.fault(self._odds[call])
        if fault is None:
            request.answer = self._arrive(request, work, now)
            return cast("Outcome", request.answer)
        if fault is Fault.SLOW:
            request.answer = self._arrive(request, partial(work, later=self._later), now)
            return cast("Outcome", request.answer)
        if fault is Fault.LATE:
            due = now + self._dice.delay(self._faults.late_seconds)
            request.fate = "pending"
            self._agenda.at(due, self._arrive, request, work, due)
        elif fault in ARRIVES or (fault in PERHAPS and self._dice.happens(0.5)):
            self._arrive(request, work, now)
        request.answer = self._reply(fault)
        return cast("Outcome", request.answer)

    def _later(self, end: Callable[[datetime], None]) -> None:
        """What was taken now takes effect then."""
        due = self._now + self._dice.delay(self._faults.late_seconds)
        self._agenda.at(due, end, due)

    def _arrive(self, request: Request, work: Callable[..., Outcome], moment: datetime) -> Outcome:
        """The venue reads the request."""
        if moment < self._shut_until:
            request.fate = "never"
            return Unknown("maintenance", "503 Service Unavailable")
        if self._expiry is not None and moment - request.made > timedelta(seconds=self._expiry):
            request.fate = "expired"
            return Rejected("expired", f"it was made at {request.made}, more than {self._expiry:g} s ago")
        outcome = work(moment)
        request.fate = "accepted" if isinstance(outcome, Accepted) else "rejected"
        if request.order is not None and isinstance(outcome, Accepted):
            request.venue_id = outcome.venue_id
        return outcome

    def _reply(self, fault: Fault) -> Any:
        """What the caller hears instead of the venue's outcome."""
        if fault is Fault.RAISES:
            raise breakdown(self._dice)
        if fault is Fault.GARBAGE:
            return nonsense(self._dice)
        if fault is Fault.RATE_LIMITED:
            return Rejected("rate_limited", "429 Too Many Requests", self._faults.retry_after)
        if fault is Fault.REJECTED:
            return Rejected("refused", "the venue does not take this order")
        if fault in (Fault.FAILED_ACCEPTED, Fault.FAILED_DROPPED):
            return Unknown("server", "500 Internal Server Error")
        return Unknown("timeout", "no answer in time")

    def _left(self, now: datetime) -> float:
        return (self._shut_until - now).total_seconds()

    # ---- queries ---------------------------------------------------------------------------------------------------
    def account(self) -> Account | Unavailable:
        """On the venue's clock; equity at the last closes."""
        return self._ask(self._balance)

    def instruments(self, symbols: Sequence[str] = ()) -> Sequence[Instrument] | Unavailable:
        return self._ask(self._instruments, symbols)

    def positions(self) -> Sequence[Position] | Unavailable:
        """By symbol."""
        return self._ask(self._window.positions)

    def orders(self) -> Sequence[OrderReport] | Unavailable:
        """The working ones, in the order of arrival."""
        return self._ask(self._window.orders)

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        """By the id that is shown, else by key: the newest with it."""
        return self._ask(self._window.find, ref)

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        return self._ask(self._window.fills, since)

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        return self._ask(self._window.events, since)

    def _balance(self) -> Account:
        return structs.replace(self._window.balance(self._now), kind=self._kind)

    def _ask(self, question: Callable[..., T], *args: Any) -> T | Unavailable:
        with self._lock:
            now = self._begin()
            if now < self._shut_until:
                return Unavailable("maintenance", "503 Service Unavailable", self._left(now))
            fault = self._dice.fault(self._odds["query"])
            if fault is None:
                return question(*args)
            if fault is Fault.RAISES:
                raise breakdown(self._dice)
            if fault is Fault.GARBAGE:
                return cast("T", nonsense(self._dice, question(*args)))
            if fault is Fault.RATE_LIMITED:
                return Unavailable("rate_limited", "429 Too Many Requests", self._faults.retry_after)
            if fault is Fault.FAILED:
                return Unavailable("server", "502 Bad Gateway")
            return Unavailable("timeout", "no answer in time")

    # ---- the stream ------------------------------------------------------------------------------------------------
    def stream_orders(self, owner: object = None) -> Iterator[Fill | OrderReport | Account | Reset | Idle]:
        """Reset first, then what happens, each order and execution when it does; ends when it is closed."""
        with self._lock:
            self._begin()
            line = self._wire.open(owner)
        try:
            while (item := self._next(line)) is not None:
                if self._idle is not None and isinstance(item, Idle):
                    self._idle(item.seconds)
                yield item
        finally:
            with self._lock:
                self._wire.close(line)

    def _next(self, line: Line) -> Fill | OrderReport | Reset | Idle | None:
        with self._lock:
            now = self._begin()
            return None if line.closed else line.read(now)
