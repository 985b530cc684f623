"""The broker through the real client library: over the emulator, and over a venue that says what a test wants."""

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError
from trader.clock import SystemClock
from trader.env import CALL
from trader.model import Accepted, NotFound, OrderState, Rejected, Side, Unavailable, Unknown
from trader.simulation import Faults
from trader.testing.emulation import Mishap
from trader_broker_alpaca import Settings

D = Decimal
ALWAYS = datetime(2020, 1, 1, tzinfo=UTC)
ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"


def shown(number=1, **change):
    """An order as the venue shows it."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}", "client_order_id": f"t{number}", "symbol": "AAPL",
        "created_at": "2026-01-05T15:00:00Z", "updated_at": "2026-01-05T15:00:00Z", "asset_class": "us_equity",
        "submitted_at": f"2026-01-05T15:{number // 60 % 60:02d}:{number % 60:02d}Z", "qty": "2", "filled_qty": "0",
        "type": "market", "side": "buy", "status": "new", "replaces": None, "replaced_by": None, **change,
    }  # fmt: skip


def activity(number, **change):
    return {
        "id": f"2026010510{number // 60:02d}{number % 60:02d}000::{number:08d}", "activity_type": "FILL",
        "transaction_time": f"2026-01-05T15:{number // 60:02d}:{number % 60:02d}Z", "price": "10", "qty": "1",
        "side": "buy", "symbol": "AAPL", "order_id": shown(1)["id"], "type": "partial_fill", **change,
    }  # fmt: skip


@pytest.fixture
def scripted(told, make):
    made = make(told)
    assert not isinstance(made.open(), Unavailable)
    return made


@pytest.fixture
def hurry():
    """A call has one second."""
    CALL.until = SystemClock().monotonic() + 1.0
    yield
    CALL.until = None


# ---- whose account ---------------------------------------------------------------------------------------------------
def test_the_emulator_is_a_demo_account(venue, make):
    account = make(venue).open()
    assert account.kind == "demo" and account.cash == 100_000 and account.permissions == ("read", "trade")


def test_a_paper_account_is_proved_by_its_number(told, make):
    assert make(told).open().kind == "paper"
    assert make(told).open().time == datetime(2026, 1, 5, 15, tzinfo=UTC)


@pytest.mark.parametrize(("asked", "number"), [("paper", "987654321"), ("live", "PA123")])
def test_an_account_of_the_other_environment_is_refused(told, make, asked, number):
    told.script["GET /v2/account"][1]["account_number"] = number
    answer = make(told, environment=asked).open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth" and asked in answer.reason


@pytest.mark.parametrize("said", [(401, {"message": "unauthorized"}), (403, {"message": "forbidden."})])
def test_a_live_key_on_the_paper_address_is_named_without_its_value(told, make, said):
    told.script["GET /v2/account"] = said
    keys = {"ALPACA_API_KEY": "AKLIVEKEY", "ALPACA_SECRET_KEY": "hushhush"}
    answer = make(told, keys).open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth"
    assert "ALPACA_API_KEY looks like a key of a live account" in answer.reason and "paper address" in answer.reason
    assert "AKLIVEKEY" not in answer.reason and "hushhush" not in answer.reason
    told.script["GET /v2/account"] = said
    paper = {**keys, "ALPACA_API_KEY": "PKPAPERKEY"}
    assert "looks like a key of a paper account" in make(told, paper, environment="live").open().reason


def test_missing_keys_are_named(venue, make):
    answer = make(venue, {"ALPACA_API_KEY": "PK"}).open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth" and "ALPACA_SECRET_KEY" in answer.reason


def test_a_refused_broker_is_not_open(told, make):
    told.script["GET /v2/account"] = (401, {"message": "unauthorized"})
    made = make(told)
    made.open()
    assert made.positions().kind == "connection"


@pytest.mark.parametrize(
    "url", ["https://api.alpaca.markets", "http://example.com:80", "http://10.0.0.1", "ftp://localhost"]
)
def test_only_this_machine_may_stand_in_for_the_venue(url):
    with pytest.raises(ValidationError, match="this machine"):
        Settings(url=url)


# ---- one submit, one request -----------------------------------------------------------------------------------------
def test_F16_a_504_after_acceptance_is_not_sent_twice(told, scripted, order):
    """The library resends a POST three times after 429 and 504: its retries are off."""
    told.script["POST /v2/orders"] = (504, b"<html>gateway timeout</html>")
    assert isinstance(scripted.submit(order("t1")), Unknown)
    assert told.paths("POST") == ["/v2/orders"]


def test_F22_a_429_is_not_sent_again_by_itself(told, scripted, order):
    told.script["POST /v2/orders"] = (429, {"message": "rate limit exceeded"}, {"Retry-After": "7"})
    outcome = scripted.submit(order("t1"))
    assert (outcome.kind, outcome.retry_after) == ("rate_limited", 7.0) and isinstance(outcome, Rejected)
    assert told.paths("POST") == ["/v2/orders"]
    again = scripted.submit(order("t2"))
    assert isinstance(again, Rejected) and again.kind == "rate_limited" and len(told.paths("POST")) == 1


def test_numbers_reach_the_wire_as_they_were_written(told, scripted, order):
    told.script["POST /v2/orders"] = (200, shown(1))
    scripted.submit(order("t1", quantity="0.123456789", kind="limit", limit="100.01"))
    body = json.loads(told.heard[-1][3])
    assert (body["qty"], body["limit_price"], body["client_order_id"]) == ("0.123456789", "100.01", "t1")


def test_F21_an_answer_about_another_order_proves_nothing(told, scripted, order):
    told.script["POST /v2/orders"] = (200, shown(2))
    assert isinstance(scripted.submit(order("t1")), Unknown)


def test_F19_a_duplicate_id_is_said_to_be_one(venue, broker, order):
    assert isinstance(broker.submit(order("t1")), Accepted)
    outcome = broker.submit(order("t1"))
    assert isinstance(outcome, Rejected) and outcome.kind == "duplicate"
    assert len(venue.venue.accepted) == 1


def test_F16_a_lost_reply_is_found_by_its_client_id(venue, broker, order, ref, hurry):
    venue.mishap("submit", Mishap.LOST_REPLY)
    outcome = broker.submit(order("t1"))
    CALL.until = None
    assert isinstance(outcome, Unknown) and outcome.kind == "timeout"
    report = broker.order(ref("t1"))
    assert report.key == "t1" and venue.requests("submit") == 1


@pytest.mark.parametrize(
    "mishap", [Mishap.HTML, Mishap.TRUNCATED, Mishap.GARBAGE, Mishap.RESET_AFTER, Mishap.FAILED_AFTER]
)
def test_F21_whatever_proves_nothing_is_unknown(venue, broker, order, mishap):
    venue.mishap("submit", mishap)
    assert isinstance(broker.submit(order("t1")), Unknown)
    assert venue.requests("submit") == 1


def test_F20_refusals_have_their_words(broker, order):
    kinds = {
        "funds": order("a", quantity=100_000),
        "symbol": order("b", symbol="NOPE"),
        "quantity": order("c", quantity="0.5", tif="gtc"),
        "price": order("d", kind="limit", limit="100.001"),
    }
    assert {kind: broker.submit(one).kind for kind, one in kinds.items()} == {kind: kind for kind in kinds}


@pytest.mark.parametrize("standing", ["stop", "limit", "stop_limit"])
def test_F40_an_order_that_could_trade_with_ours_is_refused_until_that_is_cancelled(
    broker, venue, order, ref, standing
):
    """A sell that stands guard, and a buy that enlarges what it guards: one of them at a time."""
    broker.submit(order("a", quantity=2))
    venue.trade("AAPL", 100.0)
    prices = {"stop": {"stop": "90"}, "limit": {"limit": "110"}, "stop_limit": {"stop": "90", "limit": "89"}}[standing]
    guard = {"side": "sell", "quantity": 2, "kind": standing, "tif": "gtc", **prices}
    assert isinstance(broker.submit(order("b", **guard)), Accepted)
    refused = broker.submit(order("c"))
    assert isinstance(refused, Rejected) and refused.kind == "wash_trade"
    assert f"opposite side {'market/stop' if standing == 'stop' else 'limit'} order exists" in refused.reason
    assert isinstance(broker.cancel(ref("b")), Accepted)
    assert isinstance(broker.submit(order("d")), Accepted)
    assert broker.submit(order("e", **guard)).kind == "wash_trade"
    venue.trade("AAPL", 100.0)
    assert isinstance(broker.submit(order("f", **{**guard, "quantity": 3})), Accepted)


def test_F31_a_cancel_that_was_taken_before_and_is_not_done_yet_is_no_refusal(broker, venue, order, ref):
    broker.submit(order("t1", kind="limit", limit="50"))
    venue.venue.faults = Faults(cancel_slow=1.0, late_seconds=3600.0)
    for _ in range(3):
        assert isinstance(broker.cancel(ref("t1")), Accepted)
        assert broker.order(ref("t1")).state is OrderState.CANCEL_SENT
    assert len(venue.venue.cancels) == 1


def test_F21_an_address_that_is_not_there_says_nothing_of_an_order(told, scripted, ref):
    told.script["GET /v2/orders:by_client_order_id"] = (404, {"message": "endpoint not found."})
    assert isinstance(scripted.order(ref("t1")), Unavailable)


def test_a_redirect_is_not_followed_and_proves_nothing(told, scripted, order):
    told.script["POST /v2/orders"] = (302, None, {"Location": "/elsewhere"})
    assert isinstance(scripted.submit(order("t1")), Unknown)
    assert told.paths("GET").count("/elsewhere") == 0


# ---- time limits -----------------------------------------------------------------------------------------------------
def test_a_venue_that_drips_cannot_hold_a_call_longer_than_it_has(told, scripted, hurry):
    """The library has no time limit, and a limit for each read would begin anew with every byte."""
    wait = threading.Event()
    told.script["GET /v2/positions"] = lambda _: (wait.wait(10), 200, [])[1:]
    clock = SystemClock()
    begun = clock.monotonic()
    answer = scripted.positions()
    wait.set()
    assert answer.kind == "timeout" and clock.monotonic() - begun < 2


def test_close_ends_a_blocked_call(told, scripted):
    wait = threading.Event()
    told.script["GET /v2/positions"] = lambda _: (wait.wait(10), 200, [])[1:]
    threading.Timer(0.3, scripted.close).start()
    clock = SystemClock()
    begun = clock.monotonic()
    assert scripted.positions().kind == "connection"
    wait.set()
    assert clock.monotonic() - begun < 2


# ---- lists are whole -------------------------------------------------------------------------------------------------
def test_all_pages_of_the_orders_come_also_where_two_have_one_time(told, scripted):
    """GET /orders is not paged by the library: it gives the first 500."""
    every = [shown(number) for number in range(1, 1203)]
    for number in (499, 500):  # the page ends between two orders of one moment
        every[number]["submitted_at"] = every[498]["submitted_at"]

    def page(asked):
        query = asked[2]
        after = datetime.fromisoformat(query.get("after", "2020-01-01T00:00:00Z"))
        later = [one for one in every if datetime.fromisoformat(one["submitted_at"]) > after]
        assert query["nested"] == "false" and query["direction"] == "asc" and query["status"] == "open"
        return 200, later[: int(query["limit"])]

    told.script["GET /v2/orders"] = page
    assert {one.key for one in scripted.orders()} == {one["client_order_id"] for one in every}


def test_F21_a_page_that_fails_makes_the_whole_list_unavailable(told, scripted):
    told.script["GET /v2/orders"] = [(200, [shown(number) for number in range(500)]), (500, {"message": "oops"})]
    assert isinstance(scripted.orders(), Unavailable)
    told.script["GET /v2/orders"] = (200, [shown(number) for number in range(500)])
    assert scripted.orders().kind == "payload"


def test_a_strange_status_does_not_hide_the_other_orders(told, scripted):
    """The library's strict enums lose the whole list."""
    told.script["GET /v2/orders"] = (200, [shown(1), shown(2, status="hibernating", type="psychic")])
    assert [one.state for one in scripted.orders()] == [OrderState.WORKING, OrderState.UNKNOWN]


