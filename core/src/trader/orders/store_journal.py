"""The journal in a database: each call one transaction, each event in the hash chain.

The intents of a cycle are covered by one event that holds a digest of all of them: a durable intent costs one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trader.clock import Clock
from trader.errors import StoreError, storable
from trader.model import CashEvent, Fill, OrderRequest
from trader.orders.journal import Booking, BookState, CycleRecord, Holding, Move, OpenOrder, fact_key
from trader.orders.lifecycle import TERMINAL
from trader.orders.stored_book import StoredBook
from trader.store import schema as s
from trader.store.chain import Chain, digest, fact_digest
from trader.store.database import Row, Store
from trader.store.runs import current_epoch
from trader.store.schema import micros, plain


class StoreJournal:
    """One book's journal in the newest epoch. Opens the book if this epoch does not have it.

    Errors: StoreError if no epoch is open, or if the book trades another account, or another book this one.
    """

    diary = True

    def __init__(
        self,
        store: Store,
        *,
        book: str,
        venue: str,
        account: str,
        session: str,
        clock: Clock,
        point: Callable[[str], None] | None = None,
    ) -> None:
        present = current_epoch(store)
        if present is None:
            raise StoreError("No epoch of the journal is open.", where=store.where, todo="Call open_epoch first.")
        self.nonce = present.nonce
        self.epoch, self.book, self.venue, self.account = present.number, book, venue, account
        self._store, self._session, self._clock = store, session, clock
        self._point = point or _nowhere
        self._stored_book = StoredBook(store, epoch=self.epoch, name=book, venue=venue, account=account)
        self._book_row: tuple[Decimal | None, Decimal | None] | None = None
        """The book's cash and peak equity as committed; None: read them again."""
        # Made once: to put a statement together costs more than to execute it.
        mine, cash_now = self._stored_book.mine(s.book, "name"), bindparam("cash_now", type_=s.Exact)
        self._read_book = select(s.book.c.cash, s.book.c.peak_equity).where(*mine)
        self._set_cash = update(s.book).where(*mine).values(cash=cash_now)
        self._set_book = self._set_cash.values(peak_equity=bindparam("peak_now", type_=s.Exact))
        self._open_book()

    # ---- read -------------------------------------------------------------------------------------------------------
    def load(self, watched_since: datetime | None = None) -> BookState:
        """Where the book stands; `watched_since`: orders found absent at or after it are still watched."""
        return self._stored_book.state(watched_since)

    def find(self, key: str, venue_id: str | None) -> OpenOrder | None:
        return self._stored_book.find(key, venue_id)

    def sent_by_another(self, key: str) -> bool:
        return self._stored_book.sent_by_another(key)

    def knows(self, event: CashEvent) -> bool:
        with self._store.reading() as connection:
            return self._stored(connection, event)

    def renamed(self, fill: Fill) -> str | None:
        return self._stored_book.renamed(fill)

    # ---- write ------------------------------------------------------------------------------------------------------
    def decided(
        self,
        record: CycleRecord,
        intents: Sequence[OrderRequest],
        denied: Sequence[tuple[OrderRequest, str]],
        plugins: Mapping[str, bytes],
        moves: Sequence[Move] = (),
    ) -> None:
        at = micros(record.at)

        def write(connection: Connection, chain: Chain) -> None:
            seq = chain.seq + 1
            orders = [*((each, "") for each in intents), *denied]
            rows = list(_intent_rows(seq, orders, len(intents)))
            cycle = (seq, self.epoch, self.book, record.cycle_id, record.number, at,
                     plain(record.equity), plain(record.cash), self._session, record.decision)  # fmt: skip
            chain.add("decided", book=self.book, at=at, digest=digest([cycle, *rows]))
            self._store.insert(connection, s.cycle, [cycle])
            # state, open, filled, venue_id, reason, at
            sent, refused = ("submitting", 1, "0", None, "", at), ("denied", 0, "0", None)
            self._store.insert(
                connection, s.intent, [row + (sent if row[-1] is None else (*refused, row[-1], at)) for row in rows]
            )
            self._equity(connection, record)
            self._keep(connection, plugins)
            self._move(connection, chain, moves)
            self._point("journal>commit")

        try:
            self._write(write)
        except IntegrityError as problem:
            raise StoreError(
                f"Cycle {record.cycle_id} of book '{self.book}', or an order id in it, was decided before. "
                "Nothing was changed.",
                where=self._store.where,
            ) from problem

    def moved(self, moves: Sequence[Move]) -> None:
        if moves:
            self._write(lambda connection, chain: self._move(connection, chain, moves))

    def booked(self, bookings: Sequence[Booking], moves: Sequence[Move]) -> None:
        def write(connection: Connection, chain: Chain) -> None:
            self._book(connection, chain, bookings)
            self._point("fills>commit")
            self._move(connection, chain, moves)

        try:
            self._write(write)
        except IntegrityError as problem:
            raise StoreError(
                f"{self._known(bookings)} was booked before. Nothing was changed.", where=self._store.where
            ) from problem

    def odd(self, client_id: str, reason: str, at: datetime) -> None:
        self._write(
            lambda _, chain: chain.add(
                "odd", book=self.book, client_id=client_id, reason=storable(reason), at=micros(at)
            )
        )

    def _write(self, work: Callable[[Connection, Chain], None]) -> None:
        """One transaction; it may be tried again as a whole, so `work` changes nothing but rows."""
        recorded_at = micros(self._clock.now())

        def write(connection: Connection) -> None:
            chain = Chain(self._store, connection, self.epoch, self._session, recorded_at)
            try:
                work(connection, chain)
                chain.write()
            except BaseException:
                self._book_row = None
                raise

        try:
            self._store.write(write)
        except BaseException:  # a commit may fail too
            self._book_row = None
            raise

    def _equity(self, connection: Connection, record: CycleRecord) -> None:
        """The peak; and the cash a book begins with, where no fact has set it yet."""
        if self._book_row is None:
            cash, peak = connection.execute(self._read_book).one()
        else:
            cash, peak = self._book_row
        highest = record.equity if peak is None else max(peak, record.equity)
        now = (record.cash if cash is None else cash, highest if record.peak is None else record.peak)
        if now != self._book_row:
            connection.execute(self._set_book, {"cash_now": now[0], "peak_now": now[1]})
            self._book_row = now

    def _keep(self, connection: Connection, plugins: Mapping[str, bytes]) -> None:
        for instance, state in plugins.items():
            key = {"epoch": self.epoch, "book": self.book, "instance": instance}
            self._store.upsert(connection, s.plugin_state, [key | {"state": state}])

    def _move(self, connection: Connection, chain: Chain, moves: Sequence[Move]) -> None:
        if not moves:
            return
        for each in moves:
            filled = None if each.filled is None else plain(each.filled)
            chain.add("moved", book=self.book, client_id=each.client_id, state=each.state.value,
                      cause=each.cause.value, reason=each.reason or None, venue_id=each.venue_id, filled=filled,
                      at=micros(each.at))  # fmt: skip
        named = [{"of": each.client_id, "venue": each.venue_id} for each in moves if each.venue_id is not None]
        if named:
            connection.execute(_RENAMED, named)
        moved = connection.execute(_MOVE, [self._after(each) for each in moves]).rowcount
        if moved != len(moves):
            unknown = self._unknown(connection, moves)
            raise StoreError(
                f"Book '{self.book}' has no order {unknown}: nothing was changed.", where=self._store.where
            )

    def _after(self, move: Move) -> dict[str, Any]:
        return {
            "of": move.client_id, "within": self.book, "to": move.state.value, "still": move.state not in TERMINAL,
            "why": move.reason, "venue": move.venue_id, "sum": move.filled, "then": move.at,
        }  # fmt: skip

    def _unknown(self, connection: Connection, moves: Sequence[Move]) -> str:
        ids = {each.client_id for each in moves}
        now = s.intent.c
        known = connection.execute(select(now.client_id).where(now.client_id.in_(ids), now.book == self.book)).scalars()
        return ", ".join(sorted(ids - set(known)))

    def _book(self, connection: Connection, chain: Chain, bookings: Sequence[Booking]) -> None:
        if not bookings:
            return
        fills: list[Row] = []
        cash: list[Row] = []
        for each in bookings:
            row = self._fact_row(each, chain.seq + 1)
            kind, rows = ("fill", fills) if isinstance(each.fact, Fill) else ("cash", cash)
            rows.append(row)
            chain.add(
                kind, book=self.book, client_id=each.client_id, digest=fact_digest(row), at=micros(each.fact.time)
            )
        self._store.insert(connection, s.fill, fills)
        self._store.insert(connection, s.cash_event, cash)
        held = {each.holding.symbol: each.holding for each in bookings if each.holding is not None}
        key = {"epoch": self.epoch, "book": self.book}
        self._store.upsert(connection, s.holding, [key | _fields(each) for each in held.values()])
        connection.execute(self._set_cash, {"cash_now": bookings[-1].cash})
        self._book_row = None

    def _fact_row(self, booking: Booking, seq: int) -> Row:
        f = booking.fact
        if isinstance(f, Fill):
            return (seq, self.venue, self.account, f.symbol, f.execution_id, self.book, booking.client_id, f.key,
                    f.venue_id, f.side.value, plain(f.quantity), plain(f.price), plain(f.fee), f.fee_currency,
                    micros(f.time), plain(booking.amount), plain(booking.multiplier), int(booking.apart))  # fmt: skip
        return (seq, self.venue, self.account, f.event_id, self.book, f.kind, plain(f.amount), f.currency, f.symbol,
                micros(f.time), plain(booking.amount))  # fmt: skip

    def _known(self, bookings: Sequence[Booking]) -> str:
        """Which fact is there already (or twice among these)."""
        keys: set[str] = set()
        with self._store.reading() as connection:
            for each in bookings:
                if fact_key(each.fact) in keys or self._stored(connection, each.fact):
                    break
                keys.add(fact_key(each.fact))
            else:
                return "One of the facts"
        fact = each.fact
        return f"Fill {fact.execution_id} of {fact.symbol}" if isinstance(fact, Fill) else f"Cash event {fact.event_id}"

    def _stored(self, connection: Connection, fact: Fill | CashEvent) -> bool:
        if isinstance(fact, Fill):
            table, same = s.fill, {"symbol": fact.symbol, "execution_id": fact.execution_id}
        else:
            table, same = s.cash_event, {"event_id": fact.event_id}
        same |= {"venue": self.venue, "account": self.account}
        return connection.execute(select(table.c.seq).filter_by(**same)).first() is not None

    # ---- the book ---------------------------------------------------------------------------------------------------
    def _open_book(self) -> None:
        with self._store.reading() as connection:
            found = connection.execute(
                select(s.book.c.venue, s.book.c.account).where(*self._stored_book.mine(s.book, "name"))
            ).first()
        if found is None:
            row = {"epoch": self.epoch, "name": self.book, "venue": self.venue, "account": self.account}
            try:
                with self._store.transaction() as connection:
                    connection.execute(insert(s.book).values(**row))
            except IntegrityError as problem:
                raise StoreError(
                    f"Another book trades account {self.account} of {self.venue}, and an account belongs to one book.",
                    where=f"book '{self.book}'",
                    todo="Name another broker for this book.",
                ) from problem
        elif tuple(found) != (self.venue, self.account):
            raise StoreError(
                f"It traded account {found.account} of {found.venue} before; now it is {self.account} of {self.venue}.",
                where=f"book '{self.book}'",
                todo="Give the new account a book of its own, or another state folder (application.state_dir).",
            )


