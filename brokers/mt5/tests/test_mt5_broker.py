"""The broker over an emulated terminal, in netting and hedging accounts."""

import threading
import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest
from trader.clock import SystemClock, VirtualClock
from trader.env import World
from trader.model import (
    Accepted,
    Fill,
    NotFound,
    OrderRef,
    OrderReport,
    OrderState,
    Rejected,
    Side,
    Unavailable,
    Unknown,
)
from trader.protocols import Broker, HasCancelAll, HasCashEvents, HasOrderStream
from trader.testing.emulation import Mishap
from trader_broker_mt5 import broker as module

D = Decimal
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
BOTH = pytest.mark.parametrize("mode", ["netting", "hedging"])


def held(broker):
    return {position.symbol: position.quantity for position in broker.positions()}


# ---- as a plugin ---------------------------------------------------------------------------------------------------
def test_it_is_what_its_manifest_says(start):
    desk = start()
    spec = find_spec("trader_broker_mt5")
    table = tomllib.loads(Path(spec.origin).with_name("plugin.toml").read_text("utf-8"))["broker"]["mt5"]
    broker = desk.made()
    assert all(isinstance(broker, protocol) for protocol in (Broker, HasCashEvents, HasCancelAll))
    assert not isinstance(broker, HasOrderStream)
    assert (table["capabilities"]["id_policy"], table["capabilities"]["concurrency"]) == ("none", 1)
    assert table["capabilities"]["horizon_seconds"] == module.HORIZON.total_seconds()
    assert desk.emulator.requests("login") == 0, "provide_broker opens nothing"


# ---- orders --------------------------------------------------------------------------------------------------------
@BOTH
def test_a_market_order_is_executed_found_and_booked_once(start, ref, mode):
    desk = start(mode)
    broker = desk.broker()
    order = desk.order()
    outcome = broker.submit(order)
    assert desk.emulator.requests("submit") == 1
    report = broker.order(ref(order))
    assert (report.venue_id, report.key, report.state) == (outcome.venue_id, order.key, OrderState.FILLED)
    assert broker.order(ref(order, outcome.venue_id)) == report
    (fill,) = broker.fills(ALWAYS)
    assert (fill.key, fill.venue_id, fill.quantity) == (order.key, outcome.venue_id, D("0.1"))
    assert (fill.fee > 0, fill.fee_currency) == (True, "USD")
    assert held(broker) == {"EUR/USD": D("0.1")}


@BOTH
def test_a_sale_of_all_leaves_nothing(start, mode):
    desk = start(mode)
    broker = desk.broker()
    desk.sent(broker)
    desk.sent(broker, "sell", reduce_only=True)
    assert held(broker) == {}
    assert len(broker.fills(ALWAYS)) == 2


def test_hedging_closes_carry_the_ticket_and_open_no_second_position(start):
    desk = start("hedging")
    broker = desk.broker()
    desk.sent(broker, quantity="0.3")
    desk.sent(broker, quantity="0.2")
    desk.sent(broker, "sell", "0.2", reduce_only=True)
    desk.sent(broker, "sell", "0.1")
    (ticket,) = desk.emulator.book().holdings.values()
    assert (ticket.volume, ticket.sign) == (D("0.2"), 1)
    assert held(broker) == {"EUR/USD": D("0.2")}


def test_a_reduction_over_several_tickets_is_one_request_and_nets_to_what_was_asked(start):
    desk = start("hedging")
    broker = desk.broker()
    for _ in range(3):
        desk.sent(broker, quantity="0.1")
    before = desk.emulator.requests("submit")
    desk.sent(broker, "sell", "0.3", reduce_only=True)
    assert desk.emulator.requests("submit") == before + 1
    assert held(broker) == {}
    assert sum(fill.quantity * fill.side.sign for fill in broker.fills(ALWAYS)) == 0


