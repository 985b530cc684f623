"""Orders and fills as they happen, where the broker has a stream; hints, the queries are the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from trader.errors import ESCAPES, words
from trader.model import Account, Fill, Idle, OrderReport, Reset
from trader.protocols import HasOrderStream
from trader.session import asking
from trader.session.lanes import Lane, Priority, ThreadLane

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Session

STREAM_PAUSE = 1.0
"""Seconds before a stream that ended is opened again."""
STREAM_TIMEOUT = 15.0
"""A stream says at least Idle once a second; one that is silent for so long, seconds, is taken for dead."""
THREADS = 2
"""One that listens, and one that closes a stream while the other hangs in it."""


class OrderStream:
    """The stream of one book's broker. `heard(event)` takes each fill and report; `missed()`: some may be lost."""

    def __init__(
        self, session: Session, book: Book, *, heard: Callable[[Fill | OrderReport], None], missed: Callable[[], None]
    ) -> None:
        self.session, self.book = session, book
        self._heard, self._missed = heard, missed
        self._present: Listening | None = None

    async def listen(self) -> None:
        """Until the session stops, from one life of the stream to the next; nothing where the broker has none."""
        broker = self.book.engine.broker
        if not isinstance(broker, HasOrderStream):
            return
        make = self.session.world.make_lane or _thread_lane
        lane = make(f"stream {self.book.name}", STREAM_TIMEOUT, THREADS)
        self.session.closing.append(lambda: self._end(lane))  # waits for its threads: not while anything runs
        while not self.session.world.stopping.is_set():
            await self._listen_once(Listening(broker), lane)
            await asyncio.sleep(STREAM_PAUSE)

    async def _listen_once(self, stream: Listening, lane: Lane) -> None:
        """One life of the stream: it ends when it raises, ends, or says nothing for longer than it may."""
        self._present = stream
        try:
            await lane.call(Priority.QUERY, stream.open)
            await self._hear(stream, lane)
        except ESCAPES as error:
            self._lost(error)
        self._missed()
        stream.over = True
        with suppress(*ESCAPES):  # it is over; or it hangs, and is closed by the thread that comes back from it
            await lane.call(Priority.CANCEL, stream.close)

    async def _hear(self, stream: Listening, lane: Lane) -> None:
        while not self.session.world.stopping.is_set():
            event = await lane.call(Priority.QUERY, stream.next)
            if event is None:
                return
            if isinstance(event, Reset):
                self._missed()
            elif isinstance(event, Fill | OrderReport) and asking.fits_a_stream(event):
                self._heard(event)
            elif not isinstance(event, Idle | Account):
                self._missed()  # nonsense: something may have been missed

    def _end(self, lane: Lane) -> None:
        """The session has ended."""
        stream = self._present
        if stream is not None and not stream.over:
            stream.over = True
            with suppress(*ESCAPES):
                lane.wait(Priority.CANCEL, stream.close)
        lane.close()

    def _lost(self, error: BaseException) -> None:
        self.session.log.warning("stream_lost", book=self.book.name, reason=words(error))


def _thread_lane(name: str, timeout: float, workers: int) -> Lane:
    return ThreadLane(name, timeout=timeout, workers=workers)


class Listening:
    """One life of a stream, in the threads of its lane."""

    def __init__(self, broker: HasOrderStream) -> None:
        self._broker = broker
        self._stream: Iterator[Any] | None = None
        self.over = False
        """Whether nobody listens any more: whoever comes back from it then closes it."""

    def open(self) -> None:
        self._stream = iter(self._broker.stream_orders())
        self._left()

    def next(self) -> Any:
        """What happened next; None: it has ended."""
        event = next(self._stream, None) if self._stream is not None else None
        self._left()
        return event

    def close(self) -> None:
        """Twice is no harm. Of a generator that hangs it is refused; other streams come back by it."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()

    def _left(self) -> None:
        if self.over:
            self.close()
