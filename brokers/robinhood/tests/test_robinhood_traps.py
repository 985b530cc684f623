"""What robin_stocks does, and what must not come of it: each trap that is known, by name."""

import io
import socket
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from robin_stocks.robinhood import account as sdk_account
from robin_stocks.robinhood import globals as sdk
from robin_stocks.robinhood import helper
from robin_stocks.robinhood import orders as sdk_orders
from trader.clock import SystemClock
from trader.env import CALL
from trader.model import (
    Accepted,
    Account,
    OrderRef,
    OrderRequest,
    OrderType,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
    Unavailable,
    Unknown,
)
from trader.testing.emulation import Mishap
from trader_broker_robinhood.client import HOLDER

D = Decimal
CLOCK = SystemClock()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def order(broker, name="t1", kind="limit", quantity="2", limit="90"):
    return OrderRequest(name, broker.key(name), "main", "AAPL", Side.BUY, D(quantity), OrderType(kind),
                        TimeInForce.DAY, D(limit) if kind == "limit" else None, None, False, Purpose.REBALANCE, D(100),
                        CLOCK.now())  # fmt: skip


@pytest.fixture
def hurried():
    """As in a lane that gives the call up soon."""
    CALL.until = CLOCK.monotonic() + 0.5
    yield
    del CALL.until


# ---- what the SDK swallows -----------------------------------------------------------------------------------------
def test_robinhoods_empty_list_after_a_500_is_unavailable(broker, venue):
    broker.submit(order(broker, kind="market"))
    venue.trade("AAPL", 100.0)
    venue.mishap("positions", Mishap.FAILED)
    assert sdk_account.get_open_stock_positions() == []  # so the SDK says: flat
    venue.mishap("positions", Mishap.FAILED)
    answer = broker.positions()
    assert isinstance(answer, Unavailable) and answer.kind == "server"
    assert broker.positions()[0].quantity == 2


def test_the_empty_list_of_orders_after_a_429_is_unavailable(broker, venue):
    broker.submit(order(broker))
    venue.mishap("orders", Mishap.RATE_LIMITED)
    assert sdk_orders.get_all_stock_orders() == []
    venue.mishap("orders", Mishap.RATE_LIMITED)
    answer = broker.orders()
    assert isinstance(answer, Unavailable) and answer.kind == "rate_limited" and answer.retry_after == 1.0


def test_a_second_page_that_fails_makes_the_whole_question_unavailable(broker, venue):
    venue.page_size = 2
    for number in range(5):
        broker.submit(order(broker, f"t{number}"))
    for question in (broker.orders, lambda: broker.fills(EPOCH)):
        arrived, pages = venue.arrived, []

        def second_fails(call, arrived=arrived, pages=pages):
            pages.append(call)
            return Mishap.FAILED if len(pages) == 2 else arrived(call)

        venue.arrived = second_fails
        assert isinstance(question(), Unavailable)
        del venue.arrived
    assert len(broker.orders()) == 5


def test_a_second_page_that_fails_cuts_the_sdks_list_short(broker, venue):
    venue.page_size = 2
    for number in range(3):
        broker.submit(order(broker, f"t{number}"))
    arrived, pages = venue.arrived, []
    venue.arrived = lambda call: (pages.append(call), Mishap.FAILED if len(pages) == 2 else arrived(call))[1]
    assert len(sdk_orders.get_all_stock_orders()) == 2  # the trap that the broker does not step into
    del venue.arrived


@pytest.mark.parametrize("mishap", [Mishap.FAILED_AFTER, Mishap.RESET_AFTER, Mishap.TRUNCATED, Mishap.GARBAGE])
def test_F16_nothing_after_a_504_is_unknown_and_the_order_is_found(broker, venue, mishap):
    request = order(broker)
    venue.mishap("submit", mishap)
    assert isinstance(broker.submit(request), Unknown)
    found = broker.order(OrderRef("t1", request.key, "AAPL"))
    assert found.key == request.key and len(venue.venue.accepted) == 1 and venue.requests("submit") == 1


def test_F16_an_answer_that_never_comes_is_unknown_in_time(broker, venue, hurried):
    begun = CLOCK.monotonic()
    venue.mishap("submit", Mishap.LOST_REPLY)
    outcome = broker.submit(order(broker))
    assert isinstance(outcome, Unknown) and outcome.kind == "timeout" and CLOCK.monotonic() - begun < 1.5
    assert len(venue.venue.accepted) == 1


