"""The Robinhood emulator, proven with the unmodified SDK: robin_stocks does not notice."""

import io
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
from requests.adapters import HTTPAdapter
from robin_stocks import robinhood as rh
from robin_stocks.robinhood import authentication, helper, orders
from robin_stocks.robinhood import globals as sdk
from trader.clock import SystemClock
from trader.model import OrderState, Side
from trader.testing.emulation import EmulatedVenue, Mishap
from trader_emulators import Setup, emulate
from trader_emulators.robinhood.doorman import CODE, PASSWORD, TOKEN, USERNAME

CLOCK = SystemClock()
API = "https://api.robinhood.com"


class Detour(HTTPAdapter):
    """Keeps the real addresses, and goes to the emulator."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def send(self, request, **more):
        there = urlsplit(request.url)
        request.headers["Host"] = there.netloc
        request.url = self.base + there.path + (f"?{there.query}" if there.query else "")
        more["timeout"] = 5
        return super().send(request, **more)


@pytest.fixture
def make(monkeypatch, tmp_path):
    """An emulator with the SDK's session on it: make(mode="sms")."""
    running = []
    monkeypatch.setattr(
        authentication, "time", SimpleNamespace(sleep=lambda _: CLOCK.sleep(0.05), time=CLOCK.monotonic)
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    helper.set_output(io.StringIO())

    def start(**setup):
        emulator = emulate("robinhood", Setup(**{"patience": 1.0, **setup}))
        running.append(emulator)
        sdk.SESSION.mount("https://", Detour(emulator.url))
        return emulator

    yield start
    sdk.SESSION.close()
    sdk.SESSION.mount("https://", HTTPAdapter())
    sdk.SESSION.headers.pop("Authorization", None)
    helper.set_login_state(False)
    for emulator in running:
        emulator.close()


@pytest.fixture
def venue(make):
    """Logged in with the token that it begins with."""
    emulator = make()
    helper.update_session("Authorization", f"Bearer {TOKEN}")
    helper.set_login_state(True)
    return emulator


def log_in(**more):
    return rh.login(USERNAME, PASSWORD, **more)


# ---- the door ------------------------------------------------------------------------------------------------------
def test_is_an_emulated_venue(venue):
    assert isinstance(venue.options["url"], str) and venue.secrets["ROBINHOOD_TOKEN"] == TOKEN
    assert all(hasattr(venue, name) for name in dir(EmulatedVenue) if not name.startswith("_"))


def test_a_new_device_is_let_in_by_a_prompt_that_is_approved_after_a_moment(make, capsys):
    emulator = make()
    answer = log_in()
    assert answer["access_token"].startswith("emulated-token-") and answer["expires_in"] == 86_400
    assert "device approvals" in capsys.readouterr().out
    assert rh.load_account_profile()["account_number"] == emulator.account_number


def test_a_held_device_waits_until_somebody_approves(make, monkeypatch):
    emulator = make(mode="held")
    naps = []

    def sleep(_):
        naps.append(1)
        if len(naps) == 4:
            emulator.approve()
        CLOCK.sleep(0.01)

    monkeypatch.setattr(authentication, "time", SimpleNamespace(sleep=sleep, time=CLOCK.monotonic))
    assert log_in()["access_token"] and len(naps) >= 4


def test_a_code_by_text_message_is_asked_for_on_the_terminal(make, monkeypatch):
    make(mode="sms")
    said = iter(["999999", CODE])
    monkeypatch.setattr("builtins.input", lambda _: next(said))
    assert log_in()["access_token"]


def test_an_authenticators_code_is_wanted_and_checked(make):
    make(mode="mfa")
    assert log_in() is None and log_in(mfa_code="000000") is None
    assert log_in(mfa_code=CODE)["access_token"]


def test_a_trusted_device_gets_a_token_at_once(make):
    emulator = make(mode="trusted")
    assert log_in()["access_token"]
    assert emulator.requests("login") == 1


def test_a_wrong_password_is_refused_and_the_sdk_says_nothing_but_none(make):
    make()
    assert rh.login("somebody", "else") is None


def test_without_a_token_nothing_is_shown(make):
    make()
    answer = sdk.SESSION.get(f"{API}/accounts/")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}


