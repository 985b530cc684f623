"""Broker and data source of one connection talk to one terminal, one call at a time."""

from __future__ import annotations

from trader.errors import SettingsError
from trader.protocols import Env

from trader_broker_mt5 import settings
from trader_broker_mt5.terminal import Login, Terminal


def terminal_of(place: settings.Terminal, env: Env) -> Terminal:
    """The terminal of a connection; nothing is opened yet."""
    shared = {"host", "port", "path", "portable", "server_utc_offset_hours", "server_timezone"}
    key = ("terminal", place.model_dump_json(include=shared))
    return env.shared(key, lambda: Terminal(place, env, lambda: credentials(env)))


def credentials(env: Env) -> Login:
    """The account's. SettingsError names what is missing or is no number; it never shows a value."""
    number = env.secret("MT5_LOGIN").reveal()
    if not (number.isascii() and number.isdecimal()):
        raise SettingsError("MT5_LOGIN must be the account's number, digits only.", where="MT5_LOGIN")
    return Login(int(number), env.secret("MT5_PASSWORD").reveal(), env.secret("MT5_SERVER").reveal())
