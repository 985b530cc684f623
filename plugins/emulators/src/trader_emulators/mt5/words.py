"""Why the terminal gives no answer, and what it takes as an argument."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trader.testing.emulation import Mishap

FAIL, PARAMS, NOT_FOUND, AUTH, DISABLED = -1, -2, -4, -6, -8
RECEIVE, CONNECT, TIMEOUT = -10002, -10004, -10005
SUCCESS = (1, "Success")
TROUBLE: dict[Mishap, tuple[int, str]] = {
    Mishap.LOST: (TIMEOUT, "IPC timeout"),
    Mishap.LOST_REPLY: (TIMEOUT, "IPC timeout"),
    Mishap.LATE: (TIMEOUT, "IPC timeout"),
    Mishap.RESET: (CONNECT, "No IPC connection"),
    Mishap.RESET_AFTER: (CONNECT, "No IPC connection"),
    Mishap.FAILED: (FAIL, "Terminal: Call failed"),
    Mishap.FAILED_AFTER: (FAIL, "Terminal: Call failed"),
    Mishap.HTML: (CONNECT, "No IPC connection"),
    Mishap.TRUNCATED: (RECEIVE, "IPC recv failed"),
    Mishap.GARBAGE: (CONNECT, "No IPC connection"),
    Mishap.RATE_LIMITED: (FAIL, "Terminal: Too many requests"),
    Mishap.UNAUTHORIZED: (AUTH, "Terminal: Authorization failed"),
}
"""What last_error says where a query has no answer."""


class Refused(Exception):
    """The terminal does not do it: the numbers and words of last_error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code, self.text = code, text


def call_argument(value: Any, kind: type, name: str) -> Any:
    """The value, if it is of just that type: compiled code takes no proxy of a value on another machine."""
    if type(value) is not kind:
        raise Refused(PARAMS, f'Invalid "{name}" argument')
    return value


def moment(value: Any, name: str) -> float:
    """Seconds since 1970 on the server's clock, of a number or a datetime: its digits count, whatever it stands for."""
    if type(value) in {int, float}:
        return float(value)
    if type(value) is datetime:
        return value.timestamp()
    raise Refused(PARAMS, f'Invalid "{name}" argument')
