"""What people and time do while a session runs."""

import asyncio
import json
from decimal import Decimal

from trader.errors import TraderError
from trader.model import Side
from trader.store import commands


class Acts:
    """Of a room; to be awaited in a story."""

    @property
    def engine(self):
        return self.session.books[0].engine

    async def until(self, true, *, seconds=300.0, what="it"):
        """Let time pass until it is so."""
        end = self.time.monotonic() + seconds
        while not true():
            assert self.time.monotonic() < end, f"waited {seconds:g} s for {what}"
            await asyncio.sleep(0.25)

    async def cycle(self, book="main"):
        """The next minute's decision, and all that it sends."""
        before = self.cycles[book]
        await self._next_minute()
        await self.until(lambda: self.cycles[book] > before, what="a decision")

    async def no_cycle(self, seconds=5.0):
        """The next minute comes, and nothing is decided."""
        before = self.cycles.copy()
        await self._next_minute()
        await asyncio.sleep(seconds)
        assert self.cycles == before, "it decided"

    async def _next_minute(self):
        now = self.time.now()
        await asyncio.sleep(61 - now.second - now.microsecond / 1e6)
        for call in self.table.calls:
            call()

    async def order(self, symbol="AAA", weight=0.1):
        """Let the strategy want so much, and decide; the order's client id."""
        known = {one["client_id"] for one in self.orders()}
        self.want[symbol] = weight
        await self.cycle()
        (new,) = [one for one in self.orders() if one["client_id"] not in known]
        return new["client_id"]

    async def hold(self, symbol="AAA", weight=0.1):
        """The same, filled and booked."""
        client_id = await self.order(symbol, weight)
        self.trade()
        await self.reconcile()
        assert self.state(client_id) == "filled"
        return client_id

    async def ask(self, kind, **args):
        """What a person asks, by the command table, and the answer."""
        number = commands.ask(self.store, kind, args, by="anna")
        await self.until(lambda: commands.look(self.store, number).state != "waiting", what=f"an answer to {kind}")
        found = commands.look(self.store, number)
        if found.state == "refused":
            raise TraderError(found.answer)
        return found.answer

    async def reconcile(self, **args):
        """Everything against the venue, now; what `trader reconcile` is told of main. Who adopts waits until what
        differs has stood for long enough."""
        try:
            return json.loads(await self.ask("reconcile", **args))["main"]
        except TraderError as refusal:
            if "still on its way" not in str(refusal):
                raise
        await self.sleep(35)
        return json.loads(await self.ask("reconcile", **args))["main"]

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)

    def by_hand(self, symbol="AAA", side="buy", quantity=10, book="main"):
        """Somebody trades at the venue, past us."""
        outcome = self.venues[book].manual_trade(symbol, Side(side), Decimal(quantity))
        self.trade(book=book)
        return outcome
