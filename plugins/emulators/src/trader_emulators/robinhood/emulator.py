"""The venue: its stocks, its addresses, its words for trouble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, ClassVar

from trader.model import CashEvent, Instrument
from trader.testing.emulation import Mishap, Setup

from trader_emulators.http import Answer, Asked, HttpEmulator, Route
from trader_emulators.robinhood.counter import Counter
from trader_emulators.robinhood.doorman import CODE, PASSWORD, TOKEN, USERNAME, WRONG, Doorman
from trader_emulators.robinhood.links import HOSTS, NOT_FOUND
from trader_emulators.robinhood.marketplace import Marketplace
from trader_emulators.robinhood.office import Office

PRICES = {"AAPL": 100.0, "AMZN": 180.0, "F": 12.0, "GOOG": 150.0, "MSFT": 400.0, "SPY": 500.0, "TSLA": 250.0}
LISTED = ("orders", "fills", "order")
"""Calls that the list of orders serves: Robinhood has no other road to executions, nor to an order by its ref_id."""


class RobinhoodEmulator(HttpEmulator):
    """One account of one person. `page_size`: rows of a page. `approve`: the device that asks is let in."""

    name = "robinhood"
    account_number: ClassVar[str] = "5RH00001"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.page_size = 5
        self.doorman = Doorman(self.clock, setup.mode)
        self._counter, self._marketplace = Counter(self), Marketplace(self)
        self._office = Office(self, self._counter)

    def instruments(self) -> Iterable[Instrument]:
        names = {**PRICES, **(self.setup.prices or {})}
        return [Instrument(symbol, lot=Decimal("0.000001"), shortable=False) for symbol in names]

    def prices(self) -> Mapping[str, float]:
        return PRICES

    @property
    def options(self) -> Mapping[str, Any]:
        return {"url": self.url}

    @property
    def secrets(self) -> Mapping[str, str]:
        return {
            "ROBINHOOD_TOKEN": TOKEN, "ROBINHOOD_USERNAME": USERNAME, "ROBINHOOD_PASSWORD": PASSWORD,
            "ROBINHOOD_MFA": CODE,
        }  # fmt: skip

    def approve(self) -> None:
        """Somebody taps "yes, it is me" in the app."""
        self.doorman.approve()

    def revoke(self) -> None:
        """Every token is forgotten; a new login gives a new one."""
        self.doorman.revoke()

    # ---- the wire ----------------------------------------------------------------------------------------------------
    def arrived(self, call: str, *also: str) -> Mishap | None:
        """A request of the list of orders counts, and fails, for whatever it may have been asked for."""
        return super().arrived(*(LISTED if call == "orders" else (call, *also)))

    def authorized(self, asked: Asked, call: str) -> Answer | None:
        if asked.headers.get("host", "").partition(":")[0] not in HOSTS:
            return NOT_FOUND
        return None if call == "login" else self.doorman.refused(asked)

    def headers(self) -> dict[str, str]:
        return {"Date": format_datetime(self.clock.now(), usegmt=True)}

    def unknown_path(self) -> Answer:
        return NOT_FOUND

    def trouble(self, what: Mishap) -> Answer:
        if what is Mishap.RATE_LIMITED:
            return Answer(
                429, {"detail": "Request was throttled. Expected available in 1 second."}, {"Retry-After": "1"}
            )
        return WRONG if what is Mishap.UNAUTHORIZED else Answer(500, {"detail": "Internal server error."})

    def routes(self) -> list[Route]:
        return [*self._doors(), *self._trading(), *self._cash(), *self._accounts(), *self._data()]

    def _doors(self) -> list[Route]:
        doorman = self.doorman
        inquiry = "/pathfinder/inquiries/{id}/user_view/"
        return [
            Route("POST", "/oauth2/token/", "login", doorman.token),
            Route("POST", "/pathfinder/user_machine/", "login", doorman.machine),
            Route("GET", inquiry, "login", doorman.inquiry),
            Route("POST", inquiry, "login", doorman.inquiry),
            Route("GET", "/push/{id}/get_prompts_status/", "login", doorman.prompt),
            Route("POST", "/challenge/{id}/respond/", "login", doorman.respond),
        ]

    def _trading(self) -> list[Route]:
        counter = self._counter
        return [
            Route("POST", "/orders/", "submit", counter.place),
            Route("GET", "/orders/", "orders", counter.show_all),
            Route("GET", "/orders/{id}/", "order", counter.show),
            Route("POST", "/orders/{id}/cancel/", "cancel", counter.cancel),
            Route("GET", "/positions/", "positions", self._office.positions),
        ]

    def _cash(self) -> list[Route]:
        office = self._office

        def events(*path: str, shape: Any, kinds: tuple[str, ...], sign: int = 0) -> Route:
            def of(event: CashEvent) -> bool:
                return event.kind in kinds and event.amount * sign >= 0

            handler = office.events(*path, of=of, shape=shape)
            return Route("GET", "/" + "/".join(path) + "/", "cash_events", handler)

        return [
            events("dividends", shape=office.dividend, kinds=("dividend",)),
            events("ach", "transfers", shape=office.transfer, kinds=("transfer",)),
            events("ach", "received", "transfers", shape=office.transfer, kinds=("adjustment", "funding")),
            events("accounts", "sweeps", shape=office.sweep, kinds=("interest",), sign=1),
            events("cash_journal", "margin_interest_charges", shape=office.charge, kinds=("interest",), sign=-1),
            events("subscription", "subscription_fees", shape=office.charge, kinds=("fee",)),
        ]

    def _accounts(self) -> list[Route]:
        office = self._office
        return [
            Route("GET", "/accounts/", "account", office.accounts),
            Route("GET", "/accounts/{number}/", "account", office.account),
            Route("GET", "/accounts/{number}", "account", office.account),
            Route("GET", "/portfolios/", "account", office.portfolios),
            Route("GET", "/portfolios/{number}/", "account", office.portfolio),
            Route("GET", "/portfolios/{number}", "account", office.portfolio),
        ]

    def _data(self) -> list[Route]:
        marketplace = self._marketplace
        return [
            Route("GET", "/instruments/", "instruments", marketplace.instruments),
            Route("GET", "/instruments/{id}/", "instruments", marketplace.instrument),
            Route("GET", "/quotes/", "quotes", marketplace.quotes),
            Route("GET", "/quotes/historicals/", "bars", marketplace.historicals),
            Route("GET", "/quotes/{symbol}/", "quotes", marketplace.quote),
            Route("GET", "/markets/{mic}/hours/{date}/", "time", marketplace.hours),
        ]
