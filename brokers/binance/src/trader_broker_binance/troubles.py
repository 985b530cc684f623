"""What the venue's errors mean: HTTP status, code and message, by product, for codes collide between products."""

from __future__ import annotations

from typing import Literal, TypeAlias

from trader.errors import BadPayload
from trader.model import Rejected, Unknown
from trader.wire import AuthFailed, Fields, RateLimited, Trouble, document

Product: TypeAlias = Literal["spot", "futures"]

AUTH = {-1002, -1022, -1099, -2014, -2015, -2017}
LIMITED = {-1003, -1015}
OPEN = {-1000: "server", -1001: "server", -1006: "server", -1007: "timeout", -1008: "server", -1016: "server"}
"""The venue itself does not know what became of it."""
KINDS = {
    -1021: "clock",
    -1111: "quantity",
    -1121: "symbol",
    -1122: "not_tradable",
    -2011: "not_found",
    -2013: "not_found",
}
FUTURES = {
    -2018: "funds",
    -2019: "funds",
    -2020: "refused",
    -2021: "price",
    -2022: "reduce_only",
    -2024: "position",
    -2026: "reduce_only",
    -2027: "position",
    -2028: "funds",
    -4001: "price",
    -4002: "price",
    -4003: "quantity",
    -4004: "quantity",
    -4005: "quantity",
    -4006: "price",
    -4007: "price",
    -4013: "price",
    -4014: "price",
    -4016: "price",
    -4023: "quantity",
    -4024: "price",
    -4050: "funds",
    -4051: "funds",
    -4062: "reduce_only",
    -4108: "not_tradable",
    -4116: "duplicate",
    -4118: "reduce_only",
    -4131: "price",
    -4140: "not_tradable",
    -4141: "not_tradable",
    -4164: "quantity",
    -4183: "price",
    -4184: "price",
}
PHRASES = (
    ("duplicate", "duplicate"),
    ("insufficient balance", "funds"),
    ("margin is insufficient", "funds"),
    ("market is closed", "market_closed"),
    ("trading phase", "market_closed"),
    ("not permitted", "not_tradable"),
    ("disabled on this account", "not_tradable"),
    ("not enabled", "not_tradable"),
    ("reduceonly", "reduce_only"),
    ("max_position", "position"),
    ("max_num", "refused"),
    ("lot_size", "quantity"),
    ("notional", "quantity"),
    ("percent_price", "price"),
    ("price_filter", "price"),
    ("trigger immediately", "price"),
    ("immediately match", "price"),
    ("'quantity'", "quantity"),
    ("qty", "quantity"),
    ("quantity", "quantity"),
    ("'symbol'", "symbol"),
    ("price", "price"),
)
"""Words in a message, in order: one code says many things."""


def error(status: int, body: bytes | str, product: Product, retry_after: float | None = None) -> Trouble:
    """What an answer means that is none of the expected kind. Never raises.

    `retry_after`: seconds, from the header. Rejected only where the venue itself says no: its status is 4xx and its
    code is known to say so. A page of a proxy, 5xx, and codes of the venue's own confusion are Unknown.
    """
    code, message = _said(body)
    text = f"{message} ({code})" if code else f"HTTP {status}: {message or 'no word of the venue'}"
    if status in (418, 429) or (code in LIMITED and 400 <= status < 500):
        return RateLimited(text, retry_after)
    if product == "futures" and status == 503 and _refused_busy(code, message):
        return Rejected("busy", text, retry_after)
    if status == 408 or code in OPEN:
        return Unknown(OPEN.get(code, "timeout"), text, retry_after)
    if status >= 500:
        return Unknown("server", text, retry_after)
    if status == 401 or (code in AUTH and 400 <= status < 500):
        return AuthFailed(text)
    if status == 403:
        return RateLimited(f"the venue's firewall: {text}", retry_after)
    if status == 451:
        return AuthFailed(f"not served from this place: {text}")
    if status == 409 or (product == "spot" and code == -2021):
        return Unknown("server", f"half of it happened: {text}")
    if 400 <= status < 500 and code < 0:
        return Rejected(_kind(code, message, product), text)
    return Unknown("payload", text)


def _refused_busy(code: int, message: str) -> bool:
    """Two of the venue's 503 are a no, as its general information has it: too much at once, and out of service. The
    third, "Unknown error", may have been executed; a page that is not the venue's has no code."""
    return code == -1008 or (code < 0 and message.lower().startswith("service unavailable"))


def _kind(code: int, message: str, product: Product) -> str:
    if product == "futures" and code in FUTURES:
        return FUTURES[code]
    words = message.lower()
    if code == -1111 and "price" in words:
        return "price"
    if code in KINDS:
        return KINDS[code]
    if "algo order" in words and "not exist" in words:
        return "not_found"
    speaks = code in (-1013, -2010, -1100, -1102, -1106, -1130) or code <= -4000
    return next((kind for phrase, kind in PHRASES if phrase in words), "refused") if speaks else "refused"


def _said(body: bytes | str) -> tuple[int, str]:
    """Code and message; 0 and what it begins with where it is no such thing."""
    try:
        fields = Fields(document(body, "error"), "error")
        return fields.integer("code", 0), fields.text("msg", "")[:200]
    except BadPayload:
        text = body if isinstance(body, str) else body.decode("utf-8", "replace")
        return 0, " ".join(text.split())[:80]


def garbled(bad: BadPayload) -> Unknown:
    """A 2xx answer that cannot be read: it was taken, or it was not."""
    return Unknown("payload", f"the venue's answer cannot be read: {bad}")
