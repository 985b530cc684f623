"""What the cases share: the broker, the venue behind it, requests to send, and patience."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from msgspec import structs

from trader.clock import SystemClock
from trader.env import CALL, World
from trader.errors import PluginError, TraderError, UsageError
from trader.model import (
    Account,
    Bars,
    Fill,
    Instrument,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
    Unavailable,
)
from trader.orders.ids import IdMint
from trader.plugins import Plugin
from trader.testing.conformance.suite import Conformance, Made
from trader.testing.emulation import EmulatedVenue, Setup, emulate
from trader.testing.fakes import START
from trader.testing.fakes import bars as made_bars

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PATIENCE = 1.0
"""Seconds that a call has in a case where nobody answers."""
SOON = 5.0
"""Seconds within which what happened at the venue must be seen."""
MANY = 120
"""More orders, or executions, than a venue's page shows."""
ENDED = {OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED}
NAN = float("nan")


# ---- what a case needs, and what a manifest says ---------------------------------------------------------------------
def needs(*words: str) -> Callable[[T], T]:
    """Ask this case only of brokers whose manifest declares it: "wire", "streams", "cancel_all", "cash_events",
    "needs_bars", "rate_headers", "keys" (ids that are refused when they come again), "secrets" (it wants some),
    "type:stop", "tif:ioc"; "market": the case moves it. "reduce_only" is asked unless a manifest denies it."""

    def mark(case: T) -> T:
        case.needs = words  # type: ignore[attr-defined]
        return case

    return mark


def reason_to_skip(plugin: Plugin, case: Any, *, own: bool = False) -> str | None:
    """The capability through which a case is not asked of a broker, as the manifest says it; None: it is asked.
    `own`: at the venue itself, whose wire and market nobody here moves."""
    for word in getattr(case, "needs", ()):
        if own and word in ("wire", "market"):
            return f"it is asked at the venue itself: nobody here moves its {word}"
        reason = _lacks(plugin, word)
        if reason is not None:
            return reason
    return None


def _lacks(plugin: Plugin, word: str) -> str | None:
    can = plugin.capabilities
    if word == "market" or (word == "reduce_only" and word not in can):
        return None
    kind, _, value = word.partition(":")
    if kind == "wire":
        return None if wired(plugin) else "embedded = true: it lives in this process, there is no wire"
    if kind == "keys":
        policy = can.get("id_policy", "forever")
        return 'id_policy = "none": the venue takes a key as often as it comes' if policy == "none" else None
    if kind == "secrets":
        return None if plugin.permissions.secrets or not plugin.manifest else "secrets = []: it wants no keys"
    if kind in ("type", "tif"):
        name = {"type": "order_types", "tif": "time_in_force"}[kind]
        listed = can.get(name)
        return None if listed is None or value in listed else f'{name} is without "{value}"'
    return None if can.get(word, not plugin.manifest) else f"{word} = false"


def wired(plugin: Plugin) -> bool:
    """Whether there is a wire between the broker and its venue. A plugin without a manifest is taken as it comes."""
    return bool(plugin.manifest and not plugin.capabilities.get("embedded", False))


