"""Orders and positions at the MetaTrader 5 emulator: what is checked, what netting and hedging make of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from trader.clock import VirtualClock
from trader.model import OrderType, Side, TimeInForce
from trader.simulation import Faults
from trader.testing.emulation import Setup
from trader_emulators.mt5 import Mt5Emulator, emulate
from trader_emulators.mt5.package import package

DONE = 10009
EVER = (0, 4_000_000_000)


def made(mode: str = "", **options: Any) -> tuple[Mt5Emulator, ModuleType]:
    emulator = emulate(Setup(mode=mode, **options))
    module = package(emulator)
    assert module.initialize()
    return emulator, module


@pytest.fixture
def netting() -> Iterator[tuple[Mt5Emulator, ModuleType]]:
    emulator, module = made()
    yield emulator, module
    emulator.close()


@pytest.fixture
def hedging() -> Iterator[tuple[Mt5Emulator, ModuleType]]:
    emulator, module = made("hedging")
    yield emulator, module
    emulator.close()


def deal(module: ModuleType, lots: float, /, **more: Any) -> Any:
    """A market order: a buy for lots > 0, else a sell."""
    kind = module.ORDER_TYPE_BUY if lots > 0 else module.ORDER_TYPE_SELL
    request = {
        "action": module.TRADE_ACTION_DEAL, "symbol": "EURUSD", "volume": abs(lots), "type": kind,
        "type_filling": module.ORDER_FILLING_FOK, "magic": 7, "comment": "ours",
    }  # fmt: skip
    return module.order_send({**request, **more})


def pending(module: ModuleType, kind: str, price: float, **more: Any) -> Any:
    request = {
        "action": module.TRADE_ACTION_PENDING, "symbol": "EURUSD", "volume": 0.1, "price": price,
        "type": getattr(module, f"ORDER_TYPE_{kind}"), "type_filling": module.ORDER_FILLING_RETURN, "magic": 8,
    }  # fmt: skip
    return module.order_send({**request, **more})


# ---- what is checked before anything is sent -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong",
    [
        {"volume": 1},
        {"volume": "0.1"},
        {"price": 1},
        {"comment": "x" * 32},
        {"magic": 1.0},
        {"magic": -1},
        {"magic": True},
        {"volume": math.nan},
        {"nonsense": 1},
        {"symbol": None},
    ],
)
def test_a_request_that_the_module_cannot_read_is_none_with_minus_two_and_never_sent(
    netting: tuple[Mt5Emulator, ModuleType], wrong: dict[str, Any]
) -> None:
    emulator, module = netting
    assert deal(module, 0.1, **wrong) is None
    code, text = module.last_error()
    assert code == -2
    assert text == f'Invalid "{next(iter(wrong))}" argument'
    assert emulator.requests("submit") == 0


def test_a_comment_of_31_characters_and_a_magic_of_63_bits_are_kept(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = netting
    assert deal(module, 0.1, comment="x" * 31, magic=2**63 - 1).retcode == DONE
    (position,) = module.positions_get()
    (executed,) = module.history_deals_get(*EVER, group="EUR*")
    (order,) = module.history_orders_get(*EVER)
    assert {noun.magic for noun in (position, executed, order)} == {2**63 - 1}
    assert {noun.comment for noun in (position, executed, order)} == {"x" * 31}


def test_a_server_may_write_over_the_comment_and_leaves_the_magic(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    emulator.comment = "broker's own"
    deal(module, 0.1)
    (position,) = module.positions_get()
    assert (position.comment, position.magic) == ("broker's own", 7)


# ---- what the server refuses -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "retcode"),
    [
        ({"volume": 0.015}, 10014),
        ({"volume": 0.001}, 10014),
        ({"volume": 501.0}, 10014),
        ({"type": 2}, 10035),
        ({"type_filling": 1}, 10030),  # its mask is 1, which is FOK: ORDER_FILLING_FOK is 0
        ({"type_filling": 2}, 10030),
        ({"symbol": "NONE"}, 10013),
        ({"symbol": "US500"}, 10021),  # not in Market Watch
        ({"symbol": "USDJPY"}, 10017),
        ({"sl": 1.2}, 10016),
        ({"tp": 1.0}, 10016),
        ({"sl": 1.0500001}, 10016),
        ({"volume": 500.0}, 10019),
        ({"position": 12345}, 10036),
        ({"action": 99}, 10013),
    ],
)
def test_a_market_order_that_breaks_a_rule_gets_its_retcode(
    netting: tuple[Mt5Emulator, ModuleType], change: dict[str, Any], retcode: int
) -> None:
    emulator, module = netting
    result = deal(module, 0.1, **change)
    assert (result.retcode, result.order, result.deal) == (retcode, 0, 0)
    assert module.last_error() == (1, "Success")
    assert not emulator.venue.accepted


def test_the_filling_mask_of_each_symbol_is_what_its_orders_may_use(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = netting
    for name in ("EURUSD", "GBPUSD", "XAUUSD", "BTCUSD"):
        mask = module.symbol_info(name).filling_mode
        for filling, bit in ((module.ORDER_FILLING_FOK, 1), (module.ORDER_FILLING_IOC, 2)):
            result = deal(module, 0.01, symbol=name, type_filling=filling)
            assert result.retcode == (DONE if mask & bit else 10030)


@pytest.mark.parametrize(
    ("kind", "price", "more", "retcode"),
    [
        ("BUY_LIMIT", 1.2, {}, 10015),
        ("SELL_LIMIT", 1.05, {}, 10015),
        ("BUY_STOP", 1.05, {}, 10015),
        ("SELL_STOP", 1.15, {}, 10015),
        ("BUY_LIMIT", 1.0500001, {}, 10015),
        ("BUY_LIMIT", 0.0, {}, 10015),
        ("BUY_STOP_LIMIT", 1.12, {"stoplimit": 1.13}, 10015),
        ("BUY_LIMIT", 1.05, {"sl": 1.06}, 10016),
        ("BUY_LIMIT", 1.05, {"type_time": 2}, 10022),
        ("BUY_LIMIT", 1.05, {"type_time": 2, "expiration": 1_000}, 10022),
        ("BUY_LIMIT", 1.05, {"type_filling": 1}, 10030),
        ("BUY", 1.05, {}, 10035),
    ],
)
def test_a_pending_order_that_breaks_a_rule_gets_its_retcode(
    netting: tuple[Mt5Emulator, ModuleType], kind: str, price: float, more: dict[str, Any], retcode: int
) -> None:
    emulator, module = netting
    assert pending(module, kind, price, **more).retcode == retcode
    assert not emulator.venue.accepted


def test_a_pending_price_inside_the_stops_level_is_refused(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = netting
    level, ask = module.symbol_info("XAUUSD").trade_stops_level, module.symbol_info_tick("XAUUSD").ask
    assert level > 0
    near, far = round(ask - (level - 1) / 100, 2), round(ask - level / 100, 2)
    assert pending(module, "BUY_LIMIT", near, symbol="XAUUSD").retcode == 10015
    assert pending(module, "BUY_LIMIT", far, symbol="XAUUSD").retcode == DONE


def test_states_of_terminal_and_market_have_their_retcodes(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    emulator.autotrading = False
    assert deal(module, 0.1).retcode == 10027
    assert module.terminal_info().trade_allowed is False
    emulator.autotrading, emulator.connected = True, False
    assert deal(module, 0.1).retcode == 10031
    assert module.terminal_info().connected is False
    emulator.connected, emulator.api_trading = True, False
    assert deal(module, 0.1) is None
    assert module.last_error()[0] == -8
    assert module.terminal_info().tradeapi_disabled is True
    emulator.api_trading = True
    emulator.shut.add("EUR/USD")
    assert deal(module, 0.1).retcode == 10018
    emulator.shut.clear()
    emulator.refusals.extend([10004, 10044])
    assert [deal(module, 0.1).retcode for _ in range(3)] == [10004, 10044, DONE]


def test_order_check_says_0_and_not_10009(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    request = {"action": 1, "symbol": "EURUSD", "volume": 1.0, "type": 0, "type_filling": 0}
    checked = module.order_check(request)
    assert (checked.retcode, checked.comment, checked.request.volume) == (0, "Done", 1.0)
    assert checked.margin == pytest.approx(1_100.0, rel=0.01)
    assert checked.margin_free == pytest.approx(98_900.0, rel=0.01)
    assert module.order_check({**request, "volume": 0.015}).retcode == 10014
    assert not emulator.venue.accepted


def test_margin_and_profit_are_calculated_in_the_accounts_currency(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = netting
    assert module.order_calc_margin(0, "EURUSD", 1.0, 1.1) == 1_100.0
    assert module.order_calc_margin(0, "USDJPY", 1.0, 150.0) == 1_000.0
    assert module.order_calc_profit(0, "EURUSD", 1.0, 1.1, 1.101) == pytest.approx(100.0)
    assert module.order_calc_profit(1, "USDJPY", 1.0, 151.0, 150.0) == pytest.approx(666.67)
    assert module.order_calc_profit(0, "EURUSD", 0.0, 1.1, 1.2) is None
    assert module.last_error()[0] == -2


# ---- execution -------------------------------------------------------------------------------------------------------
def test_a_market_order_is_answered_with_its_deal(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    emulator.trade("EUR/USD", 1.2)
    result = deal(module, 0.1)
    assert (result.retcode, result.volume, result.price, result.comment) == (DONE, 0.1, 1.2, "Request executed")
    assert result.bid < 1.2 < result.ask
    (executed,) = module.history_deals_get(ticket=result.order)
    assert (executed.ticket, executed.order, executed.price) == (result.deal, result.order, 1.2)
    assert executed.commission == -0.36
    assert emulator.venue.truth_positions() == {"EUR/USD": Decimal("0.10")}


def test_the_order_goes_inside_under_its_magic_and_the_server_takes_it_twice(
    netting: tuple[Mt5Emulator, ModuleType],
) -> None:
    emulator, module = netting
    deal(module, 0.1)
    deal(module, 0.1)
    deal(module, 0.1, magic=0)
    first, second, third = emulator.venue.accepted
    assert first.key == second.key == "7"
    assert third.key not in {"7", "0"}
    assert (first.order.type, first.order.time_in_force) == (OrderType.MARKET, TimeInForce.FOK)


def test_F37_an_ioc_order_fills_in_part_and_says_so(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    emulator.depth["GBP/USD"] = 0.3
    result = deal(module, 1.0, symbol="GBPUSD", type_filling=module.ORDER_FILLING_IOC)
    assert (result.retcode, result.volume) == (10010, 0.3)
    (order,) = module.history_orders_get(ticket=result.order)
    assert (order.state, order.volume_initial, order.volume_current) == (module.ORDER_STATE_CANCELED, 1.0, 0.7)


def test_a_fok_order_that_cannot_be_filled_whole_is_rejected(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    emulator.depth["EUR/USD"] = 0.3
    result = deal(module, 1.0)
    assert (result.retcode, result.deal) == (10006, 0)
    assert module.positions_get() == ()


def test_F24_orders_may_be_placed_and_filled_later(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    emulator.at_once = False
    result = deal(module, 0.1)
    assert (result.retcode, result.deal, result.volume) == (10008, 0, 0.1)
    (order,) = module.orders_get(ticket=result.order)
    assert order.state == module.ORDER_STATE_PLACED
    emulator.trade("EUR/USD", 1.1)
    assert module.orders_get() == ()
    assert module.history_orders_get(ticket=result.order)[0].state == module.ORDER_STATE_FILLED


def test_pending_orders_fill_when_the_market_comes(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    limit, stop = pending(module, "BUY_LIMIT", 1.05), pending(module, "SELL_STOP", 1.03)
    both = pending(module, "BUY_STOP_LIMIT", 1.15, stoplimit=1.14)
    assert [order.ticket for order in module.orders_get()] == [limit.order, stop.order, both.order]
    assert module.orders_total() == 3
    shown = module.orders_get(ticket=both.order)[0]
    assert (shown.type, shown.price_open, shown.price_stoplimit) == (6, 1.15, 1.14)
    emulator.trade("EUR/USD", 1.05)
    assert {order.ticket for order in module.orders_get()} == {stop.order, both.order}
    emulator.trade("EUR/USD", 1.03)
    assert module.positions_get() == ()
    entries = [(row.entry, row.price) for row in module.history_deals_get(*EVER, group="EUR*")]
    assert entries == [(module.DEAL_ENTRY_IN, 1.05), (module.DEAL_ENTRY_OUT, 1.03)]


def test_a_partly_filled_pending_order_shows_what_is_left(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    placed = pending(module, "BUY_LIMIT", 1.05, volume=1.0)
    emulator.trade("EUR/USD", 1.05, 0.4)
    (order,) = module.orders_get()
    assert (order.state, order.volume_initial, order.volume_current) == (module.ORDER_STATE_PARTIAL, 1.0, 0.6)
    assert module.order_send({"action": 8, "order": placed.order}).retcode == DONE
    (order,) = module.history_orders_get(ticket=placed.order)
    assert (order.state, order.volume_current) == (module.ORDER_STATE_CANCELED, 0.6)
    (position,) = module.positions_get()
    assert position.volume == 0.4


def test_F32_removing_what_is_closed_or_unknown_is_an_invalid_request(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    placed = pending(module, "BUY_LIMIT", 1.05)
    emulator.trade("EUR/USD", 1.04)
    assert module.order_send({"action": 8, "order": placed.order}).retcode == 10013
    assert module.order_send({"action": 8, "order": 1}).retcode == 10013


def test_a_modified_order_keeps_its_ticket_and_is_one_order_in_every_answer(
    netting: tuple[Mt5Emulator, ModuleType],
) -> None:
    emulator, module = netting
    ticket = pending(module, "BUY_LIMIT", 1.05, volume=1.0).order
    emulator.trade("EUR/USD", 1.05, 0.4)
    emulator.trade("EUR/USD", 1.1)
    change = {"action": module.TRADE_ACTION_MODIFY, "order": ticket, "price": 1.04, "sl": 1.0}
    assert module.order_send(change).retcode == DONE
    assert module.order_send(change).retcode == 10025
    assert module.order_send({**change, "price": 1.3}).retcode == 10015
    assert module.order_send({**change, "order": 1}).retcode == 10013
    (order,) = module.orders_get()
    assert (order.ticket, order.price_open, order.sl, order.volume_initial, order.volume_current) == (
        ticket, 1.04, 1.0, 1.0, 0.6,
    )  # fmt: skip
    assert module.history_orders_get(*EVER) == ()
    emulator.trade("EUR/USD", 1.04)
    assert [row.ticket for row in module.history_orders_get(*EVER)] == [ticket]
    assert {row.order for row in module.history_deals_get(*EVER, group="EUR*")} == {ticket}


def test_F37_an_order_with_a_time_expires_at_it_on_the_servers_clock(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    now = module.symbol_info_tick("EURUSD").time
    ticket = pending(module, "BUY_LIMIT", 1.05, type_time=2, expiration=now + 60).order
    emulator.trade("EUR/USD", 1.1)
    assert module.orders_get()[0].time_expiration == now + 60
    emulator.skew(61.0)
    emulator.trade("EUR/USD", 1.1)
    assert module.orders_get() == ()
    assert module.history_orders_get(ticket=ticket)[0].state == module.ORDER_STATE_EXPIRED


# ---- a netting account -----------------------------------------------------------------------------------------------
def test_netting_adds_reduces_and_turns_round_in_one_position(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    first = deal(module, 0.1).order
    emulator.trade("EUR/USD", 1.2)
    deal(module, 0.1)
    (position,) = module.positions_get()
    assert (position.ticket, position.volume, position.price_open) == (first, 0.2, 1.15)
    deal(module, -0.1)
    flip = deal(module, -0.3).order
    (position,) = module.positions_get(symbol="EURUSD")
    assert (position.type, position.volume, position.ticket, position.identifier) == (1, 0.2, flip, first)
    rows = module.history_deals_get(position=first)
    assert [row.entry for row in rows] == [0, 0, 1, 2]
    assert [row.profit for row in rows] == [0.0, 0.0, 500.0, 500.0]


def test_balance_is_the_venues_cash_and_equity_the_venues_equity(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    deal(module, 0.1)
    emulator.trade("EUR/USD", 1.13)
    deal(module, -0.04)
    emulator.trade("EUR/USD", 1.14)
    account, truth = module.account_info(), emulator.venue.truth_account()
    assert Decimal(str(account.balance)) == emulator.venue.truth_cash()
    assert Decimal(str(account.equity)) == truth.equity
    assert account.profit == pytest.approx(0.06 * 100_000 * 0.04)
    assert account.margin_free == pytest.approx(account.equity - account.margin)


# ---- a hedging account -----------------------------------------------------------------------------------------------
def test_hedging_opens_a_second_position_unless_the_order_names_one(hedging: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = hedging
    assert module.account_info().margin_mode == module.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
    first = deal(module, 0.1).order
    second = deal(module, -0.1).order
    assert [(row.ticket, row.type) for row in module.positions_get()] == [(first, 0), (second, 1)]
    assert emulator.venue.truth_positions() == {}
    assert deal(module, -0.2, position=first).retcode == 10038
    assert deal(module, 0.1, position=first).retcode == 10013
    assert deal(module, -0.04, position=first).retcode == DONE
    (left,) = module.positions_get(ticket=first)
    assert left.volume == 0.06
    assert deal(module, -0.06, position=first).retcode == DONE
    assert deal(module, -0.06, position=first).retcode == 10036
    assert [row.ticket for row in module.positions_get()] == [second]
    assert [row.entry for row in module.history_deals_get(position=first)] == [0, 1, 1]


def test_hedged_profits_add_up_to_the_netted_venues(hedging: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = hedging
    first = deal(module, 0.1).order
    emulator.trade("EUR/USD", 1.12)
    deal(module, -0.3)
    emulator.trade("EUR/USD", 1.15)
    deal(module, -0.1, position=first)
    account, truth = module.account_info(), emulator.venue.truth_account()
    assert Decimal(str(account.equity)) == truth.equity
    made_so_far = sum(row.profit + row.commission for row in module.history_deals_get(*EVER, group="EUR*"))
    assert account.balance == pytest.approx(100_000 + made_so_far)
    assert account.profit == pytest.approx(-0.3 * 100_000 * 0.03)


def test_two_opposite_positions_close_each_other(hedging: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = hedging
    first = deal(module, 0.1).order
    emulator.trade("EUR/USD", 1.12)
    second = deal(module, -0.3).order
    before = module.account_info().equity
    request = {"action": module.TRADE_ACTION_CLOSE_BY, "position": first, "position_by": second, "magic": 9}
    result = module.order_send(request)
    assert (result.retcode, result.volume) == (DONE, 0.1)
    (left,) = module.positions_get()
    assert (left.ticket, left.volume) == (second, 0.2)
    rows = module.history_deals_get(ticket=result.order)
    assert [row.entry for row in rows] == [module.DEAL_ENTRY_OUT_BY] * 2
    assert sum(row.profit for row in rows) == pytest.approx(200.0)
    assert module.history_orders_get(ticket=result.order)[0].type == module.ORDER_TYPE_CLOSE_BY
    assert module.account_info().equity == before
    assert module.order_send(request).retcode == 10036


def test_F25_positions_that_closed_each_other_before_they_are_shown_are_gone_when_they_are() -> None:
    clock = VirtualClock(datetime(2026, 3, 4, 15, 0, tzinfo=UTC))
    emulator, module = made("hedging", clock=clock, faults=Faults(fill_lag=20.0), seed=2)
    try:
        first, second = deal(module, 0.1).order, deal(module, -0.3).order
        result = module.order_send({"action": module.TRADE_ACTION_CLOSE_BY, "position": first, "position_by": second})
        assert result.retcode == DONE
        seen = []
        for _ in range(21):
            seen += [row.volume for row in module.positions_get()]
            clock.sleep(1.0)
        assert all(volume > 0 for volume in seen)
        (left,) = module.positions_get()
        assert (left.ticket, left.volume) == (second, 0.2)
        assert len(module.history_deals_get(ticket=result.order)) == 2
    finally:
        emulator.close()


def test_a_netting_account_has_no_close_by(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = netting
    assert module.order_send({"action": 10, "position": 1, "position_by": 2}).retcode == 10013


# ---- stop loss and take profit ---------------------------------------------------------------------------------------
def test_a_stop_loss_closes_the_position_at_the_server(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    ticket = deal(module, 0.1, sl=1.09, tp=1.2).order
    (position,) = module.positions_get()
    assert (position.sl, position.tp) == (1.09, 1.2)
    emulator.trade("EUR/USD", 1.08)
    assert module.positions_get() == ()
    closing = module.history_deals_get(position=ticket)[-1]
    assert (closing.reason, closing.magic, closing.comment) == (module.DEAL_REASON_SL, 7, "[sl 1.09]")
    assert (closing.entry, closing.price) == (module.DEAL_ENTRY_OUT, 1.08)
    assert emulator.venue.accepted[-1].external


def test_a_take_profit_closes_the_one_position_of_a_hedging_account_that_has_it(
    hedging: tuple[Mt5Emulator, ModuleType],
) -> None:
    emulator, module = hedging
    other, short = deal(module, 0.1).order, deal(module, -0.2).order
    guard = {"action": module.TRADE_ACTION_SLTP, "symbol": "EURUSD", "position": short, "tp": 1.05}
    assert module.order_send(guard).retcode == DONE
    assert module.order_send(guard).retcode == 10025
    assert module.order_send({**guard, "tp": 1.2}).retcode == 10016
    assert module.order_send({**guard, "position": 5}).retcode == 10036
    emulator.trade("EUR/USD", 1.04)
    assert [row.ticket for row in module.positions_get()] == [other]
    assert module.history_deals_get(position=short)[-1].reason == module.DEAL_REASON_TP


def test_a_netting_account_guards_its_position_by_symbol(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    deal(module, -0.1)
    assert module.order_send({"action": 6, "symbol": "EURUSD", "sl": 1.15}).retcode == DONE
    emulator.trade("EUR/USD", 1.16)
    assert module.positions_get() == ()


def test_F36_a_renamed_order_has_another_ticket(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    ticket = pending(module, "BUY_LIMIT", 1.05).order
    emulator.venue.rename("V1")
    (order,) = module.orders_get()
    assert order.ticket != ticket
    assert order.magic == 8
    assert module.order_send({"action": 8, "order": order.ticket}).retcode == DONE


def test_an_order_of_a_person_closes_what_a_client_opened(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = netting
    deal(module, 0.1)
    emulator.venue.manual_trade("EUR/USD", Side.SELL, Decimal("0.1"))
    emulator.trade("EUR/USD", 1.1)
    assert module.positions_get() == ()
    closing = module.history_deals_get(*EVER, group="EUR*")[-1]
    assert (closing.magic, closing.reason) == (0, module.DEAL_REASON_CLIENT)


@pytest.mark.parametrize("mode", ["netting", "hedging"])
def test_any_orders_in_any_order_leave_deals_positions_and_money_that_add_up(mode: str) -> None:
    emulator, module = made(mode)
    rng = np.random.default_rng(5)
    try:
        for _ in range(150):
            emulator.trade("EUR/USD", round(1.1 * float(np.exp(rng.normal(0, 0.01))), 5))
            held, lots = module.positions_get(), round(float(rng.integers(1, 30)) / 100, 2)
            match int(rng.integers(4)):
                case 0 if held:
                    one = held[int(rng.integers(len(held)))]
                    sign = -1 if one.type == 0 else 1
                    assert deal(module, sign * min(lots, one.volume), position=one.ticket).retcode == DONE
                case 1:
                    pending(module, "BUY_LIMIT", round(module.symbol_info_tick("EURUSD").bid - 0.005, 5), volume=lots)
                case 2 if len(held) > 1:
                    module.order_send({"action": 10, "position": held[0].ticket, "position_by": held[-1].ticket})
                case _:
                    deal(module, lots if rng.random() < 0.5 else -lots)
        net = sum((Decimal(str(row.volume)) * (1 - 2 * row.type) for row in module.positions_get()), Decimal(0))
        assert net == emulator.venue.truth_positions().get("EUR/USD", 0)
        account, deals = module.account_info(), module.history_deals_get(*EVER)
        assert len(deals) > 100
        assert account.balance == pytest.approx(100_000 + sum(row.profit + row.commission for row in deals), abs=0.5)
        assert account.equity == pytest.approx(account.balance + account.profit, abs=0.011)
        assert len({row.ticket for row in deals}) == len(deals)
        if mode == "netting":
            assert Decimal(str(account.balance)) == round(emulator.venue.truth_cash(), 2)
    finally:
        emulator.close()


def test_orders_of_several_threads_are_all_taken_once(netting: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, _ = netting
    modules = [package(emulator) for _ in range(4)]
    threads = [threading.Thread(target=lambda m=each: [deal(m, 0.01) for _ in range(10)]) for each in modules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(emulator.venue.accepted) == 40
    assert modules[0].positions_get()[0].volume == 0.4
    assert len({row.ticket for row in modules[0].history_orders_get(*EVER)}) == 40