def test_fills_come_page_by_page_with_the_id_that_ended_the_last(told, scripted):
    every = [activity(number) for number in range(250)]
    told.script["GET /v2/orders/" + shown(1)["id"]] = (200, shown(1))

    def page(asked):
        begin = next((n + 1 for n, one in enumerate(every) if one["id"] == asked[2].get("page_token")), 0)
        return 200, every[begin : begin + 100]

    told.script["GET /v2/account/activities/FILL"] = page
    fills = scripted.fills(datetime(2026, 1, 5, 15, tzinfo=UTC))
    assert [fill.execution_id for fill in fills] == [one["id"] for one in every]
    assert {fill.key for fill in fills} == {"t1"}
    assert len([path for path in told.paths("GET") if path.startswith("/v2/orders/")]) == 1


def test_many_unknown_orders_are_looked_up_in_pages(told, scripted):
    told.script["GET /v2/account/activities/FILL"] = (200, [activity(n, order_id=shown(n)["id"]) for n in range(1, 20)])
    told.script["GET /v2/orders"] = (200, [shown(number) for number in range(1, 20)])
    fills = scripted.fills(ALWAYS)
    assert [fill.key for fill in fills] == [f"t{number}" for number in range(1, 20)]
    assert not [path for path in told.paths("GET") if path.startswith("/v2/orders/")]


