"""What Alpaca's payloads mean."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from trader.errors import BadPayload
from trader.model import (
    CashEvent,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Rejected,
    Reset,
    Side,
    TimeInForce,
    Unknown,
)
from trader.wire import AuthFailed, RateLimited, document
from trader_broker_alpaca import wire

D = Decimal
ACCOUNT = {
    "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98", "account_number": "PA3XYZ7Q1ABC", "status": "ACTIVE",
    "currency": "USD", "cash": "-23140.2", "equity": "103820.56", "portfolio_value": "103820.56", "multiplier": "4",
    "shorting_enabled": True, "account_blocked": False, "trading_blocked": False, "trade_suspended_by_user": False,
    "non_marginable_buying_power": "98945.02",
}  # fmt: skip
ORDER = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_order_id": "tabc", "symbol": "AAPL",
    "created_at": "2021-03-16T18:38:01.942282Z", "updated_at": "2021-03-16T18:38:02.942282123Z",
    "submitted_at": "2021-03-16T14:38:01.937734891-04:00", "replaced_by": None, "replaces": None,
    "asset_class": "us_equity", "notional": None, "qty": "0.123456789", "filled_qty": "0.1", "type": "limit",
    "order_type": "limit", "side": "buy", "time_in_force": "day", "limit_price": "100.01", "stop_price": None,
    "status": "partially_filled", "legs": None,
}  # fmt: skip
FILL = {
    "id": "20220304135420903::047e252a-a8a3-4e35-84e2-29814cbf5057", "activity_type": "FILL",
    "transaction_time": "2022-03-04T18:54:20.903569Z", "type": "partial_fill", "price": "2907.15",
    "qty": "1.792161878", "side": "buy", "symbol": "AMZN", "leaves_qty": "1",
    "order_id": "cddf433b-1a41-497d-ae31-50b1fee56fff", "cum_qty": "1.792161878",
}  # fmt: skip
STOCK = {
    "id": "904837e3", "class": "us_equity", "exchange": "NASDAQ", "symbol": "AAPL", "status": "active",
    "tradable": True, "shortable": True, "easy_to_borrow": True, "fractionable": True,
}  # fmt: skip
COIN = {
    "id": "276e2673", "class": "crypto", "exchange": "CRYPTO", "symbol": "BTC/USD", "status": "active",
    "tradable": True, "shortable": False, "easy_to_borrow": False, "fractionable": True,
    "min_order_size": "0.0001", "min_trade_increment": "0.000000001", "price_increment": "0.01",
}  # fmt: skip


def request(**change):
    base = {
        "client_id": "tabc", "key": "tabc", "book": "main", "symbol": "AAPL", "side": Side.BUY,
        "quantity": D("0.123456789"), "type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.DAY,
        "limit_price": D("100.01"), "stop_price": D("1E+2"), "reduce_only": False, "purpose": Purpose.MANUAL,
        "price": D(100), "decided_at": datetime(2026, 1, 5, tzinfo=UTC),
    }  # fmt: skip
    return OrderRequest(**{**base, **change})


# ---- orders ----------------------------------------------------------------------------------------------------------
def test_numbers_go_out_as_text_digit_by_digit():
    """The library's request models make floats: 0.123456789 would go out as something else."""
    assert wire.order_request(request()) == {
        "symbol": "AAPL", "qty": "0.123456789", "side": "buy", "type": "stop_limit", "time_in_force": "day",
        "client_order_id": "tabc", "limit_price": "100.01", "stop_price": "100",
    }  # fmt: skip
    plain = wire.order_request(request(type=OrderType.MARKET, limit_price=None, stop_price=None))
    assert "limit_price" not in plain and "stop_price" not in plain


def test_an_order_keeps_its_digits_and_its_microseconds():
    report = wire.order(ORDER)
    assert (report.key, report.quantity) == ("tabc", D("0.123456789"))
    assert (report.filled, report.limit_price) == (D("0.1"), D("100.01"))
    assert report.state is OrderState.WORKING and report.type is OrderType.LIMIT
    assert report.time == datetime(2021, 3, 16, 18, 38, 2, 942282, UTC)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("new", "working"), ("accepted", "working"), ("pending_new", "working"), ("held", "working"),
        ("done_for_day", "working"), ("pending_replace", "working"), ("pending_cancel", "cancel_sent"),
        ("filled", "filled"), ("canceled", "canceled"), ("expired", "expired"), ("rejected", "rejected"),
        ("replaced", "unknown"),
    ],
)  # fmt: skip
def test_each_status_has_a_state(word, state):
    assert wire.order({**ORDER, "status": word}).state is OrderState(state)


