"""The SDK's session, which is one for the whole process: claimed once, asked through the SDK, read with suspicion."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from trader.allowance import Allowance
from trader.errors import BadPayload, SettingsError
from trader.model import Unavailable, Unknown
from trader.protocols import Env
from trader.sdk import need
from trader.wire import AuthFailed, RateLimited, Trouble, document, unavailable

from trader_broker_robinhood import wire

WHO = "trader-broker-robinhood"
LONGEST = 10.0
"""Seconds that a request may take."""
PAGES = 1_000
LOGIN = "log in with: python -m trader_broker_robinhood.login"
EMULATOR = "X-Trader-Emulator"


class Reply(NamedTuple):
    """An answer with a 2xx and whole JSON."""

    payload: Any
    time: datetime | None
    """The venue's clock, to the second."""
    emulated: bool


class Silence(io.TextIOBase):
    """Where the SDK prints to."""

    def write(self, text: str) -> int:
        """Nothing is kept: what the SDK prints is what it also should have raised."""
        return len(text)


class Holder:
    """Who has the SDK's session."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.client: Client | None = None


HOLDER = Holder()


class Client:
    """One login. The broker and the data source of one connection share it; a second login in the same process is
    refused, because robin_stocks keeps everything in module globals."""

    def __init__(self, env: Env, url: str) -> None:
        self._env, self._url = env, url
        self.allowance = Allowance(env.now, window=15.0)
        self._users: dict[str, object] = {}
        self._stale = False
        self._helper: Any = None
        self._session: Any = None
        self._printed: Any = None

    # ---- coming and going --------------------------------------------------------------------------------------------
    def enter(self, user: str, url: str, who: object) -> Unavailable | None:
        """Claim the SDK's session for `who` as its "broker" or its "data"; no request is made."""
        if url != self._url:
            return Unavailable("refused", f"broker and data source share one login: both at {self._url or 'the venue'}")
        with HOLDER.lock:
            if HOLDER.client not in (None, self) or self._users.get(user, who) is not who:
                return Unavailable(
                    "refused",
                    "robin_stocks keeps one login for the whole process, and another table of this session has it. Give"
                    ' the data source the broker\'s name as connection = "...", or run the other account in a session'
                    " of its own.",
                )
            try:
                token = self._token()
            except SettingsError:
                return Unavailable("auth", f"there is no secret ROBINHOOD_TOKEN, or it is no token; {LOGIN}")
            if HOLDER.client is None:
                self._mount()
                HOLDER.client = self
            self._users[user] = who
            self._use(token)
        return None

    def leave(self, user: str, who: object) -> None:
        """Requests of this user that wait end now; the last one gives the session back."""
        from trader_broker_robinhood.road import interrupt

        with HOLDER.lock:
            if self._users.get(user) is not who:
                return
            del self._users[user]
            interrupt(self._name(user))
            if not self._users and HOLDER.client is self:
                self._dismount()
                HOLDER.client = None

    def close(self) -> None:
        """Nobody uses it any more."""
        for user, who in list(self._users.items()):
            self.leave(user, who)

    def _name(self, user: str) -> str:
        return f"{user}-{id(self)}"

    def _mount(self) -> None:
        from trader_broker_robinhood.road import Road

        settled = need(WHO, "robin-stocks", "3.4", "3.5", "robin_stocks.robinhood.globals")
        self._helper = need(WHO, "robin-stocks", "3.4", "3.5", "robin_stocks.robinhood.helper")
        self._session = settled.SESSION
        self._printed = self._helper.get_output()
        self._helper.set_output(Silence())
        self._session.mount("https://", Road(self._url, self._seconds))
        self._session.max_redirects = 0  # a redirected POST is a second POST

    def _dismount(self) -> None:
        from requests.adapters import HTTPAdapter

        session, self._session = self._session, None
        self._helper.set_login_state(False)
        self._helper.set_output(self._printed)
        session.headers.pop("Authorization", None)
        session.close()
        session.mount("https://", HTTPAdapter())
        session.max_redirects = 30

    def _token(self) -> str:
        found = self._env.secret("ROBINHOOD_TOKEN").reveal().strip().removeprefix("Bearer ")
        if not (found.isascii() and found.isprintable() and " " not in found):
            raise SettingsError("It is no token: one word of plain characters.", where="ROBINHOOD_TOKEN")
        return found

    def _use(self, token: str) -> None:
        self._helper.update_session("Authorization", f"Bearer {token}")
        self._helper.set_login_state(True)
        self._stale = False

    def _seconds(self) -> float:
        return max(min(LONGEST, self._env.time_left()), 0.05)

    # ---- asking ------------------------------------------------------------------------------------------------------
    def get(
        self, user: str, url: str, query: Mapping[str, str] | None = None, *, urgent: bool = False
    ) -> Reply | Trouble:
        """One GET. Unknown also where nothing came back. `urgent`: a cancel waits for it."""
        return self._ask(user, "query", url, query, urgent=urgent)

    def post(self, user: str, product: str, url: str, form: Mapping[str, str]) -> Reply | Trouble:
        """Exactly one POST; cancels are urgent."""
        return self._ask(user, product, url, form, urgent=product == "cancel")

    def pages(
        self, user: str, url: str, query: Mapping[str, str], where: str, *, urgent: bool = False
    ) -> Iterator[list[Any] | Unavailable]:
        """The rows of each page, to the last; or Unavailable, which ends it: then nothing of it counts."""
        seen: set[str] = set()
        following: str | None = url
        while following is not None:
            if following in seen or len(seen) >= PAGES:
                yield Unavailable("payload", f"{where}: the pages have no end")
                return
            seen.add(following)
            reply = self.get(user, following, query if following == url else None, urgent=urgent)
            if not isinstance(reply, Reply):
                yield unavailable(reply)
                return
            try:
                found, following = wire.rows(reply.payload, where), wire.following(reply.payload, where)
            except BadPayload as error:
                yield Unavailable("payload", str(error))
                return
            yield found

    def whole(self, user: str, url: str, query: Mapping[str, str], where: str) -> list[Any] | Unavailable:
        """All rows of all pages, or Unavailable."""
        found: list[Any] = []
        for rows in self.pages(user, url, query, where):
            if isinstance(rows, Unavailable):
                return rows
            found += rows
        return found

    def _ask(
        self, user: str, product: str, url: str, values: Mapping[str, str] | None, *, urgent: bool
    ) -> Reply | Trouble:
        from requests.exceptions import RequestException

        from trader_broker_robinhood.road import LOCAL

        refused = self.allowance.refusal(urgent=urgent)
        if refused is not None:
            return refused
        if user not in self._users or self._session is None:
            return Unknown("connection", "it is closed; nothing was sent")
        if self._stale:
            self._renew()
        LOCAL.owner, LOCAL.failure = self._name(user), None
        if product == "query":
            try:
                response = self._helper.request_get(url, payload=values, jsonify_data=False)
            except (RequestException, OSError, ValueError) as error:
                return _failure(error)
        else:
            response = self._helper.request_post(url, dict(values or {}), jsonify_data=False)
            if response is None:
                return _failure(LOCAL.failure)
        return self._read(response, product)

    def _renew(self) -> None:
        """After a 401: somebody may have logged in meanwhile."""
        try:
            self._use(self._token())
        except SettingsError:
            return

    def _read(self, response: Any, product: str) -> Reply | Trouble:
        emulated, time = EMULATOR in response.headers, _date(response.headers.get("Date"))
        if 200 <= response.status_code < 300:
            if product == "cancel" and not response.content.strip():
                return Reply({}, time, emulated)
            try:
                return Reply(document(response.content, product), time, emulated)
            except BadPayload as error:
                return Unknown("payload", str(error))
        trouble = wire.error(response.status_code, response.content, product)
        if isinstance(trouble, RateLimited):
            trouble = RateLimited(trouble.reason, trouble.retry_after or _whole(response.headers.get("Retry-After")))
            self.allowance.wait(trouble.retry_after)
        if isinstance(trouble, AuthFailed):
            self._stale = True
            return AuthFailed(f"Robinhood does not take ROBINHOOD_TOKEN ({trouble.reason}); {LOGIN}")
        return trouble


def _failure(error: BaseException | None) -> Unknown:
    from requests.exceptions import Timeout

    text = type(error).__name__ if error is not None else "no answer"
    slow = isinstance(error, Timeout) or "timed out" in str(error)
    return Unknown("timeout" if slow else "connection", f"no answer from Robinhood: {text}")


def _whole(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError):
        return None
