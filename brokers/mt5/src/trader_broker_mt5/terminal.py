"""The one seam to MetaTrader: its module in this Python, or in another one over rpyc. Every answer is plain JSON.

Calls go one at a time. A connection that broke, or that nobody answered on, is dropped; the next call makes a new one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from trader.allowance import Allowance
from trader.errors import BadPayload, PluginError
from trader.model import Rejected, Unknown
from trader.protocols import Env
from trader.wire import AuthFailed, Fields, RateLimited, Trouble, document

from trader_broker_mt5 import settings, wire, words
from trader_broker_mt5.link import WHO, Here, Link, There

LONGEST = 10.0
"""Seconds that a call waits at most."""


class Failed(Exception):
    """There is no answer; `trouble` says why. `sent`: the terminal may have been told."""

    def __init__(self, trouble: Trouble, *, sent: bool = True) -> None:
        super().__init__(trouble.reason)
        self.trouble, self.sent = trouble, sent


@dataclass(frozen=True)
class State:
    """The terminal, as it was right after a question was answered."""

    connected: bool
    """To its trade server."""
    trading: bool
    """The button: programs may trade."""
    login: int | None
    account: bool
    """The broker lets this account trade."""
    expert: bool
    """The broker lets programs trade on it."""
    trouble: Trouble | None = None
    """Why nothing is known of the terminal or the account."""


@dataclass(frozen=True)
class Login:
    """Whose account. Never printed."""

    login: int
    password: str = field(repr=False)
    server: str

    def __repr__(self) -> str:
        return "Login(***)"


class Terminal:
    """One terminal, logged in to one account; broker and data source of a connection share it."""

    def __init__(self, place: settings.Terminal, env: Env, login: Callable[[], Login]) -> None:
        """`login` is asked for each new connection."""
        self._place, self._env, self._login = place, env, login
        self._lock = Lock()
        self._link: Link | None = None
        self._users: set[int] = set()
        self._caller: int | None = None
        self._due: datetime | None = None
        """When the call that is under way must be back."""
        self._ahead = 0.0
        """Seconds that the clock beside the terminal was ahead of ours at its last answer."""
        self.allowance = Allowance(env.now, window=1.0)
        self.time = place.server_time()

    # ---- who uses it -------------------------------------------------------------------------------------------------
    def join(self, user: object) -> None:
        """From now on a user's calls are answered."""
        self._users.add(id(user))

    def leave(self, user: object) -> None:
        """A user's calls end, also the one that waits now; the last one takes the connection along."""
        self._users.discard(id(user))
        link = self._link
        if link is not None and (not self._users or self._caller == id(user)):
            link.close()
            self._link = None

    def close(self) -> None:
        """For all."""
        self._users.clear()
        if self._link is not None:
            self._link.close()
            self._link = None

    # ---- calls -------------------------------------------------------------------------------------------------------
    def ask(
        self, user: object, call: str, *args: Any, keep: dict[str, Any] | None = None,
        fields: tuple[str, ...] = (), state: bool = False, exact: bool = True, urgent: bool = False, **named: Any,
    ) -> tuple[Any, State | None]:  # fmt: skip
        """One function of the module: its value as JSON, and with `state` the terminal's. Failed if it has none:
        a function that answered None failed, one that answered an empty list did not. Numbers with a point are
        Decimal, floats where not `exact`."""
        want = {"call": call, "args": args, "named": named, "keep": keep, "fields": fields, "state": state}
        answer = self._call(user, "ask", want, exact=exact, urgent=urgent)
        try:
            self._ahead = answer.real("clock") - self._env.now().timestamp()
            value = self._value(answer)
            state_now = _state(answer.inside("state")) if state else None
        except BadPayload as bad:
            raise Failed(Unknown("payload", str(bad))) from None
        if state_now is not None and state_now.trouble is not None:
            raise Failed(state_now.trouble)
        if state_now is not None and not state_now.connected:
            raise Failed(Unknown("connection", "the terminal has no connection to its trade server"))
        return value, state_now

    def send(self, user: object, request: dict[str, Any], login: int, *, urgent: bool = False) -> Any:
        """One order request, once: the result as JSON. Failed with `sent` False: nothing went out."""
        until = self._env.now().timestamp() + self._ahead + min(LONGEST, self._env.time_left())
        answer = self._call(user, "send", {"request": request, "login": login, "until": until}, urgent=urgent)
        try:
            if answer.flag("late", False):
                raise Failed(Rejected("refused", "not sent: it reached the terminal after its time"), sent=False)
            if not answer.flag("sent"):
                raise Failed(_not_sent(_state(answer.inside("state")), login), sent=False)
            return self._value(answer)
        except BadPayload as bad:
            raise Failed(Unknown("payload", str(bad))) from None

    def _value(self, answer: Fields) -> Any:
        value = answer.raw("value", None)
        if value is not None:
            return value
        trouble = wire.error(answer.raw("error"))
        if isinstance(trouble, RateLimited):
            self.allowance.wait(trouble.retry_after)
        raise Failed(trouble)

    def _call(self, user: object, function: str, want: dict[str, Any], *, exact: bool = True, urgent: bool) -> Fields:
        seconds = min(LONGEST, self._env.time_left())
        if id(user) not in self._users:
            raise Failed(Unknown("connection", "it is closed"), sent=False)
        refused = self.allowance.refusal(urgent=urgent)
        if refused is not None:
            raise Failed(refused, sent=False)
        if seconds <= 0 or not self._lock.acquire(timeout=seconds):
            self._end_the_stuck()
            raise Failed(Unknown("timeout", "the terminal was busy with another call"), sent=False)
        try:
            self._caller, self._due = id(user), self._env.now() + timedelta(seconds=seconds + 1.0)
            link = self._link or self._attach(min(seconds, max(self._env.time_left(), 0.1)))
            text = self._answered(link, function, want)
        finally:
            self._caller = self._due = None
            self._lock.release()
        try:
            return Fields(document(text, "answer") if exact else json.loads(text), "answer")
        except (BadPayload, ValueError, RecursionError) as bad:
            raise Failed(Unknown("payload", str(bad))) from None

    def _answered(self, link: Link, function: str, want: dict[str, Any]) -> str:
        try:
            return link.call(function, json.dumps(want), max(min(LONGEST, self._env.time_left()), 0.05))
        except Exception as problem:  # noqa: BLE001 - rpyc raises here whatever was raised there
            self._drop(link)
            if self._caller not in self._users:
                raise Failed(Unknown("connection", "it was closed meanwhile")) from None
            raise Failed(
                Unknown(_kind(problem), f"{want.get('call', 'order_send')}: {type(problem).__name__}")
            ) from None

    # ---- the connection ----------------------------------------------------------------------------------------------
    def _attach(self, seconds: float) -> Link:
        """A new connection, logged in. Nothing but the login was sent if it fails. PluginBroken without the library."""
        place = self._place
        try:
            link: Link = Here() if place.local else There(place.address, seconds)
        except PluginError:  # no library, or an untried one: trying again does not help
            raise
        except Exception as problem:  # noqa: BLE001 - rpyc raises here whatever was raised there
            raise Failed(Unknown(*self._nobody(problem)), sent=False) from None
        try:
            self._begin(link, seconds)
        except BaseException:
            link.close()
            raise
        self._link = link
        return link

    def _begin(self, link: Link, seconds: float) -> None:
        """The module takes hold of the terminal, and the terminal of the account."""
        login = self._login()
        named: dict[str, Any] = {"timeout": int(seconds * 1000)}
        named |= {"login": login.login, "password": login.password, "server": login.server}
        if self._place.portable:
            named["portable"] = True
        path = [self._place.path] if self._place.path else []
        want = {"call": "initialize", "args": path, "named": named, "keep": None, "fields": (), "state": False}
        try:
            answer = Fields(document(link.call("ask", json.dumps(want), seconds), "answer"), "answer")
            if answer.raw("value", None) is True:
                return
            trouble = wire.error(answer.raw("error"))
        except BadPayload as bad:
            raise Failed(Unknown("payload", str(bad)), sent=False) from None
        except Exception as problem:  # noqa: BLE001 - rpyc raises here whatever was raised there
            raise Failed(Unknown(_kind(problem), f"initialize: {type(problem).__name__}"), sent=False) from None
        if isinstance(trouble, AuthFailed):
            trouble = AuthFailed(
                f"the trade server did not take this login: {trouble.reason}. Check MT5_LOGIN, MT5_PASSWORD and"
                " MT5_SERVER (the server's name as the terminal's login window shows it); a demo account that was not"
                " used for weeks is deleted by its broker."
            )
        raise Failed(trouble, sent=False)

    def _end_the_stuck(self) -> None:
        """rpyc waits for the second half of an answer for ever, whatever the timeout."""
        link, due = self._link, self._due
        if link is not None and due is not None and self._env.now() > due:
            self._drop(link)

    def _drop(self, link: Link) -> None:
        link.close()
        if self._link is link:
            self._link = None

    def _nobody(self, problem: Exception) -> tuple[str, str]:
        host, port = self._place.address
        if isinstance(problem, ImportError) or type(problem).__name__ == "ModuleNotFoundError":
            return "server", (
                f"{WHO}: the Python behind {host}:{port} has no MetaTrader5 package. Install it there: it is for"
                " Windows (or Wine) only."
            )
        return "connection", (
            f"{WHO} needs the MetaTrader5 package, which exists for Windows only; here ({sys.platform}) it asks an rpyc"
            f" classic server, and at {host}:{port} none answered ({type(problem).__name__}). Start the terminal and"
            " the server under Windows or Wine (see the README), or set host and port."
        )


def _kind(problem: Exception) -> str:
    if isinstance(problem, TimeoutError):
        return "timeout"
    return "connection" if isinstance(problem, OSError | EOFError) else "payload"


def _state(fields: Fields) -> State:
    error = fields.raw("error", None)
    return State(
        fields.flag("connected"), fields.flag("trading"), fields.integer("login", None), fields.flag("account"),
        fields.flag("expert"), wire.error(error) if error is not None else None,
    )  # fmt: skip


def _not_sent(state: State, login: int) -> Trouble:
    """Why the terminal was not given an order."""
    if state.trouble is not None:
        return state.trouble
    if state.login != login:
        who = "nobody" if state.login is None else f"account {state.login}"
        return AuthFailed(f"not sent: in the terminal {who} is logged in, this is for account {login}")
    if not state.connected:
        return Rejected("refused", "not sent: the terminal has no connection to its trade server")
    if not state.trading:
        return Rejected("refused", f"not sent: {words.SWITCHED_OFF} (10027)")
    return Rejected("refused", "not sent: the broker does not let programs trade on this account (10026)")
