"""Log in to Robinhood once, by hand, and keep the token in the system's keyring.

    python -m trader_broker_robinhood.login

It asks for the name, the password and, with --mfa, the authenticator's code (or takes them from the secrets
ROBINHOOD_USERNAME, ROBINHOOD_PASSWORD, ROBINHOOD_MFA). robin_stocks does the approval of this device: a prompt in the
app, or a code by text message. The token is stored as ROBINHOOD_TOKEN of the keyring's service "trader", where the
broker looks for it. Nothing else is stored: robin_stocks' own token file, a pickle, is neither read nor written.
"""

from __future__ import annotations

import argparse
import getpass
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trader.env import Secret, Secrets
from trader.sdk import need

from trader_broker_robinhood.settings import loopback
from trader_broker_robinhood.trouble import error
from trader_broker_robinhood.trouble import said as words

SERVICE, NAME = "trader", "ROBINHOOD_TOKEN"
WHO = "trader-broker-robinhood"
SECONDS = 30.0


class NoToken(Exception):
    """Robinhood gave none; the text says what it said."""


def token(username: Secret, password: Secret, code: Secret | None, *, url: str = "", days: int = 1) -> Secret:
    """A new token, by the SDK's own flow: it prints what to do, and asks on the terminal for a code that was sent.

    Raises:
        NoToken: no, or no answer.
    """
    from requests.adapters import HTTPAdapter

    from trader_broker_robinhood.road import Road

    sdk = need(WHO, "robin-stocks", "3.4", "3.5", "robin_stocks.robinhood.authentication")
    session = need(WHO, "robin-stocks", "3.4", "3.5", "robin_stocks.robinhood.globals").SESSION
    heard: list[str] = []

    def listen(response: Any, **_: Any) -> None:
        if response.status_code >= 400 and "verification_workflow" not in response.text:
            heard.append(_said(response.status_code, response.content))

    session.headers.pop("Authorization", None)
    session.mount("https://", Road(url, lambda: SECONDS))
    session.hooks["response"].append(listen)
    # Without store_session it answers None also when it worked, and deletes the token file of its folder, if there is
    # one: so it is given an empty folder, and the token is read where the SDK puts it.
    try:
        with tempfile.TemporaryDirectory() as empty:
            sdk.login(username.reveal(), password.reveal(), expiresIn=days * 86_400, store_session=False,
                      mfa_code=None if code is None else code.reveal(), pickle_path=empty)  # fmt: skip
        kind, _, value = str(session.headers.pop("Authorization", None) or "").partition(" ")
    finally:
        session.hooks["response"].remove(listen)
        session.close()
        session.mount("https://", HTTPAdapter())
    if kind != "Bearer" or not value:
        raise NoToken(heard[-1] if heard else "no answer, or an authenticator's code is wanted (--mfa)")
    return Secret(value)


def _said(status: int, body: bytes) -> str:
    """The venue's words."""
    return getattr(error(status, body, "login"), "reason", words(body))


def store(found: Secret) -> None:
    """Into the keyring. keyring.errors.KeyringError where there is none."""
    import keyring

    keyring.set_password(SERVICE, NAME, found.reveal())


def main(arguments: Sequence[str] | None = None, ask: Callable[[str], str] = getpass.getpass) -> int:
    """The command; 0: a token was stored. `ask` asks a person for a secret."""
    from keyring.errors import KeyringError

    parser = argparse.ArgumentParser(prog="python -m trader_broker_robinhood.login", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--folder", type=Path, default=Path(), help="folder of settings.toml, where .env is looked for")
    parser.add_argument("--days", type=int, default=1, help="how long the token shall last; Robinhood may give less")
    parser.add_argument("--mfa", action="store_true", help="ask for an authenticator's code")
    parser.add_argument("--url", type=loopback, default="", help="an emulator on this machine")
    chosen = parser.parse_args(arguments)
    secrets = Secrets(chosen.folder)
    username = secrets.find("ROBINHOOD_USERNAME") or Secret(ask("Robinhood user name: "))
    password = secrets.find("ROBINHOOD_PASSWORD") or Secret(ask("Robinhood password: "))
    code = secrets.find("ROBINHOOD_MFA") or (Secret(ask("Authenticator's code: ")) if chosen.mfa else None)
    try:
        found = token(username, password, code, url=chosen.url, days=chosen.days)
        store(found)
    except NoToken as problem:
        sys.stderr.write(f"No token: Robinhood says: {problem}\n")
        return 1
    except KeyringError as problem:
        sys.stderr.write(f"There is a token, and no keyring on this machine takes it ({type(problem).__name__}).\n")
        return 1
    sys.stdout.write(f"The token is in the keyring (service {SERVICE}, name {NAME}).\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
