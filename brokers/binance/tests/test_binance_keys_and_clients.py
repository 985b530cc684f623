"""Keys, whose account it is, and the machine around the library: traps that `test_binance_traps` has not."""

from __future__ import annotations

import importlib.metadata
import logging
import threading
from decimal import Decimal

import pytest
from trader.errors import PluginBroken
from trader.model import Accepted, Idle, OrderState, Rejected, Reset, Unavailable
from trader.testing.emulation import Mishap
from trader.testing.fakes import fake_env
from trader_broker_binance import provide_broker, rest
from trader_broker_binance.futures import provide_broker as provide_futures
from trader_broker_binance.settings import FuturesSettings, SpotSettings

both = pytest.mark.parametrize("name", ["binance", "binance_futures"])
PROVIDE = {"binance": (provide_broker, SpotSettings), "binance_futures": (provide_futures, FuturesSettings)}


class Listener(threading.Thread):
    """Reads a broker's stream, and counts how often it began."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.events, self._broker = [], broker
        self.start()

    def run(self):
        self.events += (event for event in self._broker.stream_orders() if not isinstance(event, Idle))

    def resets(self):
        return sum(isinstance(one, Reset) for one in self.events)


# ---- whose account ---------------------------------------------------------------------------------------------------
@both
def test_a_live_key_is_seen_whatever_is_wished(desk, name, monkeypatch):
    """Mainnet is live, and so is whatever answers at a local address and is no emulator: a tunnel to mainnet."""
    provide, settings = PROVIDE[name]
    assert provide(settings(), fake_env(name)).kind == "demo"
    mainnet = provide(settings(environment="mainnet"), fake_env(name))
    assert mainnet.kind == "live"
    mainnet.rest.emulator = "binance"
    assert mainnet.kind == "live", "nobody out there may say that real money is none"
    at = desk(name)
    assert at.broker(opened=False).open().kind == "demo"
    monkeypatch.setattr(rest, "EMULATOR", "X-Nobody-Says-This")
    assert at.broker(opened=False).open().kind == "live"


@both
def test_a_duplicate_id_resolves_to_the_live_order(desk, name):
    at = desk(name)
    broker, request = at.broker(), at.request(limit_price=Decimal(19_000))
    at.venue.mishap("submit", Mishap.FAILED_AFTER)  # a 503 after acceptance
    broker.submit(request)
    again = broker.submit(request)
    assert isinstance(again, Rejected) and again.kind == "duplicate"
    report = broker.order(desk.ref(request))
    assert (report.key, report.state) == (request.key, OrderState.WORKING)
    assert len(at.venue.venue.accepted) == 1


@both
def test_a_key_that_is_revoked_in_mid_session_is_told_as_that(desk, name):
    at = desk(name)
    broker = at.broker()
    at.venue.revoke()
    answer = broker.account()
    assert isinstance(answer, Unavailable) and answer.kind == "auth"
    refused = broker.submit(at.request())
    assert isinstance(refused, Rejected) and refused.kind == "auth" and not at.venue.venue.accepted


@both
def test_no_key_is_ever_logged(desk, name, caplog):
    """websockets logs every frame at level DEBUG, and the first one of spot has the key; urllib3 logs addresses."""
    caplog.set_level(logging.DEBUG)
    at = desk(name)
    broker = at.broker()
    heard = Listener(broker)
    desk.soon(lambda: heard.resets() == 1)
    at.venue.drop_streams()
    desk.soon(lambda: heard.resets() == 2)
    at.venue.mishap("account", Mishap.GARBAGE)
    broker.account()
    at.venue.revoke()
    broker.account()
    broker.close()
    said = caplog.text + repr(vars(broker)) + repr(heard.events)
    assert "/api/" in said or "/fapi/" in said, "the requests themselves are"
    parts = [value[n : n + 16] for value in at.venue.secrets.values() for n in range(len(value) - 15)]
    assert parts and not [part for part in parts if part in said]
    assert "userDataStream" not in said and "listenKey=" not in said, "nor what a websocket sends"


# ---- the machine -----------------------------------------------------------------------------------------------------
@both
def test_F41_more_drops_than_the_library_would_reconnect(desk, name, monkeypatch):
    """After five it gives up, and says nothing for ever: each life of the stream is a new one."""
    from trader_broker_binance import stream

    monkeypatch.setattr(stream, "LONGEST", 0.1)
    at = desk(name)
    heard = Listener(at.broker())
    for number in range(1, 7):
        desk.soon(lambda number=number: heard.resets() >= number)
        at.venue.drop_streams()
    desk.soon(lambda: heard.resets() >= 7)


@both
def test_a_proxy_of_the_machine_does_not_get_what_is_for_the_emulator(desk, name, monkeypatch):
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    at = desk(name)
    broker = at.broker()
    assert isinstance(broker.submit(at.request()), Accepted)
    heard = Listener(broker)
    desk.soon(lambda: heard.resets() == 1)


@pytest.mark.parametrize(("found", "words"), [(None, "is not installed"), ("9.9", "installed is 9.9")])
@both
def test_a_library_that_is_missing_or_of_another_version_says_who_needs_what(desk, name, monkeypatch, found, words):
    at, real = desk(name), importlib.metadata.version

    def version(distribution):
        if distribution != "python-binance":
            return real(distribution)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(distribution)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(PluginBroken) as told:
        at.broker(opened=False).open()
    for word in ("trader-broker-binance", "python-binance 1.0.36 or later", words):
        assert word in str(told.value)
    assert at.venue.requests("account") == 0
