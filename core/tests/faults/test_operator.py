"""What people do: trade past us at the venue, and pull the kill switch at the worst moment."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from dealing_room.line import Late, Slow
from dealing_room.room import TWO
from msgspec import structs
from trader.errors import TraderError
from trader.model import Accepted, Rejected, Side, Unavailable, Unknown
from trader.safety.stop import Trip, write_stop
from trader.simulation import Faults
from trader.store import blocks, commands

D = Decimal


def pulls(room, reason="test"):
    """The switch is pulled now, within the session."""
    return lambda *_: room.session.kill.trip(reason, "test")


# ---- somebody else at the venue ------------------------------------------------------------------------------------
@pytest.mark.parametrize("policy", ["adopt", "ignore", "halt"])
def test_F102_somebody_trades_by_hand(make_room, policy):
    """It is noticed with the next reconciliation, told, and booked as the policy has it: into the book, apart from it,
    or into the book with a halt."""
    room = make_room(reconcile=f'interval_seconds = 20, external = "{policy}"')

    async def story():
        await room.hold()
        room.by_hand(quantity=30)
        await room.sleep(21)
        assert len(room.told("external_trade")) == 1
        mine = policy != "ignore"
        assert room.held() == (130 if mine else 100) and room.cash() == (87_000 if mine else 90_000)
        assert (room.engine.ledger.apart, room.engine.ledger.apart_cash) == (({}, 0) if mine else ({"AAA": 30}, -3_000))
        assert (("main", "halt") in room.blocks()) == (policy == "halt")
        sent = len(room.orders())
        await room.cycle()
        # Adopted, it is sold again; left alone, it is not; halted, nothing moves.
        assert [(one["side"], one["quantity"]) for one in room.orders()[sent:]] == (
            [("sell", 30)] if policy == "adopt" else []
        )
        await room.sleep(60)
        assert {level for scope, level in room.blocks()} == ({"halt"} if policy == "halt" else set())

    async def again():
        await room.reconcile()
        found = await room.reconcile()
        assert found["differences"] == [] and len(room.told("external_trade")) == 1

    room.play(story)
    room.want = {}
    room.play(again)


@pytest.mark.parametrize("policy", ["adopt", "ignore", "halt"])
def test_F102_somebody_has_an_order_on_the_account(make_room, policy):
    """It is told once and counts at its worst, unless the policy leaves it alone."""
    room = make_room(reconcile=f'interval_seconds = 20, external = "{policy}"')

    async def story():
        room.venue.manual_trade("AAA", Side.BUY, D(50))
        await room.sleep(45)
        assert len(room.told("external_order")) == 1
        assert (("main", "halt") in room.blocks()) == (policy == "halt")
        portfolio = room.engine.standing.view(None, room.engine.standing.portfolio.sent, room.engine._in_doubt())
        assert portfolio.worst[0] == (0 if policy == "ignore" else 50)
        (other,) = (await room.reconcile())["differences"]
        assert (other["what"], other["found"]) == ("order", "buy 50")
        assert "cancel asked for" in await room.ask("cancel", order="V1")
        assert room.venue.truth_working() == [] and (await room.reconcile())["differences"] == []

    room.play(story)


def test_F102_somebody_cancels_our_order(room):
    """The order ends as canceled, and the next cycle decides anew."""

    async def story():
        client_id = await room.order()
        room.venue.manual_cancel("V1")
        await room.reconcile()
        assert room.state(client_id) == "canceled"
        await room.cycle()
        assert [fate for _, fate in room.submits] == ["accepted", "accepted"]

    room.play(story)


def test_F102_somebody_trades_while_an_order_is_uncertain(room):
    """Nothing is taken for ours that is not, and nothing of ours for somebody else's."""

    async def story():
        room.say("submit", lambda real, order: real(order) and Unknown("timeout", "no answer"))
        room.always("order", lambda real, ref: Unavailable("timeout", "busy"))
        client_id = await room.order()
        room.by_hand(quantity=30)  # and our 100 trade too
        await room.sleep(45)
        room.always("order", None)
        await room.reconcile()
        await room.reconcile()
        assert {one["quantity"]: one["client_id"] for one in room.fills()} == {100: client_id, 30: None}
        assert room.held() == 130 and len(room.told("external_trade")) == 1
        room.agree()

    room.play(story)


