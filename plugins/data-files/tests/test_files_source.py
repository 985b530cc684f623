"""The files data source, over real files in a temporary folder."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trader.errors import DataError, SettingsError
from trader.model import Bars, Unavailable
from trader.protocols import DataSource
from trader_data_files import FilesSource, Settings, provide_data_source
from trader_data_files.panel import coarser
from trader_data_files.timeframes import session_minutes

BEGIN, FINISH = datetime(1990, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
HEADER = "Date,Open,High,Low,Close,Volume\n"
NEW_YORK = {"timezone": "America/New_York", "session": "09:30-16:00"}
CLOCK = {"timezone": "UTC", "label": "start"}


class Log:
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **values: Any) -> None:
        self.events.append((event, values))

    info = warning


class Door:
    """The parts of Env that a source of files uses."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root, Log()
        self.asked: list[str] = []

    def file(self, path: str | Path) -> Path:
        full = self.root / path
        if not full.exists():
            raise SettingsError("There is no such file or folder.", where=str(path))
        self.asked.append(str(path))
        return full


class Folder:
    """A settings folder with a folder `prices` of bar files."""

    def __init__(self, root: Path) -> None:
        self.door = Door(root)
        self.path = root / "prices"
        self.path.mkdir()

    def write(self, name: str, content: str | bytes) -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def make(self, **settings: Any) -> FilesSource:
        made = Settings.model_validate({"folder": "prices", **settings})
        return provide_data_source(made, self.door)  # type: ignore[arg-type]

    def open(self, **settings: Any) -> FilesSource:
        source = self.make(**settings)
        assert source.open() is None
        return source

    def refused(self, **settings: Any) -> str:
        with pytest.raises(DataError) as refusal:
            self.make(**settings).open()
        return str(refusal.value)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def bars_of(
    source: FilesSource, symbols: Sequence[str] | None = None, timeframe: str = "1d", **window: datetime
) -> Bars:
    asked = symbols if symbols is not None else source.symbols()
    assert not isinstance(asked, Unavailable)
    bars = source.bars(asked, timeframe, window.get("start", BEGIN), window.get("end", FINISH))
    assert isinstance(bars, Bars), bars
    return bars


def row(when: str, close: float = 10.0, volume: float = 100) -> str:
    return f"{when},{close},{close + 0.5},{close - 0.5},{close},{volume}\n"


def daily(*closes: float, first: str = "2024-03-04") -> str:
    days = np.datetime64(first) + np.arange(len(closes))
    return HEADER + "".join(row(str(day), close) for day, close in zip(days, closes, strict=True))


def minutes(count: int, first: str = "2024-03-04T14:30", step: int = 1, zone: str = "Z") -> str:
    times = np.datetime64(first) + step * np.arange(count).astype("timedelta64[m]")
    return HEADER + "".join(row(f"{time}{zone}", 10 + index) for index, time in enumerate(times))


# ---- what is read ----------------------------------------------------------------------------------------------------
def test_daily_csv_files_become_bars_of_new_yorks_session(folder: Folder) -> None:
    folder.write("AAPL.csv", daily(10, 11, 12, first="2024-03-08"))
    folder.write("MSFT.CSV", daily(20, 21, first="2024-03-09"))
    source = folder.open(**NEW_YORK)
    assert isinstance(source, DataSource)
    assert source.symbols() == ("AAPL", "MSFT")
    bars = bars_of(source)
    assert bars.timeframe == "1d"
    assert bars.start.astype("datetime64[m]").astype(str).tolist() == [
        "2024-03-08T14:30",
        "2024-03-09T14:30",
        "2024-03-10T13:30",
    ]
    assert bars.end.astype("datetime64[m]").astype(str).tolist() == [
        "2024-03-08T21:00",
        "2024-03-09T21:00",
        "2024-03-10T20:00",
    ]
    np.testing.assert_array_equal(bars.close, [[10, np.nan], [11, 20], [12, 21]])
    np.testing.assert_array_equal(bars.high, bars.close + 0.5)
    np.testing.assert_array_equal(bars.volume, [[100, np.nan], [100, 100], [100, 100]])


