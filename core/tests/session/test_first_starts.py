"""A book opens on an account: clean, taken over as it is, or cleared of its orders."""

import threading
from decimal import Decimal

import pytest
from msgspec import structs
from trader.errors import BadAnswer, PluginError, Refused, SettingsError, Unreachable
from trader.model import Failed, Instrument, Rejected, Side, Unavailable
from trader.session import Session
from trader.session.lanes import ThreadLane
from trader.store import reading

D = Decimal


def holds(room, symbol="AAA", quantity=40):
    """Somebody bought on the account before."""
    room.by_hand(symbol, quantity=quantity)
    room.time.advance(60)


def test_a_clean_account_opens_with_its_cash(room):
    room.play()
    (event,) = reading.cash_events(room.store)
    assert (event["kind"], event["amount"]) == ("transfer", 100_000) and room.cash() == 100_000


@pytest.mark.parametrize("what", ["a position", "an order"])
def test_an_account_that_is_not_clean_is_refused(room, what):
    if what == "a position":
        holds(room)
    else:
        room.venue.manual_trade("AAA", Side.BUY, D(40))
    with pytest.raises(Refused, match=r"not clean.*(40 AAA|order V1 AAA)"):
        room.play()
    assert room.submits == []


def test_adopt_takes_positions_over_at_their_price(room):
    holds(room)
    room.trade(AAA=110.0)

    async def story():
        assert room.held() == 40 and room.cash() == 96_000 == room.venue.truth_cash()
        assert room.engine.ledger.holdings["AAA"].price == 100
        found = await room.reconcile()
        assert found["differences"] == [] and found["blocked"] == []
        await room.sleep(120)
        assert room.blocks() == set() and room.told("external_trade") == []
        room.want["AAA"] = 0.0
        await room.cycle()
        assert [(one["side"], one["quantity"]) for one in room.orders()] == [("sell", 40)]
        room.trade()
        await room.reconcile()
        assert room.held() == 0 and room.cash() == 100_400 == room.venue.truth_cash()

    async def again():
        found = await room.reconcile()
        assert found["differences"] == [] and room.cash() == 100_400

    room.play(story, adopt=True)
    room.play(again)


@pytest.mark.parametrize("booking", [1, 2])
def test_a_start_that_dies_while_it_takes_positions_over_leaves_no_half_of_it(room, booking):
    """Cash and positions open a book together: with the one alone the next start would go on from a wrong account."""
    holds(room)
    room.die_at("fills>commit", booking)
    room.play(adopt=True)

    async def again():
        assert room.held() == 40 and room.cash() == 96_000 == room.venue.truth_cash()
        assert (await room.reconcile())["differences"] == []

    room.play(again, adopt=True)


def test_adopt_takes_both_positions_over_that_a_hedging_account_shows_of_a_symbol(room):
    holds(room)

    def in_two(real):
        return [structs.replace(one, quantity=D(part)) for one in real() for part in (30, 10)]

    async def story():
        assert room.held() == 40 and room.cash() == 96_000 == room.venue.truth_cash()
        assert (await room.reconcile())["differences"] == []

    room.always("positions", in_two)
    room.play(story, adopt=True)


def test_adopt_leaves_a_symbol_alone_that_the_book_does_not_trade(make_room):
    room = make_room(rules=(Instrument("ZZZ"),))
    room.venues["main"].tick({"ZZZ": 50.0})
    room.venue.manual_trade("ZZZ", Side.BUY, D(10))
    room.venue.tick({"ZZZ": 50.0})
    room.time.advance(60)

    async def story():
        await room.hold()
        await room.sleep(120)
        assert room.blocks() == set() and room.engine.ledger.apart == {"ZZZ": 10}
        assert room.cash() == room.venue.truth_cash()

    async def again():
        assert (await room.reconcile())["differences"] == []

    room.play(story, adopt=True)
    room.play(again)


def test_cancel_open_clears_the_account_of_orders(room):
    for _ in range(3):
        room.venue.manual_trade("AAA", Side.BUY, D(40))
    room.say("cancel", Rejected("rate_limited", "429", 1.0))

    async def story():
        assert room.venue.truth_working() == [] and room.told("external_order") == []
        await room.hold()
        room.agree()

    room.play(story, cancel_open=True)


def test_cancel_open_gives_up_when_orders_stay(room):
    room.venue.manual_trade("AAA", Side.BUY, D(40))
    room.always("cancel", lambda real, ref: Rejected("closed", "no"))
    with pytest.raises(Refused, match="still working after 30 s"):
        room.play(cancel_open=True)


