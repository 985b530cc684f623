"""Every place where a plugin joins in. Start reading here.

A plugin is a module named by an entry point (`[project.entry-points."trader.strategies"] my_name = "my_module"`). It
has a pydantic `Settings` (what may stand in its settings table) and one `@hookimpl` function `provide_<kind>` that
returns an object with the methods of that kind's protocol in `trader.protocols`. That object may also have any of the
observers (`on_...`) below; they watch, they cannot change an order.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from trader.model import Account, Alert, Fill, OrderRequest, OrderState, Position, Refusal
    from trader.protocols import (
        AlertTransport,
        Allocator,
        Broker,
        DataSource,
        Env,
        ExecutionStyle,
        PortfolioRule,
        RiskRule,
        Strategy,
    )

hookspec = pluggy.HookspecMarker("trader")
hookimpl = pluggy.HookimplMarker("trader")


# ---- one of these is what a plugin is; called once at start, does no network, raising stops the start --------------
@hookspec
def provide_broker(settings: Any, env: Env) -> Broker:
    """Make the connection to one account at one venue."""


@hookspec
def provide_data_source(settings: Any, env: Env) -> DataSource:
    """Make a source of bars, and of quotes and trades if it has them."""


@hookspec
def provide_strategy(settings: Any, env: Env) -> Strategy:
    """Make a strategy: it scores symbols."""


@hookspec
def provide_allocator(settings: Any, env: Env) -> Allocator:
    """Make an allocator: it turns scores into target weights."""


@hookspec
def provide_execution_style(settings: Any, env: Env) -> ExecutionStyle:
    """Make an execution style: it turns planned trades into kinds of orders."""


@hookspec
def provide_risk_rule(settings: Any, env: Env) -> RiskRule | PortfolioRule:
    """Make a rule that refuses orders, or shrinks targets, or both."""


@hookspec
def provide_alert_transport(settings: Any, env: Env) -> AlertTransport:
    """Make a way for alerts to reach a person."""


# ---- observers: any provided object may have them; one that raises is logged and counted, the rest still run -------
@hookspec
def on_session_start(session: str, mode: str, at: datetime) -> None:
    """When every plugin is open and before the first cycle."""


@hookspec
def on_connection(name: str, connected: bool, reason: str) -> None:
    """When a broker or a data source was reached, or lost."""


@hookspec
def on_heartbeat(at: datetime, account: Account) -> None:
    """When the session has proved that it and its broker are alive."""


@hookspec
def on_cycle(decision: Any) -> None:
    """After a cycle was decided and stored; `decision` is a `trader.cycle.decision.Decision`."""


@hookspec
def on_order(order: OrderRequest, state: OrderState, reason: str) -> None:
    """After an order moved to a state, and the move was stored."""


@hookspec
def on_fill(fill: Fill) -> None:
    """After a fill was booked; at least once, with the same execution id."""


@hookspec
def on_position(position: Position) -> None:
    """After a position changed; flat is quantity 0."""


@hookspec
def on_refusal(order: OrderRequest, refusal: Refusal) -> None:
    """After a risk rule or the gate refused an order."""


@hookspec
def on_state_change(scope: str, state: str, reason: str) -> None:
    """After trading was held, released, paused or halted, for a book, a strategy, a symbol or everything."""


@hookspec
def on_alert(alert: Alert) -> None:
    """When an alert was raised, before any transport has it."""


@hookspec
def on_session_stop(session: str, reason: str) -> None:
    """When the last cycle is over and before plugins are closed."""
