"""What holds at a faulty venue for every sequence of calls, bars and misfortunes."""

from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trader.clock import VirtualClock
from trader.errors import DataError
from trader.model import (
    Instrument,
    OrderRef,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
    Unavailable,
)
from trader.simulation import Faults, FaultyVenue, Percentage, SimulatedVenue, Terms

D = Decimal
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
RULES = (
    Instrument("X"),
    Instrument("A/B", tick=D("0.001"), lot=D("0.01")),
    Instrument("F", tick=D("0.25"), multiplier=D(5), settlement="margin"),
)
SYMBOLS = tuple(rules.symbol for rules in RULES)
PROFILES = {
    "fees in cash": ({"terms": Terms(fee=Percentage(D("0.0015")), participation=0.5)}, {}),
    "fees in kind": ({"terms": Terms(participation=0.5)}, {"base_fee": D("0.0013")}),
    "levered": ({"terms": Terms(fee=Percentage(D("0.001")), shorting=True, leverage=D(4))}, {}),
}
CHANCES = [field.name for field in fields(Faults) if not field.name.endswith(("_seconds", "_lag", "_after"))]
LAGS = [field.name for field in fields(Faults) if field.name.endswith("_lag")]


@st.composite
def fault_profiles(draw):
    chosen = draw(st.sets(st.sampled_from(CHANCES), max_size=6))
    lags = draw(st.sets(st.sampled_from(LAGS), max_size=3))
    return Faults(**dict.fromkeys(chosen, 0.16), **dict.fromkeys(lags, 4.0), late_seconds=draw(st.floats(0, 9)))


def story(seed, length):
    """`length` operations drawn by their weights; a shorter story of the same seed is the beginning of a longer one."""
    rng = Random(seed)
    pick, number = rng.choice, lambda: rng.randrange(30)
    side = lambda: pick([Side.BUY, Side.BUY, Side.SELL])  # noqa: E731
    kinds = {
        "submit": (20, lambda: (number(), pick(SYMBOLS), side(), rng.randint(1, 99), rng.random() < 0.7)),
        "tick": (12, lambda: (rng.randint(80, 120), pick([50, 1000, float("nan")]))),
        "wait": (8, lambda: (pick([0.5, 0.5, 3, 20, 90_000]),)),
        "cancel": (4, lambda: (number(),)),
        "cancel_all": (1, tuple),
        "ask": (6, tuple),
        "manual_trade": (2, lambda: (pick(SYMBOLS), side(), rng.randint(1, 30))),
        "manual_cancel": (1, lambda: (number(),)),
        "rename": (2, lambda: (number(),)),
        "split": (2, lambda: (pick(SYMBOLS), pick(["2", "1.5", "0.1", "3"]))),
        "cash": (2, lambda: (pick(["dividend", "fee"]), rng.randint(-500, 500))),
        "correct": (3, lambda: (number(), rng.randint(80, 120))),
        "maintenance": (1, lambda: (pick([1, 10]),)),
        "heal": (1, tuple),
    }
    names, weights = list(kinds), [weight for weight, _ in kinds.values()]
    return [(name, *kinds[name][1]()) for name in (rng.choices(names, weights)[0] for _ in range(length))]


STORIES = st.builds(story, st.integers(0, 2**32), st.integers(0, 150))


