"""Quantities and prices as the venue writes them."""

from __future__ import annotations

from decimal import Context, Decimal

from trader.errors import BadPayload
from trader.wire import Fields

EXACT = Context(prec=400)
"""More digits than `Fields` lets in."""


def at_least_zero(fields: Fields, name: str, default: Decimal | None = None) -> Decimal:
    """A quantity or a price."""
    value = fields.decimal(name) if default is None else fields.decimal(name, default)
    if value < 0:
        raise BadPayload(fields.where, name, "0 or more", value)
    return value


def above_zero(fields: Fields, name: str) -> Decimal | None:
    """A price; None where it is missing or 0, which is the venue's word for none."""
    value = fields.decimal(name, None)
    return value if value is not None and value > 0 else None


def plain(value: Decimal) -> Decimal:
    """Without trailing zeros: 0.01000000 is 0.01."""
    return Decimal(f"{EXACT.normalize(value):f}")
