"""The parts of a start: what is refused before anything is opened, the database, alerts, brokers, the epoch."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from trader.alerts import Alerts
from trader.env import let_go
from trader.errors import BadAnswer, Refused, SettingsError, StoreError, Unreachable
from trader.model import Failed, Severity
from trader.orders.lifecycle import UNRESOLVED
from trader.plugins import certificate, describe_fault, select
from trader.session import asking, by_hand
from trader.session.assemble import Assembled, Kit, Patience, answered, assemble
from trader.session.connect import reach
from trader.session.gone import Gone, remembered
from trader.store import blocks, commands, database_of
from trader.store.blocks import EVERYTHING
from trader.store.chain import verify_chain
from trader.store.database import open_store
from trader.store.mark import regressed
from trader.store.reading import books as stored_books
from trader.store.reading import holdings
from trader.store.reading import orders as stored_orders
from trader.store.runs import current_epoch, died_in_a_row
from trader.store.runs import open_epoch as begin_epoch

if TYPE_CHECKING:
    from trader.plugins import Catalogue
    from trader.session.books import Book
    from trader.session.session import Session
    from trader.settings import Settings
    from trader.store.database import Store

SAFER = ("kill", "pause")
CRASH_LOOP = 5
"""So many starts in a row that died before completing a cycle, and the next one starts halted."""


def refuse_unlike(settings: Settings, kit: Kit, fresh: bool) -> None:
    """Before anything is opened: clocks that cannot run together, and --fresh where it would lose the truth."""
    clocks: dict[str, bool] = {}
    tree, where = settings.raw.tree, settings.path.name
    for name in settings.book_names:
        source = settings.table("data_sources", select(tree, "data_source", kit.catalogue, book=name, where=where))
        clocks[name] = bool(kit.plugin("data_source", source).capabilities.get("recorded", False))
        broker = settings.table("brokers", select(tree, "broker", kit.catalogue, book=name, where=where))
        needs_bars = kit.plugin("broker", broker).capabilities.get("needs_bars", False)
        if fresh and not (clocks[name] and needs_bars):
            raise Refused(
                f"--fresh begins again from nothing; the account of book '{name}' does not.",
                todo="It is for recorded data on a broker that trades on our bars (paper).",
            )
    if len(set(clocks.values())) > 1:
        kinds = ", ".join(f"{name}: {'recorded' if known else 'live'}" for name, known in clocks.items())
        raise SettingsError(
            f"Recorded and live data cannot share a session, each has its own clock ({kinds}).",
            where=where,
            todo="Run them as two sessions, each with a settings file and a state folder of its own.",
        )


def refuse_uncertified(settings: Settings, installed: Catalogue) -> None:
    """Real money goes through no broker that did not pass its suite as it is installed now, unless its name stands in
    trading.accept_uncertified. Refused with all of them and what is wrong with each."""
    tree, folder, wrong = settings.raw.tree, settings.path.parent, dict[str, str]()
    for book in settings.book_names:
        chosen = select(tree, "broker", installed, book=book, where=settings.path.name)
        plugin = installed.get("broker", settings.table("brokers", chosen).plugin)
        problem = certificate.problem(plugin, certificate.read(folder, "broker", plugin.name))
        if problem is not None and plugin.name not in settings.trading.accept_uncertified:
            wrong[plugin.name] = problem
    if wrong:
        raise Refused(
            f"Not certified: {'; '.join(f'{name}: {problem}' for name, problem in wrong.items())}.",
            where=settings.raw.origin(("trading", "mode")),
            todo=f"Certify it: {', '.join(f'trader plugins certify broker.{name}' for name in wrong)}. Or take it on"
            f" yourself: accept_uncertified = {list(wrong)} in [trading].",
        )


def open_database(session: Session, fresh: bool) -> tuple[Store, Any]:
    """The store and the right to be its one session. StoreError, or Refused with the name of the other session."""
    settings, application = session.settings, session.settings.application
    target = database_of(application.database, settings.root, settings.state_dir)
    store = open_store(target, clock=session.world.clock)
    session.closing.append(store.close)
    lock = store.lock(session=session.id, ttl=application.lease_seconds)
    session.closing.append(lock.release)
    if not fresh:
        return store, lock
    session.closing.remove(store.close)
    folder = store.archive("fresh")
    plugins, mark = settings.state_dir / "plugins", settings.state_dir / "journal.mark"
    for path in (plugins, mark):
        if path.exists():
            shutil.move(path, folder / path.name)
    session.log.info("archived", folder=folder.name)
    store = open_store(target, clock=session.world.clock)
    session.closing.append(store.close)
    return store, lock


def open_alerts(session: Session, kit: Kit) -> Alerts:
    """Every enabled transport, checked."""
    session.closing.append(lambda: close_plugins(session, kit))  # after the last alert has left
    tables = [table for table in session.settings.tables("alert_transports").values() if table.enabled]
    made = [kit.shared("alert_transport", table.name) for table in tables]
    for one in made:
        failed = answered(kit.lane("alert_transport", one), one, "check()", one.object.check)
        if isinstance(failed, Failed):
            raise SettingsError(f"It cannot deliver: {failed.reason}", where=one.label)
        if failed is not None:
            raise BadAnswer(f"check() answered {failed!r:.100}; expected None or Failed.", where=one.label)
    alerts = Alerts(
        [(one.instance, one.object) for one in made],
        now=session.world.clock.now,
        fault=session.announcer.alert_fault,
        raised=session.announcer.alert_raised,
    )
    session.closing.append(alerts.close)
    return alerts


def look_back(session: Session, cold: bool, acknowledge_kill: str) -> None:
    """What earlier runs left: a latched kill switch, a journal that lost its end, starts that died in a row."""
    kill, store = session.kill, session.store
    kill.look()
    if cold and kill.trip_ is not None:
        if not acknowledge_kill:
            raise Refused(
                f"The kill switch is on: {kill.trip_.reason}.",
                where=str(session.settings.state_dir),
                todo='A cold start lifts it only with a reason: --acknowledge-kill "..." (or: trader rearm --reason).',
            )
        kill.rearm(f"cold start: {acknowledge_kill}", "trader run")
    lost = regressed(store, session.settings.state_dir / "journal.mark")
    if lost is not None:
        halt(session, f"the journal is not what it was: {lost}")
    died = died_in_a_row(store)
    if died >= CRASH_LOOP:
        halt(session, f"{died} starts in a row died before completing a cycle")


def halt(session: Session, reason: str) -> None:
    """Trip the kill switch. One that is on already tells its first reason only: this one must not be lost with it."""
    if session.kill.halted is not None:
        session.log.error("kill_switch", state="halted already", reason=reason, by="trader")
        session.alerts.raise_(Severity.CRITICAL, "kill_switch", f"Everything is halted already; also: {reason}")
    session.kill.trip(reason, "trader")


def refuse_old_commands(session: Session) -> None:
    """What was asked of a session that is gone is not obeyed by the next: an old rearm must not undo a newer kill.
    What only makes things safer is, but for a kill that a person lifted since."""
    lifted = blocks.last_lifted(session.store, EVERYTHING)
    for command in commands.waiting(session.store):
        text = "" if command.kind in SAFER else "the session that was asked has ended: ask again"
        if command.kind == "kill" and lifted is not None:
            since = lifted.lifted_at is not None and lifted.lifted_at > command.requested_at
            text = f"it was lifted since: {lifted.lifted_why} ({lifted.lifted_by})" if since else ""
        if text:
            commands.answer(session.store, command.id, text, refused=True)


def assemble_all(session: Session, kit: Kit, *, clean: bool = False) -> list[Assembled]:
    """Every book that can be reached. A broker that stays silent stops its own book; Unreachable if it was the only.
    `clean`: each begins with nothing, whatever the journal says that it holds."""
    parts: list[Assembled] = []
    silent: Unreachable | None = None
    for name in session.settings.book_names:
        try:
            parts.append(_assembled(session, kit, name, clean))
        except Unreachable as error:
            silent = error
            leave_out(session, name, error)
    if not parts and silent is not None:
        raise silent
    accounts: dict[tuple[str, str], str] = {}
    for part in parts:
        key = (part.broker.plugin.name, part.account.account_id)
        if key in accounts:
            raise SettingsError(
                f"Books '{accounts[key]}' and '{part.name}' trade one account, {part.account.account_id}.",
                where=session.settings.path.name,
                todo="An account belongs to one book: give each a broker table with its own account.",
            )
        accounts[key] = part.name
    return parts


def leave_out(session: Session, name: str, error: Unreachable) -> None:
    """Tell that a book does not trade in this session."""
    session.log.error("book_left_out", book=name, text=str(error))
    session.alerts.raise_(Severity.CRITICAL, "book_left_out", f"Book '{name}' does not trade: {error}")


def removed(session: Session) -> dict[str, str]:
    """Books of the present epoch that the settings do not name, and what they hold or have open: nobody looks after it
    in this session."""
    store, found = session.store, dict[str, str]()
    for row in stored_books(store):
        name = str(row["name"])
        if name in session.settings.book_names:
            continue
        held = [f"{one['quantity']:f} {one['symbol']}" for one in holdings(store, name) if one["quantity"]]
        opened = [f"order {one['client_id']} {one['symbol']}" for one in stored_orders(store, name, *UNRESOLVED)]
        if held or opened:
            found[name] = f"account {row['account']} of {row['venue']}: {', '.join(held + opened)}"
    return found


def tell_what_nobody_watches(session: Session, books: Mapping[str, str]) -> None:
    """What books that the settings do not name any more left behind, as `removed` says."""
    for name, left in books.items():
        text = f"It is not in the settings any more, and nobody watches what it left on {left}."
        session.log.error("book_left_out", book=name, text=text)
        text = f"Book '{name}': {text} Put it back, or end it there."
        session.alerts.raise_(Severity.CRITICAL, "book_left_out", text)


def _assembled(session: Session, kit: Kit, name: str, clean: bool) -> Assembled:
    gone = Gone([] if clean else _held(session.store, name), partial(remembered, session.store, name))
    return assemble(kit, name, gone, patient=_patience(session, name))


def _patience(session: Session, name: str) -> Patience:
    connect = session.settings.application.connect

    def told(number: int, why: str) -> None:
        session.log.warning("connecting", book=name, attempt=number, of=connect.tries, reason=why)

    return lambda ask: reach(connect, session.world, ask, told)


def _held(store: Store, book: str) -> list[str]:
    """Symbols that a book holds or has orders in: they need bars, whether the settings cover them or not."""
    if current_epoch(store) is None:
        return []
    held = [str(row["symbol"]) for row in holdings(store, book) if row["quantity"]]
    return list(dict.fromkeys([*held, *(str(row["symbol"]) for row in stored_orders(store, book, *UNRESOLVED))]))


def close_plugins(session: Session, kit: Kit) -> None:
    """Let go of every plugin, the newest first; one that fails or hangs does not keep the others, nor the lock."""
    for made in reversed(kit.provided):
        error = let_go(made.object)
        if error is not None:
            session.log.error("plugin_fault", text=describe_fault(made, "close()", error))
    for lane in kit.lanes.values():
        lane.close()
    session.world.close()


def halt_what_is_gone(books: Iterable[Book]) -> None:
    """No order in what is held and not listed any more, until a person has looked at it."""
    for book in books:
        held = {symbol for symbol, holding in book.engine.ledger.holdings.items() if holding.quantity}
        held |= {order.request.symbol for order in book.engine.blotter.open()}
        for symbol, text in book.parts.gone:
            if symbol in held:
                book.engine.halt_symbol(symbol, text)


def refuse_unclean(session: Session, parts: list[Assembled], adopt: bool, cancel_open: bool) -> None:
    """Before a cold start closes the present epoch, which nobody opens again: what it would be refused for. It closes
    the journal of every book: one that cannot be asked would lose what it has."""
    silent = [name for name in session.settings.book_names if name not in [part.name for part in parts]]
    if silent and current_epoch(session.store) is not None:
        raise Unreachable(
            f"A cold start begins the journal of every book anew, and nobody can ask for {', '.join(silent)}.",
            todo="Wait until its broker answers, or start warm: that goes on without it.",
        )
    for part in parts:
        broker, patient = part.broker.object, _patience(session, part.name)

        def shown(what: str, question: Callable[[], Any], fits: Callable[[Any], bool], part: Assembled = part) -> Any:
            answer = answered(part.lane, part.broker, what, question)
            if not fits(answer):
                raise Unreachable(f"{what}: it answered {answer!r:.100}.", where=part.broker.label)
            return answer

        positions = patient(partial(shown, "positions()", broker.positions, asking.are_positions))
        orders = patient(partial(shown, "orders()", broker.orders, asking.are_reports))
        if not adopt:
            held = [one for one in positions if one.quantity]
            by_hand.refuse_unclean(part.name, part.account, held, [] if cancel_open else orders)


def open_epoch(session: Session, cold: bool, fresh: bool) -> str:
    """Go on in the present epoch, or open the next one: "warm" or "cold"."""
    store = session.store
    present = current_epoch(store)
    if present is not None and not cold:
        return "warm"
    if present is not None and session.recorded:
        raise Refused(
            "A cold start keeps the account as it is, and recorded bars were played on it already.",
            todo="Begin again from the first bar: trader run --fresh",
        )
    number = present.number + 1 if present else 1
    seed = f"{session.settings.application.seed}|{number}".encode()
    drawn = hashlib.blake2b(seed, digest_size=16).digest() if session.recorded else session.world.entropy(16)
    begin_epoch(store, drawn, "cold" if present else "fresh" if fresh else "first")
    return "cold"


def verify_aside(session: Session) -> None:
    """Check the chain behind this start while the session runs; a break halts."""
    done: list[bool] = []
    session.closing.append(lambda: done.append(True))

    def work() -> None:
        with suppress(StoreError):  # the store's own troubles are told where they matter
            broken = verify_chain(session.store, stop=lambda _seq, _hash: bool(done))
            if broken is not None:
                halt(session, f"the journal was changed: {broken}")

    if session.world.aside is not None:
        session.world.aside(work)
        return
    import threading

    threading.Thread(target=work, name="journal", daemon=True).start()