def test_a_token_runs_out_and_is_revoked(make):
    emulator = make(mode="trusted")
    log_in(expiresIn=60)
    assert sdk.SESSION.get(f"{API}/accounts/").status_code == 200
    emulator.skew(61)
    assert sdk.SESSION.get(f"{API}/accounts/").json() == {"detail": "Incorrect authentication credentials."}
    emulator.skew(0)
    emulator.revoke()
    assert sdk.SESSION.get(f"{API}/accounts/").status_code == 401


def test_a_refresh_token_is_taken_once(make):
    make(mode="trusted")
    refresh = log_in()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    assert helper.request_post(f"{API}/oauth2/token/", form)["access_token"]
    assert helper.request_post(f"{API}/oauth2/token/", form) == {"error": "invalid_grant"}


# ---- orders --------------------------------------------------------------------------------------------------------
def test_a_limit_order_rests_fills_and_is_held(venue):
    order = rh.order_buy_limit("AAPL", 3, 99.5, timeInForce="gfd")
    assert order["state"] == "confirmed" and order["price"] == "99.50000000" and order["executions"] == []
    assert order["cancel"] == f"{API}/orders/{order['id']}/cancel/"
    assert [one["id"] for one in rh.get_all_open_stock_orders()] == [order["id"]]
    venue.trade("AAPL", 99.0)
    (filled,) = rh.get_all_stock_orders()
    assert filled["state"] == "filled" and filled["cancel"] is None and filled["cumulative_quantity"] == "3.00000000"
    assert filled["average_price"] == "99.00000000" and len(filled["executions"]) == 1
    (held,) = rh.get_open_stock_positions()
    assert held["quantity"] == "3.00000000" and held["average_buy_price"] == "99.00000000"
    assert rh.get_symbol_by_url(held["instrument"]) == "AAPL"
    assert rh.load_portfolio_profile()["market_value"] == "297.0000"


def test_the_sdks_market_buy_is_a_limit_order_at_the_ask(venue):
    order = rh.order_buy_market("MSFT", 1)
    assert order["type"] == "limit" and order["price"] == "400.04000000"
    venue.trade("MSFT", 400.0)
    assert rh.get_stock_order_info(order["id"])["state"] == "filled"


def test_sells_stops_and_parts_of_a_share(venue):
    rh.order_buy_fractional_by_quantity("SPY", 1.5)
    venue.trade("SPY", 500.0)
    stop = rh.order_sell_stop_loss("SPY", 1.5, 490)
    assert (stop["type"], stop["trigger"], stop["stop_price"]) == ("market", "stop", "490.00000000")
    venue.trade("SPY", 489.0)
    assert rh.get_stock_order_info(stop["id"])["state"] == "filled" and rh.get_open_stock_positions() == []


def test_an_order_is_canceled_once(venue):
    order = rh.order_buy_limit("AAPL", 1, 50)
    assert rh.cancel_stock_order(order["id"]) == {}
    assert rh.get_stock_order_info(order["id"])["state"] == "cancelled"
    assert rh.cancel_stock_order(order["id"]) == {"detail": "Order cannot be cancelled at this time."}
    gone = helper.request_post(f"{API}/orders/{uuid4()}/cancel/", jsonify_data=False)
    assert gone.status_code == 404 and gone.json() == {"detail": "Not found."}


def test_a_ref_id_is_taken_once(venue, monkeypatch):
    mine = uuid4()
    monkeypatch.setattr(orders, "uuid4", lambda: mine)
    first = rh.order_buy_limit("AAPL", 1, 50)
    assert first["ref_id"] == str(mine)
    assert rh.order_buy_limit("AAPL", 1, 50) == {"ref_id": ["Order with this ref_id already exists."]}
    assert len(venue.venue.accepted) == 1 and venue.venue.accepted[0].key == str(mine)


def test_refusals_have_the_venues_shapes(venue):
    assert rh.order_buy_limit("AAPL", 10_000, 100) == {"detail": "Not enough buying power to place this order."}
    assert rh.order_sell_limit("AAPL", 1, 100) == {"detail": "Not enough shares to sell."}
    account, instrument = f"{API}/accounts/{venue.account_number}/", rh.get_instruments_by_symbols("AAPL")[0]["url"]
    form = {"account": account, "instrument": instrument, "symbol": "AAPL", "side": "buy", "quantity": "1",
            "type": "limit", "trigger": "immediate", "time_in_force": "gfd", "price": "50"}  # fmt: skip

    def post(**changed):
        return helper.request_post(f"{API}/orders/", {**form, **changed})

    assert post(ref_id="mine") == {"ref_id": ['"mine" is not a valid UUID.']}
    assert "symbol" not in post(symbol="ZZZ") and "instrument" in post(symbol="ZZZ")
    assert "account" in post(account=f"{API}/accounts/1/")
    assert post(side="short") == {"side": ['"short" is not a valid choice.']}
    assert post(time_in_force="ioc") == {"time_in_force": ['"ioc" is not a valid choice.']}
    assert "quantity" in post(quantity="many") and "quantity" in post(quantity="-1") and "price" in post(price="")
    assert "price" in post(price="50.001")
    assert helper.request_post(f"{API}/orders/", {"side": "buy"})["quantity"] == ["This field is required."]
    assert post()["state"] == "confirmed"


