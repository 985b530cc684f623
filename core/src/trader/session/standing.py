"""Where a book stands, kept in step with its ledger and its orders: arrays for the decision, exact money for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from trader.cycle.market import Panel, instant64
from trader.cycle.planner import Grid
from trader.cycle.portfolio import NO_TIME, Portfolio, WorkingOrder
from trader.model import ZERO, Account, Instrument, OrderRef, OrderState, Purpose, Side
from trader.orders.blotter import Blotter, LiveOrder
from trader.orders.journal import Booking, Holding
from trader.orders.ledger import Ledger, value


class Standing:
    """One book's portfolio. `row` is the panel's row that was marked last. `entries`: keep when, where and how well
    positions were entered, for exits to ask about."""

    def __init__(
        self,
        panel: Panel,
        grid: Grid,
        instruments: dict[str, Instrument],
        ledger: Ledger,
        blotter: Blotter,
        *,
        entries: bool = True,
    ) -> None:
        self._entries = entries
        self.panel, self.grid, self.instruments = panel, grid, instruments
        self.ledger, self.blotter = ledger, blotter
        self.portfolio = Portfolio.empty(len(panel.symbols), float(ledger.cash))
        self.row = -1
        self.marks: NDArray[np.int64] = np.zeros(len(panel.symbols), np.int64)
        self.equity = ledger.cash
        self.peak = ZERO
        self.flow = ZERO
        """Money paid in (> 0) or taken out since the last mark."""
        self.day = ""
        self.day_equity = ZERO
        self._odd: set[str] = set()
        self._margin: set[str] = set()
        self._groups = self._factor_groups()
        self._plain = all(grid.whole_lots) and bool(grid.cash_settled.all())
        """Lots of one unit, paid in cash: a quantity is its lots, and nothing is left over."""
        self._entered: list[datetime | None] = [None] * len(panel.symbols)
        self._entering: set[int] = set()
        """Columns entered in a bar that is not marked yet: it may be a later one than was thought."""
        # The journal names all that was ever held; what was sold and is not covered any more has no bars.
        self._hold([held for held in ledger.holdings.values() if held.symbol in panel.column], 0)

    def _factor_groups(self) -> list[tuple[Decimal, NDArray[np.intp]]]:
        """Columns by tick x lot x multiplier: within a group, value is lots x ticks, whole numbers."""
        groups: dict[Decimal, list[int]] = {}
        for column, symbol in enumerate(self.panel.symbols):
            rules = self.instruments[symbol]
            if rules.settlement == "cash":
                groups.setdefault(rules.tick * rules.lot * rules.multiplier, []).append(column)
        return [(factor, np.array(columns, np.intp)) for factor, columns in groups.items()]

    # ---- facts -----------------------------------------------------------------------------------------------------
    def booked(self, bookings: Iterable[Booking], row: int) -> None:
        """Facts changed holdings, while `row` was played."""
        last = {booking.holding.symbol: booking.holding for booking in bookings if booking.holding is not None}
        self._hold(list(last.values()), row)

    def _hold(self, holdings: Sequence[Holding], row: int) -> None:
        """Bring the arrays up to these holdings; a new entry began in the bar of its time, at most the one after
        `row`."""
        if not holdings:
            return
        portfolio, entered = self.portfolio, self._entered
        columns = [self.panel.column[held.symbol] for held in holdings]
        quantity = np.array([float(held.quantity) for held in holdings])
        lots = np.trunc(quantity).astype(np.int64)
        if self._odd or not (self._plain and (lots == quantity).all()):
            lots = np.array([self._lots(held, column) for held, column in zip(holdings, columns, strict=True)])
        portfolio.lots[columns] = lots
        portfolio.quantity[columns] = quantity
        if not self._entries:
            return
        portfolio.entry_price[columns] = [float(held.price) for held in holdings]
        for held, column in zip(holdings, columns, strict=True):
            if held.entry_time is not entered[column]:
                entered[column] = held.entry_time
                portfolio.entry_time[column] = NO_TIME if held.entry_time is None else instant64(held.entry_time)
                portfolio.entry_row[column] = min(self._row_of(portfolio.entry_time[column]), row + 1)
                portfolio.best[column] = -np.inf if held.quantity > 0 else np.inf
                (self._entering.discard if held.entry_time is None else self._entering.add)(column)

    def _lots(self, held: Holding, column: int) -> int:
        """Whole lots held, toward zero; notes what is left over and what is settled by margin."""
        rules = self.instruments[held.symbol]
        if self.grid.whole_lots[column]:
            lots = int(held.quantity)
            odd = lots != held.quantity
        else:
            lots = int(held.quantity / rules.lot)
            odd = lots * rules.lot != held.quantity
        if odd or self._odd:
            (self._odd.add if odd else self._odd.discard)(held.symbol)
        if rules.settlement == "margin":
            (self._margin.add if held.quantity else self._margin.discard)(held.symbol)
        return lots

    def _row_of(self, moment: np.datetime64) -> int:
        """The bar in which this moment lies, whenever it was learned; the one after the last if none closed since."""
        return int(np.searchsorted(self.panel.end[: self.panel.rows], moment, "left"))

    def recall(self, row: int) -> None:
        """After a restart: entry rows and best prices again, from the bars up to `row`."""
        portfolio, panel = self.portfolio, self.panel
        for column in np.flatnonzero(portfolio.quantity).tolist() if self._entries else ():
            entry = self._row_of(portfolio.entry_time[column])
            portfolio.entry_row[column] = entry
            long = portfolio.quantity[column] > 0
            seen = (panel.high if long else panel.low)[entry : row + 1, column]
            # The bars may begin after the entry, and there with a hole: what is not known is no best price.
            known = seen[~np.isnan(seen)]
            worst = -np.inf if long else np.inf
            portfolio.best[column] = (known.max() if long else known.min()) if len(known) else worst

    def look(self, row: int) -> None:
        """After a restart: the prices of `row`, the last one decided on; what was kept of it stays as it is."""
        self.row, self.marks = row, self._marks(row)

    # ---- marks -----------------------------------------------------------------------------------------------------
    def mark(self, row: int, at: datetime) -> None:
        """Value everything at the closes of `row`.

        Money paid in or taken out, F, is no profit and no loss. The peak becomes peak x E / (E - F), with E the equity
        after it: a drawdown stays the share that it was, as a fund's unit price does (the unit price method; Bacon,
        Practical Portfolio Performance Measurement and Attribution). The day's profit is money: its base moves by F.
        """
        portfolio, panel = self.portfolio, self.panel
        self.row = row
        self.marks = self._marks(row)
        held = portfolio.quantity != 0.0
        if self._entries and held.any():
            self._enter(row)
            long = portfolio.quantity > 0
            best, high, low = portfolio.best, panel.high[row], panel.low[row]
            better = np.where(long, np.fmax(best, high), np.fmin(best, low))
            portfolio.best = np.where(held, np.where(portfolio.entry_row <= row, better, best), 0.0)
        before, self.equity = self.equity, self.ledger.cash + self.holdings_value()
        flow, self.flow = self.flow, ZERO
        day = at.date().isoformat()
        if day != self.day:
            self.day, self.day_equity = day, before if self.day else self.equity - flow
        self.day_equity += flow
        if flow and self.peak:
            worth = self.equity - flow
            moved = round(self.peak * self.equity / worth, 8) if worth > 0 else self.peak + flow
            self.peak = max(moved, ZERO)
        self.peak = max(self.peak, self.equity)
        portfolio.cash, portfolio.equity = float(self.ledger.cash), float(self.equity)
        portfolio.peak_equity, portfolio.day_equity = float(self.peak), float(self.day_equity)

    def _enter(self, row: int) -> None:
        """The bars of entries again, up to the one that is marked: more may have closed since the fill was booked."""
        portfolio = self.portfolio
        for column in [*self._entering]:
            portfolio.entry_row[column] = self._row_of(portfolio.entry_time[column])
            if portfolio.entry_row[column] <= row:
                self._entering.discard(column)

    def _marks(self, row: int) -> NDArray[np.int64]:
        """The closes in ticks; of what is held without any bar the average that it was bought at, not 0."""
        close = self.panel.close[row]
        marks = self.grid.to_ticks(close)
        for column in np.flatnonzero(np.isnan(close) & (self.portfolio.quantity != 0.0)).tolist():
            held = self.ledger.holdings[self.panel.symbols[column]]
            marks[column] = int((held.price / self.grid.ticks[column]).to_integral_value())
        return marks

    def holdings_value(self) -> Decimal:
        """What positions add to equity at the marks, exact."""
        total = ZERO
        lots, marks = self.portfolio.lots, self.marks
        for factor, columns in self._groups:
            mine, at = lots[columns], marks[columns]
            if float(np.abs(mine.astype(np.float64)) @ at) < 2.0**62:
                whole = int(mine @ at)
            else:
                whole = sum(a * b for a, b in zip(mine.tolist(), at.tolist(), strict=True))
            total += whole * factor
        for symbol in self._odd:
            rules, held = self.instruments[symbol], self.ledger.holdings[symbol]
            if rules.settlement == "cash":
                rest = held.quantity - int(held.quantity / rules.lot) * rules.lot
                total += rest * self.price(symbol) * rules.multiplier
        for symbol in self._margin:
            total += value(self.ledger.holdings[symbol], self.price(symbol), self.instruments[symbol])
        return total

    def price(self, symbol: str) -> Decimal:
        """The mark of a symbol."""
        column = self.panel.column[symbol]
        return self.grid.price(column, int(self.marks[column]))

    # ---- orders ----------------------------------------------------------------------------------------------------
    def view(
        self,
        account: Account | None,
        sent: NDArray[np.datetime64],
        in_doubt: Sequence[tuple[str, Side, Decimal]] = (),
    ) -> Portfolio:
        """The portfolio as a decision sees it: with what is on its way. `sent`: passes of the gate in the last day;
        `in_doubt`: units that may yet be traded though no open order of the book says so: they count at worst case."""
        portfolio = self.portfolio
        portfolio.account, portfolio.sent = account, sent
        portfolio.settled_cash = None
        if account is not None and account.settled_cash < account.cash:
            portfolio.settled_cash = float(account.settled_cash)
        orders = self.blotter.open()
        quiet = not portfolio.working and not orders and not in_doubt
        if quiet:
            portfolio.worst, portfolio.coming = portfolio.quantity, None
            return portfolio
        width = len(self.panel.symbols)
        buys, sells, pending = np.zeros(width), np.zeros(width), np.zeros(width)
        unresolved = np.zeros(width, bool)
        working = []
        for order in orders:
            column = self.panel.column[order.request.symbol]
            rest = float(order.remaining)
            (buys if order.request.side is Side.BUY else sells)[column] += rest
            guard = order.request.purpose is Purpose.STOP
            if not guard:
                pending[column] += rest * order.request.side.sign
            unresolved[column] = True
            working.append(_working(order, column))
        for symbol, side, units in in_doubt:
            if symbol in self.panel.column:
                (buys if side is Side.BUY else sells)[self.panel.column[symbol]] += float(units)
        up, down = portfolio.quantity + buys, portfolio.quantity - sells
        portfolio.pending = pending
        portfolio.coming = (sells, buys)
        portfolio.worst = np.where(np.abs(up) >= np.abs(down), up, down)
        portfolio.unresolved = unresolved
        portfolio.working = tuple(working)
        return portfolio


def _working(order: LiveOrder, column: int) -> WorkingOrder:
    request = order.request
    stop = float(request.stop_price) if request.purpose is Purpose.STOP and request.stop_price is not None else None
    ref = OrderRef(request.client_id, request.key, request.symbol, order.venue_id)
    rest = float(order.remaining) * request.side.sign
    return WorkingOrder(ref, column, stop, order.state is OrderState.WORKING, rest, request.purpose is Purpose.EXIT)