def test_a_question_has_a_timeout_though_the_sdk_gives_it_none(broker, venue, hurried):
    venue.mishap("account", Mishap.LOST)
    answer = broker.account()
    assert isinstance(answer, Unavailable) and answer.kind == "timeout"


def test_an_error_that_looks_like_an_order_is_a_refusal(broker, venue):
    outcome = broker.submit(order(broker, quantity="100000"))  # {"detail": ...} with 400: the SDK hands it out as is
    assert isinstance(outcome, Rejected) and outcome.kind == "funds"


def test_an_unknown_symbol_is_rejected_and_not_an_index_error(broker, venue):
    with pytest.raises(IndexError):
        sdk_orders.order_buy_limit("NOPE", 1, 10)
    request = OrderRequest(**{**{name: getattr(order(broker), name) for name in OrderRequest.__struct_fields__},
                              "symbol": "NOPE"})  # fmt: skip
    assert broker.submit(request).kind == "symbol" and venue.requests("submit") == 0


def test_an_order_never_goes_out_without_its_account(kit, venue):
    broker = kit.broker(opened=False)
    venue.mishap("account", Mishap.FAILED)
    assert isinstance(broker.open(), Unavailable)
    assert isinstance(broker.submit(order(broker)), Rejected | Unknown) and venue.requests("submit") == 0


def test_one_order_is_one_request_and_a_price_is_asked_for_only_where_it_is_needed(broker, venue):
    broker.submit(order(broker, "t1"))
    before = {call: venue.requests(call) for call in ("account", "positions", "orders", "instruments", "quotes")}
    broker.submit(order(broker, "t2"))
    assert {call: venue.requests(call) for call in before} == before and venue.requests("submit") == 2
    broker.submit(order(broker, "t3", "market"))
    assert venue.requests("quotes") == before["quotes"] + 1 and venue.requests("submit") == 3


def test_a_market_buy_without_a_price_is_not_sent(broker, venue):
    broker.submit(order(broker, "t1"))
    venue.mishap("quotes", Mishap.FAILED)
    outcome = broker.submit(order(broker, "t2", "market"))
    assert isinstance(outcome, Rejected) and "nothing was sent" in outcome.reason and venue.requests("submit") == 1


def test_our_key_is_the_ref_id_though_the_sdk_makes_its_own(broker, venue):
    broker.submit(order(broker))
    assert venue.venue.accepted[0].order.key == broker.key("t1")


def test_prices_and_quantities_leave_as_text_and_exactly(kit, venue):
    broker = kit.broker(fractional=True)
    broker.submit(order(broker, quantity="0.123457", limit="90.01"))
    sent = venue.venue.accepted[0].order
    assert (sent.quantity, sent.limit_price) == (D("0.123457"), D("90.01"))


def test_an_order_without_a_word_about_its_time_is_not_gtc(broker, venue):
    broker.submit(order(broker))
    assert venue.venue.accepted[0].order.time_in_force is TimeInForce.DAY  # the SDK's default is gtc


@pytest.mark.parametrize("mishap", [Mishap.FAILED, Mishap.RATE_LIMITED, Mishap.RESET, Mishap.HTML])
def test_nothing_is_sent_twice(broker, venue, mishap):
    venue.mishap("submit", mishap)
    broker.submit(order(broker))
    assert venue.requests("submit") == 1


def test_a_redirected_order_is_not_sent_again(broker, venue):
    from trader_emulators.http import Answer

    answers = []

    def authorized(asked, call):
        if call == "submit":
            answers.append(asked)
            return Answer(307, {}, {"Location": "https://api.robinhood.com/orders/"})
        return None

    venue.authorized = authorized
    assert isinstance(broker.submit(order(broker)), Unknown) and len(answers) == 1


def test_F22_throttling_is_told_by_its_text_and_obeyed(broker, venue):
    venue.limit(1, 60)
    assert broker.positions() == []
    told = broker.positions()
    assert isinstance(told, Unavailable) and told.kind == "rate_limited" and told.retry_after == 1.0
    asked = venue.requests("positions")
    assert broker.positions().kind == "rate_limited" and venue.requests("positions") == asked


