"""What the venue and its library do that nobody expects: each trap met by the real library, on the emulated venue."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trader.clock import SystemClock
from trader.model import (
    Accepted,
    Fill,
    Idle,
    NotFound,
    OrderReport,
    OrderState,
    Rejected,
    Reset,
    Side,
    Unavailable,
    Unknown,
)
from trader.testing.emulation import Mishap
from trader.testing.network import no_network
from trader_broker_binance import sdk
from trader_broker_binance.settings import SpotSettings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VENUES = ["binance", "binance_futures"]
both = pytest.mark.parametrize("name", VENUES)


class Listener(threading.Thread):
    """Reads a broker's stream."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.events, self._broker = [], broker
        self.start()

    def run(self):
        for event in self._broker.stream_orders():
            if not isinstance(event, Idle):
                self.events.append(event)

    def count(self, kind, key=None):
        return sum(isinstance(one, kind) and key in (None, getattr(one, "key", None)) for one in self.events)


# ---- addresses -------------------------------------------------------------------------------------------------------
def test_every_address_of_the_library_is_aimed_at_the_emulator():
    """The library has some twenty addresses; one that is forgotten sends keys to the real venue."""
    aimed = sdk.addresses("http://127.0.0.1:8011")
    for module, kind in (("binance.base_client", "BaseClient"), ("binance.ws.streams", "BinanceSocketManager")):
        theirs = {name for name in vars(getattr(sdk.module(module), kind)) if name.endswith("_URL")}
        missing = {name for name in theirs - set(aimed) if not name.startswith("DSTREAM")}  # coin-margined streams
        assert not missing, f"{kind} also has {sorted(missing)}"
    assert all("://127.0.0.1:8011" in address for address in aimed.values())


def test_testnet_keys_are_never_sent_to_mainnet():
    """The testnet has no /sapi, and the library would ask mainnet with the testnet's keys: it is not asked."""
    from trader.testing.fakes import fake_env
    from trader_broker_binance import provide_broker

    broker = provide_broker(SpotSettings(), fake_env("binance"))
    with no_network():
        assert broker.prepare() is None
        assert broker.cash_events(EPOCH) == ()
    assert broker.kind == "demo"
    made = sdk.client(SpotSettings(), "k", "s")
    assert made._create_api_uri("order").startswith("https://testnet.binance.vision/")
    assert (
        sdk.client(SpotSettings(environment="mainnet"), "k", "s")
        ._create_api_uri("order")
        .startswith("https://api.binance.com/")
    )
    assert "api.binance.com" in made._create_margin_api_uri("x"), "the trap is gone"


# ---- requests --------------------------------------------------------------------------------------------------------
@both
@pytest.mark.parametrize("mishap", [Mishap.FAILED, Mishap.FAILED_AFTER, Mishap.HTML, Mishap.TRUNCATED, Mishap.GARBAGE,
                                    Mishap.RESET_AFTER, Mishap.RESET])  # fmt: skip
def test_F21_one_submit_is_one_request_and_what_is_not_said_is_unknown(desk, name, mishap):
    at = desk(name)
    broker, request = at.broker(), at.request(limit_price=Decimal(19_000))
    at.venue.mishap("submit", mishap)
    outcome = broker.submit(request)
    assert isinstance(outcome, Unknown), outcome
    assert at.venue.requests("submit") == 1
    found = broker.order(desk.ref(request))
    there = mishap in (Mishap.FAILED_AFTER, Mishap.TRUNCATED, Mishap.GARBAGE, Mishap.RESET_AFTER)
    assert isinstance(found, OrderReport if there else NotFound), found


@both
def test_F16_a_timeout_is_no_rejection(desk, name):
    at = desk(name)
    broker, request = at.broker(), at.request(limit_price=Decimal(19_000))
    at.venue.mishap("submit", Mishap.LOST_REPLY)
    with desk.within(0.5):
        outcome = broker.submit(request)
    assert isinstance(outcome, Unknown) and outcome.kind == "timeout"
    assert broker.order(desk.ref(request)).state is OrderState.WORKING


@both
def test_F19_a_duplicate_is_proof_that_the_first_is_there(desk, name):
    at = desk(name)
    broker, request = at.broker(), at.request(limit_price=Decimal(19_000))
    assert isinstance(broker.submit(request), Accepted)
    again = broker.submit(request)
    assert isinstance(again, Rejected) and again.kind == "duplicate"
    assert len(broker.orders()) == 1


