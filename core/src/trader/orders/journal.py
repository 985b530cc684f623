"""The write-ahead journal: what is decided and what happened, committed before anything depends on it.

Three kinds of transaction, each all or nothing:

* `decided`: a Decision, the intents it led to (with the key that the venue will show), what the plugins want to keep.
  Committed before the first byte leaves.
* `moved`: orders that changed state.
* `booked`: fills or cash events, with the positions and the cash that follow from them, and the moves they imply.

`trader.orders.store_journal.StoreJournal` keeps it in a database; `MemoryJournal` keeps nothing but what a run needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeAlias

import msgspec

from trader.model import ONE, ZERO, CashEvent, Fill, OrderRequest, OrderState, Struct
from trader.orders.lifecycle import Cause


class CycleRecord(Struct, frozen=True):
    """One decided cycle of a book. `decision` is the Decision as canonical JSON; `at` is market time."""

    book: str
    cycle_id: str
    number: int
    at: datetime
    equity: Decimal
    cash: Decimal
    decision: bytes
    peak: Decimal | None = None
    """What a drawdown is counted from; None: the highest equity so far."""


class Move(Struct, frozen=True):
    """An order changed state; `at` is market time."""

    client_id: str
    state: OrderState
    cause: Cause
    at: datetime
    reason: str = ""
    venue_id: str | None = None
    filled: Decimal | None = None
    """Sum of booked fills, where it changed."""


class Holding(Struct, frozen=True):
    """A position as the ledger keeps it: signed quantity, average entry price without fees, first fill since flat."""

    symbol: str
    quantity: Decimal
    price: Decimal
    entry_time: datetime | None
    realized: Decimal
    """Profit of closed quantity, book currency, before fees, since the book began."""


class Booking(Struct, frozen=True):
    """One fact and what it did: the fill or the cash event, the holding after it (None: cash only), cash after it."""

    fact: Fill | CashEvent
    client_id: str | None
    holding: Holding | None
    cash: Decimal
    amount: Decimal = ZERO
    """What it moved cash by: for a fill the trade and its fee, signed."""
    multiplier: Decimal = ONE
    apart: bool = False
    """Somebody else's trade that the book leaves alone: it moves neither holding nor cash of the book."""


class OpenOrder(Struct, frozen=True):
    """An order that was not terminal when it was last stored."""

    request: OrderRequest
    state: OrderState
    filled: Decimal
    venue_id: str | None


class BookState(Struct, frozen=True):
    """What a book resumes from. Nothing decided yet: `cycle_id` is None."""

    cycle_id: str | None
    number: int
    at: datetime | None
    cash: Decimal | None
    peak_equity: Decimal | None
    holdings: list[Holding]
    orders: list[OpenOrder]
    fills_since: datetime | None
    """Time of the newest booked fill."""
    seen: dict[str, Terms]
    """Fact keys booked at or after two days before `fills_since` (`fact_key`), with what a fill said."""
    plugins: dict[str, bytes]
    untold: list[Fill] = msgspec.field(default_factory=list)
    """Fills booked after the last decided cycle, oldest first: observers may not have heard of them."""
    apart: dict[str, Decimal] = msgspec.field(default_factory=dict)
    """Signed units that somebody else trades on the account and the book leaves alone."""
    apart_cash: Decimal = ZERO
    revisions: dict[str, int] = msgspec.field(default_factory=dict)
    """Fact key of a fill -> how often the venue changed it."""
    withdrawn: list[str] = msgspec.field(default_factory=list)
    """Open orders that a person cancelled while nobody knew whether they had arrived, or that were taken for absent."""
    opened_at: datetime | None = None
    """When the book's opening balance was read; None before it."""
    flow: Decimal = ZERO
    """Money paid in (> 0) or taken out (`FLOW`) after the last decided cycle."""


Terms: TypeAlias = "tuple[Decimal, Decimal] | None"
"""Quantity and price of a fill; None for a cash event."""


WITHDRAWN = "cancelled by a person while it was uncertain"
"""The odd fact that says so."""


