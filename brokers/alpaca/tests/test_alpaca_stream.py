"""The push stream: reconnects are told, keys that are refused end it, no event is lost in silence."""

import threading

import pytest
from trader.clock import SystemClock
from trader.model import Idle, OrderReport, OrderState, Reset


class Reader:
    """Reads a stream on a thread; `seen` without the idle ones."""

    def __init__(self, broker):
        self.seen, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self._read, args=(broker,), daemon=True)
        self.thread.start()

    def _read(self, broker):
        for event in broker.stream_orders():
            if not isinstance(event, Idle):
                self.seen.append(event)
        self.ended.set()

    def resets(self):
        return [event.reason for event in self.seen if isinstance(event, Reset)]

    def until(self, what, seconds=8.0):
        clock, pause = SystemClock(), threading.Event()
        end = clock.monotonic() + seconds
        while not what():
            assert clock.monotonic() < end, self.seen
            pause.wait(0.02)


@pytest.fixture
def reader(broker):
    reading = Reader(broker)
    reading.until(reading.resets)
    yield reading
    broker.close()
    assert reading.ended.wait(5)


def test_orders_are_told_and_executions_are_left_to_fills(venue, broker, reader, order):
    broker.submit(order("t1", quantity=2))
    venue.trade("AAPL", 100.0)
    reader.until(lambda: any(one.state is OrderState.FILLED for one in reader.seen if isinstance(one, OrderReport)))
    assert {type(one) for one in reader.seen} == {Reset, OrderReport}
    assert {one.key for one in reader.seen if isinstance(one, OrderReport)} == {"t1"}


def test_F41_a_break_is_told_and_the_stream_comes_back(venue, broker, reader, order):
    """Nothing is repeated by the venue: whoever reads must ask."""
    venue.drop_streams()
    reader.until(lambda: len(reader.resets()) == 2)
    broker.submit(order("t2"))
    reader.until(lambda: any(isinstance(one, OrderReport) and one.key == "t2" for one in reader.seen))


def test_F42_silence_is_noticed(venue, reader):
    venue.mute_streams(3.0)
    reader.until(lambda: len(reader.resets()) == 2, 12.0)


def test_F44_refused_keys_end_the_stream_and_say_so(venue, reader):
    """The library tries again for ever, and says nothing."""
    venue.revoke()
    venue.drop_streams()
    assert reader.ended.wait(8)
    assert reader.resets()[-1].startswith("auth: ") and "ALPACA_API_KEY" in reader.resets()[-1]


@pytest.mark.parametrize("said", [b"{half a mess", b'{"stream":"trade_updates","data":7}', b"[1]"])
def test_F43_a_message_that_cannot_be_read_is_told_and_the_next_ones_come(venue, broker, reader, order, said):
    """The library logs what a handler raises, and the event is gone."""
    for socket in list(venue.sockets):
        venue.on_loop(socket.send_bytes(said))
    reader.until(lambda: any("cannot be read" in reason for reason in reader.resets()))
    broker.submit(order("t3"))
    reader.until(lambda: any(isinstance(one, OrderReport) for one in reader.seen))
    assert len(reader.resets()) == 2


def test_close_ends_the_stream_at_once(broker, reader):
    clock = SystemClock()
    begun = clock.monotonic()
    broker.close()
    broker.close()
    assert reader.ended.wait(2) and clock.monotonic() - begun < 2


def test_no_key_is_ever_logged(venue, make, caplog):
    """websockets logs both ends of every message at level DEBUG, and the first one has the keys."""
    caplog.set_level("DEBUG")
    opened = make(venue, silence_seconds=2)
    opened.open()
    reading = Reader(opened)
    reading.until(reading.resets)
    venue.revoke()
    venue.drop_streams()
    assert reading.ended.wait(8)
    opened.positions()
    said = caplog.text + repr(vars(opened)) + repr(reading.seen)
    assert "alpaca" in said
    parts = [value[n : n + 8] for value in venue.secrets.values() for n in range(len(value) - 7)]
    assert not [part for part in parts if part in said]


def test_a_stream_of_a_closed_broker_has_no_events(broker):
    broker.close()
    assert list(broker.stream_orders()) == []
