"""Money that moves on a spot account without a trade: once each, whole or Unavailable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trader.clock import SystemClock
from trader.model import CashEvent, Unavailable, Unknown
from trader.protocols import HasCashEvents
from trader.testing.emulation import Mishap
from trader_broker_binance import cash
from trader_broker_binance.pages import halved

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def moved(at, *amounts, kind="transfer"):
    """At different milliseconds, for the venue cannot say more than a page within one."""
    for amount in amounts:
        at.venue.venue.cash(kind, Decimal(amount))
        SystemClock().sleep(0.004)


@pytest.fixture
def small(monkeypatch):
    """Pages of two rows, so that a few events are several pages."""
    monkeypatch.setattr(cash, "LISTS", tuple(listed._replace(limit=2) for listed in cash.LISTS))


def test_money_that_moved_comes_once_with_its_kind_and_sign(desk):
    at = desk("binance")
    broker = at.broker()
    assert isinstance(broker, HasCashEvents) and list(broker.cash_events(EPOCH)) == []
    moved(at, 250, "-40.25")
    moved(at, "1.5", kind="interest")
    moved(at, "0.75", kind="dividend")
    events = broker.cash_events(EPOCH)
    said = {(event.kind, event.amount, event.currency) for event in events}
    assert said == {("transfer", Decimal(250), "USDT"), ("transfer", Decimal("-40.25"), "USDT"),
                    ("interest", Decimal("1.5"), "USDT"), ("dividend", Decimal("0.75"), "USDT")}  # fmt: skip
    assert len({event.event_id for event in events}) == 4
    assert all(event.time.utcoffset() == timedelta(0) for event in events)
    assert broker.cash_events(EPOCH) == events == at.broker().cash_events(EPOCH), "again, and after a restart"


def test_events_come_from_a_moment_on_oldest_first(desk):
    at = desk("binance")
    broker = at.broker()
    moved(at, 1, 2, 3)
    events = list(broker.cash_events(EPOCH))
    assert [event.amount for event in events] == [1, 2, 3]
    assert list(broker.cash_events(events[1].time)) == events[1:]
    assert list(broker.cash_events(events[2].time + MILLISECOND)) == []


def test_another_quote_currency_has_other_money(desk):
    """What came in USDT is then a position that changed."""
    at = desk("binance")
    moved(at, 250)
    assert list(at.broker(quote="BTC").cash_events(EPOCH)) == []


@pytest.mark.parametrize("kind", ["transfer", "dividend"])
def test_more_than_a_page_is_read_to_the_end(desk, small, kind):
    at = desk("binance")
    broker = at.broker()
    moved(at, *range(1, 8), kind=kind)
    assert [event.amount for event in broker.cash_events(EPOCH)] == [1, 2, 3, 4, 5, 6, 7]


def test_F21_a_page_that_fails_is_no_end_of_the_list(desk, small):
    at = desk("binance")
    broker = at.broker()
    moved(at, *range(1, 8))
    before = broker.cash_events(EPOCH)
    count = at.venue.requests("cash_events")
    broker.cash_events(before[0].time)
    assert at.venue.requests("cash_events") - count > 20, "this is no test of pages"
    for number in (1, 2, 15):
        at.venue.mishap("cash_events", Mishap.FAILED, after=number)
        answer = broker.cash_events(before[0].time)
        assert isinstance(answer, Unavailable) and answer.kind == "server", (number, answer)
    assert broker.cash_events(EPOCH) == before


def test_what_is_long_settled_is_asked_for_once(desk):
    """Nine years of windows, of 89 days each, for the venue refuses a question about more than 90."""
    at = desk("binance")
    broker = at.broker()
    assert list(broker.cash_events(EPOCH)) == []
    first = at.venue.requests("cash_events")
    moved(at, 250)
    assert len(broker.cash_events(EPOCH)) == 1
    assert first > 100 and at.venue.requests("cash_events") - first <= 6


def test_what_was_read_before_a_failure_is_not_asked_for_again(desk):
    at = desk("binance")
    broker = at.broker()
    at.venue.mishap("cash_events", Mishap.FAILED, after=60)
    assert isinstance(broker.cash_events(EPOCH), Unavailable)
    half = at.venue.requests("cash_events")
    assert list(broker.cash_events(EPOCH)) == []
    again = broker.cash_events(EPOCH)
    assert list(again) == [] and at.venue.requests("cash_events") < 2 * half + 30


def test_the_emulator_refuses_a_window_that_the_venue_would(desk):
    at = desk("binance")
    broker = at.broker()
    end = int((SystemClock().now() - EPOCH) / MILLISECOND)
    for method, days in (
        ("get_deposit_history", 90),
        ("get_withdraw_history", 90),
        ("get_asset_dividend_history", 180),
    ):
        size = days * 86_400_000
        answers = [broker.ask(method, startTime=str(end - size - more), endTime=str(end)) for more in (0, 1)]
        assert not isinstance(answers[0], Unavailable) and "-1127" in answers[1].reason


def test_rows_in_any_order_are_found_and_a_full_millisecond_is_told():
    events = [
        CashEvent(str(number), "transfer", Decimal(1), "USDT", EPOCH + number * MILLISECOND) for number in range(9)
    ]

    def page(first, last, limit=2):
        inside = [one for one in events if first <= (one.time - EPOCH) // MILLISECOND <= last]
        return inside[::-1][:limit], len(inside) >= limit

    crowded = halved(0, 100, page)
    assert isinstance(crowded, Unknown) and crowded.kind == "payload"
    found = halved(0, 100, lambda first, last: page(first, last, 4))
    assert {one.event_id for one in found} == {one.event_id for one in events}