def test_a_netting_account_turns_round(start):
    desk = start()
    broker = desk.broker()
    desk.sent(broker, quantity="0.1")
    desk.sent(broker, "sell", "0.3")
    assert held(broker) == {"EUR/USD": D("-0.2")}
    assert [fill.quantity for fill in broker.fills(ALWAYS)] == [D("0.1"), D("0.3")]


@BOTH
def test_reduce_only_is_refused_where_nothing_is_reduced(start, mode):
    desk = start(mode)
    broker = desk.broker()
    outcome = broker.submit(desk.order("sell", reduce_only=True))
    assert isinstance(outcome, Rejected) and outcome.kind == "reduce_only"
    assert desk.emulator.requests("submit") == 0


def test_a_limit_order_waits_fills_in_parts_and_is_filled(start, ref):
    desk = start()
    broker = desk.broker()
    order = desk.sent(broker, quantity="0.2", kind="limit", limit="1.05", tif="gtc")
    assert [report.key for report in broker.orders()] == [order.key]
    desk.emulator.trade("EUR/USD", 1.04, volume=0.1)
    report = broker.order(ref(order))
    assert (report.state, report.filled) == (OrderState.WORKING, D("0.1"))
    desk.emulator.trade("EUR/USD", 1.04)
    assert broker.order(ref(order)).state is OrderState.FILLED
    assert sum(fill.quantity for fill in broker.fills(ALWAYS)) == D("0.2")


def test_a_partial_execution_is_accepted_and_the_rest_is_over(start, ref):
    desk = start()
    broker = desk.broker()
    desk.emulator.depth["XAU/USD"] = 0.1
    order = desk.sent(broker, quantity="0.3", symbol="XAU/USD", tif="ioc")
    report = broker.order(ref(order))
    assert (report.state, report.filled) == (OrderState.CANCELED, D("0.1"))
    assert held(broker) == {"XAU/USD": D("0.1")}


def test_F37_an_order_for_the_day_expires_at_the_venue_and_is_shown_so(start, ref):
    clock = VirtualClock(datetime(2026, 3, 4, 12, tzinfo=UTC))
    desk = start(clock=clock)
    broker = desk.broker()
    order = desk.sent(broker, kind="limit", limit="1.05", tif="day")
    desk.emulator.trade("EUR/USD", 1.1)
    clock.sleep(86_400.0)
    desk.emulator.trade("EUR/USD", 1.1)
    assert broker.order(ref(order)).state is OrderState.EXPIRED


def test_the_filling_fits_every_symbol(start):
    desk = start()
    broker = desk.broker()
    for symbol in ("EUR/USD", "GBP/USD", "XAU/USD", "US500", "BTC/USD"):
        desk.sent(broker, symbol=symbol, quantity="0.01")
    assert len(broker.positions()) == 5


def test_a_symbol_is_selected_before_it_is_used(start):
    desk = start()
    broker = desk.broker()
    assert "US500" not in desk.emulator.selected
    desk.sent(broker, symbol="US500")
    assert "US500" in desk.emulator.selected


def test_a_table_of_names_goes_before_our_own(start):
    desk = start()
    broker = desk.broker(symbols={"EURO": "EURUSD"})
    desk.sent(broker, symbol="EURO")
    assert held(broker) == {"EURO": D("0.1")}
    assert broker.instruments(["EUR/USD"]) == []
    assert broker.submit(desk.order()).kind == "symbol"


def test_what_the_server_refuses_is_rejected_with_its_word(start):
    desk = start()
    broker = desk.broker()
    assert broker.submit(desk.order(quantity="400")).kind == "funds"
    assert broker.submit(desk.order(symbol="USD/JPY")).kind == "not_tradable"
    assert broker.submit(desk.order(kind="limit", limit="1.2", tif="gtc")).kind == "price"
    desk.emulator.shut.add("EUR/USD")
    assert broker.submit(desk.order()).kind == "market_closed"


def test_order_check_refuses_before_the_server_does(start):
    desk = start()
    broker = desk.broker(check_first=True)
    outcome = broker.submit(desk.order(quantity="400"))
    assert (outcome.kind, "order_check" in outcome.reason) == ("funds", True)
    assert desk.emulator.requests("submit") == 0
    desk.sent(broker)


