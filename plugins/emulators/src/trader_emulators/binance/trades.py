"""The pages of an account's executions: by id, by time, by order, or the newest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from trader.model import Fill

from trader_emulators.binance.moments import BEGINNING
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.refusal import Refused, combined


def page(
    fills: list[Fill], parameters: Parameters, number: Callable[[Fill], int], *, window: timedelta, wide: Refused,
    back_from: datetime | None = None,
) -> list[Fill]:  # fmt: skip
    """One page, oldest first. `fills` are those of the symbol, oldest first; `window`: the longest stretch from
    startTime to endTime, beyond which it is `wide`; `back_from`: without a time that is asked for, only one
    such stretch is shown, which ends then; None: all."""
    limit = parameters.limit(500, 1_000)
    start, end = parameters.moment("startTime"), parameters.moment("endTime")
    if "fromId" in parameters:
        if start or end:
            raise combined()
        first = parameters.whole("fromId")
        return [fill for fill in fills if number(fill) >= first][:limit]
    if start and end and end - start > window:
        raise wide
    if back_from is not None:
        start = start or (end or back_from) - window
        end = end or start + window
    low, high = start or BEGINNING, end
    if high is None:
        found = [fill for fill in fills if fill.time >= low]
    else:
        found = [fill for fill in fills if low <= fill.time < high + timedelta(milliseconds=1)]
    return found[:limit] if "startTime" in parameters else found[-limit:]
