"""Ids, links and pages of Robinhood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from trader.errors import BadPayload
from trader.wire import REQUIRED, Fields

API = "https://api.robinhood.com"
SPACE = UUID("7a0d9f5e-5b3c-4b6e-9a53-0f6c2f1f6b1d")
"""Of our order keys and of executions without an id: fixed for ever."""


def key_of(client_id: str) -> str:
    """The `ref_id` of an order: the same uuid for the same client id, always."""
    return str(uuid5(SPACE, client_id))


def identity(fields: Fields, name: str, default: Any = REQUIRED) -> str:
    """An id: up to 64 plain characters; other text is none."""
    found: str = fields.text(name, default)
    if not (found.isascii() and found.isprintable() and len(found) <= 64):
        raise BadPayload(fields.where, name, "an id", found)
    return found


def id_in(link: str, where: str) -> str:
    """The id at the end of a link: ".../instruments/<id>/"."""
    found = link.rstrip("/").rpartition("/")[2]
    if not found or len(found) > 64 or not (found.isascii() and found.isprintable()):
        raise BadPayload(where, "", "a link with an id at its end", link)
    return found


def instrument_id(payload: object, where: str) -> str:
    """Of an order, a position or a dividend: which instrument it is about."""
    return id_in(Fields(payload, where).text("instrument"), f"{where}.instrument")


def following(payload: object, where: str) -> str | None:
    """The link to the next page; None: this was the last one. A page that does not say is no page."""
    if not isinstance(payload, Mapping) or "next" not in payload:
        raise BadPayload(where, "next", "a link or null", "nothing")
    link: str | None = Fields(payload, where).text("next", None)
    if link is not None and not (link.startswith(f"{API}/") and link.isascii() and link.isprintable()):
        # our token goes nowhere else
        raise BadPayload(where, "next", f"a link that begins with {API}/", link)
    return link


def rows(payload: object, where: str) -> list[Any]:
    """The results of one page, as they were sent."""
    results = Fields(payload, where).raw("results")
    if not isinstance(results, list):
        raise BadPayload(where, "results", "a list", results)
    for number, row in enumerate(results):
        if not isinstance(row, Mapping):
            raise BadPayload(f"{where}[{number}]", "", "an object", row)
    return results
