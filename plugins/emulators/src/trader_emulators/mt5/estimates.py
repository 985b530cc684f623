"""What an order would bind or earn, and whether it could be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trader.model import ZERO

from trader_emulators.mt5.constants import DEAL, PENDING, RETCODES
from trader_emulators.mt5.requests import INVALID
from trader_emulators.mt5.structs import OrderCheckResult
from trader_emulators.mt5.symbols import BY_NAME, LEVERAGE, Spec
from trader_emulators.mt5.words import PARAMS, Refused

if TYPE_CHECKING:
    from trader_emulators.mt5.rows import Rows
    from trader_emulators.mt5.standing import Dealer
    from trader_emulators.mt5.venue import Mt5Emulator


def margin(action: Any, spec: Spec, volume: Any, price: Any) -> float:
    """Of a new position, in the account's currency."""
    _numbers(action, volume, price)
    rate = 1.0 if spec.tradable else 1.0 / price
    return float(round(volume * spec.contract * price * rate / LEVERAGE, 2))


def profit(action: Any, spec: Spec, volume: Any, opened: Any, closed: Any) -> float:
    """Of a position that was opened and closed at these prices, in the account's currency."""
    _numbers(action, volume, opened, closed)
    sign = 1 if action == 0 else -1
    rate = 1.0 if spec.tradable else 1.0 / closed
    return float(round((closed - opened) * sign * volume * spec.contract * rate, 2))


def _numbers(action: Any, *values: Any) -> None:
    if type(action) is not int or action not in {0, 1}:
        raise Refused(PARAMS, 'Invalid "action" argument')
    if any(type(value) not in {int, float} or not value > 0 for value in values):
        raise Refused(PARAMS, "Invalid arguments")


def check(emulator: Mt5Emulator, rows: Rows, dealer: Dealer, asked: Any) -> Any:
    """As order_send would judge it; success is retcode 0, not 10009."""
    code = dealer.refusal(asked) if asked.action in {DEAL, PENDING} else INVALID
    account, floating, bound = emulator.venue.truth_account(), rows.floating(), rows.margin()
    spec = BY_NAME.get(asked.symbol)
    added = ZERO
    if not code and spec is not None and asked.action == DEAL and not asked.position:
        added = bound.from_float(margin(asked.type, spec, asked.volume, emulator.quote(spec.symbol)[1 - asked.type]))
    after = bound + added
    comment = RETCODES[code][1] if code else "Done"
    return OrderCheckResult(
        code, round(float(account.equity - floating), 2), round(float(account.equity), 2), round(float(floating), 2),
        round(float(after), 2), round(float(account.equity - after), 2),
        float(account.equity / after * 100) if after else 0.0, comment, asked,
    )  # fmt: skip
