"""One client's view of a faulty venue: a broker, and nothing that only the venue's keeper may do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from trader.model import (
    Account,
    CashEvent,
    Fill,
    Idle,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    Outcome,
    Position,
    Reset,
    Unavailable,
)

if TYPE_CHECKING:
    from trader.simulation.faulty import FaultyVenue


class Client:
    """The broker of one session. Closing it ends its own streams; the venue does not notice."""

    def __init__(self, venue: FaultyVenue) -> None:
        self._venue = venue

    def open(self) -> Account | Unavailable:
        return self._venue.open()

    def close(self) -> None:
        self._venue.close(self)

    def key(self, client_id: str) -> str:
        return self._venue.key(client_id)

    def account(self) -> Account | Unavailable:
        return self._venue.account()

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        return self._venue.instruments(symbols)

    def positions(self) -> Sequence[Position] | Unavailable:
        return self._venue.positions()

    def orders(self) -> Sequence[OrderReport] | Unavailable:
        return self._venue.orders()

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        return self._venue.order(ref)

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        return self._venue.fills(since)

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        return self._venue.cash_events(since)

    def submit(self, order: OrderRequest) -> Outcome:
        return self._venue.submit(order)

    def cancel(self, ref: OrderRef) -> Outcome:
        return self._venue.cancel(ref)

    def cancel_all(self) -> Outcome:
        return self._venue.cancel_all()

    def stream_orders(self) -> Iterator[Fill | OrderReport | Account | Reset | Idle]:
        return self._venue.stream_orders(self)
