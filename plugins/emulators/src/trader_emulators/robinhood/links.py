"""Ids, absolute links and pages, as Robinhood shows them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID, uuid5

from trader_emulators.http import Answer, Asked

API = "https://api.robinhood.com"
HOSTS = ("api.robinhood.com", "127.0.0.1", "localhost")
"""The others of the venue (crypto, options, banking) are not emulated."""
SPACE = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
NOT_FOUND = Answer(404, {"detail": "Not found."})


def uuid_of(kind: str, name: str) -> str:
    """The same id for the same thing, always."""
    return str(uuid5(SPACE, f"robinhood/{kind}/{name}"))


def link(*parts: str) -> str:
    """link("orders", id): https://api.robinhood.com/orders/id/"""
    return "/".join((API, *parts, ""))


def last_part(address: str) -> str:
    """The id at the end of a link."""
    return address.rstrip("/").rpartition("/")[2]


def number(value: Decimal, places: int = 8) -> str:
    """With so many digits after the point."""
    return f"{value:.{places}f}"


def money(value: Decimal) -> str:
    """Amounts have four digits, quantities and prices eight."""
    return number(value, 4)


def stamp(moment: datetime) -> str:
    """2026-01-31T14:30:00.000000Z"""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def page(asked: Asked, path: Sequence[str], rows: Sequence[tuple[int, Any]], size: int) -> Answer:
    """A part of `rows`, which come newest first, each with a number that falls; the link to the next part keeps the
    query. What is new meanwhile does not move it: the cursor is a number, not a place."""
    query = dict(parse_qsl(asked.raw_query, keep_blank_values=True))
    cursor = query.get("cursor")
    if cursor is not None:
        try:
            before = int(base64.urlsafe_b64decode(cursor.encode()))
        except (ValueError, binascii.Error):
            return Answer(404, {"detail": "Invalid cursor"})
        rows = [row for row in rows if row[0] < before]
    shown, following = rows[:size], None
    if len(rows) > size:
        query["cursor"] = base64.urlsafe_b64encode(str(shown[-1][0]).encode()).decode()
        following = f"{link(*path)}?{urlencode(query)}"
    return Answer(200, {"next": following, "previous": None, "results": [row for _, row in shown]})
