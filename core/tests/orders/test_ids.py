"""Client ids: the same intent gives the same id, different ones give different ids, and every venue takes them."""

import re

from hypothesis import given
from hypothesis import strategies as st
from trader.orders.ids import IdMint

TEXT = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda text: "\x1f" not in text
)
INTENT = st.tuples(st.binary(max_size=16), TEXT, TEXT, TEXT, TEXT, st.integers(0, 9), st.integers(0, 9))


def mint(nonce, account, book, cycle, symbol, leg, generation):
    return IdMint(nonce, account, book).cycle(cycle)(symbol, leg, generation)


@given(INTENT)
def test_an_id_is_deterministic_and_legal_everywhere(intent):
    made = mint(*intent)
    assert made == mint(*intent)
    assert re.fullmatch(r"t[a-z0-9]{25}", made)


@given(INTENT, INTENT)
def test_two_intents_never_share_an_id(one, other):
    assert (mint(*one) == mint(*other)) == (one == other)


def test_every_part_of_an_intent_counts():
    base = (b"nonce", "account", "main", "2024-01-02T21:00:00+00:00", "AAPL", 0, 0)
    others = [(b"other", *base[1:])]
    for place, value in ((1, "b"), (2, "b"), (3, "2024-01-03T21:00:00+00:00"), (4, "MSFT"), (5, 1), (6, 1)):
        others.append((*base[:place], value, *base[place + 1 :]))
    assert len({mint(*intent) for intent in [base, *others]}) == len(others) + 1


def test_ids_of_a_cycle_do_not_depend_on_the_order_in_which_they_are_made():
    ids = IdMint(b"n", "a", "main").cycle("c")
    first = [ids("A"), ids("B", 1)]
    again = IdMint(b"n", "a", "main").cycle("c")
    assert [again("B", 1), again("A")] == first[::-1]


def test_no_two_of_many_ids_are_the_same():
    mints = IdMint(b"n", "a", "main")
    cycles = [mints.cycle(f"c{n}") for n in range(100)]
    made = {ids(f"S{symbol}", leg) for ids in cycles for symbol in range(100) for leg in range(2)}
    assert len(made) == 20_000
