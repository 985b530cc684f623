"""Bars in columns: holes are carried, listings found, growth changes nothing, windows show no future."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trader.cycle.market import Market, Panel, check_bars, sift
from trader.errors import DataError, UsageError
from trader.model import Array, Bars, Instrument


def bars(close: Array, first_day: int = 0, **fields: Array) -> Bars:
    rows = len(close)
    end = np.datetime64("2020-01-01T21:00", "ns") + np.arange(first_day, first_day + rows) * np.timedelta64(1, "D")
    volume = np.where(np.isnan(close), np.nan, 100.0)
    symbols = tuple("ABCDE"[: close.shape[1]])
    start = end - np.timedelta64(6, "h")
    return Bars(symbols, "1d", start, end, close - 0.5, close + 1, close - 1, close, volume, fields=fields)


holes = st.lists(
    st.lists(st.one_of(st.just(float("nan")), st.floats(2, 1_000)), min_size=3, max_size=3), min_size=1, max_size=12
)


@given(table=holes, cut=st.integers(0, 12))
@settings(max_examples=150, deadline=None)
def test_a_panel_that_grew_equals_one_made_at_once(table: list[list[float]], cut: int) -> None:
    close = np.array(table)
    whole = Panel.of(bars(close))
    grown = Panel(("A", "B", "C"), "1d")
    grown.append(bars(close[:cut]))
    for row in range(min(cut, len(close)), len(close)):
        assert grown.append(bars(close[row : row + 1], row)) == 1
    assert grown.append(bars(close)) == 0
    for name in ("open", "high", "low", "close", "volume", "age"):
        np.testing.assert_array_equal(getattr(grown, name)[: grown.rows], getattr(whole, name)[: whole.rows])
    np.testing.assert_array_equal(grown.first, whole.first)


@given(
    table=holes, late=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 2)), max_size=12), cut=st.integers(0, 12)
)
@settings(max_examples=150, deadline=None)
def test_a_panel_whose_late_bars_were_filled_in_equals_one_made_at_once(
    table: list[list[float]], late: list[tuple[int, int]], cut: int
) -> None:
    close = np.array(table)
    torn = close.copy()
    for row, column in late:
        torn[row % len(close), column] = np.nan
    whole, grown = Panel.of(bars(close)), Panel.of(bars(torn))
    filled = grown.fill(bars(close[cut:], cut))
    grown.fill(bars(close))
    assert {
        (row, "ABC"[column]) for row, column in np.argwhere(np.isnan(torn) & ~np.isnan(close)) if row >= cut
    } == set(filled)
    for name in ("open", "high", "low", "close", "volume", "age"):
        np.testing.assert_array_equal(getattr(grown, name), getattr(whole, name))
    np.testing.assert_array_equal(grown.first, whole.first)
    assert grown.fill(bars(2 * close)) == []


@given(table=holes)
@settings(max_examples=150, deadline=None)
def test_a_hole_repeats_the_last_close_with_volume_0_and_ages(table: list[list[float]]) -> None:
    close = np.array(table)
    panel = Panel.of(bars(close))
    for column in range(3):
        last, age = float("nan"), 0
        for row, price in enumerate(close[:, column].tolist()):
            last, age = (last, age + 1) if np.isnan(price) else (price, 0)
            carried = [getattr(panel, name)[row, column] for name in ("open", "high", "low")]
            if np.isnan(last):
                assert np.isnan(carried).all()
                assert panel.first[column] > row
                continue
            assert panel.close[row, column] == last
            assert panel.age[row, column] == age
            if age:
                assert carried == [last] * 3
                assert panel.volume[row, column] == 0


def test_one_row_as_bars_shows_real_bars_only() -> None:
    panel = Panel.of(bars(np.array([[5.0, np.nan], [np.nan, 7.0]])))
    row = panel.bars(1)
    assert np.isnan(row.close[0, 0])
    assert row.close[0, 1] == 7.0


def test_a_window_is_read_only_ends_now_and_names_what_it_does_not_have() -> None:
    panel = Panel.of(bars(np.arange(1.0, 13.0).reshape(6, 2) + 5, funding=np.ones((6, 2))), None)
    market = Market(panel, {symbol: Instrument(symbol) for symbol in panel.symbols})
    window = market.window(3, 2)
    assert window.close.tolist() == [[10.0, 11.0], [12.0, 13.0]]
    assert len(window) == 2
    assert window.now.isoformat() == "2020-01-04T21:00:00+00:00"
    with pytest.raises(ValueError, match="read-only"):
        window.close[0, 0] = 1
    assert window["funding"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert window.of("B").close.tolist() == [[11.0], [13.0]]
    with pytest.raises(KeyError, match="there are: open, high, low, close, volume, funding"):
        window["fund"]
    with pytest.raises(UsageError, match="no bars of SPY"):
        window.of("SPY")
    with pytest.raises(UsageError, match="was not declared"):
        window.on("1h")


def test_another_time_frame_ends_at_its_last_bar_closed_by_now() -> None:
    slow = Panel.of(bars(np.array([[1.0], [2.0], [3.0]]) + 5))
    fast = Panel(("A",), "1h")
    end = np.datetime64("2020-01-02T20:00", "ns") + np.arange(4) * np.timedelta64(1, "h")
    flat = np.full((4, 1), 9.0)
    fast.append(Bars(("A",), "1h", end - np.timedelta64(1, "h"), end, flat, flat, flat, flat, flat))
    market = Market(fast, {"A": Instrument("A")}, {"1d": (slow, 2)})
    assert market.window(0, 1).on("1d").close.tolist() == [[6.0]]
    assert market.window(1, 1).on("1d").close.tolist() == [[6.0], [7.0]]
    assert market.window(1, 1).on("1h").close.tolist() == [[9.0]]


def test_frames_for_pandas_and_polars_carry_time_and_symbols() -> None:
    panel = Panel.of(bars(np.array([[6.0, 7.0], [8.0, 9.0]])))
    window = Market(panel, {}).window(1, 2)
    assert window.to_pandas().loc["2020-01-02 21:00+00:00"].to_dict() == {"A": 8.0, "B": 9.0}
    assert list(window.ohlcv("B").columns) == ["open", "high", "low", "close", "volume"]
    assert window.to_polars().filter(symbol="A")["close"].to_list() == [6.0, 8.0]


GOOD = np.array([[5.0, 6.0], [7.0, 8.0], [9.0, 10.0]])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda b: b.end.__setitem__(2, b.end[1]), "in order of time, once each: row 2"),
        (lambda b: b.end.__setitem__(2, b.end[0] - np.timedelta64(1, "ns")), "in order of time"),
        (lambda b: b.start.__setitem__(0, b.end[0]), "start before it ends"),
        (lambda b: b.close.__setitem__((1, 1), 0.0), "B at .* expected a finite close above 0, was 0.0"),
        (lambda b: b.low.__setitem__((1, 0), -1.0), "A at .* expected a finite low above 0, was -1.0"),
        (lambda b: b.high.__setitem__((1, 0), np.inf), "expected a finite high above 0, was inf"),
        (lambda b: b.open.__setitem__((0, 0), np.nan), "expected a finite open above 0, was nan"),
        (lambda b: b.volume.__setitem__((0, 0), -5.0), "expected a volume of 0 or more, was -5.0"),
    ],
)
def test_F50_bars_that_nobody_can_trade_on_are_refused_with_their_place(spoil: object, says: str) -> None:
    assert callable(spoil)
    spoiled = bars(GOOD.copy())
    check_bars(spoiled, "test")
    spoil(spoiled)
    with pytest.raises(DataError, match=says) as caught:
        check_bars(spoiled, "data source 'test'")
    assert caught.value.where == "data source 'test'"


@pytest.mark.parametrize(
    ("spoil", "left"),
    [
        (lambda b: b.close.__setitem__((1, 1), 0.0), {"B"}),
        (lambda b: b.low.__setitem__((slice(None), 0), -1.0), {"A"}),
        (lambda b: b.high.__setitem__((2, 0), b.low[2, 0] * 0.9), {"A"}),
        (lambda b: b.volume.__setitem__((0, 1), np.inf), {"B"}),
        (lambda b: b.close.__setitem__((0, 0), np.nan), set()),  # a hole is no fault
        (lambda b: b.open.__setitem__(([0, 2], [0, 1]), 0.0), {"A", "B"}),  # never both at one time
    ],
)
def test_F47_the_wrong_bars_of_one_symbol_are_left_out_and_named(spoil: Callable[[Bars], None], left: set[str]) -> None:
    spoiled = bars(GOOD.copy())
    spoil(spoiled)
    good, wrong, says = sift(spoiled, "test")
    check_bars(good, "test")
    assert set(says) == left and {good.symbols[column] for column in np.nonzero(wrong)[1]} == left
    assert all(np.isnan(getattr(good, name)[wrong]).all() for name in ("open", "high", "low", "close", "volume"))
    panel = Panel.of(good, wrong=wrong)
    assert panel.wrong[: panel.rows].tolist() == wrong.tolist()


def test_F47_a_source_that_is_wrong_about_most_symbols_is_not_believed_at_all() -> None:
    spoiled = bars(GOOD.copy())
    spoiled.close[1] = 0.0
    with pytest.raises(DataError, match=r"A at .* expected a finite close above 0"):
        sift(spoiled, "test")
    spoiled.end[1] = spoiled.end[0]
    with pytest.raises(DataError, match="in order of time"):
        sift(spoiled, "test")


def test_F50_bars_of_the_wrong_shape_are_refused() -> None:
    good = bars(GOOD)
    narrow = Bars(
        good.symbols, "1d", good.start, good.end, good.open[:, :1], good.high, good.low, good.close, good.volume
    )
    with pytest.raises(DataError, match=r"Expected open of shape \(3, 2\)"):
        check_bars(narrow, "test")
