"""The broker suite over a wire: bugs that a broker may have, planted into a good one, fail the cases about them."""

import itertools
import threading
from pathlib import Path

import pytest
from msgspec import structs
from trader.allowance import Allowance
from trader.clock import SystemClock
from trader.inbox import Inbox
from trader.model import (
    Accepted,
    Idle,
    NotFound,
    OrderRef,
    OrderState,
    OrderType,
    Rejected,
    Reset,
    Unavailable,
    Unknown,
)
from trader.plugins import catalogue
from trader.plugins.certificate import Case
from trader.testing.certify import Asking, Recorder, certify, run_pytest
from trader_broker_alpaca.broker import AlpacaBroker
from trader_broker_alpaca.door import Door
from trader_broker_binance.futures_broker import FuturesBroker
from trader_broker_robinhood.client import Client
from trader_emulators import Setup, emulate


def around(change):
    """A method that does what it did, and then something else with its answer."""

    def plant(real):
        def method(self, *args, **kwargs):
            return change(self, real(self, *args, **kwargs), *args)

        return method

    return plant


def resends(real):
    def make(self, *args):
        real(self, *args)
        self.client._retry, self.client._retry_wait = 3, 0

    return make


def first_page(name):
    return around(lambda self, answer, *args: answer if isinstance(answer, Unavailable) else answer[:100])


def drops_reduce_only(real):
    return lambda self, order: real(self, structs.replace(order, reduce_only=False))


def asks_at_once_again(real):
    return lambda self, urgent=False: None


def lets_cancels_wait(real):
    return lambda self, urgent=False: real(self, urgent=False)


def shows_its_key(real):
    return lambda self: f"AlpacaBroker({self._env.secret('ALPACA_SECRET_KEY').reveal()})"


def forgets_to_reset(real):
    def stream(self):
        return (event for event in real(self) if not isinstance(event, Reset))

    return stream


def sleeps(real):
    def stream(self):
        return (event for event in real(self) if not isinstance(event, Idle))

    return stream


timeout_is_a_no = around(lambda self, said, *_: Rejected("timeout", "no") if isinstance(said, Unknown) else said)
failed_is_done = around(lambda self, said, *_: Accepted() if isinstance(said, Unknown) else said)
no_is_done = around(lambda self, said, *_: Accepted() if isinstance(said, Rejected) else said)
silence_is_nothing = around(lambda self, said, *_: () if isinstance(said, Unavailable) else said)
silence_is_not_found = around(lambda self, said, *_: NotFound("?") if isinstance(said, Unavailable) else said)
stops_are_hidden = around(
    lambda self, said, *_: (
        said if isinstance(said, Unavailable) else [one for one in said if one.type is not OrderType.STOP]
    )
)
twice = around(lambda self, said, *_: said if isinstance(said, Unavailable) else [*said, *said])


first_symbol = around(
    lambda self, said, *_: (
        said if isinstance(said, Unavailable) else [one for one in said if one.symbol == said[0].symbol]
    )
)
first_page_of_positions = around(
    lambda self, said, *asked: said[:5] if asked[-1] == "positions" and not isinstance(said, Unavailable) else said
)
ten = around(lambda self, said, *_: said if isinstance(said, Unavailable) else said[:10])
believes_the_yes = around(
    lambda self, said, *_: (
        structs.replace(said, state=OrderState.CANCELED)
        if getattr(said, "state", None) is OrderState.CANCEL_SENT
        else said
    )
)
hides_what_is_being_cancelled = around(
    lambda self, said, *_: (
        said if isinstance(said, Unavailable) else [one for one in said if one.state is not OrderState.CANCEL_SENT]
    )
)


def raises_in_threads(real):
    """It works on the first thread, and on no other."""

    def ask(self):
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("not on this thread")
        return real(self)

    return ask


def cancels_its_own(real):
    def cancel_all(self):
        for one in self.orders():
            if not one.key.startswith("by-hand"):
                self.cancel(OrderRef("", one.key, one.symbol, one.venue_id))
        return Accepted()

    return cancel_all


def opens_by_luck(real):
    """Each second time, as a broker does that is refused now and then."""
    tries = itertools.count()
    return lambda self: Unavailable("server", "try again") if next(tries) % 2 else real(self)