class BrokerSuite(Conformance):
    """Base of the parts."""

    kind = "broker"
    symbol: ClassVar[str] = ""
    """The symbol it is asked about; else its manifest's, else AAPL. Likewise:"""
    price: ClassVar[Decimal | None] = None
    quantity: ClassVar[Decimal | None] = None
    emulator: ClassVar[str] = ""
    """The venue's emulator (an entry point of `trader.emulators`)."""
    all_symbols = False
    """Whether the emulated venue trades all that it has; to be set before it is first asked for."""
    own: ClassVar[str] = ""
    """Settings of a paper account at the venue itself, as JSON: it is asked there, with the keys of whoever asks. The
    account must be clean; what a case leaves working is cancelled."""
    own_price: ClassVar[str] = ""
    """Where the symbol stands there."""
    own_folder: ClassVar[str] = ""
    """Folder of the settings file beside which its keys lie (`.env`, `.secrets.toml`)."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.skip and cls.installed():
            raise UsageError(
                f"{', '.join(cls.skip)} of a broker cannot be skipped here: declare in its manifest what it cannot do.",
                where=f"{cls.__name__}.skip",
            )

    # ---- before and after a case -----------------------------------------------------------------------------------
    @pytest.fixture(autouse=True)
    def _only_what_is_declared(self, request: pytest.FixtureRequest) -> None:
        """A case is skipped only through a declared capability."""
        reason = reason_to_skip(self.found(), request.function, own=bool(self.own))
        if reason is not None:
            pytest.skip(f"not asked: {reason}")

    @pytest.fixture(autouse=True)
    def _closed_again(self) -> Iterator[None]:
        """What a case leaves open is closed after it."""
        self._opened: list[Made] = []
        self._venue: EmulatedVenue | None = None
        self._tape: list[tuple[float, float]] = []
        yield
        try:
            for made in self._opened:
                if self.own:
                    _clean(made.object)
                made.object.close()
        finally:
            if self._venue is not None:
                self._venue.close()

    # ---- the venue ---------------------------------------------------------------------------------------------------
    @classmethod
    def asked_with(cls) -> Mapping[str, Any]:
        """What the manifest says about its own conformance; empty for a plugin that is not installed."""
        return cls.found().conformance

    @property
    def about(self) -> str:
        """The symbol."""
        return self.symbol or str(self.asked_with().get("symbol", "AAPL"))

    @property
    def at(self) -> Decimal:
        """Its price."""
        if self.own_price:
            return Decimal(self.own_price)
        return self.price or Decimal(str(self.asked_with().get("price", 100)))

    @property
    def size(self) -> Decimal:
        """Of an order."""
        return self.quantity or Decimal(str(self.asked_with().get("quantity", 2)))

    @property
    def emulated(self) -> str:
        """The emulator's name; "" for a broker that lives in this process, and at the venue itself."""
        if self.own:
            return ""
        return self.emulator or str(self.asked_with().get("emulator", ""))

    @property
    def venue(self) -> EmulatedVenue:
        """The venue, running. Needs trader-emulators."""
        if self._venue is None:
            prices = None if self.all_symbols else {self.about: float(self.at)}
            setup = Setup(prices=prices, patience=5.0, **self.asked_with().get("setup", {}))
            try:
                self._venue = emulate(self.emulated, setup)
            except PluginError as error:
                table = f"[broker.{self.found().name}.conformance]"
                pytest.fail(f"{error} Install the distribution that brings it, or name another in {table} emulator.")
        return self._venue

    @property
    def options_there(self) -> dict[str, Any]:
        """The broker's settings: the suite's over the manifest's over the emulator's."""
        beyond = dict(self.venue.options) if self.emulated else {}
        there = json.loads(self.own) if self.own else {}
        return {**beyond, **self.asked_with().get("options", {}), **self.options, **there}

    def moment(self) -> datetime:
        """Now: the machine's time where there is a wire, else the suite's."""
        return SystemClock().now() if self.emulated or self.own else self.now

    def world(self, seed: int = 0) -> World:
        """On the machine's clock where the venue is on it, with the keys that the venue takes."""
        if self.own:
            return World(Path(self.own_folder or self.root), self.root / "var", seed=seed, moment="conformance")
        if not self.emulated:
            return super().world(seed)
        listed = dict.fromkeys(self.found().permissions.secrets, "not-a-secret")
        keys = {**listed, **self.venue.secrets, **self.secrets}
        return World(self.root, self.root / "var", environ=keys, seed=seed, moment="conformance")

    def provided(self, world: World) -> Made:
        from trader.plugins import provide

        plugin, door = self.found(), self.door(world)
        return Made(provide(plugin, self.options_there, door, instance=plugin.name), door, world)

    def trade(self, broker: Any, price: Decimal | None = None, volume: float = NAN) -> None:
        """The symbol trades at `price` now (else where it stands); what may fill does."""
        at = float(self.at if price is None else price)
        if self.emulated:
            self.venue.trade(self.about, at, volume)
        elif hasattr(broker, "on_bars"):
            self._tape.append((at, volume))
            assert broker.on_bars(self._bars()) is None

    def _bars(self) -> Bars:
        """What traded so far, a bar each; the first ends at `now`."""
        prices = [price for price, _ in self._tape]
        volumes = [1e6 if volume != volume else volume for _, volume in self._tape]  # noqa: PLR0124 - NaN
        columns = [{self.about: values} for values in (prices, volumes)]
        return made_bars(columns[0], open=columns[0], volume=columns[1], start=START - timedelta(days=1))

    # ---- the broker --------------------------------------------------------------------------------------------------
    def made(self) -> Made:
        """One instance. A broker that cannot be made fails the case: it is left out by the manifest only."""
        try:
            return self.provided(self.world())
        except TraderError as error:
            pytest.fail(f"It cannot be made: {error.what} See PL-03 to PL-05.")

    def open(self, made: Made | None = None) -> Any:
        """An opened broker. One that does not open fails the case, as above."""
        made = made or self.made()
        self._opened.append(made)
        answer = made.object.open()
        assert isinstance(answer, Account), f"It does not open: expected an Account, was {answer!r}. See BC-01."
        if not self._tape:
            self.trade(made.object)
        return made.object

    def rules(self, broker: Any) -> Instrument:
        """Of the symbol."""
        (rules,) = broker.instruments([self.about])
        assert isinstance(rules, Instrument)
        return rules

    def tick_price(self, broker: Any, factor: str) -> Decimal:
        """`factor` times the price, on a tick."""
        tick = self.rules(broker).tick
        return (self.at * Decimal(factor) // tick) * tick

    # ---- requests ----------------------------------------------------------------------------------------------------
    def client_id(self, number: int) -> str:
        return IdMint(self.root.name.encode(), "conformance", "main").cycle(self.now.isoformat())(self.about, number)

    def can(self, name: str, word: str) -> bool:
        """Whether the manifest lists an order type or a time in force; a broker without a manifest can all."""
        listed = self.found().capabilities.get(name)
        return listed is None or word in listed

    def lasting(self, *wanted: TimeInForce) -> TimeInForce:
        """The first time in force of these that the broker has."""
        return next((tif for tif in wanted if self.can("time_in_force", tif.value)), wanted[0])

    def market(self, broker: Any, number: int = 1, side: Side = Side.BUY, **change: Any) -> OrderRequest:
        """A market order for `size`."""
        client_id = self.client_id(number)
        decided = self.moment() - timedelta(seconds=1) if self.emulated or self.own else self.now
        day = self.lasting(TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC)
        request = OrderRequest(
            client_id, broker.key(client_id), "main", self.about, side, self.size, OrderType.MARKET,
            day, None, None, False, Purpose.REBALANCE, self.at, decided,
        )  # fmt: skip
        return structs.replace(request, **change)

    def limit(self, broker: Any, number: int = 1, **change: Any) -> OrderRequest:
        """A buy at four fifths of the price, good till cancelled where that exists: it stays."""
        lasting = self.lasting(TimeInForce.GTC, TimeInForce.DAY)
        return self.market(
            broker, number, **{"type": OrderType.LIMIT, "time_in_force": lasting,
            "limit_price": self.tick_price(broker, "0.8"), **change},
        )  # fmt: skip

    def stop(self, broker: Any, number: int = 1, **change: Any) -> OrderRequest:
        """A buy that waits for a price of five fourths."""
        lasting = self.lasting(TimeInForce.GTC, TimeInForce.DAY)
        return self.market(
            broker, number, **{"type": OrderType.STOP, "time_in_force": lasting,
            "stop_price": self.tick_price(broker, "1.25"), **change},
        )  # fmt: skip

    def shown(self, broker: Any, request: OrderRequest) -> OrderReport:
        """What the venue says of the order of a request."""
        found = broker.order(ref(request))
        assert isinstance(found, OrderReport), f"Expected the order {request.key}, was {found!r}."
        return found

    def filled(self, broker: Any, request: OrderRequest, price: Decimal | None = None) -> list[Fill]:
        """The fills of a request, once the market has traded."""
        self.trade(broker, price)
        return self.at_least(1, lambda: _of(broker.fills(EPOCH), request.key), f"fills of {request.key}")

    # ---- patience ----------------------------------------------------------------------------------------------------
    def eventually(self, ask: Callable[[], Any], what: str, seconds: float = SOON) -> Any:
        """The first answer that is true."""
        clock = SystemClock()
        end = clock.monotonic() + seconds
        while True:
            answer = ask()
            if isinstance(answer, Unavailable):
                answer = None
            if answer:
                return answer
            assert clock.monotonic() < end, f"Expected within {seconds:g} s: {what}."
            clock.sleep(0.02)

    def at_least(self, count: int, ask: Callable[[], Any], what: str) -> list[Any]:
        """The first answer with so many in it."""

        def enough() -> list[Any]:
            answer = ask()
            return list(answer) if not isinstance(answer, Unavailable) and len(answer) >= count else []

        found: list[Any] = self.eventually(enough, what)
        return found


def _clean(broker: Any) -> None:
    """Cancel what works. A closed broker has answered already."""
    working = broker.orders()
    for report in [] if isinstance(working, Unavailable) else working:
        broker.cancel(OrderRef("", report.key, report.symbol, report.venue_id))


def _of(fills: Any, key: str) -> Any:
    return fills if isinstance(fills, Unavailable) else [fill for fill in fills if fill.key == key]


@contextmanager
def deadline(seconds: float = PATIENCE) -> Iterator[None]:
    """The calls in here have so long, as in a lane of the session."""
    CALL.until = SystemClock().monotonic() + seconds
    try:
        yield
    finally:
        del CALL.until


def ref(request: OrderRequest, venue_id: str | None = None) -> OrderRef:
    """Where the order of a request is found."""
    return OrderRef(request.client_id, request.key, request.symbol, venue_id)


def call(what: str, method: Callable[..., Any], *args: Any) -> Any:
    """What it answers; a case fails where it raises."""
    try:
        return method(*args)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises
        pytest.fail(f"{what} raised {type(error).__name__}: {error}")


class Reader:
    """Reads a broker's stream on a thread of its own."""

    def __init__(self, broker: Any) -> None:
        self.events: list[Any] = []
        self.moments: list[float] = []
        self.error: BaseException | None = None
        self._clock = SystemClock()
        self._thread = threading.Thread(target=self._read, args=(broker,), daemon=True)
        self._thread.start()

    def _read(self, broker: Any) -> None:
        try:
            for event in broker.stream_orders():
                self.events.append(event)
                self.moments.append(self._clock.monotonic())
        except Exception as error:  # noqa: BLE001 - shown by the case
            self.error = error

    def ended(self, seconds: float) -> bool:
        """Whether the stream ended within so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()