class Story:
    """Plays operations on one venue; keeps every answer."""

    def __init__(self, profile, ids, seed, faults):
        inner, outer = PROFILES[profile]
        self.clock = VirtualClock(NOON)
        simulated = SimulatedVenue(D(50_000), instruments=RULES, **inner)
        expiry = 4.0 if ids == "open_only" else None
        self.venue = FaultyVenue(
            simulated, clock=self.clock, seed=seed, faults=faults, ids=ids, expiry_seconds=expiry, **outer
        )
        self.stream = self.venue.stream_orders()
        self.answers = []

    def play(self, operations, check=lambda story: None):
        for name, *arguments in operations:
            try:
                answer = getattr(self, name)(*arguments)
            except (OSError, ValueError, KeyError, RuntimeError, DataError) as error:
                answer = error
            self.answers.append(repr(answer))
            check(self)
        return self

    def submit(self, key, symbol, side, lots, market):
        rules = RULES[SYMBOLS.index(symbol)]
        kind, limit = (OrderType.MARKET, None) if market else (OrderType.LIMIT, D(100))
        return self.venue.submit(
            OrderRequest(
                f"k{key}", f"k{key}", "main", symbol, side, lots * rules.lot, kind, TimeInForce.DAY, limit, None,
                False, Purpose.REBALANCE, D(100), self.clock.now(),
            )
        )  # fmt: skip

    def tick(self, price, volume):
        self.venue.tick(dict.fromkeys(SYMBOLS, float(price)), volume)

    def wait(self, seconds):
        self.clock.advance(seconds)

    def cancel(self, key):
        return self.venue.cancel(OrderRef("", f"k{key}", "X"))

    def cancel_all(self):
        return self.venue.cancel_all()

    def ask(self):
        v = self.venue
        return [
            v.account(), v.positions(), v.orders(), v.fills(ALWAYS), v.cash_events(ALWAYS),
            v.order(OrderRef("", "k1", "X")), next(self.stream), next(self.stream),
        ]  # fmt: skip

    def manual_trade(self, symbol, side, lots):
        return self.venue.manual_trade(symbol, side, lots * RULES[SYMBOLS.index(symbol)].lot)

    def manual_cancel(self, number):
        return self.venue.manual_cancel(self.known(number))

    def rename(self, number):
        return self.venue.rename(self.known(number))

    def known(self, number):
        taken = self.venue.accepted
        return taken[number % len(taken)].venue_id if taken else "V0"

    def split(self, symbol, ratio):
        return self.venue.split(symbol, D(ratio))

    def cash(self, kind, cents):
        return self.venue.cash(kind, D(cents) / 100)

    def correct(self, number, price):
        fills = self.venue.truth_fills()
        return self.venue.correct(fills[number % len(fills)].execution_id, D(price)) if fills else None

    def maintenance(self, seconds):
        self.venue.maintenance(seconds)

    def heal(self):
        self.venue.heal()


def by_hand(venue):
    """Positions and cash from nothing but the facts, by the book of a person with a pencil."""
    held, average = dict.fromkeys(SYMBOLS, D(0)), dict.fromkeys(SYMBOLS, D(0))
    cash = D(50_000) + sum((event.amount for event in venue.truth_events()), D(0))
    splits = list(venue.splits)
    for number, fill in enumerate([*venue.truth_fills(), None]):
        while splits and splits[0].fills == number:
            split = splits.pop(0)
            held[split.symbol] *= split.ratio
        if fill is None:
            break
        signed, rules = fill.side.sign * fill.quantity, RULES[SYMBOLS.index(fill.symbol)]
        before = held[fill.symbol]
        if rules.settlement == "cash":
            cash -= signed * fill.price * rules.multiplier
        elif before * signed >= 0:
            average[fill.symbol] = (average[fill.symbol] * before + fill.price * signed) / (before + signed)
        else:
            closed = before if abs(signed) >= abs(before) else -signed
            cash += (fill.price - average[fill.symbol]) * closed * rules.multiplier
            average[fill.symbol] = fill.price if abs(signed) > abs(before) else average[fill.symbol]
        held[fill.symbol] += signed
        if fill.fee_currency == "USD":
            cash -= fill.fee
        else:
            held[fill.symbol] -= fill.fee
    return {symbol: quantity for symbol, quantity in held.items() if quantity}, cash


def closes(story):
    with localcontext(prec=60):
        positions, cash = by_hand(story.venue)
        assert story.venue.truth_positions() == positions
        assert abs(story.venue.truth_cash() - cash) < D("1e-12")


@settings(max_examples=60, deadline=None)
@given(STORIES, st.sampled_from(sorted(PROFILES)), st.sampled_from(["forever", "open_only", "none"]), fault_profiles())
def test_the_books_close_after_every_operation(operations, profile, ids, faults):
    story = Story(profile, ids, 3, faults).play(operations, closes)
    filled = Counter()
    for fill in story.venue.truth_fills():
        filled[fill.execution_id.split("-")[0]] += fill.quantity
    for taken in story.venue.accepted:
        assert taken.report.filled == filled[str(taken.number + 1)] <= taken.order.quantity
    working = {report.venue_id for report in story.venue.truth_working()}
    assert working == {o.venue_id for o in story.venue.accepted if o.report.state is OrderState.WORKING}


