"""What may not trade: set once, shown until somebody lifts it, and kept afterwards."""

from __future__ import annotations

import pytest
from trader.clock import VirtualClock
from trader.store.blocks import Block, block, last_lifted, lift, standing
from trader.store.database import open_store


def test_a_block_stands_until_it_is_lifted(store, make):
    one = block(store, "main/IBM", "halt", "the venue shows more")
    assert one == Block(1, "main/IBM", "halt", "the venue shows more", make.start, None, None, None)
    assert standing(store) == [one]
    store.clock.advance(60)
    (lifted,) = lift(store, "main/IBM", by="anna", reason="explained")
    assert (lifted.lifted_by, lifted.lifted_why) == ("anna", "explained")
    assert (lifted.lifted_at - lifted.since).total_seconds() == 60
    assert standing(store) == []
    assert last_lifted(store, "main/IBM") == lifted


def test_the_same_block_is_one_while_it_stands_and_another_one_afterwards(store):
    first = block(store, "*", "halt", "test")
    store.clock.advance(1)
    assert block(store, "*", "halt", "test") == first
    others = [
        block(store, "*", "halt", "other"),
        block(store, "*", "reduce", "test"),
        block(store, "main", "halt", "test"),
    ]
    assert standing(store) == [first, *others]
    lift(store, "*", by="anna", reason="done")
    again = block(store, "*", "halt", "test")
    assert again.id > max(each.id for each in others)
    assert standing(store) == [others[-1], again]


def test_only_the_named_scope_and_level_are_lifted(store):
    for scope, level in (("main", "pause"), ("main", "reduce"), ("main/IBM", "pause"), ("main:trend", "pause")):
        block(store, scope, level, "test")
    assert [each.level for each in lift(store, "main", by="anna", reason="go on", level="pause")] == ["pause"]
    assert [(each.scope, each.level) for each in standing(store)] == [
        ("main", "reduce"),
        ("main/IBM", "pause"),
        ("main:trend", "pause"),
    ]
    assert [each.level for each in lift(store, "main", by="anna", reason="go on")] == ["reduce"]
    assert lift(store, "main", by="anna", reason="again") == []


def test_a_block_survives_a_restart(path, store):
    block(store, "*", "halt", "drawdown")
    store.close()
    again = open_store(path, clock=VirtualClock(store.clock.now()))
    assert [each.reason for each in standing(again)] == ["drawdown"]
    again.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_blocks_are_the_same_on_both_databases(kind, request, opened, make):
    store = opened(request.getfixturevalue("path" if kind == "sqlite" else "url"))
    block(store, "main", "reduce", "loss")
    assert block(store, "main", "reduce", "loss").id == 1
    assert lift(store, "main", by="anna", reason="paid in")[0].lifted_at == make.start
    assert last_lifted(store, "main").lifted_why == "paid in"
    assert standing(store) == []
