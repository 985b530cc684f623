"""What the terminal's payloads become. The payloads have the fields of the package's structures, invented values."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trader.errors import BadPayload
from trader.model import Accepted, CashEvent, OrderState, OrderType, Position, Rejected, Side, Unknown
from trader.wire import AuthFailed, RateLimited
from trader_broker_mt5 import rates, wire, words

D = Decimal
NOON = 1_700_049_600  # 2023-11-15 12:00 UTC
ACCOUNT = {
    "login": 25115284, "trade_mode": 0, "leverage": 100, "trade_allowed": True, "trade_expert": True, "margin_mode": 2,
    "balance": 99511.4, "credit": 100.0, "profit": 41.82, "equity": 99653.22, "server": "MetaQuotes-Demo",
    "currency": "USD", "company": "MetaQuotes Software Corp.",
}  # fmt: skip
SYMBOL = {
    "name": "EURJPY", "select": True, "time": NOON, "digits": 3, "point": 0.001, "trade_tick_size": 0.001,
    "trade_contract_size": 100000.0, "volume_min": 0.01, "volume_max": 500.0, "volume_step": 0.01, "trade_mode": 4,
    "trade_exemode": 1, "filling_mode": 1, "order_mode": 127, "expiration_mode": 15, "currency_base": "EUR",
    "currency_profit": "JPY", "bid": 120.024, "ask": 120.041, "description": "Euro vs Yen", "path": "Forex\\EURJPY",
}  # fmt: skip
ORDER = {
    "ticket": 557416535, "time_setup": NOON, "time_setup_msc": NOON * 1000 + 250, "time_done": 0, "time_done_msc": 0,
    "type": 2, "type_time": 0, "type_filling": 2, "state": 1, "magic": 234000, "volume_initial": 0.3,
    "volume_current": 0.1, "price_open": 108.023, "price_stoplimit": 0.0, "symbol": "USDJPY", "comment": "c1",
}  # fmt: skip
DEAL = {
    "ticket": 535084512, "order": 557416535, "time": NOON, "time_msc": NOON * 1000 + 7, "type": 1, "entry": 1,
    "magic": 234000, "position_id": 5, "reason": 3, "volume": 0.1, "price": 108.015, "commission": -0.35, "swap": -1.2,
    "profit": 4.1, "fee": -0.05, "symbol": "USDJPY", "comment": "",
}  # fmt: skip
POSITION = {"ticket": 5, "identifier": 5, "type": 0, "volume": 0.1, "price_open": 1.1, "symbol": "EURUSD", "magic": 7}
RESULT = {"retcode": 10009, "deal": 535084512, "order": 557416535, "volume": 0.1, "price": 1.1, "comment": "done"}
RATES = {
    "time": [NOON, NOON + 3600], "open": [1.0, 1.1], "high": [1.2, 1.3], "low": [0.9, 1.0], "close": [1.1, 1.2],
    "tick_volume": [10, 20], "spread": [1, 1], "real_volume": [0, 0],
}  # fmt: skip


# ---- ids -----------------------------------------------------------------------------------------------------------
def test_the_key_is_a_magic_number_of_63_bits():
    keys = {wire.magic(f"t{number}") for number in range(1000)}
    assert len(keys) == 1000
    assert all(0 < int(key) < 2**63 for key in keys)
    assert wire.magic("t1") == wire.magic("t1")


def test_a_comment_is_never_longer_than_31_characters():
    assert wire.comment("t" + "a" * 60) == "t" + "a" * 30
    assert wire.comment("tä\n1") == "t1"


# ---- symbols -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "base", "quote", "ours"),
    [
        ("EURUSD", "EUR", "USD", "EUR/USD"),
        ("XAUUSD", "XAU", "USD", "XAU/USD"),
        ("US500", "USD", "USD", "US500"),
        ("EURUSD.m", "EUR", "USD", "EURUSD.m"),
        ("AAPL", "USD", "USD", "AAPL"),
        ("ODD", None, "", "ODD"),
    ],
)
def test_a_pair_of_currencies_is_named_as_one(name, base, quote, ours):
    assert wire.symbol_of({"name": name, "currency_base": base, "currency_profit": quote}) == ours


def test_a_symbol_is_traded_in_lots():
    rules = wire.instrument(SYMBOL)
    assert (rules.symbol, rules.currency, rules.tick, rules.lot) == ("EUR/JPY", "JPY", D("0.001"), D("0.01"))
    assert (rules.multiplier, rules.settlement, rules.tags["name"]) == (D(100000), "margin", "EURJPY")
    assert wire.instrument(SYMBOL, "MY").symbol == "MY"
    assert not wire.instrument({**SYMBOL, "trade_mode": 0}).tradable
    assert not wire.instrument({**SYMBOL, "trade_mode": 1}).shortable
    assert wire.instrument({**SYMBOL, "trade_tick_size": 0.0}).tick == D("0.001")
    with pytest.raises(BadPayload, match="volume_step"):
        wire.instrument({**SYMBOL, "volume_step": 0.0})


# ---- the account ---------------------------------------------------------------------------------------------------
def test_an_account_is_demo_or_live_by_what_it_says_itself():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    account = wire.account(ACCOUNT, now)
    assert (account.account_id, account.kind, account.cash) == ("25115284", "demo", D("99611.4"))
    assert (account.equity, account.permissions, account.time) == (D("99653.22"), ("read", "trade"), now)
    kinds = {mode: wire.account({**ACCOUNT, "trade_mode": mode}, now).kind for mode in (0, 1, 2, 9)}
    assert kinds == {0: "demo", 1: "demo", 2: "live", 9: "live"}
    assert wire.account({**ACCOUNT, "trade_mode": 2, "server": words.EMULATOR}, now).kind == "demo"
    assert wire.account({**ACCOUNT, "trade_expert": False}, now).permissions == ("read",)
    assert wire.account(ACCOUNT, now, trading=False).permissions == ("read",)
    assert wire.hedging(ACCOUNT)
    assert not wire.hedging({**ACCOUNT, "margin_mode": 0})


# ---- orders --------------------------------------------------------------------------------------------------------
def test_an_order_is_shown_with_what_of_it_is_filled():
    report = wire.order(ORDER, "USD/JPY")
    assert (report.key, report.venue_id, report.symbol) == ("234000", "557416535", "USD/JPY")
    assert (report.side, report.quantity, report.filled) == (Side.BUY, D("0.3"), D("0.2"))
    assert (report.type, report.limit_price, report.stop_price) == (OrderType.LIMIT, D("108.023"), None)
    assert report.time == datetime(2023, 11, 15, 12, 0, 0, 250000, tzinfo=UTC)
    stop = wire.order({**ORDER, "type": 7, "price_stoplimit": 107.5, "magic": 0})
    assert (stop.key, stop.side, stop.type) == ("", Side.SELL, OrderType.STOP_LIMIT)
    assert (stop.limit_price, stop.stop_price) == (D("107.5"), D("108.023"))


def test_every_state_has_a_meaning_and_an_unknown_one_is_unknown():
    states = {number: wire.order({**ORDER, "state": number}).state for number in range(11)}
    working = {number for number, state in states.items() if state is OrderState.WORKING}
    assert working == {0, 1, 3, 7, 8}
    assert states[2] is OrderState.CANCELED
    assert states[4] is OrderState.FILLED
    assert states[5] is OrderState.REJECTED
    assert states[6] is OrderState.EXPIRED
    assert states[9] is OrderState.CANCEL_SENT
    assert states[10] is OrderState.UNKNOWN
    assert wire.order({**ORDER, "type": 8}).state is OrderState.UNKNOWN


def test_a_partial_order_of_the_history_is_over():
    done = {**ORDER, "state": 3, "time_done": NOON + 1, "time_done_msc": (NOON + 1) * 1000}
    report = wire.order(done)
    assert (report.state, report.filled) == (OrderState.CANCELED, D("0.2"))


# ---- retcodes ------------------------------------------------------------------------------------------------------
def test_done_and_partly_done_are_accepted():
    for code in (10009, 10010):
        assert wire.result({**RESULT, "retcode": code}) == Accepted("557416535")
    assert wire.result({**RESULT, "order": 0}) == Accepted(None)


@pytest.mark.parametrize("code", [10008, 10011, 10012, 10023, 10025, 10028, 10031, 0, 1, 10037, 99999])
def test_F21_placed_timeout_error_no_connection_and_what_nobody_knows_are_unknown(code):
    assert isinstance(wire.result({**RESULT, "retcode": code}), Unknown)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10004, "price"), (10006, "refused"), (10007, "refused"), (10013, "refused"), (10014, "quantity"),
        (10015, "price"), (10016, "price"), (10017, "not_tradable"), (10018, "market_closed"), (10019, "funds"),
        (10020, "price"), (10021, "price"), (10022, "refused"), (10024, "rate_limited"), (10026, "refused"),
        (10027, "refused"), (10029, "refused"), (10030, "refused"), (10032, "refused"), (10033, "refused"),
        (10034, "quantity"), (10035, "refused"), (10036, "position"), (10038, "quantity"), (10039, "position"),
        (10040, "refused"), (10041, "refused"), (10042, "not_tradable"), (10043, "not_tradable"),
        (10044, "reduce_only"), (10045, "position"), (10046, "position"),
    ],
)  # fmt: skip
def test_F20_a_refusal_is_definitive_and_says_why(code, kind):
    outcome = wire.result({**RESULT, "retcode": code, "order": 0, "comment": "why not"})
    assert isinstance(outcome, Rejected)
    assert outcome.kind == kind
    assert str(code) in outcome.reason and "why not" in outcome.reason
    assert isinstance(wire.removal({**RESULT, "retcode": code}), Rejected)


def test_autotrading_that_is_switched_off_says_which_button():
    assert "Algo Trading" in wire.result({**RESULT, "retcode": 10027}).reason
    assert "ask the broker" in wire.result({**RESULT, "retcode": 10026}).reason


def test_a_cancel_that_changed_nothing_is_accepted():
    for code in (10009, 10010, 10025):
        assert wire.removal({**RESULT, "retcode": code}) == Accepted()
    assert isinstance(wire.removal({**RESULT, "retcode": 10008}), Unknown)


def test_only_a_placed_order_with_a_ticket_is_worth_looking_for():
    assert wire.placed({**RESULT, "retcode": 10008}) == "557416535"
    assert wire.placed({**RESULT, "retcode": 10008, "order": 0}) is None
    assert wire.placed(RESULT) is None


def test_order_check_says_0_where_order_send_says_10009():
    assert wire.check({"retcode": 0, "comment": "Done"}) == Accepted()
    assert isinstance(wire.result({**RESULT, "retcode": 0}), Unknown)
    assert wire.check({"retcode": 10019}).kind == "funds"


@pytest.mark.parametrize("code", [-10005, -10004, -10003, -10002, -10001, -10000, -1, -3, -4, -7, 1, 77])
def test_F21_none_with_a_last_error_is_unknown(code):
    assert isinstance(wire.error([code, "whatever"]), Unknown)


def test_what_the_module_itself_refused_was_never_sent():
    assert wire.error([-2, 'Invalid "comment" argument']).kind == "refused"
    assert wire.error([-8, ""]).kind == "refused"
    assert isinstance(wire.error([-6, "Authorization failed"]), AuthFailed)
    assert isinstance(wire.error([-1, "Too many requests"]), RateLimited)
    assert wire.error([-10005, "IPC timeout"]).kind == "timeout"
    assert wire.error([-10004, "No IPC connection"]).kind == "connection"


# ---- positions -----------------------------------------------------------------------------------------------------
def test_tickets_of_a_symbol_are_one_position_at_the_average_of_its_side():
    rows = [
        POSITION,
        {**POSITION, "ticket": 6, "volume": 0.3, "price_open": 1.2},
        {**POSITION, "ticket": 7, "type": 1, "volume": 0.1, "price_open": 9.0},
        {**POSITION, "ticket": 8, "symbol": "XAUUSD", "type": 1},
    ]
    assert wire.positions(rows, {"EURUSD": "EUR/USD"}) == [
        Position("EUR/USD", D("0.3"), D("1.175")),
        Position("XAUUSD", D("-0.1"), D("1.1")),
    ]
    assert wire.positions([POSITION, {**POSITION, "type": 1}]) == []
    assert wire.position(POSITION, "EUR/USD") == Position("EUR/USD", D("0.1"), D("1.1"))


def test_what_binary_fractions_leave_behind_is_cut():
    assert wire.position({**POSITION, "volume": 0.1 + 0.2}).quantity == D("0.3")


# ---- executions and cash -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("entry", [0, 1, 2])
def test_a_deal_is_an_execution_whatever_it_did_to_the_position(entry):
    fill = wire.fill({**DEAL, "entry": entry}, "USD/JPY", currency="EUR")
    assert (fill.execution_id, fill.key, fill.venue_id) == ("535084512", "234000", "557416535")
    assert (fill.side, fill.quantity, fill.price) == (Side.SELL, D("0.1"), D("108.015"))
    assert (fill.fee, fill.fee_currency) == (D("0.4"), "EUR")
    assert fill.time == datetime(2023, 11, 15, 12, 0, 0, 7000, tzinfo=UTC)


def test_a_ticket_that_was_closed_by_another_is_no_execution_and_its_costs_are_a_cash_event():
    deal = {**DEAL, "entry": 3}
    assert wire.fill(deal, "USD/JPY") is None
    event = wire.cash_event(deal, "USD/JPY", currency="EUR")
    assert (event.event_id, event.kind, event.amount) == ("535084512-swap", "funding", D("-1.6"))
    assert wire.cash_event({**deal, "swap": 0.0, "commission": 0.0, "fee": 0.0}) is None


@pytest.mark.parametrize("reason", [4, 5, 6, 7, 8, 9, 10])
def test_what_the_server_closed_is_not_our_order_though_it_shows_our_magic(reason):
    assert wire.fill({**DEAL, "reason": reason}).key == ""


def test_swap_is_a_cash_event_of_its_own():
    event = wire.cash_event(DEAL, "USD/JPY", currency="EUR")
    assert event == CashEvent("535084512-swap", "funding", D("-1.2"), "EUR", wire.fill(DEAL).time, "USD/JPY")
    assert wire.cash_event({**DEAL, "swap": 0.0}) is None


@pytest.mark.parametrize(
    ("number", "kind"), [(2, "transfer"), (3, "transfer"), (4, "fee"), (8, "fee"), (12, "interest"), (99, "adjustment")]
)
def test_a_deal_without_a_trade_is_money(number, kind):
    deal = {**DEAL, "type": number, "profit": -25.5, "commission": 0.0, "swap": 0.0, "fee": 0.0, "symbol": ""}
    event = wire.cash_event(deal)
    assert (event.event_id, event.kind, event.amount, event.symbol) == ("535084512", kind, D("-25.5"), None)
    assert wire.fill(deal) is None


# ---- times, bars, ticks --------------------------------------------------------------------------------------------
def test_stamps_are_the_servers_time():
    def three_hours(stamp):
        return stamp - timedelta(hours=3)

    assert wire.fill(DEAL, utc=three_hours).time == datetime(2023, 11, 15, 9, 0, 0, 7000, tzinfo=UTC)
    bars = rates.bars(RATES, "1h", three_hours)
    assert str(bars.start[0]) == "2023-11-15T09:00:00.000000000"
    assert str(bars.end[0]) == "2023-11-15T10:00:00.000000000"


def test_bars_have_the_exchanges_volume_where_there_is_one():
    bars = rates.bars(RATES, "1h")
    assert bars.volume.tolist() == [10, 20]
    assert rates.bars({**RATES, "real_volume": [5, 6]}, "1h").volume.tolist() == [5, 6]
    assert len(bars.within(datetime(2023, 11, 15, 13, tzinfo=UTC), datetime(2023, 11, 15, 14, tzinfo=UTC))) == 1


@pytest.mark.parametrize(
    "change", [{"time": [2, 1]}, {"time": [1]}, {"close": [1.0, -1.0]}, {"close": [1.0, None]}, {"open": "x"}]
)
def test_bars_that_cannot_be_are_a_bad_payload(change):
    with pytest.raises(BadPayload):
        rates.bars({**RATES, **change}, "1h")


def test_ticks_with_a_last_price_are_trades():
    ticks = {"time_msc": [NOON * 1000, NOON * 1000 + 5], "last": [0.0, 1.5], "volume_real": [0.0, 3.0]}
    (trade,) = rates.trades(ticks, "X")
    assert (trade.price, trade.size) == (1.5, 3.0)


def test_a_quote_needs_both_sides():
    tick = {"time": NOON, "time_msc": NOON * 1000, "bid": 1.1, "ask": 1.2}
    assert wire.quote("X", tick).ask == 1.2
    assert wire.quote("X", {**tick, "bid": 0.0}) is None
