"""Money that moves without a trade: what it does to drawdown and day, and that none is lost or booked twice."""

from datetime import timedelta
from decimal import Decimal

import pytest
from trader.cycle.market import instant
from trader.model import CashEvent, Unavailable, Unknown
from trader.store import reading

D = Decimal
DAY = 86_400
DOWN = Unavailable("timeout", "down")


# ---- drawdown ------------------------------------------------------------------------------------------------------
class Seen:
    """What rules see of a book after each bar."""

    def __init__(self):
        self.drawdown, self.day_pnl = [], []

    def look(self, portfolio):
        self.drawdown.append(1 - portfolio.equity / portfolio.peak_equity if portfolio.peak_equity else 0.0)
        self.day_pnl.append(portfolio.equity - portfolio.day_equity)


def played(book, closes, moves, weight=0.5, kind="transfer"):
    """What was seen of a book that holds `weight` of A at these closes; `moves`: row -> money that the venue moves
    before it."""
    seen = Seen()
    play = book.Play(book.bars({"A": closes}, hours=6), book.Says(book.Weights([weight])))
    for row in range(len(closes)):
        if row in moves:
            moment = instant(play.bars.start[row]) + timedelta(minutes=1)
            play.venue.book_cash(CashEvent(f"M{row}", kind, D(moves[row]), "USD", moment))
        play.step()
        seen.look(play.engine.standing.portfolio)
    return seen


def test_a_withdrawal_is_no_loss_and_a_deposit_no_profit(book):
    flat = played(book, [100.0] * 6, {2: -60_000, 4: 500_000})
    assert flat.drawdown == pytest.approx([0.0] * 6) and flat.day_pnl == [0.0] * 6


@pytest.mark.parametrize("amount", [-30_000, 900_000])
def test_a_drawdown_stays_what_it_was_whatever_is_paid_in_or_taken_out(book, amount):
    closes = [100.0, 100.0, 80.0, 80.0, 80.0]
    rested, moved = played(book, closes, {}), played(book, closes, {4: amount})
    assert rested.drawdown[3] == pytest.approx(0.1, abs=0.01)
    assert moved.drawdown[4] == pytest.approx(rested.drawdown[4], abs=1e-6)


@pytest.mark.parametrize("amount", [-30_000, 900_000])
def test_the_profit_of_a_day_is_what_was_traded_for(book, amount):
    closes = [100.0, 100.0, 100.0, 100.0, 100.0, 80.0, 80.0, 80.0]  # four bars make a day
    rested, moved = played(book, closes, {}), played(book, closes, {6: amount})
    assert moved.day_pnl[6] == rested.day_pnl[6] < -9_000


def test_money_that_comes_while_prices_move_earned_nothing_of_it(book):
    closes = [100.0, 100.0, 100.0, 80.0]
    rested, moved = played(book, closes, {}), played(book, closes, {3: 100_000})
    assert moved.drawdown[3] == pytest.approx(rested.drawdown[3], abs=1e-6) and rested.drawdown[3] > 0.09
    assert moved.day_pnl[3] == rested.day_pnl[3]


@pytest.mark.parametrize("kind", ["fee", "funding", "interest", "dividend", "adjustment"])
def test_what_is_earned_or_paid_for_trading_is_profit_and_loss(book, kind):
    seen = played(book, [100.0] * 4, {2: -20_000}, kind=kind)
    assert seen.drawdown[2] == pytest.approx(0.2) and seen.day_pnl[2] == pytest.approx(-20_000)


def test_an_account_that_was_emptied_begins_anew(book):
    seen = played(book, [100.0] * 6, {2: -100_000, 4: 50_000}, weight=0.0)
    assert seen.drawdown[-1] == 0.0 and seen.day_pnl[-1] == pytest.approx(0.0)


def drawdown(room):
    portfolio = room.engine.standing.portfolio
    return 1 - portfolio.equity / portfolio.peak_equity


def peak(room):
    (row,) = reading.books(room.store)
    return row["peak_equity"]


