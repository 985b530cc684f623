"""What can be seen of a session from outside: its database, its venue, its alerts."""

from decimal import Decimal

from trader.store import DATABASE, blocks, reading
from trader.store.database import open_store


class Eyes:
    """Of a room. All figures are of book `main` unless another is named."""

    @property
    def store(self):
        """The database as another program sees it."""
        if self._store is None:
            self._store = open_store(self.folder / "var" / DATABASE, clock=self.time, check=False)
        return self._store

    def close(self):
        if self._store is not None:
            self._store.close()

    def orders(self, book="main"):
        return reading.orders(self.store, book)

    def state(self, client_id):
        return next(one["state"] for one in self.orders() if one["client_id"] == client_id)

    def steps(self, client_id):
        """The states that an order went through, as the journal has them."""
        return [event["state"] for event in reading.order(self.store, client_id)["events"] if event["state"]]

    def held(self, symbol="AAA", book="main"):
        found = [one["quantity"] for one in reading.holdings(self.store, book) if one["symbol"] == symbol]
        return found[0] if found else Decimal(0)

    def cash(self, book="main"):
        (found,) = [one["cash"] for one in reading.books(self.store) if one["name"] == book]
        return found

    def fills(self, book="main"):
        return reading.fills(self.store, book)

    def blocks(self):
        return {(one.scope, one.level) for one in blocks.standing(self.store)}

    def told(self, event):
        """The texts of the alerts of this name."""
        return [text for name, text in self.alerts if name == event]

    def agree(self, book="main"):
        """The journal has what the venue truly has: each fill once, the positions, the cash."""
        venue = self.venues[book]
        assert sorted(one["execution_id"] for one in self.fills(book)) == sorted(
            one.execution_id for one in venue.truth_fills()
        )
        held = {one["symbol"]: one["quantity"] for one in reading.holdings(self.store, book) if one["quantity"]}
        assert held == {symbol: units for symbol, units in venue.truth_positions().items() if units}
        assert self.cash(book) == venue.truth_cash()

    @property
    def submits(self):
        """Client ids that reached the venue's door, in order, with what became of them there."""
        return [(one.client_id, one.fate) for one in self.venue.requests]
