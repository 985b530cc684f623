"""Two books in one session: what is asked of one, or goes wrong with one, is none of the other; and nothing that a book
left behind is forgotten in silence."""

import json
from decimal import Decimal

import pytest
from dealing_room.line import Late
from dealing_room.parts import Minutes
from dealing_room.room import TWO
from trader.errors import TraderError, Unreachable
from trader.model import Side, Unavailable
from trader.store import blocks, commands
from trader.store.runs import current_epoch

FEW = "tries = 2, first_seconds = 1, longest_seconds = 1"
D = Decimal
SILENT = Unavailable("timeout", "no answer")


@pytest.fixture
def two(make_room):
    return make_room(books=("main", "other"), text=TWO, connect=FEW)


async def held_by_other(room, volume=float("nan")):
    """Book `other` wants 100 AAA, and has what was traded of it."""
    room.wants["other"]["AAA"] = 0.1
    await room.cycle("other")
    room.trade(book="other", volume=volume)
    await room.reconcile()


async def both_differ(room):
    """Both books hold AAA, and both venues show twice as many."""
    await room.hold()
    await held_by_other(room)
    for venue in room.venues.values():
        venue.split("AAA", D(2))
    await room.until(lambda: room.blocks() == {("main/AAA", "halt"), ("other/AAA", "halt")})


# ---- a book that is not there any more -----------------------------------------------------------------------------
def test_what_a_book_left_that_is_not_in_the_settings_any_more_is_told(two):
    """Partly filled, and taken out of the settings: each start says that nobody watches it, and so does a kill."""
    room = two

    async def story():
        await held_by_other(room, volume=40)

    async def without_it():
        (text,) = room.told("book_left_out")
        (order,) = room.orders("other")
        assert text == (
            "Book 'other': It is not in the settings any more, and nobody watches what it left on account A-other of "
            f"client: 40 AAA, order {order['client_id']} AAA. Put it back, or end it there."
        )
        answer = await room.ask("kill", reason="fire")
        assert answer == (
            "halted; no order works at the venue of main; not in the settings any more, and not asked: other"
        )
        assert len(room.venues["other"].truth_working()) == 1

    room.play(story)
    room._text = room._text.replace(TWO, "")
    room.play(without_it)


def test_a_book_that_left_nothing_is_not_missed(two):
    room = two
    room.play()
    room._text = room._text.replace(TWO, "")
    room.play()
    assert not room.told("book_left_out")


def test_what_stands_on_a_book_that_is_not_in_the_settings_any_more_is_lifted(two):
    room = two

    async def story():
        for scope in ("other", "other/AAA"):
            blocks.block(room.store, scope, "halt", "test")
            assert await room.ask("rearm", scope=scope, reason="gone") == f"lifted: {scope} (halt: test)"

    room.play()
    room._text = room._text.replace(TWO, "")
    room.play(story)
    assert room.blocks() == set()


def test_an_order_of_a_book_that_has_another_name_now_halts_not_everything(two):
    """It can only be renamed by a cold start; its working order is adopted as the start says, and is no fault of the
    program."""
    room = two

    async def story():
        room.wants["other"]["AAA"] = 0.1
        await room.cycle("other")

    async def renamed():
        await room.sleep(90)
        assert room.session.kill.halted is None
        (order,) = room.venues["other"].truth_working()
        said = f"Book 'third': Somebody else has an order on this account: order {order.venue_id}: buy 100 AAA"
        assert said in room.told("external_order")
        await room.ask("cancel", order=order.venue_id)
        await room.sleep(5)
        assert room.venues["other"].truth_working() == []

    room.play(story)
    room._text = room._text.replace("[books.other]", "[books.third]")
    room.wants.clear()
    room.play(renamed, cold_start=True, adopt=True)


# ---- a book whose venue is away at the start -----------------------------------------------------------------------
def test_a_new_book_whose_venue_does_not_say_where_it_stands_keeps_no_other_from_trading(two):
    """It lets us in and answers nothing else: it is left out, and opened by the next start."""
    room = two
    room._text = room._text.replace(TWO, "")
    room.play()
    room._text += TWO
    room.say("positions", SILENT, SILENT, book="other")

    async def without_it():
        await room.hold()
        assert [book.name for book in room.session.books] == ["main"] and room.told("book_left_out")

    async def with_it():
        await held_by_other(room)
        room.agree("other")

    room.play(without_it)
    room.play(with_it)


@pytest.mark.parametrize("adopt", [True, False])
def test_a_cold_start_that_cannot_ask_a_book_is_refused_and_costs_no_journal(two, adopt):
    """It would close the epoch in which that book's positions stand, and the next start would know nothing of them."""
    room = two

    async def story():
        await held_by_other(room)

    async def again():
        assert room.held(book="other") == 100
        await room.reconcile()
        room.agree("other")

    room.play(story)
    room.venues["other"].maintenance(600)
    with pytest.raises(Unreachable, match="nobody can ask for other"):
        room.play(cold_start=True, adopt=adopt)
    assert current_epoch(room.store).number == 1
    room.time.advance(600)
    room.play(again)


