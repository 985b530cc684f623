"""Whose account it is, what the SDK does to others in the process, and what never leaves: traps that
`test_robinhood_traps` has not."""

import importlib.metadata
import logging
import threading
from decimal import Decimal

import pytest
from msgspec import structs
from robin_stocks.robinhood import globals as sdk
from robin_stocks.robinhood import orders as sdk_orders
from trader.clock import SystemClock
from trader.errors import PluginBroken
from trader.model import OrderRef, OrderRequest, OrderState, OrderType, Purpose, Rejected, Side, TimeInForce
from trader.testing.emulation import Mishap
from trader_emulators.http import Answer

D = Decimal


def order(broker, name="t1", kind="limit", symbol="AAPL"):
    return OrderRequest(name, broker.key(name), "main", symbol, Side.BUY, D(2), OrderType(kind), TimeInForce.DAY,
                        D(90) if kind == "limit" else None, None, False, Purpose.REBALANCE, D(100),
                        SystemClock().now())  # fmt: skip


# ---- whose account ---------------------------------------------------------------------------------------------------
def test_a_live_key_is_seen_whatever_is_wished(kit, venue, monkeypatch):
    """Robinhood has real accounts only: what is no emulator on this machine is live."""
    broker = kit.broker()
    assert broker.account().kind == "demo"
    monkeypatch.setattr("trader_broker_robinhood.client.EMULATOR", "X-Nobody-Says-This")
    assert broker.account().kind == "live"


def test_nobody_out_there_may_say_that_real_money_is_none(kit, venue):
    broker = kit.broker()
    broker._settings = broker._settings.model_copy(update={"url": ""})
    assert broker.account().kind == "live"


def test_a_running_broker_never_begins_to_log_in(kit, venue):
    """The SDK's login waits for a prompt in an endless loop, or asks on a terminal where nobody sits."""
    broker = kit.broker()
    venue.revoke()
    assert broker.positions().kind == "auth" and broker.account().kind == "auth"
    outcome = broker.submit(order(broker))
    assert isinstance(outcome, Rejected) and outcome.kind == "auth"
    broker.close()
    assert broker.open().kind == "auth" and venue.requests("login") == 0


# ---- orders ----------------------------------------------------------------------------------------------------------
def test_a_duplicate_id_resolves_to_the_live_order(broker, venue):
    request = order(broker)
    venue.mishap("submit", Mishap.FAILED_AFTER)
    broker.submit(request)
    again = broker.submit(request)
    assert isinstance(again, Rejected) and again.kind == "duplicate"
    report = broker.order(OrderRef("t1", request.key, "AAPL"))
    assert (report.key, report.state) == (request.key, OrderState.WORKING)
    assert len(venue.venue.accepted) == 1


def test_coins_are_not_traded_for_the_sdk_sends_their_orders_three_times(broker, venue):
    request = structs.replace(order(broker), symbol="BTC/USD")
    assert broker.submit(request).kind == "symbol" and venue.requests("submit") == 0


@pytest.mark.parametrize("rows", [[None], [], [{"symbol": "AAPL", "ask_price": None}]])
def test_a_quote_that_is_missing_is_a_refusal_and_not_a_type_error(broker, venue, rows):
    venue.authorized = lambda _, call: Answer(200, {"results": rows}, {}) if call == "quotes" else None
    outcome = broker.submit(order(broker, kind="market"))
    assert isinstance(outcome, Rejected) and "nothing was sent" in outcome.reason and venue.requests("submit") == 0


def test_the_list_of_open_orders_that_the_sdk_cannot_make_is_unavailable(broker, venue):
    venue.mishap("orders", Mishap.RATE_LIMITED)
    with pytest.raises(TypeError):
        sdk_orders.get_all_open_stock_orders()
    venue.mishap("orders", Mishap.RATE_LIMITED)
    assert broker.orders().kind == "rate_limited"


def test_orders_and_questions_of_many_threads_never_change_each_others_headers(kit, venue):
    """The SDK sends JSON by switching the Content-Type of the one session that all share: we never ask it to."""
    world = kit.world()
    broker, source = kit.broker(kit.door(world)), kit.source(kit.door(world, "rh_data", "robinhood"))
    usual, wrong = dict(sdk.SESSION.headers), []

    def look():
        for _ in range(10):
            quotes = source.quotes(["AAPL"])
            wrong.extend([quotes] * (len(quotes) != 1 or dict(sdk.SESSION.headers) != usual))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        broker.submit(order(broker, f"t{number}"))
    for thread in threads:
        thread.join()
    assert not wrong and len(venue.venue.accepted) == 10


# ---- the machine -----------------------------------------------------------------------------------------------------
def test_no_token_is_ever_logged(broker, venue, caplog):
    caplog.set_level(logging.DEBUG)
    broker.submit(order(broker))
    venue.mishap("account", Mishap.GARBAGE)
    broker.account()
    venue.revoke()
    broker.positions()
    said = caplog.text + repr(vars(broker)) + repr(vars(broker._client))
    assert "/orders/" in said
    parts = [value[n : n + 8] for value in venue.secrets.values() for n in range(len(value) - 7)]
    assert parts and not [part for part in parts if part in said]


@pytest.mark.parametrize(("found", "words"), [(None, "is not installed"), ("9.9", "installed is 9.9")])
def test_a_library_that_is_missing_or_of_another_version_says_who_needs_what(kit, venue, monkeypatch, found, words):
    real = importlib.metadata.version

    def version(name):
        if name != "robin-stocks":
            return real(name)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    broker = kit.broker(opened=False)
    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(PluginBroken) as told:
        broker.open()
    assert all(word in str(told.value) for word in ("trader-broker-robinhood", "robin-stocks 3.4 or later", words))
    monkeypatch.undo()
    assert hasattr(broker.open(), "account_id"), "the refusal left nothing behind"
