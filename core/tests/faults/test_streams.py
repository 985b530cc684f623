"""Connections that are lost, streams that break and fall silent."""

import asyncio
from decimal import Decimal

import pytest
from dealing_room.line import Late
from trader.model import Fill, Idle, Reset, Side, Unavailable
from trader.session import Session, live
from trader.session.bars import fetch
from trader.simulation import Faults

D = Decimal


@pytest.mark.parametrize("seconds", [5, 300])
def test_F41_the_connection_is_gone_for_a_while(room, seconds):
    """It is reached again with growing pauses, and everything is reconciled before anything is decided."""

    async def story():
        await room.order()
        room.venue.maintenance(seconds)
        calls = []
        names = ("open", "positions", "submit")
        room.before |= {name: lambda *_, name=name: calls.append(name) for name in names}
        room.want["BBB"] = 0.1
        await room.sleep(seconds / 2)
        decided = room.engine.number
        if seconds == 300:
            assert ("client", False) in [told[:2] for told in room.heard["connection"]]
            assert len(room.told("connection_lost")) == 1
            await room.no_cycle()
        await room.sleep(seconds / 2 + 1)
        room.trade()
        await room.cycle()
        if seconds == 300:
            assert [told[1] for told in room.heard["connection"] if told[0] == "client"] == [True, False, True]
        before = calls[: calls.index("submit")]
        opened = len(before) - before[::-1].index("open") if "open" in before else 0
        assert "positions" in before[opened:] and room.engine.number > decided
        assert room.held("AAA") == 100
        room.trade()
        await room.reconcile()
        room.agree()

    room.play(story)


def test_F41_the_stream_breaks(make_room):
    """What was lost with it is found by the reconciliation that follows its return."""
    room = make_room(stream=True, reconcile="interval_seconds = 900")

    async def story():
        await room.order()
        await room.sleep(2)
        room.venue.disconnect(5)
        room.trade()
        await room.sleep(4)
        assert room.held() == 0
        await room.until(lambda: room.held() == 100, seconds=10)
        room.agree()

    room.play(story)


def test_F42_a_stream_that_says_nothing_any_more(make_room):
    """It looks alive and carries nothing: the regular questions find what happened."""
    room = make_room(stream=True, reconcile="interval_seconds = 40")

    async def story():
        await room.order()
        await room.sleep(2)
        room.venue.mute(3_600)
        room.trade()
        await room.sleep(5)
        assert room.held() == 0
        await room.until(lambda: room.held() == 100, seconds=45)
        room.agree()

    room.play(story)


@pytest.mark.parametrize("event", [Reset("gap"), {"seq": 7}, None, b"\xff", Fill], ids=["reset", *"abcd"])
def test_F43_a_gap_in_the_stream(make_room, event):
    """A reset, or something that nobody understands: something may be missing, so everything is asked for at once."""
    room = make_room(stream=True, reconcile="interval_seconds = 900")

    def told():
        yield Reset()
        while not room.venue.truth_fills():
            yield Idle()
        yield event
        while True:
            yield Idle()

    room.say("stream_orders", told())

    async def story():
        await room.order()
        room.trade()
        await room.until(lambda: room.held() == 100, seconds=10)
        room.agree()

    room.play(story)


def test_F43_a_gap_in_the_stream_while_everything_is_asked(make_room):
    """What was asked before the gap does not show what the gap hides: everything is asked once more."""
    room = make_room(reconcile="interval_seconds = 900")

    async def story():
        await room.order()

        def gap():
            room.before.pop("positions")
            room.trade()  # after the question for fills
            room.session.runners[0].reconcile_soon()

        room.before["positions"] = gap
        room.session.runners[0].reconcile_soon()
        await room.until(lambda: room.held() == 100, seconds=10)
        room.agree()

    room.play(story)


def test_F25_a_stream_that_tells_of_orders_only(make_room):
    """Some venues name an execution otherwise by stream: it says that an order is over, and a query has its fills."""
    room = make_room(stream=True, reconcile="interval_seconds = 900")

    def told():
        yield Reset()
        while not room.venue.truth_fills():
            yield Idle()
        yield room.venue.accepted[0].report
        while True:
            yield Idle()

    room.say("stream_orders", told())

    async def story():
        await room.order()
        await room.sleep(5)
        room.always("fills", lambda real, since: [])  # the query lags
        room.trade()
        await room.sleep(5)
        assert room.held() == 0
        room.always("fills", None)
        await room.until(lambda: room.held() == 100, seconds=4)
        room.agree()

    room.play(story)


@pytest.mark.parametrize("end", [PermissionError("the listen key has expired"), None], ids=["raises", "ends"])
def test_F44_the_right_to_listen_ends(make_room, end):
    """A stream that raises or ends is opened anew, and what it missed is asked for."""
    room = make_room(stream=True, reconcile="interval_seconds = 900")

    def told():
        yield Reset()
        while not room.venue.truth_fills():
            yield Idle()
        if end is not None:
            raise end

    room.say("stream_orders", told())

    async def story():
        await room.order()
        room.trade(volume=40)
        await room.until(lambda: room.held() == 40, seconds=10)
        await room.sleep(5)
        assert room.calls["main"]["stream_orders"] == 2
        calls = room.calls["main"]["fills"]
        room.trade(volume=60)
        await room.until(lambda: room.held() == 100, seconds=10)
        assert room.calls["main"]["fills"] == calls  # by the new stream
        room.agree()

    room.play(story)


