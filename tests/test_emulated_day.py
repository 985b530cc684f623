"""A shortened day of each broker at its emulator: cycles, a kill in the middle, and a book equal to the venue's.

`scripts/day` plays the whole day, with a kill at each of six points.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from emulated_day.check import Figures, compare  # noqa: E402 - found by the path above
from emulated_day.day import Day, Hung, Told, whole  # noqa: E402
from emulated_day.place import VENUES  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not there")
BARS = 10
POINTS = {
    "alpaca": "broker>journal",
    "binance": "gate>broker",
    "binance_futures": "broker>journal",
    "robinhood": "commit>send",
    "mt5": "broker>journal",
}
"""Where each dies: the order is at the venue and nobody wrote it down; it may be there; it is not there."""


@pytest.mark.parametrize("name", VENUES)
def test_a_day_with_a_kill_in_it_ends_with_the_book_of_the_venue(name, tmp_path):
    told = whole(tmp_path / "day", VENUES[name], bars=BARS, kills=[POINTS[name]])
    assert told.figures.faults == [], f"{told.line()}\n{told.said}"
    assert told.kills == [POINTS[name]]
    assert told.bars >= BARS and told.decided >= BARS // 2
    assert told.figures.orders >= told.decided and told.figures.fills > 0


def test_a_lie_on_either_side_is_noticed(tmp_path):
    """The comparison sees what it is there to see: money and units that only the venue has, an order of a stranger."""
    from trader.model import Side

    with Day(tmp_path / "day", VENUES["alpaca"]) as day:
        day.start()
        day.first_decision()
        day.play(2)
        assert day.settle().faults == []
        store = day.open_store()
        try:
            venue = day.emulator.venue
            venue.cash("dividend", Decimal(5))
            assert any(fault.startswith("cash is") for fault in compare(store, venue, Decimal("0.01")).faults)
            venue.manual_trade("AAPL", Side.BUY, Decimal(1))
            day.emulator.step(60.0)
            said = " ".join(compare(store, venue, Decimal("0.01")).faults)
            assert "positions are" in said and "is at the venue and has no row" in said
        finally:
            store.close()


# ---- scripts/day -----------------------------------------------------------------------------------------------------
@pytest.fixture
def script(monkeypatch):
    """The module behind scripts/day."""
    monkeypatch.syspath_prepend(str(HERE.parent / "scripts"))
    import _day.main

    return _day.main


def test_the_script_explains_a_wrong_name(script, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(["oanda"], tmp_path)
    assert stop.value.code == 2 and "oanda" in capsys.readouterr().err


def test_a_good_day_is_one_line_and_leaves_nothing_behind(script, tmp_path, monkeypatch, capsys):
    asked = []

    def whole(folder, venue, **how):
        asked.append((venue.name, how["bars"]))
        return Told(venue.name, bars=how["bars"], decided=40, kills=["commit>send"])

    monkeypatch.setattr(script, "whole", whole)
    assert script.main([], tmp_path) == 0
    assert asked == [("alpaca", 48), ("binance", 48), ("binance_futures", 48), ("robinhood", 24), ("mt5", 48)]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(VENUES) and "book equal" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_a_bad_day_is_exit_code_1_and_what_was_left_stays(script, tmp_path, monkeypatch, capsys):
    figures = Figures(orders=3, faults=["cash is 5 here, 6 at the venue"])
    monkeypatch.setattr(script, "whole", lambda *_, **__: Told("alpaca", figures=figures))
    assert script.main(["alpaca", "--json"], tmp_path) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["faults"] == figures.faults and "cash is 5 here" in said.err
    assert len(list(tmp_path.iterdir())) == 1


def test_a_day_that_hangs_is_exit_code_1(script, tmp_path, monkeypatch, capsys):
    def hang(*_, **__):
        raise Hung("it decides nothing")

    monkeypatch.setattr(script, "whole", hang)
    assert script.main(["mt5"], tmp_path) == 1
    assert "mt5: it decides nothing" in capsys.readouterr().err