FLOW = "transfer"
"""The kind of a cash event that is no profit and no loss: somebody paid in or took out."""


def fact_key(fact: Fill | CashEvent) -> str:
    """Unique in (venue, account): a fill's symbol and execution id, a cash event's id."""
    return f"{fact.symbol}\x1f{fact.execution_id}" if isinstance(fact, Fill) else f"\x1f{fact.event_id}"


class Journal(Protocol):
    """One book's journal. A method that returns has committed; one that raises has changed nothing."""

    nonce: bytes
    diary: bool
    """Whether it keeps Decisions and plugin states; where not, they are not encoded."""

    def load(self, watched_since: datetime | None = None) -> BookState:
        """Where the book stands; orders found absent at or after `watched_since` are among its orders."""

    def decided(
        self,
        record: CycleRecord,
        intents: Sequence[OrderRequest],
        denied: Sequence[tuple[OrderRequest, str]],
        plugins: Mapping[str, bytes],
        moves: Sequence[Move] = (),
        /,
    ) -> None:
        """Intents become SUBMITTING, denied ones DENIED with the reason. `plugins`: instance -> changed state; `moves`:
        the orders that the decision cancels."""

    def moved(self, moves: Sequence[Move]) -> None:
        """Orders changed state."""

    def booked(self, bookings: Sequence[Booking], moves: Sequence[Move]) -> None:
        """Facts, holdings, cash and the moves they imply; StoreError if a fact was booked before."""

    def odd(self, client_id: str, reason: str, at: datetime, /) -> None:
        """A fact that fits no legal step of an order: it is kept, and moves nothing."""

    def find(self, key: str, venue_id: str | None) -> OpenOrder | None:
        """An order of this book by the key or an id that the venue shows, terminal or not, of any epoch."""

    def sent_by_another(self, key: str, /) -> bool:
        """Whether it is the key of an order that a book of another name sent to this account."""

    def knows(self, event: CashEvent, /) -> bool:
        """Whether it was booked before, however long ago."""

    def renamed(self, fill: Fill, /) -> str | None:
        """The other symbol that this very execution was booked under: a share may be renamed."""


class MemoryJournal:
    """Commits to nothing: for backtests and benchmarks. Keeps counts and, if asked, the facts."""

    def __init__(self, nonce: bytes = b"", *, keep: bool = False) -> None:
        self.nonce = nonce
        self.keep = self.diary = keep
        self.cycles = self.intents = self.moves = self.bookings = 0
        self.records: list[CycleRecord] = []
        self.facts: list[Booking] = []
        self.orders: list[OrderRequest] = []
        self.oddities: list[tuple[str, str]] = []

    def load(self, watched_since: datetime | None = None) -> BookState:  # noqa: ARG002 - nothing is kept
        return BookState(None, 0, None, None, None, [], [], None, {}, {})

    def decided(
        self,
        record: CycleRecord,
        intents: Sequence[OrderRequest],
        _denied: Sequence[tuple[OrderRequest, str]],
        _plugins: Mapping[str, bytes],
        moves: Sequence[Move] = (),
    ) -> None:
        self.moves += len(moves)
        self.cycles += 1
        self.intents += len(intents)
        if self.keep:
            self.records.append(record)
            self.orders.extend(intents)

    def moved(self, moves: Sequence[Move]) -> None:
        self.moves += len(moves)

    def booked(self, bookings: Sequence[Booking], moves: Sequence[Move]) -> None:
        self.bookings += len(bookings)
        self.moves += len(moves)
        if self.keep:
            self.facts.extend(bookings)

    def odd(self, client_id: str, reason: str, _at: datetime) -> None:
        self.oddities.append((client_id, reason))

    def find(self, key: str, venue_id: str | None) -> OpenOrder | None:  # noqa: ARG002 - what is closed is forgotten
        return None

    def sent_by_another(self, _key: str) -> bool:
        return False

    def knows(self, _event: CashEvent) -> bool:
        return False

    def renamed(self, _fill: Fill) -> str | None:
        return None