@pytest.mark.parametrize("name", ["status", "type", "order_type", "time_in_force", "order_class", "asset_class"])
def test_a_strange_enum_does_not_kill_an_order(name):
    """The library's strict enums raise for a whole list of orders."""
    report = wire.order({**ORDER, name: "something_new"})
    assert report.venue_id == ORDER["id"]
    if name == "status":
        assert report.state is OrderState.UNKNOWN and "something_new" in report.reason


def test_an_order_over_an_amount_of_money_has_no_quantity_yet():
    report = wire.order({**ORDER, "qty": None, "notional": "500", "filled_qty": "0"})
    assert report.quantity == 0


def test_a_replaced_order_says_where_it_goes_on():
    replaced = {**ORDER, "status": "replaced", "replaced_by": "B"}
    assert wire.successor(replaced) == "B" and wire.successor(ORDER) is None
    assert wire.predecessor({**ORDER, "replaces": "A"}) == "A" and wire.predecessor(ORDER) is None
    with pytest.raises(BadPayload, match="replaced_by"):
        wire.successor({**ORDER, "status": "replaced"})


# ---- executions and cash ---------------------------------------------------------------------------------------------
def test_an_execution_is_named_by_its_activity():
    fill = wire.fill(FILL, key="tabc")
    assert fill.execution_id == FILL["id"] and fill.key == "tabc" and fill.venue_id == FILL["order_id"]
    assert (fill.quantity, fill.price, fill.fee) == (D("1.792161878"), D("2907.15"), 0)


def test_F28_an_execution_that_was_taken_back_has_quantity_0():
    assert wire.fill({**FILL, "status": "canceled"}).quantity == 0


def test_a_short_sale_is_a_sale():
    assert wire.fill({**FILL, "side": "sell_short"}).side is Side.SELL


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DIV", "dividend"), ("DIVNRA", "dividend"), ("FEE", "fee"), ("CFEE", "fee"), ("INT", "interest"),
        ("CSD", "transfer"), ("CSW", "transfer"), ("JNLC", "transfer"), ("SOMETHING_NEW", "adjustment"),
    ],
)  # fmt: skip
def test_each_activity_that_moves_money_has_a_kind(name, kind):
    payload = {"activity_type": name, "id": "x", "date": "2019-08-01", "net_amount": "-1.02", "symbol": "T"}
    event = wire.cash_event(payload)
    assert isinstance(event, CashEvent) and (event.kind, event.amount, event.currency) == (kind, D("-1.02"), "USD")


def test_an_activity_without_money_is_no_cash_event():
    assert wire.cash_event({**FILL, "net_amount": "1"}) is None
    assert wire.cash_event({"activity_type": "SPLIT", "id": "x", "date": "2020-08-31", "net_amount": "0"}) is None


def test_a_fee_taken_in_coins_is_in_coins():
    event = wire.cash_event({
        "activity_type": "CFEE", "id": "20220621000000000::a", "date": "2022-06-21", "net_amount": "0",
        "symbol": "BTCUSD", "qty": "-0.000195", "price": "20800.00",
    })  # fmt: skip
    assert event is not None and (event.amount, event.currency, event.symbol) == (D("-0.000195"), "BTC", "BTC/USD")


def test_an_activity_happened_when_its_id_says_else_on_its_date_in_new_york():
    dated = {"activity_type": "DIV", "id": "abc", "date": "2019-08-01", "net_amount": "1"}
    assert wire.cash_event(dated).time == datetime(2019, 8, 1, 4, tzinfo=UTC)
    named = {**dated, "id": "20190801011955195::5f596936"}
    assert wire.cash_event(named).time == datetime(2019, 8, 1, 5, 19, 55, 195_000, UTC)


# ---- account, positions, instruments ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("number", "emulated", "kind"), [("PA3X", False, "paper"), ("010203ABCD", False, "live"), ("PA3X", True, "demo")]
)
def test_the_account_number_says_what_it_is(number, emulated, kind):
    assert wire.account({**ACCOUNT, "account_number": number}, emulated=emulated).kind == kind


