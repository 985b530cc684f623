"""Moments as the venue counts them, and numbers as it writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 200_000_000_000_000
"""In the year 8307, in milliseconds since 1970: whatever is later is asked for as that."""


def milliseconds(moment: datetime) -> int:
    """Since 1970; what is below one is dropped."""
    return (moment - BEGINNING) // timedelta(milliseconds=1)


def moment(count: int) -> datetime:
    """Of milliseconds since 1970, aware, UTC."""
    return BEGINNING + timedelta(milliseconds=min(count, LATEST))


def eight(number: Decimal | float) -> str:
    """With eight digits behind the point: how the spot market writes every number."""
    return f"{exact(number) + 0:.8f}"  # a sum with 0 has no minus before a zero


def plain(number: Decimal | float) -> str:
    """Without superfluous zeros, without an exponent."""
    text = f"{exact(number) + 0:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(number: Decimal | float) -> Decimal:
    """The decimal that a float prints as."""
    return number if isinstance(number, Decimal) else Decimal(repr(number))


def down(number: Decimal | float, step: Decimal) -> Decimal:
    """To a multiple of the step, not above it."""
    return (exact(number) / step).to_integral_value(ROUND_FLOOR) * step


def up(number: Decimal | float, step: Decimal) -> Decimal:
    """To a multiple of the step, not below it."""
    return (exact(number) / step).to_integral_value(ROUND_CEILING) * step


def near(number: Decimal | float, step: Decimal) -> Decimal:
    """To the nearest multiple of the step, above 0."""
    return max((exact(number) / step).to_integral_value(ROUND_HALF_UP) * step, step)
