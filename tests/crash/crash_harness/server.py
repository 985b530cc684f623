"""The venue as a process of its own, which outlives every trader: `python -m crash_harness.server PORT-FILE`.

A thread for each connection; the venue and the bars behind one lock. A call that was received whole is carried out,
whether its sender lives or not, as at a real venue. `open` waits until everything that dead traders had sent is
carried out, so that what a new session does not see now will never be there, but for what the venue itself delays.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from multiprocessing.connection import Connection, Listener
from typing import Any

from crash_harness.clock import SharedClock
from crash_harness.market import BEFORE, Market
from crash_harness.truth import Plan, Truth
from crash_harness.wire import KEY, at_once
from trader.clock import SystemClock
from trader.model import Instrument
from trader.simulation import Faults, FaultyVenue, PerShare, SimulatedVenue, Terms

CASH = Decimal(100_000)
BROKER = frozenset(
    {
        "account", "instruments", "positions", "orders", "order", "fills", "cash_events", "submit", "cancel",
        "cancel_all",
    }
)  # fmt: skip
FAULTS = Faults(
    submit_late=0.03, submit_lost=0.02, submit_lost_reply=0.03, submit_failed_accepted=0.02, submit_rejected=0.02,
    cancel_late=0.03, cancel_lost=0.03, cancel_lost_reply=0.03, query_lost=0.01, query_failed=0.01,
    late_seconds=0.3, order_lag=0.1, fill_lag=0.1, position_lag=0.1, account_lag=0.1,
)  # fmt: skip
"""What goes wrong at the venue besides. The broker's manifest has a horizon above the sum of lateness and lag."""
PATIENCE = 5.0
_real = SystemClock()


class Caller:
    """One connection. `pid`: 0 until its first call came. `held`: its last call was carried out and the answer is kept
    back."""

    def __init__(self) -> None:
        self.pid, self.held = 0, False

    @property
    def alive(self) -> bool:
        """Whether its process is; nobody knows before the first call, and False then."""
        if not self.pid:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