def test_a_fill_whose_order_cannot_be_read_makes_the_list_unavailable(told, scripted):
    told.script["GET /v2/account/activities/FILL"] = (200, [activity(1)])
    told.script["GET /v2/orders/" + shown(1)["id"]] = (500, {"message": "oops"})
    assert isinstance(scripted.fills(ALWAYS), Unavailable)


def test_F39_coins_are_in_the_same_lists(venue, broker, order):
    broker.submit(order("t1", symbol="BTC/USD", quantity="0.01", tif="gtc"))
    venue.trade("BTC/USD", 50_000.0)
    assert [(one.symbol, one.quantity) for one in broker.positions()] == [("BTC/USD", D("0.01"))]
    assert [(one.symbol, one.key) for one in broker.fills(ALWAYS)] == [("BTC/USD", "t1")]


# ---- replaced orders -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("newer", "total"), [("0", "1"), ("1.5", "1.5")])
def test_F36_a_replaced_order_is_followed_to_its_end(told, scripted, ref, newer, total):
    old = shown(1, status="replaced", replaced_by=shown(2)["id"], filled_qty="1")
    new = shown(2, replaces=old["id"], client_order_id="somebody", qty="5", filled_qty=newer)
    for one in (old, new):
        told.script["GET /v2/orders/" + one["id"]] = (200, one)
    told.script["GET /v2/orders:by_client_order_id"] = (200, old)
    for which in (ref("t1"), ref("t1", old["id"])):
        report = scripted.order(which)
        assert (report.key, report.venue_id, report.state) == ("t1", new["id"], OrderState.WORKING)
        assert (report.quantity, report.filled) == (5, D(total))
    told.script["GET /v2/orders"] = (200, [new])
    assert [one.key for one in scripted.orders()] == ["t1"]
    told.script["GET /v2/account/activities/FILL"] = (200, [activity(1, order_id=new["id"])])
    assert [fill.key for fill in scripted.fills(ALWAYS)] == ["t1"]


