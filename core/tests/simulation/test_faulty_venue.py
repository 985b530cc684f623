"""What a faulty venue does with requests: each fault on its own, the three policies on keys, the hand of a person."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from msgspec import structs
from trader.clock import VirtualClock
from trader.errors import DataError, SettingsError
from trader.model import (
    Accepted,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderState,
    Position,
    Rejected,
    Side,
    Unavailable,
    Unknown,
)
from trader.simulation import Faults, FaultyVenue, Percentage, PerOrder, SimulatedVenue, Terms

D = Decimal
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
TIMEOUT = Unknown("timeout", "no answer in time")


def seconds(n):
    return timedelta(seconds=n)


def venue(faults=None, *, cash=100_000, rules=None, seed=1, terms=None, **options):
    inner = SimulatedVenue(D(cash), terms=terms or Terms(), instruments=rules or [Instrument("X"), Instrument("Y")])
    return FaultyVenue(inner, clock=VirtualClock(NOON), seed=seed, faults=faults or Faults(), **options)


def later(v, n):
    v._clock.advance(n)


def ref(request, venue_id=None):
    return OrderRef(request.client_id, request.key, request.symbol, venue_id)


def state(v, request):
    return getattr(v.order(ref(request)), "state", None)


def bought(v, order, quantity=10, price=100.0, symbol="X"):
    """Hold `quantity`, bought at `price`."""
    request = order("buy", quantity, symbol)
    assert isinstance(v.submit(request), Accepted)
    v.tick({symbol: price})
    return request


# ---- without faults ------------------------------------------------------------------------------------------------
def test_without_faults_an_order_is_there_at_once_fills_and_is_shown_whole(order):
    v = venue()
    request = order("buy", 10)
    assert v.submit(request) == Accepted("V1")
    assert [report.key for report in v.orders()] == [request.key]
    later(v, 60)
    v.tick({"X": 100.0})
    (fill,) = v.fills(ALWAYS)
    assert (fill.execution_id, fill.key, fill.venue_id) == ("1-1", request.key, "V1")
    assert (fill.quantity, fill.price) == (D(10), D(100))
    assert fill.time - (NOON + seconds(60)) <= timedelta(microseconds=1)
    report = v.order(ref(request, "V1"))
    assert (report.state, report.filled, report.time) == (OrderState.FILLED, D(10), NOON + seconds(60))
    assert v.orders() == ()
    assert v.positions() == (Position("X", D(10), D(100)),)
    account = v.account()
    assert (account.cash, account.equity, account.kind, account.time) == (
        D(99_000), D(100_000), "demo", NOON + seconds(60),
    )  # fmt: skip
    assert v.fills(fill.time) == (fill,)
    assert v.fills(fill.time + timedelta(microseconds=1)) == ()


def test_an_order_fills_in_a_bar_that_starts_when_it_arrived_or_later_at_the_moment_the_bar_is_shown(bars, order):
    v = venue()
    later(v, 1)
    v.submit(order("buy", 1, at=ALWAYS, tif="gtc"))  # decided long ago, arrived a second after this bar began
    later(v, 3599)
    v.on_bars(bars(12, hourly=True, X=(100, 100, 100, 100, 1000)))
    assert v.fills(ALWAYS) == ()
    later(v, 3600)
    v.on_bars(bars(13, hourly=True, X=(101, 101, 101, 101, 1000)))
    (fill,) = v.fills(ALWAYS)
    assert (fill.price, fill.time) == (D(101), NOON + seconds(7200))


def test_what_the_matching_venue_refuses_is_rejected_and_its_key_stays_free(order):
    v = venue()
    refused = order("sell", 5, key="same")
    assert v.submit(refused).kind == "position"
    assert v.requests[0].fate == "rejected"
    assert isinstance(v.submit(order("buy", 5, key="same")), Accepted)
    assert len(v.accepted) == 1


def test_volume_fills_in_parts_and_a_day_order_expires_with_its_part_kept(order):
    v = venue(terms=Terms(participation=0.5))
    request = order("buy", 10)
    v.submit(request)
    v.tick({"X": 100.0}, volume=8)
    assert (v.order(ref(request)).filled, state(v, request)) == (D(4), OrderState.WORKING)
    later(v, 86_400)
    v.tick({"X": 100.0})
    assert (v.order(ref(request)).filled, state(v, request)) == (D(4), OrderState.EXPIRED)
    assert v.positions() == (Position("X", D(4), D(100)),)


def test_an_immediate_or_cancel_order_ends_with_its_first_bar(order):
    v = venue()
    request = order("buy", 10, tif="ioc")
    v.submit(request)
    v.tick({"X": 100.0}, volume=3)
    assert (v.order(ref(request)).filled, state(v, request)) == (D(3), OrderState.EXPIRED)


def test_a_venue_that_was_traded_on_is_refused(order, bars):
    inner = SimulatedVenue(D(1000), instruments=[Instrument("X")])
    inner.submit(order("buy", 1))
    with pytest.raises(SettingsError, match="empty"):
        FaultyVenue(inner, clock=VirtualClock(NOON), seed=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"submit_late": 1.5}, {"query_lost": -0.1}, {"fill_lag": -1}, {"cancel_late": float("nan")},
        {"submit_late": 0.6, "submit_lost": 0.6},
    ],
)  # fmt: skip
def test_chances_and_seconds_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError):
        Faults(**wrong)


def test_bounds_are_those_of_the_worst_faults_it_ever_had():
    v = venue(Faults(submit_late=0.1, late_seconds=4, fill_lag=2, order_lag=3))
    assert (v.late_seconds, v.lag_seconds, v.horizon_seconds) == (4, 3, 8)
    v.heal()
    assert v.horizon_seconds == 8
    v.faults = Faults(account_lag=9)
    assert (v.late_seconds, v.lag_seconds) == (4, 9)
    assert venue().horizon_seconds == 1
    assert venue(Faults(submit_late=1, late_seconds=9), expiry_seconds=3).late_seconds == 3


# ---- sending -------------------------------------------------------------------------------------------------------
def test_a_late_order_is_unknown_now_and_arrives_within_its_bound(order):
    v = venue(Faults(submit_late=1, late_seconds=5))
    request = order("buy", 1)
    assert v.submit(request) == TIMEOUT
    assert (v.requests[0].fate, v.accepted) == ("pending", [])
    assert isinstance(v.order(ref(request)), NotFound)
    later(v, 5)
    assert state(v, request) is OrderState.WORKING
    assert v.requests[0].fate == "accepted"
    (taken,) = v.accepted
    assert NOON < taken.moment <= NOON + seconds(5)
    assert (taken.key, taken.order, taken.external) == (request.key, request, False)


def test_a_lost_order_is_unknown_and_never_arrives(order):
    v = venue(Faults(submit_lost=1))
    request = order("buy", 1)
    assert v.submit(request) == TIMEOUT
    later(v, 86_400)
    assert isinstance(v.order(ref(request)), NotFound)
    assert (v.accepted, v.requests[0].fate) == ([], "never")


def test_a_lost_reply_is_unknown_although_the_order_is_there(order):
    v = venue(Faults(submit_lost_reply=1))
    request = order("buy", 1)
    assert v.submit(request) == TIMEOUT
    assert state(v, request) is OrderState.WORKING


def test_rate_limited_is_a_definite_no_with_the_time_to_wait(order):
    v = venue(Faults(submit_rate_limited=1, retry_after=7))
    answer = v.submit(order("buy", 1))
    assert isinstance(answer, Rejected) and (answer.kind, answer.retry_after) == ("rate_limited", 7)
    assert v.accepted == []


@pytest.mark.parametrize(("fault", "there"), [("submit_failed_accepted", 1), ("submit_failed_dropped", 0)])
def test_a_server_error_says_nothing_about_the_order(order, fault, there):
    v = venue(Faults(**{fault: 1}))
    answer = v.submit(order("buy", 1))
    assert isinstance(answer, Unknown) and answer.kind == "server"
    assert len(v.accepted) == there


def test_a_rejection_by_the_venue_is_definite(order):
    v = venue(Faults(submit_rejected=1))
    assert isinstance(v.submit(order("buy", 1)), Rejected)
    assert v.accepted == []


def test_a_call_that_raises_has_arrived_or_not(order):
    v = venue(Faults(submit_raises=1))
    for _ in range(40):
        with pytest.raises((OSError, ValueError, KeyError, RuntimeError)):
            v.submit(order("buy", 1))
    assert 5 < len(v.accepted) < 35
    assert {request.fate for request in v.requests} == {"accepted", "never"}
    assert all(request.answer is None for request in v.requests)


def test_garbage_is_no_outcome_and_the_order_has_arrived_or_not(order):
    v = venue(Faults(submit_garbage=1))
    answers = [v.submit(order("buy", 1)) for _ in range(60)]
    assert not any(isinstance(answer, Accepted | Rejected | Unknown) for answer in answers)
    assert {type(answer).__name__ for answer in answers} == {"NoneType", "str", "dict", "int", "Idle"}
    assert 10 < len(v.accepted) < 50


def test_requests_note_every_submit_and_what_became_of_it(order):
    v = venue(Faults(submit_lost=0.5, submit_late=0.5))
    sent = [order("buy", 1) for _ in range(20)]
    for request in sent:
        later(v, 10)
        v.submit(request)
    later(v, 10)
    assert [(r.key, r.client_id, r.order) for r in v.requests] == [(o.key, o.client_id, o) for o in sent]
    assert [r.moment for r in v.requests] == [NOON + seconds(10 * n) for n in range(1, 21)]
    taken = {order.venue_id: order.key for order in v.accepted}
    assert {r.venue_id: r.key for r in v.requests if r.fate == "accepted"} == taken
    assert 0 < len(taken) < 20


# ---- keys ----------------------------------------------------------------------------------------------------------
def test_forever_refuses_a_key_that_ever_became_an_order(order):
    v = venue(ids="forever")
    request = bought(v, order)
    assert state(v, request) is OrderState.FILLED
    assert v.submit(request).kind == "duplicate"
    assert len(v.accepted) == 1


def test_open_only_refuses_a_key_while_its_order_is_open_and_takes_it_again_after(order):
    v = venue(ids="open_only")
    request = order("buy", 1)
    assert v.submit(request) == Accepted("V1")
    assert v.submit(request).kind == "duplicate"
    v.tick({"X": 100.0})
    assert v.submit(request) == Accepted("V2")
    assert v.order(ref(request)).venue_id == "V2"
    assert v.order(ref(request, "V1")).state is OrderState.FILLED


def test_none_makes_an_order_of_every_arrival_and_shows_the_key_it_was_given(order):
    v = venue(ids="none")
    request = order("buy", 1)
    assert [v.submit(request), v.submit(request)] == [Accepted("V1"), Accepted("V2")]
    assert [(report.venue_id, report.key) for report in v.orders()] == [("V1", request.key), ("V2", request.key)]
    v.tick({"X": 100.0})
    assert [(fill.venue_id, fill.key) for fill in v.fills(ALWAYS)] == [("V1", request.key), ("V2", request.key)]
    assert v.truth_positions() == {"X": D(2)}


def test_a_late_order_and_the_same_one_sent_again_are_one_order_where_keys_count(order):
    v = venue(Faults(submit_late=1))
    request = order("buy", 1)
    v.submit(request)
    v.faults = Faults()
    assert v.submit(request) == Accepted("V1")
    later(v, 5)
    assert len(v.accepted) == 1
    assert [r.fate for r in v.requests] == ["rejected", "accepted"]


def test_a_request_that_arrives_after_its_expiry_is_dropped(order):
    v = venue(Faults(submit_late=1, late_seconds=100), ids="open_only", expiry_seconds=3)
    for _ in range(30):
        v.submit(order("buy", 1))
    later(v, 100)
    taken = v.accepted
    fates = [request.fate for request in v.requests]
    assert set(fates) == {"expired", "accepted"}
    assert all(order.moment <= NOON + seconds(3) for order in taken)
    assert fates.count("accepted") == len(taken) < 15


def test_a_request_that_was_held_up_before_the_call_expires_and_says_so(order):
    v = venue(ids="open_only", expiry_seconds=3, made=lambda order: order.decided_at)
    assert v.submit(order("buy", 1, at=NOON - seconds(4))).kind == "expired"
    assert isinstance(v.submit(order("buy", 1, at=NOON - seconds(3))), Accepted)


# ---- cancelling ----------------------------------------------------------------------------------------------------
def resting(v, order):
    request = order("buy", 1, kind="limit", limit=50, tif="gtc")
    assert isinstance(v.submit(request), Accepted)
    return request


def test_a_cancel_takes_effect_and_again_it_is_closed(order):
    v = venue()
    request = resting(v, order)
    assert v.cancel(ref(request)) == Accepted("V1")
    assert state(v, request) is OrderState.CANCELED
    assert v.cancel(ref(request)).kind == "closed"
    assert v.cancel(OrderRef("", "never", "X")).kind == "not_found"
    assert [(c.key, c.fate) for c in v.cancels] == [
        (request.key, "accepted"), (request.key, "rejected"), ("never", "rejected"),
    ]  # fmt: skip


def test_a_late_cancel_is_unknown_now_and_works_within_its_bound(order):
    v = venue()
    request = resting(v, order)
    v.faults = Faults(cancel_late=1, late_seconds=5)
    assert v.cancel(ref(request)) == TIMEOUT
    assert state(v, request) is OrderState.WORKING
    later(v, 5)
    assert state(v, request) is OrderState.CANCELED


def test_a_late_cancel_loses_the_race_against_a_fill(order):
    v = venue(terms=Terms(participation=1))
    request = order("buy", 10)
    v.submit(request)
    v.faults = Faults(cancel_late=1, late_seconds=5)
    v.cancel(ref(request))
    v.tick({"X": 100.0}, volume=4)
    later(v, 5)
    report = v.order(ref(request))
    assert (report.state, report.filled) == (OrderState.CANCELED, D(4))


def test_F31_a_slow_cancel_is_taken_and_the_order_fills_until_it_takes_effect(order):
    v = venue(terms=Terms(participation=1))
    request = order("buy", 10)
    v.submit(request)
    v.faults = Faults(cancel_slow=1, late_seconds=5)
    assert v.cancel(ref(request)) == Accepted("V1") and state(v, request) is OrderState.WORKING
    assert v.horizon_seconds > 5
    v.tick({"X": 100.0}, volume=4)
    later(v, 5)
    report = v.order(ref(request))
    assert (report.state, report.filled) == (OrderState.CANCELED, D(4))
    assert v.cancel(ref(request)).kind == "closed"


def test_F31_an_order_that_fills_while_its_cancel_is_slow_stays_filled(order):
    v = venue()
    request = order("buy", 10)
    v.submit(request)
    v.faults = Faults(cancel_slow=1, late_seconds=5)
    assert v.cancel(ref(request)) == Accepted("V1")
    v.tick({"X": 100.0})
    later(v, 5)
    assert (state(v, request), v.truth_positions()) == (OrderState.FILLED, {"X": D(10)})


def test_F31_a_slow_cancel_for_all_ends_what_worked_when_it_was_asked_for(order):
    v = venue(faults=Faults(cancel_slow=1, late_seconds=5))
    first = resting(v, order)
    assert isinstance(v.cancel_all(), Accepted)
    second = resting(v, order)
    later(v, 5)
    assert (state(v, first), state(v, second)) == (OrderState.CANCELED, OrderState.WORKING)


@pytest.mark.parametrize(
    ("fault", "gone"),
    [
        ("cancel_lost", False), ("cancel_lost_reply", True),
        ("cancel_failed_accepted", True), ("cancel_failed_dropped", False),
    ],
)  # fmt: skip
def test_an_unanswered_cancel_took_effect_or_not(order, fault, gone):
    v = venue()
    request = resting(v, order)
    v.faults = Faults(**{fault: 1})
    assert isinstance(v.cancel(ref(request)), Unknown)
    later(v, 100)
    assert (state(v, request) is OrderState.CANCELED) is gone


def test_a_cancel_is_rate_limited_raises_and_returns_garbage(order):
    v = venue()
    request = resting(v, order)
    v.faults = Faults(cancel_rate_limited=1)
    assert v.cancel(ref(request)).kind == "rate_limited"
    assert state(v, request) is OrderState.WORKING
    v.faults = Faults(cancel_garbage=1)
    assert not isinstance(v.cancel(ref(request)), Accepted | Rejected | Unknown)
    v.faults = Faults(cancel_raises=1)
    with pytest.raises((OSError, ValueError, KeyError, RuntimeError)):
        v.cancel(ref(request))


def test_cancel_all_cancels_all_that_works_and_fails_like_a_cancel(order):
    v = venue()
    for _ in range(3):
        resting(v, order)
    v.faults = Faults(cancel_lost=1)
    assert v.cancel_all() == TIMEOUT
    assert len(v.truth_working()) == 3
    v.heal()
    assert v.cancel_all() == Accepted()
    assert v.orders() == ()
    assert [report.state for report in v.truth_working()] == []


# ---- a person's hand, and the world --------------------------------------------------------------------------------
def test_a_manual_trade_is_an_external_order_with_a_key_of_the_venue(order):
    v = venue()
    assert v.manual_trade("X", Side.BUY, D(3)) == Accepted("V1")
    v.tick({"X": 100.0})
    (fill,) = v.fills(ALWAYS)
    assert fill.key == "by-hand-1"
    assert v.positions() == (Position("X", D(3), D(100)),)
    assert [(taken.external, taken.key) for taken in v.accepted] == [(True, "by-hand-1")]
    assert v.requests == []
    assert v.manual_trade("X", Side.SELL, D(9)).kind == "position"


def test_a_manual_cancel_ends_an_order_without_a_request(order):
    v = venue()
    request = resting(v, order)
    assert v.manual_cancel("V1") == Accepted("V1")
    assert state(v, request) is OrderState.CANCELED
    assert v.cancels == []


def test_a_renamed_order_is_found_by_its_new_id_and_its_key_only(order):
    v = venue()
    request = resting(v, order)
    assert v.rename("V1") == "V1-2"
    assert v.order(ref(request)).venue_id == "V1-2"
    assert isinstance(v.order(ref(request, "V1-2")), OrderReport)
    assert isinstance(v.order(ref(request, "V1")), NotFound)
    assert v.cancel(ref(request, "V1")).kind == "not_found"
    assert v.rename("V1-2") == "V1-3"
    v.tick({"X": 40.0})
    assert [fill.venue_id for fill in v.fills(ALWAYS)] == ["V1-3"]
    (taken,) = v.accepted
    assert (taken.venue_id, taken.former) == ("V1-3", ["V1", "V1-2"])
    with pytest.raises(DataError):
        v.rename("V1")


def test_a_split_changes_position_and_average_without_an_execution(order):
    v = venue()
    bought(v, order, 10, 100.0)
    before = v.account()
    v.split("X", D(4))
    assert v.positions() == (Position("X", D(40), D(25)),)
    assert len(v.truth_fills()) == 1
    assert (v.account().cash, v.account().equity) == (before.cash, before.equity)
    v.submit(order("sell", 40))
    v.tick({"X": 26.0})
    assert (v.truth_positions(), v.truth_cash()) == ({}, D(100_040))
    assert [(s.symbol, s.ratio, s.fills) for s in v.splits] == [("X", D(4), 1)]


def test_a_split_of_what_the_last_bars_did_not_show_changes_no_equity(order):
    v = venue()
    bought(v, order, 10, 100.0)
    v.tick({"Y": 7.0})
    v.split("X", D(4))
    assert v.account().equity == D(100_000)


def test_an_uneven_split_leaves_dust_that_cannot_be_sold(order):
    v = venue()
    bought(v, order, 5, 90.0)
    v.split("X", D("1.5"))
    assert v.positions() == (Position("X", D("7.5"), D(60)),)
    assert v.account().equity == D(100_000)
    assert isinstance(v.submit(order("sell", 8)), Rejected)
    assert isinstance(v.submit(order("sell", 7)), Accepted)
    v.tick({"X": 60.0})
    assert v.positions() == (Position("X", D("0.5"), D(60)),)
    v.split("X", D(2))
    assert v.positions() == (Position("X", D(1), D(30)),)


def test_a_split_that_cannot_be_is_refused(order):
    rules = [Instrument("X"), Instrument("F", settlement="margin")]
    v = venue(rules=rules, terms=Terms(shorting=True))
    v.submit(order("sell", 3))
    v.tick({"X": 100.0, "F": 10.0})
    v.split("X", D(2))
    assert v.truth_positions() == {"X": D(-6)}
    for symbol, ratio in (("X", D("0.25")), ("F", D(2)), ("X", D(0)), ("X", D("NaN"))):
        with pytest.raises(DataError):
            v.split(symbol, ratio)
    v.split("UNHEARD", D(2))
    assert v.truth_positions() == {"X": D(-6)}


def test_cash_events_have_ids_and_move_cash():
    v = venue()
    dividend = v.cash("dividend", D("12.50"), "X")
    later(v, 1)
    fee = v.cash("fee", D(-3))
    assert (dividend.event_id, dividend.symbol, fee.event_id) == ("C1", "X", "C2")
    assert v.cash_events(ALWAYS) == (dividend, fee) == tuple(v.truth_events())
    assert v.cash_events(NOON + seconds(1)) == (fee,)
    assert v.truth_cash() == v.account().cash == D("100009.50")


def test_a_correction_shows_the_same_execution_at_another_price_and_moves_cash(order):
    v = venue(terms=Terms(fee=PerOrder(D(1))))
    bought(v, order, 10, 100.0)
    bought(v, order, 10, 110.0)
    (first, second) = v.fills(ALWAYS)
    corrected = v.correct(first.execution_id, D(104))
    assert corrected == structs.replace(first, price=D(104))
    assert v.fills(ALWAYS) == (corrected, second) == tuple(v.truth_fills())
    assert v.positions() == (Position("X", D(20), D(107)),)
    assert v.truth_cash() == D(100_000 - 1040 - 1100 - 2)
    for wrong in (("9-9", D(1)), (first.execution_id, D("0.001")), (first.execution_id, D(-1))):
        with pytest.raises(DataError):
            v.correct(*wrong)


def test_what_an_execution_said_before_its_corrections_is_kept(order):
    v = venue(Faults(fill_lag=5))
    bought(v, order, 10, 100.0)
    (first,) = v.truth_fills()
    with pytest.raises(DataError):
        v.correct(first.execution_id, D(-1))
    assert v.former_fills() == []
    for price in (D(104), D(103)):
        v.correct(first.execution_id, price)
    assert v.former_fills() == [first, structs.replace(first, price=D(104))]
    assert v.truth_fills() == [structs.replace(first, price=D(103))]


def test_a_correction_of_what_was_split_since_changes_the_average_by_its_share(order):
    v = venue()
    bought(v, order, 10, 100.0)
    v.split("X", D(2))
    bought(v, order, 20, 60.0)
    v.correct("1-1", D(104))
    assert v.positions() == (Position("X", D(40), D(56)),)
    assert v.truth_cash() == D(100_000 - 1040 - 1200)


def test_a_correction_of_a_closed_margin_position_moves_its_profit(order):
    v = venue(rules=[Instrument("F", multiplier=D(5), settlement="margin")], terms=Terms(shorting=True))
    v.submit(order("buy", 2, "F"))
    v.tick({"F": 100.0})
    v.submit(order("sell", 3, "F"))
    v.tick({"F": 110.0})
    assert (v.truth_cash(), v.positions()) == (D(100_100), (Position("F", D(-1), D(110)),))
    v.correct("1-1", D(105))
    assert (v.truth_cash(), v.positions()) == (D(100_050), (Position("F", D(-1), D(110)),))
    v.correct("2-1", D(115))
    assert (v.truth_cash(), v.positions()) == (D(100_100), (Position("F", D(-1), D(115)),))


def test_maintenance_answers_nothing_takes_nothing_and_trades_nothing(order):
    v = venue(Faults(submit_late=1, late_seconds=5))
    v.submit(order("buy", 1))  # is under way when the door closes
    v.faults = Faults()
    request = order("buy", 1, tif="gtc")
    v.submit(request)
    v.maintenance(60)
    answer = v.submit(order("buy", 1))
    assert isinstance(answer, Unknown) and (answer.kind, answer.retry_after) == ("maintenance", 60)
    assert isinstance(v.cancel(ref(request)), Unknown)
    assert isinstance(v.cancel_all(), Unknown)
    for query in (v.open, v.account, v.positions, v.orders, v.instruments):
        assert isinstance(query(), Unavailable)
    later(v, 30)
    v.tick({"X": 100.0})
    assert v.truth_fills() == []
    later(v, 30)
    assert [report.key for report in v.orders()] == [request.key]
    assert [r.fate for r in v.requests] == ["never", "accepted", "never"]
    v.tick({"X": 100.0})
    assert len(v.fills(ALWAYS)) == 1


def test_healing_ends_faults_lags_and_maintenance_and_what_is_under_way_still_arrives(order):
    v = venue(Faults(submit_late=1, late_seconds=50, order_lag=50, query_lost=0.9))
    request = order("buy", 1)
    v.submit(request)
    v.maintenance(0.5)
    v.heal()
    assert isinstance(v.submit(order("buy", 1)), Accepted)
    assert len(v.orders()) == 1
    later(v, 50)
    assert len(v.orders()) == 2
    assert state(v, request) is OrderState.WORKING


# ---- fees in kind --------------------------------------------------------------------------------------------------
COIN = Instrument("BTC/USD", tick=D("0.01"), lot=D("0.001"))


def test_a_fee_in_the_base_asset_leaves_dust_in_the_position(order):
    v = venue(rules=[COIN], base_fee=D("0.001"))
    bought(v, order, "1.234", 100.0, "BTC/USD")
    (fill,) = v.fills(ALWAYS)
    assert (fill.quantity, fill.fee, fill.fee_currency) == (D("1.234"), D("0.001234"), "BTC")
    assert v.truth_positions() == {"BTC/USD": D("1.232766")}
    assert v.truth_cash() == D(100_000) - D("123.4")
    assert v.account().equity == D(100_000) - D("0.1234")
    assert isinstance(v.submit(order("sell", "1.233", "BTC/USD")), Rejected)
    assert isinstance(v.submit(order("sell", "1.232", "BTC/USD")), Accepted)
    v.tick({"BTC/USD": 100.0})
    assert v.positions() == (Position("BTC/USD", D("0.000766"), D(100)),)
    assert v.fills(ALWAYS)[1].fee == 0
    bought(v, order, "1", 120.0, "BTC/USD")
    assert v.truth_positions() == {"BTC/USD": D("0.999766")}


def test_a_fee_in_kind_never_takes_more_than_is_held(order):
    v = venue(rules=[COIN], base_fee=D("1"))
    bought(v, order, "0.002", 100.0, "BTC/USD")
    assert (v.truth_positions(), v.fills(ALWAYS)[0].fee) == ({}, D("0.002"))
    assert v.positions() == ()
    v = venue(rules=[COIN], base_fee=D("0.5"))
    bought(v, order, "0.004", 100.0, "BTC/USD")
    for side in ("buy", "sell", "sell"):
        v.submit(order(side, "0.002", "BTC/USD"))
    v.tick({"BTC/USD": 100.0})  # bought and sold in the same bar, before the fee could be kept
    assert [fill.fee for fill in v.fills(ALWAYS)] == [D("0.002"), 0, 0, 0]
    assert v.truth_positions() == {}


def test_two_fees_at_once_are_refused():
    for terms in (Terms(fee=Percentage(D("0.001"))), Terms(shorting=True)):
        with pytest.raises(SettingsError, match="base_fee"):
            venue(terms=terms, base_fee=D("0.001"))


def test_a_tick_trades_at_its_prices_however_often_in_one_moment(order):
    v = venue()
    for price in (100.0, 101.0, 102.0):
        v.submit(order("buy", 1))
        v.tick({"X": price, "Y": np.nan})
    assert [fill.price for fill in v.fills(ALWAYS)] == [100, 101, 102]
