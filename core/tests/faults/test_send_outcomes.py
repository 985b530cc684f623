"""What a send may come to, and what the program makes of it. A timeout is no rejection."""

import asyncio
from decimal import Decimal

import pytest
from dealing_room.line import Late, Lost, Slow
from trader.model import Accepted, Refusal, Rejected, Side, Unavailable, Unknown
from trader.simulation import Faults, Terms
from trader.store.chain import verify_chain

SILENCE = Unknown("timeout", "no answer in time")
WORST = 100.0
"""Units that 10 % of the room's money come to."""


def worst(room, symbol="AAA"):
    """Signed units that the next decision would count at worst."""
    portfolio = room.engine.standing.view(
        room.engine.account, room.engine.standing.portfolio.sent, room.engine._in_doubt()
    )
    return portfolio.worst[room.engine.market.panel.column[symbol]]


@pytest.mark.parametrize("fate", [Lost(), Late(5.0), Late(25.0)], ids=["lost", "late", "very late"])
def test_F16_timeout_but_accepted(room, fate):
    """The order is unknown until the venue shows it; then it goes on as the one order that it is."""

    async def story():
        room.line("SUBMIT", fate)
        client_id = await room.order()
        assert room.state(client_id) == "unknown" and worst(room) == WORST
        await room.until(lambda: room.state(client_id) == "working", seconds=30)
        room.trade()
        await room.reconcile()
        await room.sleep(60)
        assert room.steps(client_id) == ["unknown", "working", "filled"]
        await room.cycle()
        assert room.submits == [(client_id, "accepted")]
        room.agree()

    room.play(story)


def test_F17_timeout_never_arrived(room):
    """The order counts at its worst until the horizon is over; then it is absent, and the next cycle decides anew."""

    async def story():
        room.say("submit", SILENCE)
        client_id = await room.order()
        sent = room.time.monotonic()
        while room.time.monotonic() < sent + 28:
            assert room.state(client_id) == "unknown" and worst(room) == WORST
            await room.sleep(1)
        await room.until(lambda: room.state(client_id) == "absent", seconds=25)
        assert worst(room) == 0 and room.orders()[1:] == []
        await room.cycle()
        again = room.orders()[1]["client_id"]
        assert again != client_id and room.submits == [(again, "accepted")]

    room.play(story)


def test_F18_it_arrives_after_the_first_not_found(room):
    """Not found proves nothing before the horizon: nothing is decided anew, and the late order is adopted."""

    async def story():
        room.venue.faults = Faults(submit_late=1, late_seconds=25)
        room.lines.next.clear()
        client_id = await room.order()
        asked = []
        room.always("order", lambda real, ref: asked.append(real(ref)) or asked[-1])
        await room.until(lambda: room.state(client_id) == "working", seconds=60)
        assert type(asked[0]).__name__ == "NotFound"
        room.venue.heal()
        room.trade()
        await room.reconcile()
        await room.cycle()
        assert room.submits == [(client_id, "accepted")]
        room.agree()

    room.play(story)


def test_F18_it_arrives_after_the_horizon(make_room):
    """It was taken for absent and is there after all: it is cancelled at once, and people are told."""
    room = make_room(bounded=False)

    async def story():
        room.say("submit", SILENCE)
        client_id = await room.order()
        sent = room.engine.blotter.get(client_id).request
        await room.until(lambda: room.state(client_id) == "absent", seconds=60)
        room.want = {}
        await room.sleep(40)
        assert worst(room) == WORST  # nothing bounds how late it may be
        room.venue.submit(sent)
        await room.until(lambda: room.state(client_id) == "canceled", seconds=60)
        assert room.venue.truth_working() == [] and len(room.told("order_revived")) == 1
        assert room.steps(client_id) == ["unknown", "absent", "working", "cancel_sent", "canceled"]

    room.play(story)


def test_F18_it_arrives_after_the_horizon_and_the_session_dies(make_room):
    """It is known to work again, and not cancelled yet: the next session does it."""
    room = make_room(bounded=False)

    async def story():
        room.say("submit", SILENCE, SILENCE)
        room.want = {"AAA": 0.1, "BBB": 0.1}
        await room.cycle()
        ids = [one["client_id"] for one in room.orders()]
        sent = room.engine.blotter.get(ids[0]).request
        await room.until(lambda: {room.state(each) for each in ids} == {"absent"}, seconds=60)
        room.want = {}
        room.venue.submit(sent)
        room.always("order", lambda _real, _ref: room.life.kill())  # it is asked for the other one
        await room.reconcile()

    async def again():
        client_id = room.orders()[0]["client_id"]
        await room.until(lambda: room.state(client_id) == "canceled", seconds=50)
        assert room.venue.truth_working() == []

    assert room.play(story) is None
    assert [one["state"] for one in room.orders()] == ["working", "absent"]
    room.always("order", None)
    room.play(again)


