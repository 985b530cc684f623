"""What every emulated venue has: an account on the simulated venue, a market, mishaps on its wire, its own clock."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from trader.errors import UsageError
from trader.model import ZERO, Idle, Instrument, Rejected, Struct, Unavailable, Unknown
from trader.simulation import FaultyVenue, SimulatedVenue, Terms
from trader.simulation.floor import Ids
from trader.testing.emulation import CALLS, Mishap, Setup

from trader_emulators.market import Market

HEADER = "X-Trader-Emulator"
"""Every answer carries it, with the venue's name: a broker that sees it reports a demo account."""

BREAKDOWNS = (OSError, ValueError, KeyError, RuntimeError)
"""What `FaultyVenue` raises where a client would break down."""


class Unanswered(Exception):
    """The venue behind the protocol did not give the answer: what its caller meets instead."""

    def __init__(self, mishap: Mishap) -> None:
        super().__init__(mishap)
        self.mishap = mishap


class VenueClock:
    """The venue's clock: the machine's, and so many seconds ahead."""

    def __init__(self, setup: Setup) -> None:
        self._clock, self.ahead = setup.clock, 0.0

    def now(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


class Emulator:
    """Base of the venues: a subclass says what it trades and speaks the protocol. Running from `start` to `close`."""

    name: ClassVar[str]
    currency: ClassVar[str] = "USD"
    ids: ClassVar[Ids] = "forever"
    expiry_seconds: ClassVar[float | None] = None
    base_fee: ClassVar[Decimal] = ZERO

    def __init__(self, setup: Setup) -> None:
        self.setup, self.clock = setup, VenueClock(setup)
        rules = {rule.symbol: rule for rule in self.instruments()}
        prices = dict(setup.prices) if setup.prices is not None else dict(self.prices())
        strange = sorted(set(prices) - set(rules))
        if strange:
            raise UsageError(f"{self.name} does not trade {', '.join(strange)}; it has {', '.join(sorted(rules))}.")
        self.rules = {symbol: rules[symbol] for symbol in prices}
        self.market = Market(prices, now=self.clock.now(), seed=setup.seed, paths=setup.paths)
        inside = SimulatedVenue(
            setup.cash, self.currency, terms=self.terms(), instruments=list(self.rules.values()),
            account_id=f"{self.name}-emulator",
        )  # fmt: skip
        self.venue = FaultyVenue(
            inside, clock=setup.clock, seed=setup.seed, faults=setup.faults, ids=self.ids,
            expiry_seconds=self.expiry_seconds, base_fee=self.base_fee, idle=lambda _: None,
        )  # fmt: skip
        self.revoked = False
        self._mishaps: dict[str, deque[Mishap | None]] = {call: deque() for call in CALLS}
        self._requests: Counter[str] = Counter()
        self._limit: tuple[int, float] | None = None
        self._recent: deque[float] = deque()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._ticker: threading.Thread | None = None
        self.venue.tick({symbol: self.market.last(symbol) for symbol in self.market.symbols})  # the first marks

    # ---- what a subclass says ----------------------------------------------------------------------------------------
    def instruments(self) -> Iterable[Instrument]:
        """The rules of all that it could trade."""
        raise NotImplementedError

    def prices(self) -> Mapping[str, float]:
        """What it trades if nobody says, and where the prices begin."""
        raise NotImplementedError

    def terms(self) -> Terms:
        """Fees, leverage, shorts."""
        return Terms()

    @property
    def options(self) -> Mapping[str, Any]:
        """What stands in the broker's settings table so that it comes here."""
        raise NotImplementedError

    @property
    def secrets(self) -> Mapping[str, str]:
        """Keys that it takes."""
        raise NotImplementedError

    def serve(self) -> None:
        """Open the port; return when it takes connections."""
        raise NotImplementedError

    def stop(self) -> None:
        """Close the port."""
        raise NotImplementedError

    def drop_streams(self) -> None:
        """Every push connection breaks. A venue without any has nothing to do."""

    def mute_streams(self, seconds: float) -> None:
        """Push connections carry nothing for so long. A venue without any has nothing to do."""

    # ---- running -----------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Serve; and move by itself, if the setup says so."""
        self.serve()
        if self.setup.tick_seconds is not None:
            self._ticker = threading.Thread(target=self._tick, name=f"{self.name}-market", daemon=True)
            self._ticker.start()

    def close(self) -> None:
        """Let go of everything; again is no error."""
        self._stopping.set()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None
        self.stop()

    def _tick(self) -> None:
        seconds = self.setup.tick_seconds or 1.0
        while not self._stopping.wait(seconds):
            self.step(seconds)

    def step(self, seconds: float = 1.0) -> None:
        """Every price moves as it may within so many seconds, and what may fill does."""
        prices = {symbol: self.market.next_price(symbol, seconds) for symbol in self.market.symbols}
        for symbol, price in prices.items():
            self.market.move(symbol, price, self.clock.now())
        self.venue.tick(prices)
        self.moved(prices)

    @property
    def marks(self) -> Mapping[str, float]:
        """What trades here, and where it stands now."""
        return {symbol: self.market.last(symbol) for symbol in self.market.symbols}

    def trade(self, symbol: str, price: float, volume: float = float("nan")) -> None:
        """The market in one symbol trades at `price` now; what may fill does."""
        self.market.move(symbol, price, self.clock.now(), volume)
        self.venue.tick({symbol: price}, volume)
        self.moved({symbol: price})

    def moved(self, prices: Mapping[str, float]) -> None:
        """Called after prices moved and orders were filled: a venue with a market data stream tells of it."""

    def ask(self, method: Callable[..., Any], *args: Any) -> Any:
        """What the venue says: a noun of `trader.model`, or a list of them. Unanswered where a fault came between."""
        try:
            answer = method(*args)
        except BREAKDOWNS as error:
            raise Unanswered(Mishap.RESET) from error
        if isinstance(answer, Unknown | Unavailable | Rejected) and answer.kind == "rate_limited":
            raise Unanswered(Mishap.RATE_LIMITED)
        if isinstance(answer, Unknown | Unavailable):
            raise Unanswered(Mishap.LOST if answer.kind == "timeout" else Mishap.FAILED)
        nouns = answer if isinstance(answer, list | tuple) else [answer]
        if not all(_is_noun(noun) for noun in nouns):
            raise Unanswered(Mishap.GARBAGE)
        return answer

    # ---- the wire ----------------------------------------------------------------------------------------------------
    def mishap(self, call: str, mishap: Mishap, times: int = 1, *, after: int = 0) -> None:
        """The next `times` requests of a call meet this, once `after` of them went well. UsageError for a call that
        is none."""
        if call not in self._mishaps:
            raise UsageError(f"There is no call {call!r}; there is {', '.join(CALLS)}.")
        with self._lock:
            self._mishaps[call].extend([None] * after + [mishap] * times)

    def requests(self, call: str) -> int:
        """How many came so far."""
        return self._requests[call]

    def arrived(self, call: str, *also: str) -> Mishap | None:
        """For the server: a request is here that serves a call, and perhaps others too; what happens to it. None:
        nothing unusual."""
        calls = (call, *also)
        with self._lock:
            self._requests.update(calls)
            waiting = next((self._mishaps[name] for name in calls if self._mishaps[name]), None)
            meets = waiting.popleft() if waiting else None
            if meets is not None:
                return meets
            return Mishap.RATE_LIMITED if self._over() else None

    def _over(self) -> bool:
        if self._limit is None:
            return False
        requests, seconds = self._limit
        now = self.clock.monotonic()
        while self._recent and self._recent[0] <= now - seconds:
            self._recent.popleft()
        if len(self._recent) >= requests:
            return True
        self._recent.append(now)
        return False

    def limit(self, requests: int, seconds: float) -> None:
        """From now on so many requests in so many seconds."""
        with self._lock:
            self._limit = (requests, seconds)
            self._recent.clear()

    @property
    def allowance(self) -> tuple[int, int, float]:
        """The limit, what is left of it, and the seconds it is for: for the headers that tell of it."""
        with self._lock:
            requests, seconds = self._limit or (1_000_000, 60.0)
            now = self.clock.monotonic()
            used = sum(1 for moment in self._recent if moment > now - seconds)
            return requests, requests - used, seconds

    @property
    def reopens(self) -> float:
        """Seconds until the limit takes another request; 0: it takes one now."""
        with self._lock:
            if self._limit is None or len(self._recent) < self._limit[0]:
                return 0.0
            return max(self._recent[-self._limit[0]] + self._limit[1] - self.clock.monotonic(), 0.0)

    def revoke(self) -> None:
        """The keys are no longer known."""
        self.revoked = True

    def skew(self, seconds: float) -> None:
        """The venue's clock is so far ahead."""
        self.clock.ahead = seconds


def _is_noun(answer: Any) -> bool:
    """Not the nonsense of a faulty venue: of another kind, or with an amount that is none."""
    if not isinstance(answer, Struct) or isinstance(answer, Idle):
        return False
    amounts = (getattr(answer, name) for name in answer.__struct_fields__)
    return all(amount.is_finite() for amount in amounts if isinstance(amount, Decimal))
