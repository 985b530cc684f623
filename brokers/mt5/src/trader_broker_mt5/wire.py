"""What the terminal says, in our nouns. Pure: payloads are dictionaries with the fields of the package's structures.

Stamps are the broker's local time as if it were UTC: every mapper with a moment is handed `utc`, which knows better.
A symbol is named by `symbol_of`, or by the caller's table. Quantities are lots. A payload that cannot be is a
`BadPayload`; a number that nobody knows is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias, cast

from trader.errors import BadPayload
from trader.model import (
    ZERO,
    Accepted,
    Account,
    CashEvent,
    Fill,
    Instrument,
    OrderReport,
    OrderState,
    OrderType,
    Outcome,
    Position,
    Quote,
    Side,
    Unknown,
)
from trader.wire import EPOCH, Fields, Trouble, every, outcome

from trader_broker_mt5 import words

Clock: TypeAlias = Callable[[datetime], datetime]
"""A stamp -> the moment in UTC."""
LIMIT = 31
"""Characters of a comment; longer ones make the module refuse the order."""
SYMBOL_FIELDS = (
    "name", "time", "digits", "point", "trade_tick_size", "trade_contract_size", "volume_min", "volume_max",
    "volume_step", "trade_mode", "trade_exemode", "filling_mode", "order_mode", "expiration_mode", "currency_base",
    "currency_profit", "bid", "ask", "description", "path", "select",
)  # fmt: skip
"""What is read of a symbol."""


def as_is(stamp: datetime) -> datetime:
    """The clock of a server that keeps UTC."""
    return stamp


# ---- ids -----------------------------------------------------------------------------------------------------------
def magic(client_id: str) -> str:
    """The order's magic number: 63 bits of a hash of the client id, above 0, as decimal text."""
    digest = hashlib.blake2b(client_id.encode(), digest_size=8).digest()
    return str((int.from_bytes(digest, "big") >> 1) or 1)


def comment(client_id: str) -> str:
    """For a person who looks at the terminal; nothing relies on it, brokers rewrite it."""
    return "".join(letter for letter in client_id if letter.isascii() and letter.isprintable())[:LIMIT]


def key_of(number: int) -> str:
    """The key of an order by its magic; "" where a person or another program placed it without one."""
    return str(number) if number > 0 else ""


# ---- symbols -------------------------------------------------------------------------------------------------------
def symbol_of(payload: object) -> str:
    """Ours: "EUR/USD" where the broker's name is the two currencies, else the broker's name."""
    fields = Fields(payload, "symbol")
    name = fields.text("name")
    base, quote = fields.text("currency_base", ""), fields.text("currency_profit", "")
    return f"{base}/{quote}" if base and quote and base != quote and name == base + quote else name


def instrument(payload: object, symbol: str | None = None) -> Instrument:
    """The rules of a symbol; its lot is the step of the volume, its multiplier the contract size."""
    fields = Fields(payload, "symbol")
    tick = _number(fields, "trade_tick_size", ZERO) or _number(fields, "point")
    step, contract = _number(fields, "volume_step"), _clean(_number(fields, "trade_contract_size"), 8)
    for name, value in (("trade_tick_size", tick), ("volume_step", step), ("trade_contract_size", contract)):
        if value <= 0:
            raise BadPayload("symbol", name, "a number above 0", value)
    mode = fields.integer("trade_mode", 4)
    tags = {"name": fields.text("name")}
    for word in ("description", "path"):
        if fields.text(word, ""):
            tags[word] = fields.text(word)
    return Instrument(
        symbol or symbol_of(payload), fields.text("currency_profit"), tick, step, multiplier=contract,
        settlement="margin", tradable=mode != 0, shortable=mode in (2, 4), tags=tags,
    )  # fmt: skip


def quote(symbol: str, payload: object, utc: Clock = as_is) -> Quote | None:
    """Best bid and ask; None where the symbol has none yet. Sizes are not told."""
    fields = Fields(payload, "tick")
    bid, ask = fields.real("bid", 0.0), fields.real("ask", 0.0)
    return Quote(symbol, moment(fields, "time", utc), bid, ask) if bid > 0 and ask > 0 else None


def moment(fields: Fields, name: str, utc: Clock) -> datetime:
    """A stamp, in milliseconds where the payload has them, in UTC."""
    precise = fields.millis(f"{name}_msc", None)
    stamp: datetime = fields.seconds(name) if precise is None or precise == EPOCH else precise
    try:
        return utc(stamp)
    except OverflowError as error:
        raise BadPayload(fields.where, name, "a moment", stamp) from error


