"""What an account can be set to: leverage, margin type, position mode, the countdown."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from trader_emulators.binance.moments import plain
from trader_emulators.binance.parameters import Parameters
from trader_emulators.binance.product import Endpoint
from trader_emulators.binance.refusal import Refused

if TYPE_CHECKING:
    from trader_emulators.binance_futures.futures import Futures

LEVERAGE = 20
"""To begin with, and at most."""
LARGEST = 1_000_000


class Dials:
    """One account's, all of them as at the venue when an account is new."""

    def __init__(self, market: Futures, *, hedge: bool) -> None:
        self._market = market
        self.hedge = hedge
        self.leverage = dict.fromkeys(market.rules, LEVERAGE)
        """By canonical symbol."""
        self.makers: set[int] = set()
        """The numbers of the orders that were sent as GTX."""
        self._isolated: set[str] = set()
        self.countdowns: dict[str, datetime] = {}
        """Symbol -> when its orders go, unless the client calls again."""

    def endpoints(self) -> list[Endpoint]:
        api = "/fapi/v1"
        return [
            Endpoint("POST", f"{api}/leverage", "login", "signed", self._set_leverage),
            Endpoint("POST", f"{api}/marginType", "login", "signed", self._set_margin_type),
            Endpoint("GET", f"{api}/positionSide/dual", "login", "signed", lambda _: {"dualSidePosition": self.hedge}),
            Endpoint("POST", f"{api}/positionSide/dual", "login", "signed", self._set_mode),
            Endpoint("GET", f"{api}/multiAssetsMargin", "login", "signed", lambda _: {"multiAssetsMargin": False}),
            Endpoint("POST", f"{api}/multiAssetsMargin", "login", "signed", self._set_assets),
            Endpoint("GET", f"{api}/leverageBracket", "instruments", "signed", self._brackets),
            Endpoint("POST", f"{api}/countdownCancelAll", "login", "signed", self._countdown),
        ]

    def margin_type(self, symbol: str) -> str:
        """As the account says it."""
        return "isolated" if symbol in self._isolated else "cross"

    def _set_leverage(self, parameters: Parameters) -> dict[str, Any]:
        pair, leverage = self._market.pair(parameters), parameters.whole("leverage")
        if not 1 <= leverage <= LEVERAGE:
            raise Refused(-4028, f"Leverage {leverage} is not valid")
        self.leverage[pair.symbol] = leverage
        return {"leverage": leverage, "maxNotionalValue": plain(LARGEST), "symbol": pair.name}

    def _set_margin_type(self, parameters: Parameters) -> dict[str, Any]:
        pair, word = self._market.pair(parameters), parameters.text("marginType")
        if word not in ("ISOLATED", "CROSSED"):
            raise Refused(-4048, "Invalid margin type.")
        if (word == "ISOLATED") is (pair.symbol in self._isolated):
            raise Refused(-4046, "No need to change margin type.")
        if any(report.symbol == pair.symbol for report in self._market.venue.truth_working()):
            raise Refused(-4047, "Margin type cannot be changed if there exists open orders.")
        if pair.symbol in self._market.venue.truth_positions():
            raise Refused(-4048, "Margin type cannot be changed if there exists position.")
        (self._isolated.add if word == "ISOLATED" else self._isolated.remove)(pair.symbol)
        return {"code": 200, "msg": "success"}

    def _set_mode(self, parameters: Parameters) -> dict[str, Any]:
        parameters.text("dualSidePosition")
        hedge = parameters.flag("dualSidePosition")
        if hedge is self.hedge:
            raise Refused(-4059, "No need to change position side.")
        if self._market.venue.truth_working():
            raise Refused(-4067, "Position side cannot be changed if there exists open orders.")
        if self._market.venue.truth_positions():
            raise Refused(-4068, "Position side cannot be changed if there exists position.")
        self.hedge = hedge
        return {"code": 200, "msg": "success"}

    def _set_assets(self, parameters: Parameters) -> dict[str, Any]:
        parameters.text("multiAssetsMargin")
        if parameters.flag("multiAssetsMargin"):
            raise Refused(-4168, "Unable to adjust to multi-assets mode with isolated margin mode.")
        raise Refused(-4171, "No need to change multi-assets mode.")

    def _brackets(self, parameters: Parameters) -> list[dict[str, Any]]:
        bracket = {
            "bracket": 1, "initialLeverage": LEVERAGE, "notionalCap": LARGEST, "notionalFloor": 0,
            "maintMarginRatio": 0.025, "cum": 0.0,
        }  # fmt: skip
        return [{"symbol": pair.name, "brackets": [bracket]} for pair in self._market.asked_pairs(parameters)]

    # ---- the countdown -----------------------------------------------------------------------------------------------
    def _countdown(self, parameters: Parameters) -> dict[str, Any]:
        pair, left = self._market.pair(parameters), parameters.whole("countdownTime")
        if left:
            self.countdowns[pair.symbol] = self._market.clock.now() + timedelta(milliseconds=left)
        else:
            self.countdowns.pop(pair.symbol, None)
        return {"symbol": pair.name, "countdownTime": str(left)}

    def due(self) -> None:
        """Cancel what a countdown that ran out was for."""
        now = self._market.clock.now()
        for symbol in [symbol for symbol, end in list(self.countdowns.items()) if end <= now]:
            if self.countdowns.pop(symbol, None) is not None:
                self._market.stand_down(symbol)
