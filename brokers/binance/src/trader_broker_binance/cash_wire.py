"""What the venue says of money that moved without a trade, on spot. Pure; a malformed answer is a BadPayload."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from trader.errors import BadPayload
from trader.model import ZERO, CashEvent
from trader.wire import Fields

from trader_broker_binance.amounts import EXACT, at_least_zero, plain

SUCCESS, CREDITED, COMPLETED = 1, 6, 6
"""Of a deposit: done, and credited but not to be withdrawn yet. Of a withdrawal: done."""
SPOT_WALLET = 0
INTEREST = ("interest", "earn", "saving", "staking", "lending")
"""Words in the name of a distribution; the rest are dividends: airdrops, rebates, vouchers."""


def deposit(payload: object) -> CashEvent | None:
    """One of capital/deposit/hisrec. None where the spot wallet has not got it: pending, refused, the funding wallet.

    `time`: when it was completed, else when it was first seen. While it is credited, not yet free to leave, and has no
    time of completion it is none: an event whose time changes later could be booked twice."""
    fields = Fields(payload, "deposit")
    status, completed = fields.integer("status"), fields.decimal("completeTime", ZERO)
    if status != SUCCESS and not (status == CREDITED and completed):
        return None
    moment = fields.millis("completeTime" if completed else "insertTime")
    return _transfer(fields, "deposit", at_least_zero(fields, "amount"), moment)


def withdrawal(payload: object) -> CashEvent | None:
    """One of capital/withdraw/history: what arrived and the venue's fee, both left. None unless it is completed, and
    from the spot wallet. `time`: when it was asked for, to the second, for the venue takes the money then."""
    fields = Fields(payload, "withdrawal")
    if fields.integer("status") != COMPLETED:
        return None
    gone = EXACT.add(at_least_zero(fields, "amount"), at_least_zero(fields, "transactionFee", ZERO))
    return _transfer(fields, "withdrawal", EXACT.minus(gone), _utc(fields, "applyTime"))


def _transfer(fields: Fields, word: str, amount: Decimal, moment: datetime) -> CashEvent | None:
    if fields.integer("walletType", SPOT_WALLET) != SPOT_WALLET:
        return None
    return CashEvent(f"{word}:{fields.text('id')}", "transfer", plain(amount), fields.text("coin"), moment)


def _distribution(fields: Fields) -> CashEvent:
    """Its tranId is that of the whole distribution; its id is its own."""
    amount = at_least_zero(fields, "amount")
    about = fields.text("enInfo", "").lower()
    return CashEvent(
        f"distribution:{fields.text('id')}",
        "interest" if any(word in about for word in INTEREST) else "dividend",
        plain(EXACT.minus(amount) if fields.integer("direction", 1) < 0 else amount),
        fields.text("asset"),
        fields.millis("divTime"),
    )


def distributions(payload: object) -> list[CashEvent]:
    """asset/assetDividend, one page."""
    fields = Fields(payload, "distributions")
    return [_distribution(row) for row in fields.each("rows")]


def _utc(fields: Fields, name: str) -> datetime:
    """2026-01-31 14:30:00, which is UTC."""
    said = fields.text(name)
    try:
        return Fields({name: f"{said}Z"}, fields.where).iso(name)
    except BadPayload:
        raise BadPayload(fields.where, name, "a moment such as 2026-01-31 14:30:00", said) from None
