"""The simulated venue behind the Broker protocol, with its book on the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import TypeVar

from trader.errors import Refused, StoreError
from trader.model import (
    Account,
    Bars,
    CashEvent,
    Fill,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    Outcome,
    Position,
    Unavailable,
    Unknown,
)
from trader.simulation import SimulatedVenue

from trader_broker_paper.book import Book
from trader_broker_paper.settings import Settings

T = TypeVar("T")


class PaperBroker:
    """One paper account. Every call that changes anything is on the disk before it returns.

    If the disk fails in the middle, the call is answered Unknown or Unavailable, what was in memory is dropped, and
    the next call reads the book again: memory is never ahead of the disk.
    """

    def __init__(self, settings: Settings, name: str, path: Path) -> None:
        self._settings = settings
        self._account_id = f"{settings.account or name}-{settings.currency}"
        self._book = Book(path)
        self._venue: SimulatedVenue | None = None
        self._lock = RLock()

    def open(self) -> Account | Unavailable:
        """Take the book, or make it with the settings' cash. Refused while another process has it; StoreError if it
        is damaged, newer than this version, or does not fit the settings."""
        with self._lock:
            self._book.open()
            try:
                venue = self._load()
                self._book.write(venue.changes())  # a new account's opening cash
            except BaseException:
                self.close()
                raise
            return venue.account()

    def _load(self) -> SimulatedVenue:
        if self._venue is None:
            settings = self._settings
            venue = SimulatedVenue(
                settings.cash,
                settings.currency,
                terms=settings.terms(),
                instruments=settings.overrides(),
                template=settings.template(),
                account_id=self._account_id,
                recorded=True,
            )
            self._book.load(venue)
            self._venue = venue
        return self._venue

    def close(self) -> None:
        """Give the book back."""
        with self._lock:
            self._venue = None
            self._book.close()

    def _ask(self, question: Callable[[SimulatedVenue], T]) -> T | Unavailable:
        with self._lock:
            try:
                return question(self._load())
            except (StoreError, Refused) as problem:
                return Unavailable("store", str(problem))

    def _change(self, change: Callable[[SimulatedVenue], T]) -> T | Unavailable:
        with self._lock:
            try:
                venue = self._load()
                answer = change(venue)
                self._book.write(venue.changes())
            except (StoreError, Refused) as problem:
                self._venue = None
                return Unavailable("store", str(problem))
            except BaseException:
                self._venue = None
                raise
            return answer

    def key(self, client_id: str) -> str:
        """The client id itself."""
        return client_id

    def account(self) -> Account | Unavailable:
        return self._ask(SimulatedVenue.account)

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        return self._change(lambda venue: venue.instruments(symbols))

    def positions(self) -> Sequence[Position] | Unavailable:
        return self._ask(SimulatedVenue.positions)

    def orders(self) -> Sequence[OrderReport] | Unavailable:
        return self._ask(SimulatedVenue.orders)

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        return self._ask(lambda venue: venue.order(ref))

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        return self._ask(lambda venue: venue.fills(since))

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        return self._ask(lambda venue: venue.cash_events(since))

    def submit(self, order: OrderRequest) -> Outcome:
        return _outcome(self._change(lambda venue: venue.submit(order)))

    def cancel(self, ref: OrderRef) -> Outcome:
        return _outcome(self._change(lambda venue: venue.cancel(ref)))

    def cancel_all(self) -> Outcome:
        return _outcome(self._change(SimulatedVenue.cancel_all))

    def on_bars(self, bars: Bars) -> Unavailable | None:
        return self._change(lambda venue: venue.on_bars(bars))


def _outcome(answer: Outcome | Unavailable) -> Outcome:
    return Unknown(answer.kind, answer.reason) if isinstance(answer, Unavailable) else answer
