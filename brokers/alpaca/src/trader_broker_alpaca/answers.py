"""What the trading API answers, before its nouns are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from trader.errors import BadPayload
from trader.model import Accepted, Rejected, Unknown
from trader.wire import every

from trader_broker_alpaca import wire
from trader_broker_alpaca.door import Met

T = TypeVar("T")


def objects(payload: Any, where: str) -> list[Any]:
    """A list of objects, and nothing else."""
    return [payload[number] for number, _ in enumerate(every(payload, where))]


def nouns(read: Callable[[Any], T], payload: Any, where: str) -> tuple[T, ...]:
    """Each object of a list, read."""
    return tuple(read(one) for one in objects(payload, where))


def is_midnight(moment: datetime) -> bool:
    """Whether it is New York's."""
    local = moment.astimezone(wire.NEW_YORK)
    return (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)


def is_id(text: str) -> bool:
    """Whether it could be an order's id at Alpaca."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def nothing(payload: Any) -> Accepted:
    """The answer to a cancel has no words."""
    if payload is not None:
        raise BadPayload("cancel", "", "an empty answer", payload)
    return Accepted()


def all_gone(payload: Any) -> Accepted:
    """207: an answer for each order."""
    troubles = []
    for fields in every(payload, "cancel_all"):
        status = fields.integer("status")
        if not 200 <= status < 300:
            troubles.append((fields.text("id"), wire.error(status, fields.raw("body", {}))))
    if not troubles:
        return Accepted()
    said = "; ".join(f"{venue_id}: {trouble.reason}" for venue_id, trouble in troubles)[:300]
    if all(isinstance(trouble, Rejected) for _, trouble in troubles):
        raise Met(Rejected("refused", said))
    raise Met(Unknown("server", said))
