"""One clock for the venue and the trader, in two processes: it runs with the machine's and jumps from bar to bar.

Between two jumps a second is a second, so that what a client library stamps on its requests is as old at the venue as
it would be on a real day. A day of half hours is 48 jumps.
"""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trader.clock import SystemClock

ORIGIN = datetime(2026, 6, 16, tzinfo=UTC)
"""When the day begins, a Tuesday, however late it is outside."""
BEGAN, AHEAD, DECIDED = 0, 8, 16
SIZE = 24
_real = SystemClock()


class DayClock:
    """`trader.clock.Clock` over a small file that processes share: the machine's monotonic second at which the day
    began, the seconds jumped since, and how many cycles were decided."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(struct.pack("ddd", _real.monotonic(), 0.0, 0.0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), SIZE)

    def now(self) -> datetime:
        return ORIGIN + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds of the day, jumps included: horizons and intervals live in it."""
        return _real.monotonic() - self._get(BEGAN) + self._get(AHEAD)

    def sleep(self, seconds: float) -> None:
        """A second is a second."""
        _real.sleep(seconds)

    def jump(self, seconds: float) -> None:
        """Ahead, for everybody; one process does it."""
        struct.pack_into("d", self._shared, AHEAD, self._get(AHEAD) + max(seconds, 0.0))

    @property
    def decided(self) -> int:
        """Cycles, in all lives of the trader."""
        return int(self._get(DECIDED))

    def count(self) -> None:
        """One more was decided; the trader does it."""
        struct.pack_into("d", self._shared, DECIDED, self._get(DECIDED) + 1)

    def _get(self, offset: int) -> float:
        value: float = struct.unpack_from("d", self._shared, offset)[0]
        return value