def test_F36_a_replaced_order_has_filled_the_same_by_whichever_id_it_is_asked(told, scripted, ref):
    """Its end is believed once its fills add up to that: what was filled before the replacement is among them."""
    old = shown(1, status="replaced", replaced_by=shown(2)["id"], filled_qty="1")
    middle = shown(2, status="replaced", replaces=old["id"], replaced_by=shown(3)["id"], client_order_id="somebody")
    new = shown(3, status="filled", replaces=middle["id"], client_order_id="again", qty="4", filled_qty="4")
    old["filled_qty"] = "5"
    for one in (old, middle, new):
        told.script["GET /v2/orders/" + one["id"]] = (200, one)
    for one in (old, middle, new):
        report = scripted.order(ref("t1", one["id"]))
        assert (report.key, report.venue_id, report.state) == ("t1", new["id"], OrderState.FILLED)
        assert report.filled == 9


def test_F36_an_id_that_the_venue_no_longer_knows_is_asked_by_key(told, scripted, ref):
    told.script["GET /v2/orders:by_client_order_id"] = (200, shown(1))
    told.script["GET /v2/orders/" + ID] = (404, {"code": 40410000, "message": "order not found for it"})
    assert scripted.order(ref("t1", ID)).venue_id == shown(1)["id"]
    assert scripted.order(ref("t1", "no uuid")).venue_id == shown(1)["id"]


