"""The database fails while a session runs, or is not the one that it was."""

import shutil

import pytest
from trader.session import Session
from trader.store import DATABASE, blocks, commands


def test_F58_the_disk_is_full_while_a_session_runs(room):
    """Nothing is sent that is not stored, people are told once, and the book goes on from what is stored when there is
    room again."""

    async def story():
        await room.hold()
        room.store_fails = "write"
        room.want = {"AAA": 0.1, "BBB": 0.1}
        await room.no_cycle(30)
        assert len(room.submits) == 1 and len(room.told("store_failed")) == 1
        room.store_fails = ""
        await room.sleep(5)
        await room.cycle()
        room.trade()
        await room.reconcile()
        assert room.held("BBB") == 100
        room.agree()

    room.play(story)


@pytest.mark.parametrize("when", ["before", "after"])
def test_F58_a_single_cycle_and_a_store_that_fails_for_a_moment(room, monkeypatch, when):
    """`run --once`: before it is decided, it is decided when the store is back; after it, it was decided. It ends."""
    real = Session.run
    monkeypatch.setattr(Session, "run", lambda session, **options: real(session, cycles=1, **options))
    room.want["AAA"] = 0.1
    room.lives = 1  # its story begins at once
    if when == "after":
        room.at["commit>send"] = lambda: setattr(room, "store_fails", "write")

    async def story():
        if when == "before":
            room.store_fails = "write"
        await room.sleep(3)
        room.store_fails = ""
        await room.sleep(60)

    with pytest.raises(AssertionError, match="ended before the story"):
        room.play(story)
    assert len(room.orders()) == 1 == len(room.told("store_failed"))


def test_F58_a_close_during_which_the_database_fails_is_not_done_again(room):
    """Nobody knows yet what came of it: the person is told so, and asks again, or not."""

    async def story():
        await room.hold("AAA")
        room.at["commit>send"] = lambda: setattr(room, "store_fails", "write")
        number = commands.ask(room.store, "close", {"symbol": "AAA"}, by="anna")
        await room.until(lambda: len(room.submits) == 2)
        await room.sleep(3)
        room.at.clear()
        room.store_fails = ""
        await room.until(lambda: commands.look(room.store, number).state == "refused", seconds=30)
        assert "failed while it was done" in commands.look(room.store, number).answer
        assert len(room.submits) == 2
        room.trade()
        await room.until(lambda: room.held() == 0, seconds=90)
        room.agree()

    room.play(story)


def test_F59_the_database_cannot_be_read(room):
    """As long as nobody knows what is blocked, everything is halted; it goes on by itself when it can be read."""

    async def story():
        await room.hold()
        room.store_fails = "all"
        room.want["BBB"] = 0.1
        await room.no_cycle(20)
        assert len(room.told("store_failed")) >= 1 and len(room.submits) == 1
        room.store_fails = ""
        await room.sleep(5)
        assert room.blocks() == set()
        await room.cycle()
        assert len(room.submits) == 2

    room.play(story)


@pytest.mark.parametrize("lost", ["an order", "a fill"])
def test_F62_an_older_copy_of_the_database(room, lost):
    """The start is halted and says why; once a person lifts it, what the venue truly has is learned."""
    database = room.folder / "var" / DATABASE
    kept = room.folder / "older.db"

    async def story():
        if lost == "a fill":
            await room.order()

    async def more():
        if lost == "an order":
            await room.order()
        room.trade()
        await room.reconcile()
        assert room.held() == 100

    async def again():
        (block,) = blocks.standing(room.store)
        assert block.scope == "*" and "the journal is not what it was" in block.reason
        await room.no_cycle()
        await room.ask("rearm", scope="", reason="the standby was behind")
        await room.reconcile()
        assert room.held() == 100 and len(room.submits) == 1
        room.agree()
        assert bool(room.told("external_trade")) == (lost == "an order")

    room.play(story)
    room.close()
    shutil.copy(database, kept)
    room.play(more)
    room.close()
    room._store = None
    for path in database.parent.glob(f"{DATABASE}*"):
        path.unlink()
    shutil.copy(kept, database)
    room.play(again)
