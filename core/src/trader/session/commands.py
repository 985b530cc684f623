"""What other processes ask of a running session, by the command table: answered here, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from trader.cycle.decision import plain
from trader.errors import Refused, StoreError, TraderError, UsageError, words
from trader.model import OrderState
from trader.safety.sweep import TRYING
from trader.session import by_hand, opening
from trader.session.report import Report
from trader.store import blocks, commands
from trader.store.blocks import Block
from trader.store.commands import Command

if TYPE_CHECKING:
    from trader.session.books import Book
    from trader.session.session import Session

Work = Callable[["Book", Report, int, datetime], Awaitable[Any]]
ONCE = ("close", "reconcile", "rearm", "release")
"""They order, book, or lift what may stand again for another reason: not done a second time."""


class Obedience:
    """Hears and answers. Each command runs in a task of its own: one that waits for a venue holds up no other."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._at_work: dict[int, asyncio.Task[None]] = {}
        self._begun: set[int] = set()
        """Commands during which the database failed: of those in ONCE."""

    async def hear(self) -> None:
        """Begin what was asked since the last time; on recorded data it is done when this returns."""
        session = self._session
        for command in commands.waiting(session.store):
            if command.id in self._at_work:
                continue
            if command.kind == "kill":  # at once, and in its turn: a rearm that was asked before must not undo it
                self._trip(command)
            if command.kind == "rearm" and not command.args.get("scope"):
                await self._answer(command)
            else:
                self._at_work[command.id] = asyncio.ensure_future(self._answer(command))
        if not session.runners and self._at_work:
            await asyncio.gather(*self._at_work.values())
        self._at_work = {number: task for number, task in self._at_work.items() if not task.done()}

    async def _answer(self, command: Command) -> None:
        answers = {
            "stop": self._stop, "release": self._release, "pause": self._pause, "kill": self._kill,
            "rearm": self._rearm, "cancel": self._cancel, "close": self._close, "reconcile": self._reconcile,
        }  # fmt: skip
        try:
            if command.kind not in answers:
                raise UsageError(f"unknown command {command.kind!r}")
            if command.id in self._begun:
                raise Refused("the database failed while it was done", todo="See what came of it, then ask again.")
            text = await answers[command.kind](command)
            refused = False
        except StoreError:  # heard again when the store is back
            if command.kind in ONCE:
                self._begun.add(command.id)
            return
        except TraderError as error:
            text, refused = " ".join(part for part in (error.what, error.todo) if part), True
        except Exception as error:  # noqa: BLE001 - a wish that cannot be obeyed must not be asked for again and again
            text, refused = f"it failed: {words(error)}", True
        self._session.log.info("command", kind=command.kind, by=command.requested_by, answer=text, refused=refused)
        try:
            commands.answer(self._session.store, command.id, text, refused=refused)
        except StoreError:
            self._session.log.error("command_unanswered", kind=command.kind)

    # ---- the whole session -----------------------------------------------------------------------------------------
    async def _stop(self, _command: Command) -> str:
        self._session.stop("trader stop")
        return "stopping after the present step"

    def _trip(self, command: Command) -> None:
        self._session.kill.trip(str(command.args.get("reason") or "by hand"), command.requested_by)

    async def _kill(self, _command: Command) -> str:
        session = self._session
        left = await session.sweep()
        if session.kill.halted is None:
            raise Refused("it was lifted again by a person before it was confirmed that no order works")
        if left:
            return f"halted; {left}; {TRYING}"
        absent, removed = self._absent(), list(opening.removed(session))
        if not absent and not removed:
            return "halted; no order works at any venue"
        left_out = f"; left out at the start, and not asked: {', '.join(absent)}" if absent else ""
        gone = f"; not in the settings any more, and not asked: {', '.join(removed)}" if removed else ""
        where = f"of {', '.join(book.name for book in session.books)}"
        return f"halted; no order works at the venue {where}{left_out}{gone}"

    async def _rearm(self, command: Command) -> str:
        session, scope = self._session, str(command.args.get("scope") or "")
        why, by = str(command.args["reason"]), command.requested_by
        if not scope:
            was = session.kill.rearm(why, by)
            session.told("everything", "armed", f"{why} ({by})")
            return "the kill switch is lifted" if was else "the kill switch was not tripped"
        names = _scopes(session, scope)
        for book in session.books:  # behind what was asked of the book before
            if book.name in [name.partition("/")[0] for name in names]:
                await self._within(command, book, _nothing)
        lifted = []
        for name in names:
            for level in ("halt", "reduce"):
                lifted += blocks.lift(session.store, name, by=by, reason=why, level=level)
        session.look_at_blocks()
        for name in names:
            named, _, symbol = name.partition("/")
            for book in session.books:
                if book.name == named:
                    book.engine.forgive(symbol)
        if not lifted:
            return f"nothing stands on {scope}"
        session.told(scope, "armed", f"{why} ({by})")
        return "lifted: " + "; ".join(f"{each.scope} ({each.level}: {each.reason})" for each in lifted)

    async def _pause(self, command: Command) -> str:
        scope = self._scope(str(command.args["scope"]))
        blocks.block(self._session.store, scope, "pause", f"by {command.requested_by}")
        self._session.look_at_blocks()
        self._session.told(scope, "paused", f"by {command.requested_by}")
        wanted = command.args["scope"]
        return f"{scope} is paused: after the step that is under way it decides nothing until: trader release {wanted}"

    async def _release(self, command: Command) -> str:
        session, wanted = self._session, str(command.args.get("scope") or "")
        if not wanted:
            was = session.held
            session.hold(False)
            if was:
                session.told("session", "released", f"released by {command.requested_by}")
            return "released" if was else "nothing was held"
        scope = self._scope(wanted)
        lifted = blocks.lift(session.store, scope, by=command.requested_by, reason="released", level="pause")
        session.look_at_blocks()
        if lifted:
            session.told(scope, "released", f"released by {command.requested_by}")
        return f"{scope} is released" if lifted else f"{scope} was not paused"

    def _scope(self, name: str) -> str:
        """A book's name, also of one that was left out at the start, or BOOK:STRATEGY for the name of a strategy in a
        pipeline."""
        if name in self._session.settings.book_names:
            return name
        found = [
            f"{book.name}:{name.rpartition(':')[2]}"
            for book in self._session.books
            if name.rpartition(":")[2] in [stage.name for stage in book.engine.desk.stages]
            and name.rpartition(":")[0] in ("", book.name)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"Several books have a strategy '{name}'.", todo=f"Say which: {' or '.join(found)}.")
        names = self._session.settings.book_names
        strategies = [stage.name for book in self._session.books for stage in book.engine.desk.stages]
        raise UsageError(
            f"There is no book and no strategy '{name}'.",
            todo=f"Books: {', '.join(names)}. Strategies: {', '.join(dict.fromkeys(strategies))}.",
        )

    # ---- one book --------------------------------------------------------------------------------------------------
    async def _cancel(self, command: Command) -> str:
        wanted = str(command.args["order"])

        async def work(book: Book, report: Report, _row: int, at: datetime) -> str | None:
            return await by_hand.cancel(book.engine, wanted, report, at)

        having = [book for book in self._session.books if by_hand.known(book.engine, wanted)]
        if len(having) > 1:
            raise Refused(
                f"Several books have an open order {wanted}: {', '.join(book.name for book in having)}.",
                todo="Write more of the id; an order that is not ours is cancelled at its venue's own page.",
            )
        # The book that has it first: one that hangs must not hold up another's cancel.
        for book in sorted(self._session.books, key=lambda book: book not in having):
            text: str | None = await self._within(command, book, work)
            if text is not None:
                return text
        raise Refused(f"No book has an open order {wanted}{self._besides()}.", todo="See: trader orders")

    async def _close(self, command: Command) -> str:
        symbol, named = str(command.args["symbol"]), command.args.get("book")

        async def work(book: Book, report: Report, row: int, at: datetime) -> str:
            return await by_hand.close(book.engine, symbol, report, row, at)

        holding = [
            book
            for book in self._books(named)
            if (held := book.engine.ledger.holdings.get(symbol)) is not None and held.quantity
        ]
        if not holding:
            raise Refused(f"No book holds {symbol}{self._besides()}.", todo="See: trader positions")
        if len(holding) > 1:
            raise UsageError(f"Several books hold {symbol}.", todo="Say which: --book NAME")
        text: str = await self._within(command, holding[0], work)
        return text

    async def _reconcile(self, command: Command) -> str:
        adopt, books = command.args.get("adopt"), self._books(command.args.get("book"))
        adopted = []

        async def work(book: Book, report: Report, row: int, at: datetime) -> dict[str, Any]:
            opened = book.engine.blotter.open()
            before = {order.request.client_id: (order.request.symbol, order.state) for order in opened}
            whole = await book.engine.reconcile(report, row, at)
            if adopt and not whole:  # what differed an earlier time may be booked by now
                raise Refused(
                    f"The broker of book '{book.name}' did not answer everything: {report.unreached[-1]}.",
                    todo="Nothing was adopted in it. Try again.",
                )
            if adopt and (len(books) == 1 or by_hand.differs(book.engine, str(adopt))):
                adopted.append(await by_hand.take_the_venues_word(book.engine, str(adopt), report, row, at))
            standing = blocks.standing(self._session.store)
            return found(book, report, before, standing)

        answer = {book.name: await self._within(command, book, work) for book in books}
        if command.args.get("book") is None:
            answer |= dict.fromkeys(self._absent(), _NOT_ASKED)
        if adopt and not adopted:
            raise Refused(f"Nothing differs for {adopt} in any book.", todo="See: trader reconcile")
        self._session.look_at_blocks()
        return msgspec.json.encode(answer).decode()

    def _books(self, name: object) -> list[Book]:
        books = [book for book in self._session.books if name is None or book.name == name]
        if not books and name in self._absent():
            raise Refused(f"Book '{name}' was left out at the start.", todo="Mend the cause, then start again.")
        if not books:
            raise UsageError(f"There is no book '{name}'.")
        return books

    def _absent(self) -> list[str]:
        """Books of the settings that were left out at the start."""
        here = [book.name for book in self._session.books]
        return [name for name in self._session.settings.book_names if name not in here]

    def _besides(self) -> str:
        """What an answer for all books must say of those that nobody could ask."""
        absent = self._absent()
        return f" (left out at the start, and not asked: {', '.join(absent)})" if absent else ""

    async def _within(self, command: Command, book: Book, work: Work) -> Any:
        """Done in the book's own time, between two of its steps; not if whoever asked has withdrawn it until then."""
        session = self._session
        runner = next((each for each in session.runners if each.book is book), None)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def do(_runner: Any) -> None:
            report = Report()
            row, at = book.place()
            try:
                if commands.look(session.store, command.id).state != "waiting":
                    raise Refused("it was withdrawn before its turn came")
                answer = await work(book, report, row, at)
            except TraderError as error:
                book.tell(report)
                done.set_exception(error)
                if isinstance(error, StoreError):
                    raise
            except Exception as error:
                done.set_exception(error)
                if isinstance(error, AssertionError):
                    raise
            else:
                book.tell(report)
                done.set_result(answer)

        if runner is None or runner.over:
            await do(None)
        else:
            runner.ask(do)
        return await done


