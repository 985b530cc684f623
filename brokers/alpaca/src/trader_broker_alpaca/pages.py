"""Lists that Alpaca hands out in pages: all of it, or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from trader.errors import BadPayload
from trader.wire import Fields, every

ORDERS = 500
ACTIVITIES = 100
BARS = 10_000
OVERLAP = timedelta(milliseconds=1)
"""Pages of orders are cut by time, and two orders may have the same: the next page begins a little before."""


def text(moment: datetime) -> str:
    """As Alpaca reads moments."""
    return moment.isoformat().replace("+00:00", "Z")


def orders(client: Any, status: str, after: datetime | None = None) -> list[Mapping[str, Any]]:
    """Orders of a status ("open", "all") that were submitted after a moment, oldest first."""
    found: dict[str, Mapping[str, Any]] = {}
    while True:
        query = {"status": status, "limit": ORDERS, "direction": "asc", "nested": "false"}
        if after is not None:
            query["after"] = text(after)
        page = client.get("/orders", query)
        moments: list[datetime] = []
        known = len(found)
        for fields in every(page, "orders"):
            found[fields.text("id")] = page[len(moments)]
            moments.append(fields.iso("submitted_at" if "submitted_at" in fields else "created_at"))
        if len(moments) < ORDERS:
            return list(found.values())
        after = max(moments) - OVERLAP
        if len(found) == known:
            raise BadPayload("orders", "", "another page", "the same page again")


def activities(client: Any, path: str, after: datetime, **more: str) -> list[Mapping[str, Any]]:
    """Activities after a moment (of whole seconds), oldest first. Each page is asked for by the id that ended the one
    before."""
    found: dict[str, Mapping[str, Any]] = {}
    query = {"after": text(after.replace(microsecond=0)), "direction": "asc", "page_size": ACTIVITIES, **more}
    while True:
        page = client.get(path, query)
        names: list[str] = []
        known = len(found)
        for fields in every(page, "activities"):
            name = fields.text("id")
            found[name] = page[len(names)]
            names.append(name)
        if len(names) < ACTIVITIES:
            return list(found.values())
        if len(found) == known:
            raise BadPayload("activities", "", "another page", "the same page again")
        query = {**query, "page_token": names[-1]}


def market_data(
    get: Callable[[str, Mapping[str, Any]], Any], path: str, query: Mapping[str, Any]
) -> Iterable[tuple[str, list[Any]]]:
    """(symbol, bars) of each page of a historical answer; a symbol comes once for each page that has some of it."""
    token, seen = None, set[str]()
    while True:
        page = Fields(get(path, {**query, "limit": BARS, **({"page_token": token} if token else {})}), "page")
        series = page.raw("bars", {})
        if not isinstance(series, Mapping):
            raise BadPayload("page", "bars", "an object", series)
        for symbol, rows in series.items():
            if not isinstance(symbol, str) or not isinstance(rows, list):
                raise BadPayload("page", "bars", "a list for each symbol", rows)
            yield symbol, rows
        token = page.text("next_page_token", None)
        if not token:
            return
        if token in seen:
            raise BadPayload("page", "next_page_token", "another page", token)
        seen.add(token)
