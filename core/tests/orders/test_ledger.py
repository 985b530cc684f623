"""Fills and cash events to positions and cash, against a naive account of lots in exact arithmetic."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trader.model import CashEvent, Fill, Instrument, Side
from trader.orders.journal import fact_key
from trader.orders.ledger import Ledger

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)
RULES = {
    "STOCK": Instrument("STOCK"),
    "FUTURE": Instrument("FUTURE", multiplier=Decimal(50), settlement="margin"),
    "OPTION": Instrument("OPTION", multiplier=Decimal(100)),
    "COIN": Instrument("COIN", lot=Decimal("0.001"), settlement="margin"),
}
fills = st.lists(
    st.builds(
        lambda symbol, side, quantity, price, fee: (symbol, side, quantity, price, fee),
        st.sampled_from(sorted(RULES)),
        st.sampled_from(list(Side)),
        st.integers(1, 50_000).map(lambda n: Decimal(n) / 1000),
        st.integers(1, 1_000_000).map(lambda n: Decimal(n) / 100),
        st.integers(0, 500).map(lambda n: Decimal(n) / 100),
    ),
    max_size=25,
)


class Naive:
    """Average-price book-keeping in fractions: no rounding anywhere."""

    def __init__(self, cash):
        self.cash = Fraction(cash)
        self.held = {}

    def book(self, symbol, side, quantity, price, fee):
        rules = RULES[symbol]
        many, signed, price = Fraction(rules.multiplier), Fraction(quantity) * side.sign, Fraction(price)
        held, average = self.held.get(symbol, (Fraction(0), Fraction(0)))
        closing = min(abs(held), abs(signed)) if held * signed < 0 else Fraction(0)
        profit = (price - average) * closing * (1 if held > 0 else -1) * many
        after = held + signed
        if after == 0:
            average = Fraction(0)
        elif held == 0 or held * after < 0:
            average = price
        elif closing == 0:
            average = (average * abs(held) + price * abs(signed)) / abs(after)
        self.held[symbol] = (after, average)
        self.cash += (profit if rules.settlement == "margin" else -signed * price * many) - Fraction(fee)

    def equity(self, marks):
        total = self.cash
        for symbol, (held, average) in self.held.items():
            basis = average if RULES[symbol].settlement == "margin" else 0
            total += held * (Fraction(marks[symbol]) - basis) * Fraction(RULES[symbol].multiplier)
        return total


def booked(facts, cash="100000"):
    ledger, naive = Ledger("USD", Decimal(cash)), Naive(cash)
    for number, (symbol, side, quantity, price, fee) in enumerate(facts):
        fill = Fill(f"e{number}", "k", "v", symbol, side, quantity, price, fee, NOON)
        assert ledger.after_fill(fill, None, RULES[symbol]) is not None
        naive.book(symbol, side, quantity, price, fee)
    return ledger, naive


@settings(max_examples=200, deadline=None)
@given(fills)
def test_quantities_and_cash_are_what_a_naive_book_keeper_finds(facts):
    ledger, naive = booked(facts)
    assert {s: h.quantity for s, h in ledger.holdings.items()} == {s: held for s, (held, _) in naive.held.items()}
    for symbol, (held, average) in naive.held.items():
        assert abs(Fraction(ledger.holdings[symbol].price) - average) < Fraction(1, 10**18)
        assert (ledger.holdings[symbol].entry_time is None) == (held == 0)
    assert abs(Fraction(ledger.cash) - naive.cash) < Fraction(1, 10**12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 500), st.integers(1, 10**6), st.integers(0, 99))))
def test_cash_settled_books_close_exactly(facts):
    rows = [("STOCK", side, Decimal(q), Decimal(p) / 100, Decimal(f) / 100) for side, q, p, f in facts]
    ledger, naive = booked(rows)
    assert Fraction(ledger.cash) == naive.cash
    assert Fraction(ledger.equity({"STOCK": Decimal("12.34")}, RULES)) == naive.equity({"STOCK": "12.34"})


@settings(max_examples=100, deadline=None)
@given(fills)
def test_equity_is_cash_and_what_is_held_at_the_marks(facts):
    ledger, naive = booked(facts)
    marks = {symbol: Decimal("123.45") for symbol in RULES}
    assert abs(Fraction(ledger.equity(marks, RULES)) - naive.equity(marks)) < Fraction(1, 10**10)


@settings(max_examples=60, deadline=None)
@given(fills, st.data())
def test_F26_a_fact_that_comes_again_changes_nothing(facts, data):
    once, _ = booked(facts)
    again = Ledger("USD", Decimal(100_000))
    seen = []
    for number, (symbol, side, quantity, price, fee) in enumerate(facts):
        fill = Fill(f"e{number}", "k", "v", symbol, side, quantity, price, fee, NOON)
        again.after_fill(fill, None, RULES[symbol])
        seen.append((fill, symbol))
        old, of = data.draw(st.sampled_from(seen))
        assert again.after_fill(old, None, RULES[of]) is None
    assert again.cash == once.cash and again.holdings == once.holdings


def test_F29_the_same_execution_id_in_another_symbol_is_another_fact(fill):
    ledger = Ledger("USD", Decimal(1_000))
    assert ledger.after_fill(fill("e1", symbol="X"), None, Instrument("X")) is not None
    assert ledger.after_fill(fill("e1", symbol="Y"), None, Instrument("Y")) is not None
    assert fact_key(fill("e1", symbol="X")) != fact_key(fill("e1", symbol="Y"))


def test_a_flip_closes_at_the_average_and_opens_at_the_price(fill):
    ledger, rules = Ledger("USD", Decimal(10_000)), Instrument("X")
    ledger.after_fill(fill("e1", "buy", 100, 10), None, rules)
    ledger.after_fill(fill("e2", "buy", 100, 20), None, rules)
    booking = ledger.after_fill(fill("e3", "sell", 250, 18, minutes=5), "o9", rules)
    held = booking.holding
    assert (held.quantity, held.price, held.realized) == (-50, 18, 200 * 3)
    assert held.entry_time == fill("e3", minutes=5).time and booking.client_id == "o9"
    assert booking.cash == ledger.cash == Decimal(10_000 - 1_000 - 2_000 + 250 * 18)


def test_the_entry_time_is_that_of_the_first_fill_since_flat(fill):
    ledger, rules = Ledger("USD", Decimal(0)), Instrument("X")
    times = []
    for number, (side, quantity) in enumerate([("buy", 1), ("buy", 1), ("sell", 1), ("sell", 1), ("buy", 1)]):
        times.append(
            ledger.after_fill(fill(f"e{number}", side, quantity, 10, minutes=number), None, rules).holding.entry_time
        )
    assert [time and time.minute for time in times] == [0, 0, 0, None, 4]


def test_margin_settled_cash_moves_by_profit_only(fill):
    ledger, rules = Ledger("USD", Decimal(10_000)), RULES["FUTURE"]
    ledger.after_fill(fill("e1", "sell", 2, 100, symbol="FUTURE", fee="2.50"), None, rules)
    assert ledger.cash == Decimal("9997.50")
    assert ledger.equity({"FUTURE": Decimal(99)}, RULES) == Decimal("10097.50")
    ledger.after_fill(fill("e2", "buy", 1, 98, symbol="FUTURE", fee="2.50"), None, rules)
    assert ledger.cash == Decimal("9995.00") + 2 * 50


def test_a_fee_in_another_currency_does_not_move_this_cash(fill):
    ledger = Ledger("USD", Decimal(1_000))
    ledger.after_fill(fill("e1", "buy", 1, 10, fee=3, fee_currency="BNB"), None, Instrument("X"))
    ledger.after_fill(fill("e2", "buy", 1, 10, fee=3, fee_currency="USD"), None, Instrument("X"))
    assert ledger.cash == 1_000 - 10 - 10 - 3


def test_cash_events_are_booked_once_and_only_in_the_books_currency():
    ledger = Ledger("USD", Decimal(0))
    event = CashEvent("d1", "dividend", Decimal("12.34"), "USD", NOON, "X")
    assert ledger.after_event(event).cash == Decimal("12.34")
    assert ledger.after_event(event) is None and ledger.knows(event)
    assert ledger.after_event(CashEvent("d2", "dividend", Decimal(5), "EUR", NOON)).cash == Decimal("12.34")


def test_a_ledger_goes_on_from_what_was_stored(fill):
    first = Ledger("USD", Decimal(1_000))
    first.after_fill(fill("e1", "buy", 10, 10), None, Instrument("X"))
    second = Ledger("USD", first.cash, first.holdings.values(), first.seen)
    assert second.after_fill(fill("e1", "buy", 10, 10), None, Instrument("X")) is None
    assert second.holdings == first.holdings


def test_equity_needs_a_mark_for_what_is_held(fill):
    ledger = Ledger("USD", Decimal(1_000))
    ledger.after_fill(fill("e1", "buy", 10, 10), None, Instrument("X"))
    with pytest.raises(KeyError):
        ledger.equity({}, {"X": Instrument("X")})


def test_a_fact_is_known_for_days_and_not_for_ever(fill):
    """The store's primary keys refuse what is older; the memory of a session that runs for years stays small."""
    book = Ledger("USD", Decimal(10_000))
    day = 24 * 60
    for number in range(60):
        assert book.after_fill(fill(f"e{number}", minutes=number * day), None, Instrument("X")) is not None
        for recent in range(max(0, number - 1), number + 1):
            assert book.knows(fill(f"e{recent}", minutes=recent * day))
    assert not book.knows(fill("e0"))
    assert len(book.seen) <= 4