_NOT_ASKED: dict[str, Any] = {
    "fills": 0, "orders": [], "differences": [], "unresolved": [], "blocked": [],
    "unavailable": ["it was left out at the start"],
}  # fmt: skip


async def _nothing(_book: Book, _report: Report, _row: int, _at: datetime) -> None:
    """Only its turn is waited for."""


def found(
    book: Book, report: Report, before: Mapping[str, tuple[str, OrderState]], standing: Sequence[Block]
) -> dict[str, Any]:
    """What a reconciliation came to, for people and programs."""
    engine = book.engine
    moved = {move.client_id: move for move in report.moves}
    return {
        "fills": len(report.fills),
        "orders": [
            {"client_id": name, "symbol": before[name][0] if name in before else "",
             "was": str(before[name][1]) if name in before else "",
             "is": str(move.state), "reason": move.reason}
            for name, move in moved.items()
        ],
        "differences": [
            {
                "what": "cash" if one.symbol == "cash" else "position",
                "symbol": one.symbol,
                "expected": plain(one.expected),
                "found": plain(one.found),
                "since": one.since.isoformat(),
            }
            for one in engine.reconciler.differences
        ] + [
            {"what": "order", "symbol": one.symbol, "expected": "none", "found": f"{one.side} {plain(one.quantity)}",
             "since": one.time.isoformat()}
            for one in engine.reconciler.foreign
        ] + [
            {"what": "fills", "symbol": one.order.request.symbol, "expected": one.expected,
             "found": plain(one.order.filled), "since": one.since.isoformat()}
            for one in engine.reconciler.awaited.overdue()
        ],
        "unresolved": [order.request.client_id for order in engine.blotter.open() if order.state in by_hand.NOT_CLEAR],
        "blocked": [
            {"scope": each.scope, "level": each.level, "reason": each.reason, "since": each.since.isoformat()}
            for each in standing
            if each.scope.partition("/")[0].partition(":")[0] == book.name
        ],
        "unavailable": list(report.unreached),
    }  # fmt: skip


def _scopes(session: Session, scope: str) -> list[str]:
    """What `rearm` may mean by a word: a book, a symbol of any book, or both at once written out. Also of a book that
    was left out at the start, or is not in the settings any more: what stands on it is lifted all the same. A symbol
    is that of the books where it is halted: the others need not be waited for."""
    if scope.partition("/")[0] in session.settings.book_names:
        return [scope]
    standing = dict.fromkeys(each.scope for each in blocks.standing(session.store) if each.scope != blocks.EVERYTHING)
    return [name for name in standing if scope in (name, name.partition("/")[2])]