# ---- the account ---------------------------------------------------------------------------------------------------
def account(payload: object, now: datetime, *, trading: bool = True, realised: Decimal = ZERO) -> Account:
    """Whose it is and what it holds. A kind of account that nobody knows is taken as live. `realised`: what a netted
    account has realised beyond the balance; equity has it already."""
    fields = Fields(payload, "account")
    server = fields.text("server")
    demo = server == words.EMULATOR or fields.integer("trade_mode") in (0, 1)
    cash = _money(fields, "balance") + _money(fields, "credit", ZERO) + _clean(realised, 8)
    may = trading and fields.flag("trade_allowed", False) and fields.flag("trade_expert", False)
    return Account(
        str(fields.integer("login")), "demo" if demo else "live", fields.text("currency"), cash,
        _money(fields, "equity"), cash, True, now, ("read", "trade") if may else ("read",),
    )  # fmt: skip


def hedging(payload: object) -> bool:
    """Each opening order has a position of its own."""
    return Fields(payload, "account").integer("margin_mode") == words.HEDGING


# ---- orders --------------------------------------------------------------------------------------------------------
def order(payload: object, symbol: str | None = None, utc: Clock = as_is) -> OrderReport:
    """A working order, or one of the history."""
    fields = Fields(payload, "order")
    number, state = fields.integer("type"), fields.integer("state")
    quantity, left = _lots(fields, "volume_initial"), _lots(fields, "volume_current")
    done = bool(fields.integer("time_done_msc", 0) or fields.integer("time_done", 0))
    kind = next((kind for kind, buy in words.TYPES.items() if number in (buy, buy + 1)), None)
    meaning = words.STATES.get(state, OrderState.UNKNOWN) if kind is not None else OrderState.UNKNOWN
    if state == 3 and done:
        meaning = OrderState.CANCELED  # the rest was
    price = _price(fields, "price_open", ZERO)
    limit = price if kind is OrderType.LIMIT else _price(fields, "price_stoplimit", ZERO)
    reason = "" if meaning in (OrderState.WORKING, OrderState.FILLED) else _text(fields, "comment")
    return OrderReport(
        key_of(fields.integer("magic", 0)), str(fields.integer("ticket")), _named(fields, symbol),
        Side.SELL if number % 2 else Side.BUY, quantity, _clean(max(quantity - left, ZERO), 8), meaning,
        moment(fields, "time_done" if done else "time_setup", utc), kind or OrderType.MARKET,
        limit if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None,
        price if kind in (OrderType.STOP, OrderType.STOP_LIMIT) else None, reason,
    )  # fmt: skip


def result(payload: object) -> Outcome:
    """What order_send answered to an order. 10008 is no proof that it arrived: Unknown, look it up."""
    fields = Fields(payload, "result")
    code = fields.integer("retcode")
    if code in (words.DONE, words.PARTIAL):
        ticket = fields.integer("order", 0)
        return Accepted(str(ticket) if ticket > 0 else None)
    if code == words.NO_CHANGES:
        return Unknown("payload", f"{code}: nothing changed, and this was a new order")
    return outcome(words.verdict(code, fields.text("comment", "")))


def placed(payload: object) -> str | None:
    """The ticket that came with 10008: worth looking for. None: another answer, or no ticket."""
    fields = Fields(payload, "result")
    number = fields.integer("order", 0)
    return str(number) if fields.integer("retcode") == words.SENT and number > 0 else None


def removal(payload: object) -> Outcome:
    """What order_send answered to a cancel."""
    fields = Fields(payload, "result")
    code = fields.integer("retcode")
    if code in (words.DONE, words.PARTIAL, words.NO_CHANGES):
        return Accepted()
    return outcome(words.verdict(code, fields.text("comment", "")))


def check(payload: object) -> Outcome:
    """What order_check answered: here 0 is the success, and 10009 never comes."""
    fields = Fields(payload, "check")
    code = fields.integer("retcode")
    return Accepted() if code == 0 else outcome(words.verdict(code, fields.text("comment", "")))


def error(payload: object) -> Trouble:
    """What last_error means, (code, text), after a function answered None."""
    if not isinstance(payload, list | tuple) or len(payload) != 2:
        raise BadPayload("last_error", "", "a code and a text", payload)
    fields = Fields({"code": payload[0], "text": payload[1]}, "last_error")
    return words.fault(fields.integer("code"), fields.text("text", ""))


# ---- positions -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Ticket:
    """One position of the terminal: in a netting account the symbol's, in a hedging one an opening order's."""

    ticket: int
    name: str
    side: Side
    volume: Decimal
    price: Decimal


def ticket(payload: object) -> Ticket:
    """One position. There is no third side: another type is a BadPayload."""
    fields = Fields(payload, "position")
    number = fields.integer("type")
    if number not in (0, 1):
        raise BadPayload("position", "type", "0 (buy) or 1 (sell)", number)
    return Ticket(
        fields.integer("ticket"), fields.text("symbol"), Side.SELL if number else Side.BUY, _lots(fields, "volume"),
        _price(fields, "price_open"),
    )  # fmt: skip


def position(payload: object, symbol: str | None = None) -> Position:
    """One position by itself, signed."""
    one = ticket(payload)
    return Position(symbol or one.name, one.volume * one.side.sign, one.price)


