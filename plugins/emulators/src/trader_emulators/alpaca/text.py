"""How Alpaca writes things: moments, amounts, ids, errors. Pure."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from trader_emulators.http import Answer

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000_000
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)


class Refused(Exception):
    """The venue says no; with what."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def no(status: int, code: int, message: str, **more: str) -> Answer:
    """An error of the trading API."""
    return Answer(status, {"code": code, "message": message, **more})


def invalid(message: str) -> Refused:
    """A request that cannot be understood."""
    return Refused(no(422, 40010001, message))


def nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1_000


def stamp(nanos: int) -> str:
    """RFC 3339 in UTC, as many digits of the second as it has."""
    seconds, rest = divmod(nanos, SECOND)
    digits = f"{rest:09d}".rstrip("0")
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}{'.' if digits else ''}{digits}Z"


def read_moment(text: str) -> int:
    """Nanoseconds since 1970 of a date or of an RFC 3339 time. ValueError for anything else."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, time, digits, zone = found.groups()
    if not "1900" <= day < "2200":
        raise ValueError(text)  # far from both ends of what a datetime can be
    if time is None:
        return nanoseconds(datetime.fromisoformat(day).replace(tzinfo=UTC))
    whole = datetime.fromisoformat(f"{day}T{time}{'+00:00' if zone in 'Zz' else zone}")
    return nanoseconds(whole.astimezone(UTC)) + int((digits or "0").ljust(9, "0"))


def amount(value: Decimal) -> str:
    """Plain digits without superfluous zeros, nine after the point at most."""
    if value.as_tuple().exponent < -9:  # type: ignore[operator]  # it is finite
        value = value.quantize(Decimal("1e-9"))
    return f"{value.normalize() if value else Decimal(0):f}"


def dollars(value: Decimal) -> str:
    """Cents."""
    return f"{value.quantize(Decimal('0.01')):f}"


class Names:
    """The venue's ids. They differ between two runs, as no id ever comes again at the venue."""

    def __init__(self, begun: datetime) -> None:
        self._salt = zlib.crc32(begun.isoformat().encode())

    def order(self, venue_id: str) -> str:
        """V12-2 -> a uuid that `venue_order` can read."""
        number, _, turn = venue_id.removeprefix("V").partition("-")
        return f"{self._salt:08x}-{int(turn or 1):04x}-4a1c-8000-{int(number):012x}"

    def venue_order(self, text: str) -> str | None:
        """The other way; None for an id that this venue never gave."""
        try:
            value = UUID(text)
        except ValueError:
            return None
        turn, number = value.fields[1], value.node
        venue_id = f"V{number}" + (f"-{turn}" if turn > 1 else "")
        return venue_id if number and turn and self.order(venue_id) == str(value) else None

    def execution(self, execution_id: str) -> str:
        """What the stream calls an execution."""
        return self._uuid(f"execution/{execution_id}")

    def activity(self, kind: str, name: str, moment: datetime) -> str:
        """What the account's history calls something: New York's time, and a uuid that is nowhere else."""
        local = moment.astimezone(NEW_YORK)
        return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{self._uuid(f'{kind}/{name}')}"

    def _uuid(self, name: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"{self._salt}/{name}"))


def fixed_id(name: str) -> str:
    """Of what has the same id always: an asset, the account."""
    return str(uuid5(NAMESPACE_URL, f"alpaca/{name}"))
