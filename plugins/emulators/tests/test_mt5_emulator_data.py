"""Symbols, prices, history and clock of the MetaTrader 5 emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from trader.clock import VirtualClock
from trader.simulation import Faults
from trader.testing.emulation import Setup
from trader_emulators.mt5 import Mt5Emulator, emulate
from trader_emulators.mt5.package import package

EVER = (0, 4_000_000_000)
NOW = datetime(2025, 3, 12, 13, 37, 20, tzinfo=UTC)
BUY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 0, "magic": 7}


@pytest.fixture
def venue() -> Iterator[tuple[Mt5Emulator, ModuleType]]:
    emulator = emulate(Setup(clock=VirtualClock(NOW)))
    module = package(emulator)
    assert module.initialize()
    yield emulator, module
    emulator.close()


def names(rows: Any) -> list[str]:
    return [row.name for row in rows]


# ---- symbols ---------------------------------------------------------------------------------------------------------
def test_symbols_are_filtered_by_masks_and_negations(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    assert names(module.symbols_get()) == ["EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "US500", "BTCUSD"]
    assert names(module.symbols_get("*USD*,!EUR*,!*JPY")) == ["GBPUSD", "XAUUSD", "BTCUSD"]
    assert names(module.symbols_get(group="!*USD*")) == []
    assert module.symbols_get("NONE*") == ()
    assert module.last_error() == (1, "Success")
    assert module.symbols_total() == 6


def test_an_unknown_symbol_is_none_and_not_found(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    asked = (module.symbol_info, module.symbol_info_tick)
    assert [(ask("EURUSDX"), module.last_error()[0]) for ask in asked] == [(None, -4)] * 2
    assert module.symbol_select("EURUSDX") is False
    assert module.copy_rates_from_pos("EURUSDX", 1, 0, 1) is None
    assert module.last_error()[0] == -4


def test_a_symbol_says_what_one_needs_to_trade_it(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    euro, yen = module.symbol_info("EURUSD"), module.symbol_info("USDJPY")
    assert (euro.digits, euro.point, euro.trade_contract_size, euro.volume_step) == (5, 0.00001, 100_000.0, 0.01)
    assert (euro.currency_base, euro.currency_profit, euro.filling_mode, euro.trade_exemode) == ("EUR", "USD", 1, 2)
    assert euro.trade_mode == module.SYMBOL_TRADE_MODE_FULL
    assert yen.trade_mode == module.SYMBOL_TRADE_MODE_DISABLED
    assert euro.spread == round((euro.ask - euro.bid) / euro.point)
    kinds = {name: type(value) for name, value in euro._asdict().items()}
    assert (kinds["volume"], kinds["volume_real"], kinds["isin"], kinds["select"]) == (int, float, str, bool)


def test_a_symbol_outside_market_watch_has_no_tick_until_it_is_selected(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    assert module.symbol_info("US500").select is False
    assert module.symbol_info_tick("US500") is None
    assert module.symbol_select("US500", True) is True
    assert module.symbol_info_tick("US500").bid < 5_000 < module.symbol_info_tick("US500").ask
    assert module.symbol_select("US500", False) is True
    assert module.symbol_info_tick("US500") is None


def test_the_depth_of_market_must_be_subscribed(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    assert module.market_book_get("EURUSD") is None
    assert module.market_book_add("EURUSD")
    rows = module.market_book_get("EURUSD")
    assert [row.price for row in rows] == sorted((row.price for row in rows), reverse=True)
    assert [row.type for row in rows] == [module.BOOK_TYPE_SELL] * 5 + [module.BOOK_TYPE_BUY] * 5
    assert module.market_book_release("EURUSD")
    assert module.market_book_get("EURUSD") is None


# ---- the server's clock ----------------------------------------------------------------------------------------------
def test_every_time_is_on_the_servers_clock(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = venue
    emulator.offset = timedelta(hours=2)
    sent = module.order_send(dict(BUY))
    server = int((NOW + timedelta(hours=2)).timestamp())
    assert module.symbol_info_tick("EURUSD").time == server
    assert module.positions_get()[0].time == server
    (executed,), (order,) = module.history_deals_get(ticket=sent.order), module.history_orders_get(ticket=sent.order)
    assert (executed.time, order.time_done, order.time_setup) == (server, server, server)
    assert executed.time_msc // 1000 == server
    utc = int(NOW.timestamp())
    assert module.history_deals_get(utc - 60, utc + 60) == ()  # asked for on the wrong clock
    assert len(module.history_deals_get(server - 60, server + 60)) == 1
    assert len(module.history_deals_get(*(NOW + timedelta(hours=2, minutes=m) for m in (-1, 1)))) == 1


def test_the_clock_may_be_ahead_of_ours(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = venue
    emulator.skew(30.0)
    emulator.trade("EUR/USD", 1.1)
    assert module.symbol_info_tick("EURUSD").time == int(NOW.timestamp()) + 30


def test_days_begin_at_the_servers_midnight(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = venue
    plain = module.copy_rates_from_pos("EURUSD", module.TIMEFRAME_D1, 0, 4)
    emulator.offset = timedelta(hours=2)
    shifted = module.copy_rates_from_pos("EURUSD", module.TIMEFRAME_D1, 0, 4)
    assert (plain["time"] % 86_400 == 0).all()
    assert (shifted["time"] % 86_400 == 0).all()
    assert (plain["time"] == shifted["time"]).all()
    assert not np.array_equal(plain["open"], shifted["open"])
    hours = module.copy_rates_from_pos("EURUSD", module.TIMEFRAME_H1, 0, 60)
    day = hours[(hours["time"] >= shifted["time"][2]) & (hours["time"] < shifted["time"][3])]
    assert len(day) == 24
    assert (day["open"][0], day["close"][-1], day["high"].max()) == tuple(shifted[2][["open", "close", "high"]])


# ---- bars and ticks --------------------------------------------------------------------------------------------------
def test_the_last_bar_is_open_and_position_counts_back_from_it(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    now = int(NOW.timestamp())
    rates = module.copy_rates_from_pos("EURUSD", module.TIMEFRAME_M5, 0, 10)
    assert len(rates) == 10
    assert rates["time"][-1] == now - now % 300
    assert (np.diff(rates["time"]) == 300).all()
    older = module.copy_rates_from_pos("EURUSD", module.TIMEFRAME_M5, 3, 7)
    assert (older == rates[:7]).all()


def test_rates_of_a_range_and_until_a_moment_agree(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    until = int(NOW.timestamp()) - 86_400
    last = module.copy_rates_from("GBPUSD", module.TIMEFRAME_H1, until, 24)
    ranged = module.copy_rates_range("GBPUSD", module.TIMEFRAME_H1, int(last["time"][0]), until)
    assert len(last) == 24
    assert last["time"][-1] <= until
    assert (last == ranged).all()
    assert len(module.copy_rates_range("GBPUSD", module.TIMEFRAME_H1, 0, 1_000)) == 0


@pytest.mark.parametrize(
    "arguments", [("EURUSD", 7, 0, 1), ("EURUSD", 1, -1, 1), ("EURUSD", 1, 0, 0), ("EURUSD", 1.0, 0, 1)]
)
def test_arguments_that_make_no_sense_are_none_with_minus_two(
    venue: tuple[Mt5Emulator, ModuleType], arguments: tuple[Any, ...]
) -> None:
    _, module = venue
    assert module.copy_rates_from_pos(*arguments) is None
    assert module.last_error()[0] == -2


def test_ticks_are_those_since_the_emulator_began(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = venue
    for price in (1.11, 1.12, 1.13):
        emulator.trade("EUR/USD", price)
    ticks = module.copy_ticks_from("EURUSD", 0, 3, module.COPY_TICKS_ALL)
    assert len(ticks) == 3
    assert (ticks["bid"] < ticks["ask"]).all()
    assert len(module.copy_ticks_range("EURUSD", *EVER, module.COPY_TICKS_INFO)) == 4
    assert len(module.copy_ticks_range("EURUSD", *EVER, module.COPY_TICKS_TRADE)) == 0
    assert module.copy_ticks_range("EURUSD", *EVER, 9) is None


# ---- history ---------------------------------------------------------------------------------------------------------
def test_the_first_deal_may_be_the_deposit_long_ago(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = venue
    assert module.history_deals_get(*EVER) == ()
    emulator.deposited = True
    (deposit,) = module.history_deals_get(*EVER)
    assert (deposit.type, deposit.profit, deposit.symbol) == (module.DEAL_TYPE_BALANCE, 100_000.0, "")
    assert deposit.time < (NOW - timedelta(days=365)).timestamp()


def test_money_that_moves_without_a_trade_is_a_balance_operation(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = venue
    emulator.venue.cash("transfer", Decimal(-250))
    emulator.venue.cash("dividend", Decimal("3.5"), "XAU/USD")
    emulator.venue.cash("interest", Decimal("-1.25"))
    rows = module.history_deals_get(int(NOW.timestamp()), 4_000_000_000)
    assert [(row.type, row.profit, row.symbol) for row in rows] == [
        (module.DEAL_TYPE_BALANCE, -250.0, ""),
        (module.DEAL_DIVIDEND, 3.5, "XAUUSD"),
        (module.DEAL_TYPE_INTEREST, -1.25, ""),
    ]
    assert len({row.ticket for row in rows}) == 3
    assert module.account_info().balance == 99_752.25


def test_history_is_filtered_by_symbol_ticket_and_position(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    euro = module.order_send(dict(BUY)).order
    pound = module.order_send({**BUY, "symbol": "GBPUSD", "type_filling": 1}).order
    assert [row.order for row in module.history_deals_get(*EVER, group="*GBP*")] == [pound]
    assert [row.ticket for row in module.history_orders_get(*EVER, group="EUR*")] == [euro]
    assert [row.ticket for row in module.history_orders_get(position=pound)] == [pound]
    assert module.history_orders_get(ticket=1) == module.history_deals_get(position=1) == ()
    assert (module.history_orders_total(*EVER), module.history_deals_total(*EVER)) == (2, 2)
    assert [row.symbol for row in module.positions_get(group="*,!EUR*")] == ["GBPUSD"]
    assert (module.positions_total(), module.positions_get(symbol="XAUUSD")) == (2, ())


def test_history_without_dates_is_none_with_minus_two(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    _, module = venue
    assert module.history_deals_get() is None
    assert module.last_error()[0] == -2


def test_a_corrected_execution_has_the_same_ticket_and_another_price(venue: tuple[Mt5Emulator, ModuleType]) -> None:
    emulator, module = venue
    ticket = module.order_send(dict(BUY)).deal
    emulator.venue.correct(emulator.venue.truth_fills()[0].execution_id, Decimal("1.2"))
    (executed,) = module.history_deals_get(*EVER, group="EUR*")
    assert (executed.ticket, executed.price) == (ticket, 1.2)
    assert module.positions_get()[0].price_open == 1.2


def test_F25_what_the_venue_shows_late_is_late_in_the_history() -> None:
    clock = VirtualClock(NOW)
    faults = Faults(order_lag=20.0, fill_lag=20.0, position_lag=20.0)
    emulator = emulate(Setup(clock=clock, faults=faults, seed=2))
    try:
        module = package(emulator)
        module.initialize()
        asked = (module.positions_get, lambda: module.history_orders_get(*EVER),
                 lambda: module.history_deals_get(*EVER, group="EUR*"))  # fmt: skip
        assert module.order_send(dict(BUY)).retcode == 10009
        assert [len(ask()) for ask in asked] == [0, 0, 0]
        clock.sleep(30.0)
        assert [len(ask()) for ask in asked] == [1, 1, 1]
    finally:
        emulator.close()


@pytest.mark.parametrize("fault", ["query_failed", "query_lost", "query_garbage", "query_raises"])
def test_F21_a_history_that_the_venue_does_not_tell_whole_is_no_history(fault: str) -> None:
    clock = VirtualClock(NOW)
    emulator = emulate(Setup(clock=clock, faults=Faults(order_lag=20.0), seed=2))
    try:
        module = package(emulator)
        module.initialize()
        for _ in range(6):
            module.order_send(dict(BUY))
        clock.sleep(12.0)
        whole = len(module.history_orders_get(*EVER))
        assert 0 < whole < 6
        emulator.venue.faults = Faults(order_lag=20.0, **{fault: 0.1})
        answers = []
        for _ in range(60):
            with suppress(EOFError):  # the connection broke
                answers.append(module.history_orders_get(*EVER))
        assert {None if rows is None else len(rows) for rows in answers} - {None} == {whole}
    finally:
        emulator.close()


def test_prices_move_by_themselves_when_asked_to() -> None:
    emulator = emulate(Setup(tick_seconds=0.01, paths={"EUR/USD": [1.2] * 500}))
    try:
        module = package(emulator)
        module.initialize()
        for _ in range(200):
            if module.symbol_info("EURUSD").bid > 1.19:
                break
            emulator.wait(0.01)
        assert module.symbol_info_tick("EURUSD").bid == pytest.approx(1.2, rel=0.001)
    finally:
        emulator.close()
