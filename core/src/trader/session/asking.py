"""Questions to a broker: an answer of the right shape, or Unavailable for whatever went wrong on the way.

"Failed to ask" never looks like "nothing there", and neither does nonsense.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from trader.errors import ESCAPES, words
from trader.model import Account, CashEvent, Fill, NotFound, OrderReport, Position, Unavailable
from trader.session.lanes import Lane, Priority


async def ask(
    lane: Lane, priority: Priority, question: Callable[..., Any], *args: Any, fits: Callable[[Any], bool] | None = None
) -> Any:
    """The answer; Unavailable where there was none in time, where the plugin raised, or where it talks nonsense."""
    try:
        answer = await lane.call(priority, question, *args)
    except TimeoutError:
        return Unavailable("timeout", "no answer in time")
    except ESCAPES as exc:  # a plugin's query that raises is a question that was not answered
        return Unavailable("plugin", words(exc))
    if isinstance(answer, Unavailable) or fits is None or fits(answer):
        return answer
    return Unavailable("nonsense", f"the broker answered {answer!r:.100}")


def _finite(*values: Any) -> bool:
    return all(type(value) is Decimal and value.is_finite() for value in values)


def is_account(answer: Any) -> bool:
    """An Account with numbers in it."""
    return isinstance(answer, Account) and _finite(answer.cash, answer.equity, answer.settled_cash)


def is_report(answer: Any) -> bool:
    """NotFound, or an OrderReport with numbers in it."""
    return isinstance(answer, NotFound) or _report(answer)


def _report(one: Any) -> bool:
    return isinstance(one, OrderReport) and _finite(one.quantity, one.filled) and one.filled >= 0 and bool(one.symbol)


def _fill(one: Any) -> bool:
    """With an id, which tells it from every other; a quantity of 0 takes an execution back."""
    good = isinstance(one, Fill) and _finite(one.quantity, one.price, one.fee) and one.quantity >= 0
    return good and bool(one.execution_id)


def _all(answer: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(answer, Sequence) and not isinstance(answer, str | bytes) and all(fits(one) for one in answer)


def are_reports(answer: Any) -> bool:
    """OrderReports, and nothing else."""
    return _all(answer, _report)


def are_fills(answer: Any) -> bool:
    """Fills, and nothing else."""
    return _all(answer, _fill)


def are_positions(answer: Any) -> bool:
    """Positions, and nothing else."""
    return _all(answer, lambda one: isinstance(one, Position) and _finite(one.quantity))


def are_events(answer: Any) -> bool:
    """CashEvents, and nothing else."""
    return _all(answer, lambda one: isinstance(one, CashEvent) and _finite(one.amount))


def fits_a_stream(event: Any) -> bool:
    """A Fill or an OrderReport with numbers in it."""
    return _fill(event) or _report(event)
