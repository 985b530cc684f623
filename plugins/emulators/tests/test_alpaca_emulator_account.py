"""The emulated Alpaca's account: balances, positions, history, assets, hours, keys, limits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AccountStatus, AssetClass
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetPortfolioHistoryRequest,
)
from trader.clock import VirtualClock
from trader.model import Side
from trader.simulation import Faults
from trader.testing.emulation import Mishap
from trader_emulators import Setup, emulate
from trader_emulators.alpaca import AlpacaEmulator

START = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def venue(clock: VirtualClock) -> Iterator[AlpacaEmulator]:
    emulator = emulate("alpaca", Setup(prices={"AAPL": 100.0, "MSFT": 50.0, "BTC/USD": 60_000.0}, clock=clock))
    assert isinstance(emulator, AlpacaEmulator)
    yield emulator
    emulator.close()


@pytest.fixture
def client(venue: AlpacaEmulator) -> TradingClient:
    made = TradingClient(*venue.secrets.values(), url_override=venue.url)
    made._retry = 0
    return made


def buy(venue: AlpacaEmulator, symbol: str, quantity: str, price: float) -> None:
    venue.venue.manual_trade(symbol, Side.BUY, Decimal(quantity))
    venue.trade(symbol, price)


# ---- balances --------------------------------------------------------------------------------------------------------
def test_the_account_is_an_active_margin_account(client):
    account = client.get_account()
    assert (account.status, account.currency, account.multiplier) == (AccountStatus.ACTIVE, "USD", "2")
    assert (account.cash, account.equity, account.buying_power) == ("100000", "100000", "100000.00")
    assert account.shorting_enabled and not account.trading_blocked and not account.account_blocked
    assert account.account_number.startswith("PA")


def test_equity_moves_with_the_market_and_cash_with_trades(venue, client):
    buy(venue, "AAPL", "10", 100.0)
    venue.trade("AAPL", 110.0)
    account = client.get_account()
    assert (account.cash, account.equity, account.long_market_value) == ("99000", "100100", "1100")


def test_settings_can_be_read_and_changed(venue, client):
    settings = client.get_account_configurations()
    assert settings.fractional_trading and not settings.suspend_trade
    settings.suspend_trade = True
    assert client.set_account_configurations(settings).suspend_trade
    assert client.get_account().trade_suspended_by_user
    with pytest.raises(APIError, match="unknown configuration"):
        client.patch("/account/configurations", {"colour": "red"})


def test_the_portfolio_history_begins_with_the_cash_and_ends_now(venue, client, clock):
    buy(venue, "AAPL", "10", 100.0)
    clock.advance(120)
    venue.trade("AAPL", 120.0)
    history = client.get_portfolio_history(GetPortfolioHistoryRequest(period="1D"))
    assert (history.equity[0], history.equity[-1], history.base_value) == (100_000.0, 100_200.0, 100_000.0)
    assert len(history.timestamp) == len(history.equity) == len(history.profit_loss)


# ---- positions -------------------------------------------------------------------------------------------------------
def test_a_position_is_valued_at_the_last_trade(venue, client):
    buy(venue, "AAPL", "10", 100.0)
    venue.trade("AAPL", 105.0)
    held = client.get_open_position("AAPL")
    assert (held.qty, held.avg_entry_price, held.market_value) == ("10", "100", "1050")
    assert (held.unrealized_pl, held.unrealized_plpc, held.cost_basis) == ("50", "0.05", "1000")
    client.post("/orders", {"symbol": "AAPL", "qty": "4", "side": "sell", "type": "limit", "limit_price": "150",
                            "time_in_force": "gtc"})  # fmt: skip
    assert client.get_open_position("AAPL").qty_available == "6"


def test_a_coins_position_has_a_name_without_a_slash(venue, client):
    buy(venue, "BTC/USD", "0.5", 60_000.0)
    for name in ("BTCUSD", "BTC/USD", "BTC%2FUSD"):
        held = client.get_open_position(name)
        assert (held.symbol, held.qty, held.asset_class) == ("BTCUSD", "0.5", AssetClass.CRYPTO)


def test_a_position_that_is_not_there_is_404(client):
    for name, words in (("AAPL", "position does not exist"), ("NOPE", "symbol not found: NOPE")):
        with pytest.raises(APIError) as caught:
            client.get_open_position(name)
        assert (caught.value.status_code, caught.value.message) == (404, words)


def test_a_split_changes_the_position_without_an_execution(venue, client):
    buy(venue, "AAPL", "10", 100.0)
    venue.venue.split("AAPL", Decimal(4))
    held = client.get_open_position("AAPL")
    assert (held.qty, held.avg_entry_price) == ("40", "25")
    assert len(client.get("/account/activities/FILL")) == 1
    assert [one["description"] for one in client.get("/account/activities/SPLIT")] == ["4 for 1"]


def test_positions_are_closed_in_part_and_whole(venue, client):
    buy(venue, "AAPL", "10", 100.0)
    assert client.close_position("AAPL", ClosePositionRequest(percentage="25")).qty == "2.5"
    venue.trade("AAPL", 100.0)
    assert client.close_position("AAPL", ClosePositionRequest(qty="0.5")).side.value == "sell"
    venue.trade("AAPL", 100.0)
    client.close_position("AAPL")
    venue.trade("AAPL", 100.0)
    assert client.get_all_positions() == []


def test_close_all_answers_207_with_one_order_a_position(venue, client):
    buy(venue, "AAPL", "10", 100.0)
    buy(venue, "BTC/USD", "0.1", 60_000.0)
    client.post("/orders", {"symbol": "AAPL", "qty": "1", "side": "sell", "type": "limit", "limit_price": "150",
                            "time_in_force": "day"})  # fmt: skip
    assert {(one.symbol, one.status) for one in client.close_all_positions(cancel_orders=False)} == {
        ("AAPL", 403), ("BTCUSD", 200)
    }  # fmt: skip
    venue.trade("BTC/USD", 60_000.0)
    (closed,) = client.close_all_positions(cancel_orders=True)
    assert (closed.symbol, closed.status, closed.body.qty) == ("AAPL", 200, "10")


# ---- history ---------------------------------------------------------------------------------------------------------
def fills(client: TradingClient, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/account/activities/FILL", query)
    return found


def test_an_execution_is_an_activity_with_new_yorks_time_in_its_id(venue, client, clock):
    clock.advance(0.123456)
    client.post("/orders", {"symbol": "AAPL", "qty": "3", "side": "buy", "type": "market", "time_in_force": "day"})
    venue.trade("AAPL", 101.0, 1)
    venue.trade("AAPL", 102.0, 5)
    last, first = fills(client)
    assert (first["type"], first["cum_qty"], first["leaves_qty"], first["order_status"]) == (
        "partial_fill", "1", "2", "partially_filled"
    )  # fmt: skip
    assert (last["type"], last["qty"], last["price"], last["cum_qty"], last["leaves_qty"]) == (
        "fill", "2", "102", "3", "0"
    )  # fmt: skip
    assert first["id"].startswith("20260304100000123::")
    assert first["transaction_time"].startswith("2026-03-04T15:00:00.12345")
    assert first["order_id"] == str(client.get_order_by_id(first["order_id"]).id)


def test_activities_come_in_pages_that_a_token_joins(venue, client, clock):
    for _ in range(7):
        buy(venue, "AAPL", "1", 100.0)
        clock.advance(1)
    for direction in ("asc", "desc"):
        seen: list[str] = []
        token = ""
        while page := fills(client, page_size=3, direction=direction, **({"page_token": token} if token else {})):
            seen += [one["id"] for one in page]
            token = page[-1]["id"]
        assert len(set(seen)) == len(seen) == 7
        assert seen == sorted(seen, reverse=direction == "desc")


def test_activities_are_after_and_until_and_on_a_day_of_new_york(venue, client, clock):
    buy(venue, "AAPL", "1", 100.0)
    clock.advance(13 * 3_600)  # 04:00 UTC, still the fourth in New York
    buy(venue, "AAPL", "2", 100.0)
    clock.advance(3_600)
    buy(venue, "AAPL", "3", 100.0)
    times = [one["transaction_time"] for one in fills(client, direction="asc")]
    assert [one["qty"] for one in fills(client, after=times[0])] == ["3", "2"]
    assert [one["qty"] for one in fills(client, until=times[1])] == ["1"]
    assert [one["qty"] for one in fills(client, date="2026-03-04")] == ["2", "1"]
    for query in ({"date": "soon"}, {"after": "soon"}, {"direction": "up"}, {"page_size": 101}):
        with pytest.raises(APIError) as caught:
            fills(client, **query)
        assert caught.value.status_code == 422


def test_cash_that_moved_is_told_in_the_venues_words(venue, client, clock):
    buy(venue, "AAPL", "10", 100.0)
    for kind, amount in (("dividend", 2), ("fee", -1), ("interest", 3), ("transfer", 50), ("transfer", -5),
                         ("adjustment", 4), ("funding", -2)):  # fmt: skip
        clock.advance(1)
        venue.venue.cash(kind, Decimal(amount), "AAPL" if kind == "dividend" else None)
    told = client.get("/account/activities", {"direction": "asc", "activity_types": "DIV,FEE,INT,CSD,CSW,JNLC"})
    assert [(one["activity_type"], one["net_amount"]) for one in told] == [
        ("DIV", "2"), ("FEE", "-1"), ("INT", "3"), ("CSD", "50"), ("CSW", "-5"), ("JNLC", "4"), ("FEE", "-2")
    ]  # fmt: skip
    assert (told[0]["symbol"], told[0]["qty"], told[0]["per_share_amount"]) == ("AAPL", "10", "0.2")
    assert told[0]["date"] == "2026-03-04" and "transaction_time" not in told[0]
    assert len(client.get("/account/activities")) == 8
    assert len(client.get("/account/activities/DIV")) == 1
    with pytest.raises(APIError, match="invalid activity type"):
        client.get("/account/activities/GIFT")


def test_F28_a_corrected_execution_keeps_its_id(venue, client):
    buy(venue, "AAPL", "10", 100.0)
    (before,) = fills(client)
    venue.venue.correct("1-1", Decimal("99.50"))
    (after,) = fills(client)
    assert (after["id"], before["price"], after["price"]) == (before["id"], "100", "99.5")


def test_F25_executions_that_are_not_shown_yet_are_missing(clock):
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}, clock=clock, faults=Faults(fill_lag=60.0)))
    try:
        client = TradingClient(*venue.secrets.values(), url_override=venue.url)
        client.post("/orders", {"symbol": "AAPL", "qty": "3", "side": "buy", "type": "market", "time_in_force": "day"})
        venue.trade("AAPL", 100.0)
        assert client.get("/orders", {"status": "closed"})[0]["filled_qty"] == "3"
        assert fills(client) == []
        clock.advance(61)
        assert len(fills(client)) == 1
    finally:
        venue.close()


# ---- assets and hours ------------------------------------------------------------------------------------------------
def test_assets_are_listed_with_their_rules(client):
    assert {one.symbol for one in client.get_all_assets()} == {"AAPL", "MSFT", "BTC/USD"}
    (coin,) = client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    assert (coin.min_order_size, coin.price_increment, coin.shortable) == (0.0001, 0.01, False)
    stock = client.get_asset("AAPL")
    assert stock.fractionable and stock.tradable and stock.shortable and stock.min_order_size is None
    assert client.get_asset(coin.id) == client.get_asset("BTC/USD") == client.get_asset("BTCUSD") == coin
    with pytest.raises(APIError) as caught:
        client.get_asset("TSLA")
    assert (caught.value.status_code, caught.value.message) == (404, "asset not found for TSLA")


def test_all_that_is_known_trades_if_nobody_says_what():
    venue = emulate("alpaca")
    try:
        client = TradingClient(*venue.secrets.values(), url_override=venue.url)
        assert {"AAPL", "MSFT", "SPY", "BTC/USD", "ETH/USD"} <= {one.symbol for one in client.get_all_assets()}
    finally:
        venue.close()


def test_the_market_is_always_open(client, clock):
    clock.advance(3 * 86_400)  # a Saturday
    now = client.get_clock()
    assert now.is_open and now.next_open.weekday() == 0 and now.next_close > now.timestamp


def test_the_calendar_is_the_exchanges(client):
    days = client.get_calendar(GetCalendarRequest(start=START.date().replace(month=11, day=25, year=2025),
                                                  end=START.date().replace(month=11, day=30, year=2025)))  # fmt: skip
    assert [(day.date.day, day.close.hour) for day in days] == [(25, 16), (26, 16), (28, 13)]


def test_the_venues_clock_may_be_ahead(venue, client):
    venue.skew(90)
    assert (client.get_clock().timestamp - START).total_seconds() == 90
    answer = requests.get(f"{venue.url}/v2/clock", headers=client._get_auth_headers(), timeout=5)
    assert answer.headers["Date"] == "Wed, 04 Mar 2026 15:01:30 GMT"


# ---- keys, limits, trouble -------------------------------------------------------------------------------------------
def test_wrong_or_missing_or_revoked_keys_are_401_without_a_code(venue, client):
    for headers in ({}, {"APCA-API-KEY-ID": "PK1", "APCA-API-SECRET-KEY": "2"}):
        answer = requests.get(f"{venue.url}/v2/account", headers=headers, timeout=5)
        assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized"})
        assert answer.headers["X-Trader-Emulator"] == "alpaca"
    venue.revoke()
    with pytest.raises(APIError) as caught:
        client.get_account()
    assert caught.value.status_code == 401
    with pytest.raises(KeyError):
        _ = caught.value.code


def test_F22_the_limit_is_told_in_headers_and_its_end_is_429(venue, client):
    venue.limit(2, 60.0)
    url, headers = f"{venue.url}/v2/account", client._get_auth_headers()
    answers = [requests.get(url, headers=headers, timeout=5) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-Ratelimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["X-Ratelimit-Limit"] for answer in answers} == {"2"}
    assert int(answers[2].headers["X-Ratelimit-Reset"]) == START.timestamp() + 60
    assert answers[2].json() == {"code": 42910000, "message": "rate limit exceeded"}


def test_F21_a_failure_has_the_venues_words_or_a_proxys(venue, client):
    venue.mishap("account", Mishap.FAILED)
    venue.mishap("account", Mishap.HTML)
    url, headers = f"{venue.url}/v2/account", client._get_auth_headers()
    own, other = (requests.get(url, headers=headers, timeout=5) for _ in range(2))
    assert (own.status_code, own.json()["code"]) == (504, 50410000)
    assert (other.status_code, other.headers["Content-Type"].split(";")[0]) == (502, "text/html")
    assert client.get_account().cash == "100000"


def test_every_request_is_counted_as_the_call_that_it_serves(venue, client):
    client.get_account()
    client.get_all_positions()
    client.get_orders()
    client.get("/account/activities/FILL")
    client.get("/account/activities", {"activity_types": "DIV"})
    client.get_all_assets()
    client.cancel_orders()
    client.get_clock()
    for call in ("account", "positions", "orders", "fills", "cash_events", "instruments", "cancel_all", "time"):
        assert venue.requests(call) == 1, call


def test_an_address_that_it_does_not_have_is_404(venue, client):
    with pytest.raises(APIError) as caught:
        client.get("/watchlists")
    assert caught.value.status_code == 404
