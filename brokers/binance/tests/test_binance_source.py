"""Bars, quotes and trades over the emulated venues."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from trader.clock import SystemClock
from trader.env import World
from trader.model import Unavailable
from trader.protocols import DataSource, HasQuotes, HasTrades
from trader.testing.emulation import Mishap
from trader_broker_binance import source as module
from trader_broker_binance.settings import DataSettings
from trader_broker_binance.source import BinanceSource
from trader_emulators import Setup, emulate

PRODUCTS = {"binance": "spot", "binance_futures": "futures"}


@pytest.fixture(params=list(PRODUCTS))
def venue(request):
    made = emulate(request.param, Setup(prices={"BTC/USDT": 20_000.0, "ETH/USDT": 1_000.0}, patience=5.0))
    yield made
    made.close()


@pytest.fixture
def source(venue, tmp_path):
    world = World(tmp_path, tmp_path / "var", environ={})
    door = world.door(venue.name, distribution="test")
    made = BinanceSource(DataSettings(url=venue.url), door, PRODUCTS[venue.name])
    assert made.open() is None
    yield made
    made.close()


def now():
    return SystemClock().now()


def test_it_is_what_it_says(source):
    assert isinstance(source, DataSource) and isinstance(source, HasQuotes) and isinstance(source, HasTrades)
    assert set(source.symbols()) == {"BTC/USDT", "ETH/USDT"}


def test_no_key_is_needed(source, venue):
    venue.revoke()
    assert not isinstance(source.symbols(), Unavailable)


def test_pages_are_put_together(source, monkeypatch):
    end = now().replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(hours=30)
    whole = source.bars(["BTC/USDT"], "1h", start, end)
    monkeypatch.setattr(module, "PAGE", 7)
    paged = source.bars(["BTC/USDT"], "1h", start, end)
    assert len(whole) == 30
    assert np.array_equal(whole.end, paged.end) and np.array_equal(whole.close, paged.close)


def test_a_bar_that_is_not_closed_never_comes(source, venue):
    """Not even if the machine's clock is behind the venue's, or ahead."""
    for skew in (0.0, 90.0, -90.0):
        venue.skew(skew)
        source.open()
        bars = source.bars(["BTC/USDT"], "1m", now() - timedelta(minutes=10), now() + timedelta(hours=1))
        there = np.datetime64(venue.clock.now().replace(tzinfo=None), "ns")
        assert len(bars) and (bars.end <= there).all()
        assert there - bars.end[-1] < np.timedelta64(62, "s")


def test_what_it_does_not_have_is_named(source):
    bars = source.bars(["BTC/USDT", "NOPE/USDT"], "1d", now() - timedelta(days=5), now())
    assert bars.missing == ("NOPE/USDT",) and bars.symbols == ("BTC/USDT",)
    odd = source.bars(["BTC/USDT"], "7m", now() - timedelta(days=5), now())
    assert isinstance(odd, Unavailable) and "7m" in odd.reason


@pytest.mark.parametrize("mishap", [Mishap.FAILED, Mishap.HTML, Mishap.GARBAGE, Mishap.TRUNCATED, Mishap.RESET])
def test_bars_are_whole_or_unavailable(source, venue, monkeypatch, mishap):
    monkeypatch.setattr(module, "PAGE", 7)
    venue.mishap("bars", mishap)
    bars = source.bars(["BTC/USDT", "ETH/USDT"], "1h", now() - timedelta(hours=30), now())
    assert isinstance(bars, Unavailable) and bars.reason


def test_quotes_are_now_and_in_order(source):
    for asked in (["BTC/USDT"], ["BTC/USDT", "ETH/USDT"]):
        quotes = source.quotes(asked)
        assert {quote.symbol for quote in quotes} == set(asked)
        assert all(0 < quote.bid <= quote.ask for quote in quotes)
        assert all(abs(quote.time - now()) < timedelta(seconds=5) for quote in quotes)
    assert source.quotes(["NOPE/USDT"]) == []


def test_trades_since_a_moment(source, venue, monkeypatch):
    begin = now() - timedelta(milliseconds=5)
    for number in range(9):
        venue.trade("BTC/USDT", 20_000.0 + number)
        SystemClock().sleep(0.002)
    end = now() + timedelta(seconds=1)
    whole = source.trades("BTC/USDT", begin, end)
    assert not isinstance(whole, Unavailable), whole
    assert [trade.price for trade in whole][-9:] == [20_000.0 + number for number in range(9)]
    assert all(begin < trade.time <= end for trade in whole)
    monkeypatch.setattr(module, "PAGE", 3)
    assert source.trades("BTC/USDT", begin, end) == whole
    assert isinstance(source.trades("NOPE/USDT", begin, end), Unavailable)


def test_closed_it_says_so(source):
    source.close()
    source.close()
    for answer in (source.symbols(), source.quotes(["BTC/USDT"]), source.bars(["BTC/USDT"], "1d", now(), now())):
        assert isinstance(answer, Unavailable) and answer.kind == "connection"
