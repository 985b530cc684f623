"""The trade server: its account, its symbols, its clock, and what it does by itself when prices move."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, ClassVar

from trader.errors import UsageError
from trader.model import ZERO, Accepted, Fill, Instrument, OrderRequest, Side
from trader.simulation import Terms
from trader.simulation.fees import Percentage
from trader.simulation.floor import Ids, VenueOrder
from trader.testing.emulation import Setup

from trader_emulators.emulator import Emulator
from trader_emulators.mt5.book import Book, CloseBy, Holding, Sender, number_of, order_ticket
from trader_emulators.mt5.constants import BY_HAND, BY_STOP_LOSS, BY_TAKE_PROFIT
from trader_emulators.mt5.server import Server
from trader_emulators.mt5.symbols import BY_SYMBOL, LEVERAGE, SPECS, Spec

LOGIN, PASSWORD, SERVER = 25_115_284, "emulated-password", "trader-emulator"
COMMISSION = Decimal("0.00003")
"""Of what is traded: 3 USD for 100,000."""
MODES = ("netting", "hedging")
TICKS_KEPT = 100_000


@dataclass(slots=True, eq=False)
class Sent:
    """What the server knows of an order beyond the venue inside."""

    order: OrderRequest
    """As it went inside: its identity is how the two find each other."""
    sender: Sender
    filling: int = 0
    type_time: int = 0
    expires: datetime | None = None
    expired: bool = False
    replaced: bool = False
    """Another order inside stands for it now, under the same ticket."""
    before: Decimal = ZERO
    """Filled while its predecessor stood for it."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A price that was; `time` is UTC."""

    time: datetime
    bid: float
    ask: float
    last: float
    volume: float


