"""What is told of an account by itself: orders, executions, conditional orders, money."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from trader.model import ZERO, Fill, OrderReport

from trader_emulators.binance.listing import FUTURES
from trader_emulators.binance.register import Seen
from trader_emulators.binance_futures import events

if TYPE_CHECKING:
    from trader_emulators.binance_futures.futures import Futures


class Pushed:
    """Of one account. A conditional order is told of by ALGO_UPDATE, from its trigger on by both kinds of event."""

    def __init__(self, market: Futures) -> None:
        self._market = market
        self._told: dict[int, str] = {}
        """The last status of a conditional order that was told."""
        self._triggered: deque[str] = deque()

    def triggered(self, venue_id: str) -> None:
        """From any thread: a conditional order has become one of the plain space."""
        self._triggered.append(venue_id)

    async def push(self, event: Fill | OrderReport) -> None:
        """Tell of one thing that happened."""
        market = self._market
        if isinstance(event, Fill):
            seen = market.register.after(event)
            await self._trigger(seen)
            await self._executed(seen, event)
            await self._status(seen)
            return
        seen = market.register.seen(event)
        if market.algos.waiting(seen):
            await self._status(seen)
            return
        await self._trigger(seen)
        await self._status(seen)
        if seen.state not in ("FILLED", "PARTIALLY_FILLED") and not (seen in market.algos and seen.state == "NEW"):
            await self._tell(events.order(seen, market.shown(seen), market.server_time(), kind=seen.state))

    async def beat(self) -> None:
        """Tell of what was triggered, and of money that moved without a trade."""
        market = self._market
        while self._triggered:
            await self._trigger(market.register.truth(self._triggered.popleft()))
        for event in market.register.new_events():
            why = events.reason(event.kind, event.amount)
            cash, now = market.venue.truth_cash(), market.server_time()
            await self._tell(events.account(now, why, cash, event.amount, []))

    async def _trigger(self, seen: Seen) -> None:
        """Of a conditional order that is one of the plain space by now: first that it was there, then that it was
        triggered, with the plain order as it was before anything came of it."""
        market, number = self._market, seen.taken.number
        if seen not in market.algos or self._told.get(number) not in (None, "NEW"):
            return
        fresh = seen.before()
        for status in ("NEW", "TRIGGERED"):
            if self._told.get(number) != status:
                self._told[number] = status
                await self._algo(fresh, status)
        await self._tell(events.order(fresh, market.shown(fresh), market.server_time(), kind="NEW"))

    async def _status(self, seen: Seen) -> None:
        """What the service says of a conditional order, if it is something new."""
        if seen not in self._market.algos:
            return
        status = self._market.algos.status(seen)
        if self._told.get(seen.taken.number) != status:
            self._told[seen.taken.number] = status
            await self._algo(seen, status)

    async def _algo(self, seen: Seen, status: str) -> None:
        market, now = self._market, self._market.server_time()
        told = {**market.algos.told(seen, market.name_of(seen)), "X": status}
        await self._tell({"e": "ALGO_UPDATE", "T": now, "E": now, "o": told})

    async def _executed(self, seen: Seen, fill: Fill) -> None:
        market, now = self._market, self._market.server_time()
        number, shown, profit = market.register.trade_id(fill), market.shown(seen), market.profit(fill)
        await self._tell(events.lite(shown, now, fill, number))
        pair = FUTURES[fill.symbol]
        held, entry = market.profits.held(fill.symbol)
        kind = market.dials.margin_type(fill.symbol)
        row = events.position(pair.name, held, entry, market.last(pair), kind)
        await self._tell(events.account(now, "ORDER", market.venue.truth_cash(), ZERO, [row]))
        await self._tell(events.traded(seen, shown, now, fill=fill, number=number, profit=profit))

    async def _tell(self, event: dict[str, object]) -> None:
        await self._market.users.tell(event)
