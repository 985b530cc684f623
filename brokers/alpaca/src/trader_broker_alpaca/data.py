"""The data source `alpaca`: bars and quotes of stocks and crypto."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from trader.errors import BadPayload, SettingsError
from trader.hookspecs import hookimpl
from trader.model import Bars, Instrument, Quote, Unavailable
from trader.protocols import Env
from trader.wire import Fields, Trouble, unavailable

from trader_broker_alpaca import door, login, pages, panel, wire
from trader_broker_alpaca.door import Door
from trader_broker_alpaca.settings import DataSettings as Settings

__all__ = ["AlpacaData", "Settings", "provide_data_source"]

T = TypeVar("T")
NOT_OPEN = Unavailable("connection", "the data source is not open")
BEGINNING = datetime(1990, 1, 1, tzinfo=UTC)
"""Before anything that Alpaca has."""
TOGETHER = 100
"""Symbols of one request."""
KNOWN_FOR = timedelta(hours=12)
ASKED_AGAIN = timedelta(minutes=10)
"""A symbol that is not in the list may be new: the list is read again, this often at most."""
PATHS = {"stock": "/stocks/bars", "crypto": "/crypto/us/bars"}
QUOTES = {"stock": "/stocks/quotes/latest", "crypto": "/crypto/us/latest/quotes"}


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> AlpacaData:
    """Bars and quotes; `open` logs in."""
    return AlpacaData(settings, env)


class AlpacaData:
    """Bars adjusted for splits, as of now. Which symbols there are is the list of the account's environment."""

    def __init__(self, settings: Settings, env: Env) -> None:
        self._settings, self._env = settings, env
        self._doors: dict[str, Door] = {}
        self._assets: dict[str, Instrument] = {}
        self._read_at: datetime | None = None

    def open(self) -> Unavailable | None:
        """Log in."""
        self.close()
        try:
            opened = {name: door.market(self._settings, self._env, name) for name in PATHS}
            self._doors = {"trading": door.trading(self._settings, self._env), **opened}
        except SettingsError as missing:
            return Unavailable("auth", str(missing))
        answer = self.clock()
        if not isinstance(answer, Unavailable):
            return None
        self.close()
        return login.explained(answer, self._settings, self._env)

    def close(self) -> None:
        """Ends blocked calls; from any thread, again is no error."""
        opened, self._doors = self._doors, {}
        for one in opened.values():
            one.close()
        self._read_at = None

    def _ask(self, name: str, question: Callable[[Any], T]) -> T | Unavailable:
        opened = self._doors.get(name)
        if opened is None:
            return NOT_OPEN
        answer = opened.ask(question)
        return unavailable(answer) if isinstance(answer, Trouble) else answer

    def clock(self) -> wire.Moment | Unavailable:
        """What time it is at Alpaca, and when the stock market opens and closes next."""
        return self._ask("trading", lambda client: wire.clock(client.get("/clock")))

    # ---- what there is -----------------------------------------------------------------------------------------------
    def symbols(self) -> Sequence[str] | Unavailable:
        """All that is traded now, stocks before crypto."""
        problem = self._read(KNOWN_FOR)
        if problem is not None:
            return problem
        there = [symbol for symbol, rules in self._assets.items() if rules.tradable]
        return sorted(there, key=lambda symbol: (wire.is_crypto(symbol), symbol))

    def _read(self, age: timedelta) -> Unavailable | None:
        """Read the list of assets, unless it was read so lately."""
        now = self._env.now()
        if self._read_at is not None and now - self._read_at < age:
            return None if self._doors else NOT_OPEN

        def question(client: Any) -> dict[str, Instrument]:
            found: dict[str, Instrument] = {}
            for kind in ("us_equity", "crypto"):
                payload = client.get("/assets", {"asset_class": kind})
                for rules in map(wire.instrument, _checked(payload)):
                    known = found.get(rules.symbol)
                    if known is None or not known.tradable:  # a symbol may have been another company's before
                        found[rules.symbol] = rules
            return found

        answer = self._ask("trading", question)
        if isinstance(answer, Unavailable):
            return answer
        self._assets, self._read_at = answer, now
        return None

    def _known(self, symbols: Sequence[str]) -> tuple[list[str], list[str]] | Unavailable:
        """Those that there are, and those that there are not."""
        problem = self._read(KNOWN_FOR)
        if problem is None and not self._assets.keys() >= set(symbols):
            problem = self._read(ASKED_AGAIN)
        if problem is not None:
            return problem
        asked = dict.fromkeys(symbols)
        known = [symbol for symbol in asked if symbol in self._assets]
        return known, [symbol for symbol in asked if symbol not in self._assets]

    # ---- bars and quotes ---------------------------------------------------------------------------------------------
    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        """Closed bars with start < their end <= end."""
        if timeframe not in panel.FRAMES:
            has = ", ".join(panel.FRAMES)
            return Unavailable("timeframe", f"Alpaca's bars are of {has} here; asked for {timeframe!r}")
        split = self._known(symbols)
        if isinstance(split, Unavailable):
            return split
        known, missing = split
        parts = _by_market(known)
        if timeframe == panel.DAILY and all(parts.values()):
            return Unavailable("timeframe", "days of stocks and of crypto begin at other hours: ask for them apart")
        start, end = max(start, BEGINNING), min(end, self._env.now())
        rows: dict[str, list[wire.Bar]] = {symbol: [] for symbol in known}
        for market, names in parts.items():
            for batch in _batches(names) if start < end else ():
                problem = self._fetch(market, batch, timeframe, (start, end), rows)
                if problem is not None:
                    return problem
        return panel.columns(rows, timeframe, start, end, missing)

    def _fetch(
        self, market: str, symbols: Sequence[str], timeframe: str, within: tuple[datetime, datetime],
        rows: Mapping[str, list[wire.Bar]],
    ) -> Unavailable | None:  # fmt: skip
        """All pages of one request, into `rows`. Alpaca asks for when a bar begins."""
        name, length = panel.FRAMES[timeframe]
        query = {
            "symbols": ",".join(symbols),
            "timeframe": name,
            "start": pages.text(within[0] - length),
            "end": pages.text(within[1]),
            "sort": "asc",
        }
        if market == "stock":
            query |= {"feed": self._settings.feed, "adjustment": "split"}

        def question(client: Any) -> dict[str, list[wire.Bar]]:
            found: dict[str, list[wire.Bar]] = {symbol: [] for symbol in symbols}
            for symbol, series in pages.market_data(client.get, PATHS[market], query):
                if symbol not in found:
                    raise BadPayload("page", "bars", "symbols that were asked for", symbol)
                found[symbol].extend(map(wire.bar, series))
            return found

        answer = self._ask(market, question)
        if isinstance(answer, Unavailable):
            return answer
        for symbol, found in answer.items():
            rows[symbol].extend(found)
        return None

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote] | Unavailable:
        """Best bid and ask now; who is unknown, or has one side only, is left out."""
        split = self._known(symbols)
        if isinstance(split, Unavailable):
            return split
        found: list[Quote] = []
        for market, names in _by_market(split[0]).items():
            for batch in _batches(names):
                answer = self._ask(market, lambda client, m=market, b=batch: self._quoted(client, m, b))  # type: ignore[misc]
                if isinstance(answer, Unavailable):
                    return answer
                found.extend(answer)
        return found

    def _quoted(self, client: Any, market: str, symbols: Sequence[str]) -> list[Quote]:
        query = {"symbols": ",".join(symbols), **({"feed": self._settings.feed} if market == "stock" else {})}
        quoted = Fields(client.get(QUOTES[market], query), "quotes").inside("quotes")
        said = ((symbol, quoted.raw(symbol, None)) for symbol in symbols)
        read = (wire.quote(payload, symbol) for symbol, payload in said if payload is not None)
        return [quote for quote in read if quote is not None]


def _checked(payload: Any) -> Iterable[Any]:
    if not isinstance(payload, list):
        raise BadPayload("assets", "", "a list", payload)
    return payload


def _by_market(symbols: Sequence[str]) -> dict[str, list[str]]:
    return {
        "stock": [symbol for symbol in symbols if not wire.is_crypto(symbol)],
        "crypto": [symbol for symbol in symbols if wire.is_crypto(symbol)],
    }


def _batches(symbols: Sequence[str]) -> Iterable[Sequence[str]]:
    return (symbols[first : first + TOGETHER] for first in range(0, len(symbols), TOGETHER))
