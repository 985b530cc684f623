"""Data sources: closed bars, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np
import pytest

from trader.clock import SystemClock
from trader.cycle.market import check_bars, instant, instant64
from trader.errors import DataError
from trader.model import Bars, Unavailable
from trader.session.assemble import ALWAYS
from trader.testing.conformance.suite import Conformance, Made
from trader.testing.emulation import Setup, emulate

VALUES = ("open", "high", "low", "close", "volume")


class DataSourceConformance(Conformance):
    """DS-01 to DS-09. `span`: what is asked for; `unknown`: a symbol that it does not have; `asked`: symbols that it
    has, else the first three. A source with a network far end is given one that answers: `emulator`, or by `prepare`
    and `options`."""

    kind = "data_source"
    timeframe: ClassVar[str] = "1d"
    span: ClassVar[tuple[datetime, datetime]] = ALWAYS
    asked: ClassVar[Sequence[str]] = ()
    unknown: ClassVar[str] = "NO-SUCH-SYMBOL"
    emulator: ClassVar[str] = ""
    """The venue's emulator (an entry point of `trader.emulators`): it is asked there, about the last 60 days."""

    @pytest.fixture(autouse=True)
    def _at_its_emulator(self) -> Iterator[None]:
        """A venue of this case's own, and what its settings and keys must be to come there."""
        if not self.emulator:
            yield
            return
        venue = emulate(self.emulator, Setup())
        known = self.loaded().settings.model_fields
        there = {key: value for key, value in venue.options.items() if key in known}
        now = SystemClock().now()
        self.options, self.secrets = {**self.options, **there}, dict(venue.secrets)  # type: ignore[misc]
        self.now, self.span = now, (now - timedelta(days=60), now)  # type: ignore[misc]
        yield
        venue.close()

    @pytest.fixture(autouse=True)
    def _closed_again(self) -> Iterator[None]:
        """What a case leaves open is closed after it."""
        self._opened: list[Made] = []
        yield
        for made in self._opened:
            made.object.close()

    def test_ds_01_opens_and_closes(self) -> None:
        """open answers None; close may come first, and twice; open again works."""
        made = self.made()
        made.object.close()
        for _ in range(2):
            answer = made.object.open()
            assert answer is None, f"Expected None from open(), was {answer!r}."
            made.object.close()
            made.object.close()

    def test_ds_02_lists_its_symbols(self) -> None:
        """Each once, as text; the same list again."""
        source = self._open()
        symbols = list(source.object.symbols())
        assert symbols, "It has no symbols. Give it some by prepare and options."
        assert all(isinstance(symbol, str) and symbol.strip() for symbol in symbols), f"Expected names, was {symbols}."
        assert len(set(symbols)) == len(symbols), "Expected each symbol once."
        assert list(source.object.symbols()) == symbols, "Asked again it lists others."

    def test_ds_03_bars_are_well_formed(self) -> None:
        """Times strictly increase, (time, symbol) arrays, prices above 0, NaN where there is no bar."""
        source = self._open()
        symbols = self._symbols(source)
        bars = self._answer(source, symbols)
        try:
            check_bars(bars, "bars()")
        except DataError as error:
            pytest.fail(str(error))
        assert len(bars) > 0, f"It has no bars of {', '.join(symbols)} from {self.span[0]} to {self.span[1]}."
        assert set(bars.symbols) == set(symbols) and len(bars.symbols) == len(symbols), (
            f"Expected columns {symbols}, was {bars.symbols}."
        )
        assert bars.timeframe == self.timeframe, f"Expected time frame {self.timeframe}, was {bars.timeframe}."
        assert not np.isnan(bars.close).all(axis=0).any(), "A column without any bar belongs to Bars.missing."

    def test_ds_04_keeps_to_the_range(self) -> None:
        """start < end of a bar <= end, so no bar that is not closed yet: a part of the range is that part of the whole,
        to the bar."""
        source = self._open()
        symbols = self._symbols(source)
        whole, (begun, until) = self._bars(source, symbols), self.span
        strays = whole.end[~((whole.end > instant64(begun)) & (whole.end <= instant64(until)))]
        assert not len(strays), f"Expected bars that end after {begun} and by {until}, was {strays[0]}."
        if len(whole) < 4:
            pytest.skip("not asked: it has fewer than four bars, see DS-03")
        first, last = len(whole) // 4, 3 * len(whole) // 4
        start, end = instant(whole.end[first]), instant(whole.end[last])
        part = self._bars(source, symbols, start, end)
        inside = ((part.end > instant64(start)) & (part.end <= instant64(end))).all()
        assert inside, f"Expected bars that end after {start} and by {end}, was {part.end[0]} to {part.end[-1]}."
        assert np.array_equal(part.end, whole.end[first + 1 : last + 1]), (
            "A part of the range has other bars than the whole."
        )
        assert np.array_equal(part.close, whole.close[first + 1 : last + 1], equal_nan=True), "Its prices differ."

    def test_ds_05_names_what_it_does_not_know(self) -> None:
        """An unknown symbol goes to Bars.missing, the others come."""
        source = self._open()
        symbols = self._symbols(source)
        bars = self._answer(source, [*symbols, self.unknown])
        assert bars.missing == (self.unknown,), f"Expected missing {(self.unknown,)}, was {bars.missing}."
        assert set(bars.symbols) == set(symbols), f"Expected columns {symbols}, was {bars.symbols}."

    def test_ds_06_is_repeatable(self) -> None:
        """The same question has the same answer: again, and after close and open."""
        source = self._open()
        symbols = self._symbols(source)
        first, again = self._bars(source, symbols), self._bars(source, symbols)
        assert _same(first, again), "Asked again it has other bars."
        source.object.close()
        source.object.open()
        assert _same(first, self._bars(source, symbols)), "After close and open it has other bars."

    def test_ds_07_answers_are_no_way_in(self) -> None:
        """Writing into an answer changes no later answer (or the arrays refuse it)."""
        source = self._open()
        symbols = self._symbols(source)
        first = self._bars(source, symbols)
        close = first.close.copy()
        for name in VALUES:
            values = getattr(first, name)
            if values.flags.writeable:
                values *= 3.0
        assert np.array_equal(self._bars(source, symbols).close, close, equal_nan=True), "It handed out its own arrays."

    def test_ds_08_one_symbol_is_a_column_of_all(self) -> None:
        """Asked alone, a symbol has the bars that it has among others."""
        source = self._open()
        symbols = self._symbols(source)
        whole = self._bars(source, symbols)
        for symbol in symbols:
            alone = self._bars(source, [symbol])
            if alone.symbols != (symbol,):
                pytest.skip("not asked: its columns are others, see DS-03")
            column = whole.close[:, whole.symbols.index(symbol)]
            there, mine = ~np.isnan(column), ~np.isnan(alone.close[:, 0])
            same = np.array_equal(whole.end[there], alone.end[mine]) and np.array_equal(
                column[there], alone.close[mine, 0]
            )
            assert same, f"{symbol} alone has other bars than {symbol} among others."

    def test_ds_09_an_empty_range_is_no_error(self) -> None:
        """A range without bars has none: a Bars of no rows."""
        source = self._open()
        symbols = self._symbols(source)
        end = instant(self._bars(source, symbols).end[0]) - timedelta(days=3650)
        bars = self._answer(source, symbols, end - timedelta(days=1), end)
        assert len(bars) == 0, f"Expected no bars, was {len(bars)}."

    # ---- asking ----------------------------------------------------------------------------------------------------
    def _open(self) -> Made:
        made = self.made()
        self._opened.append(made)
        answer = made.object.open()
        if answer is not None:
            pytest.skip(f"not asked: it does not open ({answer}), see DS-01")
        return made

    def _symbols(self, source: Made) -> list[str]:
        symbols = list(self.asked or list(source.object.symbols())[:3])
        if not symbols:
            pytest.skip("not asked: it has no symbols, see DS-02")
        return symbols

    def _answer(
        self, source: Made, symbols: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> Bars:
        """Its answer, which must be Bars."""
        first, last = start or self.span[0], end or self.span[1]
        bars: object = source.object.bars(list(symbols), self.timeframe, first, last)
        assert not isinstance(bars, Unavailable), f"Expected Bars, was {bars}."
        assert isinstance(bars, Bars), f"Expected Bars or Unavailable, was {type(bars).__name__}."
        return bars

    def _bars(
        self, source: Made, symbols: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> Bars:
        """The same, where DS-03 reports what is wrong with it."""
        bars = self._answer(source, symbols, start, end)
        try:
            check_bars(bars, "bars()")
        except DataError:
            pytest.skip("not asked: its bars are not well formed, see DS-03")
        return bars


def _same(one: Bars, two: Bars) -> bool:
    if one.symbols != two.symbols or one.missing != two.missing:
        return False
    arrays = [field.name for field in fields(Bars) if field.name in (*VALUES, "start", "end")]
    return all(np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True) for name in arrays)
