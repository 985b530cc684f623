"""Robinhood's payloads, one by one; ids are made up, shapes are those of published captures."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from trader.errors import BadPayload
from trader.model import OrderRequest, OrderState, OrderType, Purpose, Rejected, Side, TimeInForce, Unknown
from trader.wire import AuthFailed, RateLimited, outcome, unavailable
from trader_broker_robinhood import money, wire
from trader_broker_robinhood.settings import DataSettings, Settings

D = Decimal
INSTRUMENT = "50810c35-d215-4866-9758-0ada4ac79ffa"
ORDER = {
    "id": "15390ade-face-caca-0987-9fdac5824701",
    "ref_id": "33333333-fcd7-4704-a9f0-c1effecd34a6",
    "url": "https://api.robinhood.com/orders/15390ade-face-caca-0987-9fdac5824701/",
    "account": "https://api.robinhood.com/accounts/8UD09348/",
    "instrument": f"https://api.robinhood.com/instruments/{INSTRUMENT}/",
    "cancel": None,
    "cumulative_quantity": "5.00000000",
    "average_price": "10.28000000",
    "fees": "0.02",
    "state": "filled",
    "type": "limit",
    "side": "sell",
    "time_in_force": "gfd",
    "trigger": "stop",
    "price": "10.26000000",
    "stop_price": "10.30000000",
    "quantity": "5.00000000",
    "reject_reason": None,
    "created_at": "2016-06-02T00:35:23.392014Z",
    "updated_at": "2016-06-02T13:30:41.275392Z",
    "last_transaction_at": "2016-06-02T13:30:41Z",
    "executions": [
        {"timestamp": "2016-06-02T13:30:41Z", "price": "10.28000000", "settlement_date": "2016-06-07",
         "quantity": "2.00000"},
        {"timestamp": "2016-06-02T13:30:39Z", "price": "10.28000000", "settlement_date": "2016-06-07",
         "quantity": "3.00000"},
    ],
}  # fmt: skip
ACCOUNT = {
    "account_number": "8UD09348", "cash": "114.8900", "unsettled_funds": "100.0000", "uncleared_deposits": "0.0000",
    "deactivated": False, "only_position_closing_trades": False, "type": "cash",
}  # fmt: skip
PORTFOLIO = {"equity": "499.6600", "extended_hours_equity": None, "market_value": "34.0700"}
NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)


def request(kind="limit", side="buy", limit="10.01", stop=None, tif="day", quantity="3", *, reduce_only=False):
    return OrderRequest("t1", wire.key_of("t1"), "main", "MSFT", Side(side), D(quantity), OrderType(kind),
                        TimeInForce(tif), D(limit) if limit else None, D(stop) if stop else None, reduce_only,
                        Purpose.MANUAL, D(10), NOW)  # fmt: skip


# ---- ids -----------------------------------------------------------------------------------------------------------
def test_the_key_is_the_same_uuid_for_ever():
    assert wire.key_of("t1") == wire.key_of("t1") != wire.key_of("t2")
    assert len(wire.key_of("t1")) == 36


def test_the_key_of_a_client_id_never_changes_with_a_new_version():
    assert wire.key_of("tabcdefghijklmnopqrstuvwxy") == "44820428-8dc9-5c78-8b11-ddc56b4d52e2"


# ---- the account ---------------------------------------------------------------------------------------------------
def test_cash_counts_what_is_not_settled_yet():
    account = wire.account(ACCOUNT, PORTFOLIO, NOW, "live")
    assert (account.cash, account.settled_cash, account.equity) == (D("214.8900"), D("114.8900"), D("499.6600"))
    assert (account.account_id, account.kind, account.currency, account.shorting) == ("8UD09348", "live", "USD", False)
    assert account.permissions == ("read", "trade") and account.time == NOW


def test_newer_answers_have_the_whole_cash_and_an_equity_of_the_extended_hours():
    account = wire.account({**ACCOUNT, "portfolio_cash": "300.00"}, {**PORTFOLIO, "extended_hours_equity": "501"}, NOW,
                           "demo")  # fmt: skip
    assert (account.cash, account.settled_cash, account.equity) == (D("300.00"), D("200.0000"), D("501"))


@pytest.mark.parametrize("field", ["deactivated", "only_position_closing_trades"])
def test_an_account_that_may_not_open_positions_may_only_read(field):
    assert wire.account({**ACCOUNT, field: True}, PORTFOLIO, NOW, "live").permissions == ("read",)


def test_a_position_is_quantity_and_average():
    position = wire.position({"quantity": "1.50000000", "average_buy_price": "2.3400"}, "MSFT")
    assert (position.symbol, position.quantity, position.price) == ("MSFT", D("1.50000000"), D("2.3400"))


# ---- instruments, quotes, bars -------------------------------------------------------------------------------------
def test_an_instruments_rules():
    row = {"id": INSTRUMENT, "symbol": "MSFT", "tradeable": True, "state": "active", "min_tick_size": None,
           "simple_name": "Microsoft", "fractional_tradability": "tradable"}  # fmt: skip
    listed = wire.instrument(row)
    assert listed.id == INSTRUMENT and listed.rules.tick == D("0.01") and listed.rules.lot == 1
    assert listed.rules.tradable and not listed.rules.shortable and listed.rules.tags == {"name": "Microsoft"}
    assert wire.instrument(row, fractional=True).rules.lot == D("0.000001")
    assert wire.instrument({**row, "fractional_tradability": "untradable"}, fractional=True).rules.lot == 1
    assert wire.instrument({**row, "min_tick_size": "0.05"}).rules.tick == D("0.05")
    for change in ({"tradeable": False}, {"state": "inactive"}, {"tradability": "untradable"}):
        assert not wire.instrument({**row, **change}).rules.tradable
    assert wire.instrument({**row, "symbol": ""}).rules.symbol == INSTRUMENT
    with pytest.raises(BadPayload, match="min_tick_size"):
        wire.instrument({**row, "min_tick_size": "0"})


def test_a_quote_without_two_sides_is_none():
    row = {"symbol": "MSFT", "bid_price": "10.00", "ask_price": "10.02", "bid_size": 1, "ask_size": 2,
           "updated_at": "2026-01-05T15:00:00Z"}  # fmt: skip
    quote = wire.quote(row)
    assert (quote.bid, quote.ask, quote.bid_size, quote.time) == (10.0, 10.02, 1.0, NOW)
    assert wire.quote({**row, "bid_price": None}) is None and wire.quote({**row, "ask_price": "0.000000"}) is None
    assert wire.ask_price(row) == D("10.02") and wire.ask_price({**row, "ask_price": "0.00"}) is None


BAR = {"begins_at": "2026-01-05T14:30:00Z", "open_price": "10", "close_price": "11", "high_price": "12",
       "low_price": "9", "volume": 5, "session": "reg", "interpolated": False}  # fmt: skip


def test_a_bars_time_is_its_end():
    assert wire.bar(BAR, "5m").end == datetime(2026, 1, 5, 14, 35, tzinfo=UTC)
    assert wire.bar(BAR, "1h")[2:] == (10.0, 12.0, 9.0, 11.0, 5.0)


def test_a_day_ends_when_new_york_closes():
    winter = wire.bar({**BAR, "begins_at": "2026-01-05T00:00:00Z"}, "1d")
    summer = wire.bar({**BAR, "begins_at": "2026-07-06T00:00:00Z"}, "1d")
    assert (winter.start.hour, winter.end.hour, summer.start.hour, summer.end.hour) == (14, 21, 13, 20)


def test_what_the_venue_filled_in_is_no_bar():
    assert wire.bar({**BAR, "interpolated": True}, "5m") is None


@pytest.mark.parametrize("change", [{"high_price": "10.5"}, {"low_price": "10.5"}, {"low_price": "0"}, {"volume": -1}])
def test_a_bar_that_cannot_be_is_refused(change):
    with pytest.raises(BadPayload, match="low <= open"):
        wire.bar({**BAR, **change}, "5m")


def test_the_shortest_span_that_goes_back_far_enough_is_asked_for():
    assert [wire.span("1d", days) for days in (1, 8, 40, 400, 9_999)] == ["week", "month", "3month", "5year", "5year"]
    assert [wire.span("5m", days) for days in (3, 30)] == ["week", "week"]


def test_todays_session_alone_is_never_asked_for():
    """Yesterday's last bar would be missing, and nobody would be told."""
    assert {wire.span(timeframe, 0.5) for timeframe in wire.INTERVALS} == {"week"}


