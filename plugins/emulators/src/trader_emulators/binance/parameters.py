"""The parameters of one request, read: whatever is wrong with them is refused as the venue does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from trader_emulators.binance.moments import moment
from trader_emulators.binance.refusal import Refused, illegal, missing

NUMBER = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
WHOLE = "^[0-9]{1,20}$"


class Parameters:
    """Names and texts; a text that is empty counts as not sent."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = {name: _text(value) for name, value in given.items()}

    def __contains__(self, name: str) -> bool:
        return bool(self._given.get(name))

    def names(self) -> list[str]:
        """All that were sent."""
        return [name for name in self._given if name in self]

    def text(self, name: str) -> str:
        """Refused if it is not there."""
        if name not in self:
            raise missing(name)
        return self._given[name]

    def optional(self, name: str, default: str = "") -> str:
        """The text, or the default."""
        return self._given[name] if name in self else default

    def number(self, name: str) -> Decimal:
        """Refused if it is not there, or has a sign or an exponent."""
        text = self.text(name)
        if not re.match(NUMBER, text):
            raise illegal(name, NUMBER)
        return Decimal(text)

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number; the default if it was not sent, refused without one."""
        if name not in self and default is not None:
            return default
        text = self.text(name)
        if not re.match(WHOLE, text):
            raise illegal(name, WHOLE)
        return int(text)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """true or false."""
        word = self.optional(name, str(default)).lower()
        if word not in ("true", "false"):
            raise illegal(name, "true, false")
        return word == "true"

    def moment(self, name: str) -> datetime | None:
        """Milliseconds since 1970; None if it was not sent."""
        return moment(self.whole(name)) if name in self else None

    def limit(self, default: int, most: int) -> int:
        """How many are asked for; more than there can be is cut, as the venue does."""
        count = self.whole("limit", default)
        if not count:
            raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(count, most)

    def words(self, name: str) -> list[str] | None:
        """A JSON list of words; None if it was not sent."""
        if name not in self:
            return None
        try:
            words = json.loads(self.text(name))
        except ValueError:
            words = None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise illegal(name, r"^\[(\"[A-Z0-9-_.]{1,20}\"(,\"[A-Z0-9-_.]{1,20}\"){0,}){0,1}\]$")
        return words


def _text(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool | list) else str(value)