def test_an_order_that_is_nowhere_is_not_found(broker, ref):
    assert isinstance(broker.order(ref("never")), NotFound)


def test_a_404_in_a_proxys_words_is_not_not_found(told, scripted, ref):
    told.script["GET /v2/orders:by_client_order_id"] = (404, b"<html>nginx</html>")
    assert isinstance(scripted.order(ref("t1")), Unavailable)


# ---- cancels ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((404, {"code": 40410000, "message": "order not found"}), "not_found"),
        ((422, {"code": 42210000, "message": 'order is already in "filled" state'}), "closed"),
    ],
)
def test_F32_a_refused_cancel_says_why(told, scripted, ref, said, kind):
    told.script["DELETE /v2/orders/" + ID] = said
    outcome = scripted.cancel(ref("t1", ID))
    assert isinstance(outcome, Rejected) and outcome.kind == kind


def test_an_answer_with_words_is_no_answer_to_a_cancel(told, scripted, ref):
    told.script["DELETE /v2/orders/" + ID] = [(200, {"garbage": 1}), (204, None)]
    assert isinstance(scripted.cancel(ref("t1", ID)), Unknown)
    assert isinstance(scripted.cancel(ref("t1", ID)), Accepted)


def test_cancel_all_is_accepted_only_if_every_order_was(told, scripted):
    gone, filled = (
        {"id": "a", "status": 200},
        {"id": "b", "status": 422, "body": {"code": 1, "message": "already in x"}},
    )
    broken = {"id": "c", "status": 500, "body": {"code": 50010000, "message": "oops"}}
    told.script["DELETE /v2/orders"] = [
        (207, [gone]),
        (207, []),
        (207, [gone, filled]),
        (207, [filled, broken]),
        (207, {}),
    ]
    outcomes = [scripted.cancel_all() for _ in range(5)]
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Rejected, Unknown, Unknown]
    assert "b: " in outcomes[2].reason


# ---- rate limits, errors of the library ------------------------------------------------------------------------------
def test_F22_the_venues_headers_keep_a_reserve_for_cancels(told, scripted, ref):
    clock = SystemClock()
    fresh = str(int(clock.now().timestamp()) + 30)
    low = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "5", "X-RateLimit-Reset": fresh}
    told.script["GET /v2/positions"] = (200, [], low)
    told.script["DELETE /v2/orders/" + ID] = (204, None, low)
    assert scripted.positions() == ()
    answer = scripted.positions()
    assert answer.kind == "rate_limited" and 0 < answer.retry_after <= 30
    assert isinstance(scripted.cancel(ref("t1", ID)), Accepted)


