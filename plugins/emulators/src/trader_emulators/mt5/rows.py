"""The account's nouns as the terminal's tuples: positions, orders, deals, the account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from trader.model import ZERO, Account, CashEvent, OrderRef, OrderReport, OrderState, OrderType, Side
from trader.simulation.floor import VenueOrder

from trader_emulators.mt5.book import CloseBy, Deal, Holding, number_of
from trader_emulators.mt5.constants import RETURN
from trader_emulators.mt5.structs import AccountInfo, TradeDeal, TradeOrder, TradePosition
from trader_emulators.mt5.symbols import BY_SYMBOL, CURRENCY, LEVERAGE

if TYPE_CHECKING:
    from trader_emulators.mt5.venue import Mt5Emulator

TYPES = {
    (OrderType.MARKET, Side.BUY): 0, (OrderType.MARKET, Side.SELL): 1,
    (OrderType.LIMIT, Side.BUY): 2, (OrderType.LIMIT, Side.SELL): 3,
    (OrderType.STOP, Side.BUY): 4, (OrderType.STOP, Side.SELL): 5,
    (OrderType.STOP_LIMIT, Side.BUY): 6, (OrderType.STOP_LIMIT, Side.SELL): 7,
}  # fmt: skip
CLOSE_BY_TYPE = 8
PLACED, CANCELED, PARTIAL, FILLED, REJECTED, EXPIRED = 1, 2, 3, 4, 5, 6
STATES = {OrderState.FILLED: FILLED, OrderState.CANCELED: CANCELED, OrderState.EXPIRED: EXPIRED}
DEAL_TYPES = {"transfer": 2, "fee": 4, "adjustment": 5, "interest": 12, "funding": 12, "dividend": 15}
"""A cash event as a balance operation; funding is what a MetaTrader account books as interest."""
OPENING_TICKET, CASH_TICKET = 1, 100


def wanted(name: str, group: str) -> bool:
    """Whether a filter such as "*USD*,!EUR*" takes a symbol: one of its masks, and none that it negates."""
    masks = [mask.strip() for mask in group.split(",") if mask.strip()]
    if any(fnmatchcase(name, mask[1:]) for mask in masks if mask.startswith("!")):
        return False
    return any(fnmatchcase(name, mask) for mask in masks if not mask.startswith("!"))


def money(amount: Decimal) -> float:
    """As the terminal shows it: on cents."""
    return float(round(amount, 2)) + 0.0  # no -0.0


class Rows:
    """What the server would show of its account."""

    def __init__(self, emulator: Mt5Emulator) -> None:
        self._emulator = emulator

    def _times(self, moment: datetime) -> tuple[int, int]:
        milliseconds = self._emulator.server_time(moment)
        return milliseconds // 1000, milliseconds

    def _mark(self, symbol: str) -> Decimal:
        return Decimal(repr(self._emulator.market.last(symbol)))

    def floating(self) -> Decimal:
        """Profit of all open positions at the last prices."""
        book = self._emulator.book()
        held = book.holdings.values()
        return sum((book.profit(each, self._mark(each.symbol), each.volume) for each in held), ZERO)

    def margin(self) -> Decimal:
        """What the open positions bind: of a symbol's long and short ones, the larger side."""
        legs: dict[tuple[str, int], Decimal] = {}
        for held in self._emulator.book().holdings.values():
            worth = held.volume * BY_SYMBOL[held.symbol].contract * held.price / LEVERAGE
            legs[held.symbol, held.sign] = legs.get((held.symbol, held.sign), ZERO) + worth
        symbols = {symbol for symbol, _ in legs}
        return sum((max(legs.get((symbol, 1), ZERO), legs.get((symbol, -1), ZERO)) for symbol in symbols), ZERO)

    def account(self, account: Account, login: int, server: str) -> Any:
        """The venue's equity; balance is what it would be without open positions."""
        profit, margin = self.floating(), self.margin()
        equity = account.equity
        return AccountInfo(
            login=login, trade_mode=0, leverage=LEVERAGE, limit_orders=200, margin_so_mode=0, trade_allowed=True,
            trade_expert=True, margin_mode=2 if self._emulator.hedging else 0, currency_digits=2, fifo_close=False,
            balance=money(equity - profit), credit=0.0, profit=money(profit), equity=money(equity),
            margin=money(margin), margin_free=money(equity - margin),
            margin_level=float(equity / margin * 100) if margin else 0.0, margin_so_call=50.0, margin_so_so=30.0,
            margin_initial=0.0, margin_maintenance=0.0, assets=0.0, liabilities=0.0, commission_blocked=0.0,
            name="Emulated Trader", server=server, currency=CURRENCY, company="trader emulators",
        )  # fmt: skip

    def position(self, held: Holding, volume: Decimal, price: Decimal) -> Any:
        """One open position; volume and price may be what the venue shows by now."""
        emulator, spec = self._emulator, BY_SYMBOL[held.symbol]
        opened, changed, now = self._times(held.opened), self._times(held.updated), self._mark(held.symbol)
        stop, take = emulator.guard(held)
        profit = (now - price) * volume * held.sign * spec.contract
        return TradePosition(
            ticket=held.ticket, time=opened[0], time_msc=opened[1], time_update=changed[0], time_update_msc=changed[1],
            type=0 if held.sign > 0 else 1, magic=held.sender.magic, identifier=held.identifier,
            reason=held.sender.reason, volume=float(volume), price_open=float(price), sl=stop, tp=take,
            price_current=round(float(now), spec.digits), swap=0.0, profit=money(profit), symbol=spec.name,
            comment=held.sender.comment, external_id="",
        )  # fmt: skip

    def positions(self) -> list[Any]:
        """Every open position. A netting account's are the venue's, a hedging one's are by its executions."""
        emulator = self._emulator
        if emulator.hedging:
            return [self.position(held, held.volume, held.price) for held in emulator.shown().holdings.values()]
        newest, rows = emulator.book().newest, []
        for position in emulator.ask(emulator.venue.positions):
            held = newest.get(position.symbol)
            if held is not None:
                sign = 1 if position.quantity > 0 else -1
                same = Holding(held.identifier, held.ticket, held.symbol, sign, abs(position.quantity),
                               position.price, held.opened, held.updated, held.sender)  # fmt: skip
                rows.append(self.position(same, same.volume, same.price))
        return rows

    # ---- orders ------------------------------------------------------------------------------------------------------
    def order(self, taken: VenueOrder, report: OrderReport, positions: Mapping[int, int]) -> Any:
        """An order as the report shows it, working or closed. `positions`: what orders opened or changed."""
        emulator = self._emulator
        sent, sender, spec = emulator.behind(taken), emulator.sender(taken), BY_SYMBOL[report.symbol]
        working = report.state is OrderState.WORKING
        placed, done = self._times(taken.moment), (0, 0) if working else self._times(report.time)
        state = STATES.get(report.state, REJECTED)
        if working:
            state = PARTIAL if report.filled or sent.before else PLACED
        elif sent.expired:
            state = EXPIRED
        elif report.type is OrderType.MARKET and state == EXPIRED:
            state = CANCELED  # what could not be filled at once
        limited = report.type is OrderType.STOP_LIMIT
        price = report.stop_price if limited or report.limit_price is None else report.limit_price
        return TradeOrder(
            ticket=sender.ticket, time_setup=placed[0], time_setup_msc=placed[1], time_done=done[0],
            time_done_msc=done[1], time_expiration=self._times(sent.expires)[0] if sent.expires else 0,
            type=TYPES[report.type, report.side], type_time=sent.type_time,
            type_filling=sent.filling, state=state, magic=sender.magic,
            position_id=sender.position or positions.get(sender.ticket, 0), position_by_id=0,
            reason=sender.reason, volume_initial=float(report.quantity + sent.before),
            volume_current=float(report.quantity - report.filled), price_open=float(price or 0), sl=sender.sl,
            tp=sender.tp, price_current=round(emulator.market.last(report.symbol), spec.digits),
            price_stoplimit=float(report.limit_price or 0) if limited else 0.0, symbol=spec.name,
            comment=sender.comment, external_id="",
        )  # fmt: skip

    def orders(self) -> list[Any]:
        """The working ones. Unanswered."""
        emulator = self._emulator
        shown = emulator.ask(emulator.venue.orders)
        accepted, positions = emulator.venue.accepted, emulator.book().of_order
        return [self.order(accepted[number_of(report.venue_id)], report, positions) for report in shown]

    def history_orders(self) -> list[Any]:
        """The closed ones, as far as the venue shows them by now. Unanswered."""
        emulator = self._emulator
        venue, rows = emulator.venue, list[Any]()
        shown = {report.venue_id for report in emulator.ask(venue.orders)}
        positions = emulator.book().of_order
        recent = emulator.clock.now().timestamp() - emulator.clock.ahead - venue.lag_seconds - 1.0
        for taken in venue.accepted:
            report = taken.report
            if report.state is OrderState.WORKING or emulator.behind(taken).replaced or report.venue_id in shown:
                continue
            if not venue.lag_seconds or report.time.timestamp() < recent or _is_shown(emulator, taken):
                rows.append(self.order(taken, report, positions))
        return rows + [self._close_by(event) for event in emulator.close_bys]

    def _close_by(self, event: CloseBy) -> Any:
        time, sender = self._times(event.time), event.sender
        symbol = next(deal.symbol for deal in self._emulator.book().deals if deal.order == event.order)
        return TradeOrder(
            ticket=event.order, time_setup=time[0], time_setup_msc=time[1], time_done=time[0], time_done_msc=time[1],
            time_expiration=0, type=CLOSE_BY_TYPE, type_time=0, type_filling=RETURN, state=FILLED, magic=sender.magic,
            position_id=event.position, position_by_id=event.by, reason=sender.reason,
            volume_initial=float(event.volume), volume_current=0.0, price_open=0.0, sl=0.0, tp=0.0, price_current=0.0,
            price_stoplimit=0.0, symbol=BY_SYMBOL[symbol].name, comment=sender.comment, external_id="",
        )  # fmt: skip

    # ---- deals -------------------------------------------------------------------------------------------------------
    def deals(self) -> list[Any]:
        """Every execution and every movement of money, oldest first. Unanswered."""
        emulator = self._emulator
        events = emulator.ask(emulator.venue.cash_events, emulator.opened_at)
        rows = [self._deal(deal) for deal in emulator.shown().deals]
        rows += [self._cash(event) for event in events]
        if emulator.deposited:
            rows.append(self._cash(CashEvent("C0", "transfer", emulator.setup.cash, CURRENCY, emulator.opened_at)))
        return sorted(rows, key=lambda row: row.time_msc)

    def _deal(self, deal: Deal) -> Any:
        time, sender = self._times(deal.time), deal.sender
        return TradeDeal(
            ticket=deal.ticket, order=deal.order, time=time[0], time_msc=time[1],
            type=0 if deal.side is Side.BUY else 1, entry=deal.entry, magic=sender.magic, position_id=deal.position,
            reason=sender.reason, volume=float(deal.volume), price=float(deal.price), commission=float(-deal.fee),
            swap=0.0, profit=money(deal.profit), fee=0.0, symbol=BY_SYMBOL[deal.symbol].name, comment=sender.comment,
            external_id="",
        )  # fmt: skip

    def _cash(self, event: CashEvent) -> Any:
        time, number = self._times(event.time), int(event.event_id.removeprefix("C"))
        return TradeDeal(
            ticket=CASH_TICKET + number if number else OPENING_TICKET, order=0, time=time[0], time_msc=time[1],
            type=DEAL_TYPES[event.kind], entry=0, magic=0, position_id=0, reason=0, volume=0.0, price=0.0,
            commission=0.0, swap=0.0, profit=float(event.amount), fee=0.0,
            symbol=BY_SYMBOL[event.symbol].name if event.symbol in BY_SYMBOL else "", comment=event.kind,
            external_id="",
        )  # fmt: skip


def _is_shown(emulator: Mt5Emulator, taken: VenueOrder) -> bool:
    """Whether the venue's queries show by now that an order is closed. Unanswered."""
    found = emulator.ask(emulator.venue.order, OrderRef("", "", taken.order.symbol, taken.venue_id))
    return isinstance(found, OrderReport) and found.state is not OrderState.WORKING


def named(rows: Iterable[Any], group: str) -> tuple[Any, ...]:
    """Those whose symbol the filter takes; all, if there is no filter."""
    return tuple(row for row in rows if not group or wanted(row.symbol, group))
