"""What a person asks of a running session: close a position, cancel an order; and what a fault of ours comes to."""

import asyncio
from decimal import Decimal

import pytest
from dealing_room.line import Lost
from dealing_room.room import TWO
from trader.errors import TraderError
from trader.model import Rejected, Side
from trader.session.lanes import Priority
from trader.store import blocks, commands, reading

D = Decimal


def test_a_position_is_closed_by_hand(room):
    async def story():
        await room.hold()
        room.want = {}
        answer = await room.ask("close", symbol="AAA")
        assert answer.startswith("sell 100 AAA at market, order t") and "(working)" in answer
        room.trade(AAA=101.0)
        await room.reconcile()
        assert room.held() == 0 and room.cash() == 100_100
        cycle = reading.latest_cycle_touching(room.store, "AAA")
        assert cycle["number"] > 0  # what was done by hand is no cycle
        room.agree()

    room.play(story)


def test_what_works_in_the_symbol_is_cancelled_first(room):
    async def story():
        await room.hold()
        await room.order("AAA", 0.3)
        room.want = {}
        await room.ask("close", symbol="AAA")
        assert [one["state"] for one in room.orders()] == ["filled", "canceled", "working"]
        room.trade()
        await room.reconcile()
        assert room.held() == 0

    room.play(story)


def test_a_close_that_the_gate_refuses_says_so(room):
    async def story():
        await room.hold()
        await room.ask("kill", reason="fire")
        with pytest.raises(TraderError, match="Nothing was sent: everything is halted: fire"):
            await room.ask("close", symbol="AAA")
        assert [one["state"] for one in room.orders()] == ["filled", "not_sent"] and room.held() == 100

    room.play(story)


def test_a_close_that_the_venue_rejects_says_so(room):
    async def story():
        await room.hold()
        room.want = {}
        room.say("submit", Rejected("closed", "the market is closed"))
        assert "(rejected: closed: the market is closed)" in await room.ask("close", symbol="AAA")

    room.play(story)


@pytest.mark.parametrize(
    ("kind", "args", "says"),
    [
        ("close", {"symbol": "BBB"}, "No book holds BBB"),
        ("cancel", {"order": "nobody"}, "No book has an open order nobody"),
        ("close", {}, "KeyError"),
        ("rearm", {}, "KeyError"),
        ("dance", {}, "unknown command 'dance'"),
        ("reconcile", {"book": "another"}, "There is no book 'another'"),
    ],
)
def test_a_wish_that_cannot_be_obeyed_is_refused_once(room, kind, args, says):
    async def story():
        with pytest.raises(TraderError, match=says):
            await room.ask(kind, **args)
        await room.sleep(5)
        assert commands.waiting(room.store) == []
        await room.hold()

    room.play(story)


def test_a_fault_in_a_persons_wish_is_an_answer_and_the_book_goes_on(room, monkeypatch):
    from trader.session import by_hand

    async def broken(*_args):
        raise KeyError("symbol")

    async def story():
        await room.hold()
        monkeypatch.setattr(by_hand, "close", broken)
        with pytest.raises(TraderError, match="it failed: KeyError"):
            await room.ask("close", symbol="AAA")
        await room.order("BBB")

    room.play(story)


def test_a_fault_in_one_book_ends_the_session_and_not_only_the_book(make_room, monkeypatch):
    room = make_room(books=("main", "other"), text=TWO)

    async def story():
        monkeypatch.setattr(room.engine, "reconcile", lambda *_args: 1 / 0)
        await room.sleep(300)

    with pytest.raises(ZeroDivisionError):
        room.play(story)
    assert reading.sessions(room.store)[0]["exit_reason"] == "error: ZeroDivisionError"