class Mt5Emulator(Emulator):
    """A demo account at a MetaTrader 5 server, and the terminal that is connected to it."""

    name: ClassVar[str] = "mt5"
    ids: ClassVar[Ids] = "none"

    # Whoever has the emulator may set these at any time.
    offset: timedelta = timedelta(0)
    """How far the server's clock is ahead of UTC; real ones have their own time zone, often 2 or 3 hours."""
    at_once: bool = True
    """Market orders fill before they are answered; False: they are placed, and fill when the price moves."""
    autotrading: bool = True
    """The terminal's button: programs may trade."""
    deposited: bool = False
    """The history begins with the deposit of the opening cash, as real ones do: 400 days ago."""
    api_trading: bool = True
    """The terminal's setting: Python may trade."""
    connected: bool = True
    """The terminal to its trade server."""
    comment: str | None = None
    """What the server writes over every order's comment, as some do; None: it leaves them."""
    patience: float = 0.0
    """Seconds before the terminal says that nobody answered it; a real one takes up to a minute."""

    def __init__(self, setup: Setup) -> None:
        mode = setup.mode or MODES[0]
        if mode not in MODES:
            raise UsageError(f"mt5 has no mode {mode!r}; it has {', '.join(MODES)}.")
        self.hedging = mode == "hedging"
        super().__init__(setup)
        self.depth: dict[str, float] = {}
        """Canonical symbol -> lots that a market order can have at once; else as many as it wants."""
        self.shut: set[str] = set()
        """Canonical symbols whose market is closed."""
        self.refusals: deque[int] = deque()
        """Retcodes with which the next order requests are refused, whatever they ask."""
        self.desk = threading.RLock()
        """Held while the server does one thing."""
        self.initialized = self.authorized = False
        self.opened_at = self.clock.now() - timedelta(days=400)
        self.selected = {spec.name for spec in self.specs if spec.selected}
        self.booked: set[str] = set()
        """Names whose depth of market is subscribed."""
        self.numbers = count(1)
        """Of requests."""
        self.sent: dict[int, Sent] = {}
        """By the identity of the order inside; see `Sent.order`."""
        self.close_bys: list[CloseBy] = []
        self.guards: dict[int, tuple[float, float]] = {}
        """Stop loss and take profit by position identifier, where they were changed."""
        self.ticks: dict[str, deque[Tick]] = {symbol: deque(maxlen=TICKS_KEPT) for symbol in self.rules}
        self._book = self._shown = Book(self.hedging, {s: rule.multiplier for s, rule in self.rules.items()})
        self._server = Server(self)
        self._note({symbol: self.market.last(symbol) for symbol in self.rules})

    # ---- what it is --------------------------------------------------------------------------------------------------
    def instruments(self) -> Iterable[Instrument]:
        return [spec.instrument() for spec in SPECS]

    def prices(self) -> Mapping[str, float]:
        return {spec.symbol: spec.begin for spec in SPECS}

    def terms(self) -> Terms:
        return Terms(fee=Percentage(COMMISSION), shorting=True, leverage=Decimal(LEVERAGE))

    @property
    def specs(self) -> tuple[Spec, ...]:
        """Of what is traded here."""
        return tuple(BY_SYMBOL[symbol] for symbol in self.rules)

    @property
    def port(self) -> int:
        """Of the rpyc server."""
        return self._server.port

    @property
    def options(self) -> Mapping[str, Any]:
        return {"host": "127.0.0.1", "port": self.port}

    @property
    def secrets(self) -> Mapping[str, str]:
        return {"MT5_LOGIN": str(LOGIN), "MT5_PASSWORD": PASSWORD, "MT5_SERVER": SERVER}

    def serve(self) -> None:
        self._server.open(self.setup.port)

    def stop(self) -> None:
        self._stopping.set()
        self._server.close()

    def drop_streams(self) -> None:
        """Every rpyc connection breaks; the terminal stays as it is."""
        self._server.drop()

    def wait(self, seconds: float) -> bool:
        """Let time pass; False: the emulator was closed meanwhile."""
        return not self._stopping.wait(seconds)

    # ---- time --------------------------------------------------------------------------------------------------------
    def server_time(self, moment: datetime) -> int:
        """Milliseconds since 1970 on the server's clock."""
        return round((moment + self.offset).timestamp() * 1000)

    # ---- orders, deals, positions ------------------------------------------------------------------------------------
    def remember(self, order: OrderRequest, sender: Sender, filling: int, type_time: int,
                 expires: datetime | None) -> None:  # fmt: skip
        """Before the order goes inside: it may arrive at any time from now on."""
        self.sent[id(order)] = Sent(order, sender, filling, type_time, expires)

    def behind(self, taken: VenueOrder) -> Sent:
        """What the server knows of an order that the venue took; one that a person placed is known by its ticket."""
        sent = self.sent.get(id(taken.order))
        if sent is None:
            sent = self.sent[id(taken.order)] = Sent(taken.order, Sender(0, reason=BY_HAND))
        return sent

    def sender(self, taken: VenueOrder) -> Sender:
        """With the ticket that the order has now."""
        sender = self.behind(taken).sender
        return sender if sender.ticket else replace(sender, ticket=order_ticket(taken.venue_id))

    def taken(self, ticket: int) -> VenueOrder | None:
        """The order that stands for a ticket now."""
        found = (taken for taken in self.venue.accepted if not self.behind(taken).replaced)
        return next((taken for taken in found if self.sender(taken).ticket == ticket), None)

    def book(self) -> Book:
        """The account's deals and positions in truth."""
        self._book = self._book.follow(self.venue.truth_fills(), self.close_bys, self._executor)
        return self._book

    def shown(self) -> Book:
        """The same as far as the venue shows its executions by now. Unanswered."""
        self._shown = self._shown.follow(self.ask(self.venue.fills, self.opened_at), self.close_bys, self._executor)
        return self._shown

    def _executor(self, fill: Fill) -> Sender:
        """Whose execution it was, with the ticket that the order had then."""
        sender = self.behind(self.venue.accepted[number_of(fill.venue_id)]).sender
        return sender if sender.ticket else replace(sender, ticket=order_ticket(fill.venue_id))

    def guard(self, held: Holding) -> tuple[float, float]:
        """A position's stop loss and take profit; 0.0: none."""
        return self.guards.get(held.identifier, (held.sender.sl, held.sender.tp))

    # ---- what happens by itself --------------------------------------------------------------------------------------
    def moved(self, prices: Mapping[str, float]) -> None:
        """Stop losses and take profits are met, orders expire."""
        with self.desk:
            self._note(prices)
            self._expire()
            leaving = self._leaving()
            for held in list(self.book().holdings.values()):
                if held.symbol in prices and held.identifier not in leaving:
                    self._protect(held, prices[held.symbol])

    def _note(self, prices: Mapping[str, float]) -> None:
        now = self.clock.now()
        for symbol, price in prices.items():
            bid, ask = self.quote(symbol)
            self.ticks[symbol].append(Tick(now, bid, ask, round(price, BY_SYMBOL[symbol].digits), 0.0))

    def quote(self, symbol: str) -> tuple[float, float]:
        """Best bid and ask on the symbol's digits, at least a point apart."""
        spec = BY_SYMBOL[symbol]
        bid, ask = (round(price, spec.digits) for price in self.market.quote(symbol))
        return bid, max(ask, round(bid + float(spec.point), spec.digits))

    def _expire(self) -> None:
        now = self.clock.now()
        for report in self.venue.truth_working():
            sent = self.behind(self.venue.accepted[number_of(report.venue_id)])
            if sent.expires is not None and sent.expires <= now:
                sent.expired = True
                self.venue.manual_cancel(report.venue_id)

    def _leaving(self) -> set[int]:
        """Positions that the server is closing already."""
        working = (self.venue.accepted[number_of(report.venue_id)] for report in self.venue.truth_working())
        senders = (self.behind(taken).sender for taken in working)
        return {sender.position for sender in senders if sender.reason in {BY_STOP_LOSS, BY_TAKE_PROFIT}}

    def _protect(self, held: Holding, price: float) -> None:
        stop, take = self.guard(held)
        away = held.sign * price
        if stop and away <= held.sign * stop:
            self._leave(held, price, BY_STOP_LOSS, f"[sl {stop:g}]")
        elif take and away >= held.sign * take:
            self._leave(held, price, BY_TAKE_PROFIT, f"[tp {take:g}]")

    def _leave(self, held: Holding, price: float, reason: int, comment: str) -> None:
        """The server closes a position: no client sent that order, and no fault of the wire meets it."""
        side = Side.SELL if held.sign > 0 else Side.BUY
        outcome = self.venue.manual_trade(held.symbol, side, held.volume)
        if isinstance(outcome, Accepted) and outcome.venue_id is not None:
            order = self.venue.accepted[number_of(outcome.venue_id)].order
            sender = Sender(order_ticket(outcome.venue_id), held.identifier, held.sender.magic, comment, reason)
            self.sent[id(order)] = Sent(order, sender)
            self.venue.tick({held.symbol: price})