# ---- orders --------------------------------------------------------------------------------------------------------
def test_an_order_as_it_is_shown():
    report = wire.order(ORDER, "MSFT")
    assert (report.key, report.venue_id) == (ORDER["ref_id"], ORDER["id"])
    assert (report.type, report.side, report.state) == (OrderType.STOP_LIMIT, Side.SELL, OrderState.FILLED)
    assert (report.quantity, report.filled, report.limit_price, report.stop_price) == (5, 5, D("10.26"), D("10.30"))
    assert report.time == datetime(2016, 6, 2, 13, 30, 41, 275392, tzinfo=UTC)


def test_a_collared_market_buy_is_shown_as_the_market_order_that_it_is():
    for trigger, kind in (("immediate", OrderType.MARKET), ("stop", OrderType.STOP)):
        report = wire.order({**ORDER, "trigger": trigger, "preset_percent_limit": "0.05"}, "MSFT")
        assert report.type is kind and report.limit_price is None


@pytest.mark.parametrize(
    ("word", "state"),
    [("queued", "working"), ("unconfirmed", "working"), ("confirmed", "working"), ("partially_filled", "working"),
     ("new", "working"), ("pending_cancelled", "cancel_sent"), ("cancelled", "canceled"), ("canceled", "canceled"),
     ("partially_filled_rest_cancelled", "canceled"), ("voided", "canceled"), ("rejected", "rejected"),
     ("failed", "rejected"), ("not_accepted", "rejected"), ("a_new_word", "unknown")],
)  # fmt: skip
def test_the_venues_words_for_states(word, state):
    assert wire.order({**ORDER, "state": word}, "MSFT").state == OrderState(state)


