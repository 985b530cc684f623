"""What Robinhood's errors mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trader.errors import BadPayload
from trader.model import Rejected, Unknown
from trader.wire import AuthFailed, RateLimited, Trouble, document

WORDS = (
    ("duplicate", r"ref_id.*already exists"),
    ("funds", r"buying power|you can only purchase|insufficient (?:funds|cash)"),
    ("position", r"(?:not enough|insufficient) shares|can only sell|shares? to sell"),
    ("market_closed", r"market (?:is|are) closed|markets are closed"),
    ("not_tradable", r"not tradable|untradable|cannot be traded|halted"),
    ("closed", r"cannot be cancell?ed|already (?:been )?(?:filled|cancell?ed)"),
)
FIELDS = {"ref_id": "refused", "instrument": "symbol", "symbol": "symbol", "quantity": "quantity", "price": "price",
          "stop_price": "price"}  # fmt: skip


def error(status: int, body: bytes | str, product: str) -> Trouble:
    """What an answer that is no success means. `product`: what was asked for ("order", "cancel", "query", "login").

    Only a 4xx with JSON is a no. Everything else may have been executed.
    """
    if status >= 500 or status == 408 or status < 400:
        kind = "timeout" if status == 408 else "server" if status >= 300 else "payload"
        return Unknown(kind, f"status {status}: {said(body)}")
    try:
        payload = document(body, "error")
    except BadPayload:
        return RateLimited(f"status {status}") if status == 429 else Unknown("payload", f"status {status}: no JSON")
    reason = said(body) or f"status {status}"
    if status == 429:
        return RateLimited(reason, _seconds(reason))
    if status in {401, 403} or product == "login":
        return AuthFailed(reason)
    if status == 404:
        return Rejected("not_found", reason)
    if status not in {400, 422}:
        return Unknown("server", f"status {status}: {reason}")
    return Rejected(_kind(payload, reason), reason)


def said(body: bytes | str) -> str:
    """The venue's words in an error: {"detail": ...}, {"non_field_errors": [...]}, {"field": [...]}; at most 200."""
    try:
        payload = document(body, "error")
    except BadPayload:
        return "no JSON"
    if isinstance(payload, Mapping):
        detail = payload.get("detail")
        if isinstance(detail, str):
            return _text(detail)[:200]
        parts = [f"{plain(name)}: {_text(value)}" for name, value in payload.items()]
        return "; ".join(parts).removeprefix("non_field_errors: ")[:200]
    return _text(payload)[:200]


def _text(value: Any) -> str:
    text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return plain(text[:1_000])


def plain(text: str) -> str:
    """Without half characters (JSON has them), which no file and no database takes."""
    return text.encode("utf-8", "replace").decode()


def _kind(payload: Any, reason: str) -> str:
    text = reason.lower()
    for kind, pattern in WORDS:
        if re.search(pattern, text):
            return kind
    if isinstance(payload, Mapping):
        return next((kind for name, kind in FIELDS.items() if name in payload), "refused")
    return "refused"


def _seconds(reason: str) -> float | None:
    """Of: Request was throttled. Expected available in 14 seconds."""
    found = re.search(r"available in (\d{1,9})", reason)
    return float(found[1]) if found else None
