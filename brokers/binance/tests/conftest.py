"""A broker over its emulated venue, on the machine's clock, with the keys that the venue takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from trader.clock import SystemClock
from trader.env import CALL, World
from trader.model import Account, OrderRef, OrderRequest, OrderType, Purpose, Side, TimeInForce
from trader_broker_binance.broker import SpotBroker
from trader_broker_binance.futures_broker import FuturesBroker
from trader_broker_binance.settings import FuturesSettings, SpotSettings
from trader_emulators import Setup, emulate

PRICES = {"BTC/USDT": 20_000.0, "ETH/USDT": 1_000.0}
MADE = {"binance": (SpotSettings, SpotBroker), "binance_futures": (FuturesSettings, FuturesBroker)}
CLOCK = SystemClock()


class Desk:
    """One emulated venue, and brokers that come to it."""

    def __init__(self, name: str, root: Path, **setup: Any) -> None:
        self.name, self.root = name, root
        self.venue: Any = emulate(name, Setup(prices=PRICES, patience=5.0, **setup))
        self.made: list[Any] = []
        self.count = 0

    def broker(self, *, secrets: dict[str, str] | None = None, opened: bool = True, **options: Any) -> Any:
        """A new one on the same folder."""
        keys = {**self.venue.secrets, **(secrets or {})}
        world = World(self.root, self.root / "var", environ=keys)
        door = world.door(self.name, distribution="test", secrets=tuple(keys))
        settings, kind = MADE[self.name]
        made = kind(settings(**{**self.venue.options, **options}), door)
        self.made.append(made)
        if opened:
            answer = made.open()
            assert isinstance(answer, Account), answer
        return made

    def request(self, **change: Any) -> OrderRequest:
        """A market buy; with a limit_price or a stop_price of that kind, good till cancelled."""
        self.count += 1
        key = f"t{self.count:025x}"
        kinds = {(False, False): OrderType.MARKET, (True, False): OrderType.LIMIT, (False, True): OrderType.STOP,
                 (True, True): OrderType.STOP_LIMIT}  # fmt: skip
        kind = kinds["limit_price" in change, "stop_price" in change]
        plain = OrderRequest(
            key, key, "main", "BTC/USDT", Side.BUY, Decimal("0.01"), kind, TimeInForce.GTC, None, None, False,
            Purpose.REBALANCE, Decimal(20_000), CLOCK.now() - timedelta(seconds=1),
        )  # fmt: skip
        return structs.replace(plain, **change)

    def close(self) -> None:
        for one in self.made:
            one.close()
        self.venue.close()


def ref(request: OrderRequest, venue_id: str | None = None) -> OrderRef:
    return OrderRef(request.client_id, request.key, request.symbol, venue_id)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """As in a lane that gives up after so long."""
    CALL.until = CLOCK.monotonic() + seconds
    try:
        yield
    finally:
        del CALL.until


def soon(ask: Any, seconds: float = 8.0) -> Any:
    """The first answer that is true."""
    end = CLOCK.monotonic() + seconds
    while not (answer := ask()):
        assert CLOCK.monotonic() < end, "it did not come"
        CLOCK.sleep(0.02)
    return answer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Any]:
    """Makes desks: desk("binance"), desk("binance_futures", mode="hedge")."""
    with ExitStack() as stack:

        def make(name: str, **setup: Any) -> Desk:
            made = Desk(name, tmp_path, **setup)
            stack.callback(made.close)
            return made

        make.ref, make.within, make.soon = ref, within, soon  # type: ignore[attr-defined]
        yield make
