"""A book as the database holds it: where it stands when a session takes it up, and its orders by the venue's names."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, func, or_, select, text

from trader.model import ZERO, Fill, OrderRequest, OrderState, OrderType, Purpose, Side, TimeInForce
from trader.orders.journal import FLOW, WITHDRAWN, BookState, Holding, OpenOrder, Terms
from trader.orders.ledger import CORRECTION, MEMORY, base_of
from trader.store import schema as s
from trader.store.database import Store


class StoredBook:
    """What the journal says of a book that `epoch` has opened; it reads, and writes nothing."""

    def __init__(self, store: Store, *, epoch: int, name: str, venue: str, account: str) -> None:
        self._store = store
        self.epoch, self.name, self.venue, self.account = epoch, name, venue, account

    def state(self, watched_since: datetime | None = None) -> BookState:
        """Where the book stands; `watched_since`: orders found absent at or after it are still watched."""
        with self._store.reading() as connection:
            book = connection.execute(select(s.book).where(*self.mine(s.book, "name"))).one()
            decided = select(s.cycle.c.cycle_id, s.cycle.c.number, s.cycle.c.at).where(
                s.cycle.c.book == self.name, s.cycle.c.epoch == self.epoch, s.cycle.c.number > 0
            )
            cycle = connection.execute(decided.order_by(s.cycle.c.seq.desc()).limit(1)).first()
            kept = connection.execute(select(s.plugin_state).where(*self.mine(s.plugin_state)))
            since, seen, revisions = self._facts(connection)
            apart, apart_cash = self._apart(connection)
            return BookState(
                cycle_id=cycle.cycle_id if cycle else None,
                number=cycle.number if cycle else 0,
                at=cycle.at if cycle else None,
                cash=book.cash,
                peak_equity=book.peak_equity,
                holdings=holdings(connection, self.epoch, self.name),
                orders=self._open_orders(connection, watched_since),
                fills_since=since,
                seen=seen,
                plugins={row.instance: row.state for row in kept},
                untold=self._untold(connection),
                apart=apart,
                apart_cash=apart_cash,
                revisions=revisions,
                withdrawn=self._withdrawn(connection),
                opened_at=self._opened_at(connection),
                flow=self._flow(connection) if cycle else ZERO,
            )

    def _open_orders(self, connection: Connection, watched_since: datetime | None) -> list[OpenOrder]:
        now = s.intent.c
        wanted = text("open = 1")
        if watched_since is not None:
            wanted = or_(wanted, (now.state == OrderState.ABSENT.value) & (now.at >= watched_since))  # type: ignore[assignment]
        statement = (
            select(s.intent)
            .join(s.cycle, s.cycle.c.seq == now.cycle)
            .where(now.book == self.name, wanted, s.cycle.c.epoch == self.epoch)
            .order_by(now.cycle, now.line)
        )
        return [_open_order(row) for row in connection.execute(statement)]

    def _facts(self, connection: Connection) -> tuple[datetime | None, dict[str, Terms], dict[str, int]]:
        """Facts stay facts in a new epoch: the venue shows them again, and they are not booked again."""
        fills, cash = s.fill.c, s.cash_event.c
        since: datetime | None = connection.execute(select(func.max(fills.time)).where(*self._own(s.fill))).scalar()
        of_fills = select(fills.symbol, fills.execution_id, fills.quantity, fills.price).where(*self._own(s.fill))
        of_cash = select(cash.event_id).where(*self._own(s.cash_event)).order_by(cash.seq)
        if since is not None:
            of_fills = of_fills.where(fills.time >= since - MEMORY)
            of_cash = of_cash.where(cash.time >= since - MEMORY)
        seen: dict[str, Terms] = {}
        revisions: dict[str, int] = {}
        for symbol, execution, quantity, price in connection.execute(of_fills.order_by(fills.seq)):
            seen[f"{symbol}\x1f{execution}"] = (quantity, price)
            if (corrected := CORRECTION.fullmatch(execution)) is not None:  # the venue's last word on that execution
                seen[f"{symbol}\x1f{corrected[1]}"] = (Decimal(corrected[3]), Decimal(corrected[4]))
                revisions[f"{symbol}\x1f{corrected[1]}"] = int(corrected[2])
        seen.update({f"\x1f{event}": None for event in connection.execute(of_cash).scalars()})
        return since, seen, revisions

    def _last_decided(self) -> Any:
        last = select(func.coalesce(func.max(s.cycle.c.seq), 0)).where(
            s.cycle.c.book == self.name, s.cycle.c.epoch == self.epoch, s.cycle.c.number > 0
        )
        return last.scalar_subquery()

    def _flow(self, connection: Connection) -> Decimal:
        cash = s.cash_event.c
        paid = select(cash.moved, cash.amount).where(
            *self._own(s.cash_event), cash.kind == FLOW, cash.seq > self._last_decided()
        )
        return sum((amount if moved is None else moved for moved, amount in connection.execute(paid)), ZERO)

    def _untold(self, connection: Connection) -> list[Fill]:
        fill = s.fill.c
        rows = select(s.fill).where(*self._own(s.fill), fill.seq > self._last_decided()).order_by(fill.seq)
        of_epoch = rows.join(s.order_event, s.order_event.c.seq == fill.seq).where(s.order_event.c.epoch == self.epoch)
        return [
            Fill(
                row.execution_id,
                row.key,
                row.venue_id,
                row.symbol,
                Side(row.side),
                row.quantity,
                row.price,
                row.fee,
                row.time,
                row.fee_currency,
            )
            for row in connection.execute(of_epoch)
            if not row.external
        ]

    def _apart(self, connection: Connection) -> tuple[dict[str, Decimal], Decimal]:
        """What somebody else traded on the account since the epoch began and the book leaves alone."""
        fill = s.fill.c
        of_epoch = (
            select(fill.symbol, fill.side, fill.quantity, fill.fee, fill.fee_currency, fill.amount)
            .join(s.order_event, s.order_event.c.seq == fill.seq)
            .where(*self._own(s.fill), fill.external == 1, s.order_event.c.epoch == self.epoch)
        )
        units: dict[str, Decimal] = {}
        cash = ZERO
        for symbol, side, quantity, fee, fee_currency, amount in connection.execute(of_epoch):
            signed = quantity * Side(side).sign - (fee if fee_currency == base_of(symbol) else ZERO)
            units[symbol] = units.get(symbol, ZERO) + signed
            cash += amount or ZERO
        return units, cash

    def _withdrawn(self, connection: Connection) -> list[str]:
        """In whatever state they are open: it may have turned up, and the session died before it was cancelled."""
        event, now = s.order_event.c, s.intent.c
        opened = select(now.client_id, now.cycle).where(now.book == self.name, text("open = 1"))
        cycles = {row.client_id: row.cycle for row in connection.execute(opened)}
        if not cycles:
            return []
        by_a_person = (event.kind == "odd") & (event.reason == WITHDRAWN)
        said = select(event.client_id).where(
            event.seq > min(cycles.values()), or_(by_a_person, event.state == OrderState.ABSENT.value)
        )
        return list(dict.fromkeys(name for name in connection.execute(said).scalars() if name in cycles))

    def _opened_at(self, connection: Connection) -> datetime | None:
        cash = s.cash_event.c
        opening = (
            select(func.max(cash.time))
            .join(s.order_event, s.order_event.c.seq == cash.seq)
            .where(*self._own(s.cash_event), cash.event_id.like("opening %"), s.order_event.c.epoch == self.epoch)
        )
        found: datetime | None = connection.execute(opening).scalar()
        return found

    def find(self, key: str, venue_id: str | None) -> OpenOrder | None:
        """The newest order of the book by the key or an id that the venue shows or showed; of any epoch and state."""
        now, former = s.intent.c, s.id_map.c
        named = [now.client_id == key, now.key == key] if key else []
        if venue_id:
            named.append(now.venue_id == venue_id)
            named.append(now.client_id.in_(select(former.client_id).where(former.venue_id == venue_id)))
        if not named:
            return None
        statement = select(s.intent).where(now.book == self.name, or_(*named)).order_by(now.cycle.desc()).limit(1)
        with self._store.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _open_order(row)

    def sent_by_another(self, key: str) -> bool:
        """Whether another book that had this account in its epoch sent an order of this key."""
        now = s.intent.c
        of_it = (
            select(now.client_id)
            .join(s.cycle, s.cycle.c.seq == now.cycle)
            .join(s.book, (s.book.c.epoch == s.cycle.c.epoch) & (s.book.c.name == now.book))
        )
        same = (s.book.c.venue == self.venue, s.book.c.account == self.account, s.book.c.name != self.name)
        with self._store.reading() as connection:
            return connection.execute(of_it.where(or_(now.client_id == key, now.key == key), *same)).first() is not None

    def renamed(self, fill: Fill) -> str | None:
        """The other symbol that the same execution of the same order and moment was booked under; ids alone say little
        where each symbol counts its own."""
        row = s.fill.c
        same = (row.execution_id == fill.execution_id, row.venue_id == fill.venue_id, row.time == fill.time)
        statement = select(row.symbol).where(
            *self._own(s.fill), *same, row.side == fill.side.value, row.symbol != fill.symbol
        )
        with self._store.reading() as connection:
            found: str | None = connection.execute(statement.limit(1)).scalar()
        return found

    def mine(self, table: Table, name: str = "book") -> tuple[Any, Any]:
        """The rows of this book in this epoch; `name`: the column that names the book."""
        return table.c.epoch == self.epoch, table.c[name] == self.name

    def _own(self, table: Table) -> tuple[Any, ...]:
        return table.c.venue == self.venue, table.c.account == self.account, table.c.book == self.name


def holdings(connection: Connection, epoch: int | None, book: str) -> list[Holding]:
    """The positions of a book in an epoch, by symbol; flat ones too. No epoch: none."""
    held = s.holding.c
    columns = (held[name] for name in Holding.__struct_fields__)
    statement = select(*columns).where(held.epoch == epoch, held.book == book).order_by(held.symbol)
    return [Holding(*row) for row in connection.execute(statement)]


def _open_order(row: Any) -> OpenOrder:
    return OpenOrder(_request(row), OrderState(row.state), row.filled, row.venue_id)


def _request(row: Any) -> OrderRequest:
    return OrderRequest(
        row.client_id, row.key, row.book, row.symbol, Side(row.side), row.quantity, OrderType(row.type),
        TimeInForce(row.time_in_force), row.limit_price, row.stop_price, row.reduce_only, Purpose(row.purpose),
        row.price, row.decided_at,
    )  # fmt: skip
