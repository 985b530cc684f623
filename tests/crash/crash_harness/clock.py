"""One clock for the venue and the traders: it runs with the machine's, and jumps ahead from bar to bar."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from trader.clock import SystemClock

ORIGIN = datetime(2024, 3, 4, tzinfo=UTC)
"""When the venue's world begins, however late it is outside."""
_real = SystemClock()


@dataclass
class SharedClock:
    """`began`: the machine's monotonic seconds at ORIGIN, the same in all its processes. `ahead`: seconds jumped."""

    began: float = field(default_factory=_real.monotonic)
    ahead: float = 0.0

    def now(self) -> datetime:
        return ORIGIN + timedelta(seconds=_real.monotonic() - self.began + self.ahead)

    def monotonic(self) -> float:
        """The machine's: lanes and leases live in it."""
        return _real.monotonic()

    def sleep(self, seconds: float) -> None:
        _real.sleep(seconds)