def test_every_file_read_goes_through_env_so_that_its_hash_is_recorded(folder: Folder) -> None:
    folder.write("A.csv", daily(1, 2))
    folder.write("B.csv", daily(1, 2))
    folder.open(**NEW_YORK)
    assert folder.door.asked == ["prices", "prices/A.csv", "prices/B.csv"]


def test_parquet_says_its_zone_and_needs_no_setting_for_it(folder: Folder) -> None:
    times = pl.Series([f"2024-03-04 09:3{minute}" for minute in range(5)]).str.to_datetime("%Y-%m-%d %H:%M")
    prices = [1.0, 2.0, 3.0, 4.0, 5.0]
    frame = pl.DataFrame(
        {"time": times.dt.replace_time_zone("America/New_York"), "o": prices, "h": prices, "l": prices, "c": prices}
    ).with_columns(v=pl.lit(7))
    frame.write_parquet(folder.path / "AAPL.parquet")
    bars = bars_of(folder.open(label="end"), timeframe="1m")
    assert bars.end[0] == np.datetime64("2024-03-04T14:30")
    assert bars.start[0] == np.datetime64("2024-03-04T14:29")
    assert bars.close[:, 0].tolist() == prices


def test_parquet_dates_are_dates(folder: Folder) -> None:
    frame = pl.DataFrame({"date": [date(2024, 3, 4), date(2024, 3, 5)]})
    prices = {name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")}
    frame.with_columns(**{name: pl.Series(values) for name, values in prices.items()}).write_parquet(
        folder.path / "A.parquet"
    )
    assert bars_of(folder.open(**NEW_YORK)).end[0] == np.datetime64("2024-03-04T21:00")


def test_one_long_file_holds_many_symbols(folder: Folder) -> None:
    lines = [row(f"2024-03-0{day}", price).strip() + f",{symbol}\n" for day in (4, 5) for symbol, price in PRICED]
    folder.write("all.csv", HEADER.strip() + ",Ticker\n" + "".join(lines))
    bars = bars_of(folder.open(**NEW_YORK))
    assert bars.symbols == ("BTC/USD", "IBM")
    assert bars.close.tolist() == [[30.0, 20.0], [30.0, 20.0]]


PRICED = (("IBM", 20.0), ("BTC/USD", 30.0))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2024-03-04T14:30:00Z", "2024-03-04T14:31:00Z"),
        ("2024-03-04 15:30:00+01:00", "2024-03-04 15:31:00+01:00"),
        ("2024-03-04 09:30-0500", "2024-03-04 09:31-05"),
        ("2024-03-04T14:30:00.000000", "2024-03-04T14:31:00.000"),
        ("2024-03-04 14:30", "2024-03-04 14:31"),
        ("2024.03.04 14:30", "2024.03.04 14:31"),
        ("20240304 14:30:00", "20240304 14:31:00"),
        ("1709562600", "1709562660"),
        ("1709562600000", "1709562660000"),
        ("1709562600000000", "1709562660000000"),
        ("1709562600000000000", "1709562660000000000"),
    ],
)
def test_times_are_understood_as_people_write_them(folder: Folder, first: str, second: str) -> None:
    folder.write("A.csv", HEADER + row(first) + row(second))
    bars = bars_of(folder.open(**CLOCK), timeframe="1m")
    expected = np.array(["2024-03-04T14:30", "2024-03-04T14:31"], "datetime64[ns]")
    np.testing.assert_array_equal(bars.start, expected)
    np.testing.assert_array_equal(bars.end, expected + np.timedelta64(1, "m"))


def test_a_configured_time_format_is_used(folder: Folder) -> None:
    folder.write("A.csv", HEADER + row("04/03/2024 09:30") + row("04/03/2024 09:31"))
    settings = {"timezone": "America/New_York", "label": "end", "time_format": "%d/%m/%Y %H:%M"}
    assert bars_of(folder.open(**settings), timeframe="1m").end[0] == np.datetime64("2024-03-04T14:30")
    folder.write("A.csv", HEADER + row("04/03/2024") + row("05/03/2024"))
    bars = bars_of(folder.open(**NEW_YORK, time_format="%d/%m/%Y"))
    assert bars.end[1] == np.datetime64("2024-03-05T21:00")


