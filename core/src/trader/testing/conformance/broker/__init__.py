"""Brokers: what every venue must do, whatever it is. One account, clean at the start of each case.

The suite is in parts, by what they ask: the account, orders, fills, a restart; and over the wire of an emulated venue
what becomes of a request (outcomes), of a question (queries), of a stream, of limits, keys and clocks.
"""

from __future__ import annotations

from trader.testing.conformance.broker.account import AccountCases
from trader.testing.conformance.broker.cancels import CancelCases
from trader.testing.conformance.broker.fills import FillCases
from trader.testing.conformance.broker.guards import GuardCases
from trader.testing.conformance.broker.kinds import KindCases
from trader.testing.conformance.broker.orders import OrderCases
from trader.testing.conformance.broker.outcomes import OutcomeCases
from trader.testing.conformance.broker.queries import QueryCases
from trader.testing.conformance.broker.restart import RestartCases
from trader.testing.conformance.broker.streams import StreamCases

__all__ = ["BrokerConformance"]


class BrokerConformance(
    AccountCases,
    OrderCases,
    KindCases,
    FillCases,
    CancelCases,
    RestartCases,
    OutcomeCases,
    QueryCases,
    StreamCases,
    GuardCases,
):
    """BC-01 and on, on one symbol that trades at `price`. A broker with a venue far away names an emulator of it, here
    or in its manifest; one that lives in this process says `embedded = true` there. A case is asked of every broker,
    but for what its manifest says that it cannot do."""
