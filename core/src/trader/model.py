"""The trade's nouns: frozen, slotted, serialisable.

Money, prices and quantities that are owed are `Decimal`; estimates (bars, scores, weights) are float64. A moment is an
aware UTC `datetime`; many moments are `datetime64[ns]` (UTC). A quantity is in units of the instrument, positive in
orders and fills (the side says which way), signed in positions. Prices are in the instrument's currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
Times: TypeAlias = NDArray[np.datetime64]
ZERO = Decimal(0)
ONE = Decimal(1)


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class OrderState(StrEnum):
    """Where an order is in its life; the legal ways between them are `trader.orders.lifecycle.TABLE`."""

    PLANNED = "planned"
    DENIED = "denied"
    SUBMITTING = "submitting"
    NOT_SENT = "not_sent"
    WORKING = "working"
    UNKNOWN = "unknown"
    ABSENT = "absent"
    REJECTED = "rejected"
    CANCEL_SENT = "cancel_sent"
    CANCEL_UNKNOWN = "cancel_unknown"
    REPLACE_SENT = "replace_sent"
    REPLACE_UNKNOWN = "replace_unknown"
    CLOSING = "closing"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"

    __hash__ = str.__hash__  # enum's own is a Python function, and every step of every order asks for it


class Purpose(StrEnum):
    """Why an order exists: to reach a target, to leave a position, to stand guard over it, or by a person's hand."""

    REBALANCE = "rebalance"
    EXIT = "exit"
    STOP = "stop"
    MANUAL = "manual"


class Struct(msgspec.Struct, frozen=True, gc=False):
    """Base of the nouns: immutable, slotted, compared by value, encodable as JSON. They cannot form cycles, so the
    garbage collector is spared from walking millions of them."""


