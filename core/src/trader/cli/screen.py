"""What `trader run` shows: a banner, one line that moves, the summary."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import click

from trader.cli.output import clean, unread
from trader.cli.state import book_part
from trader.cycle.market import instant

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.report import Report
    from trader.session.session import Session
    from trader.session.summary import BookSummary, Summary

REDRAW_SECONDS = 0.1
WIDTH = 30


class Screen:
    """`out`: where the banner and the summary go (None: nowhere). `live`: draw the moving line on stderr."""

    def __init__(self, session: Session, *, out: IO[str] | None, live: bool) -> None:
        self.session, self._out, self._live = session, out, live
        self._drawn = 0.0
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _say(self, text: str = "") -> None:
        if self._out is None:
            return
        try:
            click.echo(text, file=self._out)
        except OSError:  # nobody can read it any more, and trading goes on
            self._out = None
            unread()

    # ---- before ----------------------------------------------------------------------------------------------------
    def banner(self) -> None:
        """Mode, account, clock, data, rules and pipeline of every book."""
        from trader import __version__

        session = self.session
        mode = session.settings.trading.mode + (", dry run" if session.settings.trading.dry_run else "")
        for book in session.books:
            engine = book.engine
            cash = f"{engine.ledger.cash:,.2f} {engine.account.currency}"
            self._say(
                f"trader {__version__}   {mode}   book {book.name}   account {engine.account.account_id}   cash {cash}"
            )
            self._say(f"data      {_data(book)}")
            self._say(f"start     {session.kind}, {_clock(session, book)}")
            for line in _wrapped(_rules(session, book)):
                self._say(f"rules     {line}")
            self._say(f"pipeline  {_pipeline(book)}")
            held = [
                f"{position.quantity:f} {symbol}"
                for symbol, position in sorted(engine.ledger.holdings.items())
                if position.quantity
            ]
            if held or engine.number:
                self._say(f"holds     {', '.join(held) or 'nothing'}")
        if session.held:
            self._say("held      nothing is decided until: trader release")
        trip = session.kill.halted
        if trip is not None:
            self._say('halted    no order passes until the cause is mended and: trader rearm --reason "..."')
            for line in textwrap.wrap(clean(f"{trip.reason} ({trip.by})"), 88):
                self._say(f"          {line}")
        self._say()

    # ---- meanwhile -------------------------------------------------------------------------------------------------
    def step(self, book: Book, report: Report) -> None:
        """Redraw the moving line, ten times a second at most."""
        now = time.monotonic()  # noqa: TID251 - paces a person's screen, decides nothing
        if not self._live or report.decision is None or now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn, self._shown = now, True
        decision, rows = report.decision, book.rows
        share = decision.number / max(rows, 1)
        bar = "━" * round(WIDTH * min(share, 1.0))
        held = int((decision.quantity != 0).sum())
        line = (
            f"{decision.at:%Y-%m-%d}  cycle {decision.number:,}/{rows:,}  {bar:<{WIDTH}}  {share:4.0%}   "
            f"equity {decision.equity:,.2f}   {held} positions"
        )
        try:
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)
            sys.stderr.flush()
        except OSError:  # the terminal is gone, and trading is not
            self._live = self._shown = False

    # ---- after -----------------------------------------------------------------------------------------------------
    def summary(self, summary: Summary) -> None:
        """Equity, return, drawdown, orders, fills, refusals, positions, and what to do next."""
        for book in summary.books:
            if len(summary.books) > 1:
                self._say(f"book {book.book}")
            for line in book_lines(book, summary.seconds):
                self._say(line)
        self._say()
        for line in next_steps(summary, self.session.recorded):
            self._say(line)


def _data(book: Book) -> str:
    panel, made = book.engine.market.panel, book.parts.feed.made
    symbols = ", ".join(panel.symbols[:10]) + (
        f" and {len(panel.symbols) - 10} more" if len(panel.symbols) > 10 else ""
    )
    span = ""
    if panel.rows:
        span = f", {instant(panel.end[0]):%Y-%m-%d} .. {instant(panel.end[panel.rows - 1]):%Y-%m-%d}"
    about = made.plugin.summary
    return f"{made.instance}: {symbols}; {panel.timeframe} bars{span}" + (f"\n          {about}" if about else "")


def _clock(session: Session, book: Book) -> str:
    if not session.recorded:
        return "the system's clock"
    left = book.rows - book.next_row
    return f"the data's own clock; {left:,} of {book.rows:,} cycles to play"


def _rules(session: Session, book: Book) -> list[str]:
    desk, tables = book.engine.desk, session.settings.tables("risk_rules")
    names = dict.fromkeys(name for name, _ in (*desk.order_rules, *desk.portfolio_rules))
    return [f"{name} {_options(tables[name].options) if name in tables else ''}".strip() for name in names] or ["none"]


def _options(options: Mapping[str, Any]) -> str:
    if set(options) == {"limit"}:
        limit = options["limit"]
        return f"{limit:,}" if isinstance(limit, int) else f"{limit}"
    return " ".join(f"{key}={value}" for key, value in options.items())


def _wrapped(parts: list[str], width: int = 88) -> list[str]:
    lines = [""]
    for part in parts:
        last = lines[-1]
        if last and len(last) + len(part) + 3 > width:
            lines.append("")
            last = ""
        lines[-1] = f"{last}   {part}" if last else part
    return lines


def _pipeline(book: Book) -> str:
    desk = book.engine.desk
    stages = [f"{stage.name} (drop below {stage.threshold:g})" for stage in desk.stages]
    portfolio = book.parts.settings.portfolio
    band = "when the signal changes"
    if portfolio.balancer == "threshold":
        share = portfolio.threshold_weight if portfolio.threshold_weight is not None else portfolio.threshold_relative
        band = f"band {100 * (share or 0):g} %" + (" of the target" if portfolio.threshold_weight is None else "")
    return " -> ".join([*stages, desk.allocator[0], band, desk.style[0]])


def book_lines(book: BookSummary, seconds: float) -> list[str]:
    """The summary of one book for a person."""
    if book.cycles == 0:
        where = "the end of the data was reached before" if book.at_end else "nothing was due"
        return [f"No cycle was decided: {where}.", _money(book), *_positions(book)]
    span = f"{book.first:%Y-%m-%d} to {book.last:%Y-%m-%d}" if book.first and book.last else ""
    lines = [
        f"{book.cycles:,} cycle{'s' if book.cycles > 1 else ''}, {span}, in {seconds:.1f} s",
        _money(book),
        _orders(book),
        *_positions(book),
    ]
    if book.faults:
        lines.append(f"faults    {book.faults} plugin calls failed; each is in the log and in the decisions")
    return lines


def _money(book: BookSummary) -> str:
    text = f"equity    {book.equity:,.2f} {book.currency}"
    if not book.cycles:
        return text
    text += f"   {book.total_return:+.1%}"
    if book.annual_return is not None:
        text += f"   ({book.annual_return:.1%} a year)"
    worst, top, bottom = book.worst_drawdown()
    if top is not None and bottom is not None:
        text += f"   worst drawdown {worst:.1%} ({top:%Y-%m} .. {bottom:%Y-%m})"
    return text


def _orders(book: BookSummary) -> str:
    text = f"orders    {book.orders:,}   filled {book.filled:,}   refused {book.refusals:,}"
    if book.refused_by:
        text += " (" + ", ".join(f"{rule} {count}" for rule, count in sorted(book.refused_by.items())) + ")"
    text += f"   fills {book.fills:,}   fees {book.fees:,.2f}"
    if book.turnover is not None:
        text += f"   turnover {book.turnover:.1f}x a year"
    return text + (f"   still open {book.open_orders}" if book.open_orders else "")


def _positions(book: BookSummary) -> list[str]:
    held = [
        f"{symbol} {line.weight:.1%}"
        for symbol, line in sorted(book.positions.items(), key=lambda item: -abs(item[1].value))
    ]
    share = float(book.cash / book.equity) if book.equity else 0.0
    parts = [*held, f"cash {share:.1%}"]
    return [f"          {line}" for line in _wrapped(parts) if line]


def next_steps(summary: Summary, recorded: bool) -> list[str]:
    """What most people want to do now."""
    held = next(((symbol, book.book) for book in summary.books for symbol in book.positions), None)
    lines = []
    if recorded and all(book.at_end for book in summary.books):
        lines.append("the data ends here      begin again: trader run --fresh")
    elif summary.reason != "end of data":
        lines.append(f"{f'ended: {summary.reason}':<23} go on: trader run")
    lines.append(
        f"why did it hold that?   trader why {held[0]}{book_part(held[1], several=len(summary.books) > 1)}"
        if held
        else "what did it decide?     trader decisions"
    )
    lines.append("write your own          docs/tutorial/first-strategy.md")
    return lines
