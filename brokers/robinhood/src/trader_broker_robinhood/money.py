"""Money that moves without a trade, and what orders cost: Robinhood's rows as cash events."""

from __future__ import annotations

from typing import Literal

from trader.model import ZERO, CashEvent
from trader.wire import Fields

from trader_broker_robinhood.wire import FINAL, fills, identity, order


def fees(payload: object, symbol: str) -> CashEvent | None:
    """What an order that is done cost beyond the fees of its executions; None: nothing. (Orders tell of fees as a
    whole, and only newer answers say them of each execution. A fill once shown must not change.)"""
    whole = order(payload, symbol)
    rest = Fields(payload, "order").decimal("fees", ZERO) - sum((one.fee for one in fills(payload, symbol)), ZERO)
    if whole.state not in FINAL or rest <= 0:
        return None
    return CashEvent(f"fees:{whole.venue_id}", "fee", -rest, "USD", whole.time, symbol)


def dividend(payload: object, symbol: str) -> CashEvent | None:
    """One row of GET /dividends/; None while it is not paid."""
    fields = Fields(payload, "dividend")
    paid = fields.iso("paid_at", None)
    if paid is None or fields.text("state", "") not in ("paid", "reinvested"):
        return None
    amount = fields.decimal("amount") - fields.decimal("withholding", ZERO)
    return CashEvent(f"dividend:{identity(fields, 'id')}", "dividend", amount, "USD", paid, symbol)


def transfer(payload: object) -> CashEvent | None:
    """One row of GET /ach/transfers/ or /ach/received/transfers/; None while it is not completed."""
    fields = Fields(payload, "transfer")
    if fields.text("state", "") != "completed":
        return None
    sign = fields.word("direction", {"deposit": 1, "withdraw": -1})
    return CashEvent(f"transfer:{identity(fields, 'id')}", "transfer", sign * fields.decimal("amount"), "USD",
                     fields.iso("updated_at"))  # fmt: skip


def sweep(payload: object) -> CashEvent:
    """One row of GET /accounts/sweeps/: interest on cash."""
    fields = Fields(payload, "sweep")
    sign = fields.word("direction", {"credit": 1, "debit": -1})
    amount = sign * fields.inside("amount").decimal("amount")
    return CashEvent(f"sweep:{identity(fields, 'id')}", "interest", amount, "USD", fields.iso("pay_date"))


def charge(payload: object, kind: Literal["interest", "fee"]) -> CashEvent:
    """One row of the margin interest or of the subscription fees: money that was taken."""
    fields = Fields(payload, kind)
    amount = -abs(fields.decimal("amount"))
    return CashEvent(f"{kind}:{identity(fields, 'id')}", kind, amount, "USD", fields.iso("created_at"))
