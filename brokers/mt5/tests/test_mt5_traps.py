"""What MetaTrader and its module do that nobody expects, and that no other file here has: each trap by its name."""

import importlib.metadata
import logging
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from trader.errors import PluginBroken
from trader.model import Accepted, NotFound, OrderReport, OrderState, Rejected, Unavailable, Unknown
from trader.testing.emulation import Mishap
from trader_emulators.mt5 import dealing

D = Decimal
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


# ---- outcomes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mishap", "said", "there"),
    [
        (Mishap.LOST_REPLY, "last_error -10005", True),  # order_send answers None
        (Mishap.LOST, "last_error -10005", False),
        (Mishap.FAILED, "10011", False),
        (Mishap.FAILED_AFTER, "10012", True),
        (Mishap.HTML, "10008", False),  # placed, without a ticket
        (Mishap.TRUNCATED, "10008", True),
    ],
)
def test_none_with_a_last_error_and_10008_10011_10012_are_unknown_until_the_order_is_found(
    start, ref, mishap, said, there
):
    desk = start()
    broker, order = desk.broker(), desk.order(kind="limit", limit="1.05", tif="gtc")
    desk.emulator.mishap("submit", mishap)
    outcome = broker.submit(order)
    assert isinstance(outcome, Unknown) and said in outcome.reason
    assert desk.emulator.requests("submit") == 1
    assert isinstance(broker.order(ref(order)), OrderReport if there else NotFound)


def test_10031_no_connection_is_unknown_though_the_terminal_said_it_had_one(start, ref, monkeypatch):
    desk = start()
    broker, order = desk.broker(), desk.order(kind="limit", limit="1.05", tif="gtc")
    monkeypatch.setitem(dealing.TROUBLES, Mishap.FAILED_AFTER, 10031)
    desk.emulator.mishap("submit", Mishap.FAILED_AFTER)
    outcome = broker.submit(order)
    assert isinstance(outcome, Unknown) and outcome.kind == "connection" and "10031" in outcome.reason
    assert broker.order(ref(order)).state is OrderState.WORKING


@pytest.mark.parametrize("code", [10004, 10020])
def test_a_requote_is_a_refusal_and_is_not_sent_again(start, monkeypatch, code):
    """The module's own Buy and Sell try ten times."""
    desk = start()
    broker = desk.broker()
    monkeypatch.setitem(dealing.TROUBLES, Mishap.FAILED, code)
    desk.emulator.mishap("submit", Mishap.FAILED)
    outcome = broker.submit(desk.order())
    assert isinstance(outcome, Rejected) and outcome.kind == "price" and str(code) in outcome.reason
    assert desk.emulator.requests("submit") == 1 and not desk.emulator.venue.accepted


def test_the_server_has_no_ids_so_a_key_is_never_sent_twice(start, ref):
    """A resend would be a second deal: whoever asks again is told what became of the first."""
    desk = start()
    broker, order = desk.broker(), desk.order()
    desk.emulator.mishap("submit", Mishap.LOST_REPLY)
    assert isinstance(broker.submit(order), Unknown)
    again = broker.submit(order)
    assert isinstance(again, Rejected) and desk.emulator.requests("submit") == 1
    assert broker.order(ref(order)).state is OrderState.FILLED
    assert len(broker.fills(ALWAYS)) == 1 and len(desk.emulator.venue.accepted) == 1


@pytest.mark.parametrize("comment", ["", "broker's own"])
def test_an_order_whose_comment_the_broker_wrote_over_is_found_by_its_magic(start, ref, comment):
    desk = start()
    desk.emulator.comment = comment
    broker = desk.broker()
    done, waits = desk.sent(broker), desk.sent(broker, kind="limit", limit="1.05", tif="gtc")
    assert broker.order(ref(done)).key == done.key and broker.order(ref(waits)).key == waits.key
    assert [fill.key for fill in broker.fills(ALWAYS)] == [done.key]
    assert isinstance(broker.cancel(ref(waits)), Accepted)


@pytest.mark.parametrize("quantity", ["0.015", "0.001"])
def test_a_volume_that_is_no_multiple_of_its_step_never_leaves(start, quantity):
    desk = start()
    outcome = desk.broker().submit(desk.order(quantity=quantity))
    assert isinstance(outcome, Rejected) and outcome.kind == "quantity" and desk.emulator.requests("submit") == 0


def test_a_symbol_that_the_broker_does_not_have_never_leaves(start):
    """symbol_info answers None, and last_error says that it is not found."""
    desk = start()
    outcome = desk.broker().submit(desk.order(symbol="NOPE"))
    assert isinstance(outcome, Rejected) and outcome.kind == "symbol" and desk.emulator.requests("submit") == 0


# ---- the machine -----------------------------------------------------------------------------------------------------
def test_no_key_is_ever_logged(start, caplog):
    caplog.set_level(logging.DEBUG)
    desk = start()
    broker = desk.broker()
    desk.sent(broker)
    desk.emulator.mishap("account", Mishap.GARBAGE)
    broker.account()
    desk.emulator.revoke()
    answer = broker.account()
    assert isinstance(answer, Unavailable) and answer.kind == "auth"
    desk.emulator.drop_streams()
    said = caplog.text + repr(broker) + repr(vars(broker)) + repr(vars(broker._terminal)) + repr(answer)
    hidden = [desk.emulator.secrets["MT5_PASSWORD"]]
    assert "mt5" in said and not [value for value in hidden if value in said]


@pytest.mark.parametrize(
    ("library", "found", "words"),
    [
        ("MetaTrader5", "4.9", "MetaTrader5 5.0.45 or later, below 6; installed is 4.9"),
        ("rpyc", None, "rpyc 6 or later, below 7; it is not installed"),
        ("rpyc", "5.3", "rpyc 6 or later, below 7; installed is 5.3"),
    ],
)
def test_a_library_that_is_missing_or_of_another_version_says_who_needs_what(start, monkeypatch, library, found, words):
    desk, real = start(), importlib.metadata.version

    def version(name):
        if name != library:
            return real(name)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    if library == "MetaTrader5":
        monkeypatch.setattr("trader_broker_mt5.settings.sys", SimpleNamespace(platform="win32"))
    broker = desk.made(host="" if library == "MetaTrader5" else "127.0.0.1")
    with pytest.raises(PluginBroken) as told:
        broker.open()
    assert "trader-broker-mt5" in str(told.value) and words in str(told.value)
    assert isinstance(broker.positions(), Unavailable), "it is not open"
