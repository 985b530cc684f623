"""What a faulty venue's queries and streams show, and when."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from trader.clock import VirtualClock
from trader.model import (
    Accepted,
    Account,
    CashEvent,
    Fill,
    Idle,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderState,
    Position,
    Reset,
    Side,
    Unavailable,
)
from trader.protocols import Broker, HasCancelAll, HasCashEvents, HasOrderStream, NeedsBars
from trader.simulation import Faults, FaultyVenue, SimulatedVenue
from trader.simulation.agenda import Agenda

D = Decimal
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def venue(faults=None, *, seed=1, **options):
    inner = SimulatedVenue(D(100_000), instruments=[Instrument("X"), Instrument("Y")])
    return FaultyVenue(inner, clock=VirtualClock(NOON), seed=seed, faults=faults or Faults(), **options)


def later(v, n):
    v._clock.advance(n)


def ref(request, venue_id=None):
    return OrderRef(request.client_id, request.key, request.symbol, venue_id)


def full(v, order):
    """Something of everything."""
    request = order("buy", 10)
    v.submit(request)
    v.tick({"X": 100.0})
    v.submit(order("buy", 1, kind="limit", limit=50, tif="gtc"))
    v.cash("dividend", D(1))
    return request


def queries(v, request):
    return {
        "account": v.account, "open": v.open, "positions": v.positions, "orders": v.orders,
        "order": lambda: v.order(ref(request)), "fills": lambda: v.fills(ALWAYS),
        "cash_events": lambda: v.cash_events(ALWAYS), "instruments": v.instruments,
    }  # fmt: skip


# ---- queries that fail ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "kind"), [("query_lost", "timeout"), ("query_rate_limited", "rate_limited"), ("query_failed", "server")]
)
def test_a_query_that_fails_is_unavailable(order, fault, kind):
    v = venue()
    request = full(v, order)
    v.faults = Faults(**{fault: 1}, retry_after=3)
    for ask in queries(v, request).values():
        answer = ask()
        assert isinstance(answer, Unavailable) and answer.kind == kind
        assert answer.retry_after == (3 if kind == "rate_limited" else None)


def test_a_query_raises(order):
    v = venue()
    request = full(v, order)
    v.faults = Faults(query_raises=1)
    for ask in queries(v, request).values():
        with pytest.raises((OSError, ValueError, KeyError, RuntimeError)):
            ask()


def spoiled(thing):
    """Whether it holds a quantity that is none."""
    names = ("quantity", "filled", "cash", "amount", "lot")
    return any(isinstance(value := getattr(thing, name, None), Decimal) and value.is_nan() for name in names)


def test_garbage_is_never_another_right_answer(order):
    v = venue()
    request = full(v, order)
    nouns = (Account, CashEvent, Fill, Instrument, OrderReport, Position)
    right = {name: ask() for name, ask in queries(v, request).items()}
    v.faults = Faults(query_garbage=1)
    seen = Counter()
    for _ in range(60):
        for name, ask in queries(v, request).items():
            answer = ask()
            if isinstance(answer, list):
                wrong = [thing for thing in answer if thing is None or spoiled(thing)]
                assert len(wrong) == 1 and len(answer) - (None in answer) == len(right[name])
                seen["None in a list" if None in answer else "NaN in a list"] += 1
            elif isinstance(answer, nouns):
                assert spoiled(answer)
                seen["NaN"] += 1
            else:
                assert answer is None or isinstance(answer, str | dict | int | Idle)
                seen[type(answer).__name__] += 1
    assert set(seen) == {"None in a list", "NaN in a list", "NaN", "NoneType", "str", "dict", "int", "Idle"}


# ---- lag -----------------------------------------------------------------------------------------------------------
def shown_after(v, ask, bound):
    """Seconds until `ask` changes."""
    before, waited = ask(), 0.0
    while ask() == before:
        later(v, 0.1)
        waited += 0.1
        assert waited <= bound + 0.2
    return waited


def test_an_order_is_not_found_until_its_lag_is_over(order):
    v = venue(Faults(order_lag=5))
    request = order("buy", 1)
    assert v.submit(request) == Accepted("V1")
    assert isinstance(v.order(ref(request)), NotFound)
    assert isinstance(v.order(ref(request, "V1")), NotFound)
    assert v.orders() == ()
    assert len(v.truth_working()) == 1
    assert shown_after(v, v.orders, 5) > 0.1
    assert v.order(ref(request)).venue_id == v.order(ref(request, "V1")).venue_id == "V1"


def test_an_order_is_filled_before_its_fills_are_shown(order):
    v = venue(Faults(fill_lag=5))
    request = order("buy", 10)
    v.submit(request)
    v.tick({"X": 100.0})
    assert v.order(ref(request)).state is OrderState.FILLED
    assert v.fills(ALWAYS) == ()
    shown_after(v, lambda: v.fills(ALWAYS), 5)
    assert v.fills(ALWAYS) == tuple(v.truth_fills())
    assert v.fills(ALWAYS)[0].time < NOON + timedelta(milliseconds=1)  # when it happened, not when it was shown


def test_fills_are_shown_before_their_order(order):
    v = venue(Faults(order_lag=50))
    request = order("buy", 10)
    v.submit(request)
    v.tick({"X": 100.0})
    assert isinstance(v.order(ref(request)), NotFound)
    assert [fill.key for fill in v.fills(ALWAYS)] == [request.key]


@pytest.mark.parametrize("seed", range(20))
def test_an_order_that_was_seen_filled_is_never_seen_working_again(order, seed):
    v = venue(Faults(order_lag=5), seed=seed)
    request = order("buy", 10)
    v.submit(request)
    later(v, 1)
    v.tick({"X": 100.0})
    seen = []
    for _ in range(60):
        later(v, 0.1)
        seen.append(getattr(v.order(ref(request)), "state", None))
    assert seen == sorted(seen, key=[None, OrderState.WORKING, OrderState.FILLED].index)
    assert seen[-1] is OrderState.FILLED
    assert v.orders() == ()


def test_fills_that_are_shown_in_another_order_are_listed_by_their_time(order):
    v = venue(Faults(fill_lag=5))
    for _ in range(10):
        v.submit(order("buy", 1))
        later(v, 0.1)
        v.tick({"X": 100.0})
    seen = set()
    for _ in range(60):
        later(v, 0.1)
        fills = v.fills(ALWAYS)
        assert list(fills) == sorted(fills, key=lambda fill: fill.time)
        seen.add(tuple(int(fill.venue_id[1:]) for fill in fills))
    assert any(ids != tuple(range(1, len(ids) + 1)) for ids in seen)  # holes, that are filled later
    assert v.fills(ALWAYS) == tuple(v.truth_fills())


def test_positions_and_account_lag_each_by_its_own(order):
    v = venue(Faults(position_lag=5, account_lag=3, cash_lag=2))
    v.submit(order("buy", 10))
    v.tick({"X": 100.0})
    assert (v.positions(), v.account().cash) == ((), D(100_000))
    assert (v.truth_positions(), v.truth_cash()) == ({"X": D(10)}, D(99_000))
    shown_after(v, v.positions, 5)
    later(v, 3)
    assert (v.positions(), v.account().cash) == ((Position("X", D(10), D(100)),), D(99_000))
    v.cash("fee", D(-1))
    assert (v.cash_events(ALWAYS), v.account().cash) == ((), D(99_000))
    later(v, 3)
    assert (len(v.cash_events(ALWAYS)), v.account().cash) == (1, D(98_999))


def test_a_correction_is_shown_after_its_lag(order):
    v = venue()
    v.submit(order("buy", 1))
    v.tick({"X": 100.0})
    v.faults = Faults(fill_lag=5)
    v.correct("1-1", D(99))
    assert [fill.price for fill in v.fills(ALWAYS)] == [D(100)]
    later(v, 5)
    assert [fill.price for fill in v.fills(ALWAYS)] == [D(99)]


def test_a_correction_that_is_shown_before_what_it_corrects_stays(order):
    v = venue(Faults(fill_lag=50))
    v.submit(order("buy", 1))
    v.tick({"X": 100.0})
    v.heal()
    v.correct("1-1", D(99))
    later(v, 100)
    assert [fill.price for fill in v.fills(ALWAYS)] == [D(99)]


def test_a_renamed_order_is_found_by_its_old_id_until_the_lag_is_over(order):
    v = venue()
    request = order("buy", 1)
    v.submit(request)
    v.faults = Faults(order_lag=5)
    v.rename("V1")
    assert v.order(ref(request, "V1")).venue_id == "V1"
    later(v, 5)
    assert isinstance(v.order(ref(request, "V1")), NotFound)
    assert v.order(ref(request)).venue_id == "V1-2"


def test_a_key_finds_its_newest_order_also_when_an_older_one_is_shown_later(order):
    v = venue(Faults(order_lag=50), ids="none")
    request = order("buy", 1)
    v.submit(request)
    v.heal()
    v.submit(request)
    assert v.order(ref(request)).venue_id == "V2"
    later(v, 50)
    assert v.order(ref(request)).venue_id == "V2"
    assert [report.venue_id for report in v.orders()] == ["V1", "V2"]


def test_what_is_due_happens_in_its_order_up_to_now_and_also_what_it_brings_about():
    agenda, done = Agenda(), []
    agenda.at(NOON, done.append, "second")
    agenda.at(NOON - timedelta(seconds=1), done.append, "first")
    agenda.at(NOON, lambda: agenda.at(NOON, done.append, "third"))
    agenda.at(NOON + timedelta(microseconds=1), done.append, "not yet")
    agenda.run(NOON)
    assert (done, len(agenda)) == (["first", "second", "third"], 1)


def test_after_the_horizon_every_query_shows_the_truth(order):
    v = venue(Faults(submit_late=1, order_lag=3, fill_lag=4, position_lag=2, account_lag=1))
    for _ in range(20):
        v.submit(order("buy", 1))
        later(v, 0.5)
        v.tick({"X": 100.0})
    v.heal()
    later(v, v.horizon_seconds)
    v.tick({"X": 100.0})
    assert {p.symbol: p.quantity for p in v.positions()} == v.truth_positions() == {"X": D(20)}
    assert v.fills(ALWAYS) == tuple(v.truth_fills())
    assert v.account().cash == v.truth_cash()
    assert v.orders() == ()


# ---- the stream ----------------------------------------------------------------------------------------------------
def drain(stream):
    """What is on it by now, without the pauses."""
    found = []
    while not isinstance(item := next(stream), Idle):
        found.append(item)
    return found


def traded(v, order, times=1):
    for _ in range(times):
        v.submit(order("buy", 1))
        v.tick({"X": 100.0})


def test_the_stream_begins_with_a_reset_and_carries_orders_and_the_same_executions_as_the_queries(order):
    v = venue()
    traded(v, order)
    stream = v.stream_orders()
    assert drain(stream) == [Reset("connected")]  # what was before is for the queries
    traded(v, order)
    sent, fill, filled = drain(stream)
    assert (sent.state, filled.state) == (OrderState.WORKING, OrderState.FILLED)
    assert fill == v.fills(ALWAYS)[1]
    v.correct(fill.execution_id, D(99))
    assert [(item.execution_id, item.price) for item in drain(stream)] == [("2-1", D(99))]


def test_a_quiet_stream_is_idle_for_a_second_at_most():
    v = venue()
    stream = v.stream_orders()
    assert next(stream) == Reset("connected")
    assert next(stream) == next(stream) == Idle(1.0)


def test_the_pause_is_left_to_whoever_waits(order):
    waited = []
    v = venue(Faults(stream_lag=0.5), idle=waited.append)
    stream = v.stream_orders()
    next(stream)
    v.submit(order("buy", 1))
    next(stream)
    next(stream)
    assert len(waited) == 2
    assert 0 < waited[0] < 0.5


def test_a_stream_is_later_than_the_event_and_keeps_its_order(order):
    v = venue(Faults(stream_lag=2))
    stream = v.stream_orders()
    next(stream)
    traded(v, order, 5)
    assert drain(stream) == []
    later(v, 2)
    items = drain(stream)
    assert len(items) == 15
    assert [item.venue_id for item in items] == [f"V{n}" for n in range(1, 6) for _ in range(3)]


def test_events_are_dropped_doubled_and_reordered(order):
    v = venue(Faults(stream_dropped=1))
    stream = v.stream_orders()
    next(stream)
    traded(v, order)
    assert drain(stream) == []
    v.faults = Faults(stream_duplicated=1)
    traded(v, order)
    items = drain(stream)
    assert len(items) == 6
    assert items[0::2] == items[1::2]
    v.faults = Faults(stream_reordered=0.5, stream_seconds=5)
    for _ in range(20):
        traded(v, order)
        later(v, 0.1)
    later(v, 5)
    ids = [int(item.venue_id[1:]) for item in drain(stream)]
    assert len(ids) == 60
    assert ids != sorted(ids)


def test_a_cut_loses_what_happens_meanwhile_and_ends_with_a_reset(order):
    v = venue()
    stream = v.stream_orders()
    next(stream)
    traded(v, order)
    v.disconnect(5)
    traded(v, order)
    assert drain(stream) == []
    second = v.stream_orders()
    assert drain(second) == []  # who connects meanwhile waits
    later(v, 5)
    assert drain(stream) == drain(second) == [Reset("connected")]
    traded(v, order)
    assert len(drain(stream)) == 3


def test_a_cut_by_chance_takes_the_event_with_it(order):
    v = venue(Faults(stream_cut=1, stream_seconds=5))
    stream = v.stream_orders()
    next(stream)
    v.submit(order("buy", 1))
    v.faults = Faults()
    assert drain(stream) == []
    later(v, 5)
    assert drain(stream) == [Reset("connected")]


def test_a_mute_stream_stays_connected_and_carries_nothing(order):
    v = venue()
    stream = v.stream_orders()
    next(stream)
    v.mute(5)
    traded(v, order)
    assert drain(stream) == []
    later(v, 5)
    assert drain(stream) == []  # no word of what was missed
    traded(v, order)
    assert len(drain(stream)) == 3
    v.faults = Faults(stream_muted=1)
    traded(v, order)
    v.heal()
    assert drain(stream) == []
    traded(v, order)
    assert len(drain(stream)) == 3


def test_maintenance_breaks_the_streams_and_healing_brings_them_back(order):
    v = venue()
    stream = v.stream_orders()
    next(stream)
    v.maintenance(60)
    assert drain(stream) == []
    v.manual_trade("X", Side.BUY, D(1))
    v.heal()
    assert drain(stream) == [Reset("connected")]


def test_closing_ends_the_streams_and_the_venue_goes_on(order):
    v = venue()
    stream = v.stream_orders()
    next(stream)
    v.close()
    v.close()
    assert list(stream) == []
    assert isinstance(v.submit(order("buy", 1)), Accepted)
    assert next(v.stream_orders()) == Reset("connected")


# ---- clients -------------------------------------------------------------------------------------------------------
def test_the_venue_and_its_clients_speak_the_broker_protocols():
    v = venue()
    for broker in (v, v.connect()):
        assert all(isinstance(broker, each) for each in (Broker, HasCashEvents, HasCancelAll, HasOrderStream))
    assert not isinstance(v.connect(), NeedsBars)  # its bars are the keeper's, not the session's


def test_clients_share_the_account_and_close_their_own_streams(order):
    v = venue()
    one, two = v.connect(), v.connect()
    streams = [one.stream_orders(), two.stream_orders()]
    assert [next(stream) for stream in streams] == [Reset("connected")] * 2
    request = order("buy", 1)
    assert one.key(request.client_id) == request.key
    assert one.submit(request) == Accepted("V1")
    assert two.order(ref(request)) == one.order(ref(request))
    one.close()
    assert list(streams[0]) == []
    assert len(drain(streams[1])) == 1
    assert two.cancel(ref(request)) == Accepted("V1")
    assert (two.orders(), two.cancel_all()) == ((), Accepted())
    assert two.open() == one.account() == v.account()
    assert two.instruments(["X"]) == (Instrument("X"),)
    assert two.positions() == two.fills(ALWAYS) == two.cash_events(ALWAYS) == ()
