"""The broker over the emulator, through the real client library."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trader.clock import SystemClock
from trader.model import (
    Accepted,
    Account,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
    Unavailable,
    Unknown,
)
from trader.protocols import Broker, HasCancelAll, HasCashEvents, HasOrderStream
from trader.testing.emulation import Mishap

D = Decimal
CLOCK = SystemClock()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def order(broker, name="t1", kind="limit", side="buy", quantity="2", limit="100", stop=None, tif="day", **more):
    return OrderRequest(name, broker.key(name), "main", more.pop("symbol", "AAPL"), Side(side), D(quantity),
                        OrderType(kind), TimeInForce(tif), D(limit) if limit and "limit" in kind else None,
                        D(stop) if stop else None, False, Purpose.REBALANCE, D(100), CLOCK.now())  # fmt: skip


def ref(request, venue_id=None):
    return OrderRef(request.client_id, request.key, request.symbol, venue_id)


def buy(broker, venue, quantity="2", name="t1"):
    request = order(broker, name, "market", quantity=quantity)
    assert isinstance(broker.submit(request), Accepted)
    venue.trade("AAPL", 100.0)
    return request


def test_is_a_broker_that_is_polled(broker):
    assert isinstance(broker, Broker) and isinstance(broker, HasCashEvents)
    assert not isinstance(broker, HasOrderStream | HasCancelAll)


def test_nothing_of_the_sdk_is_imported_with_the_plugin():
    code = (
        "import sys, trader_broker_robinhood, trader_broker_robinhood.data;"
        "late = {'requests', 'robin_stocks', 'urllib3', 'keyring'};"
        "sys.exit(bool(late & {name.split('.')[0] for name in sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_request_is_made_before_open(kit, venue):
    kit.broker(opened=False)
    assert venue.requests("account") == 0


# ---- open ----------------------------------------------------------------------------------------------------------
def test_opens_the_only_account_of_the_login_and_calls_an_emulators_account_a_demo(broker):
    account = broker.account()
    assert (account.account_id, account.kind, account.currency) == ("5RH00001", "demo", "USD")
    assert account.cash == account.equity == account.settled_cash == 100_000
    assert account.permissions == ("read", "trade")


def test_the_accounts_time_is_the_venues(broker, venue):
    venue.skew(300)
    assert abs((broker.account().time - CLOCK.now()).total_seconds() - 300) < 5


def test_an_account_that_the_login_does_not_have_is_named(kit, venue):
    answer = kit.broker(opened=False, account="12345").open()
    assert isinstance(answer, Unavailable) and answer.kind == "refused" and "5RH00001" in answer.reason


def test_another_account_of_the_login_that_cannot_be_read_keeps_nobody_from_ours(kit, venue, monkeypatch):
    broker = kit.broker(opened=False, account="5RH00001")
    ask = broker._client.whole

    def two_accounts(user, url, *args, **more):
        rows = ask(user, url, *args, **more)
        return [{**rows[0], "account_number": "5RH00002", "cash": None}, *rows] if url.endswith("/accounts/") else rows

    monkeypatch.setattr(broker._client, "whole", two_accounts)
    assert broker.open().account_id == "5RH00001"


def test_without_a_token_it_says_how_to_get_one(kit, venue):
    answer = kit.broker(kit.door(kit.world(ROBINHOOD_TOKEN="")), opened=False).open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth"
    assert "ROBINHOOD_TOKEN" in answer.reason and "trader_broker_robinhood.login" in answer.reason


def test_a_token_that_is_not_taken_is_told_without_showing_it(kit, venue):
    broker = kit.broker(kit.door(kit.world(ROBINHOOD_TOKEN="Bearer stale-token")), opened=False)
    answer = broker.open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth" and "stale-token" not in answer.reason
    assert "Incorrect authentication credentials" in answer.reason and "login" in answer.reason


@pytest.mark.parametrize("token", ["two words", "schlüssel", "a\nb"])
def test_what_cannot_be_a_token_is_not_sent(kit, venue, token):
    answer = kit.broker(kit.door(kit.world(ROBINHOOD_TOKEN=token)), opened=False).open()
    assert isinstance(answer, Unavailable) and answer.kind == "auth" and token not in answer.reason
    assert venue.requests("account") == 0


def test_F44_a_new_token_in_the_secrets_is_taken_up_without_a_restart(kit, venue):
    world = kit.world()
    broker = kit.broker(kit.door(world))
    venue.revoke()
    assert broker.positions().kind == "auth" and broker.positions().kind == "auth"
    venue.doorman.tokens["fresh"] = CLOCK.now() + timedelta(hours=1)
    world.environ["ROBINHOOD_TOKEN"] = "fresh"
    assert broker.positions() == []


def test_opens_again_after_close(broker):
    for _ in range(2):
        broker.close()
        broker.close()
        assert isinstance(broker.positions(), Unavailable)
        outcome = broker.submit(order(broker))
        assert isinstance(outcome, Rejected | Unknown) and "nothing was sent" in outcome.reason
        assert isinstance(broker.open(), Account)


# ---- orders --------------------------------------------------------------------------------------------------------
def test_an_order_is_found_by_its_id_and_by_ours(broker, venue):
    request = order(broker, limit="90")
    accepted = broker.submit(request)
    assert isinstance(accepted, Accepted)
    by_id, by_key = broker.order(ref(request, accepted.venue_id)), broker.order(ref(request))
    assert isinstance(by_id, OrderReport) and by_id == by_key == broker.orders()[0]
    assert (by_id.key, by_id.quantity, by_id.limit_price, by_id.state) == (request.key, 2, 90, OrderState.WORKING)
    assert venue.venue.accepted[0].key == request.key


def test_an_order_that_never_was_is_not_found(broker, venue):
    assert isinstance(broker.order(OrderRef("t0", broker.key("t0"), "AAPL")), NotFound)
    assert isinstance(broker.order(OrderRef("t0", broker.key("t0"), "AAPL", broker.key("x"))), NotFound)


def test_F36_an_order_that_the_venue_renamed_is_found_by_our_id(broker, venue):
    request = order(broker, limit="90")
    before = broker.submit(request).venue_id
    venue.venue.rename("V1")
    after = broker.order(ref(request, before))
    assert isinstance(after, OrderReport) and after.venue_id != before and after.key == request.key


def test_F19_a_key_is_taken_once(broker, venue):
    request = order(broker, limit="90")
    assert isinstance(broker.submit(request), Accepted)
    again = broker.submit(request)
    assert isinstance(again, Rejected) and again.kind == "duplicate" and len(venue.venue.accepted) == 1


def test_every_type_in_both_times_in_force(broker, venue):
    buy(broker, venue, "10")
    cases = [
        ("limit", "buy", "90", None), ("limit", "sell", "110", None), ("stop", "sell", None, "90"),
        ("stop_limit", "sell", "89", "90"), ("market", "buy", None, None), ("stop", "buy", None, "110"),
    ]  # fmt: skip
    for number, (kind, side, limit, stop) in enumerate(cases):
        for tif in ("day", "gtc"):
            request = order(broker, f"t{number}{tif}", kind, side, "1", limit, stop, tif)
            assert isinstance(broker.submit(request), Accepted), (kind, side, tif)
            shown = broker.order(ref(request))
            assert (shown.type, shown.side) == (request.type, request.side)
            assert (shown.limit_price, shown.stop_price) == (request.limit_price, request.stop_price)
    sent = {taken.key: taken.order for taken in venue.venue.accepted}
    assert sent[broker.key("t4day")].limit_price == D("105.01")  # the ask and 5 %
    assert sent[broker.key("t5gtc")].limit_price == D("115.50")  # the stop and 5 %


def test_a_market_buy_may_be_sent_as_one(kit, venue):
    broker = kit.broker(market_buys="market")
    assert isinstance(broker.submit(order(broker, kind="market")), Accepted)
    assert venue.venue.accepted[0].order.type is OrderType.MARKET and venue.requests("quotes") == 0


def test_refusals_are_definite_and_leave_nothing(broker, venue):
    kinds = {
        "funds": order(broker, "f", quantity="100000"),
        "position": order(broker, "p", side="sell", limit="120"),
        "symbol": order(broker, "s", symbol="NOPE"),
        "quantity": order(broker, "q", quantity="0.5"),
        "price": order(broker, "i", limit="90.001"),
        "refused": order(broker, "r", tif="ioc"),
    }
    for kind, request in kinds.items():
        outcome = broker.submit(request)
        assert isinstance(outcome, Rejected) and outcome.kind == kind, (kind, outcome)
    assert venue.venue.accepted == [] and broker.orders() == []


def test_parts_of_a_share_are_traded_if_the_settings_say_so(kit, venue):
    broker = kit.broker(fractional=True)
    assert broker.instruments(["AAPL"])[0].lot == D("0.000001")
    buy(broker, venue, "1.25")
    assert broker.positions()[0].quantity == D("1.25")


def test_a_cancel_is_asked_for_and_the_order_says_whether_it_is_gone(broker, venue):
    request = order(broker, limit="90")
    broker.submit(request)
    assert isinstance(broker.cancel(ref(request)), Accepted)
    assert broker.order(ref(request)).state is OrderState.CANCELED and broker.orders() == []
    again = broker.cancel(ref(request))
    assert isinstance(again, Rejected) and again.kind == "closed"


def test_F32_a_cancel_of_what_never_was(broker):
    outcome = broker.cancel(OrderRef("t0", broker.key("t0"), "AAPL"))
    assert isinstance(outcome, Rejected) and outcome.kind == "not_found"


def test_a_cancel_whose_order_could_not_be_looked_up_is_unknown(kit, venue):
    first = kit.broker()
    request = order(first, limit="90")
    first.submit(request)
    first.close()
    broker = kit.broker()
    venue.mishap("orders", Mishap.FAILED)
    assert isinstance(broker.cancel(ref(request)), Unknown)
    assert isinstance(broker.cancel(ref(request)), Accepted)


def test_a_gtc_order_of_long_ago_still_works(broker, venue):
    request = order(broker, limit="90", tif="gtc")
    broker.submit(request)
    assert len(broker.orders()) == 1
    broker._book._looked = CLOCK.now() + timedelta(days=1)  # a day later it is in no list of what changed
    (found,) = broker.orders()
    assert found.key == request.key and found.state is OrderState.WORKING
    venue.venue.manual_cancel("V1")
    broker._book._looked = CLOCK.now() + timedelta(days=1)
    assert broker.orders() == []


def test_a_persons_order_is_shown_too(broker, venue):
    venue.venue.manual_trade("AAPL", Side.BUY, D(3))
    (shown,) = broker.orders()
    assert shown.quantity == 3 and shown.key
    venue.trade("AAPL", 100.0)
    assert broker.positions()[0].quantity == 3 and len(broker.fills(EPOCH)) == 1


# ---- fills, positions, cash ----------------------------------------------------------------------------------------
def test_fills_are_executions_under_our_key(broker, venue):
    request = order(broker, quantity="10")
    broker.submit(request)
    venue.trade("AAPL", 99.0, volume=4)
    venue.trade("AAPL", 98.0)
    first, second = broker.fills(EPOCH)
    assert (first.quantity, first.price, second.quantity, second.price) == (4, 99, 6, 98)
    assert {first.key, second.key} == {request.key} and first.execution_id != second.execution_id
    assert broker.fills(second.time) == [second] and broker.fills(second.time + timedelta(microseconds=1)) == []


def test_F28_an_execution_that_was_corrected_keeps_its_id(broker, venue):
    buy(broker, venue)
    (before,) = broker.fills(EPOCH)
    venue.venue.correct(venue.venue.truth_fills()[0].execution_id, D("99.50"))
    (after,) = broker.fills(EPOCH)
    assert after.execution_id == before.execution_id and after.price == D("99.50")


def test_F37_a_part_is_filled_and_the_rest_canceled(broker, venue):
    request = order(broker, quantity="10")
    broker.submit(request)
    venue.trade("AAPL", 99.0, volume=4)
    broker.cancel(ref(request))
    shown = broker.order(ref(request))
    assert (shown.state, shown.filled) == (OrderState.CANCELED, 4) and len(broker.fills(EPOCH)) == 1


def test_positions_have_symbols_and_averages(broker, venue):
    buy(broker, venue)
    broker.submit(order(broker, "t2", "market", symbol="MSFT", quantity="1"))
    venue.trade("MSFT", 400.0)
    found = {position.symbol: (position.quantity, position.price) for position in broker.positions()}
    assert found == {"AAPL": (2, 100), "MSFT": (1, 400)}


def test_the_symbol_of_an_instrument_is_asked_for_once(broker, venue):
    buy(broker, venue)
    broker.positions()
    asked = venue.requests("instruments")
    for _ in range(3):
        broker.positions(), broker.orders(), broker.fills(EPOCH)
    assert venue.requests("instruments") == asked


def test_cash_that_moves_without_a_trade(broker, venue):
    before = CLOCK.now()
    moves = [("transfer", "500"), ("transfer", "-200"), ("interest", "0.40"), ("interest", "-0.10"), ("fee", "-5")]
    venue.venue.cash("dividend", D("1.25"), "AAPL")
    for kind, amount in moves:
        venue.venue.cash(kind, D(amount))
    events = broker.cash_events(before)
    assert {(event.kind, event.amount, event.symbol) for event in events} == {
        ("dividend", D("1.25"), "AAPL"), ("transfer", D(500), None), ("transfer", D(-200), None),
        ("interest", D("0.40"), None), ("interest", D("-0.10"), None), ("fee", D(-5), None),
    }  # fmt: skip
    assert len({event.event_id for event in events}) == 6 and broker.cash_events(before) == events
    assert broker.cash_events(CLOCK.now() + timedelta(hours=1)) == []


def test_money_of_another_account_of_the_login_is_none_of_ours(broker, venue, monkeypatch):
    """The list of dividends is the login's, not the account's."""
    before = CLOCK.now()
    venue.venue.cash("dividend", D("1.25"), "AAPL")
    ask = broker._client.whole

    def two_accounts(user, url, *args, **more):
        rows = ask(user, url, *args, **more)
        theirs = [{**row, "id": "another", "account": row["account"].replace("5RH00001", "5RH00002")} for row in rows
                  if "/dividends/" in url]  # fmt: skip
        return rows + theirs

    monkeypatch.setattr(broker._client, "whole", two_accounts)
    assert [event.amount for event in broker.cash_events(before)] == [D("1.25")]


def test_a_restart_shows_the_same(kit, venue):
    first = kit.broker()
    buy(first, venue)
    waiting = order(first, "t2", limit="90", tif="gtc")
    first.submit(waiting)
    before = first.positions(), first.orders(), first.fills(EPOCH), first.account().cash
    first.close()
    again = kit.broker()
    assert (again.positions(), again.orders(), again.fills(EPOCH), again.account().cash) == before
    assert again.order(ref(waiting)).key == waiting.key
