"""Two books in one session: each with its broker, positions and figures of its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from trader.errors import SettingsError

MORE = """
[brokers.paper]
cash = 100_000

[brokers.second]
plugin = "paper"
cash = 50_000

[books.other]
broker = "second"
coverage.symbols = ["AAPL"]
"""


def play(folder: Path, text: str, cycles: int = 60) -> dict[str, object]:
    from trader.session import Session

    path = folder / "settings.toml"
    path.write_text(text)
    return Session(path).start().run(cycles=cycles).as_json()


def test_each_book_trades_its_own_symbols_with_its_own_money(tmp_path: Path, small: str) -> None:
    main = play(tmp_path, small + MORE)
    assert isinstance(main["books"], dict)
    other = main["books"]["other"]
    assert (main["cycles"], other["cycles"]) == (60, 60)
    assert (set(main["positions"]), set(other["positions"])) == ({"IBM", "MSFT"}, {"AAPL"})
    assert (main["start_equity"], other["start_equity"]) == ("100000.00", "50000.00")
    for book in (main, other):
        worth = sum(Decimal(line["value"]) for line in book["positions"].values())
        assert Decimal(book["cash"]) + worth == Decimal(book["equity"])


def test_books_resume_together_and_end_as_if_they_had_not_stopped(tmp_path: Path, small: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = play(tmp_path / "a", small + MORE)
    play(tmp_path / "b", small + MORE, cycles=20)
    rest = play(tmp_path / "b", small + MORE, cycles=40)
    assert rest["fingerprint"] == whole["fingerprint"]


def test_a_number_of_cycles_counts_for_each_book_also_where_one_is_behind(tmp_path: Path, small: str) -> None:
    play(tmp_path, small, cycles=20)
    both = play(tmp_path, small + MORE, cycles=10)
    assert isinstance(both["books"], dict)
    assert (both["cycles"], both["books"]["other"]["cycles"], both["reason"]) == (10, 10, "cycles")
    ended = play(tmp_path, small + MORE, cycles=100_000)
    assert ended["at_end_of_data"] and ended["reason"] == "end of data"


def test_two_books_on_one_account_are_refused(tmp_path: Path, small: str) -> None:
    text = (small + MORE).replace('broker = "second"', 'broker = "paper"')
    with pytest.raises(SettingsError, match="paper"):
        play(tmp_path, text)


def test_a_book_without_money_comes_to_its_end(tmp_path: Path, small: str) -> None:
    end = play(tmp_path, small + "[brokers.paper]\ncash = 0\n", cycles=100_000)
    assert Decimal(end["equity"]) == 0 and end["turnover"] is None and end["at_end_of_data"]
