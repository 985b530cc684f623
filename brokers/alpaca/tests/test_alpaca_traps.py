"""What the venue and its library do that nobody expects, and that no other file here has: each trap by its name."""

import importlib.metadata
import threading
from datetime import UTC, datetime

import pytest
from trader.clock import SystemClock
from trader.errors import PluginBroken
from trader.model import Accepted, Fill, Idle, OrderReport, OrderState, Rejected, Reset, Unknown
from trader.testing.emulation import Mishap

ALWAYS = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def heard(broker):
    """Events of the broker's stream, while they come; the stream is connected."""
    events, connected = [], threading.Event()

    def read():
        for event in broker.stream_orders():
            if not isinstance(event, Idle):
                events.append(event)
                connected.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert connected.wait(8)
    yield events
    broker.close()
    thread.join(5)


def soon(what, seconds=8.0):
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while not what():
        assert clock.monotonic() < end, "it did not come"
        clock.sleep(0.02)


# ---- retries and keys ------------------------------------------------------------------------------------------------
def test_the_librarys_retries_are_off_one_submit_is_one_request_at_the_venue(venue, broker, order):
    """Its own client sends again: what is counted here would be two."""
    for number, mishap in enumerate((Mishap.FAILED, Mishap.FAILED_AFTER, Mishap.RATE_LIMITED), 1):
        venue.mishap("submit", mishap)
        broker.submit(order(f"t{number}"))
        assert venue.requests("submit") == number, mishap


def test_a_504_after_acceptance_ends_in_one_order_known(venue, broker, order, ref):
    venue.mishap("submit", Mishap.FAILED_AFTER)
    outcome = broker.submit(order("t1", kind="limit", limit="50"))
    assert isinstance(outcome, Unknown) and "504" in outcome.reason
    report = broker.order(ref("t1"))
    assert (report.key, report.state) == ("t1", OrderState.WORKING)
    assert len(venue.venue.accepted) == 1 and [one.key for one in broker.orders()] == ["t1"]


def test_a_duplicate_id_resolves_to_the_live_order_and_stays_taken_after_its_end(venue, broker, order, ref):
    taken = broker.submit(order("t1", kind="limit", limit="50"))
    for state in (OrderState.WORKING, OrderState.CANCELED):
        again = broker.submit(order("t1", kind="limit", limit="50"))
        assert isinstance(again, Rejected) and again.kind == "duplicate"
        report = broker.order(ref("t1"))
        assert (report.venue_id, report.state) == (taken.venue_id, state)
        broker.cancel(ref("t1", taken.venue_id))
        soon(lambda: broker.orders() == ())
    assert len(venue.venue.accepted) == 1


# ---- executions, the stream ------------------------------------------------------------------------------------------
def test_an_execution_that_comes_by_stream_and_by_query_is_booked_once(venue, broker, order, heard):
    """Alpaca names it differently on the two roads: the stream's is no fill, it makes the core ask."""
    broker.submit(order("t1"))
    venue.trade("AAPL", 100.0)
    soon(lambda: any(isinstance(one, OrderReport) and one.state is OrderState.FILLED for one in heard))
    assert not any(isinstance(one, Fill) for one in heard)
    (fill,) = broker.fills(ALWAYS)
    assert fill.key == "t1" and broker.fills(ALWAYS) == (fill,)


def test_the_account_has_one_connection_of_ours_at_a_time(venue, heard):
    """The venue takes one; a second is answered with 429."""
    assert len(venue.sockets) == 1
    venue.drop_streams()
    soon(lambda: sum(isinstance(one, Reset) for one in heard) == 2)
    assert len(venue.sockets) == 1


# ---- the machine -----------------------------------------------------------------------------------------------------
def test_a_proxy_of_the_machine_does_not_get_what_is_for_the_emulator(venue, make, order, monkeypatch):
    """The library's HTTP client takes proxies from the environment, and so does websockets."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    broker, source = make(venue, silence_seconds=2), make.data(venue)
    broker.open()
    assert isinstance(broker.submit(order("t1")), Accepted)
    assert source.open() is None and len(source.quotes(["AAPL"])) == 1
    stream = broker.stream_orders()
    assert isinstance(next(one for one in stream if not isinstance(one, Idle)), Reset)
    stream.close()


@pytest.mark.parametrize(("found", "words"), [(None, "is not installed"), ("9.9", "installed is 9.9")])
def test_a_library_that_is_missing_or_of_another_version_says_who_needs_what(venue, make, monkeypatch, found, words):
    real = importlib.metadata.version

    def version(name):
        if name != "alpaca-py":
            return real(name)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    for made in (make(venue), make.data(venue)):
        with pytest.raises(PluginBroken) as told:
            made.open()
        assert all(word in str(told.value) for word in ("trader-broker-alpaca", "alpaca-py 0.43 or later", words))
    assert venue.requests("account") == 0
