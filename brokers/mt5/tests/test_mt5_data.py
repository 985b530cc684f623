"""Bars, quotes and trades of an emulated terminal; and what every data source must do."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from trader.clock import SystemClock, VirtualClock
from trader.model import Bars, Unavailable
from trader.protocols import DataSource, HasQuotes, HasTrades
from trader.testing import DataSourceConformance
from trader.testing.emulation import Mishap
from trader_broker_mt5.rates import TIMEFRAMES
from trader_emulators import Setup, emulate


class TestMt5Data(DataSourceConformance):
    plugin = "mt5"
    asked = ("EUR/USD", "XAU/USD")

    def prepare(self, root: Any) -> None:
        prices = {"EUR/USD": 1.1, "XAU/USD": 2400.0}
        self.there = emulate("mt5", Setup(prices=prices, clock=VirtualClock(self.now)))
        self.options = dict(self.there.options)
        self.secrets = dict(self.there.secrets)
        self.sources: list[Any] = []

    def provided(self, world: Any) -> Any:
        made = super().provided(world)
        self.sources.append(made.object)
        return made

    @pytest.fixture(autouse=True)
    def _closed(self) -> Any:
        yield
        for source in self.sources:
            source.close()
        self.there.close()


def now():
    return SystemClock().now()


def test_it_is_a_data_source_with_quotes_and_trades(start):
    source = start(prices={"EUR/USD": 1.1}).source()
    assert all(isinstance(source, protocol) for protocol in (DataSource, HasQuotes, HasTrades))
    assert source.symbols() == ["EUR/USD"]


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_every_time_frame_has_closed_bars_only(start, timeframe):
    source = start(prices={"EUR/USD": 1.1}).source()
    bars = source.bars(["EUR/USD"], timeframe, now() - timedelta(days=9), now() + timedelta(days=9))
    assert isinstance(bars, Bars) and len(bars) > 5
    assert bars.end[-1] <= np.datetime64(now().replace(tzinfo=None), "ns")
    assert (np.diff(bars.end) > np.timedelta64(0)).all()


@pytest.mark.parametrize("hours", [0, 3, -5])
def test_bars_of_a_server_in_another_zone_are_utc(start, hours):
    desk = start(prices={"EUR/USD": 1.1})
    desk.emulator.offset = timedelta(hours=hours)
    desk.emulator.trade("EUR/USD", 1.1)
    bars = desk.source().bars(["EUR/USD"], "1m", now() - timedelta(minutes=10), now())
    assert len(bars) in (9, 10)
    assert np.datetime64(now().replace(tzinfo=None), "ns") - bars.end[-1] < np.timedelta64(61, "s")
    days = desk.source().bars(["EUR/USD"], "1d", now() - timedelta(days=5), now())
    assert str(days.start[-1])[11:13] == f"{-hours % 24:02d}"


def test_who_is_unknown_is_missing_and_an_unknown_time_frame_is_told(start):
    source = start(prices={"EUR/USD": 1.1}).source()
    bars = source.bars(["EUR/USD", "NOPE"], "1h", now() - timedelta(hours=5), now())
    assert (bars.symbols, bars.missing) == (("EUR/USD",), ("NOPE",))
    answer = source.bars(["EUR/USD"], "7m", now() - timedelta(hours=5), now())
    assert isinstance(answer, Unavailable) and answer.kind == "timeframe"


def test_quotes_have_both_sides_and_the_unknown_are_left_out(start):
    desk = start()
    source = desk.source()
    quotes = source.quotes(["EUR/USD", "US500", "NOPE"])
    assert [quote.symbol for quote in quotes] == ["EUR/USD", "US500"]
    assert all(0 < quote.bid < quote.ask for quote in quotes)
    assert "US500" in desk.emulator.selected


def test_a_symbol_that_nobody_reports_trades_of_has_none(start):
    source = start(prices={"EUR/USD": 1.1}).source()
    assert source.trades("EUR/USD", now() - timedelta(minutes=5), now()) == []
    assert source.trades("NOPE", now() - timedelta(minutes=5), now()) == []


@pytest.mark.parametrize("mishap", [Mishap.FAILED, Mishap.RESET, Mishap.GARBAGE, Mishap.UNAUTHORIZED])
def test_a_question_that_was_not_answered_is_unavailable_and_never_no_bars(start, mishap):
    desk = start(prices={"EUR/USD": 1.1})
    source = desk.source()
    desk.emulator.mishap("bars", mishap)
    span = (now() - timedelta(hours=5), now())
    assert isinstance(source.bars(["EUR/USD"], "1h", *span), Unavailable)
    assert isinstance(source.bars(["EUR/USD"], "1h", *span), Bars)
