"""A broker and a data source of Robinhood, and an emulated Robinhood for them."""

from pathlib import Path

import pytest
from trader.env import World
from trader_broker_robinhood import Settings, provide_broker
from trader_broker_robinhood.data import Settings as DataSettings
from trader_broker_robinhood.data import provide_data_source
from trader_emulators import Setup, emulate

SECRETS = ("ROBINHOOD_TOKEN", "ROBINHOOD_USERNAME", "ROBINHOOD_PASSWORD", "ROBINHOOD_MFA")
DISTRIBUTION = "trader-broker-robinhood"


class Kit:
    """make(): an emulator, and who talks to it. Everything is closed at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._ends = folder, []
        self.emulator = None

    def venue(self, **setup):
        self.emulator = emulate("robinhood", Setup(**{"patience": 3.0, **setup}))
        self._ends.append(self.emulator.close)
        return self.emulator

    def world(self, **environ):
        secrets = dict(self.emulator.secrets) if self.emulator is not None else {}
        world = World(root=self._folder, state=self._folder / "state", environ={**secrets, **environ})
        self._ends.append(world.close)
        return world

    def door(self, world=None, name="robinhood", connection=None):
        return (world or self.world()).door(name, distribution=DISTRIBUTION, connection=connection, secrets=SECRETS)

    def broker(self, door=None, *, opened=True, **settings):
        door = door or self.door()
        broker = provide_broker(Settings(**{**self.emulator.options, **settings}), door)
        self._ends.append(broker.close)
        if opened:
            account = broker.open()
            assert hasattr(account, "account_id"), account
        return broker

    def source(self, door=None, *, opened=True, **settings):
        source = provide_data_source(DataSettings(**{**self.emulator.options, **settings}), door or self.door())
        self._ends.append(source.close)
        if opened:
            assert source.open() is None
        return source

    def close(self):
        for end in reversed(self._ends):
            end()


@pytest.fixture
def kit(tmp_path):
    kit = Kit(tmp_path)
    yield kit
    kit.close()


@pytest.fixture
def venue(kit):
    return kit.venue()


@pytest.fixture
def broker(kit, venue):
    return kit.broker()