def test_F102_a_trade_that_nobody_could_name_has_its_owner_now(make_room):
    """It is not waited for any longer: cash is compared again."""
    room = make_room(ids="none")

    def poorer(real):
        return structs.replace(real(), cash=real().cash - 50)

    async def story():
        room.say("submit", lambda real, order: real(order) and Unknown("timeout", "no answer"))
        room.always("fills", lambda real, since: [structs.replace(fill, key="") for fill in real(since)])
        room.always("order", lambda real, ref: Unavailable("timeout", "busy"))
        await room.order()
        room.trade(volume=40)
        await room.reconcile()
        assert room.held() == 0
        room.always("order", lambda real, ref: real(ref) if ref.client_id else Unavailable("timeout", "busy"))
        await room.until(lambda: room.held() == 40, seconds=60)
        room.always("account", poorer)
        await room.until(lambda: len(room.told("cash_differs")) == 1, seconds=90)

    room.play(story)


def test_F103_the_question_for_positions_fails(room):
    """No answer is no flat account: nothing is repaired, nothing is decided on it."""

    async def story():
        await room.hold()
        for answer in (Unavailable("timeout", "down"), None, "[]", {"AAA": 100}, ValueError("cut off"), [None]):
            room.always("positions", lambda real, answer=answer: answer)
            found = await room.reconcile()
            assert found["unavailable"] and found["differences"] == [] and room.blocks() == set()
        room.always("positions", None)
        assert room.held() == 100 and len(room.submits) == 1

    room.play(story)


def test_F103_a_difference_that_is_booked_meanwhile_is_not_adopted(room):
    """What differed is known by now, and the venue did not say what differs still: nothing is booked by hand."""

    async def story():
        room.always("fills", lambda real, since: [])
        room.by_hand("BBB")
        await room.until(lambda: ("main/BBB", "halt") in room.blocks(), seconds=120)
        room.always("fills", None)
        room.always("positions", lambda real: Unavailable("timeout", "down"))
        with pytest.raises(TraderError, match="did not answer everything"):
            await room.reconcile(adopt="BBB")
        room.always("positions", None)
        await room.reconcile()
        assert room.held("BBB") == 10
        room.agree()

    room.play(story)


def test_F103_positions_differ(room):
    """After the horizon the symbol is halted and told; no order of ours makes up for it, until a person decides."""

    async def story():
        await room.hold()
        room.venue.split("AAA", D(2))
        first = await room.reconcile()
        assert [(one["expected"], one["found"]) for one in first["differences"]] == [("100", "200")]
        assert room.blocks() == set()  # it may be on its way
        sent = len(room.orders())
        await room.cycle()
        assert room.blocks() == {("main/AAA", "halt")} and len(room.told("position_differs")) == 1
        await room.cycle()
        assert len(room.orders()) == sent and len(room.told("position_differs")) == 1

    room.play(story)


# ---- the kill switch -----------------------------------------------------------------------------------------------
def test_F106_pulled_between_journal_and_send(room):
    """The gate refuses: the order was never sent, and the journal says so."""

    async def story():
        room.at["commit>send"] = pulls(room)
        client_id = await room.order()
        assert room.state(client_id) == "not_sent" and room.submits == []
        assert room.steps(client_id) == ["not_sent"] and ("*", "halt") in room.blocks()
        await room.no_cycle()

    room.play(story)


@pytest.mark.parametrize("how", ["answered", "late", "lost"])
def test_F107_pulled_while_the_order_is_on_the_wire(room, how):
    """The order is cancelled as soon as it shows, and the sweep ends only when nothing works and nothing is unknown."""

    async def story():
        room.before["submit"] = pulls(room)
        if how == "late":
            room.line("SUBMIT", Late(15.0))
        if how == "lost":
            room.venue.faults = Faults(submit_late=1, late_seconds=20)
        client_id = await room.order()
        await room.until(lambda: room.venue.truth_working() == [] and room.state(client_id) == "canceled", seconds=60)
        await room.sleep(60)
        assert room.venue.truth_working() == [] and len(room.submits) == 1

    room.play(story)


def test_F107_pulled_while_a_call_hangs_before_the_gate(room):
    """A send that comes to the gate only now is refused there; nothing reaches the venue."""

    async def story():
        room.line("SUBMIT", Slow(20.0))
        client_id = await room.order()
        room.session.kill.trip("test", "test")
        await room.until(lambda: room.state(client_id) == "absent", seconds=120)
        assert room.submits == [] and ("*", "halt") in room.blocks()

    room.play(story)


