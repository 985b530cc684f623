"""Which instrument id is which symbol: asked once, it does not change."""

from __future__ import annotations

from collections.abc import Sequence

from trader.errors import BadPayload
from trader.model import Instrument, Unavailable
from trader.wire import unavailable

from trader_broker_robinhood import wire
from trader_broker_robinhood.client import Client, Reply


class Directory:
    """Instruments by id and by symbol. Rules are asked anew each time, ids are kept."""

    def __init__(self, client: Client, user: str, *, fractional: bool = False) -> None:
        self._client, self._user, self._fractional = client, user, fractional
        self._symbols: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def symbol(self, instrument_id: str) -> str | Unavailable:
        """Of an instrument."""
        if instrument_id not in self._symbols:
            reply = self._client.get(self._user, f"{wire.API}/instruments/{instrument_id}/")
            if not isinstance(reply, Reply):
                return unavailable(reply)
            try:
                self._keep(wire.instrument(reply.payload))
            except BadPayload as error:
                return Unavailable("payload", str(error))
            if instrument_id not in self._symbols:
                return Unavailable("payload", f"asked for instrument {instrument_id}, got another")
        return self._symbols[instrument_id]

    def id(self, symbol: str) -> str | Unavailable | None:
        """Of a symbol; None: Robinhood does not know it."""
        if symbol not in self._ids:
            found = self.rules([symbol])
            if isinstance(found, Unavailable):
                return found
        return self._ids.get(symbol)

    def rules(self, symbols: Sequence[str], *, active: bool = False) -> list[Instrument] | Unavailable:
        """Of each symbol that Robinhood knows, one request each; (): of all that it has."""
        found: dict[str, Instrument] = {}
        queries = [{"symbol": symbol} for symbol in dict.fromkeys(symbols)] or [_all(active)]
        for query in queries:
            rows = self._client.whole(self._user, f"{wire.API}/instruments/", query, "instruments")
            if isinstance(rows, Unavailable):
                return rows
            try:
                listed = [wire.instrument(row, fractional=self._fractional) for row in rows]
            except BadPayload as error:
                return Unavailable("payload", str(error))
            wanted = query.get("symbol")
            for one in listed:
                if wanted is None or one.rules.symbol == wanted:
                    self._keep(one)
                    if one.rules.tradable or one.rules.symbol not in found:  # symbols are given anew after a delisting
                        found[one.rules.symbol] = one.rules
        return list(found.values())

    def named(self, row: object, where: str) -> str | Unavailable:
        """The symbol that an order, a position or a dividend is about. BadPayload if it names no instrument."""
        return self.symbol(wire.instrument_id(row, where))

    def _keep(self, one: wire.Listed) -> None:
        self._symbols[one.id] = one.rules.symbol
        if one.rules.tradable or one.rules.symbol not in self._ids:
            self._ids[one.rules.symbol] = one.id


def _all(active: bool) -> dict[str, str]:
    return {"active_instruments_only": "true"} if active else {}