def test_an_order_by_another_app_may_have_no_ref_id():
    assert wire.order({**ORDER, "ref_id": None}, "MSFT").key == ""


def test_F30_an_execution_without_an_id_gets_the_same_one_each_time_in_any_order_of_rows():
    first = wire.fills(ORDER, "MSFT")
    again = wire.fills({**ORDER, "executions": ORDER["executions"][::-1]}, "MSFT")
    assert first == again and len({fill.execution_id for fill in first}) == 2
    assert [fill.quantity for fill in first] == [3, 2] and first[0].time < first[1].time
    before = wire.fills({**ORDER, "executions": ORDER["executions"][1:]}, "MSFT")
    assert before == first[:1]


def test_an_execution_with_an_id_and_fees_keeps_them():
    executions = [{**ORDER["executions"][0], "id": "x1", "fees": "0.01"}]
    (fill,) = wire.fills({**ORDER, "executions": executions}, "MSFT")
    assert (fill.execution_id, fill.fee, fill.fee_currency, fill.key) == ("x1", D("0.01"), "USD", ORDER["ref_id"])


def test_fees_that_no_execution_tells_of_are_a_cash_event_once_the_order_is_done():
    event = money.fees(ORDER, "MSFT")
    assert (event.event_id, event.kind, event.amount) == (f"fees:{ORDER['id']}", "fee", D("-0.02"))
    assert money.fees({**ORDER, "state": "partially_filled"}, "MSFT") is None
    told = [{**ORDER["executions"][0], "fees": "0.02"}]
    assert money.fees({**ORDER, "executions": told}, "MSFT") is None


def test_the_form_of_a_limit_order_is_all_text():
    form = wire.order_request(request(tif="gtc"), "8UD", INSTRUMENT)
    assert all(isinstance(value, str) for value in form.values())
    assert form == {
        "account": "https://api.robinhood.com/accounts/8UD/", "symbol": "MSFT", "side": "buy", "quantity": "3",
        "instrument": f"https://api.robinhood.com/instruments/{INSTRUMENT}/", "type": "limit", "trigger": "immediate",
        "time_in_force": "gtc", "ref_id": wire.key_of("t1"), "market_hours": "regular_hours",
        "extended_hours": "false", "order_form_version": "4", "price": "10.01",
    }  # fmt: skip


