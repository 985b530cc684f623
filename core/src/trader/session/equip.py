"""An assembled book made ready for work: its journal, its brakes, the gate and the engine."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from trader.orders.gate import Gate
from trader.orders.store_journal import StoreJournal
from trader.safety.halts import Alone, Halts, Unseen
from trader.session.books import Book
from trader.session.engine import Engine
from trader.session.policy import VenuePolicy

if TYPE_CHECKING:
    from trader.session.assemble import Assembled
    from trader.session.session import Session


def equip(session: Session, part: Assembled) -> Book:
    """The book, where its journal says that it stands. Errors: StoreError."""
    world, announcer = session.world, session.announcer
    journal = StoreJournal(
        session.store, book=part.name, venue=part.broker.plugin.name, account=part.account.account_id,
        session=session.id, clock=world.clock, point=world.point,
    )  # fmt: skip
    brakes, unseen = Halts(part.name, add=session.add_block), Unseen()
    gate = Gate(
        part.broker.object,
        checks=(session.kill, brakes, unseen, Alone(session.lock.left)),
        fault=lambda method, error: announcer.call_fault(part.broker, f"{method}()", error),
        dry_run=session.settings.trading.dry_run,
        point=world.point,
    )

    def moment(cycle_id: str) -> None:
        world.moment = cycle_id

    engine = Engine(
        part.name, desk=part.desk, market=part.market, broker=part.broker.object, account=part.account,
        journal=journal, gate=gate, lane=part.lane, state=session.load(journal), recorded=part.recorded,
        policy=_policy(part), stateful=part.stateful, moment=moment, clock=world.clock,
        point=world.point, brakes=brakes, panic=session.panic,
    )  # fmt: skip
    brakes.increases = unseen.increases = engine.increases
    unseen.is_news = lambda fact: engine.reconciler.strangers.surprising(fact)  # noqa: PLW0108 - a store that fails makes another
    return Book(
        part, engine, brakes, unseen, observers=lambda: announcer.observers, alerts=session.alerts, log=session.log
    )


def _policy(part: Assembled) -> VenuePolicy:
    """What the manifest says of the venue, and the settings of the book."""
    capabilities, chosen = part.broker.plugin.capabilities, part.settings.reconcile
    horizon = float(capabilities.get("horizon_seconds", 600.0))
    return VenuePolicy(
        horizon_seconds=horizon,
        late_arrival_bounded=bool(capabilities.get("late_arrival_bounded", horizon == 0)),
        watch_seconds=float(capabilities.get("watch_seconds", 86_400.0)),
        id_policy=str(capabilities.get("id_policy", "forever")),
        external=chosen.external,
        cash_tolerance=Decimal(str(chosen.cash_tolerance)),
    )