def test_a_source_that_was_silent_for_one_book_is_opened_for_the_next(two, monkeypatch):
    room, opened, silent = two, [], [SILENT, SILENT]
    monkeypatch.setattr(Minutes, "open", lambda _self: silent.pop() if silent else opened.append(1))
    room.lives = 1  # main, whose story a first one would wait for, is left out

    async def story():
        await room.cycle("other")
        assert [book.name for book in room.session.books] == ["other"] and opened == [1]

    room.play(story)


def test_answers_for_all_books_name_the_one_that_was_left_out(two):
    room = two

    async def story():
        await held_by_other(room)

    async def without_it():
        for kind, args in (("close", {"symbol": "AAA"}), ("cancel", {"order": "t"})):
            with pytest.raises(TraderError, match=r"\(left out at the start, and not asked: other\)"):
                await room.ask(kind, **args)
        found = json.loads(await room.ask("reconcile"))
        assert found["other"]["unavailable"] == ["it was left out at the start"] and not found["main"]["unavailable"]
        with pytest.raises(TraderError, match="Book 'other' was left out at the start"):
            await room.ask("close", symbol="AAA", book="other")
        assert "is paused" in await room.ask("pause", scope="other")
        assert "is released" in await room.ask("release", scope="other")

    room.play(story)
    room.venues["other"].maintenance(6_000)
    room.play(without_it)


# ---- what is asked of one book -------------------------------------------------------------------------------------
def test_a_rearm_of_one_book_leaves_the_others_difference_as_it_is(two):
    """Nothing is lifted there, so it does not count anew and is not told again."""
    room = two

    async def story():
        await both_differ(room)
        (before,) = room.engine.reconciler.differences
        await room.ask("rearm", scope="other/AAA", reason="looked at it")
        await room.until(lambda: ("other/AAA", "halt") in room.blocks(), what="it differs still")
        assert [*room.engine.reconciler.differences] == [before]

    room.play(story)


def test_a_symbol_is_rearmed_while_another_book_that_it_does_not_halt_is_away(make_room):
    room = make_room(books=("main", "other"), text=TWO)

    async def story():
        blocks.block(room.store, "main/AAA", "halt", "test")
        room.venues["other"].maintenance(3_000)
        await room.until(lambda: room.told("connection_lost"))
        number = commands.ask(room.store, "rearm", {"scope": "AAA", "reason": "looked at it"}, by="anna")
        await room.until(lambda: commands.look(room.store, number).state == "done", seconds=30)
        assert room.blocks() == set()

    room.play(story)


@pytest.mark.parametrize("scope", ["BTC/USD", "main/BTC/USD"])
def test_a_symbol_with_a_slash_is_rearmed_and_halted_again_if_it_differs_still(make_room, scope):
    room = make_room(symbols=("BTC/USD", "AAA"))

    async def story():
        await room.hold("BTC/USD")
        room.venue.split("BTC/USD", D(2))
        await room.until(lambda: room.blocks() == {("main/BTC/USD", "halt")})
        assert "lifted: main/BTC/USD" in await room.ask("rearm", scope=scope, reason="looked at it")
        assert room.blocks() == set()
        await room.until(lambda: room.blocks() == {("main/BTC/USD", "halt")}, what="it differs still")

    room.play(story)


def test_a_cancel_that_several_books_may_mean_is_refused(two):
    """Ids begin alike; and two venues may count their orders from 1."""
    room = two

    async def story():
        for book in ("main", "other"):
            room.venues[book].manual_trade("AAA", Side.BUY, D(50))
        room.want["BBB"] = room.wants["other"]["BBB"] = 0.1
        await room.cycle()
        await room.cycle("other")
        await room.reconcile()
        for beginning in ("t", "V1"):
            with pytest.raises(TraderError, match=f"Several books have an open order {beginning}: main, other"):
                await room.ask("cancel", order=beginning)
        assert [len(room.venues[book].truth_working()) for book in ("main", "other")] == [2, 2]
        await room.ask("cancel", order=room.orders("other")[0]["client_id"])
        assert [len(room.venues[book].truth_working()) for book in ("main", "other")] == [2, 1]

    room.play(story)


def test_what_is_asked_of_a_book_in_its_last_cycle_is_answered(two):
    """It has played its cycles, and the session goes on with the other."""
    room, asked = two, []

    def ask(_order):
        asked.append(commands.ask(room.store, "rearm", {"scope": "main/AAA", "reason": "mended"}, by="anna"))

    async def story():
        blocks.block(room.store, "main/AAA", "halt", "test")
        room.session.runners[0].left, room.want["BBB"], room.before["submit"] = 1, 0.1, ask
        room.line("SUBMIT", Late())
        await room.cycle()
        room.before.clear()
        await room.until(lambda: commands.look(room.store, asked[0]).state == "done", seconds=30)

    room.play(story)
