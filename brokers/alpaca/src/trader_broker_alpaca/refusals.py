"""What an answer that is no success means. Part of `wire`."""

from __future__ import annotations

from typing import Literal, TypeAlias

from trader.errors import BadPayload
from trader.model import Rejected, Unknown
from trader.wire import AuthFailed, Fields, RateLimited, Trouble, document

Product: TypeAlias = Literal["trading", "data"]

REFUSALS = (
    ("duplicate", ("client_order_id must be unique", "duplicate client")),
    ("wash_trade", ("wash trade",)),
    ("pending_cancel", ("pending cancel", "pending_cancel")),
    ("closed", ("not cancelable", "already in", "not open", "is not replaceable")),
    ("quantity", ("minimal amount", "order size")),
    ("funds", ("insufficient balance for usd", "buying power")),
    ("position", ("insufficient qty", "insufficient balance", "insufficient underlying", "to short", "sold short",
                  "not shortable", "borrow")),
    ("funds", ("insufficient",)),
    ("not_tradable", ("not tradable", "not active", "orders not allowed", "halted", "restricted")),
    ("market_closed", ("market hours", "market is closed", "market is not open")),
    ("symbol", ("asset", "symbol")),
    ("quantity", ("qty", "quantity", "fractional", "notional")),
    ("price", ("limit_price", "limit price", "stop_price", "stop price", "sub-penny", "pricing criteria", "increment")),
)  # fmt: skip
"""What stands in a refusal's message -> the word for it; the first that fits."""


def error(status: int, body: object, product: Product = "trading", retry_after: float | None = None) -> Trouble:
    """What an answer that is no success means. Only Alpaca's own JSON is a no: a proxy's page proves nothing.

    `body`: text, or the object inside it. Codes differ between causes only loosely, so the message decides.
    """
    said, code = _said(body)
    reason = f"{status} {said or ''}".strip()[:300]
    if status == 429:
        return RateLimited(reason, retry_after)
    if status == 401:
        return AuthFailed(reason)
    if status == 408 or not 400 <= status < 500:
        return Unknown("timeout" if status in (408, 504) else "server", reason)
    if said is None:
        return Unknown("server", f"{status}, and not in Alpaca's words")
    words = said.lower()
    if status == 404 and words.startswith("endpoint"):  # of an address, not of what was asked for there
        return Unknown("server", reason)
    if status == 403 and (product == "data" or code is None or "forbidden" in words):
        return AuthFailed(reason)
    if status == 404 and not words.startswith("asset"):
        return Rejected("not_found", reason)
    kind = next((kind for kind, parts in REFUSALS if any(part in words for part in parts)), "refused")
    return Rejected(kind, reason)


def _said(body: object) -> tuple[str | None, int | None]:
    """Alpaca's message and its number, None where there is none."""
    try:
        fields = Fields(document(body, "error") if isinstance(body, str | bytes) else body, "error")
        why = fields.text("reject_reason", "")
        return fields.text("message") + (f": {why}" if why else ""), fields.integer("code", None)
    except BadPayload:
        return None, None