def test_naive_times_are_in_the_zone_set_on_both_sides_of_summer_time(folder: Folder) -> None:
    folder.write("A.csv", HEADER + row("2024-03-08 09:30") + row("2024-03-08 09:31") + row("2024-03-11 09:30"))
    bars = bars_of(folder.open(timezone="America/New_York", label="start"), timeframe="1m")
    assert bars.start[[0, 2]].astype("datetime64[m]").astype(str).tolist() == ["2024-03-08T14:30", "2024-03-11T13:30"]


def test_midnights_are_dates_where_a_session_is_set_whatever_offset_they_carry(folder: Folder) -> None:
    folder.write("A.csv", HEADER + row("2024-03-08 00:00:00-05:00") + row("2024-03-11 00:00:00-04:00"))
    bars = bars_of(folder.open(**NEW_YORK, timeframe="1d"))
    assert bars.end.astype("datetime64[m]").astype(str).tolist() == ["2024-03-08T21:00", "2024-03-11T20:00"]


def test_daily_bars_at_midnight_last_to_the_next_midnight_of_their_zone(folder: Folder) -> None:
    folder.write("A.csv", HEADER + "".join(row(f"2024-03-{day:02} 00:00") for day in range(8, 13)))
    bars = bars_of(folder.open(timezone="America/New_York", label="start"))
    np.testing.assert_array_equal(bars.end[:-1], bars.start[1:])
    assert (bars.end - bars.start).astype("timedelta64[h]").astype(int).tolist() == [24, 24, 23, 24, 24]


def test_an_open_time_column_says_the_label_itself_and_its_close_time_is_no_field(folder: Folder) -> None:
    header = "open_time,open,high,low,close,volume,close_time,trades\n"
    lines = [f"{1709562600000 + step * 60000},1,2,1,2,5,{1709562659999 + step * 60000},3\n" for step in range(3)]
    folder.write("BTCUSDT.csv", header + "".join(lines))
    bars = bars_of(folder.open(), timeframe="1m")
    assert bars.start[0] == np.datetime64("2024-03-04T14:30")
    assert list(bars.fields) == ["trades"]


def test_columns_can_be_named_and_configured_ones_win(folder: Folder) -> None:
    folder.write("A.csv", "when;first;high;low;close;last;vol\n2024-03-04;1;2;1;9;2;5\n2024-03-05;1;2;1;9;2;5\n")
    columns = {"time": "when", "open": "first", "close": "last"}
    bars = bars_of(folder.open(**NEW_YORK, columns=columns, separator=";"))
    assert (bars.open[0, 0], bars.close[0, 0]) == (1.0, 2.0)
    assert "close" not in bars.fields


def test_more_numeric_columns_are_fields_and_an_adjusted_close_and_text_are_left_out_with_a_note(
    folder: Folder,
) -> None:
    folder.write(
        "A.csv",
        "Date,Open,High,Low,Close,Adj Close,Volume,funding_rate,remark\n"
        "2024-03-04,1,2,1,2,0.5,10,0.01,fine\n2024-03-05,1,2,1,2,0.5,10,,fine\n",
    )
    folder.write("B.csv", daily(1, 2))
    bars = bars_of(folder.open(**NEW_YORK))
    assert list(bars.fields) == ["funding_rate"]
    np.testing.assert_array_equal(bars.fields["funding_rate"], [[0.01, np.nan], [np.nan, np.nan]])
    event, values = folder.door.log.events[0]
    assert (event, values["columns"]) == ("columns_ignored", ["Adj Close", "remark"])


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_no_fault(folder: Folder) -> None:
    text = daily(1, 2, 3).replace("\n", "\r\n") + "\r\n\r\n"
    folder.write("A.csv", b"\xef\xbb\xbf" + text.encode())
    assert len(bars_of(folder.open(**NEW_YORK))) == 3


def test_pattern_and_format_choose_the_files_and_hidden_ones_are_left_out(folder: Folder) -> None:
    folder.write("A.csv", daily(1, 2))
    folder.write("._A.csv", b"\x00\x05")
    folder.write("notes.txt", "no bars")
    folder.write("deep/B.dat", daily(3, 4))
    assert folder.open(**NEW_YORK).symbols() == ("A",)
    assert folder.open(**NEW_YORK, pattern="**/*.dat", format="csv").symbols() == ("B",)


