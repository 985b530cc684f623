"""The data source: closed bars of the regular session, and quotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from trader.errors import BadPayload
from trader.model import Array, Bars, Quote, Times, Unavailable
from trader.protocols import Env
from trader.wire import Fields, unavailable

from trader_broker_robinhood import wire
from trader_broker_robinhood.client import Client, Reply
from trader_broker_robinhood.directory import Directory
from trader_broker_robinhood.settings import DataSettings

USER = "data"
MOST = 50
"""Symbols of one request."""


class RobinhoodSource:
    """Bars of 5m, 10m, 1h and 1d as far back as Robinhood has them (a week, a week, three months, five years)."""

    def __init__(self, settings: DataSettings, env: Env) -> None:
        self._settings, self._env = settings, env
        self._client = env.shared("robinhood", lambda: Client(env, settings.url))
        self._directory = Directory(self._client, USER)

    def open(self) -> Unavailable | None:
        """Take the token from the secrets and try it."""
        refused = self._client.enter(USER, self._settings.url, self)
        if refused is not None:
            return refused
        reply = self._client.get(USER, f"{wire.API}/accounts/", {"default_to_all_accounts": "true"})
        if isinstance(reply, Reply):
            return None
        self._client.leave(USER, self)
        return unavailable(reply)

    def close(self) -> None:
        """Give the SDK's session back; whoever waits for an answer is told that the connection broke."""
        self._client.leave(USER, self)

    def symbols(self) -> Sequence[str] | Unavailable:
        """All stocks that are listed and tradable now: many pages."""
        found = self._directory.rules((), active=True)
        if isinstance(found, Unavailable):
            return found
        return list(dict.fromkeys(rules.symbol for rules in found if rules.tradable))

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote] | Unavailable:
        """Of each symbol that has a bid and an ask; who is unknown is left out."""
        found: list[Quote] = []
        for part in _parts(symbols):
            rows = self._results("quotes/", {"symbols": ",".join(part)}, "quotes")
            if isinstance(rows, Unavailable):
                return rows
            try:
                quotes = [wire.quote(row) for row in rows if row is not None]
            except BadPayload as error:
                return Unavailable("payload", str(error))
            found += [quote for quote in quotes if quote is not None and quote.symbol in part]
        return found

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        """Bars with start < their end <= end that are closed by now. What the venue filled in is NaN."""
        if timeframe not in wire.INTERVALS:
            return Unavailable("timeframe", f"Robinhood has {', '.join(wire.INTERVALS)}, not {timeframe}")
        asked, now = tuple(dict.fromkeys(symbols)), self._env.now()
        last = min(end, now)
        days = (now - start) / timedelta(days=1)
        found: dict[str, list[wire.Bar]] = {}
        for part in _parts(asked):
            query = {"symbols": ",".join(part), "interval": wire.INTERVALS[timeframe], "bounds": "regular",
                     "span": wire.span(timeframe, days)}  # fmt: skip
            rows = self._results("quotes/historicals/", query, "historicals")
            if isinstance(rows, Unavailable):
                return rows
            try:
                for row in rows:
                    fields = Fields(row, "historicals")
                    found[fields.text("symbol")] = [
                        bar
                        for sent in fields.raw("historicals")
                        if (bar := wire.bar(sent, timeframe)) is not None and start < bar.end <= last
                    ]
            except (BadPayload, TypeError) as error:
                return Unavailable("payload", str(error))
        return panel({symbol: found[symbol] for symbol in asked if symbol in found}, asked, timeframe)

    def _results(self, path: str, query: dict[str, str], where: str) -> list[Any] | Unavailable:
        reply = self._client.get(USER, f"{wire.API}/{path}", query)
        if not isinstance(reply, Reply):
            return unavailable(reply)
        try:
            rows = Fields(reply.payload, where).raw("results")
        except BadPayload as error:
            return Unavailable("payload", str(error))
        return rows if isinstance(rows, list) else Unavailable("payload", f"{where}: expected a list of results")


def panel(found: dict[str, list[wire.Bar]], asked: Sequence[str], timeframe: str) -> Bars:
    """One row for each bar that any symbol has, NaN where one has none; arrays are (time, symbol)."""
    symbols = tuple(found)
    spans = sorted({(bar.end, bar.start) for bars in found.values() for bar in bars})
    place = {end: row for row, (end, _) in enumerate(spans)}
    values: Array = np.full((5, len(spans), len(symbols)), np.nan)
    for column, bars in enumerate(found.values()):
        for bar in bars:
            values[:, place[bar.end], column] = bar[2:]
    missing = tuple(symbol for symbol in asked if symbol not in found)
    starts, ends = _times([start for _, start in spans]), _times([end for end, _ in spans])
    return Bars(symbols, timeframe, starts, ends, values[0], values[1], values[2], values[3], values[4], missing)


def _times(moments: Sequence[datetime]) -> Times:
    return np.array([moment.astimezone(UTC).replace(tzinfo=None) for moment in moments], dtype="datetime64[ns]")


def _parts(symbols: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(symbols), MOST):
        yield symbols[first : first + MOST]