_RENAMED = insert(s.id_map).from_select(  # the name it had, unless that is on record
    ["client_id", "venue_id"],
    select(s.intent.c.client_id, s.intent.c.venue_id).where(
        s.intent.c.client_id == bindparam("of"),
        s.intent.c.venue_id != bindparam("venue"),
        s.intent.c.venue_id.not_in(select(s.id_map.c.venue_id).where(s.id_map.c.client_id == bindparam("of"))),
    ),
)
_MOVE = (
    update(s.intent)
    .where(s.intent.c.client_id == bindparam("of"), s.intent.c.book == bindparam("within"))
    .values(
        state=bindparam("to"),
        open=bindparam("still"),
        reason=bindparam("why"),
        venue_id=func.coalesce(bindparam("venue"), s.intent.c.venue_id),
        filled=func.coalesce(bindparam("sum", type_=s.Exact), s.intent.c.filled),
        at=bindparam("then"),
    )
)


def _intent_rows(seq: int, orders: Sequence[tuple[OrderRequest, str]], sent: int) -> Iterator[Row]:
    """The fixed columns of `schema.intent`; the first `sent` orders are to be submitted, the rest are denied."""
    moment: datetime | None = None
    at = 0
    for line, (o, reason) in enumerate(orders):
        if o.decided_at is not moment:
            moment, at = o.decided_at, micros(o.decided_at)
        yield (seq, line, o.client_id, o.key, o.book, o.symbol, o.side.value, plain(o.quantity), o.type.value,
               o.time_in_force.value, _amount(o.limit_price), _amount(o.stop_price), int(o.reduce_only),
               o.purpose.value, plain(o.price), at, None if line < sent else reason)  # fmt: skip


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _fields(holding: Holding) -> dict[str, Any]:
    return {name: getattr(holding, name) for name in holding.__struct_fields__}


def _nowhere(_name: str) -> None:
    """Nobody dies here."""