class AtMost:
    """No more than so much money in a symbol, long or short."""

    guards = "increasing"

    def __init__(self, most):
        self.most = most

    def check(self, plan, book):
        for row, (column, notional) in enumerate(zip(plan.column, plan.notional, strict=True)):
            side = 1 if notional > 0 else -1
            after = max(0.0, side * book.exposure[column]) + abs(notional)
            if plan.increases[row] and after > self.most:
                yield Refusal(row, "too large", self.most, after)


@pytest.mark.parametrize("side", [1, -1], ids=["from long", "from short"])
def test_a_symbol_that_is_turned_to_the_side_of_an_absent_order_stays_within_its_limit(make_room, side):
    """What is held is closed, and the other side is not opened beyond what the limit leaves beside the absent order."""
    terms = Terms(shorting=True, leverage=Decimal(4))
    room = make_room(bounded=False, terms=terms, text="[application.portfolio]\nallow_short = true\n")

    async def story():
        room.engine.desk.order_rules = [("at_most", AtMost(10_001.0))]
        room.say("submit", SILENCE)
        absent = await room.order(weight=-0.1 * side)
        sent = room.engine.blotter.get(absent).request
        await room.until(lambda: room.state(absent) == "absent", seconds=60)
        await room.hold(weight=0.1 * side)
        room.want = {"AAA": -0.1 * side}
        await room.cycle()
        room.venue.submit(sent)
        room.trade()
        assert room.venue.truth_positions() == {"AAA": -100 * side}
        assert [one["denied"] for one in room.orders() if one["state"] == "denied"] == ["at_most: too large"]
        await room.until(lambda: room.told("order_revived"), seconds=60)
        room.agree()

    room.play(story)


def test_F19_duplicate_id_that_no_query_shows(room):
    """The venue says that it has this order, so it counts as working: it is asked for, never sent under another id, and
    a person is told when the horizon has passed."""

    async def story():
        room.say("submit", Rejected("duplicate", "this id is in use"))
        client_id = await room.order()
        assert room.state(client_id) == "working" and worst(room) == WORST
        await room.sleep(20)
        assert room.told("order_missing") == []
        await room.until(lambda: room.told("order_missing"), seconds=60)
        assert ("main/AAA", "halt") in room.blocks() and worst(room) == WORST
        await room.cycle()
        assert [one["client_id"] for one in room.orders()] == [client_id]

    room.play(story)


def test_F20_definitive_reject(room):
    """The order is rejected, and nothing is tried again before the next decision."""

    async def story():
        room.say("submit", Rejected("funds", "not enough money"))
        client_id = await room.order()
        assert room.state(client_id) == "rejected" and worst(room) == 0
        await room.sleep(50)
        assert room.calls["main"]["submit"] == 1
        await room.cycle()
        assert [state for _, state in room.submits] == ["accepted"] and room.calls["main"]["submit"] == 2

    room.play(story)


UNCLEAR = [
    Unknown("server", "500 Internal Server Error"), "<html>502 Bad Gateway</html>", {"code": -1007}, 7, True, (),
    Unavailable("server", "503"), Accepted, ConnectionResetError("reset"), ValueError("cut off in the middle"),
    KeyError("orderId"), RecursionError("deep"), TimeoutError("the client's own"),
]  # fmt: skip


@pytest.mark.parametrize("answer", UNCLEAR, ids=[repr(one)[:24] for one in UNCLEAR])
@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "not arrived"])
def test_F21_an_answer_that_says_nothing(room, answer, arrived):
    """A 5xx, HTML, garbage, an exception: the order is unknown, and the venue is asked whether it is there."""

    def answers(real, order):
        if arrived:
            real(order)
        return answer

    async def story():
        room.say("submit", answers)
        client_id = await room.order()
        assert room.state(client_id) == "unknown"
        room.want = {}
        await room.until(lambda: room.state(client_id) != "unknown", seconds=80)
        assert room.state(client_id) == ("working" if arrived else "absent")
        assert room.submits == ([(client_id, "accepted")] if arrived else [])

    room.play(story)


