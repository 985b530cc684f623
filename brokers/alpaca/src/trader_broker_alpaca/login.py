"""Why a login was refused, so that a person can act on it. Names of keys, never their values."""

from __future__ import annotations

from trader.model import Account, Unavailable
from trader.protocols import Env

from trader_broker_alpaca.settings import Connection

SHAPES = {"PK": "paper", "AK": "live"}
"""How keys begin."""


def explained(answer: Unavailable, settings: Connection, env: Env) -> Unavailable:
    """A refusal of the keys with which keys, which environment was asked, what the venue said, what to do; any other
    answer as it is."""
    if answer.kind != "auth":
        return answer
    asked = settings.environment
    other = "live" if asked == "paper" else "paper"
    shape = SHAPES.get(env.secret("ALPACA_API_KEY").reveal()[:2])
    looks = f" ALPACA_API_KEY looks like a key of a {shape} account." if shape == other else ""
    return Unavailable(
        "auth",
        f"Alpaca's {asked} address does not take ALPACA_API_KEY and ALPACA_SECRET_KEY: it says {answer.reason!r}."
        f"{looks} Keys of a {other} account work with environment = {other!r} only; otherwise they were mistyped,"
        f" revoked or made anew: make keys of the {asked} account at app.alpaca.markets and set both.",
    )


def other_account(account: Account, settings: Connection) -> Unavailable:
    """The keys were taken, and open an account of the other environment."""
    asked = settings.environment
    return Unavailable(
        "auth",
        f"environment = {asked!r} was asked for, and ALPACA_API_KEY belongs to a {account.kind} account: its number"
        f" {'begins' if account.kind == 'paper' else 'does not begin'} with PA. Nothing is traded; set the keys of"
        f" the {asked} account, or the environment that is meant.",
    )
