"""For those who wrap a venue: read what it sent, field by field, and say what it means that it did not.

    fields = Fields(payload, "order")
    Fill(execution_id=fields.text("id"), quantity=fields.decimal("qty"), time=fields.iso("timestamp"), ...)

What is there and wrong is a `BadPayload` that names the field; what may be missing has a default. A word of the venue
that nobody knows is not wrong: `fields.word("status", STATES, OrderState.UNKNOWN)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias, TypeVar, cast

from trader.errors import BadPayload
from trader.model import Rejected, Struct, Unavailable, Unknown

T = TypeVar("T")
REQUIRED: Any = object()
"""The default of a field that must be there."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_ID = 256
"""Bits of a whole number that is taken for an id."""
LARGEST = 40
"""Digits before or after the point: beyond it is no price, quantity or amount of this world."""


# ---- what a venue's error means ------------------------------------------------------------------------------------
class RateLimited(Struct, frozen=True):
    """It was not looked at: too many requests. `retry_after` in seconds, None where the venue does not say."""

    reason: str
    retry_after: float | None = None


class AuthFailed(Struct, frozen=True):
    """The venue does not know these keys, or does not let them do this. Trying again does not help."""

    reason: str


Trouble: TypeAlias = Rejected | Unknown | RateLimited | AuthFailed
"""What `error(status, body, product)` of a `wire.py` answers."""


def outcome(trouble: Trouble) -> Rejected | Unknown:
    """What it means for an order or a cancel that was sent: neither a rate limit nor a refused key lets it in."""
    if isinstance(trouble, RateLimited):
        return Rejected("rate_limited", trouble.reason, trouble.retry_after)
    return Rejected("auth", trouble.reason) if isinstance(trouble, AuthFailed) else trouble


def unavailable(trouble: Trouble) -> Unavailable:
    """What it means for a question."""
    if isinstance(trouble, RateLimited):
        return Unavailable("rate_limited", trouble.reason, trouble.retry_after)
    if isinstance(trouble, AuthFailed):
        return Unavailable("auth", trouble.reason)
    return Unavailable(trouble.kind, trouble.reason, trouble.retry_after)