def test_what_waiting_orders_hold_back_is_not_promised_twice(venue):
    bought = rh.order_buy_limit("AAPL", 600, 100.5)
    assert rh.order_buy_limit("MSFT", 100, 399) == {"detail": "Not enough buying power to place this order."}
    assert rh.load_account_profile()["cash_held_for_orders"] == "60300.0000"
    venue.trade("AAPL", 100.0)
    assert rh.get_stock_order_info(bought["id"])["state"] == "filled"
    stop = rh.order_sell_stop_loss("AAPL", 400, 90)
    assert rh.order_sell_limit("AAPL", 201, 110) == {"detail": "Not enough shares to sell."}
    assert rh.order_sell_limit("AAPL", 200, 110)["state"] == "confirmed"
    rh.cancel_stock_order(stop["id"])
    assert rh.order_sell_limit("AAPL", 400, 110)["state"] == "confirmed"


def test_orders_come_in_pages_newest_first_and_what_is_new_does_not_move_them(venue):
    placed = [rh.order_buy_limit("AAPL", 1, 50)["id"] for _ in range(venue.page_size + 2)]
    first = helper.request_get(f"{API}/orders/")
    assert len(first["results"]) == venue.page_size and first["next"].startswith(f"{API}/orders/?cursor=")
    placed.append(rh.order_buy_limit("AAPL", 1, 50)["id"])
    rest = helper.request_get(first["next"])
    shown = [order["id"] for order in first["results"] + rest["results"]]
    assert rest["next"] is None and shown == placed[-2::-1]
    assert [order["id"] for order in rh.get_all_stock_orders()] == placed[::-1]
    assert sdk.SESSION.get(f"{API}/orders/?cursor=%25").status_code == 404


def test_orders_are_filtered_by_their_last_change(venue):
    old = rh.order_buy_limit("AAPL", 1, 50)
    CLOCK.sleep(0.01)
    moment = venue.clock.now()
    new = rh.order_buy_limit("AAPL", 1, 50)

    def since(when):
        return {order["id"] for order in rh.get_all_stock_orders(start_date=f"{when:%Y-%m-%dT%H:%M:%S.%fZ}")}

    assert since(moment) == {new["id"]} and since(moment - timedelta(days=1)) == {old["id"], new["id"]}
    rh.cancel_stock_order(old["id"])
    assert since(moment) == {old["id"], new["id"]}
    assert sdk.SESSION.get(f"{API}/orders/?updated_at[gte]=soon").status_code == 400


def test_partial_fills_and_a_day_that_ends(venue):
    order = rh.order_buy_limit("AAPL", 10, 100, timeInForce="gfd")
    venue.trade("AAPL", 99.0, volume=4)
    part = rh.get_stock_order_info(order["id"])
    assert (part["state"], part["cumulative_quantity"]) == ("partially_filled", "4.00000000")
    venue.trade("AAPL", 98.0, volume=3)
    ids = {execution["id"] for execution in rh.get_stock_order_info(order["id"])["executions"]}
    assert len(ids) == 2
    rh.cancel_stock_order(order["id"])
    assert rh.get_stock_order_info(order["id"])["cumulative_quantity"] == "7.00000000"


def test_a_persons_orders_are_shown_too(venue):
    venue.venue.manual_trade("AAPL", Side.BUY, Decimal(2))
    venue.trade("AAPL", 100.0)
    (order,) = rh.get_all_stock_orders()
    assert order["state"] == "filled" and order["ref_id"] and order["type"] == "market"
    assert venue.venue.accepted[0].report.state is OrderState.FILLED