def test_a_market_buy_is_a_limit_order_with_a_collar():
    form = wire.order_request(request("market", limit=None), "8UD", INSTRUMENT, ask=D("10.019"), collar=D("0.05"))
    assert (form["type"], form["trigger"], form["price"]) == ("limit", "immediate", "10.51")
    assert form["preset_percent_limit"] == "0.05"
    cheap = wire.order_request(request("market", limit=None), "8UD", INSTRUMENT, ask=D("0.0123"), collar=D("0.05"))
    assert cheap["price"] == "0.0129"
    small = wire.order_request(request("market", limit=None), "8UD", INSTRUMENT, ask=D("10.011"), collar=D("0.0001"))
    assert small["price"] == "10.02"  # never below the ask


def test_a_market_buy_without_a_collar_and_a_market_sell_have_no_price():
    for form in (
        wire.order_request(request("market", limit=None), "8UD", INSTRUMENT),
        wire.order_request(request("market", "sell", limit=None), "8UD", INSTRUMENT, ask=D(10), collar=D("0.05")),
    ):
        assert form["type"] == "market" and "price" not in form


def test_stop_orders():
    sell = wire.order_request(request("stop", "sell", None, "9"), "8UD", INSTRUMENT, collar=D("0.05"))
    assert (sell["type"], sell["trigger"], sell["stop_price"], "price" in sell) == ("market", "stop", "9", False)
    buy = wire.order_request(request("stop", "buy", None, "12"), "8UD", INSTRUMENT, collar=D("0.05"))
    assert (buy["type"], buy["trigger"], buy["stop_price"], buy["price"]) == ("limit", "stop", "12", "12.60")
    both = wire.order_request(request("stop_limit", "sell", "8.9", "9"), "8UD", INSTRUMENT)
    assert (both["type"], both["trigger"], both["stop_price"], both["price"]) == ("limit", "stop", "9", "8.9")


def test_what_robinhood_does_not_have_is_refused_before_it_is_sent():
    for tif in ("ioc", "fok"):
        refused = wire.order_request(request(tif=tif), "8UD", INSTRUMENT)
        assert isinstance(refused, Rejected) and "nothing was sent" in refused.reason
    assert wire.order_request(request(reduce_only=True), "8UD", INSTRUMENT).kind == "reduce_only"


def test_the_answer_to_an_order_must_be_about_that_order():
    mine = {**ORDER, "ref_id": wire.key_of("t1"), "state": "unconfirmed"}
    assert wire.taken(mine, request()).venue_id == ORDER["id"]
    for change in ({"ref_id": ORDER["ref_id"]}, {"state": None}, {"id": None}):
        with pytest.raises(BadPayload):
            wire.taken({**mine, **change}, request())


# ---- pages ---------------------------------------------------------------------------------------------------------
def test_a_page_says_whether_there_is_another():
    assert wire.following({"next": None}, "orders") is None
    assert wire.following({"next": "https://api.robinhood.com/orders/?cursor=x"}, "orders").endswith("cursor=x")
    with pytest.raises(BadPayload):
        wire.following({"results": []}, "orders")


@pytest.mark.parametrize(
    "link",
    ["https://evil.example/orders/", "http://api.robinhood.com/orders/", "/orders/?c=1", "https://x@api.robinhood.com/",
     "https://api.robinhood.com.evil.example/", "https://api.robinhood.com@evil.example/", "http://[",
     "https://api.robinhood.com/\ud800"],
)  # fmt: skip
def test_the_token_follows_no_link_to_another_host(link):
    with pytest.raises(BadPayload, match="next"):
        wire.following({"next": link}, "orders")


