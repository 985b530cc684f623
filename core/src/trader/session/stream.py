"""Orders and fills as they happen, where the broker has a stream; hints, the queries are the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from trader.errors import ESCAPES
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


class OrderStream:
    """The stream of one book's broker. `heard(event)` takes each fill and report; `missed()`: some may be lost."""

    def __init__(
        self, session: Session, book: Book, *, heard: Callable[[Fill | OrderReport], None], missed: Callable[[], None]
    ) -> None:
        self.session, self.book = session, book
        self._heard, self._missed = heard, missed

    async def listen(self) -> None:
        """Until the session stops, from one life of the stream to the next; nothing where the broker has none."""
        broker = self.book.engine.broker
        if not isinstance(broker, HasOrderStream):
            return
        make = self.session.world.make_lane or _thread_lane
        lane = make(f"stream {self.book.name}", STREAM_TIMEOUT, 1)
        try:
            while not self.session.world.stopping.is_set():
                await self._listen_once(broker, lane)
                self._missed()
                await asyncio.sleep(STREAM_PAUSE)
        finally:
            lane.close()

    async def _listen_once(self, broker: HasOrderStream, lane: Lane) -> None:
        """One life of the stream: it ends when it raises, ends, or says nothing for longer than it may."""
        try:
            stream = iter(broker.stream_orders())
        except ESCAPES as error:
            self._lost(error)
            return
        try:
            await self._hear(stream, lane)
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                with suppress(*ESCAPES):  # it is over; or a thread that hangs is still in it
                    close()

    async def _hear(self, stream: Iterator[Any], lane: Lane) -> None:
        while not self.session.world.stopping.is_set():
            try:
                event = await lane.call(Priority.QUERY, _next, stream)
            except ESCAPES as error:
                self._lost(error)
                return
            if event is None:
                return
            if isinstance(event, Reset):
                self._missed()
            elif isinstance(event, Fill | OrderReport) and asking.fits_a_stream(event):
                self._heard(event)
            elif not isinstance(event, Idle | Account):
                self._missed()  # nonsense: something may have been missed

    def _lost(self, error: BaseException) -> None:
        self.session.log.warning("stream_lost", book=self.book.name, reason=f"{type(error).__name__}: {error}")


def _thread_lane(name: str, timeout: float, workers: int) -> Lane:
    return ThreadLane(name, timeout=timeout, workers=workers)


def _next(stream: Any) -> Any:
    return next(stream, None)