def test_F22_rate_limited(room):
    """A 429 to a send is a rejection where the broker says so; a 429 to a query is no answer, and nothing is decided on
    it."""

    async def story():
        room.say("submit", Rejected("rate_limited", "429 Too Many Requests", 1.0))
        first = await room.order()
        assert room.state(first) == "rejected"
        await room.hold()
        room.venue.faults = Faults(query_rate_limited=1)
        room.want["AAA"] = 0.0
        calls = room.calls["main"]["submit"]
        await room.no_cycle(10)
        assert room.calls["main"]["submit"] == calls and room.held() == 100
        room.venue.heal()
        await room.until(lambda: room.calls["main"]["submit"] > calls, seconds=60)
        room.trade()
        await room.reconcile()
        room.agree()

    room.play(story)


def test_F23_duplicate_acknowledgement(room):
    """The second word that an order was taken changes nothing."""

    async def story():
        room.line("SUBMIT", Late(18.0))
        client_id = await room.order()
        await room.reconcile()
        before = room.steps(client_id)
        await room.sleep(40)
        assert room.steps(client_id) == before == ["unknown", "working"]
        assert room.engine.sender.in_flight == {} and room.blocks() == set()

    room.play(story)


def test_F24_fill_before_the_acknowledgement(room):
    """The fill is booked and says that the order works; the acknowledgement that follows is no news."""

    async def story():
        room.line("SUBMIT", Late(30.0))
        room.after["submit"] = lambda order: room.trade(volume=40)
        client_id = await room.order()
        assert room.state(client_id) == "unknown"
        room.always("order", lambda real, ref: Unavailable("timeout", "busy"))
        await room.until(lambda: room.state(client_id) == "working", seconds=25)
        assert room.held() == 40 and room.engine.blotter.get(client_id).remaining == 60
        room.always("order", None)
        await room.sleep(40)
        room.trade()
        await room.reconcile()
        assert room.steps(client_id)[0] == "unknown" and room.state(client_id) == "filled"
        room.agree()

    room.play(story)


def test_F24_the_call_is_made_after_its_deadline(room):
    """A send that was given up and reaches the venue later is found there; the horizon begins when it came back."""

    async def story():
        room.line("SUBMIT", Slow(200.0))
        client_id = await room.order()
        await room.sleep(150)
        assert room.state(client_id) == "unknown" and room.submits == []  # it may still leave
        await room.until(lambda: room.state(client_id) == "working", seconds=90)
        assert room.submits == [(client_id, "accepted")] and room.told("order_unknown")

    room.play(story)


def test_orders_of_a_symbol_that_is_certain_are_decided_meanwhile(make_room):
    room = make_room(horizon=300)

    async def story():
        room.say("submit", SILENCE)
        await room.order("AAA")
        await room.order("BBB")
        assert [one["symbol"] for one in room.orders()] == ["AAA", "BBB"]
        assert worst(room) == WORST and worst(room, "BBB") == WORST
        assert {one["side"] for one in room.orders()} == {Side.BUY.value} and room.cash() == Decimal(100_000)

    room.play(story)


# ---- words that cannot be kept -------------------------------------------------------------------------------------
HALF = "busy \ud83d"
"""What json.loads makes of a text that a venue cut in the middle of a character."""


class Wordless(Exception):
    """An error of a client that fails to say what it is."""

    def __str__(self):
        raise AttributeError("response")


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("submit", Rejected("refused", HALF)),
        ("submit", Unknown("timeout", HALF)),
        ("submit", RuntimeError(HALF)),
        ("submit", Wordless()),
        ("account", Unavailable("timeout", HALF)),
        ("positions", RuntimeError(HALF)),
        ("orders", Wordless()),
        ("fills", Unavailable("timeout", HALF)),
    ],
)
def test_F82_words_that_no_database_takes_end_no_session(room, call, answer):
    """Half a character in a venue's words: what became of the order is stored all the same, and the session goes on."""

    def answers(_real, *_args):
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def story():
        room.always(call, answers)
        room.want["AAA"] = 0.1
        await room._next_minute()
        await asyncio.sleep(200)
        room.always(call, None)
        await asyncio.sleep(200)

    assert room.play(story).reason == "told"
    assert verify_chain(room.store) is None


@pytest.mark.parametrize("error", [RuntimeError(HALF), Wordless()])
def test_F82_words_of_a_strategy_that_no_database_takes_end_no_session(room, monkeypatch, error):
    def score(_self, _history):
        raise error

    async def story():
        with monkeypatch.context() as patched:
            patched.setattr("dealing_room.parts.Wants.score", score)
            await room.cycle()

    assert room.play(story).reason == "told"
    assert verify_chain(room.store) is None
