"""Whether a request comes from who has the secret, and lately: HMAC-SHA256 and the venue's clock."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.refusal import BAD_KEY, BAD_KEY_FORM, BAD_SIGNATURE, Refused, missing

LONGEST = 60_000
USUAL = 5_000
AHEAD = 1_000
_SIGNATURE = re.compile(r"(^|&)signature=[^&]*")


class Keys(Protocol):
    """Who may come in, and what time it is there."""

    revoked: bool
    api_key: str
    api_secret: str

    def server_time(self) -> int:
        """Milliseconds since 1970."""


def given(raw_query: str, body: bytes) -> dict[str, str]:
    """All parameters of a request, those of the address first."""
    texts = (raw_query, body.decode("utf-8", "replace"))
    return dict(pair for text in texts for pair in parse_qsl(text, keep_blank_values=True))


def known(keys: Keys, key: str) -> None:
    """Refused unless the key is the account's."""
    if not re.match("^[A-Za-z0-9]{8,}$", key):
        raise BAD_KEY_FORM
    if keys.revoked or key != keys.api_key:
        raise BAD_KEY


def timely(keys: Keys, parameters: Parameters) -> None:
    """Refused if the request was made too long ago, or in the future."""
    window = parameters.number("recvWindow") if "recvWindow" in parameters else USUAL
    if window > LONGEST:
        raise Refused(-1131, "recvWindow must be less than 60000")
    stamp, now = parameters.whole("timestamp"), keys.server_time()
    if stamp >= now + AHEAD:
        raise Refused(-1021, f"Timestamp for this request was {AHEAD}ms ahead of the server's time.")
    if now - stamp > window:
        raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def signed(keys: Keys, raw_query: str, body: bytes) -> None:
    """Refused unless what was sent, without the signature, is what was signed."""
    found = given(raw_query, body).get("signature", "")
    if not found:
        raise missing("signature")
    payload = _SIGNATURE.sub("", raw_query) + _SIGNATURE.sub("", body.decode("utf-8", "replace"))
    if not hmac.compare_digest(_digest(keys, payload), found.lower()):
        raise BAD_SIGNATURE


def signed_message(keys: Keys, parameters: Mapping[str, Any]) -> None:
    """The same for a websocket's request: its parameters by name, joined as a query."""
    found = str(parameters.get("signature", ""))
    if not found:
        raise missing("signature")
    pairs = sorted((name, _word(value)) for name, value in parameters.items() if name != "signature")
    payloads = (urlencode(pairs), "&".join(f"{name}={value}" for name, value in pairs))
    if not any(hmac.compare_digest(_digest(keys, payload), found.lower()) for payload in payloads):
        raise BAD_SIGNATURE


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _digest(keys: Keys, payload: str) -> str:
    return hmac.new(keys.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