@pytest.mark.parametrize("fails", ["write", "all"])
@pytest.mark.parametrize("by", ["file", "memory"])
def test_F108_pulled_while_the_database_is_away(room, fails, by):
    """The file and memory halt without it, and the venue's own list is cancelled within seconds; when the database is
    back it says so too."""

    async def story():
        await room.order("AAA")
        await room.order("BBB")
        room.store_fails = fails
        if by == "file":
            write_stop(room.folder / "var", Trip("fire", "anna", datetime(2024, 1, 2, tzinfo=UTC)))
        else:
            room.session.kill.trip("fire", "anna")
        await room.until(lambda: room.venue.truth_working() == [], seconds=3)
        assert (room.folder / "var" / "STOP").exists() and room.told("kill_switch")
        await room.no_cycle()
        room.store_fails = ""
        await room.until(lambda: ("*", "halt") in room.blocks(), seconds=10)
        await room.until(lambda: {one["state"] for one in room.orders()} == {"canceled"}, seconds=60)

    room.play(story)
    room.play(room.no_cycle)  # it is halted still


def test_F109_pulled_while_the_venue_is_away(room):
    """Everything is halted at once; cancels are tried again and again, a person hears of it each minute, until the
    venue itself shows that nothing works."""

    async def story():
        await room.order()
        room.venue.maintenance(200)
        answer = await room.ask("kill", reason="fire")
        assert "the session goes on trying" in answer and ("*", "halt") in room.blocks()
        assert len(room.venue.truth_working()) == 1
        await room.sleep(170)
        assert 2 <= len(room.told("kill_unconfirmed")) <= 3 and len(room.venue.truth_working()) == 1
        await room.until(lambda: room.venue.truth_working() == [], seconds=40)
        told = len(room.told("kill_unconfirmed"))
        await room.sleep(150)
        assert len(room.told("kill_unconfirmed")) == told

    room.play(story)


def test_F110_cancels_are_rate_limited(room):
    """They are asked for again, with pauses, until the venue shows no order."""

    async def story():
        await room.order("AAA")
        await room.order("BBB")
        room.always("cancel", lambda real, ref: Rejected("rate_limited", "429 Too Many Requests", 2.0))
        assert "the session goes on trying" in await room.ask("kill", reason="fire")
        calls = room.calls["main"]["cancel"]
        assert 4 <= calls <= 60 and len(room.venue.truth_working()) == 2
        room.always("cancel", None)
        await room.until(lambda: room.venue.truth_working() == [], seconds=10)

    room.play(story)


def test_F106_a_cancel_for_all_that_leaves_some_is_not_the_last_word(room):
    """A venue that takes one cancel for all and cancels nothing: each order is asked to be gone by itself."""

    async def story():
        await room.order("AAA")
        await room.order("BBB")
        assert len(room.venue.truth_working()) == 2
        asked = []
        room.engine.broker.cancel_all = lambda: asked.append("all") or Accepted()
        assert "no order works at any venue" in await room.ask("kill", reason="test")
        assert asked and room.venue.truth_working() == []

    room.play(story)


def test_F109_a_venue_that_is_away_keeps_no_other_from_being_swept_again(make_room):
    """Two books under the kill switch, and one's venue does not answer for long. What shows up late at the other's,
    which was confirmed already, is cancelled all the same."""
    room = make_room(books=("main", "other"), text=TWO)

    async def story():
        room.venues["other"].maintenance(600)
        assert "the session goes on trying" in await room.ask("kill", reason="fire")
        room.venue.manual_trade("AAA", Side.BUY, D(50))
        assert len(room.venue.truth_working()) == 1
        await room.until(lambda: room.venue.truth_working() == [], seconds=60)

    room.play(story)


def test_F109_a_book_that_was_left_out_is_not_said_to_be_swept(make_room):
    """The answer to a kill names the book whose venue nobody asked."""
    room = make_room(books=("main", "other"), text=TWO, connect="tries = 2, first_seconds = 1, longest_seconds = 1")

    async def story():
        answer = await room.ask("kill", reason="fire")
        assert answer == "halted; no order works at the venue of main; left out at the start, and not asked: other"

    room.play()
    room.venues["other"].maintenance(6_000)
    room.play(story)


def test_F106_a_kill_that_a_person_lifted_since_is_not_obeyed_by_the_next_session(room):
    """The session that was asked hung and was ended; a person mended the cause and rearmed; the next one starts."""
    room.play()
    blocks.block(room.store, "*", "halt", "fire")
    number = commands.ask(room.store, "kill", {"reason": "fire"}, by="anna")
    room.time.advance(60)
    blocks.lift(room.store, "*", by="anna", reason="mended")

    async def story():
        await room.sleep(5)
        assert room.blocks() == set() and room.session.kill.halted is None
        assert commands.look(room.store, number).answer == "it was lifted since: mended (anna)"

    async def asked_later():
        await room.sleep(5)
        assert room.blocks() == {("*", "halt")}

    room.play(story)
    commands.ask(room.store, "kill", {"reason": "newer"}, by="anna")
    room.play(asked_later)
