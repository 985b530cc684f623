"""What a faulty venue does wrong and how often, and the dice that decide it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from msgspec import structs

from trader.errors import SettingsError
from trader.model import Account, CashEvent, Fill, Idle, Instrument, OrderReport, Position

T = TypeVar("T")


class Fault(StrEnum):
    """One thing that goes wrong with one call. Whether a request arrives, and what its sender is told."""

    LATE = "late"
    """It arrives up to `late_seconds` later; the sender is told at once that there was no answer."""
    LOST = "lost"
    """It never arrives; no answer."""
    LOST_REPLY = "lost_reply"
    """It arrives; no answer."""
    RATE_LIMITED = "rate_limited"
    """429: it was not looked at, and the sender is told so."""
    FAILED_ACCEPTED = "failed_accepted"
    """5xx, although it arrived."""
    FAILED_DROPPED = "failed_dropped"
    """5xx, and it was not looked at."""
    FAILED = "failed"
    """5xx, to a query."""
    RAISES = "raises"
    """The call raises. One in two arrives."""
    GARBAGE = "garbage"
    """The call returns nonsense. One in two arrives."""
    REJECTED = "rejected"
    """The venue says no, definitively."""
    SLOW = "slow"
    """A cancel: the venue takes it, and the order works on, and may be filled, for up to `late_seconds`."""


Odds: TypeAlias = tuple[tuple[float, Fault], ...]
"""Faults of one kind of call, each with the chance of it or one before it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances in [0, 1], all 0 by default: a good live venue. One fault a call at most, so those of one kind of call
    (submit, cancel, query) sum to 1 at most; `Fault` says what each does. Lags are upper bounds in seconds; each event
    draws its own. SettingsError for what is out of range."""

    submit_late: float = 0.0
    submit_lost: float = 0.0
    submit_lost_reply: float = 0.0
    submit_rate_limited: float = 0.0
    submit_failed_accepted: float = 0.0
    submit_failed_dropped: float = 0.0
    submit_raises: float = 0.0
    submit_garbage: float = 0.0
    submit_rejected: float = 0.0
    cancel_late: float = 0.0
    """Of `cancel` and `cancel_all`, like all that follow."""
    cancel_lost: float = 0.0
    cancel_lost_reply: float = 0.0
    cancel_rate_limited: float = 0.0
    cancel_failed_accepted: float = 0.0
    cancel_failed_dropped: float = 0.0
    cancel_raises: float = 0.0
    cancel_garbage: float = 0.0
    query_lost: float = 0.0
    query_rate_limited: float = 0.0
    query_failed: float = 0.0
    query_raises: float = 0.0
    query_garbage: float = 0.0
    stream_dropped: float = 0.0
    """Of the events on a connected stream, like all that follow: this one never comes."""
    stream_duplicated: float = 0.0
    """It comes twice."""
    stream_reordered: float = 0.0
    """It comes up to `stream_seconds` later than those after it."""
    stream_cut: float = 0.0
    """The connection breaks for up to `stream_seconds`; what is on it, and what happens meanwhile, is lost."""
    stream_muted: float = 0.0
    """The connection stays, and carries nothing for up to `stream_seconds`."""
    late_seconds: float = 5.0
    order_lag: float = 0.0
    """Until `order` and `orders` show that an order is there, was filled, or is closed."""
    fill_lag: float = 0.0
    position_lag: float = 0.0
    account_lag: float = 0.0
    cash_lag: float = 0.0
    """Until `cash_events` shows an event."""
    stream_lag: float = 0.0
    stream_seconds: float = 10.0
    retry_after: float = 1.0
    """Seconds, said with a 429."""
    cancel_slow: float = 0.0
    """Another of `cancel` and `cancel_all`."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            chance = not field.name.endswith(("_seconds", "_lag", "_after"))
            if not 0 <= value <= (1 if chance else 1e9):
                raise SettingsError(f"{field.name} must be in [0, 1]" if chance else f"{field.name} must be 0 or more")
        for call in ("submit", "cancel", "query"):
            if sum(self._chances(call).values()) > 1 + 1e-9:
                raise SettingsError(f"the chances of a {call} to go wrong sum to more than 1")

    def _chances(self, call: str) -> dict[Fault, float]:
        found = {fault: getattr(self, f"{call}_{fault}", 0.0) for fault in Fault}
        return {fault: chance for fault, chance in found.items() if chance > 0}

    def odds(self, call: str) -> Odds:
        """Of "submit", "cancel" or "query"."""
        chances = self._chances(call)
        return tuple(zip(np.cumsum(list(chances.values())).tolist(), chances, strict=True))

    @property
    def latest(self) -> float:
        """Seconds after a call at which what it asked for may still arrive."""
        return self.late_seconds if self.submit_late or self.cancel_late or self.cancel_slow else 0.0

    @property
    def lag(self) -> float:
        """Seconds after an event at which every query shows it."""
        return max(self.order_lag, self.fill_lag, self.position_lag, self.account_lag, self.cash_lag)


class Dice:
    """Every draw of one venue, from one seed. What has no chance is not drawn for."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def happens(self, chance: float) -> bool:
        return chance > 0 and self._rng.random() < chance

    def delay(self, seconds: float) -> timedelta:
        """From 0 to `seconds`."""
        return timedelta(seconds=self._rng.random() * seconds) if seconds > 0 else timedelta(0)

    def pick(self, things: Sequence[T]) -> T:
        return things[int(self._rng.integers(len(things)))]

    def fault(self, odds: Odds) -> Fault | None:
        """What goes wrong with one call, if anything."""
        if odds:
            drawn = self._rng.random()
            for edge, fault in odds:
                if drawn < edge:
                    return fault
        return None


_NAN: Final = Decimal("NaN")
_AMOUNT: Final[dict[type, str]] = {
    Account: "cash",
    CashEvent: "amount",
    Fill: "quantity",
    Instrument: "lot",
    OrderReport: "filled",
    Position: "quantity",
}
_BREAKDOWNS: Final = (
    ConnectionResetError("connection reset by the venue"),
    TimeoutError("the read timed out"),
    ValueError("the answer is cut off in the middle"),
    KeyError("orderId"),
    RuntimeError("the client's state is broken"),
)


def breakdown(dice: Dice) -> Exception:
    """What a client raises when it understands nothing any more; a new one each time."""
    kind = dice.pick(_BREAKDOWNS)
    return type(kind)(*kind.args)


def nonsense(dice: Dice, answer: object = None) -> Any:
    """Something of a wrong type, or a part of the right `answer` that is spoiled: None in a list, a quantity of NaN.

    It never looks like another right answer: no shorter list, no other number.
    """
    found: list[Any] = [None, "<html>502 Bad Gateway</html>", {"code": -1000}, 7, Idle()]
    if isinstance(answer, Sequence):
        found.append([*answer, None])
        if answer:
            found.append([_spoiled(answer[0]), *answer[1:]])
    elif type(answer) in _AMOUNT:
        found.append(_spoiled(answer))
    return dice.pick(found)


def _spoiled(thing: Any) -> Any:
    return structs.replace(thing, **{_AMOUNT[type(thing)]: _NAN})
