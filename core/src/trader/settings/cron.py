"""A line of a crontab as APScheduler reads it."""

from __future__ import annotations

import re

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NUMBERED = re.compile(r"(?:\*|([0-7])(?:-([0-7]))?)(?:/([1-7]))?")
"""A part of cron's last field that is written in numbers."""


def with_named_days(line: str) -> str:
    """The same five fields, days of the week by their names: cron counts from Sunday (0, or 7), APScheduler from
    Monday."""
    *fields, days = line.split()
    return " ".join([*fields, _named(days)])


def _named(field: str) -> str:
    named: list[str] = []
    for part in field.split(","):
        found = NUMBERED.fullmatch(part)
        if found is None or part == "*":
            named.append(part)
            continue
        first, last = int(found[1] or 0), int(found[2] or found[1] or 6)
        named += [DAYS[day % 7] for day in range(first, last + 1, int(found[3] or 1))] or [part]
    return ",".join(named)
