"""An emulated terminal, brokers and data sources of it, and orders."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from trader.env import World
from trader.model import Accepted, Account, OrderRef, OrderRequest, OrderType, Purpose, Side, TimeInForce
from trader_broker_mt5 import Settings, provide_broker
from trader_broker_mt5 import data as source
from trader_broker_mt5.wire import magic
from trader_emulators import Setup, emulate

SECRETS = ("MT5_LOGIN", "MT5_PASSWORD", "MT5_SERVER")


@dataclass
class Desk:
    """One emulated account; what it opened is closed after the test."""

    root: Any
    emulator: Any
    clock: Any
    opened: list = field(default_factory=list)
    number: int = 0

    def door(self, name="mt5", environ=None, world=None):
        keys = environ or dict(self.emulator.secrets)
        world = world or World(self.root, self.root / "var", clock=self.clock, environ=keys)
        return world.door(name, distribution="trader-broker-mt5", secrets=SECRETS)

    def made(self, door=None, **table):
        broker = provide_broker(Settings(**{**self.emulator.options, **table}), door or self.door())
        self.opened.append(broker)
        return broker

    def broker(self, **table):
        broker = self.made(**table)
        account = broker.open()
        assert isinstance(account, Account), account
        return broker

    def source(self, door=None, **table):
        made = source.provide_data_source(source.Settings(**{**self.emulator.options, **table}), door or self.door())
        self.opened.append(made)
        assert made.open() is None
        return made

    def order(
        self, side="buy", quantity="0.1", kind="market", tif="day", *, limit=None, stop=None, reduce_only=False,
        symbol="EUR/USD",
    ):  # fmt: skip
        self.number += 1
        client_id = f"t{self.number:025d}"
        return OrderRequest(
            client_id, magic(client_id), "main", symbol, Side(side), Decimal(quantity), OrderType(kind),
            TimeInForce(tif), limit and Decimal(limit), stop and Decimal(stop), reduce_only, Purpose.MANUAL,
            Decimal("1.1"), self.clock.now(),
        )  # fmt: skip

    def sent(self, broker, *args, **named):
        order = self.order(*args, **named)
        outcome = broker.submit(order)
        assert isinstance(outcome, Accepted), outcome
        return order

    def close(self):
        for made in self.opened:
            made.close()
        self.emulator.close()


@pytest.fixture
def ref():
    return lambda order, venue_id=None: OrderRef(order.client_id, order.key, order.symbol, venue_id)


@pytest.fixture
def start(tmp_path):
    desks = []

    def begin(mode="netting", **setup):
        setup = Setup(mode=mode, **setup)
        desks.append(Desk(tmp_path, emulate("mt5", setup), setup.clock))
        return desks[-1]

    yield begin
    for desk in desks:
        desk.close()