# ---- what is asked for -----------------------------------------------------------------------------------------------
def test_start_is_excluded_and_end_included_and_windows_put_together_are_the_whole(folder: Folder) -> None:
    folder.write("A.csv", daily(1.5, 2.5, 3.5, 4.5))
    source = folder.open(**NEW_YORK)
    middle = datetime(2024, 3, 5, 21, tzinfo=UTC)
    early, late = bars_of(source, end=middle), bars_of(source, start=middle)
    assert early.close[:, 0].tolist() == [1.5, 2.5]
    assert late.close[:, 0].tolist() == [3.5, 4.5]
    widest = {"start": datetime.min.replace(tzinfo=UTC), "end": datetime.max.replace(tzinfo=UTC)}
    assert len(bars_of(source, **widest)) == 4


def test_unknown_symbols_are_missing_and_the_others_come_in_the_order_asked_for(folder: Folder) -> None:
    folder.write("A.csv", daily(1.5, 2.5, 3.5))
    folder.write("B.csv", daily(5.5, 6.5))
    source = folder.open(**NEW_YORK)
    bars = bars_of(source, ["B", "X", "A"])
    assert (bars.symbols, bars.missing) == (("B", "A"), ("X",))
    assert bars.close[0].tolist() == [5.5, 1.5]
    assert len(bars_of(source, ["B"])) == 2
    assert bars_of(source, ["X"]).close.shape == (0, 0)


def test_before_open_nothing_is_available(folder: Folder) -> None:
    folder.write("A.csv", daily(1, 2))
    source = folder.make(**NEW_YORK)
    assert isinstance(source.symbols(), Unavailable)
    assert isinstance(source.bars(["A"], "1d", BEGIN, FINISH), Unavailable)


# ---- coarser bars ----------------------------------------------------------------------------------------------------
def test_five_minute_bars_are_made_of_one_minute_bars(folder: Folder) -> None:
    folder.write("A.csv", minutes(12))
    bars = bars_of(folder.open(label="start"), timeframe="5m")
    assert bars.timeframe == "5m"
    assert bars.start.astype("datetime64[m]").astype(str).tolist() == ["2024-03-04T14:30", "2024-03-04T14:35"]
    assert bars.open[:, 0].tolist() == [10, 15]
    assert bars.high[:, 0].tolist() == [14.5, 19.5]
    assert bars.low[:, 0].tolist() == [9.5, 14.5]
    assert bars.close[:, 0].tolist() == [14, 19]
    assert bars.volume[:, 0].tolist() == [500, 500]


def test_a_coarse_bar_is_seen_only_when_its_interval_has_ended(folder: Folder) -> None:
    folder.write("A.csv", minutes(12))
    source = folder.open(label="start")
    almost = datetime(2024, 3, 4, 14, 39, 59, tzinfo=UTC)
    assert len(bars_of(source, timeframe="5m", end=almost)) == 1
    assert len(bars_of(source, timeframe="5m", end=almost + timedelta(seconds=1))) == 2


def test_holes_of_one_symbol_do_not_spoil_the_coarse_bar_of_another(folder: Folder) -> None:
    folder.write("A.csv", minutes(10))
    folder.write("B.csv", HEADER + row("2024-03-04T14:32Z", 50) + row("2024-03-04T14:33Z", 52, 7))
    bars = bars_of(folder.open(label="start"), timeframe="5m")
    np.testing.assert_array_equal(bars.open[:, 1], [50, np.nan])
    np.testing.assert_array_equal(bars.close[:, 1], [52, np.nan])
    np.testing.assert_array_equal(bars.volume[:, 1], [107, np.nan])
    assert bars.close[:, 0].tolist() == [14, 19]


def test_days_are_made_of_the_bars_inside_the_session(folder: Folder) -> None:
    folder.write("A.csv", minutes(24 * 60 * 2, first="2024-03-04T05:00"))
    bars = bars_of(folder.open(**NEW_YORK, label="start"))
    assert bars.start[0] == np.datetime64("2024-03-04T14:30")
    assert bars.end[0] == np.datetime64("2024-03-04T21:00")
    assert bars.volume[:, 0].tolist() == [390 * 100] * 2
    assert bars.open[0, 0] == 10 + 9.5 * 60


