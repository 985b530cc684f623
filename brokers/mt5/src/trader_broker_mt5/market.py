"""The symbols of a terminal: our names and the broker's, and whether they stand in Market Watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trader.errors import BadPayload
from trader.model import Instrument
from trader.wire import Fields, every

from trader_broker_mt5 import wire
from trader_broker_mt5.terminal import Terminal


class Market:
    """For one user of a terminal. Methods raise `Failed` or `BadPayload`."""

    def __init__(self, terminal: Terminal, user: object, table: Mapping[str, str], now: Any) -> None:
        self._terminal, self._user, self._table, self._now = terminal, user, dict(table), now
        self._names: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        self._rules: dict[str, Instrument] = {}
        self._newest = ""

    def load(self) -> Sequence[Instrument]:
        """Ask for all symbols: those whose rules cannot be read are left out."""
        payload, _ = self._terminal.ask(self._user, "symbols_get", fields=wire.SYMBOL_FIELDS)
        rows = list(every(payload, "symbols"))
        chosen = {name: symbol for symbol, name in self._table.items()}
        ours: dict[str, str] = {}
        taken = set(self._table)
        newest = 0
        for fields in rows:
            name = fields.text("name")
            symbol = chosen.get(name) or wire.symbol_of(_row(fields))
            if name not in chosen and symbol in taken:
                symbol = name  # the settings say who has that name
            ours[name] = symbol
            time = fields.integer("time", 0)
            if time > newest:
                newest, self._newest = time, name
        # What is held of a symbol that is listed no more keeps the name that it had.
        self._ours, self._names = {**self._ours, **ours}, {symbol: name for name, symbol in ours.items()}
        if newest:
            stamp = wire.moment(Fields({"time": newest}, "symbols"), "time", wire.as_is)
            self._terminal.time.saw(stamp, self._now(), self._newest)
        self._rules = {fields.text("name"): rules for fields in rows if (rules := _readable(fields, ours)) is not None}
        return list(self._rules.values())

    def name(self, symbol: str) -> str | None:
        """The broker's name; None: it has no such symbol."""
        if symbol not in self._names:
            self.load()
        return self._names.get(symbol)

    def symbol(self, name: str) -> str:
        """Ours; the broker's own where the terminal never listed it."""
        if name and name not in self._ours:
            self.load()
            self._ours.setdefault(name, name)
        return self._ours.get(name, name)

    def rules(self, name: str) -> Instrument | None:
        """Those that were read last, by the broker's name; None: the terminal does not list it, or they make no
        sense."""
        return self._rules.get(name)

    def symbols(self) -> Sequence[str]:
        """All, sorted."""
        self.load()
        return sorted(self._names)

    def info(self, name: str) -> dict[str, Any]:
        """A symbol's payload, now. It is put into Market Watch where it was not: without that it has no prices."""
        payload, _ = self._terminal.ask(self._user, "symbol_info", name)
        if not Fields(payload, "symbol").raw("select", default=True):
            self._terminal.ask(self._user, "symbol_select", name, True)
            payload, _ = self._terminal.ask(self._user, "symbol_info", name)
        return dict(payload)

    def look_at_the_clock(self) -> None:
        """Measure the server's time on the symbol that traded last. Failed too where the terminal has no connection:
        the ticks that it shows then are old, and newer ones come late."""
        if self._newest:
            tick, _ = self._terminal.ask(self._user, "symbol_info_tick", self._newest, state=True)
            self._terminal.time.saw(wire.moment(Fields(tick, "tick"), "time", wire.as_is), self._now(), self._newest)


def _row(fields: Fields) -> dict[str, Any]:
    return {name: fields.raw(name, None) for name in ("name", "currency_base", "currency_profit")}


def _readable(fields: Fields, ours: Mapping[str, str]) -> Instrument | None:
    try:
        return wire.instrument({name: fields.raw(name, None) for name in wire.SYMBOL_FIELDS}, ours[fields.text("name")])
    except BadPayload:
        return None
