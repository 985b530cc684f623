"""Closed bars, quotes and public trades of one product."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from trader.allowance import Allowance
from trader.errors import BadPayload
from trader.model import Array, Bars, Quote, Times, Trade, Unavailable, Unknown
from trader.protocols import Env
from trader.wire import EPOCH, Trouble, unavailable

from trader_broker_binance import troubles, wire
from trader_broker_binance.names import Names
from trader_broker_binance.pages import MILLISECOND, milliseconds
from trader_broker_binance.rest import TROUBLE, Rest
from trader_broker_binance.settings import DataSettings
from trader_broker_binance.troubles import Product
from trader_broker_binance.wire import Kline

SECONDS = {
    "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1_800, "1h": 3_600, "2h": 7_200, "4h": 14_400, "6h": 21_600,
    "8h": 28_800, "12h": 43_200, "1d": 86_400,
}  # fmt: skip
PAGE = 1_000
HOUR = timedelta(hours=1)
SETTLED = timedelta(milliseconds=500)
"""A bar counts as closed so long after its end on the venue's clock, which is measured and not exact."""
METHODS = {
    "spot": {
        "info": "get_exchange_info", "klines": "get_klines", "trades": "get_aggregate_trades",
        "quotes": "get_orderbook_tickers",
    },
    "futures": {
        "info": "futures_exchange_info", "klines": "futures_klines", "trades": "futures_aggregate_trades",
        "quotes": "futures_orderbook_ticker",
    },
}  # fmt: skip


