"""A hedging account's tickets as the core counts them: one position a symbol, and the cash that goes with it.

The terminal pairs what opens with what closes by ticket, and realises by that: nothing while both sides are open. The
core nets, and realises by the average of what was bought since the symbol was flat. Equity is the same for both, so
the cash of the netted account is exact once that average is known, and it follows from the executions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trader.model import ZERO, Fill
from trader.wire import EPOCH

from trader_broker_mt5.history import History
from trader_broker_mt5.market import Market
from trader_broker_mt5.wire import Ticket

YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Net:
    """The tickets of one symbol: lots, signed; the average price (0: flat); and the money that a netted account has
    realised beyond this one, in the account's currency."""

    symbol: str
    quantity: Decimal
    price: Decimal
    cash: Decimal


def average(net: Decimal, fills: Sequence[Fill]) -> tuple[Decimal, datetime] | None:
    """What a position of `net` lots cost on average, and when it began, by the executions of its symbol, oldest
    first, up to now. None: they do not reach back to when it was flat or turned round."""
    left = net
    for index in range(len(fills) - 1, -1, -1):
        before = left - _signed(fills[index])
        if before * net <= 0:
            break
        left = before
    else:
        return None
    price = fills[index].price
    for fill in fills[index + 1 :]:
        signed = _signed(fill)
        if signed * net > 0:
            price = (price * left + fill.price * signed) / (left + signed)
        left += signed
    return price, fills[index].time


def locked(tickets: Sequence[Ticket], price: Decimal) -> Decimal:
    """What a netted position at this average has realised beyond these tickets of a symbol, in price x lots."""
    net = sum((one.volume * one.side.sign for one in tickets), ZERO)
    return net * price - sum((one.volume * one.side.sign * one.price for one in tickets), ZERO)


def of_the_side_left(tickets: Sequence[Ticket], net: Decimal) -> Decimal:
    """The average price of the tickets that are on the side of the net position."""
    side = [one for one in tickets if one.side.sign * net > 0]
    return sum((one.price * one.volume for one in side), ZERO) / sum((one.volume for one in side), ZERO)


class Netting:
    """Of one account. Methods raise `Failed` or `BadPayload`."""

    def __init__(self, history: History, market: Market, days: int) -> None:
        """`days`: how far back the history is asked first; further back only where that is not enough."""
        self._history, self._market, self._days = history, market, timedelta(days=days)
        self._since: dict[str, datetime] = {}
        """When the position of a symbol began, as it was found last: further back nobody need look again."""

    def of(self, tickets: Sequence[Ticket], now: datetime, currency: str) -> list[Net]:
        """Each symbol of which there are tickets, sorted."""
        groups: dict[str, list[Ticket]] = {}
        for one in tickets:
            groups.setdefault(self._market.symbol(one.name), []).append(one)
        nets = {symbol: sum((one.volume * one.side.sign for one in each), ZERO) for symbol, each in groups.items()}
        prices = self._averages({symbol: net for symbol, net in nets.items() if net}, now)
        found = []
        for symbol, each in sorted(groups.items()):
            net = nets[symbol]
            price = prices.get(symbol, ZERO) if not net or symbol in prices else of_the_side_left(each, net)
            rules = self._market.rules(each[0].name)
            money = rules.multiplier if rules is not None and rules.currency == currency else ZERO
            found.append(Net(symbol, net, price, locked(each, price) * money))
        return found

    def _averages(self, nets: Mapping[str, Decimal], now: datetime) -> dict[str, Decimal]:
        """By symbol; left out where all of the history does not reach back to when it was flat."""
        found: dict[str, Decimal] = {}
        self._since = {symbol: since for symbol, since in self._since.items() if symbol in nets}
        nearest = min((self._since.get(symbol, now - self._days) for symbol in nets), default=now)
        for since in (nearest, now - YEAR, EPOCH):
            missing = [symbol for symbol in nets if symbol not in found]
            if missing and since <= nearest:
                fills = self._history.executions(since)
                for symbol in missing:
                    answer = average(nets[symbol], [fill for fill in fills if fill.symbol == symbol])
                    self._since[symbol] = since
                    if answer is not None:
                        found[symbol], self._since[symbol] = answer
        return found


def _signed(fill: Fill) -> Decimal:
    return fill.quantity * fill.side.sign
