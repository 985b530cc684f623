"""The side of a faulty venue that no client sees: its keeper's bars, a person's hand, and the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from threading import RLock

import numpy as np

from trader.clock import Clock
from trader.errors import SettingsError
from trader.model import (
    ZERO,
    Account,
    Bars,
    CashEvent,
    Fill,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderType,
    Outcome,
    Purpose,
    Side,
    TimeInForce,
    Times,
)
from trader.simulation.agenda import Agenda
from trader.simulation.faults import Dice, Faults
from trader.simulation.floor import Cash, Floor, Ids, Split, VenueOrder
from trader.simulation.stream import Wire
from trader.simulation.venue import SimulatedVenue
from trader.simulation.visibility import Window

MICROSECOND = np.timedelta64(1, "us")


class Backstage:
    """What happens at the venue, whoever asks. Every method first lets all happen that is due by now."""

    def __init__(
        self,
        venue: SimulatedVenue,
        *,
        clock: Clock,
        seed: int,
        faults: Faults | None = None,
        ids: Ids = "forever",
        expiry_seconds: float | None = None,
        base_fee: Decimal = ZERO,
    ) -> None:
        if expiry_seconds is not None and not expiry_seconds >= 0:
            raise SettingsError(f"expiry_seconds must be 0 or more, was {expiry_seconds}")
        self._lock, self._clock, self._now = RLock(), clock, clock.now()
        self._dice, self._agenda = Dice(seed), Agenda()
        self._expiry = expiry_seconds
        self._shut_until = self._now
        self._wire = Wire(self._dice, self._now)
        self._window = Window(self._agenda, self._dice, self._wire, venue.account())
        self._floor = Floor(venue, self._window, ids=ids, base_fee=base_fee)
        self._last_end = np.datetime64("1970-01-01", "us")
        self._by_hand = 0
        self.ids = ids
        self.late_seconds = 0.0
        """How long after its submit an order may still arrive, by any faults that this venue ever had."""
        self.lag_seconds = 0.0
        """How long after it happened something may be missing in an answer, likewise."""
        self.faults = faults or Faults()

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on; may be set at any time."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._lock:
            self._faults = self._window.faults = self._wire.faults = faults
            self._odds = {call: faults.odds(call) for call in ("submit", "cancel", "query")}
            latest = faults.latest if self._expiry is None else min(faults.latest, self._expiry)
            self.late_seconds = max(self.late_seconds, latest)
            self.lag_seconds = max(self.lag_seconds, faults.lag)

    @property
    def horizon_seconds(self) -> float:
        """After so long an order that no query shows will never be there."""
        return self.late_seconds + self.lag_seconds + 1.0

    def _begin(self) -> datetime:
        """All that is due by now happens; now, which never goes back."""
        now = self._now = max(self._now, self._clock.now())
        self._agenda.run(now)
        return now

    # ---- the keeper ------------------------------------------------------------------------------------------------
    def on_bars(self, bars: Bars) -> None:
        """Trade on closed bars; an order may fill in a bar that starts when it arrived or later. Not in maintenance.

        DataError if the rows are not in time order.
        """
        with self._lock:
            now = self._begin()
            if now >= self._shut_until:
                self._floor.trade(bars, now)
            if len(bars):
                self._last_end = max(self._last_end, bars.end[-1].astype("datetime64[us]"))

    def tick(self, prices: Mapping[str, float], volume: float = float("nan")) -> None:
        """A bar of one microsecond that starts now: what may trade at `prices` does. `volume` NaN: no limit."""
        with self._lock:
            now = np.datetime64(self._begin().replace(tzinfo=None), "us")
            start: Times = np.array([max(now, self._last_end)], dtype="datetime64[us]")
            row = np.array([list(prices.values())], dtype=np.float64)
            self.on_bars(Bars(tuple(prices), "1s", start, start + MICROSECOND, row, row, row, row,
                              np.full_like(row, volume)))  # fmt: skip

    # ---- a person at the venue, and the world ----------------------------------------------------------------------
    def manual_trade(self, symbol: str, side: Side, quantity: Decimal) -> Outcome:
        """A market order that no client sent; its key is the venue's."""
        with self._lock:
            now = self._begin()
            self._by_hand += 1
            key = f"by-hand-{self._by_hand}"
            order = OrderRequest(key, key, "", symbol, side, quantity, OrderType.MARKET, TimeInForce.DAY, None, None,
                                 False, Purpose.MANUAL, ZERO, now)  # fmt: skip
            return self._floor.submit(order, now, external=True)

    def manual_cancel(self, venue_id: str) -> Outcome:
        """Somebody cancels an order at the venue; at once."""
        with self._lock:
            return self._floor.cancel(OrderRef("", "", "", venue_id), self._begin())

    def rename(self, venue_id: str) -> str:
        """The venue gives an order another id, which is returned; the old one is unknown from now on."""
        with self._lock:
            return self._floor.rename(venue_id, self._begin())

    def split(self, symbol: str, ratio: Decimal) -> None:
        """`ratio` for 1: position and average change without an execution. DataError if it cannot be."""
        with self._lock:
            self._floor.split(symbol, ratio, self._begin())

    def cash(self, kind: Cash, amount: Decimal, symbol: str | None = None) -> CashEvent:
        """A dividend, a fee, a transfer ...; `amount` > 0 is received."""
        with self._lock:
            return self._floor.cash(kind, amount, symbol, self._begin())

    def correct(self, execution_id: str, price: Decimal) -> Fill:
        """An execution had another price; the same id is shown with it. DataError if it cannot be."""
        with self._lock:
            return self._floor.correct(execution_id, price, self._begin())

    def maintenance(self, seconds: float) -> None:
        """For so long nothing is answered, nothing arrives (what was under way is lost) and nothing trades."""
        with self._lock:
            self._shut_until = self._begin() + timedelta(seconds=seconds)
            self._wire.cut(self._shut_until)

    def disconnect(self, seconds: float) -> None:
        """Every stream breaks, and is back after so long."""
        with self._lock:
            self._wire.cut(self._begin() + timedelta(seconds=seconds))

    def mute(self, seconds: float) -> None:
        """Every stream that is open stays so, and for so long what happens does not come."""
        with self._lock:
            self._wire.mute(self._begin() + timedelta(seconds=seconds))

    def heal(self) -> None:
        """No more faults, lags, or maintenance. What is under way arrives when it is due, what is lost stays lost."""
        with self._lock:
            now = self._begin()
            self.faults = Faults()
            self._shut_until = min(self._shut_until, now)
            self._wire.heal(now)

    # ---- the truth, for checkers: read only ------------------------------------------------------------------------
    @property
    def accepted(self) -> Sequence[VenueOrder]:
        """Every order that the venue ever took, in the order of arrival."""
        with self._lock:
            self._begin()
            return self._floor.accepted

    @property
    def splits(self) -> Sequence[Split]:
        """Every split, oldest first."""
        return self._floor.splits

    def truth_fills(self) -> Sequence[Fill]:
        """Every execution, oldest first, as corrected."""
        with self._lock:
            self._begin()
            return self._floor.fills

    def former_fills(self) -> Sequence[Fill]:
        """What executions said before they were corrected, in the order of the corrections."""
        return self._floor.former

    def truth_events(self) -> Sequence[CashEvent]:
        """Every cash event, oldest first."""
        return self._floor.events

    def truth_positions(self) -> dict[str, Decimal]:
        """Signed units of what is held, by symbol."""
        with self._lock:
            self._begin()
            return self._floor.office.positions()

    def truth_cash(self) -> Decimal:
        with self._lock:
            self._begin()
            return self._floor.office.cash

    def truth_account(self) -> Account:
        """With equity at the last closes."""
        with self._lock:
            self._begin()
            return self._floor.office.account()

    def truth_working(self) -> Sequence[OrderReport]:
        """The orders that work, in the order of arrival."""
        with self._lock:
            self._begin()
            return [taken.report for taken in self._floor.working.values()]
