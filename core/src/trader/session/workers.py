"""The threads of a lane: they take things by priority, one at a time, and know two deadlines.

A batch is put once; its things are begun one after another, and whatever is more urgent goes in between. What waits
past its deadline is never begun. What runs past its deadline is given up: its thread hangs until the call comes back,
the rest of its batch goes to another thread, or is given up too where every thread hangs.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from trader.clock import SystemClock
from trader.env import CALL
from trader.errors import ESCAPES, words

CLOSING = 5.0
"""Seconds that a lane waits for a running call when it is closed; the thread ends with the process."""


class NotStarted(TimeoutError):
    """It was never begun and never will be: nothing of it reached anybody."""


class Batch:
    """Things on their way, guarded by the lock of their workers. `answers`: one for each thing, an exception for one
    that raised or was given up; complete once `done`."""

    __slots__ = ("answers", "done", "late", "order", "since", "tell", "things", "thread", "work")

    def __init__(
        self,
        order: tuple[int, int],
        work: Callable[[Any], Any],
        things: Sequence[Any],
        tell: Callable[[], None],
        late: Callable[[Any, Any], None],
    ) -> None:
        self.order, self.work, self.things, self.tell, self.late = order, work, things, tell, late
        self.answers: list[Any] = []
        self.thread: threading.Thread | None = None
        """Who runs its present thing."""
        self.done = False
        self.since = 0.0
        """When what runs was begun; while nothing runs, when the rest began to wait."""

    def __lt__(self, other: Batch) -> bool:
        return self.order < other.order


class Workers:
    """So many daemon threads. `timeout`: seconds that a thing may wait, and seconds that it may take."""

    def __init__(self, name: str, timeout: float, count: int) -> None:
        self.timeout = timeout
        self._now = SystemClock().monotonic  # threads live in real time, whatever clock the session has
        self._order = itertools.count()
        self._waiting: list[Batch] = []
        self._condition = threading.Condition()
        self._closed = False
        self._hung: set[threading.Thread] = set()
        """Threads whose call was given up and has not come back."""
        self._threads = [
            threading.Thread(target=self._work, name=f"lane {name} {number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    # ---- for callers -----------------------------------------------------------------------------------------------
    def put(
        self,
        priority: int,
        work: Callable[[Any], Any],
        things: Sequence[Any],
        tell: Callable[[], None],
        late: Callable[[Any, Any], None],
    ) -> Batch:
        """`tell()` once all is answered, `late(thing, answer)` for what was given up and answers after all: both from
        any thread, under the lock, so they must only pass it on."""
        batch = Batch((priority, next(self._order)), work, things, tell, late)
        with self._condition:
            batch.since = self._now()
            if self._closed:
                self._end(batch)
            else:
                heapq.heappush(self._waiting, batch)
                self._condition.notify()
        return batch

    def look(self, batch: Batch) -> float:
        """Give up what is past its deadline; seconds until the next look, 0 if there is nothing left to look at."""
        with self._condition:
            left = batch.since + self.timeout - self._now()
            if batch.done or left > 0:
                return 0.0 if batch.done else left
            self._give_up(batch)
            # Where all threads hang, nobody could begin the rest, which has waited as long as what hangs.
            if len(batch.answers) < len(batch.things) and len(self._hung) < len(self._threads):
                heapq.heappush(self._waiting, batch)
                self._condition.notify()
                return self.timeout
            self._end(batch)
            return 0.0

    def abandon(self, batch: Batch) -> None:
        """The caller no longer waits: nothing more is begun, an answer that still comes is late."""
        with self._condition:
            if not batch.done:
                self._give_up(batch)
                self._end(batch)

    def close(self) -> None:
        """Begin nothing more; wait a little for what runs and does not hang already."""
        with self._condition:
            self._closed = True
            for batch in self._waiting:
                self._end(batch)
            self._waiting.clear()
            self._condition.notify_all()
            threads = [thread for thread in self._threads if thread not in self._hung]
            end = self._now() + min(self.timeout, CLOSING)
        for thread in threads:
            thread.join(max(0.0, end - self._now()))

    # ---- with the lock held ----------------------------------------------------------------------------------------
    def _give_up(self, batch: Batch) -> None:
        """What runs is over for its caller, and the rest waits from now on; what only waited is over as a whole."""
        if batch.thread is None:
            self._end(batch)
            return
        self._hung.add(batch.thread)
        batch.answers.append(TimeoutError(f"no answer within {self.timeout:g} s"))
        batch.thread, batch.since = None, self._now()
        if len(batch.answers) == len(batch.things):
            self._end(batch)

    def _end(self, batch: Batch) -> None:
        """Tell the caller, once; what was not begun never will be."""
        if not batch.done:
            left = len(batch.things) - len(batch.answers)
            batch.answers += [NotStarted(f"not begun within {self.timeout:g} s") for _ in range(left)]
            batch.done = True
            batch.tell()

    def _begin(self, me: threading.Thread) -> Batch | None:
        """The most urgent batch that waits, its next thing now begun by this thread."""
        while self._waiting:
            batch, now = heapq.heappop(self._waiting), self._now()
            if now - batch.since > self.timeout:
                self._end(batch)
            if not batch.done:
                batch.thread, batch.since = me, now
                if self._waiting:
                    self._condition.notify()
                return batch
        return None

    # ---- the threads -----------------------------------------------------------------------------------------------
    def _work(self) -> None:
        me = threading.current_thread()
        while (batch := self._next(me)) is not None:
            while batch is not None:
                batch = self._do(me, batch)

    def _next(self, me: threading.Thread) -> Batch | None:
        """Wait for something to do; None once closed."""
        with self._condition:
            while not self._closed:
                batch = self._begin(me)
                if batch is not None:
                    return batch
                self._condition.wait()
        return None

    def _do(self, me: threading.Thread, batch: Batch) -> Batch | None:
        """The present thing of a batch; then what is begun next, if anything waits."""
        thing = batch.things[len(batch.answers)]
        CALL.until = batch.since + self.timeout
        try:
            answer = batch.work(thing)
        except ESCAPES as error:  # raised where the answer is awaited
            answer = error
        except BaseException as error:  # noqa: BLE001 - asyncio's own would cancel whoever awaits the answer
            answer = RuntimeError(f"the plugin raised {words(error)}")
            answer.__cause__ = error
        with self._condition:
            if batch.thread is not me:
                self._hung.discard(me)
                if not isinstance(answer, BaseException):
                    batch.late(thing, answer)
            else:
                batch.thread, batch.since = None, self._now()
                batch.answers.append(answer)
                if len(batch.answers) == len(batch.things) or self._closed:
                    self._end(batch)
                else:
                    heapq.heappush(self._waiting, batch)
            return None if self._closed else self._begin(me)
