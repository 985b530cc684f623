"""How answers look: plain tables of at most 100 columns for people, JSON for programs.

Times are UTC everywhere. In JSON, amounts are plain decimal strings, shares are numbers, times are ISO 8601.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

WIDTH = 100
NONE = "-"


# ---- for programs --------------------------------------------------------------------------------------------------
def answer_json(value: Any) -> None:
    """Print one JSON value: Decimal as a plain string, datetime as ISO 8601 with +00:00."""
    click.echo(json.dumps(value, indent=2, default=_plain, allow_nan=False))


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


def exact(value: float | None) -> Decimal | None:
    """A stored estimate (a mark, a quantity) as the decimal that people wrote: 956.0 is 956."""
    if value is None:
        return None
    number = Decimal(repr(float(value)))
    return number.to_integral_value() if number == number.to_integral_value() else number


# ---- numbers -------------------------------------------------------------------------------------------------------
def money(value: Decimal | float | None) -> str:
    """Two places: 5,537.00."""
    return NONE if value is None else f"{value:,.2f}"


def quantity(value: Decimal | None) -> str:
    """No more digits than it has: 1,000 or 0.025."""
    return NONE if value is None else f"{value.normalize():,f}"


def price(value: Decimal | None) -> str:
    """Two places, or as many as six digits need: 27.4508, 806.19, 0.00001234."""
    if value is None:
        return NONE
    places = max(2, 5 - value.adjusted()) if value else 2
    whole, _, rest = f"{value:,.{places}f}".partition(".")
    return f"{whole}.{rest[:2]}{rest[2:].rstrip('0')}"


def fees(each: Iterable[tuple[Decimal, str]]) -> str:
    """Amounts with their currencies ("": the book's), summed by currency: 0.50 USD, 0.00005 BTC + 0.10 USDT."""
    sums: dict[str, Decimal] = {}
    for amount, currency in each:
        if amount:
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    return " + ".join(f"{price(amount)} {currency}".rstrip() for currency, amount in sorted(sums.items())) or "0.00"


def tidy(value: Decimal) -> Decimal:
    """An amount that a division left with 28 digits, to ten places."""
    rounded = round(value, 10).normalize()
    return rounded or Decimal(0)


def percent(share: Decimal | float | None, *, sign: bool = False) -> str:
    """A share as 31.2 %."""
    if share is None:
        return NONE
    return f"{round(float(100 * share), 1) + 0:{'+' if sign else ''}.1f} %"


def number(value: float | None) -> str:
    """A number of unknown kind: 52,402.35, 20,000, 28.072, 0.62."""
    if value is None:
        return NONE
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.6g}"


def when(value: datetime | None) -> str:
    """To the minute; the reader knows that it is UTC."""
    return NONE if value is None else f"{value:%Y-%m-%d %H:%M}"


def counted(count: int, noun: str) -> str:
    """1 order, 2 orders."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def short(client_id: str) -> str:
    """As much of an order's id as finds it again."""
    return client_id[:10]


def clean(text: object) -> str:
    """One line that cannot play with the terminal: texts come from venues and plugins too."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


@contextmanager
def only_answers(quiet: bool) -> Iterator[None]:
    """Where stdout is for one JSON value: what plugins print meanwhile goes to stderr."""
    with redirect_stdout(sys.stderr) if quiet else nullcontext():
        yield


def unread() -> None:
    """Nobody reads stdout any more (a pipe that ended, a full disk): from now on it goes nowhere, its buffer too."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


# ---- tables --------------------------------------------------------------------------------------------------------
def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they must be; a title that begins with ">" puts its column to the right. What does not fit
    into `WIDTH` is cut from the widest columns on the left."""
    right = [title.startswith(">") for title in head]
    lines = [[title.lstrip(">") for title in head], *([clean(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        widest = max((width, -place) for place, width in enumerate(widths) if not right[place])
        if widest[0] <= 8:
            break
        widths[-widest[1]] -= 1
    texts = []
    for line in lines:
        cells = [
            cell.rjust(width) if to_right else _cut(cell, width).ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        texts.append("  ".join(cells).rstrip())
    return "\n".join(texts)


def by_book(head: Sequence[str], rows: Sequence[Sequence[str]], books: Sequence[str], *, several: bool) -> str:
    """A table whose rows belong to books, named in a first column where there are several."""
    if not several:
        return table(head, rows)
    return table(("BOOK", *head), [(book, *row) for book, row in zip(books, rows, strict=True)])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def facts(pairs: Iterable[tuple[str, str]], indent: int = 2) -> str:
    """Lines of label and text; a long text goes on below itself."""
    listed = [(label, clean(text)) for label, text in pairs]
    width = max((len(label) for label, _ in listed), default=0)
    lines = []
    for label, text in listed:
        head = " " * indent + label.ljust(width) + "  "
        rest = " " * len(head)
        wrapped = textwrap.wrap(text, max(WIDTH - len(head), 40), break_on_hyphens=False) or [""]
        lines += [(head if place == 0 else rest) + part for place, part in enumerate(wrapped)]
    return "\n".join(line.rstrip() for line in lines)


def shown(count: int, total: int, noun: str) -> str:
    """How many there are, where not all are shown."""
    if count == total:
        return f"{counted(total, noun)}."
    return f"{count:,} of {counted(total, noun)} (more: --last N)."
