"""The account's books: /v2/account, positions and what else is told of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from trader.model import ZERO, OrderType, Position, Side, TimeInForce

from trader_emulators.alpaca.assets import asset_of, listed
from trader_emulators.alpaca.desk import guarded, percentage
from trader_emulators.alpaca.intake import Wish, body_of
from trader_emulators.alpaca.text import Refused, amount, dollars, fixed_id, invalid, no
from trader_emulators.http import Answer, Asked, Route

if TYPE_CHECKING:
    from trader_emulators.alpaca.venue import AlpacaEmulator

ACCOUNT_ID = fixed_id("account")
NUMBER = "PA3EMULATOR1"
SETTINGS: dict[str, Any] = {
    "no_shorting": False, "suspend_trade": False, "fractional_trading": True, "max_margin_multiplier": "2",
    "trade_confirm_email": "none", "ptp_no_exception_entry": False, "max_options_trading_level": 0,
    "disable_overnight_trading": False,
}  # fmt: skip
GONE = ("dtbp_check", "pdt_check")
"""Settings that the venue had once and that the SDK still sends."""


class Books:
    """Answers about the account."""

    def __init__(self, emulator: AlpacaEmulator) -> None:
        self._emulator, self._venue, self._market = emulator, emulator.venue, emulator.market
        self._settings = dict(SETTINGS)
        self._begun = emulator.clock.now()
        self._past: list[tuple[datetime, Decimal]] = [(self._begun, emulator.setup.cash)]
        self._yesterday: dict[tuple[str, object], Decimal] = {}

    def routes(self) -> list[Route]:
        one = "/v2/positions/{symbol:.+}"
        return [
            Route("GET", "/v2/account", "account", self.account),
            Route("GET", "/v2/account/configurations", "account", self.settings),
            Route("PATCH", "/v2/account/configurations", "account", guarded(self.change)),
            Route("GET", "/v2/account/portfolio/history", "account", self.history),
            Route("GET", "/v2/positions", "positions", self.positions),
            Route("DELETE", "/v2/positions", "submit", guarded(self.close_all)),
            Route("GET", one, "positions", guarded(self.position)),
            Route("DELETE", one, "submit", guarded(self.close)),
        ]

    # ---- the account -------------------------------------------------------------------------------------------------
    def account(self, _: Asked) -> Answer:
        said, worth = self._emulator.ask(self._venue.account), self._values()
        power, _short = self._emulator.power()
        gross = worth[0] - worth[1]
        return Answer(200, {
            "id": ACCOUNT_ID, "account_number": NUMBER, "admin_configurations": {}, "user_configurations": None,
            "status": "ACTIVE", "crypto_status": "ACTIVE", "currency": "USD", "created_at": "2024-01-02T15:00:00Z",
            "cash": amount(said.cash), "equity": amount(said.equity), "portfolio_value": amount(said.equity),
            "last_equity": amount(self._past[0][1]), "buying_power": dollars(power),
            "effective_buying_power": dollars(power), "regt_buying_power": dollars(power),
            "daytrading_buying_power": "0", "non_marginable_buying_power": dollars(max(said.cash, ZERO)),
            "options_buying_power": "0", "options_approved_level": 0, "options_trading_level": 0,
            "long_market_value": amount(worth[0]), "short_market_value": amount(worth[1]),
            "position_market_value": amount(gross), "initial_margin": amount(gross / 2),
            "maintenance_margin": amount(gross * Decimal("0.3")), "last_maintenance_margin": "0", "sma": "0",
            "multiplier": "2", "shorting_enabled": True, "pattern_day_trader": False, "daytrade_count": 0,
            "balance_asof": f"{self._begun - timedelta(days=1):%Y-%m-%d}", "accrued_fees": "0",
            "intraday_adjustments": "0", "pending_reg_taf_fees": "0", "bod_dtbp": "0",
            "account_blocked": False, "trading_blocked": False, "transfers_blocked": False,
            "trade_suspended_by_user": bool(self._settings["suspend_trade"]),
        })  # fmt: skip

    def _values(self) -> tuple[Decimal, Decimal]:
        """What is held long and short, in dollars; short is negative."""
        worth = [held * self.price(symbol) for symbol, held in self._venue.truth_positions().items()]
        return sum((value for value in worth if value > 0), ZERO), sum((value for value in worth if value < 0), ZERO)

    def price(self, symbol: str) -> Decimal:
        """Last trade."""
        return Decimal(repr(self._market.last(symbol)))

    def settings(self, _: Asked) -> Answer:
        return Answer(200, dict(self._settings))

    def change(self, asked: Asked) -> Answer:
        body_of(asked.body)
        changed = {name: value for name, value in asked.json().items() if name not in GONE}
        strange = sorted(set(changed) - set(self._settings))
        if strange:
            raise invalid(f"unknown configuration: {', '.join(strange)}")
        self._settings |= {name: value for name, value in changed.items() if value is not None}
        return Answer(200, dict(self._settings))

    def remember(self) -> None:
        """Note today's equity, once a minute."""
        now = self._emulator.clock.now()
        if now - self._past[-1][0] >= timedelta(minutes=1):
            self._past.append((now, self._venue.truth_account().equity))

    def history(self, asked: Asked) -> Answer:
        """Equity since the emulator began, one point a minute where prices moved; whatever period is asked."""
        points = [*self._past, (self._emulator.clock.now(), self._venue.truth_account().equity)]
        base = self._past[0][1]
        return Answer(200, {
            "timestamp": [int(moment.timestamp()) for moment, _ in points],
            "equity": [float(equity) for _, equity in points],
            "profit_loss": [float(equity - base) for _, equity in points],
            "profit_loss_pct": [float((equity - base) / base) if base else 0.0 for _, equity in points],
            "base_value": float(base), "timeframe": asked.query.get("timeframe", "1Min"), "cashflow": {},
        })  # fmt: skip

    # ---- positions ---------------------------------------------------------------------------------------------------
    def positions(self, _: Asked) -> Answer:
        return Answer(200, [self._payload(held) for held in self._emulator.ask(self._venue.positions)])

    def position(self, asked: Asked) -> Answer:
        return Answer(200, self._payload(self._held(asked.parts["symbol"])))

    def _held(self, name: str) -> Position:
        asset = asset_of(name)
        for held in self._emulator.ask(self._venue.positions):
            if asset is not None and held.symbol == asset.symbol:
                return held  # type: ignore[no-any-return]
        if asset is None:
            raise Refused(no(404, 40410000, f"symbol not found: {name}"))
        raise Refused(no(404, 40410000, "position does not exist"))

    def _payload(self, held: Position) -> dict[str, Any]:
        asset = listed(held.symbol)
        price, quantity = self.price(held.symbol), held.quantity
        before = self._last_day(held.symbol)
        worth, cost, was = quantity * price, quantity * held.price, quantity * before
        purse = self._emulator.desk.purse(held.symbol, Side.SELL if quantity > 0 else Side.BUY)
        return {
            "asset_id": asset.id, "symbol": asset.held_as, "exchange": asset.exchange, "asset_class": asset.kind,
            "asset_marginable": not asset.crypto, "qty": amount(quantity),
            "qty_available": amount(quantity - purse.held_for_orders * (1 if quantity > 0 else -1)),
            "side": "long" if quantity > 0 else "short", "avg_entry_price": amount(held.price),
            "market_value": amount(worth), "cost_basis": amount(cost), "unrealized_pl": amount(worth - cost),
            "unrealized_plpc": amount((worth - cost) / abs(cost)), "unrealized_intraday_pl": amount(worth - was),
            "unrealized_intraday_plpc": amount((worth - was) / abs(was)), "current_price": amount(price),
            "lastday_price": amount(before), "change_today": amount(price / before - 1),
        }  # fmt: skip

    def _last_day(self, symbol: str) -> Decimal:
        """Yesterday's last price."""
        now = self._emulator.clock.now()
        key = (symbol, now.date())
        if key not in self._yesterday:
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            bars = self._market.candles(symbol, "1m", midnight - timedelta(minutes=1), midnight, now=now)
            price = Decimal(repr(float(bars.close[-1]))) if len(bars) else self.price(symbol)
            self._yesterday[key] = price.quantize(Decimal("0.0001"))
        return self._yesterday[key]

    # ---- closing -----------------------------------------------------------------------------------------------------
    def close(self, asked: Asked) -> Answer:
        held = self._held(asked.parts["symbol"])
        return Answer(200, self._close(held, percentage(asked.query, held.quantity)))

    def close_all(self, asked: Asked) -> Answer:
        """One market order for each position; with cancel_orders every order is canceled before."""
        if asked.query.get("cancel_orders", "").lower() == "true":
            self._emulator.ask(self._venue.cancel_all)
        said = []
        for held in self._emulator.ask(self._venue.positions):
            try:
                status, body = 200, self._close(held, abs(held.quantity))
            except Refused as refusal:
                status, body = refusal.answer.status, refusal.answer.body
            said.append({"symbol": listed(held.symbol).held_as, "status": status, "body": body})
        return Answer(207, said)

    def _close(self, held: Position, quantity: Decimal) -> dict[str, Any]:
        asset = listed(held.symbol)
        side = Side.SELL if held.quantity > 0 else Side.BUY
        lasting = TimeInForce.GTC if asset.crypto else TimeInForce.DAY
        cut = quantity.quantize(asset.lot)
        return self._emulator.desk.place(
            Wish(asset, side, cut, None, OrderType.MARKET, lasting, None, None, str(uuid4()))
        )
