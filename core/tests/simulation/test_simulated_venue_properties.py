"""What holds for every sequence of orders and bars."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trader.model import Bars, Instrument, OrderRef, OrderRequest, OrderState, OrderType, Purpose, Side, TimeInForce
from trader.simulation import Fraction, NoFee, Percentage, PerOrder, PerShare, SimulatedVenue, Terms

D = Decimal
SYMBOLS = ("A", "B", "F")
RULES = {
    "A": Instrument("A"),
    "B": Instrument("B", tick=D("0.001"), lot=D("0.01")),
    "F": Instrument("F", tick=D("0.25"), multiplier=D(5), settlement="margin"),
}
DAY0 = datetime(2024, 1, 1, tzinfo=UTC)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
FEES = [NoFee(), PerShare(D("0.01"), D(1)), Percentage(D("0.0015")), PerOrder(D("0.7"))]


@st.composite
def requests(draw, symbols):
    symbol = draw(st.sampled_from(symbols))
    kind = draw(st.sampled_from(list(OrderType)))
    rules = RULES[symbol]
    stops = kind in (OrderType.STOP, OrderType.STOP_LIMIT)
    tif = draw(st.sampled_from([TimeInForce.DAY, TimeInForce.GTC] if stops else list(TimeInForce)))

    def price(wanted):
        return draw(st.integers(70, 130)) * rules.tick * 100 if wanted else None

    limit = price(kind in (OrderType.LIMIT, OrderType.STOP_LIMIT))
    return (
        symbol, draw(st.sampled_from(list(Side))), draw(st.integers(1, 400)) * rules.lot, kind, tif,
        limit, price(stops), draw(st.booleans()) and draw(st.booleans()),
    )  # fmt: skip


BASE = {"A": 100.0, "B": 10.0, "F": 2500.0}


@st.composite
def rows(draw):
    found = []
    for symbol in SYMBOLS:
        if draw(st.integers(0, 9)) == 0:
            found.append((np.nan,) * 5)
            continue
        o, c, up, down = (draw(st.floats(0.7, 1.3)) for _ in range(4))
        o, c = o * BASE[symbol], c * BASE[symbol]
        high, low = max(o, c) * max(up, 1), min(o, c) * min(down, 1)
        found.append((o, high, low, c, float(draw(st.sampled_from([0, 50, 1000, 100_000])))))
    return np.array(found).T


STORY = st.lists(st.tuples(st.lists(requests(("A", "B")), max_size=5), rows(), st.integers(0, 9)), max_size=12)
WIDE = st.lists(st.tuples(st.lists(requests(SYMBOLS), max_size=5), rows(), st.integers(0, 9)), max_size=12)


def bar(n, row):
    start = np.array([np.datetime64("2024-01-01", "ns") + np.timedelta64(n, "D")])
    return Bars(SYMBOLS, "1d", start, start + np.timedelta64(1, "D"), *(column[None, :] for column in row))


def fresh(fee, *, recorded=False, **terms):
    terms = Terms(fee=fee, slippage=Fraction(7.0), participation=0.2, **terms)
    return SimulatedVenue(D(20_000), terms=terms, instruments=RULES.values(), recorded=recorded)


def play(venue, story, each=lambda venue: venue):
    """Orders of step n are decided when bar n - 1 ended; `each` may swap the venue after every call."""
    sent = {}
    for n, (orders, row, chance) in enumerate(story):
        at = DAY0 + timedelta(days=n)
        for i, (symbol, side, quantity, kind, tif, limit, stop, reduce_only) in enumerate(orders):
            key = f"{n}-{i}"
            request = OrderRequest(
                key, key, "main", symbol, side, quantity, kind, tif, limit, stop, reduce_only, Purpose.MANUAL, D(1), at
            )
            sent[key] = request
            venue.submit(request)
            venue = each(venue)
        if chance == 0 and sent:
            venue.cancel(OrderRef("", next(iter(sent)), "A"))
            venue = each(venue)
        venue.on_bars(bar(n, row))
        venue = each(venue)
    return venue, sent


def picture(venue):
    return venue.account(), venue.positions(), venue.orders(), list(venue.fills(ALWAYS))


def closing(story):
    """Last closes; None where there never was a bar."""
    marks = dict.fromkeys(SYMBOLS)
    for _, row, _ in story:
        for symbol, close in zip(SYMBOLS, row[3], strict=True):
            if close > 0:
                marks[symbol] = D(repr(float(close)))
    return marks


@settings(max_examples=60, deadline=None)
@given(STORY, st.sampled_from(FEES))
def test_books_close_exactly_and_cash_is_never_negative(story, fee):
    venue, _ = play(fresh(fee), story, lambda v: v if v.account().cash >= 0 else pytest.fail("negative cash"))
    cash, held = D(20_000), dict.fromkeys(SYMBOLS, D(0))
    for fill in venue.fills(ALWAYS):
        cash -= fill.side.sign * fill.quantity * fill.price + fill.fee
        held[fill.symbol] += fill.side.sign * fill.quantity
        assert cash >= 0
        assert held[fill.symbol] >= 0
    marks = closing(story)
    account = venue.account()
    assert account.cash == cash
    assert account.equity == cash + sum(held[s] * marks[s] for s in SYMBOLS if held[s])
    assert {p.symbol: p.quantity for p in venue.positions()} == {s: q for s, q in held.items() if q}


@settings(max_examples=50, deadline=None)
@given(WIDE, st.sampled_from(FEES))
def test_a_levered_account_closes_its_books_too(story, fee):
    venue, _ = play(fresh(fee, shorting=True, leverage=D(3)), story)
    paid, held = D(20_000), dict.fromkeys(SYMBOLS, D(0))
    for fill in venue.fills(ALWAYS):
        signed = fill.side.sign * fill.quantity
        paid -= signed * fill.price * RULES[fill.symbol].multiplier + fill.fee
        held[fill.symbol] += signed
    marks = closing(story)
    worth = sum(held[s] * marks[s] * RULES[s].multiplier for s in SYMBOLS if held[s])
    assert abs(venue.account().equity - (paid + worth)) <= D("1e-17")


@settings(max_examples=60, deadline=None)
@given(WIDE, st.sampled_from(FEES), st.booleans())
def test_no_fill_at_or_before_its_decision_none_over_its_quantity_none_beyond_its_limit(story, fee, shorting):
    venue, sent = play(fresh(fee, shorting=shorting), story)
    filled = dict.fromkeys(sent, D(0))
    found = list(venue.fills(ALWAYS))
    for fill in found:
        request = sent[fill.key]
        assert fill.time > request.decided_at
        assert fill.price % RULES[fill.symbol].tick == 0
        assert fill.quantity > 0
        assert fill.quantity % RULES[fill.symbol].lot == 0
        if request.limit_price is not None:
            assert (fill.price - request.limit_price) * fill.side.sign <= 0
        filled[fill.key] += fill.quantity
    assert found == sorted(found, key=lambda fill: fill.time)
    assert len({fill.execution_id for fill in found}) == len(found)
    for key, request in sent.items():
        report = venue.order(OrderRef("", key, request.symbol))
        shown = getattr(report, "filled", D(0))
        assert shown == filled[key] <= request.quantity
        assert (getattr(report, "state", None) is OrderState.FILLED) is (filled[key] == request.quantity)


@settings(max_examples=60, deadline=None)
@given(WIDE, st.sampled_from(FEES), st.booleans())
def test_the_same_story_gives_the_same_account(story, fee, shorting):
    first, _ = play(fresh(fee, shorting=shorting), story)
    again, _ = play(fresh(fee, shorting=shorting), story)
    assert picture(first) == picture(again)


@settings(max_examples=60, deadline=None)
@given(WIDE, st.sampled_from(FEES), st.booleans())
def test_a_venue_restored_after_every_call_has_the_same_future(story, fee, shorting):
    orders, fills, events, account = {}, [], [], None

    def restored(venue):
        nonlocal account
        changes = venue.changes()
        orders.update({row.seq: row for row in changes.orders})
        fills.extend(changes.fills)
        events.extend(changes.events)
        account = changes.account or account
        copy = fresh(fee, shorting=shorting, recorded=True)
        copy.restore(account, [orders[seq] for seq in sorted(orders)], fills, events)
        assert picture(copy) == picture(venue)
        return copy

    through, _ = play(fresh(fee, shorting=shorting), story)
    reopened, _ = play(fresh(fee, shorting=shorting, recorded=True), story, restored)
    assert picture(through) == picture(reopened)


@st.composite
def market_orders(draw):
    """Mostly what the short way of the matcher takes; quantities that at times are more than cash or volume carry."""
    symbol, side = draw(st.sampled_from(("A", "B"))), draw(st.sampled_from([Side.BUY, Side.BUY, Side.SELL]))
    quantity = draw(st.integers(1, 60)) * (RULES[symbol].lot if draw(st.booleans()) else D(1))
    return symbol, side, quantity, OrderType.MARKET, draw(st.sampled_from(list(TimeInForce))), None, None, False


PLAIN = st.lists(
    st.tuples(st.lists(market_orders() | requests(("A", "B")), max_size=8), rows(), st.integers(0, 9)), max_size=8
)


def general(venue):
    """The same venue, each order met by the general rules."""

    def open_plain(orders, row, time):
        for order in orders:
            venue._matcher._meet_open(order, row, time)

    venue._matcher._open_plain = open_plain
    return venue


class Same:
    """A fee that the venue does not know: asked in Decimal each time."""

    def __init__(self, fee):
        self.due = fee.due


@settings(max_examples=60, deadline=None)
@given(PLAIN, st.sampled_from(FEES), st.sampled_from([0.2, 1.0]))
def test_the_short_way_of_plain_market_orders_gives_what_the_general_rules_give(story, fee, participation):
    def venue(fee):
        terms = Terms(fee=fee, participation=participation)
        return SimulatedVenue(D(20_000), terms=terms, instruments=RULES.values(), recorded=True)

    seen = []
    for start in (venue(fee), general(venue(fee)), general(venue(Same(fee)))):
        steps = []
        _, sent = play(start, story, lambda v, steps=steps: steps.append((v.changes(), picture(v))) or v)
        reports = [start.order(OrderRef("", key, request.symbol)) for key, request in sent.items()]
        seen.append((steps, reports, start._tickets.sells, list(start._tickets.working)))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][2] == sum(report.side is Side.SELL for report in start.orders())


def test_a_plain_market_buy_that_cash_pays_for_but_not_its_fee_is_cut_by_the_general_rules():
    venue = SimulatedVenue(D(1000), terms=Terms(fee=PerOrder(D("0.7"))), instruments=RULES.values())
    row = np.array([(100.0, 100.0, 100.0, 100.0, 1e6)] + [(np.nan,) * 5] * 2).T
    play(venue, [([("A", Side.BUY, D(10), OrderType.MARKET, TimeInForce.DAY, None, None, False)], row, 1)])
    (fill,) = venue.fills(ALWAYS)
    assert (fill.quantity, fill.fee, venue.account().cash) == (D(9), D("0.7"), D("99.3"))
    assert venue.order(OrderRef("", "0-0", "A")).state is OrderState.CANCELED