def test_an_account_may_lack_what_the_venue_gave_up():
    """The fields of the pattern day trader rule disappear from answers."""
    account = wire.account(ACCOUNT)
    assert account.cash == D("-23140.2") and account.settled_cash == account.cash
    assert account.permissions == ("read", "trade") and account.shorting


@pytest.mark.parametrize(
    "change", [{"trading_blocked": True}, {"account_blocked": True}, {"trade_suspended_by_user": True},
               {"status": "ACCOUNT_UPDATED"}]
)  # fmt: skip
def test_a_blocked_account_may_not_trade(change):
    assert wire.account({**ACCOUNT, **change}).permissions == ("read",)


def test_a_cash_account_has_the_cash_that_settled():
    cash = {**ACCOUNT, "multiplier": "1", "cash": "1000", "non_marginable_buying_power": "400"}
    assert wire.account(cash).settled_cash == 400


def test_positions_are_signed_and_coins_have_their_slash():
    short = {"symbol": "AAPL", "asset_class": "us_equity", "qty": "-5", "side": "short", "avg_entry_price": "100.0"}
    assert wire.position(short).quantity == -5
    assert wire.position({**short, "qty": "5"}).quantity == -5
    coin = {"symbol": "BTCUSD", "asset_class": "crypto", "qty": "0.5", "side": "long", "avg_entry_price": "60000"}
    assert wire.position(coin).symbol == "BTC/USD"


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("BTCUSD", "BTC/USD"), ("BTCUSDT", "BTC/USDT"), ("USDTUSD", "USDT/USD"), ("ETHBTC", "ETH/BTC"),
     ("ETH/USD", "ETH/USD"), ("USD", "USD"), ("BRK.B", "BRK.B")],
)  # fmt: skip
def test_symbols_of_coins(name, symbol):
    assert wire.symbol_of(name, "us_equity" if name == "BRK.B" else "crypto") == symbol


def test_shares_have_a_tick_of_a_cent_and_whole_lots_unless_parts_are_wanted():
    whole, parts = wire.instrument(STOCK), wire.instrument(STOCK, fractional=True)
    assert (whole.tick, whole.lot, whole.shortable, whole.tradable) == (D("0.01"), 1, True, True)
    assert (parts.lot, parts.min_notional) == (D("0.000000001"), 1)
    assert wire.instrument({**STOCK, "fractionable": False}, fractional=True).lot == 1
    assert not wire.instrument({**STOCK, "easy_to_borrow": False}).shortable
    assert not wire.instrument({**STOCK, "status": "inactive"}).tradable


def test_coins_have_the_steps_that_the_venue_says():
    coin = wire.instrument(COIN)
    assert (coin.symbol, coin.currency, coin.tick, coin.lot) == ("BTC/USD", "USD", D("0.01"), D("0.000000001"))
    assert not coin.shortable and coin.tags["min_order_size"] == "0.0001"
    assert coin.tags["time_in_force"] == "gtc ioc"
    with pytest.raises(BadPayload, match="price_increment"):
        wire.instrument({**COIN, "price_increment": "0"})


# ---- the stream, market data -----------------------------------------------------------------------------------------
def test_the_stream_tells_orders_and_no_executions():
    """An execution has another id there than among the activities: it would be booked twice."""
    update = {
        "event": "fill",
        "execution_id": "2f63ea93",
        "price": "100",
        "qty": "1",
        "order": {**ORDER, "status": "filled"},
    }
    event = wire.stream_event({"stream": "trade_updates", "data": update})
    assert event == wire.order({**ORDER, "status": "filled"})
    assert wire.stream_event({"stream": "listening", "data": {"streams": ["trade_updates"]}}) is None


def test_F36_the_stream_asks_for_a_look_when_an_order_was_replaced():
    for change in ({"status": "replaced", "replaced_by": "B"}, {"replaces": "A"}):
        event = wire.stream_event({"stream": "trade_updates", "data": {"event": "x", "order": {**ORDER, **change}}})
        assert isinstance(event, Reset)


