"""Strategies: a pure function of the bars that they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from trader.cycle.market import Market, Window
from trader.errors import BadAnswer
from trader.model import Array, Bars
from trader.session.assemble import bar_length
from trader.testing.conformance.answers import (
    ask,
    ask_or_fail,
    assert_in_range,
    assert_intent,
    close,
    columns_of,
    random_names,
    rows_of,
    same,
    values_of,
    window,
)
from trader.testing.conformance.suite import Conformance, Made
from trader.testing.fakes import end_of, market, positions, random_walk
from trader.testing.trading import trade

MORE = 40
"""Bars beyond the lookback."""
FIELDS = ("open", "high", "low", "close", "volume")


class StrategyConformance(Conformance):
    """ST-01 to ST-14. `timeframe` is the book's; `abstains`: on ordinary bars it may have no opinion (NaN)."""

    kind = "strategy"
    timeframe: ClassVar[str] = "1d"
    abstains: ClassVar[bool] = False

    # ---- the answer ------------------------------------------------------------------------------------------------
    def test_st_01_answers_once_for_each_symbol(self) -> None:
        """Signals or Weights with one number for each symbol, in the order of history.symbols."""
        made = self.made()
        place, lookback = self.market(made.object), made.object.lookback
        assert lookback >= 1, f"Expected a lookback of 1 bar or more, was {lookback}."
        for row in (lookback - 1, place.panel.rows - 1):
            history = window(made.object, place, row)
            try:
                answer = ask(made, history)
            except ValueError as error:
                if "read-only" in str(error):
                    pytest.skip("not asked: it writes into what it is shown, see ST-06")
                raise
            values = values_of(answer)
            assert values is not None, f"Expected Signals or Weights of numbers, was {answer!r}."
            expected = (len(history.symbols),)
            assert values.shape in ((), expected), (
                f"Expected shape {expected}, one for each symbol, was {values.shape}."
            )

    def test_st_02_answers_within_range(self) -> None:
        """Scores in [-1, 1] or NaN, confidences in [0, 1], weights whose absolute values sum to at most 1."""
        made = self.made()
        place = self.market(made.object)
        for row in rows_of(made.object, place):
            history = window(made.object, place, row)
            self.scores(made, history)
            assert_in_range(ask(made, history))

    def test_st_03_is_deterministic(self) -> None:
        """The same bars give the same answer: from another instance, and, where it keeps no state, from one that was
        asked about other bars in between."""
        made, other = self.made(), self.made()
        place = self.market(made.object)
        windows = [window(made.object, place, row) for row in rows_of(made.object, place)]
        first = [self.scores(made, history) for history in windows]
        second = [self.scores(other, history) for history in windows]
        assert same(first, second), "Two new instances answer the same bars differently."
        if "HasState" not in made.provided.has:
            assert same(first, [self.scores(made, history) for history in windows]), (
                "Asked again about the same bars it answers differently: it remembers earlier calls. "
                "State that must survive belongs to save and load."
            )

    def test_st_04_reads_no_older_row(self) -> None:
        """Bars older than its lookback change nothing."""
        assert self._blind_to(older=True), "Its answer depends on bars older than its lookback."

    def test_st_05_reads_no_future_row(self) -> None:
        """Bars after now change nothing."""
        assert self._blind_to(older=False), "Its answer depends on bars that lie in the future."

    def test_st_06_writes_into_nothing(self) -> None:
        """The arrays that it is shown are the same afterwards, and it does not try to change them."""
        made = self.made()
        place = self.market(made.object)
        before = {name: getattr(place.panel, name).copy() for name in FIELDS}
        try:
            ask(made, window(made.object, place, place.panel.rows - 1))
        except ValueError as error:
            if "read-only" in str(error):
                pytest.fail(f"It writes into what it is shown: {error}.")
            pytest.skip("not asked: it raises ValueError, see ST-01")
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises
            pytest.skip(f"not asked: it raises {type(error).__name__}, see ST-01")
        for name, was in before.items():
            assert np.array_equal(getattr(place.panel, name), was, equal_nan=True), f"It wrote into history.{name}."

    def test_st_07_does_not_care_for_order(self) -> None:
        """Symbols in another order get the same scores, in that order."""
        made, other = self.made(), self.made()
        place = self.market(made.object)
        row, order = place.panel.rows - 1, [3, 0, 4, 2, 1]
        plain = self.scores(made, window(made.object, place, row))
        turned = self.scores(other, window(other.object, place, row, order))
        assert close(turned, plain[order]), f"Expected {plain[order]} for the order {order}, was {turned}."

    def test_st_08_answers_for_one_symbol_and_for_many(self) -> None:
        """One symbol, or sixty: an answer for each."""
        self.working()
        for symbols in (1, 60):
            made = self.made()
            place = self.market(made.object, random_names(symbols))
            values = values_of(
                ask_or_fail(made, window(made.object, place, place.panel.rows - 1), f"{symbols} symbols")
            )
            shape = None if values is None else values.shape
            assert shape in ((), (symbols,)), f"For {symbols} symbols: expected shape ({symbols},), was {shape}."

    def test_st_09_has_opinions(self) -> None:
        """Complete bars that move get a number, not NaN; with `abstains`, at least some of them do."""
        made = self.made()
        place = self.market(made.object)
        none = np.isnan([self.scores(made, window(made.object, place, row)) for row in rows_of(made.object, place)])
        assert not none.all(), "It has no opinion on anything: every score is NaN."
        assert self.abstains or not none.any(), (
            "NaN means no opinion: what is held is kept. If that is meant on ordinary bars, set abstains = True."
        )

    def test_st_10_stands_odd_prices(self) -> None:
        """A price that never moves, one that jumps tenfold, one of a cent, one of ten million, and holes: an answer in
        range, or no opinion."""
        made = self.working()
        place = self.market(made.object, odd=True)
        for row in rows_of(made.object, place):
            assert_in_range(ask_or_fail(made, window(made.object, place, row), "odd prices"))

    # ---- what only some offer --------------------------------------------------------------------------------------
    def test_st_11_panel_equals_score(self) -> None:
        """Row t of score_panel is what score says at t (HasPanel): also for a symbol that is listed late, and NaN
        before its listing. So the panel cannot look ahead."""
        made = self.working()
        made.needs("HasPanel")
        assert "HasState" not in made.provided.has, "A panel and a state do not go together: a backtest would skip it."
        place = self.market(made.object, late=True)
        panel, lookback = place.panel, made.object.lookback
        width = len(window(made.object, place, panel.rows - 1).symbols)
        whole = place.window(panel.rows - 1, panel.rows, columns_of(range(width)))
        values = values_of(made.object.score_panel(whole))
        assert values is not None and values.shape in ((), (panel.rows, width)), (
            f"Expected shape {(panel.rows, width)}, (time, symbols), was {None if values is None else values.shape}."
        )
        values = np.broadcast_to(values, (panel.rows, width))
        for row in rows_of(made.object, place):
            ready = np.flatnonzero(panel.first[:width] <= row + 1 - lookback)
            said = self.scores(made, place.window(row, lookback, ready))
            assert close(values[row, ready], said), f"Row {row}: score says {said}, the panel {values[row, ready]}."
            unlisted = panel.first[:width] > row
            assert np.isnan(values[row, unlisted]).all(), f"Row {row}: a score for a symbol without any bar so far."

    def test_st_12_state_survives(self) -> None:
        """What save gives, load takes (HasState): a new instance goes on as if nothing had happened."""
        made, other = self.working(), self.made()
        made.needs("HasState")
        place = self.market(made.object)
        rows = rows_of(made.object, place)
        half = len(rows) // 2
        for row in rows[:half]:
            self.scores(made, window(made.object, place, row))
        state = made.object.save()
        assert isinstance(state, bytes), f"Expected bytes from save(), was {type(state).__name__}."
        other.object.load(state)
        assert other.object.save() == state, "What was loaded is saved differently: unchanged state must stay the same."
        for row in rows[half:]:
            history = window(made.object, place, row)
            assert same([self.scores(made, history)], [self.scores(other, history)]), (
                "After load it answers differently from the instance that went on."
            )

    def test_st_13_exits_are_well_formed(self) -> None:
        """exits (HasExits) names held symbols, a fraction in (0, 1], a finite stop or none; for longs and shorts, in
        profit and loss, also where the oldest rows are NaN; the same again for the same."""
        made = self.working()
        made.needs("HasExits")
        place = self.market(made.object, late=True)
        for row in rows_of(made.object, place):
            history = window(made.object, place, row)
            listed = [symbol for symbol in history.symbols if place.panel.first[place.panel.column[symbol]] <= row - 3]
            shown = history.of(*listed)
            ages = {symbol: min(number % 4, len(shown) - 1) for number, symbol in enumerate(listed)}
            sides = {symbol: 100.0 * (-1) ** number for number, symbol in enumerate(listed)}
            paid = {symbol: (0.5 + number / 3) * shown.close[-1, number] for number, symbol in enumerate(listed)}
            held = positions(shown, sides, entry_price=paid, bars=ages)
            made.moment(shown.now.isoformat())
            found = list(made.object.exits(shown, held))
            for intent in found:
                assert_intent(intent, listed)
            if "HasState" not in made.provided.has:
                made.moment(shown.now.isoformat())
                assert list(made.object.exits(shown, held)) == found, "The same bars and positions give other exits."

    def test_st_14_trades_in_the_real_cycle(self) -> None:
        """A run through cycle, engine, simulated venue and ledger without a fault; the books close to the cent."""
        made = self.working()
        place = self.market(made.object, late=True)
        bars = self.bars(made.object, late=True)
        try:
            run = trade(made.object, bars, allow_short=True, frames=self.frames(made.object, bars))
        except BadAnswer as error:
            pytest.skip(f"not asked: {error.what} See ST-01, ST-02")
        marks = {symbol: place.panel.close[-1, column] for symbol, column in place.panel.column.items()}
        worth = sum(float(held.quantity) * marks[symbol] for symbol, held in run.positions.items())
        assert abs(float(run.equity) - float(run.cash) - worth) < 0.01, "Cash and positions are not the equity."

    # ---- bars to ask about -----------------------------------------------------------------------------------------
    def bars(
        self, strategy: Any, names: Sequence[str] = (), *, late: bool = False, odd: bool = False, seed: int = 0
    ) -> Bars:
        """Random bars of five symbols (or `names`) and of its references, a few more than it looks back. `late`: one is
        listed later. `odd`: some have prices that nobody expects."""
        symbols = (*(names or random_names(5)), *getattr(strategy, "references", ()))
        rows = strategy.lookback + MORE
        bars = random_walk(symbols, rows, seed=seed, timeframe=self.timeframe)
        if late:
            for name in FIELDS:
                getattr(bars, name)[: MORE // 4, 1] = np.nan
        if odd:
            jump = np.where(np.arange(rows) > rows - MORE // 2, 10.0, 1.0)
            prices = (np.full(rows, 50.0), 50.0 * jump, np.full(rows, 0.01), 1e7 * jump)
            for column, price in enumerate(prices):
                for values in (bars.open, bars.high, bars.low, bars.close):
                    values[:, column] = price
            bars.volume[:, 0] = 0.0
            for name in FIELDS:
                getattr(bars, name)[-3:, 4] = np.nan
        return bars

    def frames(self, strategy: Any, bars: Bars) -> dict[str, Bars]:
        """Bars of the other time frames that it declares, over the same time and long enough before."""
        made = {}
        for timeframe, rows in getattr(strategy, "timeframes", {}).items():
            length, end = bar_length(timeframe), end_of(bars)
            count = rows + int((end - end_of(bars, 0)) / length) + 2
            made[timeframe] = random_walk(bars.symbols, count, seed=1, timeframe=timeframe, start=end - count * length)
        return made

    def market(self, strategy: Any, names: Sequence[str] = (), *, late: bool = False, odd: bool = False) -> Market:
        """`bars` and `frames` as a market."""
        bars = self.bars(strategy, names, late=late, odd=odd)
        shown: Mapping[str, int] = getattr(strategy, "timeframes", {})
        return market(bars, frames=self.frames(strategy, bars), shown=shown)

    # ---- asking ----------------------------------------------------------------------------------------------------
    def scores(self, made: Made, history: Window) -> Array:
        """Its scores (or weights), one for each symbol. What another case reports skips this one."""
        try:
            answer = ask(made, history)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises
            pytest.skip(f"not asked: it raises {type(error).__name__}, see ST-01 and ST-06")
        values = values_of(answer)
        if values is None or values.shape not in ((), (len(history.symbols),)):
            pytest.skip("not asked: its answer has the wrong form, see ST-01")
        return np.broadcast_to(values, (len(history.symbols),))

    def working(self) -> Made:
        """A new instance; the case is skipped where ordinary bars get no proper answer."""
        trial = self.made()
        place = self.market(trial.object)
        history = window(trial.object, place, place.panel.rows - 1)
        self.scores(trial, history)
        try:
            assert_in_range(ask(trial, history))
        except AssertionError:
            pytest.skip("not asked: its answer is out of range, see ST-02")
        return self.made()

    def _blind_to(self, *, older: bool) -> bool:
        answers = []
        for factor in (1.0, 7.0, 1 / 7):
            made = self.made()
            place, lookback = self.market(made.object), made.object.lookback
            row = lookback - 1 + MORE // 2
            hidden = slice(None, row + 1 - lookback) if older else slice(row + 1, None)
            for name in FIELDS:
                getattr(place.panel, name)[hidden] *= factor
            answers.append(self.scores(made, window(made.object, place, row)))
        return same(answers[:1] * 2, answers[1:])