# ---- what nobody knows ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mishap", "there"),
    [
        (Mishap.LOST, False), (Mishap.LOST_REPLY, True), (Mishap.RESET, False), (Mishap.RESET_AFTER, True),
        (Mishap.FAILED, False), (Mishap.FAILED_AFTER, True), (Mishap.HTML, False), (Mishap.TRUNCATED, True),
        (Mishap.GARBAGE, True),
    ],
)  # fmt: skip
def test_F16_F21_a_submit_without_a_clear_answer_is_unknown_and_is_sent_once(start, ref, mishap, there):
    desk = start()
    broker = desk.broker()
    order = desk.order(kind="limit", limit="1.05", tif="gtc")
    desk.emulator.mishap("submit", mishap)
    assert isinstance(broker.submit(order), Unknown)
    assert desk.emulator.requests("submit") == 1
    assert isinstance(broker.order(ref(order)), OrderReport if there else NotFound)
    assert len(desk.emulator.venue.accepted) == there


def test_no_second_order_in_a_symbol_while_one_is_unresolved(start, ref):
    desk = start()
    broker = desk.broker()
    order = desk.order()
    desk.emulator.mishap("submit", Mishap.LOST_REPLY)
    assert isinstance(broker.submit(order), Unknown)
    outcome = broker.submit(desk.order("sell"))
    assert isinstance(outcome, Rejected) and outcome.kind == "unresolved"
    assert desk.emulator.requests("submit") == 1
    desk.sent(broker, symbol="XAU/USD")
    assert broker.order(ref(order)).state is OrderState.FILLED
    desk.sent(broker, "sell")


def test_F17_an_order_that_is_not_there_blocks_its_symbol_until_the_horizon(start, ref, monkeypatch):
    desk = start()
    broker = desk.broker()
    desk.emulator.mishap("submit", Mishap.LOST)
    order = desk.order()
    broker.submit(order)
    assert isinstance(broker.order(ref(order)), NotFound)
    assert broker.submit(desk.order()).kind == "unresolved"
    monkeypatch.setattr(module, "HORIZON", timedelta())
    desk.sent(broker)


@pytest.mark.parametrize("left", [slice(0, 0), slice(1, None)])
def test_a_position_keeps_its_name_when_the_terminal_no_longer_lists_its_symbol(start, monkeypatch, left):
    desk = start()
    broker = desk.broker()
    desk.sent(broker)
    (before,), ask = broker.positions(), broker._terminal.ask
    assert before.symbol == "EUR/USD"

    def told(user, call, *args, **more):
        value, state = ask(user, call, *args, **more)
        if call == "symbols_get":
            value = sorted(value, key=lambda row: row["name"] != "EURUSD")[left]
        return value, state

    monkeypatch.setattr(broker._terminal, "ask", told)
    broker.instruments(())
    assert broker.positions() == [before]
    assert {fill.symbol for fill in broker.fills(desk.clock.now() - timedelta(days=1))} == {"EUR/USD"}


def test_F52_a_clock_that_is_set_back_does_not_block_a_symbol_for_longer(start, ref):
    desk = start()
    broker = desk.broker()
    desk.emulator.mishap("submit", Mishap.LOST)
    order = desk.order()
    broker.submit(order)
    now = broker._env.now
    for ago in (timedelta(hours=5), timedelta(hours=5) - module.HORIZON):
        broker._env.now = lambda ago=ago: now() - ago
        assert isinstance(broker.order(ref(order)), NotFound)
    desk.sent(broker)


def test_an_order_that_never_left_blocks_nothing(start):
    desk = start()
    broker = desk.broker()
    desk.emulator.mishap("instruments", Mishap.RESET)
    outcome = broker.submit(desk.order())
    assert isinstance(outcome, Unknown) and outcome.reason.startswith("not sent")
    assert desk.emulator.requests("submit") == 0
    desk.sent(broker)


