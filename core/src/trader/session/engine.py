"""One book at work: a step takes the bars of a moment, learns what the venue did, decides, journals, sends.

The same step runs in backtest, paper and live; what differs is the clock that calls it, the lane that its calls run
in, and the journal that keeps it. What the venue did is learned in `trader.session.reconcile`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from trader.clock import Clock, SystemClock
from trader.cycle.cycle import Desk, decide
from trader.cycle.decision import Decision
from trader.cycle.market import Market, instant, instant64
from trader.cycle.planner import Stamp
from trader.cycle.portfolio import Portfolio
from trader.errors import IllegalTransition, Unreachable
from trader.model import ZERO, Account, OrderRef, OrderRequest, OrderState, Position, Side, Unavailable
from trader.orders.blotter import Blotter
from trader.orders.differences import CASH
from trader.orders.gate import Gate
from trader.orders.ids import IdMint
from trader.orders.journal import BookState, CycleRecord, Journal
from trader.orders.ledger import Ledger
from trader.protocols import Broker, HasState, NeedsBars
from trader.safety.halts import Halts
from trader.session import asking
from trader.session.asking import ask
from trader.session.keeper import STRIKES, Keeper
from trader.session.lanes import Lane, Priority
from trader.session.policy import VenuePolicy
from trader.session.reconcile import Reconciler, reference
from trader.session.report import Report
from trader.session.sending import Sender
from trader.session.standing import Standing

NOTHING_SENT = np.array([], "datetime64[ns]")


class Engine:
    """One book. `stateful`: (instance, plugin) pairs whose state survives restarts. `moment(cycle_id)` is told before
    each decision: it seeds the plugins' random numbers. `tell(report)` hears of news as soon as they are booked;
    `panic(text)` of a fault of the program that must halt everything."""

    def __init__(
        self,
        name: str,
        *,
        desk: Desk,
        market: Market,
        broker: Broker,
        account: Account,
        journal: Journal,
        gate: Gate,
        lane: Lane,
        state: BookState,
        recorded: bool = True,
        policy: VenuePolicy | None = None,
        stateful: Sequence[tuple[str, HasState]] = (),
        moment: Callable[[str], None] | None = None,
        clock: Clock | None = None,
        point: Callable[[str], None] | None = None,
        brakes: Halts | None = None,
        panic: Callable[[str], None] | None = None,
    ) -> None:
        self.name, self.desk, self.market, self.broker = name, desk, market, broker
        self.journal, self.gate, self.lane = journal, gate, lane
        self.account, self.recorded, self._moment = account, recorded, moment
        self.policy = policy or VenuePolicy(horizon_seconds=0.0 if recorded else 600.0, late_arrival_bounded=recorded)
        self.clock: Clock = clock or SystemClock()
        self.point = point or _nowhere
        self.brakes = brakes
        self.panic = panic or _raise
        self.tell: Callable[[Report], None] | None = None
        self.absent_now: list[OrderRequest] = []
        """Proven absent since the last decision."""
        self.unwanted: list[OrderRef] = []
        """Orders at the venue to be cancelled as soon as possible, whatever the journal says of them."""
        self.withdrawn: set[str] = set(state.withdrawn)
        """Orders that a person cancelled, or that came back from the dead: to be cancelled wherever they work."""
        self._needs_bars = broker if isinstance(broker, NeedsBars) else None
        self._keeper, self._struck = Keeper(stateful, name), False
        self.sender = Sender(self)
        self.resume(state)

    def resume(self, state: BookState) -> None:
        """Take the place that the journal describes: at a start, and after the store failed in the middle of a step."""
        kept = self._keeper.take_up(state.plugins)
        self.number, self.cycle_id = state.number, state.cycle_id
        self.ledger = Ledger(
            self.account.currency, state.cash or ZERO, state.holdings, state.seen,
            apart=state.apart, apart_cash=state.apart_cash, revisions=state.revisions,
        )  # fmt: skip
        self.blotter = Blotter(state.orders, since=self.clock.monotonic())
        self.untold = list(state.untold)
        """Booked in an earlier run, and perhaps nobody was told."""
        self.standing = Standing(
            self.market.panel, self.desk.grid, self.market.instruments, self.ledger, self.blotter,
            entries=self.desk.asks_for_exits,
        )  # fmt: skip
        self.ids = IdMint(self.journal.nonce, self.account.account_id, self.name)
        self._sent: list[tuple[str, int]] = []
        self.reconciler = Reconciler(self, state.fills_since, _money_since(kept, state))
        self.opened = state.opened_at
        """When the opening balance was read; None: the book is new in this epoch."""
        self.reconciler.opened_at = None if self.recorded else state.opened_at
        self._recall(kept, state)

    def _recall(self, kept: Mapping[str, Any], state: BookState) -> None:
        if kept and state.at is not None:
            self.standing.day, self.standing.day_equity = kept["day"], Decimal(kept["day_equity"])
            self.standing.equity, self.standing.peak = Decimal(kept["equity"]), Decimal(kept["peak"])
            self.standing.flow = Decimal(kept.get("flow", 0)) + state.flow
            self._sent = [(text, count) for text, count in kept["sent"]]
            self.standing.recall(self.market.panel.row_at(instant64(state.at)))

    @property
    def next_row(self) -> int:
        """The first row that no cycle was decided on."""
        if self.cycle_id is None:
            return 0
        return self.market.panel.row_at(instant64(datetime.fromisoformat(self.cycle_id))) + 1

    # ---- one step --------------------------------------------------------------------------------------------------
    async def step(self, row: int) -> Report:
        """Play bar `row`: the venue first (if it trades on our bars), then its news, then the cycle."""
        report = await self.catch_up(row)
        at = instant(self.market.panel.end[row])
        if not self.recorded and (self.blotter.uncertain_any() or self.reconciler.differences):
            await self.reconcile(report, row, at)
        if self.tell is not None:
            self.point("fill>tell")
            self.tell(report)
        decision = self._decide(row, at)
        report.decision = decision
        report.faults += decision.faults
        self._journal(decision, report)
        await self.sender.cancel(decision.cancels, report, at)
        await self.sender.send(decision.approved, report, at)
        if self.tell is not None:
            self.tell(report)
        return report

    async def catch_up(self, row: int, *, news: bool = True) -> Report:
        """A bar without a cycle: the venue trades on it, its news are booked, the book is marked. Without `news` only a
        venue that trades on our bars is asked; any other said all that it knows with the bar before."""
        report = Report()
        at = instant(self.market.panel.end[row])
        if self._needs_bars is not None:
            answer = await ask(self.lane, Priority.BARS, self._needs_bars.on_bars, self.market.panel.bars(row))
            if isinstance(answer, Unavailable):
                raise Unreachable(
                    f"The broker did not take the bars of {at:%Y-%m-%d %H:%M}: {answer.reason}",
                    where=f"book '{self.name}'",
                )
        if news or self._needs_bars is not None:
            await self.reconciler.news(report, row, at)
            await self._turned_up(report, at)
            if not self.recorded:
                await self._refresh_account(report)
        self.standing.mark(row, at)
        return report

    async def _refresh_account(self, report: Report) -> None:
        """What may be spent now; the last known account stays where there is no answer."""
        account = await ask(self.lane, Priority.QUERY, self.broker.account, fits=asking.is_account)
        if isinstance(account, Unavailable):
            report.unreached.append(f"account: {account.reason}")
        else:
            self.account = account

    async def reconcile(self, report: Report, row: int, at: datetime) -> bool:
        """Make journal and venue agree on everything; False if the venue did not answer all of it. What is being
        cancelled is asked for again: asking twice does what asking once does."""
        report.reconciled = await self.reconciler.everything(report, row, at)
        if report.reconciled:
            await self.sender.cancel([reference(order) for order in self.blotter.open()], report, at, again=True)
            self.sender.conserve()
        await self._turned_up(report, at)
        return report.reconciled

    async def _turned_up(self, report: Report, at: datetime) -> None:
        """Orders that were taken for absent, or withdrawn while nobody knew of them: cancelled at once."""
        refs, self.unwanted = self.unwanted, []
        for order in self.blotter.revived:
            request = order.request
            report.alarm("order_revived", f"{request.symbol}: order {request.client_id} was taken for absent and "
                         "reached the venue after all; it is being cancelled")  # fmt: skip
            self.withdrawn.add(request.client_id)
        self.blotter.revived.clear()
        for client_id in [*self.withdrawn]:
            withdrawn = self.blotter.get(client_id)
            if withdrawn is None or withdrawn.state is OrderState.ABSENT:
                self.withdrawn.discard(client_id)
            elif withdrawn.state is OrderState.WORKING:
                refs.append(reference(withdrawn))
        if refs:
            await self.sender.cancel(refs, report, at, journal=True)

    def _decide(self, row: int, at: datetime) -> Decision:
        cycle_id = at.isoformat()
        if self._moment is not None:
            self._moment(cycle_id)
        passes, sent = self._recent(at), NOTHING_SENT
        if passes:
            times = np.array([text for text, _ in passes], "datetime64[ns]")
            sent = np.repeat(times, [count for _, count in passes])
        portfolio = self.standing.view(self.account, sent, self._in_doubt())
        self._brake(portfolio)
        stamp = Stamp(self.name, at, self.ids.cycle(cycle_id), self.broker.key)
        decision = decide(
            self.desk, self.market, portfolio, row,
            number=self.number + 1, cycle_id=cycle_id, stamp=stamp, mark=self.standing.marks,
            now=None if self.recorded else self.clock.now(),
        )  # fmt: skip
        decision.notes += [
            f"{order.side} {order.quantity:f} {order.symbol} ({order.client_id}) never reached the venue: decided anew"
            for order in self.absent_now
        ]
        self._strike(decision)
        self.number, self.cycle_id = decision.number, cycle_id
        return decision

    def _in_doubt(self) -> list[tuple[str, Side, Decimal]]:
        """What may add to exposure though no open order of ours says so: absent orders that nothing bounds, and
        somebody else's."""
        absent, foreign = self.blotter.absent(), self.reconciler.foreign
        if not absent and not foreign:
            return []
        now, doubt = self.clock.monotonic(), self.policy.doubt_seconds
        found = [
            (order.request.symbol, order.request.side, order.remaining) for order in absent if now - order.since < doubt
        ]
        if self.policy.external != "ignore":
            found += [(one.symbol, one.side, one.quantity - one.filled) for one in foreign]
        return found

    def _brake(self, portfolio: Portfolio) -> None:
        """What the planner must leave alone: halted symbols, and those whose position is not clear."""
        stuck = self.reconciler.differences.symbols
        if self.brakes is not None:
            stuck |= self.brakes.symbols
            self.desk.paused = self.brakes.strategies
            self.desk.reduce_only = self._struck or self.brakes.level == "reduce"
        panel = self.market.panel
        everything = self.brakes is not None and self.brakes.level == "halt"
        portfolio.blocked[:] = everything
        for symbol in stuck:
            if symbol in panel.column:
                portfolio.blocked[panel.column[symbol]] = True

    def halt_symbol(self, symbol: str, reason: str) -> None:
        """No order in this symbol until a person lifts it."""
        if self.brakes is not None:
            self.brakes.halt_symbol(symbol, reason)

    def forgive(self, symbol: str) -> None:
        """A person lifted a halt of this symbol, or of the book (""): what is still wrong counts anew."""
        if not symbol:
            self._struck = False
            self._keeper.forgive()
            self.reconciler.differences.again(CASH)
        else:
            self.reconciler.differences.again(symbol)
            self.reconciler.awaited.again(symbol)

    def block_book(self, level: Literal["reduce", "halt"], reason: str) -> None:
        """Halt the book, or only its new risk."""
        if self.brakes is not None:
            self.brakes.block_book(level, reason)

    def increases(self, order: OrderRequest) -> bool:
        """Whether it would enlarge the position, or flip it."""
        held = self.ledger.holdings.get(order.symbol)
        units = held.quantity if held is not None else ZERO
        signed = order.quantity * order.side.sign
        return units == 0 or (units > 0) == (signed > 0) or abs(signed) > abs(units)

    def _strike(self, decision: Decision) -> None:
        """Three cycles in a row in which a plugin failed make the book reduce-only."""
        self._keeper.keep(decision)
        struck = self._keeper.struck(decision)
        if struck and not self._struck:
            self._struck = self.desk.reduce_only = True
            reason = f"{', '.join(struck)} failed in {STRIKES} cycles in a row"
            decision.notes.append(f"{reason}: the book may only reduce from now on")
            self.block_book("reduce", reason)

    def _journal(self, decision: Decision, report: Report) -> None:
        """T1: the decision, its intents and cancels, what plugins keep: committed before anything is sent."""
        requests = [approved.order for approved in decision.approved]
        if requests:
            self._sent = [*self._recent(decision.at), (decision.at.replace(tzinfo=None).isoformat(), len(requests))]
        encoded = decision.encode() if self.journal.diary else b""
        standing = self.standing
        record = CycleRecord(
            self.name, decision.cycle_id, decision.number, decision.at, standing.equity, self.ledger.cash, encoded,
            standing.peak,
        )  # fmt: skip
        changed = self._keeper.unsaved(self._kept()) if self.journal.diary else {}
        denied = [(order, f"{refusal.rule}: {refusal.reason}") for order, refusal in decision.denied]
        cancels = [move for ref in decision.cancels for move in self.blotter.cancel_sent(ref.client_id, decision.at)]
        self.journal.decided(record, requests, denied, changed, cancels)
        report.moves += cancels
        self._keeper.saved(changed)
        self.absent_now.clear()
        if requests:
            self.sender.commit(requests)

    def _kept(self) -> dict[str, Any]:
        """What the engine itself must know again after a restart."""
        standing = self.standing
        return {
            "day": standing.day,
            "day_equity": str(standing.day_equity),
            "equity": str(standing.equity),
            "peak": str(standing.peak),
            "flow": str(standing.flow),
            "money_since": self.reconciler.money_since.isoformat(),
            "sent": self._sent,
        }

    def _recent(self, at: datetime) -> list[tuple[str, int]]:
        edge = (at - timedelta(days=1)).replace(tzinfo=None).isoformat()
        return [(text, count) for text, count in self._sent if text > edge]

    # ---- start -----------------------------------------------------------------------------------------------------
    async def awaken(self, report: Report, row: int, at: datetime) -> bool:
        """After a restart: what was being submitted was possibly sent. Then all is reconciled. False: not answered."""
        self.take_for_sent(report, at)
        return await self.reconcile(report, row, at)

    def take_for_sent(self, report: Report, at: datetime) -> None:
        """Nobody waits for the outcomes of what is being submitted any more: it is unknown from now on."""
        moves = [
            move
            for order in self.blotter.open()
            if order.state is OrderState.SUBMITTING
            for move in self.blotter.possibly_sent(order, at)
        ]
        if moves:
            self.journal.moved(moves)
            report.moves += moves

    def position(self, symbol: str) -> Position:
        """What the ledger holds of a symbol."""
        held = self.ledger.holdings[symbol]
        return Position(symbol, held.quantity, held.price)

    def open_orders(self) -> list[tuple[str, OrderState]]:
        """Client ids and states of what is not terminal."""
        return [(order.request.client_id, order.state) for order in self.blotter.open()]


def _money_since(kept: Mapping[str, Any], state: BookState) -> datetime | None:
    """From when cash events may not have been booked yet: from the opening on until a cycle kept another moment. What
    older versions kept has none: theirs was the newest fill."""
    if "money_since" in kept:
        return datetime.fromisoformat(kept["money_since"])
    return state.fills_since if kept else state.opened_at or state.fills_since


def _nowhere(_name: str) -> None:
    """Nobody dies here."""


def _raise(text: str) -> None:
    raise IllegalTransition(text)