def test_a_day_that_the_data_does_not_reach_the_end_of_is_left_out(folder: Folder) -> None:
    folder.write("A.csv", minutes(100, first="2024-03-04T20:00"))
    assert len(bars_of(folder.open(**NEW_YORK, label="start"))) == 1
    folder.write("A.csv", minutes(59, first="2024-03-04T20:00"))
    assert len(bars_of(folder.open(**NEW_YORK, label="start"))) == 0


@pytest.mark.parametrize("timeframe", ["1m", "1w", "7h", "90m", "nonsense", ""])
def test_a_time_frame_that_cannot_be_made_is_unavailable(folder: Folder, timeframe: str) -> None:
    folder.write("A.csv", minutes(30, step=60))
    answer = folder.open(label="start").bars(["A"], timeframe, BEGIN, FINISH)
    assert isinstance(answer, Unavailable)
    assert answer.kind == "timeframe"
    assert "1h" in answer.reason


def test_bars_that_reach_over_the_ends_of_coarser_ones_are_not_put_together(folder: Folder) -> None:
    folder.write("A.csv", minutes(6, first="2024-03-04T14:30", step=60))
    answer = folder.open(label="start").bars(["A"], "2h", BEGIN, FINISH)
    assert isinstance(answer, Unavailable)
    assert "reach over" in answer.reason


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([2, 3, 5]))
def test_coarse_bars_hold_what_their_fine_bars_hold(has: list[bool], step: int) -> None:
    start = np.datetime64("2024-01-01T00:00", "ns") + np.arange(len(has)) * np.timedelta64(1, "m")
    end = start + np.timedelta64(1, "m")
    close = np.where(has, np.arange(len(has)) + 5.0, np.nan)[:, None]
    fine = Bars(("A",), "1m", start, end, close - 0.5, close + 1, close - 1, close, close * 10)
    bucket = start[0] + np.arange(len(has)) // step * step * np.timedelta64(1, "m")
    made = coarser(fine, f"{step}m", bucket, bucket + step * np.timedelta64(1, "m"))
    assert made is not None
    assert len(made) == len(has) // step
    for index in range(len(made)):
        part = close[index * step : (index + 1) * step, 0]
        part = part[np.isfinite(part)]
        expected = (
            [part[0] - 0.5, part.max() + 1, part.min() - 1, part[-1], part.sum() * 10] if len(part) else [np.nan] * 5
        )
        got = [values[index, 0] for values in (made.open, made.high, made.low, made.close, made.volume)]
        np.testing.assert_array_equal(got, expected)


# ---- settings and manifest -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("timezone", "Amerika/New_York", "no time zone"),
        ("timeframe", "1 day", "such as 1m"),
        ("session", "9-16", "09:30-16:00"),
        ("session", "09:30-16:00", "needs timezone"),
        ("separator", "§", "ASCII"),
        ("label", "middle", "'start' or 'end'"),
        ("floder", "x", "floder"),
        ("columns", {"tiem": "x"}, "tiem"),
    ],
)
def test_settings_that_make_no_sense_are_refused(key: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings.model_validate({"folder": "prices", key: value})


def test_a_session_that_opens_the_day_before_is_understood() -> None:
    assert session_minutes("18:00-17:00") == (-360, 1020)
    assert session_minutes("00:00-24:00") == (0, 1440)


def test_manifest_says_recorded_and_no_permissions() -> None:
    manifest = tomllib.loads(files("trader_data_files").joinpath("plugin.toml").read_text("utf-8"))
    table = manifest["data_source"]["files"]
    assert table["api"] == 1
    assert table["capabilities"]["recorded"] is True
    assert table["capabilities"]["delay_seconds"] == 0
    assert table["permissions"] == {"submits_orders": False, "secrets": [], "hosts": []}


def test_the_examples_of_the_readme_are_settings() -> None:
    text = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")
    examples = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert examples
    for example in examples:
        Settings.model_validate(tomllib.loads(example)["data_sources"]["files"])