def test_a_bar_must_be_one():
    row = {"t": "2022-03-09T05:00:00Z", "o": D("161.51"), "h": D("163.41"), "l": D("159.41"), "c": D("162.95"), "v": 88}
    assert wire.bar(row) == (datetime(2022, 3, 9, 5, tzinfo=UTC), 161.51, 163.41, 159.41, 162.95, 88.0)
    for change in ({"h": 1}, {"l": 0}, {"v": -1}, {"t": "yesterday"}):
        with pytest.raises(BadPayload):
            wire.bar({**row, **change})


def test_a_quote_with_an_empty_side_is_none():
    row = {"t": "2022-03-18T14:02:43.651613184Z", "ap": D("161.11"), "as": 13, "bp": D("161.1"), "bs": 2}
    assert wire.quote(row, "AAPL").bid == 161.1
    assert wire.quote({**row, "bp": 0}, "AAPL") is None


def test_the_calendar_is_in_new_york_with_its_daylight_saving():
    winter = wire.day({"date": "2022-02-01", "open": "09:30", "close": "16:00"})
    summer = wire.day({"date": "2022-07-01", "open": "09:30", "close": "16:00"})
    assert winter == (datetime(2022, 2, 1, 14, 30, tzinfo=UTC), datetime(2022, 2, 1, 21, tzinfo=UTC))
    assert summer.opens == datetime(2022, 7, 1, 13, 30, tzinfo=UTC)


# ---- errors ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (403, 40310000, "insufficient buying power", "funds"),
        (403, 40310000, "insufficient qty available for order (requested: 5, available: 0)", "position"),
        (403, 40310000, "insufficient balance for USD (requested: 5, available: 0)", "funds"),
        (403, 40310000, "insufficient balance for BTC (requested: 5, available: 0)", "position"),
        (403, 40310000, "account is not allowed to short", "position"),
        (403, 40310000, "cost basis must be >= minimal amount of order 10", "quantity"),
        (403, 40310000, "potential wash trade detected. use complex orders", "wash_trade"),
        (422, 42210000, "potential wash trade detected. use complex orders", "wash_trade"),
        (403, 40310100, "trade denied due to pattern day trading protection", "refused"),
        (422, 40010001, "client_order_id must be unique", "duplicate"),
        (422, 42210000, 'order is already in "filled" state', "closed"),
        (422, 42210000, "order is not cancelable", "closed"),
        (422, 42210000, 'asset "NOPE" not found', "symbol"),
        (404, 40410000, "asset not found for NOPE", "symbol"),
        (404, 40410000, "order not found for 7", "not_found"),
        (422, 42210000, "asset AAPL is not tradable", "not_tradable"),
        (422, 42210000, "fractional orders must be DAY orders", "quantity"),
        (422, 42210000, "invalid limit_price 1.001. sub-penny increment does not fulfill", "price"),
        (422, 40010001, "something that was never seen", "refused"),
    ],
)
def test_a_no_in_alpacas_words_is_a_rejection(status, code, message, kind):
    trouble = wire.error(status, json.dumps({"code": code, "message": message}))
    assert isinstance(trouble, Rejected) and trouble.kind == kind and message in trouble.reason


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, '{"code":50010000,"message":"internal"}'), (502, "<html>"), (503, ""), (504, "{}"), (408, ""), (301, ""),
     (422, "<html>"), (403, "<html>"), (404, ""), (400, '{"message": 7.5}'), (422, '{"message":"insuffic')],
)  # fmt: skip
def test_F21_whatever_proves_nothing_is_unknown(status, body):
    assert isinstance(wire.error(status, body), Unknown)


def test_F22_a_rate_limit_is_none_of_our_orders_business():
    assert wire.error(429, "slow down", retry_after=3.0) == RateLimited("429", 3.0)


@pytest.mark.parametrize(
    ("status", "body", "product"),
    [
        (401, '{"message":"unauthorized"}', "trading"), (401, "", "trading"),
        (403, '{"message": "forbidden."}', "trading"),
        (403, '{"code":42210000,"message":"subscription does not permit querying recent SIP data"}', "data"),
    ],
)  # fmt: skip
def test_refused_keys_are_recognised_with_and_without_a_code(status, body, product):
    """The library's own .code raises KeyError for a 401."""
    assert isinstance(wire.error(status, body, product), AuthFailed)


def test_documents_have_no_floats():
    assert wire.order(document(json.dumps({**ORDER, "qty": 0.1}), "order")).quantity == D("0.1")
