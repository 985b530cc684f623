"""Halts of a book: what the store does not take holds all the same, and is stored as soon as it can be."""

from contextlib import closing
from datetime import UTC, datetime

from trader.errors import StoreError
from trader.safety.halts import Halts
from trader.safety.kill import KillSwitch
from trader.safety.stop import read_stop
from trader.store import blocks
from trader.store.blocks import Block
from trader.store.database import open_store

NOW = datetime(2024, 1, 2, tzinfo=UTC)


class Store:
    """Takes blocks, or does not."""

    def __init__(self):
        self.away, self.blocks = False, []

    def add(self, scope, level, reason):
        if self.away:
            raise StoreError("the disk is full")
        self.blocks.append(Block(len(self.blocks), scope, level, reason, NOW, None, None, None))


def test_a_halt_that_the_store_does_not_take_holds_and_is_stored_later():
    store = Store()
    halts = Halts("main", add=store.add)
    store.away = True
    halts.halt_symbol("AAA", "it differs")
    halts.block_book("reduce", "cash differs")
    halts.update(store.blocks)
    assert halts.symbols == {"AAA"} and halts.level == "reduce" and store.blocks == []
    store.away = False
    halts.update(store.blocks)
    assert [(one.scope, one.level) for one in store.blocks] == [("main/AAA", "halt"), ("main", "reduce")]
    halts.update([])
    assert halts.symbols == frozenset() and halts.level == "", "a person lifted both"


def test_what_stands_is_taken_over_scope_by_scope():
    halts = Halts("main", add=Store().add)
    rows = [("main", "pause"), ("main/AAA", "halt"), ("main:trend", "pause"), ("other", "halt"), ("*", "halt")]
    halts.update([Block(n, scope, level, "why", NOW, None, None, None) for n, (scope, level) in enumerate(rows)])
    assert halts.paused and halts.level == "" and halts.symbols == {"AAA"} and halts.strategies == {"trend"}


def test_a_state_folder_that_cannot_be_read_halts(tmp_path):
    """Nobody can say that STOP is not in it."""
    (tmp_path / "var").mkdir()
    with closing(open_store(tmp_path / "trader.db")) as store:
        switch = KillSwitch(tmp_path / "var", store, store.clock.now, lambda _trip: None)
        assert switch.refuse(None) is None
        (tmp_path / "var").rmdir()
        assert switch.refuse(None) is None
        (tmp_path / "var").write_text("a folder that is no folder any more")
        assert "the state folder cannot be read" in switch.refuse(None).reason


def test_a_reason_that_is_no_text_halts_everywhere(tmp_path):
    """Half of a character, from a venue's words: neither the file nor the database takes it."""
    heard = []
    with closing(open_store(tmp_path / "trader.db")) as store:
        switch = KillSwitch(tmp_path, store, store.clock.now, heard.append)
        switch.trip("it says \ud83d", "an\ud83dna")
        assert switch.refuse(None) is not None and heard == [switch.halted]
        assert read_stop(tmp_path).reason == blocks.standing(store)[0].reason == "it says ?"
