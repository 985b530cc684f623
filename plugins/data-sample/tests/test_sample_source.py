"""The sample data source, over the real prices."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from trader.errors import DataError
from trader.model import Bars, Unavailable
from trader.protocols import DataSource
from trader_data_sample import SampleSource, Settings, provide_data_source, raw, source

BEGIN, FINISH = datetime(1990, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
LISTED = {"AAPL": "2000-03-01", "GOOG": "2004-08-19", "IBM": "2000-03-01", "MSFT": "2000-03-01", "FB": "2012-05-18"}


@pytest.fixture(scope="module")
def sample() -> SampleSource:
    opened = provide_data_source(Settings(), None)  # type: ignore[arg-type]
    assert opened.open() is None
    return opened


def bars_of(sample: SampleSource, *symbols: str, start: datetime = BEGIN, end: datetime = FINISH) -> Bars:
    bars = sample.bars(symbols, "1d", start, end)
    assert isinstance(bars, Bars)
    return bars


def day(bars: Bars, when: str) -> int:
    return int(np.flatnonzero(bars.end.astype("datetime64[D]") == np.datetime64(when))[0])


def test_it_is_a_data_source_with_five_symbols(sample: SampleSource) -> None:
    assert isinstance(sample, DataSource)
    assert sample.symbols() == ("AAPL", "GOOG", "IBM", "MSFT", "FB")


def test_each_symbol_has_bars_from_its_listing_to_the_end_and_none_before(sample: SampleSource) -> None:
    bars = bars_of(sample, *LISTED)
    for column, (symbol, listed) in enumerate(LISTED.items()):
        has = np.isfinite(bars.close[:, column])
        first = day(bars, listed)
        assert has[first:].all(), symbol
        assert not has[:first].any(), symbol
        for values in (bars.open, bars.high, bars.low, bars.volume):
            np.testing.assert_array_equal(np.isfinite(values[:, column]), has)


def test_bars_are_consistent_and_strictly_increasing(sample: SampleSource) -> None:
    bars = bars_of(sample, *LISTED)
    has = np.isfinite(bars.close)
    assert (bars.low[has] > 0).all()
    assert (bars.volume[has] > 0).all()
    assert (bars.low[has] <= np.minimum(bars.open, bars.close)[has]).all()
    assert (bars.high[has] >= np.maximum(bars.open, bars.close)[has]).all()
    for times in (bars.start, bars.end):
        assert times.dtype == "datetime64[ns]"
        assert (np.diff(times) > np.timedelta64(0, "ns")).all()
    assert (bars.start < bars.end).all()


@pytest.mark.parametrize(("symbol", "split"), [("AAPL", "2000-06-21"), ("AAPL", "2005-02-28"), ("MSFT", "2003-02-18")])
def test_no_price_halves_at_a_real_split(sample: SampleSource, symbol: str, split: str) -> None:
    bars = bars_of(sample, symbol)
    row = day(bars, split)
    assert 0.85 < bars.close[row, 0] / bars.close[row - 1, 0] < 1.15


def test_the_last_close_is_the_price_that_was_paid(sample: SampleSource) -> None:
    assert bars_of(sample, *LISTED).close[-1].tolist() == [430.47, 806.19, 202.91, 27.95, 27.78]


def test_prices_before_a_split_are_the_raw_ones_divided(sample: SampleSource) -> None:
    bars = bars_of(sample, "AAPL")
    assert bars.close[day(bars, "2005-02-25"), 0] == pytest.approx(88.99 / 2, abs=0.00501)
    assert bars.close[0, 0] == pytest.approx(130.31 / 4, abs=0.00501)
    assert bars.volume[0, 0] == 9616100 * 4


def test_a_window_that_ends_before_a_split_is_not_adjusted_for_it() -> None:
    cut = SampleSource(end=date(2005, 2, 25))
    cut.open()
    bars = bars_of(cut, "AAPL")
    assert bars.close[-1, 0] == 88.99
    assert "FB" not in cut.symbols()


def test_bars_open_and_close_with_new_yorks_session_in_summer_and_winter(sample: SampleSource) -> None:
    bars = bars_of(sample, "IBM")
    for when, opens, closes in [
        ("2012-01-17", "14:30", "21:00"),
        ("2012-03-09", "14:30", "21:00"),
        ("2012-03-12", "13:30", "20:00"),
        ("2012-11-02", "13:30", "20:00"),
        ("2012-11-05", "14:30", "21:00"),
        ("2006-04-03", "13:30", "20:00"),
        ("2006-03-31", "14:30", "21:00"),
    ]:
        row = day(bars, when)
        assert bars.start[row] == np.datetime64(f"{when}T{opens}")
        assert bars.end[row] == np.datetime64(f"{when}T{closes}")


def test_start_is_excluded_and_end_included(sample: SampleSource) -> None:
    first, second = datetime(2012, 3, 12, 20, tzinfo=UTC), datetime(2012, 3, 13, 20, tzinfo=UTC)
    bars = bars_of(sample, "IBM", start=first, end=second)
    assert bars.end.tolist() == [np.datetime64("2012-03-13T20:00", "ns").item()]
    assert len(bars_of(sample, "IBM", start=second, end=second)) == 0


def test_windows_put_together_are_the_whole(sample: SampleSource) -> None:
    middle = datetime(2006, 6, 6, 20, tzinfo=UTC)
    parts = [bars_of(sample, "FB", "MSFT", end=middle), bars_of(sample, "FB", "MSFT", start=middle)]
    whole = bars_of(sample, "FB", "MSFT")
    np.testing.assert_array_equal(np.concatenate([part.close for part in parts]), whole.close)
    np.testing.assert_array_equal(np.concatenate([part.end for part in parts]), whole.end)


def test_unknown_symbols_are_missing_and_the_others_come_in_the_order_asked_for(sample: SampleSource) -> None:
    bars = bars_of(sample, "MSFT", "NONE", "AAPL", "MSFT")
    assert bars.symbols == ("MSFT", "AAPL")
    assert bars.missing == ("NONE",)
    assert bars.close[-1].tolist() == [27.95, 430.47]


def test_a_symbol_listed_late_brings_no_empty_rows_and_only_unknown_symbols_no_rows(sample: SampleSource) -> None:
    assert len(bars_of(sample, "FB")) == 196
    nothing = bars_of(sample, "NONE")
    assert (len(nothing), nothing.close.shape, nothing.missing) == (0, (0, 0), ("NONE",))


def test_the_widest_window_can_be_asked_for(sample: SampleSource) -> None:
    all_time = bars_of(sample, "IBM", start=datetime.min.replace(tzinfo=UTC), end=datetime.max.replace(tzinfo=UTC))
    assert len(all_time) == 3270


def test_another_time_frame_is_unavailable(sample: SampleSource) -> None:
    answer = sample.bars(["IBM"], "5m", BEGIN, FINISH)
    assert isinstance(answer, Unavailable)
    assert answer.kind == "timeframe"
    assert "'1d'" in answer.reason
    assert "'5m'" in answer.reason


def test_before_open_nothing_is_available() -> None:
    closed = SampleSource()
    assert isinstance(closed.symbols(), Unavailable)
    assert isinstance(closed.bars(["IBM"], "1d", BEGIN, FINISH), Unavailable)


def test_what_it_gives_out_cannot_be_changed_for_the_next_caller(sample: SampleSource) -> None:
    bars = bars_of(sample, *LISTED)
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0, 0] = 1.0


def test_the_file_read_directly_says_what_the_packages_own_reader_says() -> None:
    directly, publicly = raw.read(), raw.from_package()
    assert list(directly) == list(publicly)
    for symbol, (bars, adjusted_close) in directly.items():
        other, other_adjusted = publicly[symbol]
        np.testing.assert_array_equal(adjusted_close, other_adjusted)
        for name in ("date", "open", "high", "low", "close", "volume"):
            np.testing.assert_array_equal(getattr(bars, name), getattr(other, name))


def test_a_package_that_keeps_its_prices_elsewhere_is_asked_in_the_public_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "stocks_file", lambda: None)
    moved = SampleSource()
    moved.open()
    assert len(bars_of(moved, "AAPL")) == 3270


def test_without_the_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "PACKAGE", "bokeh_sampledata_that_is_not_there")
    with pytest.raises(DataError, match="not installed"):
        SampleSource().open()


def test_a_window_without_trading_days_is_refused_with_what_there_is() -> None:
    with pytest.raises(DataError, match="2000-03-01 to 2013-03-01"):
        SampleSource(start=date(2014, 1, 1)).open()


def test_settings_refuse_unknown_keys_and_a_start_after_the_end() -> None:
    with pytest.raises(ValidationError, match="symbol"):
        Settings.model_validate({"symbol": "AAPL"})
    with pytest.raises(ValidationError, match="lies after end"):
        Settings(start=date(2010, 1, 2), end=date(2010, 1, 1))


def test_manifest_says_recorded_daily_and_no_permissions() -> None:
    table = tomllib.loads(files("trader_data_sample").joinpath("plugin.toml").read_text("utf-8"))
    manifest = table["data_source"]["sample"]
    assert manifest["api"] == 1
    assert manifest["capabilities"] == {"recorded": True, "delay_seconds": 0, "timeframes": [source.TIMEFRAME]}
    assert manifest["permissions"] == {"submits_orders": False, "secrets": [], "hosts": []}


def test_reading_the_sample_imports_neither_pandas_nor_the_package_with_the_prices() -> None:
    code = (
        "import sys; from trader_data_sample import SampleSource; SampleSource().open();"
        "print({'pandas', 'bokeh_sampledata', 'bokeh', 'shapely', 'numpy.ma'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_the_examples_of_the_readme_are_settings() -> None:
    text = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")
    examples = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert examples
    for example in examples:
        Settings.model_validate(tomllib.loads(example)["data_sources"]["sample"])
