"""A hedging account's tickets as the one position a symbol that the core counts: its price, and the cash with it."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec import structs
from trader.clock import VirtualClock
from trader.model import Accepted, Fill, Side, Unavailable
from trader.orders.journal import Holding
from trader.orders.ledger import after_trade
from trader.testing.emulation import Mishap
from trader_broker_mt5.netting import average, locked
from trader_broker_mt5.wire import Ticket
from trader_emulators.mt5.book import CloseBy, Sender

D = Decimal
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CENT = D("0.01")


def fill(signed, price, number=1):
    side = Side.BUY if signed > 0 else Side.SELL
    return Fill(str(number), "", "", "X", side, abs(D(signed)), D(price), D(0), NOON, "USD")


def close_by(desk, first, second):
    """A person lets two opposite tickets close each other."""
    volume = min(first.volume, second.volume)
    number = 900_000_001 + len(desk.emulator.close_bys)
    event = CloseBy(number, desk.clock.now(), first.identifier, second.identifier, volume, Sender(number))
    desk.emulator.close_bys.append(event)


# ---- the price of a net position -----------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(20))
def test_the_average_is_a_ledgers_wherever_the_fills_begin_before_it_was_flat(seed):
    dice, held, fills = random.Random(seed), Holding("X", D(0), D(0), None, D(0)), []
    for number in range(60):
        signed, price = D(dice.choice([-3, -2, -1, 1, 2, 3])), D(dice.randint(90, 110))
        fills.append(fill(signed, price, number))
        held, _ = after_trade(held, signed, price, NOON, D(1))
        if held.quantity:
            assert average(held.quantity, fills) == (held.price, NOON)
    assert average(held.quantity or D(1), []) is None


def test_fills_that_do_not_reach_back_to_where_it_was_flat_have_no_average():
    fills = [fill(2, 100), fill(1, 130), fill(-1, 150)]
    assert average(D(2), fills) == (110, NOON)
    assert average(D(2), fills[1:]) is None
    assert average(D(5), fills) is None


def test_opposite_tickets_lock_what_a_ledger_has_realised():
    long, short = Ticket(1, "X", Side.BUY, D(1), D(100)), Ticket(2, "X", Side.SELL, D(1), D(107))
    assert locked([long, short], D(0)) == 7
    assert locked([replace(long, volume=D(3)), short], D(100)) == 7
    assert locked([long], D(100)) == 0
    assert locked([replace(long, price=D(110))], D(105)) == -5, "the dearer of two was kept, the ledger has the mean"


# ---- over the wire -------------------------------------------------------------------------------------------------
def agrees(desk, broker, note=""):
    """Account and positions are those of the venue inside, which nets."""
    account, truth = broker.account(), desk.emulator.venue.truth_account()
    assert abs(account.cash - desk.emulator.venue.truth_cash()) <= CENT, note
    assert abs(account.equity - truth.equity) <= CENT, note
    shown = {one.symbol: (one.quantity, round(one.price, 8)) for one in broker.positions()}
    there = {one.symbol: (one.quantity, round(one.price, 8)) for one in desk.emulator.venue.positions()}
    assert shown == there, note


def test_a_stop_that_opens_the_opposite_ticket_realises_in_cash_and_not_in_equity(start):
    desk = start("hedging")
    broker = desk.broker()
    before = broker.account().cash
    desk.sent(broker, quantity="0.2")
    desk.sent(broker, "sell", "0.2", "stop", "gtc", stop="1.09")
    desk.emulator.trade("EUR/USD", 1.08)
    assert len(desk.emulator.book().holdings) == 2
    assert broker.positions() == []
    assert broker.account().cash < before - 100
    agrees(desk, broker)
    desk.emulator.trade("EUR/USD", 1.2)
    agrees(desk, broker, "what is locked moves no more")


def test_a_reduction_without_a_ticket_realises_by_the_average_of_all(start):
    desk = start("hedging")
    broker = desk.broker()
    for price in (1.1, 1.12, 1.15):
        desk.emulator.trade("EUR/USD", price)
        desk.sent(broker)
    desk.sent(broker, "sell", "0.2", reduce_only=True)
    assert len(desk.emulator.book().holdings) == 4
    agrees(desk, broker)
    desk.sent(broker, "sell", "0.1", reduce_only=True)
    agrees(desk, broker)


def test_a_close_of_one_ticket_realises_the_average_and_not_that_tickets_price(start):
    desk = start("hedging")
    broker = desk.broker()
    for price, quantity in ((1.1, "0.1"), (1.2, "0.3")):
        desk.emulator.trade("EUR/USD", price)
        desk.sent(broker, quantity=quantity)
    desk.sent(broker, "sell", "0.1", reduce_only=True)
    assert len(desk.emulator.book().holdings) == 1
    agrees(desk, broker)


@pytest.mark.parametrize("seed", range(3))
def test_cash_is_a_netted_ledgers_after_whatever_was_traded(start, seed):
    clock, dice = VirtualClock(NOON), random.Random(seed)
    desk = start("hedging", clock=clock, seed=seed)
    broker = desk.broker()
    for turn in range(40):
        symbol = dice.choice(["EUR/USD", "XAU/USD"])
        begin = {"EUR/USD": 1.1, "XAU/USD": 2400.0}[symbol]
        price = round(begin * dice.uniform(0.98, 1.02), 2 + 3 * (begin < 2))
        desk.emulator.trade(symbol, price)
        side, size = dice.choice(["buy", "sell"]), dice.choice(["0.1", "0.2", "0.5"])
        clock.sleep(dice.choice([1.0, 3600.0]))
        if dice.random() < 0.6:
            desk.sent(broker, side, size, symbol=symbol)
        else:
            limit = round(price * (0.999 if side == "buy" else 1.001), 2 + 2 * (begin < 2))
            desk.sent(broker, side, size, "limit", "gtc", limit=str(limit), symbol=symbol)
        if dice.random() < 0.2:
            both = list(desk.emulator.book().holdings.values())
            pair = next(((a, b) for a in both for b in both if a.symbol == b.symbol and a.sign > b.sign), None)
            if pair is not None:
                close_by(desk, *pair)
        clock.sleep(1.0)
        agrees(desk, broker, turn)
    fresh = desk.broker()
    agrees(desk, fresh, "after a restart")
    assert len(fresh.fills(ALWAYS)) == len(desk.emulator.venue.truth_fills())


def test_tickets_that_a_person_closes_by_each_other_are_no_executions_and_move_no_cash(start):
    desk = start("hedging")
    broker = desk.broker()
    desk.sent(broker, quantity="0.3")
    desk.emulator.trade("EUR/USD", 1.2)
    for _ in range(2):
        desk.sent(broker, "sell", "0.2", "limit", "gtc", limit="1.25")
    desk.emulator.trade("EUR/USD", 1.26)
    fills, before = broker.fills(ALWAYS), broker.account()
    tickets = list(desk.emulator.book().holdings.values())
    assert [one.sign for one in tickets] == [1, -1, -1]
    close_by(desk, tickets[0], tickets[1])
    assert len(desk.emulator.book().holdings) == 2
    assert broker.fills(ALWAYS) == fills and broker.cash_events(ALWAYS) == []
    after = broker.account()
    assert (after.cash, after.equity) == (before.cash, before.equity)
    agrees(desk, broker)


def test_a_position_older_than_the_days_of_history_has_its_average_still(start):
    clock = VirtualClock(NOON)
    desk = start("hedging", clock=clock)
    broker = desk.broker(history_days=2)
    for price in (1.1, 1.2):
        desk.emulator.trade("EUR/USD", price)
        desk.sent(broker)
        clock.sleep(86_400.0 * 20)
    desk.emulator.trade("EUR/USD", 1.3)
    desk.sent(broker, "sell", reduce_only=True)
    agrees(desk, broker)
    clock.sleep(86_400.0 * 20)
    agrees(desk, desk.broker(history_days=2))


def test_the_history_is_asked_from_where_the_oldest_position_began(start, monkeypatch):
    clock = VirtualClock(NOON)
    desk = start("hedging", clock=clock)
    broker, asked = desk.broker(), []
    real = broker._history.executions
    monkeypatch.setattr(broker._history, "executions", lambda since: asked.append(since) or real(since))
    assert broker.positions() == [] and asked == []
    for symbol in ("EUR/USD", "XAU/USD"):
        clock.sleep(86_400.0)
        desk.sent(broker, symbol=symbol)
    begun = {fill.symbol: fill.time for fill in broker.fills(ALWAYS)}
    clock.sleep(86_400.0 * 50)
    desk.emulator.trade("EUR/USD", 1.1)
    asked.clear()
    agrees(desk, broker)
    agrees(desk, broker)
    assert asked[-1] == begun["EUR/USD"]
    desk.sent(broker, "sell", "0.3")
    agrees(desk, broker)
    assert asked[-1] == begun["XAU/USD"], "the other one turned round and is young again"


def test_without_a_beginning_in_the_history_the_tickets_prices_must_do(start, monkeypatch):
    desk = start("hedging")
    broker = desk.broker()
    before = broker.account()
    desk.sent(broker)
    desk.emulator.trade("EUR/USD", 1.2)
    monkeypatch.setattr(broker._history, "executions", lambda _since: [])
    (shown,), (ticket,) = broker.positions(), desk.emulator.book().holdings.values()
    assert shown.price == round(ticket.price, 10)
    assert abs(broker.account().cash - before.cash) < 20, "nothing but the fee"


def test_a_symbol_in_another_currency_adds_nothing_to_cash(start, monkeypatch):
    desk = start("hedging")
    broker = desk.broker()
    desk.sent(broker)
    desk.sent(broker, "sell", "0.1", "stop", "gtc", stop="1.09")
    desk.emulator.trade("EUR/USD", 1.08)
    balance = broker.account().cash
    rules = broker._market.rules("EURUSD")
    monkeypatch.setattr(broker._market, "rules", lambda _name: structs.replace(rules, currency="JPY"))
    assert broker.account().cash - balance > 100


@pytest.mark.parametrize("call", ["positions", "fills"])
def test_cash_that_cannot_be_counted_is_not_told(start, call):
    desk = start("hedging")
    broker = desk.broker()
    desk.sent(broker)
    desk.emulator.mishap(call, Mishap.FAILED)
    assert isinstance(broker.account(), Unavailable)
    agrees(desk, broker)


def test_an_account_that_trades_while_it_is_read_is_read_again(start, monkeypatch):
    desk = start("hedging")
    broker = desk.broker()
    desk.sent(broker)
    real, sold = broker._ask, []

    def ask(call, *args, **more):
        if call == "account_info" and len(sold) < 1:
            sold.append(desk.emulator.venue.manual_trade("EUR/USD", Side.SELL, D("0.1")))
            desk.emulator.trade("EUR/USD", 1.2)
        return real(call, *args, **more)

    monkeypatch.setattr(broker, "_ask", ask)
    agrees(desk, broker)
    assert isinstance(sold[0], Accepted)

    def restless(call, *args, **more):
        if call == "account_info":
            desk.emulator.venue.manual_trade("EUR/USD", Side.SELL, D("0.1"))
            desk.emulator.trade("EUR/USD", 1.2)
        return real(call, *args, **more)

    monkeypatch.setattr(broker, "_ask", restless)
    answer = broker.account()
    assert isinstance(answer, Unavailable) and "while it was read" in answer.reason


def test_a_netting_account_is_asked_for_nothing_more(start):
    desk = start()
    broker = desk.broker()
    desk.sent(broker)
    before = desk.emulator.requests("fills"), desk.emulator.requests("positions")
    broker.account()
    assert (desk.emulator.requests("fills"), desk.emulator.requests("positions")) == before