def test_a_withdrawal_that_was_booked_after_the_last_decision_is_no_loss_after_a_restart(room):
    async def story():
        await room.hold(weight=0.5)
        await room.cycle()
        room.trade(AAA=80)
        await room.sleep(61)
        await room.cycle()
        assert drawdown(room) == pytest.approx(0.1)
        room.venue.cash("transfer", D(-30_000))
        await room.reconcile()
        room.life.kill()

    async def again():
        room.want = {}
        for _ in range(2):
            await room.cycle()
            assert drawdown(room) == pytest.approx(0.1) and room.engine.standing.portfolio.equity == 60_000
            assert peak(room) == pytest.approx(D(66_666), abs=1)  # what `trader status` counts from

    room.play(story)
    room.play(again)
    room.play(again)


def test_a_withdrawal_that_is_booked_between_the_valuation_and_the_decision_is_no_loss_after_a_restart(make_room):
    """Valued, then reconciled because an order is not clear, then decided: what was booked between counts at the next
    valuation, in whatever life."""
    room = make_room(horizon=600)

    async def story():
        await room.hold(weight=0.5)
        room.want = {"BBB": 0.1}
        room.say("submit", Unknown("timeout", "no answer in time"))
        await room.cycle()
        room.want = {}
        mark = room.engine.standing.mark

        def marked(row, at):
            mark(row, at)
            room.venue.cash("transfer", D(-30_000))

        room.engine.standing.mark = marked
        await room.cycle()
        assert room.cash() == 20_000 and room.engine.standing.equity == 100_000
        room.life.kill()

    async def again():
        await room.cycle()
        assert drawdown(room) == pytest.approx(0.0) and room.engine.standing.equity == 70_000

    room.play(story)
    room.play(again)


# ---- none is lost, none is booked twice ----------------------------------------------------------------------------
def dividends(room):
    return [one["amount"] for one in reading.cash_events(room.store) if one["kind"] == "dividend"]


async def ten_days(room):
    """Somebody trades every second day, and a dividend comes on the fourth."""
    for number in range(5):
        room.time.advance(2 * DAY)
        if number == 1:
            room.venue.cash("dividend", D("12.50"), "AAA")
        before = len(room.fills())
        room.by_hand(quantity=1)
        await room.until(lambda before=before: len(room.fills()) > before, seconds=120)


def test_ten_days_of_trading_in_which_nobody_tells_of_money(room):
    async def story():
        await room.hold()
        room.venue.cash("dividend", D(5), "AAA")
        await room.reconcile()
        room.always("cash_events", lambda real, since: DOWN)
        await ten_days(room)
        assert dividends(room) == [5]
        room.always("cash_events", None)
        await room.until(lambda: len(dividends(room)) == 2, seconds=120)
        await room.reconcile()
        assert dividends(room) == [5, D("12.50")] and room.told("store_failed") == [] and room.blocks() == set()
        room.agree()

    room.play(story)


def test_ten_days_of_trading_in_which_nobody_tells_of_money_and_restarts_meanwhile(room):
    async def story():
        await room.hold()
        room.venue.cash("dividend", D(5), "AAA")
        await room.cycle()
        room.always("cash_events", lambda real, since: DOWN)
        await ten_days(room)
        room.life.kill()

    async def again():
        room.always("cash_events", None)
        await room.reconcile()
        assert dividends(room) == [5, D("12.50")]
        await room.cycle()
        room.agree()

    room.play(story)
    room.always("cash_events", lambda real, since: DOWN)
    room.at["connect>reconcile"] = lambda: room.always("cash_events", None)
    room.play(again)
    room.play(again)


@pytest.mark.parametrize("decided", [True, False])
def test_it_dies_between_trades_and_the_money_that_moved_before_them(room, decided):
    """The trades are booked, and newer than the money by days: it is asked for all the same."""

    async def story():
        await room.hold("BBB")
        await room.cycle()
        room.life.kill()

    async def again():
        await room.reconcile()
        assert dividends(room) == [D("12.50")]
        await room.cycle()
        room.agree()

    if not decided:
        room.die_at("journal>commit")
    assert room.play(story) is None
    room.time.advance(DAY)
    room.venue.cash("dividend", D("12.50"), "AAA")
    room.time.advance(3 * DAY)
    room.by_hand()
    room.before["cash_events"] = lambda since: room.life.kill()
    assert room.play() is None and room.held() == 10 and dividends(room) == []
    room.before.clear()
    room.play(again)
    room.play(again)
