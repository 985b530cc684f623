"""An order's price must lie within `limit` of the market: 0.05 is 5 %.

    |price - mark| <= limit * mark        always, with the last mark
    |price - touch| <= limit * touch      where the source has a quote: the ask for a buy, the bid for a sell

An order's price is the limit price, for a market order the mark. So the second line also stops a market order where the
mark is far from what one can trade at now: a stale or a wrong price.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from trader.hookspecs import hookimpl
from trader.model import Array, Refusal
from trader.protocols import Book, Env, Plan


class Settings(BaseModel):
    """What may stand in [risk_rules.price_collar]."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    limit: float = Field(gt=0, lt=1, description="Largest distance from the market, a fraction: 0.05 is 5 %.")


class PriceCollar:
    """Refuses a price that is off: a slipped digit, a wrong tick, a bad bar."""

    guards: Literal["increasing", "all"] = "increasing"

    def __init__(self, settings: Settings) -> None:
        self.most = settings.limit

    def check(self, plan: Plan, book: Book) -> Iterable[Refusal]:
        rows = np.flatnonzero(plan.increases)
        price, column = plan.price[rows], plan.column[rows]
        from_mark = _distance(price, book.price[column])
        from_quote = _distance(price, _touch(book, column, plan.quantity[rows] > 0, otherwise=price))
        for row in np.flatnonzero(~(from_mark <= self.most) | ~(from_quote <= self.most)).tolist():
            off_mark = not from_mark[row] <= self.most
            distance, market = (from_mark[row], "the last mark") if off_mark else (from_quote[row], "the quote")
            yield Refusal(int(rows[row]), f"the price is too far from {market}", self.most, float(distance))


def _distance(price: Array, market: Array) -> Array:
    """|price - market| as a fraction of `market`; NaN unless both are finite and above 0."""
    known = (price > 0) & (market > 0) & np.isfinite(price) & np.isfinite(market)
    price, market = np.where(known, price, np.nan), np.where(known, market, np.nan)
    return np.abs(price - market) / market


def _touch(book: Book, column: NDArray[np.intp], buy: NDArray[np.bool_], otherwise: Array) -> Array:
    """(orders,) the ask to buy, the bid to sell; `otherwise` where the source has no quote."""
    quotes = [book.quote(book.symbols[index]) for index in column.tolist()]
    pairs = zip(quotes, buy.tolist(), otherwise.tolist(), strict=True)
    return np.array([none if quote is None else quote.ask if buys else quote.bid for quote, buys, none in pairs])


@hookimpl
def provide_risk_rule(settings: Settings, env: Env) -> PriceCollar:  # noqa: ARG001 - the hook's signature
    """Make the rule."""
    return PriceCollar(settings)