class VenueServer:
    """Answers lines until its process is ended."""

    def __init__(self, seed: int) -> None:
        self.clock, self.market = SharedClock(), Market(seed)
        self.venue = _venue(self.clock, seed)
        self._fed = BEFORE
        self._changed = threading.Condition()
        self._callers: set[Caller] = set()
        self._counts: Counter[str] = Counter()
        self._holding: set[str] = set()
        self._keeper: dict[str, Callable[..., Any]] = {
            "truth": self.truth, "hold": self.hold, "release": self.release, "held": self.held, "seen": self.seen,
            "counts": lambda: dict(self._counts), "heal": self.heal, "advance": self.advance,
            "clock": lambda: (self.clock.began, self.clock.ahead),
        }  # fmt: skip

    # ---- lines -----------------------------------------------------------------------------------------------------
    def let_in(self, connection: Connection) -> None:
        """A connection was made: a thread for it."""
        caller = Caller()
        with self._changed:
            self._callers.add(caller)
        threading.Thread(target=self._serve, args=[connection, caller], daemon=True).start()

    def _serve(self, connection: Connection, caller: Caller) -> None:
        try:
            while True:
                role, pid, method, args = connection.recv()
                if role == "keeper":
                    self._leave(caller)
                    connection.send(self._answer(self._keeper[method], args))
                    continue
                caller.pid = pid
                answer = self._answer(self._trader_call, (method, args, caller))
                self._keep_back(method, caller)
                connection.send(answer)
        except (EOFError, OSError):  # the other end is gone
            connection.close()
        finally:
            self._leave(caller)

    def _leave(self, caller: Caller) -> None:
        with self._changed:
            self._callers.discard(caller)
            self._changed.notify_all()

    def _answer(self, call: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
        try:
            return True, call(*args)
        except Exception:  # noqa: BLE001 - told to who asked
            return False, traceback.format_exc()

    def _trader_call(self, method: str, args: tuple[Any, ...], caller: Caller) -> Any:
        with self._changed:
            if method == "open":
                self._changed.wait_for(lambda: not self._remains(caller), PATIENCE)
            self._feed()
            answer = self._do(method, args)
            self._counts[method] += 1
            self._changed.notify_all()
            return answer

    def _remains(self, newcomer: Caller) -> bool:
        """Whether a dead trader's last bytes may still lie unread."""
        return any(each.pid != newcomer.pid and not each.held and not each.alive for each in self._callers)

    def _do(self, method: str, args: tuple[Any, ...]) -> Any:
        if method in BROKER:
            return getattr(self.venue, method)(*args)
        if method == "open":
            return self.venue.account()
        if method == "bars":
            return self.market.bars(*args)
        if method == "clock":
            return self.clock.began, self.clock.ahead
        if method == "advance":
            return self.advance(*args)
        raise LookupError(f"there is no {method}")

    def _keep_back(self, method: str, caller: Caller) -> None:
        with self._changed:
            caller.held = method in self._holding
            self._changed.notify_all()
            self._changed.wait_for(lambda: method not in self._holding)
            caller.held = False

    # ---- the market ------------------------------------------------------------------------------------------------
    def advance(self, bars: int = 1) -> tuple[float, float]:
        """Jump to just after the end of the next bar; the clock afterwards."""
        with self._changed:
            end = self.market.end[self.market.closed(self.clock.now()) + bars - 1]
            ahead = end.astype("datetime64[us]").item() - self.clock.now().replace(tzinfo=None)
            self.clock.ahead += max(ahead.total_seconds(), 0.0) + 0.001
            self._feed()
            return self.clock.began, self.clock.ahead

    def _feed(self) -> None:
        """Let the venue trade on every bar that has closed."""
        closed = self.market.closed(self.clock.now())
        if closed > self._fed:
            self.venue.on_bars(self.market.rows(self._fed, closed))
            self._fed = closed

    # ---- the experiment --------------------------------------------------------------------------------------------
    def hold(self, method: str) -> None:
        """From now on carry such calls out and keep their answers back."""
        with self._changed:
            self._holding.add(method)

    def release(self) -> None:
        """Let all answers go, and hold none."""
        with self._changed:
            self._holding.clear()
            self._changed.notify_all()

    def held(self, seconds: float) -> bool:
        """Wait until an answer is kept back; whether one is."""
        with self._changed:
            return self._changed.wait_for(lambda: any(each.held for each in self._callers), seconds)

    def seen(self, method: str, count: int, seconds: float) -> bool:
        """Wait until such a call has been carried out so many times in all; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._counts[method] >= count, seconds)

    def heal(self) -> None:
        """All faults off."""
        self.venue.heal()

    def truth(self) -> Truth:
        """What the venue knows now."""
        with self._changed:
            self._feed()
            venue = self.venue
            return Truth(
                [(order.key, order.venue_id) for order in venue.accepted], [each.key for each in venue.requests],
                list(venue.truth_fills()), venue.truth_positions(), venue.truth_cash(), list(venue.truth_working()),
            )  # fmt: skip


def _venue(clock: SharedClock, seed: int) -> FaultyVenue:
    terms = Terms(fee=PerShare(Decimal("0.0035"), Decimal("0.35")))
    inside = SimulatedVenue(CASH, terms=terms, template=Instrument(""), account_id="crash")
    return FaultyVenue(inside, clock=clock, seed=seed, faults=FAULTS)


def main(plan: Plan) -> None:
    """Serve until the process is ended; the port is written into a file when calls are taken."""
    server = VenueServer(plan.seed)
    with Listener(("127.0.0.1", 0), backlog=16, authkey=bytes.fromhex(os.environ[KEY])) as listener:
        part = f"{plan.port_file}.part"
        with open(part, "w", encoding="ascii") as file:  # noqa: PTH123 - os.replace beside it
            file.write(str(listener.address[1]))
        os.replace(part, plan.port_file)  # noqa: PTH105
        while True:
            try:
                connection = listener.accept()
            except (OSError, EOFError):  # killed while it knocked
                continue
            server.let_in(at_once(connection))


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    main(Plan(**given))