def test_placed_without_proof_is_looked_up_by_its_ticket(start, ref):
    desk = start()
    broker = desk.broker()
    desk.emulator.at_once = False
    order = desk.sent(broker)
    assert broker.order(ref(order)).state is OrderState.WORKING


@pytest.mark.parametrize("call", ["orders", "order", "positions", "fills"])
def test_not_found_only_if_all_four_lists_answered(start, call):
    desk = start()
    broker = desk.broker()
    stray = OrderRef("x", broker.key("x"), "EUR/USD")
    assert isinstance(broker.order(stray), NotFound)
    desk.emulator.mishap(call, Mishap.FAILED)
    assert isinstance(broker.order(stray), Unavailable)


def test_F25_an_executed_order_that_is_not_shown_yet_is_not_absent(start, monkeypatch):
    desk = start()
    broker = desk.broker()
    order = desk.sent(broker)
    real = broker._history._some
    monkeypatch.setattr(broker._history, "_some", lambda call, *a, **k: [] if "orders" in call else real(call, *a, **k))
    answer = broker.order(OrderRef(order.client_id, order.key, order.symbol))
    assert isinstance(answer, Unavailable) and "does not show it yet" in answer.reason


def test_a_position_that_another_order_opened_proves_nothing_about_that_orders_key(start, monkeypatch):
    desk = start()
    broker = desk.broker()
    desk.sent(broker)
    second = desk.sent(broker)
    real = broker._history._some

    def some(call, keep, *args, **more):
        """A netting position shows the magic of who changed it last, and the ticket of who opened it."""
        if "history_orders" in call and "ticket" not in more:
            return []
        if call == "positions_get":
            return [{**one, "magic": int(second.key)} for one in real(call, {}, *args, **more)]
        return [] if call == "history_deals_get" else real(call, keep, *args, **more)

    monkeypatch.setattr(broker._history, "_some", some)
    answer = broker.order(OrderRef(second.client_id, second.key, second.symbol))
    assert isinstance(answer, Unavailable), answer


# ---- the terminal's state ------------------------------------------------------------------------------------------
def test_a_terminal_without_its_server_answers_nothing_and_is_sent_nothing(start):
    desk = start()
    broker = desk.broker()
    desk.emulator.connected = False
    for answer in (broker.account(), broker.positions(), broker.orders(), broker.fills(ALWAYS)):
        assert isinstance(answer, Unavailable) and answer.kind == "connection"
    assert isinstance(broker.order(OrderRef("x", broker.key("x"), "EUR/USD")), Unavailable)
    outcome = broker.submit(desk.order())
    assert isinstance(outcome, Rejected) and "no connection to its trade server" in outcome.reason
    assert desk.emulator.requests("submit") == 0


def test_autotrading_switched_off_says_which_button(start):
    desk = start()
    desk.emulator.autotrading = False
    broker = desk.made()
    assert broker.open().permissions == ("read",)
    outcome = broker.submit(desk.order())
    assert isinstance(outcome, Rejected) and "press Algo Trading" in outcome.reason
    assert desk.emulator.requests("submit") == 0


def test_F95_another_account_in_the_terminal_is_seen_and_not_traded_on(start):
    desk = start()
    broker = desk.broker()
    broker._login += 1
    answer = broker.positions()
    assert isinstance(answer, Unavailable) and answer.kind == "auth"
    outcome = broker.submit(desk.order())
    assert (outcome.kind, desk.emulator.requests("submit")) == ("auth", 0)


def test_F94_the_account_says_itself_that_it_is_a_demo(start):
    assert start().broker().account().kind == "demo"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"MT5_PASSWORD": "wrong-password"}, "MT5_PASSWORD"),
        ({"MT5_LOGIN": "99"}, "MT5_LOGIN"),
        ({"MT5_LOGIN": "ninety"}, "digits only"),
        ({"MT5_SERVER": "Elsewhere-Live"}, "MT5_SERVER"),
        ({"MT5_SERVER": ""}, "nobody has it"),
    ],
)
def test_refused_and_missing_keys_are_explained_without_being_shown(start, change, word):
    desk = start()
    keys = {**desk.emulator.secrets, **change}
    answer = desk.made(desk.door(environ=keys)).open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth"
    assert word in answer.reason
    assert not any(value in answer.reason for value in ("wrong-password", "Elsewhere-Live", "emulated-password"))


