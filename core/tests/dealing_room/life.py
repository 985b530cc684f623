"""Time, and one life of the program in it."""

import asyncio
import selectors
from datetime import UTC, datetime, timedelta

START = datetime(2024, 1, 2, 12, 0, 1, tzinfo=UTC)
LONGEST = 30 * 86_400.0


class Crash(BaseException):
    """The process is gone: nothing of it is done any more."""


class Time:
    """Virtual time of the world. `step` moves the clock on the wall and not the time that passes."""

    def __init__(self):
        self.passed, self.stepped = timedelta(0), timedelta(0)

    def now(self):
        return START + self.passed + self.stepped

    def monotonic(self):
        return self.passed.total_seconds()

    def sleep(self, seconds):
        self.advance(seconds)

    def advance(self, seconds):
        self.passed += timedelta(seconds=seconds)
        assert self.monotonic() < LONGEST, "nobody ends this"

    def step(self, seconds):
        self.stepped += timedelta(seconds=seconds)


class Life:
    """The clock of one process, and the places where it may die."""

    def __init__(self, time, at):
        self._time, self._at, self.dead, self._deadly = time, at, False, None
        self.points = []
        """Every named place that it came by."""

    def die_at(self, point, number):
        self._deadly = [point, number]

    def touch(self):
        if self.dead:
            raise Crash

    def point(self, name):
        self.touch()
        self.points.append(name)
        if name in self._at:
            self._at[name]()
        if self._deadly is not None and self._deadly[0] == name:
            self._deadly[1] -= 1
            if self._deadly[1] == 0:
                self.kill(name)

    def kill(self, where=""):
        self.dead = True
        raise Crash(where)

    def now(self):
        self.touch()
        return self._time.now()

    def monotonic(self):
        self.touch()
        return self._time.monotonic()

    def sleep(self, seconds):
        self.touch()
        self._time.advance(seconds)


class Loop(asyncio.SelectorEventLoop):
    """An event loop that never waits: where nothing is ready, time passes."""

    def __init__(self, time):
        self._virtual = time
        super().__init__(_Jumping(time))
        self._clock_resolution = 1e-5  # finer than a microsecond would never pass
        self.errors = []
        self.set_exception_handler(lambda _loop, context: self.errors.append(context))

    def time(self):
        return self._virtual.monotonic()


class _Jumping(selectors.DefaultSelector):
    def __init__(self, time):
        super().__init__()
        self._virtual = time

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("the event loop waits for something that never comes")
        if not ready and timeout > 0:
            self._virtual.advance(timeout)
        return ready