@settings(max_examples=60, deadline=None)
@given(STORIES, st.sampled_from(["forever", "open_only", "none"]), fault_profiles())
def test_keys_are_what_the_policy_says_and_no_order_comes_from_nowhere(operations, ids, faults):
    def open_keys(story):
        keys = Counter(report.key for report in story.venue.truth_working())
        assert ids == "none" or all(count == 1 for count in keys.values())

    venue = Story("fees in cash", ids, 5, faults).play(operations, open_keys).venue
    ours = [taken for taken in venue.accepted if not taken.external]
    keys = Counter(taken.key for taken in ours)
    if ids == "forever":
        assert all(count == 1 for count in keys.values())
    asked = [request for request in venue.requests if request.fate == "accepted"]
    assert Counter(request.key for request in asked) == keys
    by_number = {taken.number: taken for taken in ours}
    for request in asked:
        taken = by_number[int(request.venue_id[1:]) - 1]
        late = (taken.moment - request.moment).total_seconds()
        assert taken.order is request.order and 0 <= late <= venue.late_seconds


@settings(max_examples=60, deadline=None)
@given(STORIES, st.sampled_from(sorted(PROFILES)), fault_profiles())
def test_healed_and_after_the_horizon_every_query_shows_the_truth(operations, profile, faults):
    story = Story(profile, "forever", 7, faults).play(operations)
    venue = story.venue
    venue.heal()
    story.wait(venue.horizon_seconds)
    assert {position.symbol: position.quantity for position in venue.positions()} == venue.truth_positions()
    assert venue.fills(ALWAYS) == tuple(venue.truth_fills())
    assert venue.cash_events(ALWAYS) == tuple(venue.truth_events())
    assert list(venue.orders()) == venue.truth_working()
    assert venue.account().cash == venue.truth_cash()
    assert venue.account().equity == venue.truth_account().equity
    for taken in venue.accepted:
        assert venue.order(OrderRef("", "", "", taken.venue_id)) == taken.report
    assert not isinstance(venue.account(), Unavailable)


@settings(max_examples=40, deadline=None)
@given(STORIES, st.sampled_from(sorted(PROFILES)), fault_profiles(), st.integers(0, 99))
def test_the_same_seed_and_the_same_calls_give_the_same_answers(operations, profile, faults, seed):
    one, two = (Story(profile, "open_only", seed, faults).play(operations) for _ in range(2))
    assert one.answers == two.answers
    assert list(map(repr, one.venue.accepted)) == list(map(repr, two.venue.accepted))


def test_another_seed_gives_other_answers():
    faults = Faults(submit_lost=0.5)
    operations = [("submit", n, "X", Side.BUY, 1, True) for n in range(30)]
    assert (
        len({tuple(Story("fees in cash", "forever", seed, faults).play(operations).answers) for seed in range(5)}) == 5
    )


def test_time_that_is_set_back_does_not_undo_what_happened():
    story = Story("fees in cash", "forever", 1, Faults(submit_late=1))
    story.play([("submit", 1, "X", Side.BUY, 1, True), ("wait", 5), ("ask",)])
    story.clock._now = NOON - timedelta(hours=1)
    assert len(story.venue.orders()) == 1
    story.play([("submit", 2, "X", Side.BUY, 1, True)])
    assert story.venue.requests[1].moment == NOON + timedelta(seconds=5)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_history_of_a_hundred_orders_leaves_no_pending_work(profile):
    story = Story(profile, "forever", 2, Faults(submit_late=0.2, order_lag=2, fill_lag=2, position_lag=2))
    for n in range(100):
        story.play(
            [("submit", n, SYMBOLS[n % 3], Side.BUY, 1, True), ("wait", 3), ("tick", 100, float("nan")), ("ask",)]
        )
    story.play([("heal",), ("wait", 20), ("ask",)], closes)
    assert len(story.venue._agenda) == 0
    assert len(story.venue.accepted) == 100
