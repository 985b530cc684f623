"""What everybody may see: instruments, quotes, past bars, hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from trader.model import Instrument

from trader_emulators.http import Answer, Asked
from trader_emulators.market import Candles
from trader_emulators.robinhood.links import NOT_FOUND, link, page, stamp, uuid_of

if TYPE_CHECKING:
    from trader_emulators.robinhood.emulator import RobinhoodEmulator

INTERVALS = {"5minute": ("5m", 1), "10minute": ("5m", 2), "hour": ("1h", 1), "day": ("1d", 1)}
"""The market's bars, and how many of them make one."""
SPANS = {"day": 1, "week": 7, "month": 31, "3month": 92, "year": 366, "5year": 1_827}
ALLOWED = {"5minute": ("day", "week"), "10minute": ("day", "week"), "hour": ("day", "week", "month", "3month"),
           "day": ("week", "month", "3month", "year", "5year")}  # fmt: skip
MARKET = "XNAS"


class Marketplace:
    """All stocks of the emulator."""

    def __init__(self, emulator: RobinhoodEmulator) -> None:
        self._emulator = emulator

    def instruments(self, asked: Asked) -> Answer:
        """GET /instruments/, of one symbol or of all."""
        rules = self._emulator.rules
        symbol = asked.query.get("symbol")
        chosen = [symbol] if symbol in rules else [] if symbol is not None else sorted(rules)
        rows = [(len(chosen) - place, self._instrument(rules[name])) for place, name in enumerate(chosen) if name]
        return page(asked, ["instruments"], rows, self._emulator.page_size)

    def instrument(self, asked: Asked) -> Answer:
        """GET /instruments/{id}/"""
        for symbol, rules in self._emulator.rules.items():
            if uuid_of("instrument", symbol) == asked.parts["id"]:
                return Answer(200, self._instrument(rules))
        return NOT_FOUND

    def quotes(self, asked: Asked) -> Answer:
        """GET /quotes/?symbols=; null for who is unknown."""
        symbols = asked.query.get("symbols", "").split(",")
        rows = [self._quote(symbol) if symbol in self._emulator.rules else None for symbol in symbols]
        return Answer(200, {"results": rows})

    def quote(self, asked: Asked) -> Answer:
        """GET /quotes/{symbol}/"""
        symbol = asked.parts["symbol"]
        return Answer(200, self._quote(symbol)) if symbol in self._emulator.rules else NOT_FOUND

    def historicals(self, asked: Asked) -> Answer:
        """GET /quotes/historicals/?symbols=&interval=&span="""
        interval, span = asked.query.get("interval", "hour"), asked.query.get("span", "week")
        if span not in ALLOWED.get(interval, ()):
            return Answer(400, {"detail": "Invalid combination of interval and span."})
        symbols = asked.query.get("symbols", "").split(",")
        shown = [self._historical(symbol, interval, span) for symbol in symbols if symbol in self._emulator.rules]
        return Answer(200, {"results": shown})

    def hours(self, asked: Asked) -> Answer:
        """GET /markets/{mic}/hours/{date}/: the emulated market never closes."""
        try:
            day = datetime.fromisoformat(f"{asked.parts['date']}T00:00:00+00:00")
        except ValueError:
            return NOT_FOUND
        following = day + timedelta(days=1)
        where = ("markets", asked.parts["mic"], "hours")
        return Answer(200, {
            "date": asked.parts["date"], "is_open": True, "opens_at": stamp(day), "closes_at": stamp(following),
            "extended_opens_at": stamp(day), "extended_closes_at": stamp(following),
            "next_open_hours": link(*where, following.date().isoformat()),
            "previous_open_hours": link(*where, (day - timedelta(days=1)).date().isoformat()),
        })  # fmt: skip

    # ---- shapes ------------------------------------------------------------------------------------------------------
    def _instrument(self, rules: Instrument) -> dict[str, Any]:
        symbol, shown = rules.symbol, uuid_of("instrument", rules.symbol)
        return {
            "id": shown,
            "url": link("instruments", shown),
            "quote": link("quotes", symbol),
            "fundamentals": link("fundamentals", symbol),
            "splits": link("instruments", shown, "splits"),
            "market": link("markets", MARKET),
            "symbol": symbol,
            "name": f"{symbol}, emulated",
            "simple_name": symbol,
            "type": "stock",
            "state": "active" if rules.tradable else "inactive",
            "tradeable": rules.tradable,
            "tradability": "tradable" if rules.tradable else "untradable",
            "rhs_tradability": "tradable",
            "fractional_tradability": "tradable",
            "min_tick_size": None,
            "margin_initial_ratio": "0.5000",
            "maintenance_ratio": "0.2500",
            "day_trade_ratio": "0.2500",
            "default_collar_fraction": "0.05",
            "bloomberg_unique": "",
            "country": "US",
            "list_date": "1990-01-02",
            "tradable_chain_id": None,
        }

    def _quote(self, symbol: str) -> dict[str, Any]:
        market, now = self._emulator.market, self._emulator.clock.now()
        bid, ask = market.quote(symbol)
        return {
            "symbol": symbol,
            "ask_price": f"{ask:.6f}",
            "ask_size": 100,
            "bid_price": f"{bid:.6f}",
            "bid_size": 100,
            "last_trade_price": f"{market.last(symbol):.6f}",
            "last_extended_hours_trade_price": None,
            "previous_close": f"{market.last(symbol):.6f}",
            "adjusted_previous_close": f"{market.last(symbol):.6f}",
            "previous_close_date": (now - timedelta(days=1)).date().isoformat(),
            "trading_halted": False,
            "has_traded": True,
            "last_trade_price_source": "nls",
            "updated_at": stamp(now),
            "instrument": link("instruments", uuid_of("instrument", symbol)),
        }

    def _historical(self, symbol: str, interval: str, span: str) -> dict[str, Any]:
        now, (timeframe, merged) = self._emulator.clock.now(), INTERVALS[interval]
        start = (now - timedelta(days=SPANS[span])).replace(hour=0, minute=0, second=0, microsecond=0)
        candles = self._emulator.market.candles(symbol, timeframe, start, now, now=now)
        return {
            "symbol": symbol,
            "quote": link("quotes", symbol),
            "instrument": link("instruments", uuid_of("instrument", symbol)),
            "interval": interval,
            "span": span,
            "bounds": "regular",
            "previous_close_price": None,
            "open_price": None,
            "historicals": _bars(candles, merged),
        }


def _bars(candles: Candles, merged: int) -> Sequence[dict[str, Any]]:
    """Bars of `merged` of the market's each; where nobody traded the venue fills in."""
    rows = []
    for first in range(0, len(candles), merged):
        part = slice(first, first + merged)
        volume = candles.volume[part].sum()
        rows.append({
            "begins_at": f"{candles.start[first].astype('datetime64[s]')}Z",
            "open_price": f"{candles.open[first]:.6f}",
            "close_price": f"{candles.close[part][-1]:.6f}",
            "high_price": f"{candles.high[part].max():.6f}",
            "low_price": f"{candles.low[part].min():.6f}",
            "volume": int(volume),
            "session": "reg",
            "interpolated": bool(volume == 0),
        })  # fmt: skip
    return rows