def test_F22_an_order_that_was_throttled_is_not_there(broker, venue):
    venue.mishap("submit", Mishap.RATE_LIMITED)
    outcome = broker.submit(order(broker))
    assert isinstance(outcome, Rejected) and outcome.kind == "rate_limited" and venue.venue.accepted == []


# ---- one session for the whole process -----------------------------------------------------------------------------
def test_a_second_login_in_one_process_is_refused_clearly(kit, venue):
    first = kit.broker()
    second = kit.broker(kit.door(name="robinhood_ira"), opened=False)
    answer = second.open()
    assert isinstance(answer, Unavailable) and answer.kind == "refused"
    assert "whole process" in answer.reason and 'connection = "' in answer.reason
    assert isinstance(first.account(), Account)
    first.close()
    assert isinstance(second.open(), Account)


def test_a_second_broker_on_the_same_connection_is_refused_too(kit, venue):
    world = kit.world()
    first = kit.broker(kit.door(world))
    second = kit.broker(kit.door(world, "robinhood_ira", "robinhood"), opened=False)
    assert second.open().kind == "refused"
    second.close()
    assert isinstance(first.account(), Account) and isinstance(first.open(), Account)


def test_broker_and_data_source_of_one_connection_share_the_login(kit, venue):
    world = kit.world()
    broker, source = kit.broker(kit.door(world)), kit.source(kit.door(world, "rh_data", "robinhood"))
    broker.close()
    assert len(source.quotes(["AAPL"])) == 1  # one leaves, the other stays
    source.close()
    assert HOLDER.client is None and "Authorization" not in sdk.SESSION.headers
    assert isinstance(broker.open(), Account)


def test_broker_and_data_source_of_one_connection_go_to_one_place(kit, venue):
    world = kit.world()
    kit.broker(kit.door(world))
    other = kit.source(kit.door(world), opened=False, url="http://127.0.0.1:1")
    assert other.open().kind == "refused"


def test_the_sdk_prints_nothing(broker, venue, capsys):
    venue.mishap("submit", Mishap.FAILED)
    broker.submit(order(broker))
    venue.mishap("positions", Mishap.HTML)
    broker.positions()
    said = capsys.readouterr()
    assert said.out == said.err == "" and not isinstance(helper.get_output(), io.StringIO)


def test_no_pickle_is_ever_read_or_written(kit, venue, monkeypatch, tmp_path):
    import pickle

    home = tmp_path / "home"
    tokens = home / ".tokens"
    tokens.mkdir(parents=True)
    (tokens / "robinhood.pickle").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    monkeypatch.setenv("HOME", str(home))

    def never(*_, **__):
        raise AssertionError("a pickle was touched")

    for name in ("load", "loads", "dump", "dumps"):
        monkeypatch.setattr(pickle, name, never)
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    broker = kit.broker()
    broker.submit(order(broker))
    broker.close()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before


def test_the_source_does_not_name_pickle_but_to_warn():
    import trader_broker_robinhood

    folder = Path(trader_broker_robinhood.__file__).parent
    assert not any("import pickle" in path.read_text("utf-8") for path in folder.glob("*.py"))


def test_close_ends_a_question_that_waits(broker, venue):
    venue.mishap("positions", Mishap.LOST)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(broker.positions()))
    thread.start()
    while not venue.requests("positions"):
        CLOCK.sleep(0.01)
    CLOCK.sleep(0.05)
    begun = CLOCK.monotonic()
    broker.close()
    thread.join(3)
    assert CLOCK.monotonic() - begun < 1 and isinstance(answers[0], Unavailable)


def test_nobody_there_is_unavailable(kit, venue):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = kit.broker(opened=False, url=f"http://127.0.0.1:{taken.getsockname()[1]}").open()
    assert isinstance(answer, Unavailable) and answer.kind == "connection"


def test_a_page_without_an_end_is_told(broker, venue):
    venue.page_size = 1
    for number in range(2):
        broker.submit(order(broker, f"t{number}"))
    import trader_emulators.robinhood.counter as counter

    real = counter.page
    try:
        counter.page = lambda asked, path, rows, size: real(asked._replace(raw_query=""), path, rows, size)
        assert broker.fills(CLOCK.now() - timedelta(days=1)).kind == "payload"
    finally:
        counter.page = real


def test_accepted_says_the_venues_id(broker, venue):
    outcome = broker.submit(order(broker))
    assert isinstance(outcome, Accepted) and outcome.venue_id == broker.orders()[0].venue_id
