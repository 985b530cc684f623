"""The terminal's bars, quotes and trades as a data source. There is no push: it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
from trader.errors import BadPayload, SettingsError
from trader.hookspecs import hookimpl
from trader.model import Bars, Quote, Trade, Unavailable
from trader.protocols import Env
from trader.wire import unavailable

from trader_broker_mt5 import rates, wire
from trader_broker_mt5.market import Market
from trader_broker_mt5.rates import Rates
from trader_broker_mt5.settings import DataSettings as Settings
from trader_broker_mt5.sharing import terminal_of
from trader_broker_mt5.terminal import Failed, Terminal

__all__ = ["Mt5Data", "Settings", "provide_data_source"]

T = TypeVar("T")
PRICES = ("open", "high", "low", "close", "volume")


@hookimpl
def provide_data_source(settings: Settings, env: Env) -> Mt5Data:
    """Bars of the terminal that the broker of the same connection uses."""
    return Mt5Data(settings, env, terminal_of(settings, env))


class Mt5Data:
    """What the terminal knows: the broker's own prices, as far back as the terminal's charts go."""

    def __init__(self, settings: Settings, env: Env, terminal: Terminal) -> None:
        self._env, self._terminal = env, terminal
        self._market = Market(terminal, self, settings.symbols, env.now)

    def __repr__(self) -> str:
        return f"Mt5Data({self._env.name!r})"

    def open(self) -> Unavailable | None:
        """Log in, learn the symbols, measure the server's clock. PluginBroken without the library."""
        self._terminal.join(self)
        opened = False
        try:
            answer = self._answer(self._market.load)
            opened = not isinstance(answer, Unavailable)
        finally:
            if not opened:
                self._terminal.leave(self)
        return answer if isinstance(answer, Unavailable) else None

    def close(self) -> None:
        """Leave the terminal as it is; a call that waits ends."""
        self._terminal.leave(self)

    def symbols(self) -> Sequence[str] | Unavailable:
        """All that the broker has, sorted."""
        return self._answer(self._market.symbols)

    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        """1m 5m 15m 30m 1h 4h 1d, of bid prices; volume is the exchange's, else the number of ticks. Bars that are
        not over yet do not come."""
        if timeframe not in rates.TIMEFRAMES:
            return Unavailable("timeframe", f"no time frame {timeframe!r}; there is {', '.join(rates.TIMEFRAMES)}")
        return self._answer(lambda: self._bars(symbols, timeframe, start, end))

    def _bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars:
        until = min(end, self._env.now())
        found: dict[str, Rates] = {}
        for symbol in dict.fromkeys(symbols):
            name = self._market.name(symbol)
            if name is not None:
                found[symbol] = self._rates(name, timeframe, start, until).within(start, until)
        missing = tuple(symbol for symbol in dict.fromkeys(symbols) if symbol not in found)
        return together(found, timeframe, missing)

    def _rates(self, name: str, timeframe: str, start: datetime, until: datetime) -> Rates:
        self._market.info(name)  # in Market Watch: a symbol that is not has no bars
        span = self._span(start - 2 * rates.SPANS[timeframe], until)
        payload, _ = self._terminal.ask(self, "copy_rates_range", name, rates.TIMEFRAMES[timeframe], *span, exact=False)
        return rates.bars(payload, timeframe, self._terminal.time.utc)

    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote] | Unavailable:
        """Best bid and ask; a symbol that is unknown or has no prices yet is left out."""
        return self._answer(lambda: self._quotes(symbols))

    def _quotes(self, symbols: Sequence[str]) -> Sequence[Quote]:
        found = []
        for symbol in symbols:
            name = self._market.name(symbol)
            if name is None:
                continue
            self._market.info(name)
            tick, _ = self._terminal.ask(self, "symbol_info_tick", name)
            quote = wire.quote(symbol, tick, self._terminal.time.utc)
            if quote is not None:
                found.append(quote)
        return found

    def trades(self, symbol: str, start: datetime, end: datetime) -> Sequence[Trade] | Unavailable:
        """What the broker reports as traded: exchange symbols only, FX has quotes and no trades."""
        return self._answer(lambda: self._trades(symbol, start, end))

    def _trades(self, symbol: str, start: datetime, end: datetime) -> Sequence[Trade]:
        name = self._market.name(symbol)
        if name is None:
            return []
        self._market.info(name)
        span = self._span(start, end + timedelta(seconds=1))
        payload, _ = self._terminal.ask(self, "copy_ticks_range", name, *span, rates.TRADES, exact=False)
        found = rates.trades(payload, symbol, self._terminal.time.utc)
        return [trade for trade in found if start < trade.time <= end]

    def _span(self, start: datetime, end: datetime) -> tuple[int, int]:
        """In the server's seconds."""
        time = self._terminal.time
        try:
            first = int(time.stamp(start).timestamp())
        except OverflowError:
            first = 0
        return max(first, 0), int(time.stamp(end).timestamp())

    def _answer(self, question: Callable[[], T]) -> T | Unavailable:
        try:
            return question()
        except Failed as failed:
            return unavailable(failed.trouble)
        except BadPayload as bad:
            return Unavailable("payload", str(bad))
        except SettingsError as problem:
            return Unavailable("auth", str(problem))


def together(found: dict[str, Rates], timeframe: str, missing: tuple[str, ...]) -> Bars:
    """Bars of several symbols on one time axis; NaN where a symbol has none."""
    columns = tuple(found)
    empty = np.empty(0, "datetime64[ns]")
    ends, first = np.unique(np.concatenate([empty, *(one.end for one in found.values())]), return_index=True)
    starts = np.concatenate([empty, *(one.start for one in found.values())])[first]
    values = {name: np.full((len(ends), len(columns)), np.nan) for name in PRICES}
    for column, one in enumerate(found.values()):
        rows = np.searchsorted(ends, one.end)
        for name in PRICES:
            values[name][rows, column] = getattr(one, name)
    prices = [values[name] for name in PRICES]
    return Bars(columns, timeframe, starts, ends, prices[0], prices[1], prices[2], prices[3], prices[4], missing)
