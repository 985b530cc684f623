"""A stream whose plugin blocks: it keeps its own threads, and never the loop that everything else runs on."""

import asyncio
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from trader.clock import SystemClock
from trader.model import Idle
from trader.session import stream
from trader.session.lanes import ThreadLane

CLOCK = SystemClock()
pause = CLOCK.sleep


class Feed:
    """A stream that hangs in its method `hangs`, for two seconds at most, until `let` is set; `ends_it`: until it is
    closed, too. It notes who called what."""

    def __init__(self, broker, hangs):
        self.broker, self.hangs, self.closed = broker, hangs, False

    def _called(self, name):
        self.broker.calls[name] += 1
        self.broker.threads.add(threading.current_thread())
        if name == self.hangs:
            end = CLOCK.monotonic() + 2
            while CLOCK.monotonic() < end and not self.broker.let.is_set():
                if self.broker.ends_it and self.closed:
                    return
                pause(0.005)

    def __iter__(self):
        self._called("open")
        return self

    def __next__(self):
        self._called("next")
        pause(0.005)
        if self.closed:
            raise OSError("closed")
        return Idle()

    def close(self):
        self.closed = True
        self._called("close")


class Broker:
    """Its first stream hangs, the next ones do not."""

    def __init__(self, hangs, ends_it):
        self.let, self.ends_it = threading.Event(), ends_it
        self.calls, self.threads, self.feeds, self.first = Counter(), set(), [], hangs

    def stream_orders(self):
        self.feeds.append(Feed(self, self.first))
        self.first = ""
        return self.feeds[-1]


@pytest.fixture
def listens(monkeypatch):
    """listens(broker): its OrderStream, in real threads; everything comes back at the end."""
    monkeypatch.setattr(stream, "STREAM_PAUSE", 0.01)
    made = []

    def make(broker):
        world = SimpleNamespace(
            make_lane=lambda name, _timeout, workers: ThreadLane(name, timeout=0.1, workers=workers),
            stopping=threading.Event(),
        )
        log = SimpleNamespace(warning=lambda *_, **__: None)
        session = SimpleNamespace(world=world, closing=[], log=log)
        book = SimpleNamespace(name="main", engine=SimpleNamespace(broker=broker))
        missed = []
        one = stream.OrderStream(session, book, heard=missed.append, missed=lambda: missed.append(None))
        one.told = missed
        made.append((broker, session))
        return one

    yield make
    for broker, session in made:
        broker.let.set()
        while session.closing:
            session.closing.pop()()


async def until(true):
    for _ in range(1_000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("waited 5 s")


@pytest.mark.parametrize("ends_it", [True, False], ids=["a close ends it", "nothing ends it"])
@pytest.mark.parametrize("where", ["open", "next", "close"])
def test_F42_a_stream_that_hangs_holds_up_its_own_threads_only(listens, where, ends_it):
    """Wherever its plugin blocks, the loop goes on; what was missed is told, and it is opened anew."""
    broker = Broker(where, ends_it)

    async def play():
        one = listens(broker)
        task, longest = asyncio.ensure_future(one.listen()), 0.0
        began = loop_time()
        while len(broker.feeds) < 2 or broker.calls["next"] < 3:
            assert loop_time() - began < 5, "it is not opened anew"
            if where == "close" and broker.feeds and not broker.feeds[0].closed:
                broker.feeds[0].closed = True  # it raises, and must be closed
            before = loop_time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop_time() - before)
        assert longest < 0.5, "the loop stood still"
        assert one.told
        assert threading.current_thread() not in broker.threads
        broker.let.set()
        await until(lambda: broker.feeds[0].closed)
        task.cancel()

    loop_time = CLOCK.monotonic
    asyncio.run(play())


def test_F42_a_generator_that_hangs_is_closed_when_it_comes_back(listens):
    """It refuses to be closed while a thread is in it, and is not forgotten for that."""
    let, closed, opened = threading.Event(), [], []

    class Generates:
        def stream_orders(self):
            number = len(opened)
            opened.append(self._told(number))
            return opened[-1]

        def _told(self, number):
            try:
                yield Idle()
                if number == 0:
                    let.wait(2)
                while True:
                    pause(0.005)
                    yield Idle()
            finally:
                closed.append(number)

    broker = Generates()
    broker.let = let

    async def play():
        task = asyncio.ensure_future(listens(broker).listen())
        await until(lambda: len(opened) == 2)
        assert closed == []
        let.set()
        await until(lambda: closed == [0])
        task.cancel()

    asyncio.run(play())
    assert closed == [0]


def test_a_stream_is_closed_when_the_session_ends(listens):
    """Not on the loop, and not before its session lets go of everything else."""
    broker = Broker("", True)
    one = listens(broker)

    async def play():
        task = asyncio.ensure_future(one.listen())
        await until(lambda: broker.calls["next"] > 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(play())
    assert not broker.feeds[0].closed
    one.session.closing.pop()()
    assert broker.feeds[0].closed and threading.current_thread() not in broker.threads
