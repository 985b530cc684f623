"""The emulated Alpaca's market data over HTTP, met through the unmodified alpaca-py."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoLatestQuoteRequest,
    CryptoLatestTradeRequest,
    CryptoSnapshotRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from trader.clock import VirtualClock
from trader_emulators import Setup, emulate
from trader_emulators.alpaca import AlpacaEmulator

START = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture(scope="module")
def venue(clock: VirtualClock) -> Iterator[AlpacaEmulator]:
    emulator = emulate("alpaca", Setup(prices={"AAPL": 100.0, "MSFT": 50.0, "BTC/USD": 60_000.0}, clock=clock))
    assert isinstance(emulator, AlpacaEmulator)
    yield emulator
    emulator.close()


@pytest.fixture(scope="module")
def stocks(venue: AlpacaEmulator) -> StockHistoricalDataClient:
    return StockHistoricalDataClient(*venue.secrets.values(), url_override=venue.url)


@pytest.fixture(scope="module")
def coins(venue: AlpacaEmulator) -> CryptoHistoricalDataClient:
    return CryptoHistoricalDataClient(url_override=venue.url)


def test_minutes_of_stocks_come_by_symbol_and_time(stocks):
    asked = StockBarsRequest(symbol_or_symbols=["MSFT", "AAPL"], timeframe=TimeFrame.Minute, start=START - HOUR,
                             end=START - timedelta(minutes=1))  # fmt: skip
    bars = stocks.get_stock_bars(asked).data
    assert list(bars) == ["AAPL", "MSFT"]
    assert [bar.timestamp for bar in bars["AAPL"]] == [START - HOUR + timedelta(minutes=n) for n in range(60)]
    assert bars["AAPL"][-1].close == 100.0
    for bar in bars["MSFT"]:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high


def test_a_stocks_day_begins_at_midnight_in_new_york_and_a_coins_in_chicago(stocks, coins):
    asked = {"timeframe": TimeFrame.Day, "start": START - 5 * DAY, "end": START}
    (days,) = stocks.get_stock_bars(StockBarsRequest(symbol_or_symbols="AAPL", **asked)).data.values()
    assert [day.timestamp.hour for day in days] == [5] * 5
    (days,) = coins.get_crypto_bars(CryptoBarsRequest(symbol_or_symbols="BTC/USD", **asked)).data.values()
    assert [day.timestamp.hour for day in days] == [6] * 5
    summer = {
        "timeframe": TimeFrame.Day,
        "start": datetime(2025, 7, 1, tzinfo=UTC),
        "end": datetime(2025, 7, 3, tzinfo=UTC),
    }
    (days,) = stocks.get_stock_bars(StockBarsRequest(symbol_or_symbols="AAPL", **summer)).data.values()
    assert [day.timestamp.hour for day in days] == [4, 4]


def test_a_day_is_made_of_its_minutes(stocks):
    midnight = datetime(2026, 3, 3, 5, 0, tzinfo=UTC)
    day_asked = StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Day, start=midnight, end=midnight)
    minutes_asked = StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Minute, start=midnight,
                                     end=midnight + DAY - timedelta(minutes=1))  # fmt: skip
    (day,) = stocks.get_stock_bars(day_asked).data["AAPL"]
    minutes = stocks.get_stock_bars(minutes_asked).data["AAPL"]
    assert len(minutes) == 1_440
    assert (day.open, day.close) == (minutes[0].open, minutes[-1].close)
    assert (day.high, day.low) == (max(bar.high for bar in minutes), min(bar.low for bar in minutes))
    assert day.volume == sum(bar.volume for bar in minutes)


@pytest.mark.parametrize(("amount", "unit", "count"), [(5, "Min", 12), (15, "Min", 4), (30, "Min", 2), (1, "Hour", 1)])
def test_longer_bars_are_cut_on_the_hour(stocks, amount, unit, count):
    asked = StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame(amount, TimeFrameUnit(unit)),
                             start=START - HOUR, end=START - timedelta(seconds=1))  # fmt: skip
    assert len(stocks.get_stock_bars(asked).data["AAPL"]) == count


def test_pages_of_several_symbols_are_joined_by_tokens(venue, stocks):
    headers = stocks._get_auth_headers()
    query = {"symbols": "AAPL,MSFT", "timeframe": "1Min", "start": "2026-03-04T14:30:00Z",
             "end": "2026-03-04T14:59:00Z", "limit": "25"}  # fmt: skip
    for sort in ("asc", "desc"):
        seen, token = [], None
        while True:
            page = {**query, "sort": sort} | ({"page_token": token} if token else {})
            said = requests.get(f"{venue.url}/v2/stocks/bars", params=page, headers=headers, timeout=5).json()
            rows = [(symbol, bar["t"]) for symbol, bars in said["bars"].items() for bar in bars]
            assert len(rows) <= 25
            seen += rows
            token = said["next_page_token"]
            if token is None:
                break
        assert len(seen) == len(set(seen)) == 60
        assert seen == sorted(seen) if sort == "asc" else seen != sorted(seen)


def test_a_minute_without_a_trade_has_no_bar_and_the_running_minute_is_not_shown(clock):
    clock = VirtualClock(START)
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock))
    try:
        client = StockHistoricalDataClient(*venue.secrets.values(), url_override=venue.url)
        asked = StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Minute, start=START)
        clock.advance(125)
        venue.trade("AAPL", 101.5, 7)
        assert client.get_stock_bars(asked).data == {}
        clock.advance(60)
        (bar,) = client.get_stock_bars(asked).data["AAPL"]
        assert (bar.timestamp, bar.close) == (START + timedelta(minutes=2), 101.5)
        assert bar.volume == pytest.approx(7)
    finally:
        venue.close()


def test_what_is_not_traded_here_is_left_out(stocks):
    asked = StockBarsRequest(symbol_or_symbols=["NOPE", "AAPL"], timeframe=TimeFrame.Hour, start=START - 3 * HOUR)
    assert list(stocks.get_stock_bars(asked).data) == ["AAPL"]
    assert stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="NOPE")) == {}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v2/stocks/bars?timeframe=1Min", "symbols is required"),
        ("/v2/stocks/bars?symbols=AAPL", "timeframe is required"),
        ("/v2/stocks/bars?symbols=AAPL&timeframe=7Min", "invalid timeframe: 7Min"),
        ("/v2/stocks/bars?symbols=A!&timeframe=1Min", "invalid symbol: A!"),
        ("/v2/stocks/bars?symbols=AAPL&timeframe=1Min&start=soon", "Invalid format for parameter start"),
        ("/v2/stocks/bars?symbols=AAPL&timeframe=1Min&start=2026-02-02&end=2026-02-01", "end should not be before"),
        ("/v2/stocks/bars?symbols=AAPL&timeframe=1Min&limit=10001", "invalid limit"),
        ("/v2/stocks/bars?symbols=AAPL&timeframe=1Min&page_token=x", "invalid page_token"),
        ("/v1beta3/crypto/us/bars?symbols=BTCUSD&timeframe=1Min", "invalid symbol: BTCUSD"),
    ],
)
def test_a_question_that_makes_no_sense_is_400_without_a_code(venue, stocks, path, words):
    answer = requests.get(venue.url + path, headers=stocks._get_auth_headers(), timeout=5)
    assert (answer.status_code, list(answer.json())) == (400, ["message"])
    assert words in answer.json()["message"]


def test_the_latest_quote_trade_and_bar_are_of_now(venue, stocks, coins):
    quote = stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))["AAPL"]
    trade = stocks.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))["AAPL"]
    bar = stocks.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert quote.bid_price < trade.price < quote.ask_price
    assert (quote.timestamp, bar.timestamp) == (START, START - timedelta(minutes=1))
    coin = coins.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"]
    last = coins.get_crypto_latest_trade(CryptoLatestTradeRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"]
    assert coin.bid_price < last.price < coin.ask_price


def test_snapshots_have_today_and_the_day_before(stocks, coins):
    snapshot = stocks.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert snapshot.daily_bar.timestamp - snapshot.previous_daily_bar.timestamp == DAY
    assert snapshot.daily_bar.close == snapshot.latest_trade.price
    assert coins.get_crypto_snapshot(CryptoSnapshotRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"].minute_bar


def test_past_quotes_and_trades_are_one_a_minute(stocks):
    span = {"symbol_or_symbols": "AAPL", "start": START - timedelta(minutes=10), "end": START - timedelta(minutes=1)}
    quotes = stocks.get_stock_quotes(StockQuotesRequest(**span)).data["AAPL"]
    trades = stocks.get_stock_trades(StockTradesRequest(**span)).data["AAPL"]
    assert len(quotes) == len(trades) == 10
    assert all(q.bid_price < t.price < q.ask_price for q, t in zip(quotes, trades, strict=True))


def test_one_symbol_may_be_in_the_address(venue, stocks):
    headers = stocks._get_auth_headers()
    base = f"{venue.url}/v2/stocks"
    said = requests.get(f"{base}/AAPL/bars?timeframe=1Hour&start=2026-03-04", headers=headers, timeout=5).json()
    assert (said["symbol"], len(said["bars"]), said["next_page_token"]) == ("AAPL", 15, None)
    for path, key in (("bars/latest", "bar"), ("quotes/latest", "quote"), ("trades/latest", "trade")):
        assert key in requests.get(f"{base}/AAPL/{path}", headers=headers, timeout=5).json()
        assert requests.get(f"{base}/NOPE/{path}", headers=headers, timeout=5).status_code == 404
    assert "dailyBar" in requests.get(f"{base}/AAPL/snapshot", headers=headers, timeout=5).json()
    assert requests.get(f"{base}/NOPE/snapshot", headers=headers, timeout=5).status_code == 404


def test_stocks_need_keys_and_coins_do_not(venue):
    stranger = StockHistoricalDataClient("PK1", "2", url_override=venue.url)
    with pytest.raises(APIError) as caught:
        stranger.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))
    assert caught.value.status_code == 401
    wrong = CryptoHistoricalDataClient("PK1", "2", url_override=venue.url)
    with pytest.raises(APIError):
        wrong.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols="BTC/USD"))


def test_a_market_that_stood_still_for_a_month_still_has_a_latest_bar_and_a_snapshot():
    clock = VirtualClock(START)
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock))
    try:
        clock.advance(30 * 86_400)
        client = StockHistoricalDataClient(*venue.secrets.values(), url_override=venue.url)
        bar = client.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="AAPL"))["AAPL"]
        assert (bar.timestamp, bar.close) == (START - timedelta(minutes=1), 100.0)
        snapshot = client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="AAPL"))["AAPL"]
        assert snapshot.daily_bar.timestamp == START.replace(hour=5)
    finally:
        venue.close()


def test_ten_days_of_minutes_come_in_pages_without_a_gap(stocks):
    start = START - 10 * DAY
    asked = StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Minute, start=start)
    times = [bar.timestamp for bar in stocks.get_stock_bars(asked).data["AAPL"]]
    assert times == [start + timedelta(minutes=n) for n in range(14_400)]
