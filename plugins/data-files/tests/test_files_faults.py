"""Every malformed file is refused with file, line, column, what was expected, what it was and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trader.errors import DataError, SettingsError
from trader.model import Bars
from trader_data_files import FilesSource, Settings
from trader_data_files.checks import check_order, check_values, within
from trader_data_files.faults import bad_rows

HEADER = "Date,Open,High,Low,Close,Volume\n"
GOOD = "2024-03-04,10,11,9,10,100\n"
NEXT = "2024-03-06,10,11,9,10,100\n"
DAYS = {"timezone": "America/New_York", "session": "09:30-16:00"}


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **values: Any) -> None:
        self.events.append((event, values))

    info = warning


class Door:
    def __init__(self, root: Path) -> None:
        self.root, self.log = root, Log()

    def file(self, path: str | Path) -> Path:
        if not (self.root / path).exists():
            raise SettingsError("There is no such file or folder.", where=str(path))
        return self.root / path


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    (tmp_path / "prices").mkdir()
    return tmp_path / "prices"


def opened(prices: Path, **settings: Any) -> FilesSource:
    made = Settings.model_validate({"folder": "prices", **DAYS, **settings})
    source = FilesSource(made, Door(prices.parent))  # type: ignore[arg-type]
    source.open()
    return source


def refused(prices: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as refusal:
        opened(prices, **settings)
    return str(refusal.value)


ROWS = {
    "a word for a price": ("2024-03-05,ten,11,9,10,100", "Open", "a number", "'ten'"),
    "an empty price": ("2024-03-05,10,,9,10,100", "High", "a number", "empty"),
    "a line cut short": ("2024-03-05,10,11,9", "Close", "a number", "empty"),
    "a decimal comma": ('2024-03-05,"10,5",11,9,10,100', "Open", "a number", "'10,5'"),
    "a negative price": ("2024-03-05,10,11,-9,10,100", "low", "a finite price above 0", "'-9'"),
    "a zero price": ("2024-03-05,10,11,9,0,100", "close", "a finite price above 0", "'0'"),
    "a NaN price": ("2024-03-05,NaN,11,9,10,100", "open", "a finite price above 0", "'nan'"),
    "an infinite price": ("2024-03-05,10,inf,9,10,100", "high", "a finite price above 0", "'inf'"),
    "a negative volume": ("2024-03-05,10,11,9,10,-1", "volume", "a finite volume of 0 or more", "'-1'"),
    "a NaN volume": ("2024-03-05,10,11,9,10,nan", "volume", "a finite volume of 0 or more", "'nan'"),
    "high below low": ("2024-03-05,10,8,9,10,100", "high", "a high at or above the low", "'8'"),
    "close above high": ("2024-03-05,10,11,9,12,100", "close", "the close between low and high", "'12'"),
    "open below low": ("2024-03-05,8,11,9,10,100", "open", "the open between low and high", "'8'"),
    "no time": (",10,11,9,10,100", "Date", "a time such as", "empty"),
    "a word for a time": ("yesterday,10,11,9,10,100", "Date", "a time such as", "'yesterday'"),
    "a day that does not exist": ("2024-02-30,10,11,9,10,100", "Date", "a time such as", "'2024-02-30'"),
    "day and month swapped": ("05/03/2024,10,11,9,10,100", "Date", "time_format", "'05/03/2024'"),
    "a year that is none": ("0024-03-05,10,11,9,10,100", "Date", "a time such as", "'0024-03-05'"),
    "a clock among dates": ("2024-03-05 10:00,10,11,9,10,100", "Date", "a date only as above", "'2024-03-05 10:00'"),
    "a repeated time": ("2024-03-04,10,11,9,10,100", "Date", "each time once", "'2024-03-04 00:00:00'"),
    "out of order": ("2024-03-01,10,11,9,10,100", "Date", "a time after the row above", "'2024-03-01 00:00:00'"),
}


@pytest.mark.parametrize("fault", ROWS)
def test_a_bad_row_is_refused_with_file_line_column_expected_and_was(prices: Path, fault: str) -> None:
    line, column, expected, was = ROWS[fault]
    (prices / "A.csv").write_text(HEADER + GOOD + line + "\n" + NEXT)
    said = refused(prices)
    assert said.startswith(f"prices/A.csv line 3, column {column}\n")
    assert expected in said
    assert f"was {was}" in said
    assert 'on_bad_rows = "drop"' in said


@pytest.mark.parametrize("fault", ROWS)
def test_a_bad_row_can_be_dropped_and_is_counted_and_logged(prices: Path, fault: str) -> None:
    (prices / "A.csv").write_text(HEADER + GOOD + ROWS[fault][0] + "\n" + NEXT)
    made = Settings.model_validate({"folder": "prices", **DAYS, "timeframe": "1d", "on_bad_rows": "drop"})
    door = Door(prices.parent)
    source = FilesSource(made, door)  # type: ignore[arg-type]
    source.open()
    bars = source.bars(["A"], "1d", datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    assert isinstance(bars, Bars)
    assert bars.end.astype("datetime64[D]").astype(str).tolist() == ["2024-03-04", "2024-03-06"]
    ((event, values),) = door.log.events
    assert (event, values["file"], values["rows"]) == ("bad_rows_dropped", "prices/A.csv", 1)
    assert "prices/A.csv line 3" in values["first"]


def test_the_first_bad_row_is_named_and_the_others_are_counted(prices: Path) -> None:
    bad = "2024-03-05,10,11,9,-1,100\n"
    (prices / "A.csv").write_text(HEADER + "\n" + GOOD + bad + bad + bad)
    said = refused(prices)
    assert said.startswith("prices/A.csv line 4,")
    assert "2 more bad rows" in said


def test_a_row_of_parquet_is_named_by_its_number(prices: Path) -> None:
    frame = pl.DataFrame({"date": ["2024-03-04", "2024-03-05"], "o": [1.0, -1.0]})
    frame.with_columns(h=2.0, l=0.5, c=1.0, v=1).write_parquet(prices / "A.parquet")
    assert refused(prices).startswith("prices/A.parquet row 2, column open\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty"),
        (b"  \n\n", "The file is empty"),
        (HEADER.encode(), "a header and no rows"),
        (b"Date,Open,High,Low,Volume\n2024-03-04,1,1,1,1\n", "Expected a column for close"),
        (b"Open,High,Low,Close,Volume\n1,1,1,1,1\n", "Expected a column for time"),
        (b"2024-03-04,10,11,9,10,100\n2024-03-05,10,11,9,10,100\n", "The first line looks like data"),
        (b"Date;Open;High;Low;Close;Volume\n2024-03-04;1;1;1;1;1\n", "set separator"),
        (b"Date,Open,High,Low,Close,Volume,Vol\n2024-03-04,1,1,1,1,1,1\n", "found Volume, Vol"),
        (b"Date,Time,Open,High,Low,Close,Volume\n2024-03-04,1,1,1,1,1,1\n", 'columns = { time = "Date" }'),
        (b"Date,Open,Open,High,Low,Close,Volume\n2024-03-04,1,1,1,1,1,1\n", "Two columns are called 'Open'"),
        (HEADER.encode() + b"2024-03-04,1,1,1,1,1,9,9\n", "line 2\n  Expected 6 values as in the header, found 8"),
        (
            HEADER.encode() + GOOD.encode() + b"2024-03-05,1,1,1,1,\xe9\n",
            "line 3\n  Expected UTF-8 text, was the byte 0xe9",
        ),
        (HEADER.encode("utf-16"), "Expected UTF-8 text"),
        (HEADER.encode() + b'"2024-03-04,1,1,1,1,1\n', "quotation mark"),
        (HEADER.encode() + b"x,1,1,1,1,1\n", "was 'x'"),
    ],
)
def test_a_malformed_csv_file_is_refused(prices: Path, content: bytes, said: str) -> None:
    (prices / "A.csv").write_bytes(content)
    text = refused(prices)
    assert text.startswith("prices/A.csv")
    assert said in text


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"x" * 99 + b"PAR1", b"no parquet", b"\x00" * 64])
def test_parquet_that_cannot_be_read_is_refused(prices: Path, content: bytes) -> None:
    (prices / "A.parquet").write_bytes(content)
    assert "not a Parquet file that can be read" in refused(prices)


def test_parquet_cut_off_is_refused(prices: Path) -> None:
    path = prices / "A.parquet"
    pl.DataFrame({"date": ["2024-03-04"], "open": [1.0]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "not a Parquet file that can be read" in refused(prices)


def test_a_time_column_of_another_type_is_refused(prices: Path) -> None:
    frame = pl.DataFrame({"time": [True, False]})
    frame.with_columns(o=1.0, h=2.0, l=0.5, c=1.0, v=1).write_parquet(prices / "A.parquet")
    assert "Expected times, was a column of type Boolean" in refused(prices)


def test_a_configured_column_that_is_not_there_is_refused(prices: Path) -> None:
    (prices / "A.csv").write_text(HEADER + GOOD)
    assert "Expected a column 'Last' (columns.close in the settings)" in refused(prices, columns={"close": "Last"})


def test_no_file_that_matches_is_refused_with_what_is_there(prices: Path) -> None:
    assert "The folder has: nothing" in refused(prices)
    (prices / "notes.txt").write_text("x")
    assert "found none. The folder has: notes.txt" in refused(prices)
    assert "matching '*.tsv'" in refused(prices, pattern="*.tsv", format="csv")


def test_a_file_for_a_folder_an_absolute_pattern_and_no_folder_are_refused(prices: Path) -> None:
    (prices / "A.csv").write_text(HEADER + GOOD)
    assert "Expected a folder, was a file" in refused(prices, folder="prices/A.csv")
    assert "cannot be used" in refused(prices, pattern=str(prices.resolve() / "*.csv"))
    with pytest.raises(SettingsError):
        opened(prices, folder="nowhere")


def test_two_files_for_one_symbol_are_refused(prices: Path) -> None:
    (prices / "A.csv").write_text(HEADER + GOOD + NEXT)
    (prices / "long.csv").write_text("symbol," + HEADER + "A," + GOOD)
    assert "Two files hold the symbol 'A': prices/A.csv and prices/long.csv" in refused(prices)


def test_a_row_without_its_symbol_is_refused(prices: Path) -> None:
    (prices / "long.csv").write_text("symbol," + HEADER + "A," + GOOD + "," + NEXT)
    assert "column symbol\n  Expected a symbol, was empty" in refused(prices)


def minute(when: str) -> str:
    return f"{when},10,11,9,10,100\n"


@pytest.mark.parametrize(
    ("times", "settings", "said"),
    [
        (["2024-03-04 10:00", "2024-03-04 10:01"], {"label": "start"}, 'timezone = "UTC"'),
        (["2024-03-04T10:00Z", "2024-03-04T10:01Z"], {}, 'label = "start" or label = "end"'),
        (["2024-03-04", "2024-03-05"], {}, 'session = "09:30-16:00"'),
        (["2024-03-04T10:00Z"], {"label": "end"}, 'timeframe = "1d"'),
        (["2024-03-04T10:00Z", "2024-03-04T10:01"], {"label": "end"}, "Expected a time with a zone as above"),
        (["2024-03-04T10:00", "2024-03-04T10:01Z"], {"label": "end", "timezone": "UTC"}, "without a zone as above"),
        (["2024-03-04T10:00Z", "2024-03-04"], {"label": "end"}, "Expected a date and a clock time as above"),
        (
            ["2024-11-03 00:59", "2024-11-03 01:00"],
            {"label": "end", "timezone": "America/New_York"},
            "Expected a time that occurs once in America/New_York",
        ),
        (
            ["2024-03-10 01:59", "2024-03-10 02:00"],
            {"label": "end", "timezone": "America/New_York"},
            "Expected a time that exists in America/New_York",
        ),
        (["2024-03-04T10:00Z", "2024-03-04T10:01Z"], {"label": "end", "timeframe": "5m"}, "apart"),
        (["04.03.2024", "05.03.2024"], {"time_format": "%Q"}, "Expected a time written as %Q, was '04.03.2024'"),
    ],
)
def test_what_the_file_does_not_say_is_asked_for_and_never_guessed(
    prices: Path, times: list[str], settings: dict[str, Any], said: str
) -> None:
    (prices / "A.csv").write_text(HEADER + "".join(map(minute, times)))
    text = refused(prices, **{"session": None, "timezone": None, **settings})
    assert said in text
    assert text.startswith("prices")


def test_two_time_frames_in_one_folder_are_refused(prices: Path) -> None:
    every = "".join(minute(f"2024-03-04T{hour:02}:{part:02}Z") for hour in range(5) for part in range(60))
    (prices / "A.csv").write_text(HEADER + every)
    (prices / "B.csv").write_text(HEADER + "".join(minute(f"2024-03-{day:02}T00:00Z") for day in range(1, 20)))
    said = refused(prices, session=None, label="start")
    assert said.startswith("prices/B.csv")
    assert "Expected bars of 1m" in said
    assert "1d apart" in said


def test_symbols_on_different_clocks_are_refused(prices: Path) -> None:
    (prices / "A.csv").write_text(HEADER + minute("2024-03-04T22:00Z") + minute("2024-03-05T22:00Z"))
    (prices / "B.csv").write_text(HEADER + minute("2024-03-04") + minute("2024-03-05"))
    assert "The files' bars overlap" in refused(prices, label="end")
    (prices / "A.csv").write_text(HEADER + minute("2024-03-04T21:00Z") + minute("2024-03-05T21:00Z"))
    assert "another symbol's bar with that end starts" in refused(prices, label="end")


def test_symbols_whose_bars_overlap_in_part_are_refused(prices: Path) -> None:
    """Half an hour apart: what the bar that ends later knows of the first half is no news at its end."""
    for symbol, part in (("A", "00"), ("B", "30")):
        rows = "".join(minute(f"2024-03-04T{hour}:{part}Z") for hour in (14, 15, 16))
        (prices / f"{symbol}.csv").write_text(HEADER + rows)
    assert "The files' bars overlap" in refused(prices, session=None, label="start")


@pytest.mark.parametrize("where", [0, 2, 3])
def test_one_time_of_the_far_future_takes_no_other_row_with_it(prices: Path, where: int) -> None:
    days = [f"2024-03-{day:02}" for day in (4, 5, 6, 7, 8, 11)]
    typed = [*days[:where], "2124-03-08", *days[where + 1 :]]
    (prices / "A.csv").write_text(HEADER + "".join(f"{day},10,11,9,10,100\n" for day in typed))
    said = refused(prices)
    assert said.startswith(f"prices/A.csv line {where + 2}, column Date\n")
    assert "Expected a time before the row below, was '2124-03-08" in said and "more bad row" not in said
    made = Settings.model_validate({"folder": "prices", **DAYS, "timeframe": "1d", "on_bad_rows": "drop"})
    source = FilesSource(made, Door(prices.parent))  # type: ignore[arg-type]
    source.open()
    bars = source.bars(["A"], "1d", datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
    assert isinstance(bars, Bars)
    assert bars.end.astype("datetime64[D]").astype(str).tolist() == [*days[:where], *days[where + 1 :]]


def test_dates_are_no_bars_of_an_hour(prices: Path) -> None:
    (prices / "A.csv").write_text(HEADER + GOOD + NEXT)
    assert "Expected bars of 1h, but 'A' has dates without a clock time" in refused(prices, timeframe="1h")


def test_when_every_row_is_bad_dropping_them_is_refused(prices: Path) -> None:
    (prices / "A.csv").write_text(HEADER + "2024-03-05,10,11,9,-1,100\n")
    assert "No good row is left" in refused(prices, on_bad_rows="drop")


def test_an_infinite_number_in_another_column_is_refused(prices: Path) -> None:
    (prices / "A.csv").write_text(HEADER.strip() + ",rate\n" + GOOD.strip() + ",0.1\n" + NEXT.strip() + ",inf\n")
    assert "column rate\n  Expected a finite number, was 'inf'" in refused(prices)


# ---- the checks themselves -------------------------------------------------------------------------------------------
prices_or_not = st.floats(allow_nan=True, allow_infinity=True, width=64) | st.floats(1, 2)


@given(st.lists(st.tuples(*[prices_or_not] * 5), min_size=1, max_size=20))
def test_exactly_the_rows_that_are_no_bar_are_found(rows: list[tuple[float, ...]]) -> None:
    columns = np.array(rows, float).T
    values = dict(zip(("open", "high", "low", "close", "volume"), columns, strict=True))
    with np.errstate(invalid="ignore", over="ignore"):
        bad = bad_rows(check_values(values), len(rows))
    for index, (opening, high, low, close, volume) in enumerate(rows):
        finite = np.isfinite(rows[index]).all()
        slack = 1e-9
        good = finite and 0 < low * (1 - slack) <= min(opening, close) and max(opening, close) <= high * (1 + slack)
        good = bool(good and min(rows[index][:4]) > 0 and low * (1 - slack) <= high * (1 + slack) and volume >= 0)
        assert bad[index] == (not good), rows[index]


@given(st.lists(st.integers(0, 30), min_size=0, max_size=30))
def test_times_left_after_the_bad_ones_are_strictly_increasing_and_none_is_lost_without_need(days: list[int]) -> None:
    time = np.datetime64("2024-01-01", "ns") + np.array(days, int).astype("timedelta64[D]")
    bad = bad_rows(check_order(time, "time"), len(days))
    left = [day for day, is_bad in zip(days, bad, strict=True) if not is_bad]
    assert left == sorted(set(left))
    if days == sorted(set(days)):
        assert left == days


def test_a_close_a_last_digit_above_its_high_passes_and_the_high_is_widened() -> None:
    close = np.array([0.1 + 0.2])
    values = {"open": np.array([0.3]), "high": np.array([0.3]), "low": np.array([0.29]), "close": close}
    values["volume"] = np.array([0.0])
    assert check_values(values) == []
    assert within(values)["high"][0] == close[0]


@given(st.integers(0, 10_000), st.binary(max_size=6), st.integers(0, 8), st.sampled_from(["csv", "parquet"]))
def test_damage_anywhere_in_a_file_ends_in_bars_or_in_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, what: bytes, removed: int, kind: str
) -> None:
    prices = tmp_path_factory.mktemp("damaged") / "prices"
    prices.mkdir()
    path = prices / f"A.{kind}"
    if kind == "csv":
        path.write_text(HEADER + GOOD + "2024-03-05,10,11,9,10,100\n" + NEXT)
    else:
        frame = pl.DataFrame({"date": ["2024-03-04", "2024-03-05"], "o": [1.0, 2.0]})
        frame.with_columns(h=2.0, l=0.5, c=1.0, v=1).write_parquet(path)
    data = path.read_bytes()
    cut = at % len(data)
    path.write_bytes(data[:cut] + what + data[cut + removed :])
    try:
        said = opened(prices, timeframe="1d").symbols()
    except DataError as refusal:
        said = refusal.where
    assert said == ("A",) or str(said).startswith(("prices", "folder"))


@pytest.mark.parametrize("written", ["%Y%m%d%H%M", "%Y%m%d%H%M%S"])
def test_a_clock_time_without_marks_is_no_unix_time_of_the_seventies(prices: Path, written: str) -> None:
    times = [datetime(2024, 3, day, 16, tzinfo=UTC) for day in range(1, 13)]
    rows = "".join(f"{time.strftime(written)},10,11,9,10,100\n" for time in times)
    (prices / "A.csv").write_text(HEADER + rows)
    said = refused(prices, timezone="UTC", session=None, label="end")
    assert "line 2, column Date" in said and "expected a time such as" in said.lower() and "set time_format" in said
    source = opened(prices, timezone="UTC", session=None, label="end", time_format=written)
    bars = source.bars(["A"], "1d", datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    assert isinstance(bars, Bars) and bars.end.tolist() == [int(time.timestamp()) * 10**9 for time in times]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("begins", ["1976-01-02T10:30", "1999-12-31T23:50", "2024-03-01T14:30"])
def test_unix_times_of_every_unit_are_read(prices: Path, unit: str, begins: str) -> None:
    ends = np.datetime64(begins, "ns") + np.arange(12) * np.timedelta64(60, "s")
    rows = "".join(f"{time},10,11,9,10,100\n" for time in ends.astype(f"datetime64[{unit}]").astype(int).tolist())
    (prices / "A.csv").write_text(HEADER + rows)
    source = opened(prices, timezone=None, session=None, label="end")
    bars = source.bars(["A"], "1m", datetime(1970, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    assert isinstance(bars, Bars) and (bars.end == ends).all() and len(bars) == 12
