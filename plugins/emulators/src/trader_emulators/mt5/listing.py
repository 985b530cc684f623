"""A symbol as the terminal shows it: its rules, its last tick, the depth of its market."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from trader_emulators.mt5.structs import SymbolInfo, Tick
from trader_emulators.mt5.symbols import Spec

if TYPE_CHECKING:
    from trader_emulators.mt5.venue import Mt5Emulator

FLAGS = 2 | 4
"""Bid and ask changed."""
LEVELS = 5
FULL, DISABLED = 4, 0
MARKET_EXECUTION = 2
ALL_EXPIRATIONS, ALL_ORDERS = 15, 127
TEXTS = ("basis", "category", "bank", "exchange", "formula", "isin", "page")


def tick(emulator: Mt5Emulator, spec: Spec) -> Any:
    """The last price. `last` is 0.0: nobody reports trades of such symbols."""
    newest = emulator.ticks[spec.symbol][-1]
    time = emulator.server_time(newest.time)
    return Tick(time // 1000, newest.bid, newest.ask, 0.0, 0, time, FLAGS, 0.0)


def info(emulator: Mt5Emulator, spec: Spec) -> Any:
    """Every field that has a meaning here; the others are 0 or empty, as real servers leave them."""
    newest = emulator.ticks[spec.symbol][-1]
    point, chosen = float(spec.point), spec.name in emulator.selected
    worth = spec.contract * point * (1.0 if spec.tradable else 1.0 / newest.last)
    known = {
        "select": chosen, "visible": chosen, "custom": False, "spread_float": True, "margin_hedged_use_leg": False,
        "time": emulator.server_time(newest.time) // 1000, "digits": spec.digits,
        "spread": round((newest.ask - newest.bid) / point), "ticks_bookdepth": LEVELS,
        "trade_calc_mode": spec.calc_mode, "trade_mode": FULL if spec.tradable else DISABLED,
        "trade_stops_level": spec.stops_level, "trade_exemode": MARKET_EXECUTION, "swap_mode": 1,
        "swap_rollover3days": 3, "expiration_mode": ALL_EXPIRATIONS, "filling_mode": spec.filling,
        "order_mode": ALL_ORDERS, "bid": newest.bid, "bidhigh": newest.bid, "bidlow": newest.bid, "ask": newest.ask,
        "askhigh": newest.ask, "asklow": newest.ask, "point": point, "trade_tick_value": worth,
        "trade_tick_value_profit": worth, "trade_tick_value_loss": worth, "trade_tick_size": point,
        "trade_contract_size": float(spec.contract), "volume_min": float(spec.volume_min),
        "volume_max": float(spec.volume_max), "volume_step": float(spec.volume_step),
        "margin_hedged": float(spec.contract), "currency_base": spec.base, "currency_profit": spec.profit,
        "currency_margin": spec.base, "description": spec.description, "name": spec.name,
        "path": f"{spec.path}\\{spec.name}",
    }  # fmt: skip
    return SymbolInfo(**{name: known.get(name, _empty(name)) for name in SymbolInfo._fields})


def _empty(name: str) -> Any:
    if name in TEXTS:
        return ""
    return 0.0 if name in FLOATS else 0


FLOATS = frozenset(SymbolInfo._fields[31:83])
"""From `bid` to `price_sensitivity`."""


def levels(emulator: Mt5Emulator, spec: Spec) -> Iterator[tuple[int, float, int, float]]:
    """(side, price, volume, volume) from the highest offer to the lowest bid, a point apart."""
    newest, point = emulator.ticks[spec.symbol][-1], float(spec.point)
    sell, buy = 1, 2
    for step in reversed(range(LEVELS)):
        yield sell, round(newest.ask + step * point, spec.digits), 10 * (step + 1), 10.0 * (step + 1)
    for step in range(LEVELS):
        yield buy, round(newest.bid - step * point, spec.digits), 10 * (step + 1), 10.0 * (step + 1)
