"""Money that moved without a trade, where the spot market tells of it: deposits, withdrawals, distributions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from trader.model import CashEvent

from trader_emulators.binance.listing import QUOTE
from trader_emulators.binance.moments import BEGINNING, eight, milliseconds
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.product import Endpoint, Product
from trader_emulators.binance.refusal import Refused

QUARTER, HALF = timedelta(days=90), timedelta(days=180)
"""A question is about no more than so long: transfers, and distributions."""


class Cash:
    """Of one account. What was received and is no transfer is a distribution; whatever was paid is a withdrawal,
    since the venue has no other list for it."""

    def __init__(self, product: Product) -> None:
        self._product = product

    def endpoints(self) -> list[Endpoint]:
        """All below /sapi."""
        sapi = "/sapi/v1"
        return [
            Endpoint("GET", f"{sapi}/capital/deposit/hisrec", "cash_events", "signed", self._deposits),
            Endpoint("GET", f"{sapi}/capital/withdraw/history", "cash_events", "signed", self._withdrawals),
            Endpoint("GET", f"{sapi}/asset/assetDividend", "cash_events", "signed", self._distributions),
        ]

    def _events(self, parameters: Parameters, asset: str, longest: timedelta = QUARTER) -> list[CashEvent]:
        """`asset` names the parameter that names it; without times: the latest that may be asked for."""
        end = parameters.moment("endTime") or self._product.clock.now()
        start = parameters.moment("startTime") or max(end - longest, BEGINNING)
        if end - start > longest:
            raise Refused(-1127, f"More than {longest.days} days between startTime and endTime.")
        if parameters.optional(asset, QUOTE) != QUOTE:
            return []
        found: list[CashEvent] = self._product.ask(self._product.venue.cash_events, start)
        return [event for event in found if milliseconds(event.time) <= milliseconds(end)]

    def _page(self, events: list[CashEvent], parameters: Parameters) -> list[CashEvent]:
        """The newest first, as the venue lists them."""
        first = parameters.whole("offset", 0)
        return events[::-1][first : first + parameters.limit(1_000, 1_000)]

    def _deposits(self, parameters: Parameters) -> list[dict[str, Any]]:
        events = [event for event in self._events(parameters, "coin") if event.kind == "transfer" and event.amount > 0]
        return [
            {"id": event.event_id, "amount": eight(event.amount), "coin": QUOTE, "network": "ETH", "status": 1,
             "address": "emulated", "addressTag": "", "txId": event.event_id, "insertTime": milliseconds(event.time),
             "transferType": 1, "confirmTimes": "1/1", "unlockConfirm": 1, "walletType": 0}
            for event in self._page(events, parameters)
        ]  # fmt: skip

    def _withdrawals(self, parameters: Parameters) -> list[dict[str, Any]]:
        events = [event for event in self._events(parameters, "coin") if event.amount < 0]
        return [
            {"id": event.event_id, "amount": eight(-event.amount), "transactionFee": "0", "coin": QUOTE, "status": 6,
             "address": "emulated", "txId": event.event_id, "applyTime": f"{event.time:%Y-%m-%d %H:%M:%S}",
             "completeTime": f"{event.time:%Y-%m-%d %H:%M:%S}", "network": "ETH", "transferType": 1,
             "info": event.kind, "confirmNo": 1, "walletType": 0}
            for event in self._page(events, parameters)
        ]  # fmt: skip

    def _distributions(self, parameters: Parameters) -> dict[str, Any]:
        found = self._events(parameters, "asset", HALF)
        events = [event for event in found if event.kind != "transfer" and event.amount > 0]
        shown = events[::-1][: parameters.limit(20, 500)]
        rows = [
            {"id": int(event.event_id[1:]), "tranId": int(event.event_id[1:]), "amount": eight(event.amount),
             "asset": QUOTE, "divTime": milliseconds(event.time), "enInfo": event.kind, "direction": 1}
            for event in shown
        ]  # fmt: skip
        return {"rows": rows, "total": len(events)}
