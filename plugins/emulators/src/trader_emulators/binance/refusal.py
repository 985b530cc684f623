"""What the venue refuses, by its codes."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """The venue says no: an HTTP status, its code, its words."""

    def __init__(self, code: int, message: str, status: int = 400, data: Any = None) -> None:
        super().__init__(code, message)
        self.code, self.message, self.status, self.data = code, message, status, data

    @property
    def body(self) -> dict[str, Any]:
        """As JSON."""
        more = {} if self.data is None else {"data": self.data}
        return {"code": self.code, "msg": self.message, **more}


def missing(name: str) -> Refused:
    """A parameter that has to be there is not."""
    return Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def needless(name: str) -> Refused:
    """A parameter that must not be there is."""
    return Refused(-1106, f"Parameter '{name}' sent when not required.")


def illegal(name: str, legal: str) -> Refused:
    """A parameter is no word of its kind."""
    return Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def filtered(name: str) -> Refused:
    """A symbol's filter does not let an order pass."""
    return Refused(-1013, f"Filter failure: {name}")


def too_many(limit: int) -> Refused:
    """More requests than the venue takes."""
    return Refused(-1003, f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE.", 429)


def combined() -> Refused:
    """Parameters that do not go together."""
    return Refused(-1128, "Combination of optional parameters invalid.")


UNKNOWN_SYMBOL = Refused(-1121, "Invalid symbol.")
BAD_INTERVAL = Refused(-1120, "Invalid interval.")
NO_ORDER = Refused(-2013, "Order does not exist.")
NOT_CANCELED = Refused(-2011, "Unknown order sent.")
BAD_KEY_FORM = Refused(-2014, "API-key format invalid.", 401)
BAD_KEY = Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)
BAD_SIGNATURE = Refused(-1022, "Signature for this request is not valid.")
FAILED = Refused(-1001, "Internal error; unable to process your request. Please try again.", 503)
