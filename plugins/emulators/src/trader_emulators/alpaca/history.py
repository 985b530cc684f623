"""The account's history: /v2/account/activities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from trader.model import ZERO, CashEvent, Fill
from trader.simulation.floor import Split
from trader.simulation.ticket import BEGINNING

from trader_emulators.alpaca.books import ACCOUNT_ID
from trader_emulators.alpaca.desk import guarded, moment, whole
from trader_emulators.alpaca.text import NEW_YORK, amount, invalid, nanoseconds, read_moment, stamp
from trader_emulators.http import Answer, Asked, Route

if TYPE_CHECKING:
    from trader_emulators.alpaca.venue import AlpacaEmulator

PAGE = 100
DAY = 86_400_000_000_000
WORDS = {"dividend": "DIV", "fee": "FEE", "funding": "FEE", "interest": "INT", "adjustment": "JNLC"}
KINDS = ("FILL", "DIV", "FEE", "INT", "JNLC", "CSD", "CSW", "SPLIT")
OTHERS = (
    "ACATC", "ACATS", "CFEE", "CIL", "DIVCGL", "DIVCGS", "DIVNRA", "DIVROC", "DIVTXEX", "DIVWH", "EXTRD", "FXTRD",
    "INTPNL", "JNL", "JNLS", "MA", "MEM", "MISC", "NC", "OCT", "OPASN", "OPCA", "OPCSH", "OPEXC", "OPEXP", "OPTRD",
    "PTC", "PTR", "REORG", "SPIN", "SWP", "TRANS", "VOF", "WH",
)  # fmt: skip
Entry = tuple[int, dict[str, Any]]
"""When it happened (nanoseconds since 1970), and what is told of it."""


class History:
    """Executions and movements of cash, in pages."""

    def __init__(self, emulator: AlpacaEmulator) -> None:
        self._emulator, self._venue = emulator, emulator.venue
        self._ledger, self._names = emulator.ledger, emulator.names

    def routes(self) -> list[Route]:
        base = "/v2/account/activities"
        return [
            Route("GET", base, "cash_events", guarded(self.list)),
            Route("GET", f"{base}/FILL", "fills", guarded(self.list)),
            Route("GET", f"{base}/{{kind}}", "cash_events", guarded(self.list)),
        ]

    def list(self, asked: Asked) -> Answer:
        query, kinds = asked.query, _kinds(asked)
        direction = query.get("direction", "desc")
        if direction not in ("asc", "desc"):
            raise invalid(f"invalid direction: {direction}")
        found = [entry for entry in self._entries(kinds) if _inside(entry[0], query)]
        said = sorted((told for _, told in found), key=itemgetter("id"), reverse=direction == "desc")
        token = query.get("page_token")
        if token:
            said = [told for told in said if (told["id"] < token if direction == "desc" else told["id"] > token)]
        return Answer(200, said[: whole(query, "page_size", PAGE, PAGE)])

    def _entries(self, kinds: set[str]) -> Iterable[Entry]:
        if "FILL" in kinds:
            for fill in self._emulator.ask(self._venue.fills, BEGINNING):
                yield nanoseconds(fill.time), self._execution(fill)
        if kinds - {"FILL"}:
            for event in self._emulator.ask(self._venue.cash_events, BEGINNING):
                told = self._cash(event)
                if told["activity_type"] in kinds:
                    yield nanoseconds(event.time), told
        if "SPLIT" in kinds:
            for number, split in enumerate(self._venue.splits):
                yield nanoseconds(split.moment), self._split(number, split)

    def _execution(self, fill: Fill) -> dict[str, Any]:
        done = self._ledger.until(fill)
        taken = self._ledger.taken(fill.venue_id)
        total = sum((other.quantity for other in done), ZERO)
        rest = taken.order.quantity - total
        return {
            "id": self._names.activity("fill", fill.execution_id, fill.time), "account_id": ACCOUNT_ID,
            "activity_type": "FILL", "transaction_time": stamp(nanoseconds(fill.time)),
            "type": "partial_fill" if rest else "fill", "price": amount(fill.price), "qty": amount(fill.quantity),
            "side": str(fill.side), "symbol": fill.symbol, "leaves_qty": amount(rest),
            "order_id": self._names.order(taken.venue_id), "cum_qty": amount(total),
            "order_status": "partially_filled" if rest else "filled",
        }  # fmt: skip

    def _cash(self, event: CashEvent) -> dict[str, Any]:
        word = WORDS.get(event.kind) or ("CSD" if event.amount > 0 else "CSW")
        told = self._other(word, event.event_id, event.time, event.amount)
        if event.symbol is not None:
            told["symbol"] = event.symbol
        if word == "DIV":
            held = self._venue.truth_positions().get(event.symbol or "", ZERO)
            if held:
                told |= {"qty": amount(held), "per_share_amount": amount(event.amount / held)}
        return told

    def _split(self, number: int, split: Split) -> dict[str, Any]:
        told = self._other("SPLIT", f"S{number}", split.moment, ZERO)
        return told | {"symbol": split.symbol, "description": f"{amount(split.ratio)} for 1"}

    def _other(self, word: str, name: str, when: datetime, money: Decimal) -> dict[str, Any]:
        return {
            "id": self._names.activity("cash", name, when), "account_id": ACCOUNT_ID, "activity_type": word,
            "date": f"{when.astimezone(NEW_YORK):%Y-%m-%d}", "net_amount": amount(money), "description": "",
            "status": "executed",
        }  # fmt: skip


def _kinds(asked: Asked) -> set[str]:
    """Which are asked for; Refused for one that is none."""
    given = asked.parts.get("kind") or ("FILL" if asked.path.endswith("/FILL") else asked.query.get("activity_types"))
    kinds = {name for name in (given or "").split(",") if name}
    strange = sorted(kinds - {*KINDS, *OTHERS})
    if strange:
        raise invalid(f"invalid activity type: {', '.join(strange)}")
    return kinds or set(KINDS)


def _inside(when: int, query: Mapping[str, str]) -> bool:
    """After `after`, before `until`, and on `date` (of New York)."""
    after, until = moment(query, "after"), moment(query, "until")
    day = query.get("date")
    if day:
        try:
            read_moment(day)
            begun = datetime.fromisoformat(day[:10]).replace(tzinfo=NEW_YORK)
        except ValueError:
            raise invalid(f"invalid date: {day}") from None
        start, end = nanoseconds(begun), nanoseconds(begun + timedelta(days=1))
        if not start <= when < end:
            return False
    return (after is None or when > after) and (until is None or when < until)
