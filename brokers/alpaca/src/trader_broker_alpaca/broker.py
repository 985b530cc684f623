"""One account at Alpaca behind the Broker protocol: a call is a request, and only Alpaca's own words are a no."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import structs
from trader.errors import BadPayload, SettingsError
from trader.model import (
    Accepted,
    Account,
    CashEvent,
    Fill,
    Idle,
    Instrument,
    NotFound,
    OrderRef,
    OrderReport,
    OrderRequest,
    Outcome,
    Position,
    Rejected,
    Reset,
    Unavailable,
    Unknown,
)
from trader.protocols import Env
from trader.wire import Trouble, outcome, unavailable

from trader_broker_alpaca import answers, door, login, pages, wire
from trader_broker_alpaca.door import Door
from trader_broker_alpaca.origins import LONGEST_CHAIN, Origins
from trader_broker_alpaca.settings import Settings
from trader_broker_alpaca.trade_updates import TradeUpdates

T = TypeVar("T")
NOT_OPEN = Unknown("connection", "the broker is not open")
A_LITTLE = timedelta(seconds=1)
"""Whether `after` includes its moment is not written anywhere: ask for more, and cut."""
SINGLY = 8
"""So many instruments are asked for one by one; more with the list of all."""


class AlpacaBroker:
    """One account. Queries are whole or Unavailable; nothing is sent twice."""

    def __init__(self, settings: Settings, env: Env) -> None:
        self._settings, self._env = settings, env
        self._door: Door | None = None
        self._origins = Origins()
        self._streams: list[TradeUpdates] = []
        self._lock = Lock()

    # ---- opening -----------------------------------------------------------------------------------------------------
    def open(self) -> Account | Unavailable:
        """Log in, and prove from the account's number that it is of the environment that was asked for."""
        self.close()
        try:
            opened = door.trading(self._settings, self._env)
        except SettingsError as missing:
            return Unavailable("auth", str(missing))
        with self._lock:
            self._door = opened
        answer = self.account()
        if isinstance(answer, Unavailable):
            problem = login.explained(answer, self._settings, self._env)
        elif answer.kind in ("demo", self._settings.environment):
            return answer
        else:
            problem = login.other_account(answer, self._settings)
        self.close()
        return problem

    def close(self) -> None:
        """Ends blocked calls and streams; from any thread, again is no error."""
        with self._lock:
            opened, self._door = self._door, None
            streams, self._streams = self._streams, []
        if opened is not None:
            opened.close()
        for stream in streams:
            stream.close()

    def key(self, client_id: str) -> str:
        """The client id itself: Alpaca takes up to 128 characters."""
        return client_id

    def _ask(self, question: Callable[[Any], T], *, urgent: bool = False) -> T | Trouble:
        opened = self._door
        return NOT_OPEN if opened is None else opened.ask(question, urgent=urgent)

    def _query(self, question: Callable[[Any], T]) -> T | Unavailable:
        answer = self._ask(question)
        return unavailable(answer) if isinstance(answer, Trouble) else answer

    # ---- questions ---------------------------------------------------------------------------------------------------
    def account(self) -> Account | Unavailable:
        """With the time of Alpaca's clock."""
        opened = self._door

        def question(client: Any) -> Account:
            payload = client.get("/account")
            now = wire.clock(client.get("/clock")).time
            # Only on this machine can the header of an emulator be believed.
            emulated = opened is not None and opened.emulated and bool(self._settings.url)
            return wire.account(payload, now=now, emulated=emulated)

        return self._query(question)

    def clock(self) -> wire.Moment | Unavailable:
        """What time it is there, and when the stock market opens and closes next."""
        return self._query(lambda client: wire.clock(client.get("/clock")))

    def calendar(self, start: datetime, end: datetime) -> Sequence[wire.Day] | Unavailable:
        """The stock market's days from one date to another."""
        query = {"start": f"{start:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"}
        return self._query(lambda client: answers.nouns(wire.day, client.get("/calendar", query), "calendar"))

    def instruments(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        """Unknown symbols are left out."""
        fractional = self._settings.fractional
        if symbols and len(symbols) <= SINGLY:
            return self._each_instrument(symbols)

        def question(client: Any) -> Sequence[Instrument]:
            found = [
                wire.instrument(asset, fractional=fractional)
                for kind in ("us_equity", "crypto")
                for asset in answers.objects(client.get("/assets", {"status": "active", "asset_class": kind}), "assets")
            ]
            wanted = set(symbols)
            return tuple(rules for rules in found if not symbols or rules.symbol in wanted)

        return self._query(question)

    def _each_instrument(self, symbols: Sequence[str]) -> Sequence[Instrument] | Unavailable:
        found = []
        for symbol in symbols:
            path = f"/assets/{quote(symbol, safe='')}"
            answer = self._ask(lambda client, path=path: client.get(path))  # type: ignore[misc]
            if isinstance(answer, Rejected) and answer.kind in ("symbol", "not_found"):
                continue
            if isinstance(answer, Trouble):
                return unavailable(answer)
            try:
                rules = wire.instrument(answer, fractional=self._settings.fractional)
            except BadPayload as payload:
                return Unavailable("payload", str(payload))
            if rules.symbol != symbol:
                return Unavailable("payload", f"asked for the rules of {symbol}, was told those of {rules.symbol}")
            found.append(rules)
        return tuple(found)

    def watchlist(self, name: str) -> Sequence[str] | Unavailable:
        """A watch list of the account, by its name at Alpaca."""
        return self._query(lambda client: wire.watchlist(client.get("/watchlists:by_name", {"name": name})))

    def positions(self) -> Sequence[Position] | Unavailable:
        return self._query(lambda client: answers.nouns(wire.position, client.get("/positions"), "positions"))

    def orders(self) -> Sequence[OrderReport] | Unavailable:
        """The working ones, under the client id they were first sent with."""
        origins = self._origins
        return self._query(
            lambda client: tuple(origins.report(client, payload) for payload in pages.orders(client, "open"))
        )

    def order(self, ref: OrderRef) -> OrderReport | NotFound | Unavailable:
        """By the venue's id, else (or if that is not known any more) by key. A replaced order is followed."""
        answer: Any = NotFound(f"no order {ref.venue_id or ref.key}")
        if ref.venue_id and answers.is_id(ref.venue_id):
            answer = self._find(f"/orders/{ref.venue_id}", {"nested": "false"})
        if isinstance(answer, NotFound) and ref.key:
            answer = self._find("/orders:by_client_order_id", {"client_order_id": ref.key})
        if isinstance(answer, NotFound | Unavailable):
            return answer
        return self._query(lambda client: self._newest(client, answer))

    def _find(self, path: str, query: Mapping[str, str], *, urgent: bool = False) -> Any:
        """One order's payload, NotFound, or Unavailable."""
        answer = self._ask(lambda client: client.get(path, dict(query)), urgent=urgent)
        if isinstance(answer, Rejected) and answer.kind == "not_found":
            return NotFound(answer.reason)
        return unavailable(answer) if isinstance(answer, Trouble) else answer

    def _newest(self, client: Any, payload: Any) -> OrderReport:
        """The end of an order's chain of replacements, with what the whole chain filled, from its first order on."""
        report = self._origins.report(client, payload)  # which knows a chain that has no beginning
        while (former := wire.predecessor(payload)) is not None:
            payload = client.get(f"/orders/{former}", {"nested": "false"})
            report = self._origins.report(client, payload)
        for _ in range(LONGEST_CHAIN):
            following = wire.successor(payload)
            if following is None:
                return report
            payload = client.get(f"/orders/{following}", {"nested": "false"})
            newer = self._origins.report(client, payload)
            # A replacement may or may not begin with what was filled before; it never has less if it does.
            carried = newer.filled if newer.filled >= report.filled else newer.filled + report.filled
            report = structs.replace(newer, filled=carried)
        raise BadPayload("order", "replaced_by", f"at most {LONGEST_CHAIN} replacements", report.venue_id)

    def fills(self, since: datetime) -> Sequence[Fill] | Unavailable:
        """Each with the client id of its order, which is looked up once."""

        def question(client: Any) -> Sequence[Fill]:
            payloads = pages.activities(client, "/account/activities/FILL", since - A_LITTLE)
            bare = [fill for fill in map(wire.fill, payloads) if fill.time >= since]
            self._origins.learn(client, (fill.venue_id for fill in bare), since)
            return tuple(sorted((self._named(client, fill) for fill in bare), key=lambda fill: fill.time))

        return self._query(question)

    def _named(self, client: Any, fill: Fill) -> Fill:
        origin = self._origins.first(client, fill.venue_id)
        return structs.replace(fill, key=origin.key, symbol=origin.symbol)

    def cash_events(self, since: datetime) -> Sequence[CashEvent] | Unavailable:
        """What Alpaca dates by the day only counts from New York's midnight: all of the day of `since` is shown."""
        day = since.astimezone(wire.NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)

        first = day.astimezone(UTC) - timedelta(days=1)

        def question(client: Any) -> Sequence[CashEvent]:
            payloads = pages.activities(client, "/account/activities", first, category="non_trade_activity")
            found = [event for event in map(wire.cash_event, payloads) if event is not None]
            wanted = (event for event in found if event.time >= (day if answers.is_midnight(event.time) else since))
            return tuple(sorted(wanted, key=lambda event: event.time))

        return self._query(question)

    # ---- requests ----------------------------------------------------------------------------------------------------
    def submit(self, order: OrderRequest) -> Outcome:
        """One request. "duplicate" means that this key is at the venue already."""
        body = wire.order_request(order)

        def request(client: Any) -> OrderReport:
            report = self._origins.note(client.post("/orders", body))
            if report.key != order.key:
                raise BadPayload("order", "client_order_id", order.key, report.key)
            return report

        answer = self._ask(request)
        return Accepted(answer.venue_id) if isinstance(answer, OrderReport) else outcome(answer)

    def cancel(self, ref: OrderRef) -> Outcome:
        """By the venue's id, which is looked up by key if need be. Rejected "not_found" or "closed": ask `order`."""
        venue_id = ref.venue_id
        if not venue_id:
            found = self._find("/orders:by_client_order_id", {"client_order_id": ref.key}, urgent=True)
            if isinstance(found, Unavailable):
                return Unknown(found.kind, found.reason, found.retry_after)
            if isinstance(found, NotFound):
                return Rejected("not_found", found.reason)
            try:
                venue_id = self._origins.note(found).venue_id
            except BadPayload as payload:
                return Unknown("payload", str(payload))
        elif not answers.is_id(venue_id):
            return Rejected("not_found", f"{venue_id!r} is no id of Alpaca's")
        answer = self._ask(lambda client: answers.nothing(client.delete(f"/orders/{venue_id}")), urgent=True)
        if isinstance(answer, Rejected) and answer.kind == "pending_cancel":
            return Accepted()  # it was taken before, and is not done yet
        return answer if isinstance(answer, Accepted) else outcome(answer)

    def cancel_all(self) -> Outcome:
        """Accepted if every working order was; else what the venue says of those that were not."""
        answer = self._ask(lambda client: answers.all_gone(client.delete("/orders")), urgent=True)
        return answer if isinstance(answer, Accepted) else outcome(answer)

    # ---- push --------------------------------------------------------------------------------------------------------
    def stream_orders(self) -> Iterator[Fill | OrderReport | Account | Reset | Idle]:
        """Orders as they change; executions are told by `fills`. Ends after `close`, and when the keys are refused."""
        with self._lock:
            if self._door is None:
                return
            stream = TradeUpdates(self._settings, self._env)
            self._streams.append(stream)
        try:
            yield from stream
        finally:
            stream.close()
            with self._lock:
                if stream in self._streams:
                    self._streams.remove(stream)
