"""The terminal's functions of symbols and prices."""

from __future__ import annotations

from typing import Any

from trader_emulators.mt5 import listing, quotes
from trader_emulators.mt5.gate import Gate
from trader_emulators.mt5.rows import wanted
from trader_emulators.mt5.structs import BookInfo
from trader_emulators.mt5.words import NOT_FOUND, Refused, call_argument


class Charts(Gate):
    """What is traded, and for how much."""

    def symbols_total(self) -> Any:
        """How many there are."""
        return self._query(("instruments",), lambda: len(self._emulator.specs))

    def symbols_get(self, group: str = "") -> Any:
        """Every SymbolInfo, or those of a filter."""
        return self._query(("instruments",), self._symbols, group)

    def _symbols(self, group: Any) -> tuple[Any, ...]:
        mask = call_argument(group, str, "group")
        specs = self._emulator.specs
        return tuple(listing.info(self._emulator, spec) for spec in specs if not mask or wanted(spec.name, mask))

    def symbol_info(self, symbol: str) -> Any:
        """SymbolInfo."""
        return self._query(("instruments",), lambda: listing.info(self._emulator, self._spec(symbol)))

    def symbol_info_tick(self, symbol: str) -> Any:
        """The last Tick; of a symbol that is not in Market Watch there is none."""
        return self._query(("quotes",), self._tick, symbol)

    def _tick(self, symbol: Any) -> Any:
        spec = self._spec(symbol)
        if spec.name not in self._emulator.selected:
            raise Refused(NOT_FOUND, "Terminal: Not found")
        return listing.tick(self._emulator, spec)

    def symbol_select(self, symbol: str, enable: bool = True) -> bool:
        """Put a symbol into Market Watch, or take it out."""
        return bool(self._ask(("instruments",), self._inside, self._select, symbol, enable, failed=False))

    def _select(self, symbol: Any, enable: Any) -> bool:
        spec, selected = self._spec(symbol), self._emulator.selected
        (selected.add if enable else selected.discard)(spec.name)
        return True

    # ---- depth of market ---------------------------------------------------------------------------------------------
    def market_book_add(self, symbol: str) -> bool:
        """Subscribe to the depth of a symbol's market."""
        return bool(self._ask((), self._inside, self._depth, symbol, True, failed=False))

    def market_book_release(self, symbol: str) -> bool:
        """No more of it."""
        return bool(self._ask((), self._inside, self._depth, symbol, False, failed=False))

    def _depth(self, symbol: Any, on: bool) -> bool:
        booked = self._emulator.booked
        (booked.add if on else booked.discard)(self._spec(symbol).name)
        return True

    def market_book_get(self, symbol: str) -> Any:
        """BookInfo rows, the highest price first."""
        return self._query(("quotes",), self._levels, symbol)

    def _levels(self, symbol: Any) -> tuple[Any, ...]:
        spec = self._spec(symbol)
        if spec.name not in self._emulator.booked:
            raise Refused(NOT_FOUND, "Terminal: Not found")
        return tuple(BookInfo(*row) for row in listing.levels(self._emulator, spec))

    # ---- bars and ticks ----------------------------------------------------------------------------------------------
    def copy_rates_from(self, symbol: str, timeframe: int, date_from: Any, count: int) -> Any:
        """The last `count` bars that begin at `date_from` or before."""
        return self._query(
            ("bars",), lambda: quotes.rates_until(self._emulator, self._spec(symbol), timeframe, date_from, count)
        )

    def copy_rates_from_pos(self, symbol: str, timeframe: int, start_pos: int, count: int) -> Any:
        """`count` bars, the last of them `start_pos` before the one that is open now."""
        return self._query(
            ("bars",), lambda: quotes.rates_back(self._emulator, self._spec(symbol), timeframe, start_pos, count)
        )

    def copy_rates_range(self, symbol: str, timeframe: int, date_from: Any, date_to: Any) -> Any:
        """The bars that begin within."""
        return self._query(
            ("bars",), lambda: quotes.rates_within(self._emulator, self._spec(symbol), timeframe, date_from, date_to)
        )

    def copy_ticks_from(self, symbol: str, date_from: Any, count: int, flags: int) -> Any:
        """The first `count` ticks at `date_from` or later; there are those since the emulator began."""
        return self._query(
            ("quotes",), lambda: quotes.ticks_from(self._emulator, self._spec(symbol), date_from, count, flags)
        )

    def copy_ticks_range(self, symbol: str, date_from: Any, date_to: Any, flags: int) -> Any:
        """The ticks within."""
        return self._query(
            ("quotes",), lambda: quotes.ticks_within(self._emulator, self._spec(symbol), date_from, date_to, flags)
        )