def test_an_order_of_somebody_else_is_told_where_the_account_is_adopted(room):
    room.venue.manual_trade("AAA", Side.BUY, D(40))

    async def story():
        assert len(room.told("adopted_order")) <= 1
        await room.sleep(30)
        assert len(room.told("external_order")) == 1

    room.play(story, adopt=True)


def test_a_venue_that_does_not_say_what_is_there_is_not_opened_on(make_room):
    room = make_room(connect="tries = 3, first_seconds = 1, longest_seconds = 1")
    room.always("orders", lambda real: Unavailable("timeout", "busy"))
    with pytest.raises(Unreachable, match="does not say where the account stands"):
        room.play()
    assert room.calls["main"]["orders"] == 3


def test_a_cold_start_on_a_known_account_begins_a_new_epoch_and_no_fill_is_booked_again(room):
    async def story():
        await room.hold()
        room.want["AAA"] = 0.0
        await room.cycle()
        room.trade()
        await room.reconcile()
        room.agree()

    async def cold():
        assert room.cash() == room.venue.truth_cash() and room.orders() == []
        assert (await room.reconcile())["differences"] == [] and room.told("external_trade") == []
        await room.order("BBB", 0.1)
        room.trade()
        await room.reconcile()
        assert room.held("BBB") == 100 and room.cash() == room.venue.truth_cash()

    room.play(story)
    room.want = {}
    room.play(cold, cold_start=True)


@pytest.mark.parametrize("why", ["not clean", "no answer"])
def test_a_cold_start_that_is_refused_leaves_the_epoch_that_was(make_room, why):
    """A warm start goes on with the old journal as if nobody had tried."""
    room = make_room(connect="tries = 3, first_seconds = 1, longest_seconds = 1")

    async def again():
        await room.reconcile()
        assert room.held() == 100
        room.agree()

    room.play(room.hold)
    if why == "no answer":
        room.always("orders", lambda real: Unavailable("timeout", "busy"))
    with pytest.raises(Refused if why == "not clean" else Unreachable):
        room.play(cold_start=True, adopt=why == "no answer")
    room.always("orders", None)
    room.play(again)
    assert len(room.submits) == 1


# ---- what keeps a session from starting -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Failed("535 wrong password"), SettingsError, "It cannot deliver: 535 wrong password"),
        ("ok", BadAnswer, "check() answered 'ok'; expected None or Failed."),
        (ConnectionRefusedError("smtp"), PluginError, "raised in check() at start:\n  ConnectionRefusedError: smtp"),
        (SystemExit(0), PluginError, "raised in check() at start:\n  SystemExit: 0"),
    ],
)
def test_F117_an_alert_transport_that_cannot_be_checked_is_told(make_room, monkeypatch, answer, error, words):
    def check(_transport):
        if isinstance(answer, BaseException):
            raise answer
        return answer

    room = make_room(text="[alert_transports.post]\n")
    monkeypatch.setattr("dealing_room.plugins.alert_transport.Post.check", check)
    with pytest.raises(error) as caught:
        room.play()
    assert "Plugin 'post'" in str(caught.value) and words in str(caught.value)


def test_F117_an_alert_transport_that_hangs_when_it_is_checked_holds_no_start_up_for_ever(make_room, monkeypatch):
    go = threading.Event()
    room = make_room(text="[alert_transports.post]\ntimeout = 0.1\n")
    monkeypatch.setattr("dealing_room.plugins.alert_transport.Post.check", lambda _transport: go.wait(5) and None)
    threads = {"alert_transport post": ThreadLane}
    world = room._world

    def with_threads():
        made = world()
        line = made.make_lane
        made.make_lane = lambda name, timeout, workers: (
            threads[name](name, timeout=timeout, workers=workers) if name in threads else line(name, timeout, workers)
        )
        return made

    monkeypatch.setattr(room, "_world", with_threads)
    with pytest.raises(Unreachable, match=r"did not answer in time \(check\(\)\)"):
        room.play()
    go.set()


@pytest.mark.parametrize("taken", ["var", "var/logs", "var/logs/trader.jsonl"])
def test_a_state_folder_that_cannot_be_written_is_told_with_the_place_of_the_setting(tmp_path, taken):
    path = tmp_path / "settings.toml"
    path.write_text('[application]\nstate_dir = "var"\n')
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).mkdir() if taken.endswith("jsonl") else (tmp_path / taken).touch()
    with pytest.raises(SettingsError) as caught:
        Session(path).start()
    assert "settings.toml:2  application.state_dir\n  The state folder cannot be written: " in str(caught.value)
    assert str(tmp_path / taken) in str(caught.value)
