"""What runs beside the terminal, in the process that has the MetaTrader5 module: text in, text out.

On Windows it is imported; elsewhere its source is executed by the rpyc server, under whatever Python that has. So it
imports nothing but the standard library, in words that old Pythons have, and is handed the module. Text, because a
proxy of a dictionary is no dictionary to a C extension, and a pickle from the other side would be a program.
"""

from __future__ import annotations

import json
import time
from typing import Any

INFINITE = (float("inf"), float("-inf"))


def plain(value: Any) -> Any:
    """As JSON has it: structures as objects, arrays with named columns as objects of lists, no NaN."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return None if value != value or value in INFINITE else value  # noqa: PLR0124 - NaN
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if getattr(getattr(value, "dtype", None), "names", None):
        return {name: plain(value[name].tolist()) for name in value.dtype.names}
    return plain(value.tolist())  # numpy's numbers; whatever else it is has none, and that is an error


def clock() -> float:
    """Seconds on the clock of this side."""
    return time.time()  # noqa: TID251 - it runs in another process, which nobody simulates


def state(mt5: Any) -> dict[str, Any]:
    """Who is logged in now, and whether the terminal reaches its server: what it shows is else from its memory."""
    terminal = mt5.terminal_info()
    error = mt5.last_error() if terminal is None else None
    account = mt5.account_info() if terminal is not None else None
    if terminal is not None and account is None:
        error = mt5.last_error()
    return {
        "connected": bool(terminal is not None and terminal.connected),
        "trading": bool(terminal is not None and terminal.trade_allowed and not terminal.tradeapi_disabled),
        "login": None if account is None else account.login,
        "account": bool(account is not None and account.trade_allowed),
        "expert": bool(account is not None and account.trade_expert),
        "error": plain(error),
    }


def ask(mt5: Any, text: str) -> str:
    """One function of the module: {"call", "args", "named", "keep", "fields", "state"} -> {"value", "error", "state",
    "clock"}.

    `keep`: of a list, only what has these values; `fields`: of each, only these.
    """
    want = json.loads(text)
    value = getattr(mt5, want["call"])(*want["args"], **want["named"])
    error = mt5.last_error()
    keep, fields = want.get("keep"), want.get("fields")
    if keep and isinstance(value, (list, tuple)):
        value = [item for item in value if all(getattr(item, name) == kept for name, kept in keep.items())]
    if fields and isinstance(value, (list, tuple)):
        value = [{name: getattr(item, name, None) for name in fields} for item in value]
    answer = plain(value)
    after = state(mt5) if want.get("state") else None
    return json.dumps({"value": answer, "error": plain(error), "state": after, "clock": clock()})


def send(mt5: Any, text: str) -> str:
    """One order request: {"request", "login", "until"} -> {"sent", "value", "error"}, or {"sent", "state", "late"}.

    Nothing is sent where the terminal could not carry it, or carries it to another account, nor after this side's clock
    shows `until`: who asked has given up by then, and an order that comes out of a long pause is a danger.
    """
    want = json.loads(text)
    now = state(mt5)
    late = clock() > want["until"]
    if late or not (
        now["connected"] and now["trading"] and now["account"] and now["expert"] and now["login"] == want["login"]
    ):
        return json.dumps({"sent": False, "state": now, "late": late})
    value = mt5.order_send(want["request"])
    error = mt5.last_error()
    said = None if value is None else value._asdict()
    if said is not None:
        said.pop("request", None)  # who asked knows what was asked
    return json.dumps({"sent": True, "value": plain(said), "error": plain(error)})