# ---- cancels -------------------------------------------------------------------------------------------------------
def test_F32_a_cancel_of_what_is_over_or_never_was_is_not_sent(start, ref):
    desk = start()
    broker = desk.broker()
    order = desk.sent(broker)
    assert broker.cancel(ref(order)).kind == "closed"
    assert broker.cancel(OrderRef("x", broker.key("x"), "EUR/USD")).kind == "not_found"
    assert desk.emulator.requests("cancel") == 0


def test_cancel_all_takes_a_persons_orders_too(start):
    desk = start()
    broker = desk.broker()
    assert broker.cancel_all() == Accepted()
    desk.sent(broker, kind="limit", limit="1.05", tif="gtc")
    desk.sent(broker, kind="stop", stop="1.2", tif="gtc")
    assert broker.cancel_all() == Accepted()
    assert broker.orders() == []
    desk.sent(broker, kind="limit", limit="1.05", tif="gtc")
    desk.emulator.mishap("cancel", Mishap.LOST)
    assert isinstance(broker.cancel_all(), Unknown)


def test_F32_cancel_all_does_not_count_what_was_over_before_its_turn_came(start):
    desk = start()
    broker = desk.broker()
    desk.sent(broker, kind="limit", limit="1.05", tif="gtc")
    desk.sent(broker, kind="stop", stop="1.2", tif="gtc")
    remove = broker._remove

    def filled_meanwhile(ticket):
        broker._remove = remove
        desk.emulator.trade("EUR/USD", 1.04)
        return remove(ticket)

    broker._remove = filled_meanwhile
    assert broker.cancel_all() == Accepted()
    assert broker.orders() == []


def test_F22_too_many_requests_are_waited_for_and_a_cancel_is_not(start, ref):
    desk = start()
    broker = desk.broker()
    order = desk.sent(broker, kind="limit", limit="1.05", tif="gtc")
    desk.emulator.mishap("submit", Mishap.RATE_LIMITED)
    assert broker.submit(desk.order()).kind == "rate_limited"
    assert broker.positions().kind == "rate_limited"
    assert broker.cancel(ref(order)) == Accepted()


# ---- the server's clock --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("hours", [3, -5])
def test_stamps_of_a_server_in_another_zone_are_utc_and_no_fill_is_lost(start, hours):
    desk = start()
    desk.emulator.offset = timedelta(hours=hours)
    desk.emulator.trade("EUR/USD", 1.1)
    broker = desk.broker()
    before = SystemClock().now() - timedelta(seconds=5)
    desk.sent(broker)
    (fill,) = broker.fills(before)
    assert abs(fill.time - SystemClock().now()) < timedelta(seconds=10)
    assert broker.fills(fill.time + timedelta(milliseconds=1)) == []
    assert broker._terminal.time.offset == timedelta(hours=hours)


def test_an_offset_that_is_not_known_loses_no_fill(start):
    desk = start()
    broker = desk.broker()
    desk.sent(broker)
    desk.sent(broker, "sell")
    time = broker._terminal.time
    for wrong in (-12, -3, 3, 12):
        time.offset, time.sure = timedelta(hours=wrong), False
        assert len(broker.fills(SystemClock().now() - timedelta(minutes=1))) == 2, wrong


def test_after_open_and_after_summer_time_older_fills_come_along_for_the_offset_may_be_new(start):
    desk = start()
    desk.sent(desk.broker())
    broker = desk.broker()
    SystemClock().sleep(0.01)
    since = SystemClock().now()
    assert [len(broker.fills(since)) for _ in range(2)] == [1, 0]
    assert len(broker.cash_events(since)) == 0
    broker._terminal.time.changed = SystemClock().now() - timedelta(days=6)
    assert len(broker.fills(since)) == 1
    broker._terminal.time.changed = SystemClock().now() - timedelta(days=8)
    assert len(broker.fills(since)) == 0
    zoned = desk.broker(server_timezone="UTC")
    assert zoned.fills(since) == []