# ---- what is traded ------------------------------------------------------------------------------------------------
class Instrument(Struct, frozen=True):
    """The venue's rules for one symbol."""

    symbol: str
    currency: str = "USD"
    tick: Decimal = Decimal("0.01")
    lot: Decimal = ONE
    min_notional: Decimal = ZERO
    multiplier: Decimal = ONE
    settlement: Literal["cash", "margin"] = "cash"
    tradable: bool = True
    shortable: bool = True
    tags: dict[str, str] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Closed bars of several symbols, columnar: arrays are (time, symbol), NaN where a symbol has no bar.

    `start` and `end` are (time,) UTC, strictly increasing, `end` in whole microseconds; a bar is visible from its end.
    `missing` names the asked symbols that the source does not know. `fields` holds whatever else the source has, by
    name, (time, symbol).
    """

    symbols: tuple[str, ...]
    timeframe: str
    start: Times
    end: Times
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    missing: tuple[str, ...] = ()
    fields: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.end)

    def rows(self, first: int, last: int) -> Bars:
        """Rows first..last-1 as views."""
        cut = slice(first, last)
        prices = (self.open[cut], self.high[cut], self.low[cut], self.close[cut], self.volume[cut])
        more = {name: values[cut] for name, values in self.fields.items()}
        return Bars(self.symbols, self.timeframe, self.start[cut], self.end[cut], *prices, self.missing, more)


class Quote(Struct, frozen=True):
    """Best bid and ask."""

    symbol: str
    time: datetime
    bid: float
    ask: float
    bid_size: float = float("nan")
    ask_size: float = float("nan")


class Trade(Struct, frozen=True):
    """One public trade."""

    symbol: str
    time: datetime
    price: float
    size: float


class Idle(Struct, frozen=True):
    """A stream is quiet, and alive."""

    seconds: float = 1.0


class Reset(Struct, frozen=True):
    """A stream was (re)connected: what happened before may be missing."""

    reason: str = ""


# ---- what a strategy answers ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Opinions, shape (symbols,); (time, symbols) from a panel. `why`: numbers of that shape, kept in the Decision."""

    score: ArrayLike
    confidence: ArrayLike = 1.0
    why: Mapping[str, ArrayLike] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Target weights instead of scores: last stage only, skips the allocator."""

    weight: ArrayLike
    why: Mapping[str, ArrayLike] = field(default_factory=dict)


class ExitIntent(Struct, frozen=True):
    """Reduce one position. Never opens, never flips; the symbol is not entered again in the same cycle.

    `fraction` of what is held, in (0, 1]. `stop`: None means leave now; a price means keep a stop order there.
    """

    symbol: str
    reason: str
    fraction: float = 1.0
    stop: float | None = None


# ---- orders and what became of them --------------------------------------------------------------------------------
class OrderRequest(Struct, frozen=True):
    """What is asked of a venue. `key` is the id that the venue will show, fixed before the first byte leaves.

    `price` is the mark it was planned at (an estimate for limits, never sent); `decided_at` is market time.
    """

    client_id: str
    key: str
    book: str
    symbol: str
    side: Side
    quantity: Decimal
    type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None
    stop_price: Decimal | None
    reduce_only: bool
    purpose: Purpose
    price: Decimal
    decided_at: datetime


class Approved(Struct, frozen=True):
    """An order that no rule refused. `trader.cycle.risk` makes it; only an Approved or a Cancel passes the gate."""

    order: OrderRequest


class OrderRef(Struct, frozen=True):
    """Enough to find an order at a venue: by its id there, else by the key we gave it."""

    client_id: str
    key: str
    symbol: str
    venue_id: str | None = None


class Cancel(Struct, frozen=True):
    """The wish that an order be gone. No kill state, limit or lease refuses it."""

    ref: OrderRef


class OrderReport(Struct, frozen=True):
    """An order as the venue shows it. `state` is one of WORKING, CANCEL_SENT, REJECTED, FILLED, CANCELED, EXPIRED, or
    UNKNOWN for a word of the venue that we do not know. `filled` is cumulative."""

    key: str
    venue_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    state: OrderState
    time: datetime
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""


class Fill(Struct, frozen=True):
    """An execution: a fact. `execution_id` is unique in (venue, account, symbol). `fee` > 0 is paid."""

    execution_id: str
    key: str
    venue_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    time: datetime
    fee_currency: str = ""


class Position(Struct, frozen=True):
    """What is held: signed units, average price of entries since flat (without fees)."""

    symbol: str
    quantity: Decimal
    price: Decimal


class CashEvent(Struct, frozen=True):
    """Money that moved without a trade. `amount` > 0 is received."""

    event_id: str
    kind: Literal["dividend", "fee", "funding", "interest", "transfer", "adjustment"]
    amount: Decimal
    currency: str
    time: datetime
    symbol: str | None = None


class Account(Struct, frozen=True):
    """Whose account it is and what it holds, as the venue says."""

    account_id: str
    kind: Literal["paper", "demo", "live"]
    currency: str
    cash: Decimal
    equity: Decimal
    settled_cash: Decimal
    shorting: bool
    time: datetime
    permissions: tuple[str, ...] = ()


# ---- outcomes: failing to ask never looks like an answer -----------------------------------------------------------
class Accepted(Struct, frozen=True):
    """The venue has it. `venue_id` is None where the answer does not carry one (a cancel)."""

    venue_id: str | None = None


class Rejected(Struct, frozen=True):
    """The venue said no, definitively."""

    kind: str
    reason: str
    retry_after: float | None = None


class Unknown(Struct, frozen=True):
    """It may or may not have arrived; only the venue can tell."""

    kind: str
    reason: str
    retry_after: float | None = None


class Unavailable(Struct, frozen=True):
    """The question was not answered. It says nothing about what is there."""

    kind: str
    reason: str
    retry_after: float | None = None


class NotFound(Struct, frozen=True):
    """The venue answered: it shows no such order now."""

    reason: str = ""


Outcome: TypeAlias = Accepted | Rejected | Unknown


class Refusal(Struct, frozen=True):
    """A rule's no, with its numbers. `order` is the index in the plan, -1 for the whole book."""

    order: int
    reason: str
    limit: float
    value: float
    rule: str = ""


# ---- alerts --------------------------------------------------------------------------------------------------------
class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Alert(Struct, frozen=True):
    """Something a person should know. `id` stays the same over retries, `fingerprint` over repetitions."""

    id: str
    severity: Severity
    event: str
    text: str
    time: datetime
    fingerprint: str
    facts: dict[str, str] = {}


class Delivered(Struct, frozen=True):
    """A transport's receipt."""

    receipt: str


class Failed(Struct, frozen=True):
    """It was not delivered, and why."""

    reason: str
    retry_after: float | None = None
