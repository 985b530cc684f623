"""The broker's clock: MetaTrader stamps everything in its server's local time, as if that were UTC.

Nothing in the API says how far that is from UTC. It is set by a person, or measured on the newest tick: a tick is
never from the future, and while the market trades it is seconds old.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

QUARTER = 900.0
FRESH = 30.0
"""A tick this old, in seconds, still tells the time."""
LATE = timedelta(minutes=5)
"""A tick may reach the terminal so much later than it was made."""
EAST, WEST = 14 * 3600.0, -12 * 3600.0
ZONE = re.compile(r"(?P<zone>[A-Za-z_/]+(?:[+-]\d\d?(?=[+-]))?)(?P<hours>[+-]\d{1,2})?")


class ServerTime:
    """Between UTC and stamps. `sure`: the offset was set, or measured on a fresh tick."""

    def __init__(self, *, hours: float | None = None, zone: str = "") -> None:
        """ValueError for a zone that nobody knows."""
        self._zone: ZoneInfo | None = None
        self._more = timedelta()
        if zone:
            self._zone, self._more = _zone(zone)
        self._measures = hours is None and not zone
        self.offset = timedelta(hours=hours or 0.0)
        self.sure = not self._measures
        self.changed: datetime | None = None
        """When it was seen that the offset is another than before (summer time)."""
        self._looks: dict[str, tuple[datetime, datetime]] = {}
        """By symbol: the stamp that its last tick had, and when that was looked at."""
        self.ahead = 0.0
        """Seconds that the venue's clock is certainly ahead of this machine's, beyond the offset."""

    def utc(self, stamp: datetime) -> datetime:
        """What a stamp means. OverflowError beyond the calendar's ends."""
        if self._zone is None:
            return stamp - self.offset
        local = (stamp - self._more).replace(tzinfo=self._zone)
        return local.astimezone(UTC)

    def stamp(self, moment: datetime) -> datetime:
        """How the server writes a moment."""
        if self._zone is None:
            return moment + self.offset
        return moment.astimezone(self._zone).replace(tzinfo=UTC) + self._more

    def saw(self, stamp: datetime, now: datetime, name: str = "") -> None:
        """The newest tick of a symbol has this stamp: measure.

        An old tick (a closed market) tells nothing. One that is old by whole quarters of an hour looks fresh, and
        shows too small an offset, never too large a one. So an offset that is sure grows at once, and shrinks only
        if it is refuted: by it, the tick would have come well before the last look at that symbol, which did not show
        it. The first measurement has no look before it: made on such a tick of a closed market it stays too small
        until the next one (moments seem later than they are, never earlier).
        """
        stamp = stamp.replace(microsecond=0)  # some calls tell no milliseconds of the same tick
        before, self._looks[name] = self._looks.get(name), (stamp, now)
        seconds = (stamp - self.stamp(now) + (self.offset if self._measures else timedelta())).total_seconds()
        if not self._measures:
            self.ahead = max(seconds, 0.0) if abs(seconds) < QUARTER / 2 else 0.0
            return
        offset = QUARTER * round(seconds / QUARTER)
        rest = seconds - offset
        if rest < -FRESH or not WEST <= offset <= EAST:
            return
        measured = timedelta(seconds=offset)
        if self.sure and measured < self.offset and not self._refuted(stamp, before):
            return
        if self.sure and measured != self.offset:
            self.changed = now
        self.offset, self.sure, self.ahead = measured, True, max(rest, 0.0)

    def _refuted(self, stamp: datetime, before: tuple[datetime, datetime] | None) -> bool:
        """Whether the offset cannot be, by a tick and the last look at its symbol."""
        return before is not None and stamp != before[0] and stamp - self.offset < before[1] - LATE

    @property
    def overlap(self) -> timedelta:
        """How wrong a moment may be: so much more is asked for, and nothing within it is left out."""
        if self._zone is not None:
            return timedelta()
        return timedelta(hours=1) if self.sure else timedelta(hours=15)


def _zone(text: str) -> tuple[ZoneInfo, timedelta]:
    match = ZONE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return ZoneInfo(match["zone"]), timedelta(hours=int(match["hours"] or 0))
    except (ValueError, OSError, LookupError) as problem:
        raise ValueError(
            f"server_timezone must be a zone such as Europe/Athens or America/New_York+7, was {text!r}"
            " (on Windows zones need the package tzdata)"
        ) from problem