def positions(payload: object, symbol_of_name: Mapping[str, str] | None = None) -> list[Position]:
    """Net by symbol: the sum of the tickets; the price is the average of those on the side that is left. A symbol
    whose tickets cancel each other out is not listed."""
    groups: dict[str, list[Ticket]] = {}
    for fields in every(payload, "positions"):
        one = ticket({name: fields.raw(name) for name in ("ticket", "symbol", "type", "volume", "price_open")})
        groups.setdefault((symbol_of_name or {}).get(one.name, one.name), []).append(one)
    found = []
    for symbol, tickets in sorted(groups.items()):
        net = sum((one.volume * one.side.sign for one in tickets), ZERO)
        side = [one for one in tickets if one.side.sign * net > 0]
        volume = sum((one.volume for one in side), ZERO)
        if volume:
            price = sum((one.price * one.volume for one in side), ZERO) / volume
            found.append(Position(symbol, net, _clean(price, 10)))
    return found


# ---- executions and cash -------------------------------------------------------------------------------------------
def fill(payload: object, symbol: str | None = None, utc: Clock = as_is, currency: str = "") -> Fill | None:
    """An execution: a deal that bought or sold, whatever it did to a position (in, out, both). None for a deal that
    moved money only, and for the two of tickets that closed each other: nothing was bought or sold there. Commission
    and fee are in the account's currency."""
    fields = Fields(payload, "deal")
    number = fields.integer("type")
    if number not in (0, 1) or fields.integer("entry", 0) == words.OUT_BY:
        return None
    ours = fields.integer("reason", 3) not in words.BY_THE_SERVER
    return Fill(
        str(fields.integer("ticket")), key_of(fields.integer("magic", 0)) if ours else "", _text(fields, "order"),
        _named(fields, symbol), Side.SELL if number else Side.BUY, _lots(fields, "volume"),
        _price(fields, "price"), -(_money(fields, "commission", ZERO) + _money(fields, "fee", ZERO)),
        moment(fields, "time", utc), currency,
    )  # fmt: skip


def cash_event(payload: object, symbol: str | None = None, utc: Clock = as_is, currency: str = "") -> CashEvent | None:
    """Money that a deal moved beyond its price and fees: a deposit, a charge, interest; the swap of a position that a
    deal closed, and what it cost to close two tickets by each other. None where it moved none."""
    fields = Fields(payload, "deal")
    number, id_ = fields.integer("type"), fields.text("ticket")
    named = symbol or fields.text("symbol", "") or None
    if number in (0, 1):
        by_another = fields.integer("entry", 0) == words.OUT_BY
        amount = _sum(fields, *(("swap", "commission", "fee") if by_another else ("swap",)))
        kind, id_ = "funding", f"{id_}-swap"
    else:
        amount = _sum(fields, "profit", "commission", "swap", "fee")
        kind = words.CASH.get(number, "adjustment")
    if not amount:
        return None
    word = cast('Literal["fee", "funding", "interest", "transfer", "adjustment", "dividend"]', kind)
    return CashEvent(id_, word, amount, currency, moment(fields, "time", utc), named)


# ---- numbers -------------------------------------------------------------------------------------------------------
def _named(fields: Fields, symbol: str | None) -> str:
    name: str = symbol if symbol is not None else fields.text("symbol")
    return name


def _text(fields: Fields, name: str) -> str:
    value: str = fields.text(name, "")
    return value


def _number(fields: Fields, name: str, *default: Any) -> Decimal:
    value: Decimal = fields.decimal(name, *default, floats=True)
    return value


def _lots(fields: Fields, name: str) -> Decimal:
    value = _clean(_number(fields, name), 8)
    if value < 0:
        raise BadPayload(fields.where, name, "a volume of 0 or more", value)
    return value


def _price(fields: Fields, name: str, *default: Any) -> Decimal:
    return _clean(_number(fields, name, *default), 10)


def _money(fields: Fields, name: str, *default: Any) -> Decimal:
    return _clean(_number(fields, name, *default), 8)


def _sum(fields: Fields, *names: str) -> Decimal:
    return sum((_money(fields, name, ZERO) for name in names), ZERO)


def _clean(value: Decimal, places: int) -> Decimal:
    """Without what a sum of binary fractions leaves behind: 0.30000000000000004 is 0.3."""
    if value.adjusted() > 15:
        return value
    rounded = round(value, places)
    whole = rounded.to_integral_value()
    return whole.quantize(Decimal(1)) if rounded == whole else rounded.normalize()


def tickets(payload: object) -> Sequence[Ticket]:
    """Each position."""
    return [ticket(item) for item in _list(payload, "positions")]


def _list(payload: object, where: str) -> Iterable[object]:
    if not isinstance(payload, list | tuple):
        raise BadPayload(where, "", "a list", payload)
    return payload
