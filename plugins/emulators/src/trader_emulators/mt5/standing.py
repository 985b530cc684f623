"""What the trade server does with a request about orders and positions that are there already."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from trader.model import OrderRef, OrderState, OrderType, Rejected

from trader_emulators.mt5 import requests
from trader_emulators.mt5.book import CloseBy, Sender
from trader_emulators.mt5.constants import BY_PROGRAM, CLOSE_BY, DEAL, MODIFY, PENDING, REMOVE, SLTP
from trader_emulators.mt5.dealing import DONE, NO_CHANGES, NO_POSITION, REFUSALS, REJECT, Intake
from trader_emulators.mt5.symbols import BY_NAME, BY_SYMBOL

BUTTON_OFF, OFFLINE = 10027, 10031
CLOSE_BY_TICKETS = 900_000_000


class Dealer(Intake):
    """Takes TradeRequests, answers with OrderSendResults."""

    def handle(self, asked: Any) -> Any:
        """Do it. Unanswered where the venue inside gave no answer."""
        ways: dict[int, Callable[[Any], Any]] = {
            DEAL: self._deal, PENDING: self._pending, SLTP: self._guard, MODIFY: self._modify, REMOVE: self._remove,
            CLOSE_BY: self._close_by,
        }  # fmt: skip
        if not self._emulator.autotrading:
            return self.answer(asked, BUTTON_OFF)
        if not self._emulator.connected:
            return self.answer(asked, OFFLINE)
        if self._emulator.refusals:
            return self.answer(asked, self._emulator.refusals.popleft())
        way = ways.get(asked.action)
        return self.answer(asked, requests.INVALID) if way is None else way(asked)

    def _remove(self, asked: Any) -> Any:
        emulator = self._emulator
        taken = emulator.taken(asked.order)
        if taken is None:
            return self.answer(asked, requests.INVALID)
        outcome = emulator.ask(emulator.venue.cancel, OrderRef("", "", taken.order.symbol, taken.venue_id))
        if isinstance(outcome, Rejected):
            return self.answer(asked, REFUSALS.get(outcome.kind, REJECT))
        return self.answer(asked, DONE, order=asked.order)

    def _modify(self, asked: Any) -> Any:
        """The server keeps the ticket; inside, another order stands for it."""
        emulator = self._emulator
        taken = emulator.taken(asked.order)
        if taken is None or taken.report.state is not OrderState.WORKING or taken.report.type is OrderType.MARKET:
            return self.answer(asked, requests.INVALID)
        was, spec = emulator.behind(taken), BY_SYMBOL[taken.order.symbol]
        row = self._rows.order(taken, taken.report, {})
        wish = asked._replace(symbol=spec.name, type=row.type, volume=row.volume_current, magic=row.magic,
                              comment=row.comment, type_filling=row.type_filling)  # fmt: skip
        same = (row.price_open, row.price_stoplimit, row.sl, row.tp, row.type_time, row.time_expiration)
        if same == (wish.price, wish.stoplimit, wish.sl, wish.tp, wish.type_time, wish.expiration):
            return self.answer(asked, NO_CHANGES, order=asked.order)
        refused = requests.pending(wish, self._market(spec))
        if refused:
            return self.answer(asked, refused, order=asked.order)
        order = self._waiting(wish, spec)
        sender = Sender(row.ticket, 0, row.magic, row.comment, row.reason, wish.sl, wish.tp)
        outcome = self._submit(wish, order, sender)
        if isinstance(outcome, Rejected):
            return self.answer(asked, REFUSALS.get(outcome.kind, REJECT), order=asked.order)
        emulator.sent[id(order)].before = was.before + taken.report.filled
        was.sender = sender
        was.replaced = True
        emulator.venue.manual_cancel(taken.venue_id)
        return self.answer(asked, DONE, order=asked.order)

    def _guard(self, asked: Any) -> Any:
        """Stop loss and take profit of a position; a netting account finds it by its symbol too."""
        emulator = self._emulator
        spec = BY_NAME.get(asked.symbol)
        held = self._held(asked.position) if asked.position else None
        if not asked.position and spec is not None and not emulator.hedging:
            held = next((each for each in emulator.book().holdings.values() if each.symbol == spec.symbol), None)
        if held is None:
            return self.answer(asked, NO_POSITION if asked.position else requests.INVALID)
        if (asked.sl, asked.tp) == emulator.guard(held):
            return self.answer(asked, NO_CHANGES)
        market = self._market(BY_SYMBOL[held.symbol])
        refused = requests.stops(asked, market, held.sign, market.bid if held.sign > 0 else market.ask)
        if not refused:
            emulator.guards[held.identifier] = (asked.sl, asked.tp)
        return self.answer(asked, refused or DONE)

    def _close_by(self, asked: Any) -> Any:
        """Two opposite positions close each other, as far as the smaller one goes."""
        emulator = self._emulator
        first, second = self._held(asked.position), self._held(asked.position_by)
        if not emulator.hedging:
            return self.answer(asked, requests.INVALID)
        if first is None or second is None:
            return self.answer(asked, NO_POSITION)
        if first.symbol != second.symbol or first.sign == second.sign:
            return self.answer(asked, requests.INVALID)
        ticket = CLOSE_BY_TICKETS + len(emulator.close_bys) + 1
        latest = max((deal.time for deal in emulator.book().deals), default=emulator.opened_at)
        sender = Sender(ticket, 0, asked.magic, asked.comment, BY_PROGRAM)
        moment = max(emulator.clock.now(), latest + timedelta(microseconds=1))
        volume = min(first.volume, second.volume)
        emulator.close_bys.append(CloseBy(ticket, moment, first.identifier, second.identifier, volume, sender))
        return self.answer(asked, DONE, order=ticket, volume=float(volume))