class BinanceSource:
    """Market data of spot or of futures."""

    def __init__(self, settings: DataSettings, env: Env, product: Product) -> None:
        self.settings, self.env, self.product = settings, env, product
        self._methods = METHODS[product]
        self._names = Names()
        self._rest: Rest | None = None

    # ---- opening -----------------------------------------------------------------------------------------------------
    def open(self) -> Unavailable | None:
        """Measure the venue's clock, read its symbols."""
        self.close()
        where = (self.product, self.settings.environment, self.settings.url)
        allowance = self.env.shared(("allowance", *where), lambda: Allowance(self.env.now))
        rest = self._rest = Rest(self.settings, self.product, self.env, allowance)
        trouble = rest.measure() or self._list(rest)
        return unavailable(trouble) if trouble is not None else None

    def close(self) -> None:
        """Let go, from any thread."""
        rest, self._rest = self._rest, None
        if rest is not None:
            rest.close()

    def _open_rest(self) -> Rest | Unavailable:
        return self._rest or Unavailable("connection", "the data source is not open")

    def _list(self, rest: Rest) -> Trouble | None:
        answer = rest.ask(self._methods["info"], signed=False)
        if isinstance(answer, TROUBLE):
            return answer
        try:
            rows, limits = wire.listed(answer)
        except BadPayload as bad:
            return troubles.garbled(bad)
        rest.limits.update(limits)
        ours = {}
        for row in rows:
            try:
                rules = wire.instrument(row, self.product)
            except BadPayload as bad:  # one odd symbol among thousands does not keep the others
                self.env.log.warning("symbol_left_out", reason=str(bad))
                continue
            ours[rules.tags["venue"]] = rules.symbol
        self._names = Names(ours)
        return None

    def symbols(self) -> Sequence[str] | Unavailable:
        """All that the venue lists, also those that do not trade at present."""
        rest = self._open_rest()
        if isinstance(rest, Unavailable):
            return rest
        trouble = self._list(rest)
        return unavailable(trouble) if trouble is not None else sorted(self._names.symbols)

    # ---- bars --------------------------------------------------------------------------------------------------------
    def bars(self, symbols: Sequence[str], timeframe: str, start: datetime, end: datetime) -> Bars | Unavailable:
        """start < end of a bar <= end; never one that is not closed on the venue's clock."""
        rest = self._open_rest()
        if isinstance(rest, Unavailable):
            return rest
        seconds = SECONDS.get(timeframe)
        if seconds is None:
            return Unavailable("refused", f"Binance has no time frame {timeframe!r} here; it has {', '.join(SECONDS)}")
        if any(symbol not in self._names for symbol in symbols):
            trouble = self._list(rest)
            if trouble is not None:
                return unavailable(trouble)
        known = [symbol for symbol in symbols if symbol in self._names]
        last = min(end, rest.now() - SETTLED)
        columns: list[list[Kline]] = []
        for symbol in known:
            read = self._klines(rest, self._names.theirs(symbol), timeframe, seconds, start, last)
            if isinstance(read, TROUBLE):
                return unavailable(read)
            columns.append(read)
        return _panel(known, timeframe, seconds, columns, [symbol for symbol in symbols if symbol not in self._names])

    def _klines(
        self, rest: Rest, symbol: str, timeframe: str, seconds: int, start: datetime, last: datetime
    ) -> list[Kline] | Trouble:
        """Pages from the first bar that ends after `start` to the last one that ends at `last`."""
        size = seconds * 1_000
        first, final = max(milliseconds(start) - size + 1, 0), milliseconds(last) - size
        found: list[Kline] = []
        while first <= final:
            answer = rest.ask(
                self._methods["klines"],
                {"symbol": symbol, "interval": timeframe, "startTime": str(first), "endTime": str(final),
                 "limit": str(PAGE)},
                signed=False,
            )  # fmt: skip
            if isinstance(answer, TROUBLE):
                return answer
            try:
                page = [wire.bar(row) for row in wire.rows(answer, "klines")]
            except BadPayload as bad:
                return troubles.garbled(bad)
            opened = [milliseconds(one.start) for one in page]
            if any(not first <= moment <= final for moment in opened) or sorted(set(opened)) != opened:
                return Unknown("payload", f"{symbol}: bars that were not asked for, or out of order")
            found += page
            if len(page) < PAGE:
                break
            first = opened[-1] + 1
        return found

    # ---- quotes and trades -------------------------------------------------------------------------------------------
    def quotes(self, symbols: Sequence[str]) -> Sequence[Quote] | Unavailable:
        """Best bid and ask; a symbol that the venue does not quote is left out."""
        rest = self._open_rest()
        if isinstance(rest, Unavailable):
            return rest
        wanted = {self._names.theirs(symbol): symbol for symbol in symbols if symbol in self._names}
        if not wanted:
            return []
        one = {"symbol": next(iter(wanted))} if len(wanted) == 1 else {}
        answer = rest.ask(self._methods["quotes"], one, signed=False)
        if isinstance(answer, TROUBLE):
            return unavailable(answer)
        try:
            rows = wire.documents([answer] if one else answer, "bookTicker")
            quotes = [wire.quote(row, rest.now(), self._names) for row in rows if row.get("symbol") in wanted]
        except BadPayload as bad:
            return unavailable(troubles.garbled(bad))
        if one and not quotes:
            return Unavailable("payload", "the venue quotes another symbol than the one that was asked for")
        return quotes

    def trades(self, symbol: str, start: datetime, end: datetime) -> Sequence[Trade] | Unavailable:
        """start < time <= end, as aggregated by the venue: what one order took at one price."""
        rest = self._open_rest()
        if isinstance(rest, Unavailable):
            return rest
        if symbol not in self._names:
            return Unavailable("symbol", f"Binance does not list {symbol}")
        found = self._agg_trades(rest, symbol, start, min(end, rest.now()))
        if isinstance(found, TROUBLE):
            return unavailable(found)
        return [trade for trade in found if start < trade.time <= end]

    def _agg_trades(self, rest: Rest, symbol: str, start: datetime, end: datetime) -> list[Trade] | Trouble:
        """By hours until there is one, then by id: a page ends inside a millisecond."""
        found: list[Trade] = []
        moment, following = max(start, EPOCH), None
        while moment <= end or following is not None:
            if following is None:
                until = min(moment + HOUR - MILLISECOND, end)
                by = {"startTime": str(milliseconds(moment)), "endTime": str(milliseconds(until))}
            else:
                by = {"fromId": str(following)}
            asked = {"symbol": self._names.theirs(symbol), "limit": str(PAGE), **by}
            answer = rest.ask(self._methods["trades"], asked, signed=False)
            if isinstance(answer, TROUBLE):
                return answer
            try:
                page = [wire.trade(row, symbol) for row in wire.documents(answer, "aggTrades")]
            except BadPayload as bad:
                return troubles.garbled(bad)
            found += [trade for _, trade in page]
            if page and page[-1][1].time <= end and (len(page) == PAGE or following is None):
                following = page[-1][0] + 1
            elif following is not None or page:
                return found
            else:
                moment += HOUR
        return found


def _panel(
    symbols: Sequence[str], timeframe: str, seconds: int, columns: Sequence[Sequence[Kline]], missing: Sequence[str]
) -> Bars:
    """Rows are the moments at which any symbol has a bar; NaN where another has none."""
    opened = sorted({kline.start for column in columns for kline in column})
    row = {moment: number for number, moment in enumerate(opened)}
    start = np.array([milliseconds(moment) for moment in opened], "datetime64[ms]").astype("datetime64[ns]")
    fields: dict[str, Array] = {name: np.full((len(opened), len(symbols)), np.nan) for name in Kline._fields[1:]}
    for number, column in enumerate(columns):
        for kline in column:
            for name, values in fields.items():
                values[row[kline.start], number] = getattr(kline, name)
    end: Times = (start + np.timedelta64(seconds, "s")).astype("datetime64[ns]")
    return Bars(
        tuple(symbols), timeframe, start, end, fields["open"], fields["high"], fields["low"], fields["close"],
        fields["volume"], tuple(missing),
    )  # fmt: skip
