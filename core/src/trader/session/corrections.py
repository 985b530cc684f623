"""An execution that the venue changed, or took back, after it was booked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.model import Fill, Instrument
from trader.orders.blotter import LiveOrder
from trader.orders.journal import Booking, Move

if TYPE_CHECKING:
    from trader.session.engine import Engine
    from trader.session.report import Report


def corrections(
    engine: Engine,
    fill: Fill,
    rules: Instrument,
    report: Report,
    *,
    order: LiveOrder | None = None,
    moves: list[Move] | None = None,
    apart: bool = False,
) -> list[Booking]:
    """What is to be booked where the venue shows other terms of an execution than were booked; nothing if they are
    the same. `moves` takes what becomes of its `order`; `apart`: it is somebody else's and kept apart."""
    ledger = engine.ledger
    known, pair = ledger.said(fill), ledger.corrected(fill)
    if known is None or pair is None:
        return []
    report.alarm("execution_corrected", f"{fill.symbol}: the venue changed execution {fill.execution_id} to "
                 f"{fill.quantity:f} at {fill.price:f}; the difference is booked")  # fmt: skip
    client_id = order.request.client_id if order is not None else None
    if order is not None and moves is not None and known[0] != fill.quantity:
        moves.append(engine.blotter.corrected(order, fill.quantity - known[0], fill.time))
    made = (
        ledger.after_foreign(one, rules) if apart else ledger.after_fill(one, client_id, rules)
        for one in pair
        if one.quantity
    )  # fmt: skip
    return [booking for booking in made if booking is not None]