def test_F45_more_events_than_anybody_takes(make_room):
    """While the book is busy with a call that hangs, every event of the stream waits for it; none is dropped."""
    room = make_room(stream=True, reconcile="interval_seconds = 900")
    many = 400

    def burst(_order):
        for _ in range(many):
            room.trade(volume=1)

    async def story():
        client_id = await room.order("AAA", 0.5)
        room.always("fills", lambda real, since: [])
        room.always("order", lambda real, ref: Unavailable("busy", "later"))
        room.line("SUBMIT", Late(1.0))  # the book waits for ten seconds
        room.before["submit"] = burst
        room.want["BBB"] = 0.1
        await room.cycle()
        await room.sleep(5)
        assert room.held() == many and room.engine.blotter.get(client_id).filled == many
        assert len(room.fills()) == many

    room.play(story)


def test_a_stream_that_is_full_of_somebody_elses_fills_is_booked_by_the_policy(make_room):
    room = make_room(stream=True, faults=Faults(stream_duplicated=1))

    async def story():
        await room.sleep(2)
        room.venue.manual_trade("AAA", Side.BUY, D(10))
        room.trade()
        await room.until(lambda: room.held() == 10, seconds=5)
        assert len(room.told("external_trade")) == 1
        room.agree()

    room.play(story)


@pytest.mark.parametrize("told_of", ["trade", "order"])
def test_F102_somebody_trades_while_orders_wait_at_the_gate(make_room, told_of):
    """What limits have not seen lets nothing out that adds risk; it is booked, and then decided anew."""
    room = make_room(symbols=("AAA", "BBB", "CCC"), stream=True, reconcile="interval_seconds = 900")

    def meanwhile(_order):
        room.venue.manual_trade("BBB", Side.BUY, D(30))
        if told_of == "trade":
            room.trade(BBB=100.0)

    async def story():
        await room.hold("AAA", 0.3)
        await room.sleep(2)
        room.want |= {"AAA": 0.1, "BBB": 0.1, "CCC": 0.1}
        room.before["submit"] = lambda order: meanwhile(order) if room.before.pop("submit") else None
        room.line("SUBMIT", Late(1.0))  # its answer takes ten seconds, in which the stream speaks
        await room.cycle()
        states = {one["symbol"]: one["state"] for one in room.orders()[1:]}
        assert states["BBB"] == states["CCC"] == "not_sent" and states["AAA"] not in ("not_sent", "denied")
        refused = [refusal for _, refusal in room.heard["refusal"]]
        assert {one.rule for one in refused} == {"limits"} and "limits have not seen buy 30 BBB" in refused[0].reason
        room.trade()
        await room.until(lambda: room.held("BBB") == 30, seconds=30)
        await room.cycle()
        assert {one["symbol"]: one["quantity"] for one in room.orders()[4:]} == {"BBB": 70, "CCC": 100}

    room.play(story)


def test_one_cycle_is_decided_though_a_stream_connects_meanwhile(make_room, monkeypatch):
    """`run --once`: a stream's first word makes the book ask everything first. It is no reason to end undecided."""
    real = Session.run
    monkeypatch.setattr(Session, "run", lambda session, **options: real(session, cycles=1, **options))
    room = make_room(stream=True)
    asked = []

    async def slowly(session, book):
        asked.append(book)
        await asyncio.sleep(5)
        return await fetch(session, book)

    def told():
        while not asked:
            yield Idle()
        yield Reset()  # while bars are on their way
        while True:
            yield Idle()

    monkeypatch.setattr(live, "fetch", slowly)
    room.say("stream_orders", told())
    room.want["AAA"] = 0.1
    with pytest.raises(AssertionError, match="ended before the story"):
        room.play()  # it ends by itself
    assert len(room.orders()) == 1


def test_F95_the_keys_are_refused_and_a_stream_speaks_on(make_room, monkeypatch):
    """A book that is given up has nobody to ask: what its stream tells waits, and everything else goes on."""
    room = make_room(stream=True, reconcile="interval_seconds = 5")
    turns, real = [], live.Runner._once

    async def counted(runner):
        turns.append(room.time.monotonic())
        assert len(turns) < 2_000, "the book never rests"
        await real(runner)

    monkeypatch.setattr(live.Runner, "_once", counted)
    refused = Unavailable("auth", "the keys are refused")

    def told():
        yield Reset()
        while not room.venue.truth_fills():
            yield Idle()
        yield from room.venue.truth_fills()
        while True:
            yield Idle()

    room.say("stream_orders", told())

    async def story():
        await room.order()
        for question in ("open", "account", "positions", "orders", "order", "fills"):
            room.always(question, lambda *_: refused)
        runner = room.session.runners[0]
        await room.until(lambda: runner.connection.given_up, seconds=60)
        room.trade()
        await room.sleep(60)
        assert room.held() == 0
        room.instead.clear()
        await room.reconcile()
        await room.until(lambda: room.held() == 100, seconds=10)
        room.agree()

    room.play(story)


@pytest.mark.parametrize("where", ["opens", "closes"])
def test_F44_a_stream_that_raises_where_it_opens_or_closes(make_room, where):
    """Whatever it raises, and wherever: it is opened anew, and what it missed is asked for."""
    room = make_room(stream=True, reconcile="interval_seconds = 900")

    class Told:
        def __iter__(self):
            if where == "opens":
                raise OSError("no route to host")
            return self

        def __next__(self):
            if room.venue.truth_fills():
                raise OSError("the connection was reset")
            return Idle()

        def close(self):
            raise OSError("the connection was reset")

    room.say("stream_orders", Told())

    async def story():
        await room.order()
        room.trade()
        await room.until(lambda: room.held() == 100, seconds=10)
        await room.until(lambda: room.calls["main"]["stream_orders"] == 2, seconds=5)
        room.agree()

    room.play(story)