def test_one_code_says_duplicate_and_says_no_money(desk):
    at = desk("binance")
    outcome = at.broker().submit(at.request(quantity=Decimal(500)))
    assert isinstance(outcome, Rejected) and outcome.kind == "funds"


def test_a_key_comes_free_when_its_order_has_ended_so_nothing_is_ever_sent_again(desk):
    """The venue takes an id again once its order was filled; a resend would be a second trade."""
    at = desk("binance")
    broker, request = at.broker(), at.request()
    at.venue.mishap("submit", Mishap.LOST_REPLY)
    with desk.within(0.5):
        assert isinstance(broker.submit(request), Unknown)
    at.venue.trade("BTC/USDT", 20_000.0)
    assert broker.order(desk.ref(request)).state is OrderState.FILLED
    assert at.venue.requests("submit") == 1 and len(broker.fills(EPOCH)) == 1


@both
def test_two_threads_never_read_each_others_answers(desk, name):
    """The library keeps the last answer in the client: one client serves one request at a time."""
    at = desk(name)
    broker = at.broker()
    requests = [at.request(limit_price=Decimal(19_000 - number)) for number in range(8)]
    for request in requests:
        assert isinstance(broker.submit(request), Accepted)
    wrong = []

    def look(request):
        for _ in range(10):
            report = broker.order(desk.ref(request))
            if getattr(report, "key", None) != request.key:
                wrong.append((request.key, report))

    threads = [threading.Thread(target=look, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- the clock -------------------------------------------------------------------------------------------------------
@both
@pytest.mark.parametrize("seconds", [-300.0, 120.0])
def test_F52_the_library_never_syncs_its_clock_we_do(desk, name, seconds):
    at = desk(name)
    at.venue.skew(seconds)
    broker = at.broker()
    assert isinstance(broker.submit(at.request(limit_price=Decimal(19_000))), Accepted)
    assert abs(broker.rest.offset - seconds * 1_000) < 2_000


@both
def test_F52_a_clock_that_jumps_is_measured_once_and_the_order_is_there_once(desk, name):
    at = desk(name)
    broker = at.broker()
    at.venue.skew(60.0)
    request = at.request(limit_price=Decimal(19_000))
    assert isinstance(broker.submit(request), Accepted)
    assert at.venue.requests("submit") == 2 and len(at.venue.venue.accepted) == 1


def test_F52_a_clock_that_goes_on_jumping_is_a_definite_no(desk):
    at = desk("binance")
    broker, measured = at.broker(), []
    real = broker.rest.measure

    def measure(*, urgent=False):  # by the time of the second try the clock has jumped again
        answer = real(urgent=urgent)
        measured.append(answer)
        at.venue.skew(at.venue.clock.ahead + 60.0)
        return answer

    broker.rest.measure = measure
    at.venue.skew(60.0)
    outcome = broker.submit(at.request(limit_price=Decimal(19_000)))
    assert isinstance(outcome, Rejected) and outcome.kind == "clock"
    assert at.venue.requests("submit") == 2 and len(measured) == 1 and not at.venue.venue.accepted
    account = broker.account()
    assert isinstance(account, Unavailable) and account.kind == "clock"


def test_the_clock_is_measured_again_every_hour(desk):
    at = desk("binance")
    broker = at.broker()
    before = at.venue.requests("time")
    broker.orders()
    assert at.venue.requests("time") == before
    broker.rest._measured -= 3_601
    broker.orders()
    assert at.venue.requests("time") == before + 1


def test_a_late_request_dies_at_the_venue(desk):
    """recvWindow is at most three seconds, and goes out with every request."""
    at = desk("binance")
    assert at.broker(recv_window=3_000).rest._window == 3_000
    client = sdk.client(SpotSettings(url=at.venue.url), *at.venue.secrets.values())
    assert client.REQUEST_RECVWINDOW == 10_000, "the library's own; ours is set before each request"


# ---- keys ------------------------------------------------------------------------------------------------------------
@both
def test_refused_keys_are_explained_and_never_shown(desk, name):
    at = desk(name)
    wrong = "W" * 64
    answer = at.broker(secrets={"BINANCE_API_KEY": wrong}, opened=False).open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth"
    for word in ("BINANCE_API_KEY", "BINANCE_API_SECRET", "emulator", "Invalid API-key"):
        assert word in answer.reason
    assert wrong not in answer.reason and at.venue.secrets["BINANCE_API_SECRET"] not in answer.reason


@both
def test_a_wrong_secret_is_refused_too(desk, name):
    at = desk(name)
    answer = at.broker(secrets={"BINANCE_API_SECRET": "no"}, opened=False).open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth"


@both
def test_a_broken_connection_does_not_tell_what_was_signed(desk, name):
    at = desk(name)
    broker = at.broker()
    at.venue.close()
    answer = broker.account()
    assert isinstance(answer, Unavailable) and answer.kind == "connection"
    assert "signature" not in answer.reason and "recvWindow" not in answer.reason


@both
def test_a_key_that_may_withdraw_is_seen(desk, name):
    at = desk(name)
    at.venue.permissions = {"enableWithdrawals": True}
    account = at.broker(opened=False).open()
    assert set(account.permissions) == {"read", "trade", "withdraw"}


# ---- the user stream -------------------------------------------------------------------------------------------------
@both
def test_F41_after_a_drop_the_stream_speaks_again(desk, name):
    """On spot the library reconnects and does not subscribe again: the stream is built anew."""
    at = desk(name)
    broker = at.broker()
    heard = Listener(broker)
    desk.soon(lambda: heard.count(Reset))
    for _ in range(2):
        resets = heard.count(Reset)
        at.venue.drop_streams()
        desk.soon(lambda resets=resets: heard.count(Reset) > resets)
        request = at.request()
        broker.submit(request)
        at.venue.trade("BTC/USDT", 20_000.0)
        desk.soon(lambda request=request: heard.count(Fill, request.key))


@both
def test_F42_a_stream_without_a_sign_of_life_is_built_anew(desk, name):
    at = desk(name)
    heard = Listener(at.broker(silence_seconds=0.6))
    desk.soon(lambda: heard.count(Reset))
    at.venue.mute_streams(1.5)
    desk.soon(lambda: heard.count(Reset) > 1)
    assert any("silent" in event.reason for event in heard.events if isinstance(event, Reset))


@both
def test_a_quiet_stream_that_answers_pings_is_left_alone(desk, name):
    at = desk(name)
    heard = Listener(at.broker(silence_seconds=0.6))
    desk.soon(lambda: heard.count(Reset))
    SystemClock().sleep(2.0)
    assert heard.count(Reset) == 1


@both
def test_F45_a_burst_of_more_than_the_librarys_queue_is_all_heard(desk, name):
    """Its usual hundred messages, and the reader dies without a word."""
    at = desk(name)
    broker = at.broker()
    heard = Listener(broker)
    desk.soon(lambda: heard.count(Reset))
    requests = [at.request(limit_price=Decimal(19_000)) for _ in range(60)]
    for request in requests:
        assert isinstance(broker.submit(request), Accepted)
    at.venue.trade("BTC/USDT", 18_900.0)
    desk.soon(lambda: heard.count(Fill) >= 60)
    assert heard.count(Reset) == 1


def test_F44_a_listen_key_that_expired_is_replaced(desk):
    at = desk("binance_futures")
    broker = at.broker()
    heard = Listener(broker)
    desk.soon(lambda: heard.count(Reset))
    at.venue.users.expire()
    at.venue.trade("BTC/USDT", 20_001.0)
    desk.soon(lambda: heard.count(Reset) > 1)
    request = at.request()
    broker.submit(request)
    at.venue.trade("BTC/USDT", 20_000.0)
    desk.soon(lambda: heard.count(Fill, request.key))


def test_F44_a_listen_key_is_renewed(desk):
    at = desk("binance_futures")
    broker = at.broker()
    stream = broker.make_stream()
    stream._renew = 0.2
    stream.start()
    try:
        assert isinstance(desk.soon(lambda: stream.inbox.get(0.1)), Reset)
        asked = at.venue.requests("login")
        desk.soon(lambda: at.venue.requests("login") >= asked + 4)  # each time POST, then PUT
    finally:
        stream.close()


@both
def test_F26_an_execution_has_one_id_on_every_road(desk, name):
    at = desk(name)
    broker = at.broker()
    heard = Listener(broker)
    desk.soon(lambda: heard.count(Reset))
    broker.submit(at.request())
    at.venue.trade("BTC/USDT", 20_000.0)
    desk.soon(lambda: heard.count(Fill))
    (pushed,) = [event for event in heard.events if isinstance(event, Fill)]
    assert [pushed] == list(broker.fills(EPOCH))


# ---- conditional orders ----------------------------------------------------------------------------------------------
def test_F39_both_spaces_of_ids_are_listed_found_and_canceled(desk):
    at = desk("binance_futures")
    broker = at.broker()
    plain, waits = at.request(limit_price=Decimal(19_000)), at.request(stop_price=Decimal(25_000))
    first, second = broker.submit(plain), broker.submit(waits)
    assert {report.key for report in broker.orders()} == {plain.key, waits.key}
    for request, outcome in ((plain, first), (waits, second)):
        for venue_id in (None, outcome.venue_id):
            assert broker.order(desk.ref(request, venue_id)).key == request.key
    assert ":algo:" in second.venue_id and ":algo:" not in first.venue_id
    asked = at.venue.requests("cancel_all")
    assert isinstance(broker.cancel_all(), Accepted)
    assert at.venue.requests("cancel_all") == asked + 2, "once for plain, once for conditional orders"
    assert list(broker.orders()) == []


def test_F39_another_process_finds_a_conditional_order_by_its_key_alone(desk):
    at = desk("binance_futures")
    waits = at.request(stop_price=Decimal(25_000))
    at.broker().submit(waits)
    again = at.broker()
    assert again.order(desk.ref(waits)).key == waits.key
    assert isinstance(again.cancel(desk.ref(waits)), Accepted)
    assert again.order(desk.ref(waits)).state is OrderState.CANCELED


def test_F36_what_a_conditional_order_became_is_shown_by_its_own_ids(desk):
    at = desk("binance_futures")
    broker = at.broker()
    heard = Listener(broker)
    desk.soon(lambda: heard.count(Reset))
    waits = at.request(stop_price=Decimal(21_000), limit_price=Decimal(20_500))
    outcome = broker.submit(waits)
    at.venue.trade("BTC/USDT", 21_100.0)
    desk.soon(lambda: not at.venue.algos.waiting(at.venue.register.truth("V1")))
    (report,) = broker.orders()
    assert (report.key, report.state) == (waits.key, OrderState.WORKING)
    at.venue.trade("BTC/USDT", 20_400.0)
    desk.soon(lambda: broker.order(desk.ref(waits, outcome.venue_id)).state is OrderState.FILLED)
    (fill,) = broker.fills(EPOCH)
    assert (fill.key, fill.venue_id) == (waits.key, outcome.venue_id)
    desk.soon(lambda: heard.count(Fill, waits.key))
    assert heard.count(Fill) == 1


def triggered(desk):
    """A conditional order whose stop was met: it works in the plain space now. (at, broker, its reference)."""
    at = desk("binance_futures")
    broker = at.broker()
    waits = at.request(stop_price=Decimal(21_000), limit_price=Decimal(20_500))
    outcome = broker.submit(waits)
    at.venue.trade("BTC/USDT", 21_100.0)
    return at, broker, desk.ref(waits, outcome.venue_id)


def test_F32_a_triggered_order_is_canceled_where_it_is_now(desk):
    _, broker, ref = triggered(desk)
    assert isinstance(broker.cancel(ref), Accepted)
    assert broker.order(ref).state is OrderState.CANCELED


def test_F32_a_triggered_order_that_cannot_be_looked_up_is_not_said_to_be_gone(desk):
    """It works in the plain space: only the venue's word about that is a no."""
    at, broker, ref = triggered(desk)
    at.venue.mishap("order", Mishap.FAILED)
    assert isinstance(broker.cancel(ref), Unknown)
    assert [report.state for report in broker.orders()] == [OrderState.WORKING]


def test_F22_a_triggered_order_is_canceled_while_the_venue_wants_to_be_left_alone(desk):
    _, broker, ref = triggered(desk)
    broker.shared_allowance().wait(0.5)
    assert isinstance(broker.positions(), Unavailable)
    assert isinstance(broker.cancel(ref), Accepted)
    SystemClock().sleep(0.6)
    assert broker.order(ref).state is OrderState.CANCELED


def test_F36_what_became_of_a_conditional_order_is_no_strangers_when_it_is_triggered_between_two_questions(
    desk, monkeypatch
):
    """Nobody says that the plain order has our id as its clientOrderId: here it has the venue's own."""
    at = desk("binance_futures")
    broker = at.broker()
    waits = at.request(stop_price=Decimal(21_000), limit_price=Decimal(20_500))
    outcome = broker.submit(waits)
    look, ask = broker.conditionals.open, broker.rest.ask

    def triggered_after(**more):
        found = look(**more)
        at.venue.trade("BTC/USDT", 21_100.0)
        return found

    def named_by_the_venue(method, *args, **more):
        answer = ask(method, *args, **more)
        rows = answer if isinstance(answer, list) else [answer]
        return [{**row, "clientOrderId": "venue_1"} for row in rows] if method == "futures_get_open_orders" else answer

    monkeypatch.setattr(broker.conditionals, "open", triggered_after)
    monkeypatch.setattr(broker.rest, "ask", named_by_the_venue)
    assert "venue_1" in {report.key for report in broker.orders()}
    at.venue.trade("BTC/USDT", 20_400.0)
    (fill,) = desk.soon(lambda: broker.fills(EPOCH))
    assert (fill.key, fill.venue_id) == (waits.key, outcome.venue_id)


def test_F39_cancel_all_leaves_no_order_that_is_triggered_meanwhile(desk, monkeypatch):
    at = desk("binance_futures")
    broker = at.broker()
    broker.submit(at.request(stop_price=Decimal(21_000), limit_price=Decimal(20_500)))
    urge, asked = broker.urge, []

    def triggered_between(method, **params):
        answer = urge(method, **params)
        asked.append(method)
        if sum("cancel_all" in one for one in asked) == 1:
            at.venue.trade("BTC/USDT", 21_100.0)
        return answer

    monkeypatch.setattr(broker, "urge", triggered_between)
    assert isinstance(broker.cancel_all(), Accepted)
    assert list(broker.orders()) == []


def test_what_the_venue_has_forgotten_of_a_conditional_order_is_not_found(desk, monkeypatch):
    """Some days after its end the order that it became is not shown any more; that is an answer."""
    _, broker, ref = triggered(desk)
    assert isinstance(broker.cancel(ref), Accepted)
    ask = broker.rest.ask

    def forgotten(method, *args, **more):
        gone = Rejected("not_found", "Order does not exist. (-2013)")
        return gone if method == "futures_get_order" else ask(method, *args, **more)

    monkeypatch.setattr(broker.rest, "ask", forgotten)
    assert isinstance(broker.order(ref), NotFound)


def test_a_trade_of_an_order_that_is_not_certain_is_no_fill_of_the_stream(desk):
    """It could be a conditional order's under another name: the queries book it."""
    at = desk("binance_futures")
    broker = at.broker()
    event = {
        "s": "BTCUSDT", "c": "web_made_this", "S": "BUY", "o": "MARKET", "q": "1", "p": "0", "sp": "0", "x": "TRADE",
        "X": "FILLED", "i": 99, "l": "1", "z": "1", "L": "1", "N": "USDT", "n": "0", "T": 1, "t": 7,
    }  # fmt: skip
    (said,) = broker.events({"e": "ORDER_TRADE_UPDATE", "T": 1, "o": event})
    assert isinstance(said, Reset)
    assert "99" in said.reason


# ---- futures settings ------------------------------------------------------------------------------------------------
def test_hedge_mode_is_refused_in_words(desk):
    at = desk("binance_futures", mode="hedge")
    answer = at.broker(opened=False).open()
    assert isinstance(answer, Unavailable) and answer.kind == "refused" and "one-way" in answer.reason


def test_leverage_and_margin_type_are_set_when_it_opens_and_again_is_fine(desk):
    at = desk("binance_futures")
    options = {"symbols": ["BTC/USDT"], "leverage": 3, "margin_type": "isolated"}
    for _ in range(2):  # the second time there is nothing to change: -4046
        at.broker(**options)
    assert at.venue.dials.leverage["BTC/USDT"] == 3
    assert at.venue.dials.margin_type("BTC/USDT") == "isolated"


def test_a_leverage_that_the_venue_does_not_give_stops_the_opening(desk):
    at = desk("binance_futures")
    answer = at.broker(opened=False, symbols=["BTC/USDT"], leverage=125).open()
    assert isinstance(answer, Unavailable) and "-4028" in answer.reason


def test_F72_the_venue_cancels_when_it_does_not_hear_of_us(desk):
    at = desk("binance_futures")
    broker = at.broker(dead_man_seconds=10)
    broker.submit(at.request(limit_price=Decimal(19_000)))
    broker.dead_man._seconds = 0.9
    end = SystemClock().monotonic() + 2.0
    while SystemClock().monotonic() < end:
        broker.positions()
        SystemClock().sleep(0.1)
    assert len(broker.orders()) == 1, "heard of every tenth of a second"
    SystemClock().sleep(1.5)
    assert list(broker.orders()) == [], "not heard of for longer than that"


def test_F52_a_clock_that_is_set_back_does_not_let_the_countdown_run_out(desk):
    at = desk("binance_futures")
    broker = at.broker(dead_man_seconds=10)
    broker.submit(at.request(limit_price=Decimal(19_000)))
    broker.positions()
    broker.dead_man._renewed += timedelta(hours=5)  # as it was renewed before our clock went back
    at.venue.dials.countdowns.clear()
    broker.positions()
    assert list(at.venue.dials.countdowns) == ["BTC/USDT"]


def test_F72_a_restart_takes_the_countdown_over(desk):
    at = desk("binance_futures")
    broker = at.broker(dead_man_seconds=10)
    broker.submit(at.request(limit_price=Decimal(19_000)))
    broker.close()
    at.venue.dials.countdowns.clear()
    at.broker(dead_man_seconds=10)  # account() renews it
    assert list(at.venue.dials.countdowns) == ["BTC/USDT"]


# ---- executions ------------------------------------------------------------------------------------------------------
@both
def test_F25_no_symbol_is_forgotten_over_a_restart(desk, name):
    """The venue lists trades by symbol: one that was bought and sold before is still asked for."""
    at = desk(name)
    broker = at.broker()
    lot = Decimal("0.1")
    for side, quantity in ((Side.BUY, lot), (Side.SELL, lot * Decimal("0.99"))):
        assert isinstance(broker.submit(at.request(symbol="ETH/USDT", side=side, quantity=quantity)), Accepted)
        at.venue.trade("ETH/USDT", 1_000.0)
    before = list(broker.fills(EPOCH))
    assert len(before) == 2
    broker.close()
    again = at.broker(symbols=["BTC/USDT"])
    assert list(again.fills(EPOCH)) == before


@both
def test_somebody_elses_symbol_is_found_by_what_is_held(desk, name):
    at = desk(name)
    broker = at.broker()
    at.venue.venue.manual_trade("ETH/USDT", Side.BUY, Decimal("0.5"))
    at.venue.trade("ETH/USDT", 1_000.0)
    (fill,) = broker.fills(EPOCH)
    assert fill.symbol == "ETH/USDT" and fill.key


@both
def test_more_trades_than_a_page_come_once_each(desk, name, monkeypatch):
    from trader_broker_binance import broker as spot
    from trader_broker_binance import futures_broker

    for module in (spot, futures_broker):
        monkeypatch.setattr(module, "PAGE", 4)
    at = desk(name)
    broker = at.broker()
    for _ in range(11):
        assert isinstance(broker.submit(at.request(quantity=Decimal("0.003"))), Accepted)
        at.venue.trade("BTC/USDT", 20_000.0)
        SystemClock().sleep(0.003)  # a page goes on from a millisecond
    for fresh in (broker, at.broker()):
        fills = fresh.fills(EPOCH)
        assert len({fill.execution_id for fill in fills}) == len(fills) == 11
        assert len({fill.key for fill in fills}) == 11


def test_a_second_question_reads_only_what_is_new(desk):
    at = desk("binance")
    broker = at.broker()
    broker.submit(at.request())
    at.venue.trade("BTC/USDT", 20_000.0)
    first = broker.fills(EPOCH)
    starts = []
    real = broker.read_trades
    broker.read_trades = lambda symbol, start: (starts.append(start), real(symbol, start))[1]
    assert broker.fills(EPOCH) == first
    assert all(start > broker.now() - timedelta(hours=2) for start in starts) and starts


@pytest.mark.parametrize(
    "badly", [lambda rows: [{**row, "filters": [{}]} for row in rows[:1]] + rows[1:], lambda _: []]
)
def test_what_is_held_is_a_position_also_when_the_venue_lists_its_symbol_badly(desk, monkeypatch, badly):
    """Neither a row that cannot be read nor a list of nothing makes an account flat."""
    at = desk("binance")
    broker = at.broker()
    broker.submit(at.request())
    at.venue.trade("BTC/USDT", 20_000.0)
    before = desk.soon(broker.positions)
    equity, ask = broker.account().equity, broker.rest.ask

    def told(method, *args, **more):
        answer = ask(method, *args, **more)
        if method != "get_exchange_info":
            return answer
        return {**answer, "symbols": badly(sorted(answer["symbols"], key=lambda row: row["symbol"] != "BTCUSDT"))}

    monkeypatch.setattr(broker.rest, "ask", told)
    rules = broker.instruments(("BTC/USDT",))
    assert broker.positions() == before
    assert broker.account().equity == equity
    assert isinstance(rules, Unavailable) or not any(rule.tradable for rule in rules)


def test_F26_a_symbol_that_is_listed_no_more_keeps_its_name(desk, monkeypatch):
    """An execution under two names would be booked twice."""
    at = desk("binance_futures")
    broker = at.broker()
    broker.submit(at.request())
    at.venue.trade("BTC/USDT", 20_000.0)
    before, fills, ask = desk.soon(broker.positions), desk.soon(lambda: broker.fills(EPOCH)), broker.rest.ask

    def told(method, *args, **more):
        answer = ask(method, *args, **more)
        if method != "futures_exchange_info":
            return answer
        return {**answer, "symbols": [row for row in answer["symbols"] if row["symbol"] != "BTCUSDT"]}

    monkeypatch.setattr(broker.rest, "ask", told)
    assert list(broker.instruments(("BTC/USDT",))) == []
    assert [(one.symbol, one.quantity) for one in broker.positions()] == [(before[0].symbol, before[0].quantity)]
    assert broker.fills(EPOCH) == fills


def test_what_nobody_quotes_for_a_moment_is_worth_what_it_was(desk, monkeypatch):
    """A halted pair has no bid and no ask; an equity without it would look like a loss of all of it."""
    at = desk("binance")
    broker = at.broker()
    broker.submit(at.request())
    at.venue.trade("BTC/USDT", 20_000.0)
    desk.soon(broker.positions)
    equity, ask = broker.account().equity, broker.rest.ask

    def told(method, *args, **more):
        answer = ask(method, *args, **more)
        return {**answer, "bidPrice": "0.0", "askPrice": "0.0"} if method == "get_orderbook_tickers" else answer

    monkeypatch.setattr(broker.rest, "ask", told)
    assert broker.account().equity == equity
    assert [position.price for position in broker.positions()] == [20_000]


def test_assets_that_are_left_out_are_no_positions(desk):
    at = desk("binance")
    for symbol in ("ETH/USDT", "BTC/USDT"):
        at.venue.venue.manual_trade(symbol, Side.BUY, Decimal("0.5"))
        at.venue.trade(symbol, 1_000.0 if symbol == "ETH/USDT" else 20_000.0)
    held = {one.symbol for one in at.broker(leave_out=["ETH"]).positions()}
    assert held == {"BTC/USDT"}
    held = {one.symbol: one for one in at.broker(symbols=["ETH/USDT"]).positions()}
    assert set(held) == {"ETH/USDT"}
    assert held["ETH/USDT"].quantity == Decimal("0.4995"), "the fee was paid in what was bought"
    assert abs(held["ETH/USDT"].price - 1_000) < 1


def test_a_full_disk_keeps_an_order_from_leaving(desk):
    at = desk("binance")
    broker = at.broker()

    def full(*symbols, sent=False):
        raise OSError(28, "No space left on device")

    broker.memory.touch = full
    outcome = broker.submit(at.request())
    assert isinstance(outcome, Rejected) and "No space left" in outcome.reason
    assert at.venue.requests("submit") == 0
    assert not isinstance(broker.positions(), Unavailable), "and nobody from reading"


def test_cancel_all_goes_on_where_the_venue_does_not_list(desk):
    """What cannot be listed is canceled in every symbol that was ever traded; that it was not heard is said."""
    for name in VENUES:
        at = desk(name)
        broker = at.broker()
        broker.submit(at.request(limit_price=Decimal(19_000)))
        at.venue.mishap("orders", Mishap.FAILED)
        assert isinstance(broker.cancel_all(), Unknown)
        assert list(broker.orders()) == []