BUGS = {
    "it sends again by itself": (Door, "__init__", resends, {"BC-54"}),
    "a timeout is a rejection": (AlpacaBroker, "submit", timeout_is_a_no, {"BC-49"}),
    "a failed cancel is a cancel": (AlpacaBroker, "cancel", failed_is_done, {"BC-42"}),
    "a refused cancel is a cancel": (AlpacaBroker, "cancel", no_is_done, {"BC-38", "BC-39", "BC-43"}),
    "a refused cancel of all is one": (AlpacaBroker, "cancel_all", no_is_done, {"BC-45"}),
    "a failed question about positions is flat": (AlpacaBroker, "positions", silence_is_nothing, {"BC-62"}),
    "a failed question about orders is none": (AlpacaBroker, "orders", silence_is_nothing, {"BC-63"}),
    "a failed question about an order is not found": (AlpacaBroker, "order", silence_is_not_found, {"BC-64"}),
    "only the first page of orders": (AlpacaBroker, "orders", first_page("orders"), {"BC-19"}),
    "only the first page of fills": (AlpacaBroker, "fills", first_page("fills"), {"BC-32"}),
    "every fill twice": (AlpacaBroker, "fills", twice, {"BC-10"}),
    "conditional orders are not listed": (AlpacaBroker, "orders", stops_are_hidden, {"BC-26"}),
    "a venue that asks for quiet is asked on": (Allowance, "refusal", asks_at_once_again, {"BC-77", "BC-79"}),
    "a cancel waits in line": (Allowance, "refusal", lets_cancels_wait, {"BC-78"}),
    "its secret stands in its name": (AlpacaBroker, "__repr__", shows_its_key, {"BC-82"}),
    "a new connection is not told": (AlpacaBroker, "stream_orders", forgets_to_reset, {"BC-69"}),
    "a quiet stream is silent": (AlpacaBroker, "stream_orders", sleeps, {"BC-70"}),
    "it answers one thread only": (AlpacaBroker, "account", raises_in_threads, {"BC-84"}),
    "a cancel is never sent": (AlpacaBroker, "cancel", lambda real: lambda self, ref: Unknown("no"), {"BC-43"}),
    "a person's orders outlive a cancel of all": (AlpacaBroker, "cancel_all", cancels_its_own, {"BC-44"}),
    "it opens now and then": (AlpacaBroker, "open", opens_by_luck, {"BC-46"}),
    "closing ends no stream": (Inbox, "close", lambda real: lambda self: None, {"BC-76"}),
    "a cancel that was taken is an end": (AlpacaBroker, "order", believes_the_yes, {"BC-85"}),
    "what is being cancelled is not listed": (AlpacaBroker, "orders", hides_what_is_being_cancelled, {"BC-85"}),
    "only ten positions": (AlpacaBroker, "positions", ten, {"BC-87"}),
    "only the orders of one symbol": (AlpacaBroker, "orders", first_symbol, {"BC-87"}),
    "only the fills of one symbol": (AlpacaBroker, "fills", first_symbol, {"BC-87"}),
    "only the first page of positions": (Client, "whole", first_page_of_positions, {"BC-87"}),
    "a reducing order goes out as any other": (FuturesBroker, "submit", drops_reduce_only, {"BC-86"}),
}
PLUGINS = {Client: "robinhood", FuturesBroker: "binance_futures"}
"""Where a bug is not planted into Alpaca's broker."""


def ask(folder: Path, cases: set[str], plugin: str = "alpaca") -> list[Case]:
    """How some cases of the suite went."""
    file = folder / f"test_planted_{plugin}.py"  # a module of this name is imported once
    file.write_text(
        f"from trader.testing import BrokerConformance\n\n\nclass TestIt(BrokerConformance):\n    plugin = '{plugin}'\n"
    )
    heard = Recorder(lambda case: None)
    some = " or ".join(case.lower().replace("-", "_") for case in sorted(cases))
    run_pytest(file, heard, "-k", some)
    return heard.cases


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_fails_the_case_about_it(bug, tmp_path, monkeypatch):
    where, name, plant, cases = BUGS[bug]
    monkeypatch.setattr(where, name, plant(getattr(where, name)))
    assert {case.number: case.outcome for case in ask(tmp_path, cases, PLUGINS.get(where, "alpaca"))} == dict.fromkeys(
        cases, "failed"
    )


def test_without_a_bug_these_cases_pass(tmp_path):
    asked = {"BC-10", "BC-26", "BC-42", "BC-49", "BC-54", "BC-62", "BC-64", "BC-76", "BC-77", "BC-78", "BC-82",
             "BC-85", "BC-87"}  # fmt: skip
    cases = ask(tmp_path, asked)
    assert [case for case in cases if case.outcome != "passed"] == [] and {case.number for case in cases} == asked


def test_a_paper_account_is_asked_twice_with_the_keys_beside_the_settings(tmp_path):
    """Another account than the emulator that the suite starts: one that stays. Ids of the first time are taken."""
    venue = emulate("alpaca", Setup(prices={"AAPL": 100.0}))
    try:
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in venue.secrets.items()))
        asking = Asking(dict(venue.options), tmp_path, price="100")
        plugin = catalogue().get("broker", "alpaca")
        for _ in range(2):
            made = certify(plugin, told=lambda case: None, now=SystemClock().now(), asking=asking)
            assert [case for case in made.cases if case.outcome == "failed"] == []
            assert made.venue == "paper" and made.count("passed") > 20 and not list(venue.venue.truth_working())
        assert not list(venue.venue.truth_fills()), "It bought something, and left it."
    finally:
        venue.close()