def test_a_quiet_half_hour_or_week_end_does_not_move_the_servers_clock(start):
    clock = VirtualClock(datetime(2026, 3, 4, 12, tzinfo=UTC))
    desk = start(clock=clock)
    desk.emulator.offset = timedelta(hours=3)
    desk.emulator.trade("EUR/USD", 1.1)
    broker = desk.broker()
    time = broker._terminal.time
    for minutes in (30, 30, 60, 600, 2160):
        clock.sleep(60.0 * minutes)
        broker.account()
        assert (time.offset, time.sure, time.changed) == (timedelta(hours=3), True, None)
    desk.emulator.offset = timedelta(hours=2)
    desk.emulator.trade("EUR/USD", 1.1)
    broker.account()
    assert (time.offset, time.changed) == (timedelta(hours=2), clock.now()), "summer time is over"


def test_F52_a_clock_that_is_ahead_is_told_with_the_account(start):
    desk = start()
    broker = desk.broker()
    desk.emulator.skew(120.0)
    desk.emulator.trade("EUR/USD", 1.1)
    ahead = broker.account().time - SystemClock().now()
    assert timedelta(seconds=110) < ahead < timedelta(seconds=130)


# ---- executions that no order of ours made -------------------------------------------------------------------------
def test_F102_a_persons_trade_has_no_key(start):
    desk = start()
    broker = desk.broker()
    desk.emulator.venue.manual_trade("EUR/USD", Side.BUY, D("0.1"))
    desk.emulator.trade("EUR/USD", 1.1)
    (fill,) = broker.fills(ALWAYS)
    assert isinstance(fill, Fill) and fill.key == ""
    assert held(broker) == {"EUR/USD": D("0.1")}


def test_money_that_moved_is_a_cash_event_with_the_deals_ticket(start):
    desk = start()
    broker = desk.broker()
    since = SystemClock().now() - timedelta(days=1)
    desk.emulator.venue.cash("interest", D("-2.5"))
    (event,) = broker.cash_events(since)
    assert (event.kind, event.amount, event.currency) == ("interest", D("-2.5"), "USD")
    assert broker.fills(since) == []


# ---- connections ---------------------------------------------------------------------------------------------------
def test_F41_a_broken_connection_is_made_anew_by_the_next_call(start):
    desk = start()
    broker = desk.broker()
    desk.emulator.drop_streams()
    first = broker.positions()
    assert isinstance(first, Unavailable) and first.kind == "connection"
    assert broker.positions() == []


def test_F42_a_terminal_that_hangs_is_given_up_in_time_and_close_ends_the_wait(start):
    desk = start()
    broker = desk.broker()
    desk.emulator.patience = 20.0
    desk.emulator.mishap("positions", Mishap.LOST)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(broker.positions()))
    thread.start()
    SystemClock().sleep(0.3)
    broker.close()
    thread.join(3.0)
    assert not thread.is_alive()
    assert isinstance(answers[0], Unavailable) and answers[0].kind == "connection"
    broker.close()
    assert isinstance(broker.positions(), Unavailable)


def test_two_users_of_a_connection_share_the_terminal_and_leave_each_other_alone(start):
    desk = start()
    world = World(desk.root, desk.root / "var", environ=dict(desk.emulator.secrets))
    broker, source = desk.made(desk.door(world=world)), desk.source(desk.door(world=world))
    broker.open()
    assert desk.emulator.requests("login") == 1
    source.close()
    assert broker.positions() == []
    assert desk.emulator.requests("login") == 1
    assert isinstance(source.symbols(), Unavailable)
    world.close()
    assert isinstance(broker.positions(), Unavailable)
