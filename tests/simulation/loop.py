"""An event loop in virtual time: it never sleeps, has no threads, and runs tasks in an order that the seed draws."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from .timing import Timeline


class Stuck(RuntimeError):
    """Nothing is ready and nothing ever will be: what is waited for does not come."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`timeline` is moved to the next timer when nothing is ready. `after()` is called after each callback, `timer()`
    before one that a timer set off; whatever they raise ends the run. `failed(error)` hears of callbacks that raise."""

    def __init__(
        self,
        timeline: Timeline,
        dice: Random,
        *,
        after: Callable[[], None],
        timer: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        super().__init__()
        self._timeline, self._dice = timeline, dice
        self._after, self._timer, self._failed = after, timer, failed
        self._turn: list[Any] = []
        """What is run now. Where somebody dies in it the rest belongs to whoever buries him: nobody else has it."""
        self.set_exception_handler(self._heard)

    def time(self) -> float:
        return self._timeline.seconds

    def _run_once(self) -> None:
        """One turn, as the real one does it: what timers are due, then all that is ready."""
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise Stuck("the event loop waits for nothing")
            self._timeline.to(scheduled[0]._when)
        due = self._timeline.seconds
        timers: set[int] = set()
        while scheduled and scheduled[0]._when <= due:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
            timers.add(id(handle))
        turn = [*ready]
        ready.clear()
        if len(turn) > 1:
            turn = self._drawn(turn)
        self._turn = turn
        for handle in turn:
            if not handle._cancelled:
                if id(handle) in timers:
                    self._timer()
                self._call(handle)
                self._after()
        self._turn = []

    def _drawn(self, turn: list[Any]) -> list[Any]:
        """The same callbacks, those that are steps of tasks shuffled: asyncio promises no order among tasks."""
        steps = [place for place, handle in enumerate(turn) if isinstance(_owner(handle), asyncio.Task)]
        if len(steps) > 1:
            order = steps[:]
            self._dice.shuffle(order)
            shuffled = turn[:]
            for place, other in zip(steps, order, strict=True):
                shuffled[place] = turn[other]
            return shuffled
        return turn

    def _call(self, handle: Any) -> None:
        try:
            handle._context.run(handle._callback, *handle._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as the real loop does
            self._failed(error)

    def _heard(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "callback" not in context["message"]:
            return  # what the garbage collector finds, it finds at no certain time
        error = context.get("exception")
        self._failed(error if isinstance(error, BaseException) else RuntimeError(context["message"]))

    # ---- what the operating system would be asked for --------------------------------------------------------------
    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody needs to be woken."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """There are no threads: it is done at once."""
        answer = self.create_future()
        try:
            answer.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            answer.set_exception(error)
        return answer

    def _process_events(self, event_list: Any) -> None:
        raise NotImplementedError("there is no input and no output here")


def _owner(handle: Any) -> object:
    return getattr(handle._callback, "__self__", None)