# ---- everything else -----------------------------------------------------------------------------------------------
def test_instruments_quotes_and_bars(venue):
    assert rh.get_instruments_by_symbols(["AAPL", "ZZZ"])[0]["symbol"] == "AAPL"
    assert len(helper.request_get(f"{API}/instruments/", "pagination")) == 7
    assert rh.get_latest_price(["AAPL"]) == ["100.000000"]
    assert [quote and quote["symbol"] for quote in helper.request_get(f"{API}/quotes/?symbols=F,ZZZ", "results")] == [
        "F", None,
    ]  # fmt: skip
    assert float(rh.get_quotes("F")[0]["bid_price"]) < 12 < float(rh.get_quotes("F")[0]["ask_price"])
    five, ten = (rh.get_stock_historicals("AAPL", interval, "day") for interval in ("5minute", "10minute"))
    assert ten[0]["open_price"] == five[0]["open_price"] and ten[0]["close_price"] == five[1]["close_price"]
    assert len(rh.get_stock_historicals("AAPL", "day", "year")) > 360
    assert sdk.SESSION.get(f"{API}/quotes/historicals/?symbols=F&interval=5minute&span=year").status_code == 400


def test_the_market_is_always_open(venue):
    hours = rh.get_market_hours("XNAS", "2026-07-04")
    assert hours["is_open"] and hours["opens_at"] == "2026-07-04T00:00:00.000000Z"


def test_money_without_a_trade(venue):
    venue.venue.cash("dividend", Decimal("1.25"), "AAPL")
    venue.venue.cash("transfer", Decimal(500))
    venue.venue.cash("transfer", Decimal(-200))
    venue.venue.cash("interest", Decimal("0.40"))
    venue.venue.cash("interest", Decimal("-0.10"))
    venue.venue.cash("fee", Decimal(-5))
    (dividend,) = rh.get_dividends()
    assert (dividend["amount"], dividend["state"]) == ("1.25", "paid")
    assert [(one["direction"], one["amount"]) for one in rh.get_bank_transfers()] == [
        ("withdraw", "200.00"), ("deposit", "500.00"),
    ]  # fmt: skip
    assert rh.get_bank_transfers("received") == []
    assert rh.get_interest_payments()[0]["amount"]["amount"] == "0.40"
    assert rh.get_margin_interest()[0]["amount"] == "0.10" and rh.get_subscription_fees()[0]["amount"] == "5.00"
    assert rh.load_account_profile()["portfolio_cash"] == "100296.5500"


def test_other_hosts_of_the_venue_are_not_there(venue):
    assert sdk.SESSION.get("https://nummus.robinhood.com/orders/").status_code == 404
    assert sdk.SESSION.get(f"{API}/options/orders/").json() == {"detail": "Not found."}


def test_throttling_has_a_text_and_the_sdk_turns_it_into_nothing(venue):
    venue.limit(1, 60)
    assert rh.get_open_stock_positions() == []
    answer = sdk.SESSION.get(f"{API}/positions/")
    assert answer.status_code == 429 and answer.json()["detail"].startswith("Request was throttled. Expected available")
    assert helper.request_post(f"{API}/orders/", {}) is None


@pytest.mark.parametrize("call", ["orders", "fills", "order"])
def test_the_list_of_orders_fails_for_each_question_that_it_answers(venue, call):
    venue.mishap(call, Mishap.FAILED)
    assert sdk.SESSION.get(f"{API}/orders/").status_code == 500
    assert sdk.SESSION.get(f"{API}/orders/").status_code == 200
    assert venue.requests(call) == 2


def test_an_answer_that_is_lost_after_the_order_was_taken(venue):
    venue.mishap("submit", Mishap.FAILED_AFTER)
    assert rh.order_buy_limit("AAPL", 1, 50) is None and len(venue.venue.accepted) == 1
    venue.mishap("submit", Mishap.RESET_AFTER)
    assert rh.order_buy_limit("AAPL", 1, 50) is None and len(venue.venue.accepted) == 2
    venue.mishap("submit", Mishap.TRUNCATED)
    assert rh.order_buy_limit("AAPL", 1, 50) is None and len(venue.venue.accepted) == 3


def test_every_answer_says_that_it_is_emulated_and_what_time_it_is_there(venue):
    venue.skew(3_600)
    answer = requests.get(f"{venue.url}/positions/", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)
    assert answer.headers["X-Trader-Emulator"] == "robinhood" and answer.status_code == 200
    assert answer.headers["Date"].split(":")[0].endswith(f"{venue.clock.now():%H}")