@pytest.mark.parametrize("said", [(502, b"<html>"), (401, {"message": "unauthorized"}), (200, b"[{"), (200, {"x": 1})])
def test_no_answer_makes_the_library_raise_through_us(told, scripted, said):
    """Its errors raise KeyError or JSONDecodeError when they are asked for their code."""
    told.script["GET /v2/positions"] = said
    assert isinstance(scripted.positions(), Unavailable)


def test_a_port_that_nobody_listens_on_is_no_connection(told, make):
    told.url = "http://127.0.0.1:9"
    assert make(told).open().kind == "connection"


# ---- the rest --------------------------------------------------------------------------------------------------------
def test_cash_moves_are_told_with_their_kind(venue, broker):
    venue.venue.cash("dividend", D("1.25"), "AAPL")
    venue.venue.cash("transfer", D("-100"))
    since = SystemClock().now() - timedelta(minutes=1)
    events = broker.cash_events(since)
    assert sorted((event.kind, event.amount) for event in events) == [("dividend", D("1.25")), ("transfer", D(-100))]
    assert broker.cash_events(since + timedelta(days=3)) == ()


def test_a_move_that_is_only_dated_is_told_all_its_day(told, scripted):
    dated = {"id": "abc", "activity_type": "DIV", "date": "2026-01-05", "net_amount": "1", "status": "executed"}
    told.script["GET /v2/account/activities"] = (200, [dated])
    assert len(scripted.cash_events(datetime(2026, 1, 5, 20, tzinfo=UTC))) == 1
    assert scripted.cash_events(datetime(2026, 1, 6, 20, tzinfo=UTC)) == ()


@pytest.mark.parametrize("count", [3, 20])
def test_instruments_are_asked_one_by_one_or_all_at_once(venue, broker, count):
    asked = ["AAPL", "BTC/USD", *(f"NOPE{number}" for number in range(count - 2))]
    before = venue.requests("instruments")
    rules = {one.symbol: one for one in broker.instruments(asked)}
    assert set(rules) == {"AAPL", "BTC/USD"} and rules["BTC/USD"].lot == D("0.0001")
    assert venue.requests("instruments") - before == (3 if count == 3 else 2)
    assert {one.symbol for one in broker.instruments(())} == {"AAPL", "MSFT", "BTC/USD"}


def test_parts_of_shares_trade_if_they_are_wanted(venue, make, order):
    whole, parts = make(venue), make(venue, fractional=True)
    whole.open(), parts.open()
    assert whole.instruments(["AAPL"])[0].lot == 1
    assert parts.instruments(["AAPL"])[0].lot == D("0.000000001")
    assert isinstance(parts.submit(order("t1", quantity="0.123456789")), Accepted)
    venue.trade("AAPL", 100.0)
    assert parts.positions()[0].quantity == D("0.123456789")


def test_a_short_is_negative(venue, broker, order):
    broker.submit(order("t1", side="sell", quantity=3))
    venue.trade("AAPL", 100.0)
    assert broker.positions()[0].quantity == -3 and broker.fills(ALWAYS)[0].side is Side.SELL


def test_a_watch_list_is_read_by_its_name(told, scripted):
    assets = [{"symbol": "AAPL", "class": "us_equity"}, {"symbol": "BTCUSD", "class": "crypto"}]
    told.script["GET /v2/watchlists:by_name"] = (200, {"name": "mine", "assets": assets})
    assert scripted.watchlist("mine") == ("AAPL", "BTC/USD") and told.heard[-1][2] == {"name": "mine"}
    told.script["GET /v2/watchlists:by_name"] = (404, {"code": 40410000, "message": "watchlist not found"})
    assert scripted.watchlist("mine").kind == "not_found"


def test_the_clock_and_the_calendar(venue, broker):
    now = broker.clock()
    assert now.is_open and now.next_open > now.time
    days = broker.calendar(datetime(2025, 11, 27, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC))
    assert [day.closes.hour for day in days] == [18, 21]  # Thanksgiving is none, the day after ends early
