"""What an account is asked for: balances, positions, what moved its money; and what a contract's funding is."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from trader.model import CashEvent, Fill

from trader_emulators.binance.listing import FUTURES, QUOTE, Pair
from trader_emulators.binance.moments import BEGINNING, eight, milliseconds, plain
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.product import Endpoint
from trader_emulators.binance_futures.margin import Holding, Wallet

if TYPE_CHECKING:
    from trader_emulators.binance_futures.futures import Futures

ALIAS = "SgsRmXqC"
EVENTS = {
    "transfer": "TRANSFER", "funding": "FUNDING_FEE", "fee": "INSURANCE_CLEAR", "interest": "BFUSD_REWARD",
    "dividend": "CONTEST_REWARD", "adjustment": "AUTO_EXCHANGE",
}  # fmt: skip
"""The income type of money that moved without a trade."""
FUNDING = timedelta(hours=8)
RATE = Decimal("0.00010000")
WEEK = timedelta(days=7)


class Books:
    """Of one account."""

    def __init__(self, market: Futures) -> None:
        self._market = market

    def endpoints(self) -> list[Endpoint]:
        one, two, three = "/fapi/v1", "/fapi/v2", "/fapi/v3"
        return [
            Endpoint("GET", f"{two}/account", "account", "signed", self._account, "account.status"),
            Endpoint("GET", f"{three}/account", "account", "signed", self._short_account, "v2/account.status"),
            Endpoint("GET", f"{two}/balance", "account", "signed", self._balance, "account.balance"),
            Endpoint("GET", f"{three}/balance", "account", "signed", self._balance, "v2/account.balance"),
            Endpoint("GET", f"{two}/positionRisk", "positions", "signed", self._risks, "account.position"),
            Endpoint("GET", f"{three}/positionRisk", "positions", "signed", self._held_risks, "v2/account.position"),
            Endpoint("GET", f"{one}/income", "cash_events", "signed", self._income),
            Endpoint("GET", f"{one}/commissionRate", "instruments", "signed", self._commission),
            Endpoint("GET", f"{one}/premiumIndex", "quotes", "open", self._premium),
            Endpoint("GET", f"{one}/fundingRate", "quotes", "open", self._rates),
        ]

    def _now(self) -> int:
        return self._market.server_time()

    # ---- balances ----------------------------------------------------------------------------------------------------
    def _account(self, _: Parameters) -> dict[str, Any]:
        """With every contract, held or not."""
        wallet = self._market.wallet()
        return {
            "feeTier": 0, "feeBurn": True, "canTrade": True, "canDeposit": True, "canWithdraw": False,
            "updateTime": 0, "multiAssetsMargin": False, "tradeGroupId": -1, **self._totals(wallet),
            "positions": [self._position(each) for each in wallet.holdings],
        }  # fmt: skip

    def _short_account(self, _: Parameters) -> dict[str, Any]:
        """With those contracts that are held or ordered."""
        wallet = self._market.wallet()
        return {
            **self._totals(wallet),
            "positions": [self._position(each) for each in wallet.holdings if each.quantity or each.ordered],
        }

    def _totals(self, wallet: Wallet) -> dict[str, Any]:
        total, held, ordered = wallet.equity, wallet.positions_margin, wallet.orders_margin
        asset = {
            "asset": QUOTE, "walletBalance": eight(wallet.cash), "unrealizedProfit": eight(wallet.profit),
            "marginBalance": eight(total), "maintMargin": eight(wallet.maintenance),
            "initialMargin": eight(held + ordered), "positionInitialMargin": eight(held),
            "openOrderInitialMargin": eight(ordered), "crossWalletBalance": eight(wallet.cash),
            "crossUnPnl": eight(wallet.profit), "availableBalance": eight(wallet.available),
            "maxWithdrawAmount": eight(wallet.available), "marginAvailable": True, "updateTime": self._now(),
        }  # fmt: skip
        return {
            "totalInitialMargin": asset["initialMargin"], "totalMaintMargin": asset["maintMargin"],
            "totalWalletBalance": asset["walletBalance"], "totalUnrealizedProfit": asset["unrealizedProfit"],
            "totalMarginBalance": asset["marginBalance"], "totalPositionInitialMargin": asset["positionInitialMargin"],
            "totalOpenOrderInitialMargin": asset["openOrderInitialMargin"],
            "totalCrossWalletBalance": asset["crossWalletBalance"], "totalCrossUnPnl": asset["crossUnPnl"],
            "availableBalance": asset["availableBalance"], "maxWithdrawAmount": asset["maxWithdrawAmount"],
            "assets": [asset],
        }  # fmt: skip

    def _position(self, held: Holding) -> dict[str, Any]:
        return {
            "symbol": FUTURES[held.symbol].name, "initialMargin": eight(held.initial + held.of_orders),
            "maintMargin": eight(held.maintenance), "unrealizedProfit": eight(held.profit),
            "positionInitialMargin": eight(held.initial), "openOrderInitialMargin": eight(held.of_orders),
            "leverage": str(held.leverage), "isolated": self._market.dials.margin_type(held.symbol) == "isolated",
            "entryPrice": plain(held.entry), "breakEvenPrice": plain(held.entry), "maxNotional": "1000000",
            "bidNotional": "0", "askNotional": "0", "positionSide": "BOTH", "positionAmt": plain(held.quantity),
            "notional": eight(held.notional), "isolatedMargin": "0", "isolatedWallet": "0", "updateTime": self._now(),
        }  # fmt: skip

    def _balance(self, _: Parameters) -> list[dict[str, Any]]:
        wallet = self._market.wallet()
        return [{
            "accountAlias": ALIAS, "asset": QUOTE, "balance": eight(wallet.cash),
            "crossWalletBalance": eight(wallet.cash), "crossUnPnl": eight(wallet.profit),
            "availableBalance": eight(wallet.available), "maxWithdrawAmount": eight(wallet.available),
            "marginAvailable": True, "updateTime": self._now(),
        }]  # fmt: skip

    # ---- positions ---------------------------------------------------------------------------------------------------
    def _asked(self, parameters: Parameters) -> list[Holding]:
        pair = self._market.pair(parameters) if "symbol" in parameters else None
        return [each for each in self._market.wallet().holdings if pair is None or each.symbol == pair.symbol]

    def _risks(self, parameters: Parameters) -> list[dict[str, Any]]:
        """Every contract."""
        return [
            {**self._risk(each), "leverage": str(each.leverage), "maxNotionalValue": "1000000",
             "marginType": self._market.dials.margin_type(each.symbol), "isAutoAddMargin": "false"}
            for each in self._asked(parameters)
        ]  # fmt: skip

    def _held_risks(self, parameters: Parameters) -> list[dict[str, Any]]:
        """Those that are held or ordered."""
        return [self._risk(each) for each in self._asked(parameters) if each.quantity or each.ordered]

    def _risk(self, held: Holding) -> dict[str, Any]:
        return {
            "symbol": FUTURES[held.symbol].name, "positionSide": "BOTH", "positionAmt": plain(held.quantity),
            "entryPrice": plain(held.entry), "breakEvenPrice": plain(held.entry), "markPrice": eight(held.mark),
            "unRealizedProfit": eight(held.profit), "liquidationPrice": "0", "isolatedMargin": "0.00000000",
            "notional": eight(held.notional), "marginAsset": QUOTE, "isolatedWallet": "0",
            "initialMargin": eight(held.initial + held.of_orders), "maintMargin": eight(held.maintenance),
            "positionInitialMargin": eight(held.initial), "openOrderInitialMargin": eight(held.of_orders), "adl": 2,
            "bidNotional": "0", "askNotional": "0", "updateTime": self._now(),
        }  # fmt: skip

    # ---- what moved the money ----------------------------------------------------------------------------------------
    def _income(self, parameters: Parameters) -> list[dict[str, Any]]:
        """Oldest first; without a time the last seven days. Executions are in it as well, with a tradeId."""
        pair = self._market.pair(parameters) if "symbol" in parameters else None
        kind, limit = parameters.optional("incomeType"), parameters.limit(100, 1_000)
        start, end = parameters.moment("startTime"), parameters.moment("endTime")
        low = start or (self._market.clock.now() - WEEK if end is None else BEGINNING)
        events: list[CashEvent] = self._market.ask(self._market.venue.cash_events, BEGINNING)
        fills: list[Fill] = self._market.ask(self._market.venue.fills, BEGINNING)
        rows = [self._event(each) for each in events]
        rows += [row for fill in fills for row in self._of_trade(fill)]
        rows = [
            row for row in sorted(rows, key=lambda row: (row["time"], row["tranId"]))
            if (not kind or row["incomeType"] == kind) and (pair is None or row["symbol"] == pair.name)
            and row["time"] >= milliseconds(low) and (end is None or row["time"] <= milliseconds(end))
        ]  # fmt: skip
        first = (parameters.whole("page", 1) - 1) * limit
        if start is None and "page" not in parameters:
            return rows[-limit:]
        return rows[max(first, 0) : max(first, 0) + limit]

    def _event(self, event: CashEvent) -> dict[str, Any]:
        name = FUTURES[event.symbol].name if event.symbol in FUTURES else ""
        return _row(
            name, EVENTS[event.kind], event.amount, milliseconds(event.time), 9_000_000 + int(event.event_id[1:])
        )

    def _of_trade(self, fill: Fill) -> list[dict[str, Any]]:
        name, time = FUTURES[fill.symbol].name, milliseconds(fill.time)
        trade, profit = self._market.register.trade_id(fill), self._market.profit(fill)
        rows = [_row(name, "COMMISSION", -fill.fee, time, trade * 10, trade)]
        return rows + ([_row(name, "REALIZED_PNL", profit, time, trade * 10 + 1, trade)] if profit else [])

    def _commission(self, parameters: Parameters) -> dict[str, Any]:
        rate = eight(self._market.fee_rate)
        return {"symbol": self._market.pair(parameters).name, "makerCommissionRate": rate, "takerCommissionRate": rate,
                "rpiCommissionRate": rate}  # fmt: skip

    # ---- funding -----------------------------------------------------------------------------------------------------
    def _premium(self, parameters: Parameters) -> Any:
        told = [self.premium(pair) for pair in self._market.asked_pairs(parameters)]
        return told[0] if "symbol" in parameters else told

    def premium(self, pair: Pair) -> dict[str, Any]:
        """Mark price and funding of one contract."""
        price = eight(self._market.last(pair))
        hours = FUNDING // timedelta(milliseconds=1)
        return {
            "symbol": pair.name, "markPrice": price, "indexPrice": price, "estimatedSettlePrice": price,
            "lastFundingRate": eight(RATE), "interestRate": eight(RATE),
            "nextFundingTime": (self._now() // hours + 1) * hours, "time": self._now(),
        }  # fmt: skip

    def _rates(self, parameters: Parameters) -> list[dict[str, Any]]:
        """Of each eight hours, oldest first."""
        pair, limit = self._market.pair(parameters), parameters.limit(100, 1_000)
        hours = FUNDING // timedelta(milliseconds=1)
        last = min(parameters.whole("endTime", self._now()), self._now()) // hours
        first = max(-(-parameters.whole("startTime", 0) // hours), last - 400)
        times = [hours * number for number in range(first, last + 1)]
        chosen = times[:limit] if "startTime" in parameters else times[-limit:]
        price = eight(self._market.last(pair))
        return [{"symbol": pair.name, "fundingRate": eight(RATE), "fundingTime": time, "markPrice": price}
                for time in chosen]  # fmt: skip


def _row(symbol: str, kind: str, amount: Decimal, time: int, number: int, trade: int | str = "") -> dict[str, Any]:
    return {"symbol": symbol, "incomeType": kind, "income": eight(amount), "asset": QUOTE, "info": str(trade or kind),
            "time": time, "tranId": number, "tradeId": str(trade)}  # fmt: skip