def test_an_illegal_step_halts_everything(room, monkeypatch):
    from trader.errors import IllegalTransition

    def illegal(*_args):
        raise IllegalTransition("an order cannot go from filled to working by ack")

    async def story():
        client_id = await room.order()
        monkeypatch.setattr(room.engine.reconciler, "_compare", illegal)
        await room.until(lambda: ("*", "halt") in room.blocks(), seconds=60)
        monkeypatch.undo()
        await room.until(lambda: room.venue.truth_working() == [], seconds=10)
        await room.until(lambda: room.state(client_id) == "canceled", seconds=60)

    room.play(story)


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("close", {"symbol": "AAA"}),
        ("cancel", {"order": "V2"}),
        ("rearm", {"scope": "main/BBB", "reason": "mended"}),
    ],
)
def test_a_wish_that_was_withdrawn_before_its_turn_is_not_obeyed(room, kind, args):
    """Its book hung while it waited; whoever asked was told that it is withdrawn."""

    async def story():
        await room.hold()
        room.venue.manual_trade("AAA", Side.BUY, D(50))
        blocks.block(room.store, "main/BBB", "halt", "test")
        await room.reconcile()
        room.line("QUERY", Lost())
        await room.until(lambda: not room.lines.next[Priority.QUERY])
        number = commands.ask(room.store, kind, args, by="anna")
        await room.sleep(2)
        commands.answer(room.store, number, "withdrawn: nobody answered in time", refused=True)
        await room.sleep(30)
        assert len(room.submits) == 1 and len(room.venue.truth_working()) == 1
        assert room.blocks() == {("main/BBB", "halt")}

    room.play(story)


@pytest.mark.parametrize("where", ["main", "other"])
def test_the_venues_word_is_taken_in_the_book_that_differs(make_room, where):
    """Of two books only one differs, and none is named: that one is adopted, and nothing else is touched."""
    room = make_room(books=("main", "other"), text=TWO)

    async def story():
        await room.hold()
        room.wants["other"]["AAA"] = 0.1
        await room.cycle("other")
        room.trade(book="other")
        await room.reconcile()
        with pytest.raises(TraderError, match="Nothing differs for AAA in any book"):
            await room.reconcile(adopt="AAA")
        room.venues[where].split("AAA", D(2))
        await room.reconcile(adopt="AAA")
        assert {book: room.held("AAA", book) for book in ("main", "other")} == {"main": 100, "other": 100} | {
            where: 200
        }

    room.play(story)


def test_what_was_only_just_found_to_differ_is_not_adopted(room):
    """A trade between the venue's two answers, of its executions and of its positions: it would be booked twice."""

    async def story():
        order = await room.order("AAA", 0.1)

        def traded_meanwhile(real):
            room.always("positions", None)
            room.trade()
            return real()

        room.always("positions", traded_meanwhile)
        with pytest.raises(TraderError, match=r"AAA of book 'main': expected 0, the venue says 100, .* on its way"):
            await room.ask("reconcile", adopt="AAA")
        await room.until(lambda: room.state(order) == "filled", seconds=90)
        assert room.held() == 100 and len(room.fills()) == 1
        room.agree()

    room.play(story)


def test_a_book_that_hangs_holds_up_no_cancel_in_another(make_room):
    room = make_room(books=("main", "other"), text=TWO)

    async def story():
        room.wants["other"]["AAA"] = 0.1
        await room.cycle("other")
        (order,) = room.orders("other")
        main = next(each for each in room.session.runners if each.book.name == "main")
        main.ask(lambda _runner: asyncio.sleep(200))
        await room.sleep(1)
        number = commands.ask(room.store, "cancel", {"order": order["client_id"]}, by="anna")
        await room.until(lambda: commands.look(room.store, number).state == "done", seconds=30)

    room.play(story)


def test_what_stands_on_a_book_that_was_left_out_is_lifted(make_room):
    room = make_room(books=("main", "other"), text=TWO, connect="tries = 2, first_seconds = 1, longest_seconds = 1")

    async def story():
        for scope, name in (("other/AAA", "AAA"), ("other", "other")):
            blocks.block(room.store, scope, "halt", "test")
            assert f"lifted: {scope} (halt: test)" in await room.ask("rearm", scope=name, reason="mended")
        assert room.blocks() == set()

    room.play()
    room.venues["other"].maintenance(6_000)
    room.play(story)