# ---- what a venue sent ---------------------------------------------------------------------------------------------
def document(text: str | bytes, where: str) -> Any:
    """JSON as Python, numbers with a point as `Decimal`: no float touches what is owed. BadPayload if it is none."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, InvalidOperation) as error:  # the last: an exponent beyond what Decimal takes
        raise BadPayload(where, "", "JSON", str(text[:80])) from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


class Fields:
    """One object of a venue's answer. `where` names it in errors: "order", "order.legs[0]"."""

    __slots__ = ("_values", "where")

    def __init__(self, payload: object, where: str) -> None:
        if not isinstance(payload, Mapping):
            raise BadPayload(where, "", "an object", payload)
        self._values, self.where = cast("Mapping[str, Any]", payload), where

    def __contains__(self, field: str) -> bool:
        """There, and not null."""
        return self._values.get(field) is not None

    def raw(self, field: str, default: Any = REQUIRED) -> Any:
        """As it was sent; null counts as missing."""
        value = self._values.get(field)
        if value is None:
            if default is REQUIRED:
                raise self._bad(field, "a value", "nothing")
            return default
        return value

    def text(self, field: str, default: T = REQUIRED) -> str | T:
        """Text; a whole number is taken as its digits (ids come both ways)."""
        value = self.raw(field, default)
        if value is default:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= LONGEST_ID:
            return str(value)
        if not isinstance(value, str) or (not value and default is REQUIRED) or not _storable(value):
            raise self._bad(field, "text", value)
        return value

    def decimal(self, field: str, default: T = REQUIRED, *, floats: bool = False) -> Decimal | T:
        """A finite number: text or a whole number; a float only where the venue has nothing else (`floats`), as its
        shortest decimal form."""
        value = self.raw(field, default)
        if value is default:
            return value
        if value == "" and default is not REQUIRED:
            return default
        number = _decimal(value, floats=floats)
        if number is None:
            raise self._bad(field, "a decimal number", value)
        return number

    def real(self, field: str, default: T = REQUIRED) -> float | T:
        """A finite float: for bars and quotes, never for what is owed."""
        value = self.raw(field, default)
        if value is default:
            return value
        number = _decimal(value, floats=True)
        if number is None:
            raise self._bad(field, "a number", value)
        return float(number)

    def integer(self, field: str, default: T = REQUIRED) -> int | T:
        """A whole number, also as text."""
        value = self.raw(field, default)
        if value is default:
            return value
        number = _decimal(value, floats=True)
        if number is None or number != number.to_integral_value():
            raise self._bad(field, "a whole number", value)
        return int(number)

    def flag(self, field: str, default: T = REQUIRED) -> bool | T:
        """true or false."""
        value = self.raw(field, default)
        if value is default:
            return value
        if not isinstance(value, bool):
            raise self._bad(field, "true or false", value)
        return value

    def word(self, field: str, meanings: Mapping[str, T], unknown: T = REQUIRED) -> T:
        """What the venue's word means; `unknown` for a word that nobody knows, also where it is missing."""
        value = self.raw(field, REQUIRED if unknown is REQUIRED else "")
        if not isinstance(value, str):
            raise self._bad(field, "a word", value)
        meaning = meanings.get(value, unknown)
        if meaning is REQUIRED:
            raise self._bad(field, "one of " + ", ".join(sorted(meanings)), value)
        return meaning

    def iso(self, field: str, default: T = REQUIRED) -> datetime | T:
        """A moment as RFC 3339 text with a zone, down to the microsecond (finer digits are cut), in UTC."""
        value = self.raw(field, default)
        if value is default:
            return value
        moment = _iso(value)
        if moment is None:
            raise self._bad(field, "a moment with a time zone, such as 2026-01-31T14:30:00Z", value)
        return moment

    def millis(self, field: str, default: T = REQUIRED) -> datetime | T:
        """A moment as milliseconds since 1970, in UTC."""
        return self._since_1970(field, default, 1_000)

    def seconds(self, field: str, default: T = REQUIRED) -> datetime | T:
        """A moment as seconds since 1970, in UTC."""
        return self._since_1970(field, default, 1)

    def _since_1970(self, field: str, default: T, parts: int) -> datetime | T:
        value = self.raw(field, default)
        if value is default:
            return value
        number = _decimal(value, floats=True)
        try:
            if number is not None:
                return EPOCH + timedelta(microseconds=int(number * 1_000_000 / parts))
        except OverflowError:
            pass
        raise self._bad(field, "a moment since 1970", value)

    def inside(self, field: str) -> Fields:
        """The object in a field."""
        return Fields(self.raw(field), f"{self.where}.{field}")

    def each(self, field: str, default: Any = REQUIRED) -> Iterator[Fields]:
        """The objects in a list."""
        yield from every(self.raw(field, default), f"{self.where}.{field}")

    def _bad(self, field: str, expected: str, was: object) -> BadPayload:
        return BadPayload(self.where, field, expected, was)


def every(payload: object, where: str) -> Iterator[Fields]:
    """Each object of a list. BadPayload if it is no list, or one of them is no object."""
    if not isinstance(payload, Sequence) or isinstance(payload, str | bytes):
        raise BadPayload(where, "", "a list", payload)
    for number, item in enumerate(payload):
        yield Fields(item, f"{where}[{number}]")


def _storable(text: str) -> bool:
    """Not half of a character: no database, no hash and no file takes that."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _decimal(value: object, *, floats: bool) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal | float):
        return None
    if isinstance(value, float):
        if not floats:
            return None
        value = repr(value)
    if isinstance(value, int) and value.bit_length() > 4 * LARGEST:
        return None
    if isinstance(value, str) and len(value) > 4 * LARGEST:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or (number and not -LARGEST <= number.adjusted() <= LARGEST):
        return None
    _, digits, exponent = number.as_tuple()
    return number if len(digits) <= 2 * LARGEST and abs(int(exponent)) <= 2 * LARGEST else None


def _iso(value: object) -> datetime | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    text = value
    if "." in text:  # Python reads six digits of a second, venues send nine
        whole, rest = text.split(".", 1)
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = f"{whole}.{rest[: min(digits, 6)].ljust(6, '0')}{rest[digits:]}"
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
