"""For those who wrap a venue: what a rate limit leaves, a callback's inbox, a client library's version."""

import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from trader.allowance import Allowance
from trader.clock import VirtualClock
from trader.errors import PluginBroken
from trader.inbox import Inbox
from trader.model import Idle, Reset
from trader.sdk import need

START = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def clock():
    return VirtualClock(START)


# ---- allowance -----------------------------------------------------------------------------------------------------
def test_nothing_is_refused_before_the_venue_said_anything(clock):
    assert Allowance(clock.now).refusal() is None


def test_the_last_of_a_limit_is_kept_for_cancels(clock):
    allowance = Allowance(clock.now, reserve=0.1)
    allowance.told(89, 100, START + timedelta(seconds=20))
    assert allowance.refusal() is None
    allowance.told(90, 100, START + timedelta(seconds=20))
    assert allowance.refusal().retry_after == 20 and allowance.refusal(urgent=True) is None
    clock.advance(20)
    assert allowance.refusal() is None


def test_a_venue_that_wants_to_be_left_alone_is_but_for_cancels(clock):
    allowance = Allowance(clock.now, window=60)
    allowance.wait(5)
    assert allowance.refusal().retry_after == 5 and allowance.refusal(urgent=True) is None
    allowance.wait(2)  # a shorter wish does not shorten the first
    clock.advance(4)
    assert allowance.refusal().retry_after == 1
    clock.advance(1)
    assert allowance.refusal() is None
    allowance.wait(None)
    assert allowance.refusal().retry_after == 60


def test_a_ban_binds_cancels_too(clock):
    allowance = Allowance(clock.now)
    allowance.wait(30, banned=True)
    assert allowance.refusal(urgent=True).retry_after == 30
    clock.advance(30)
    assert allowance.refusal() is None


@pytest.mark.parametrize("banned", [False, True])
def test_F52_a_clock_that_is_set_back_does_not_make_a_pause_longer(banned):
    times = [START]
    allowance = Allowance(lambda: times[-1])
    allowance.wait(30, banned=banned)
    times.append(START - timedelta(hours=5))
    assert allowance.refusal().retry_after == 30
    times.append(times[-1] + timedelta(seconds=30))
    assert allowance.refusal() is None and allowance.refusal(urgent=True) is None


def test_F52_a_clock_that_is_set_back_does_not_keep_the_last_of_a_limit_for_longer():
    times = [START]
    allowance = Allowance(lambda: times[-1])
    allowance.told(99, 100)
    times.append(START - timedelta(hours=5))
    assert allowance.refusal().retry_after == 60
    times.append(times[-1] + timedelta(seconds=60))
    assert allowance.refusal() is None


def test_a_limit_of_nothing_says_nothing(clock):
    allowance = Allowance(clock.now)
    allowance.told(5, 0)
    assert allowance.refusal() is None


# ---- inbox ---------------------------------------------------------------------------------------------------------
def test_what_arrived_is_read_in_order_and_then_it_is_quiet():
    inbox = Inbox()
    for event in "abc":
        inbox.put(event)
    assert [inbox.get(0) for _ in range(4)] == ["a", "b", "c", Idle(0)]


def test_a_reader_that_is_too_slow_is_told_to_ask():
    inbox = Inbox(room=3)
    for event in "abcd":
        inbox.put(event)
    reset, last = inbox.get(0), inbox.get(0)
    assert isinstance(reset, Reset) and last == "d"


def test_closing_ends_the_iteration_after_what_waits():
    inbox = Inbox()
    inbox.put("a")
    inbox.close()
    inbox.put("too late")
    assert list(inbox) == ["a"]


def test_a_reader_that_waits_is_woken_by_another_thread():
    inbox = Inbox()
    read = []
    reader = threading.Thread(target=lambda: read.extend(inbox))
    reader.start()
    inbox.put("a")
    inbox.close()
    reader.join(5)
    assert not reader.is_alive() and "a" in read


# ---- client libraries ----------------------------------------------------------------------------------------------
def test_a_client_library_in_a_tried_version_is_imported():
    assert need("trader-x", "pytest", "1", "1000", "pytest") is sys.modules["pytest"]


def test_a_client_library_that_is_missing_says_who_needs_it_and_what():
    with pytest.raises(PluginBroken, match=r"trader-x needs no-such-sdk 1\.2 or later, below 2; it is not installed"):
        need("trader-x", "no-such-sdk", "1.2", "2", "no_such_sdk")


@pytest.mark.parametrize(("least", "below"), [("999", "1000"), ("0.1", "0.2")])
def test_a_client_library_of_another_version_says_what_is_supported_and_what_was_found(least, below):
    with pytest.raises(PluginBroken, match=rf"works with pytest {least} or later, below {below}; installed is "):
        need("trader-x", "pytest", least, below, "pytest")


def test_a_client_library_that_does_not_import_says_why():
    with pytest.raises(PluginBroken, match="does not import"):
        need("trader-x", "pytest", "1", "1000", "pytest.no_such_module")


def test_a_client_library_that_raises_when_it_is_imported_says_why(tmp_path, monkeypatch):
    (tmp_path / "broken_sdk.py").write_text("import sys\nsys.no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginBroken, match="does not import: AttributeError") as broken:
        need("trader-x", "pytest", "1", "1000", "broken_sdk")
    assert "Install pytest anew" in broken.value.todo