# ---- money ---------------------------------------------------------------------------------------------------------
def test_cash_events():
    dividend = {"id": "d1", "amount": "1.25", "withholding": "0.25", "paid_at": "2026-01-05T15:00:00Z",
                "state": "paid"}  # fmt: skip
    assert money.dividend(dividend, "MSFT").amount == D("1.00") and money.dividend(dividend, "MSFT").symbol == "MSFT"
    assert money.dividend({**dividend, "state": "pending"}, "MSFT") is None
    assert money.dividend({**dividend, "paid_at": None}, "MSFT") is None
    transfer = {"id": "t1", "amount": "5", "direction": "withdraw", "state": "completed",
                "updated_at": "2026-01-05T15:00:00Z"}  # fmt: skip
    assert money.transfer(transfer).amount == -5 and money.transfer({**transfer, "state": "pending"}) is None
    with pytest.raises(BadPayload, match="direction"):
        money.transfer({**transfer, "direction": "sideways"})
    sweep = {"id": "s1", "amount": {"amount": "0.4"}, "direction": "credit", "pay_date": "2026-01-05T15:00:00Z"}
    assert money.sweep(sweep).amount == D("0.4")
    charge = {"id": "c1", "amount": "5.00", "created_at": "2026-01-05T15:00:00Z"}
    assert money.charge(charge, "fee").amount == -5 and money.charge(charge, "interest").kind == "interest"


# ---- errors --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"ref_id": ["Order with this ref_id already exists."]}', "duplicate"),
        (400, b'{"detail": "Not enough buying power to place this order."}', "funds"),
        (400, b'{"detail": "You can only purchase 0 shares of MSFT."}', "funds"),
        (400, b'{"detail": "Not enough shares to sell."}', "position"),
        (400, b'{"non_field_errors": ["This stock is untradable."]}', "not_tradable"),
        (400, b'{"instrument": ["Invalid hyperlink - Object does not exist."]}', "symbol"),
        (400, b'{"quantity": ["A valid number is required."]}', "quantity"),
        (400, b'{"price": ["Ensure that there are no more than 2 decimal places."]}', "price"),
        (400, b'{"detail": "Order cannot be cancelled at this time."}', "closed"),
        (400, b'{"detail": "The market is closed."}', "market_closed"),
        (400, b'{"non_field_errors": ["Your app version is missing important stock trading updates."]}', "refused"),
        (404, b'{"detail": "Not found."}', "not_found"),
    ],
)  # fmt: skip
def test_F20_a_4xx_with_json_is_a_no(status, body, kind):
    trouble = wire.error(status, body, "order")
    assert isinstance(trouble, Rejected) and trouble.kind == kind
    assert outcome(trouble) == trouble and unavailable(trouble).kind == kind


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b'{"detail": "Internal server error."}'), (502, b"<html>"), (503, b""), (504, b"{}"), (408, b"{}"),
     (403, b"<html>blocked</html>"), (400, b"<html>"), (400, b'{"deta'), (409, b"{}"), (302, b""), (200, b"<html>")],
)  # fmt: skip
def test_F21_everything_else_may_have_been_executed(status, body):
    assert isinstance(outcome(wire.error(status, body, "order")), Unknown)


def test_F22_throttling_says_when_to_come_again():
    trouble = wire.error(429, b'{"detail": "Request was throttled. Expected available in 14 seconds."}', "query")
    assert trouble == RateLimited("Request was throttled. Expected available in 14 seconds.", 14.0)
    assert wire.error(429, b"<html>", "query") == RateLimited("status 429")
    assert wire.error(429, b'{"detail": "Request was throttled."}', "query").retry_after is None


def test_a_token_that_is_not_taken():
    for status in (401, 403):
        assert isinstance(wire.error(status, b'{"detail": "Invalid token."}', "query"), AuthFailed)
    assert isinstance(wire.error(400, b'{"detail": "Unable to log in."}', "login"), AuthFailed)


# ---- settings ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [Settings, DataSettings])
def test_url_is_for_this_machine_only(kind):
    assert kind(url="http://127.0.0.1:8011/").url == "http://127.0.0.1:8011" and kind().url == ""
    for url in ("http://example.com", "https://api.robinhood.com", "http://127.0.0.1.example.com:80", "127.0.0.1:80"):
        with pytest.raises(ValueError, match="emulator on this machine"):
            kind(url=url)
