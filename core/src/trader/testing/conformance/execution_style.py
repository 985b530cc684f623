"""Execution styles: how planned trades go out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trader.model import OrderType
from trader.protocols import Leg, Trades
from trader.testing.conformance.suite import Conformance, Made


class ExecutionStyleConformance(Conformance):
    """EX-01 to EX-05."""

    kind = "execution_style"

    def test_ex_01_answers_with_legs(self) -> None:
        """One Leg or more, market or limit, for one trade and for many, with quotes and without."""
        made = self.made()
        for trades in _questions():
            legs = list(made.object.legs(trades))
            assert legs and all(isinstance(leg, Leg) for leg in legs), f"Expected one Leg or more, was {legs!r}."
            for leg in legs:
                assert leg.type in (OrderType.MARKET, OrderType.LIMIT), (
                    f"Expected market or limit legs, was {leg.type}."
                )

    def test_ex_02_fractions_sum_to_at_most_one(self) -> None:
        """Each fraction is above 0, and no more goes out than was planned."""
        made = self.made()
        for trades in _questions():
            fractions = [leg.fraction for leg in self.legs(made, trades)]
            fine = all(0 < fraction <= 1 for fraction in fractions) and sum(fractions) <= 1 + 1e-9
            assert fine, f"Expected fractions above 0 that sum to at most 1, was {fractions}."

    def test_ex_03_limits_are_prices(self) -> None:
        """A limit leg has a finite limit above 0 for each trade, whether or not there are quotes; others have none."""
        made = self.made()
        for trades in _questions():
            for leg in self.legs(made, trades):
                if leg.type is OrderType.MARKET:
                    assert leg.limit is None, "Expected no limit in a market leg."
                    continue
                assert leg.limit is not None, "Expected a limit in a limit leg, was none."
                limit = np.asarray(leg.limit, np.float64)
                fine = limit.shape == trades.price.shape and (np.isfinite(limit) & (limit > 0)).all()
                assert fine, f"Expected finite limits above 0 of shape {trades.price.shape}, was {limit}."

    def test_ex_04_is_pure(self) -> None:
        """The same trades give the same legs, and stay as they were."""
        made, other = self.made(), self.made()
        for trades in _questions():
            before = [values.copy() for values in _arrays(trades)]
            first = self.legs(made, trades)
            for who in (made, other):
                assert _told(self.legs(who, trades)) == _told(first), "The same trades, other legs."
            for was, now in zip(before, _arrays(trades), strict=True):
                assert np.array_equal(was, now, equal_nan=True), "It wrote into the trades."

    def test_ex_05_does_not_care_for_order(self) -> None:
        """Trades in another order get the same limits, in that order."""
        made = self.made()
        for trades in _questions():
            order = np.arange(len(trades.price))[::-1]
            turned = Trades(
                tuple(trades.symbols[index] for index in order), *(values[order] for values in _arrays(trades))
            )
            for plain, other in zip(self.legs(made, trades), self.legs(made, turned), strict=True):
                if plain.limit is not None and other.limit is not None:
                    expected = np.asarray(plain.limit)[order]
                    assert np.allclose(other.limit, expected, equal_nan=True), (
                        f"Expected {expected}, was {other.limit}."
                    )

    def legs(self, made: Made, trades: Trades) -> list[Leg]:
        """Its legs. What EX-01 reports skips this case."""
        try:
            legs = list(made.object.legs(trades))
        except ValueError as error:
            if "read-only" in str(error):
                pytest.fail(f"It writes into the trades: {error}.")
            pytest.skip("not asked: it raises ValueError, see EX-01")
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises
            pytest.skip(f"not asked: it raises {type(error).__name__}, see EX-01")
        if not legs or not all(isinstance(leg, Leg) for leg in legs):
            pytest.skip("not asked: its answer has the wrong form, see EX-01")
        return legs


def _questions() -> list[Trades]:
    price = np.array([100.0, 0.02, 25_000.0, 9.99])
    sign, quantity = np.array([1.0, -1.0, 1.0, -1.0]), np.array([10.0, 5_000.0, 0.5, 1.0])
    none, symbols = np.full(4, np.nan), ("AAPL", "PENNY", "BTC/USD", "MSFT")
    half = np.array([True, False, True, False])
    many = [
        Trades(symbols, sign, quantity, price, none, none),
        Trades(symbols, sign, quantity, price, price * 0.999, price * 1.001),
        Trades(
            symbols, sign, quantity, price, np.where(half, price * 0.99, np.nan), np.where(half, price * 1.01, np.nan)
        ),
    ]
    return [*many, *(Trades(symbols[:1], *(values[:1] for values in _arrays(trades))) for trades in many)]


def _arrays(trades: Trades) -> tuple[Any, ...]:
    return trades.sign, trades.quantity, trades.price, trades.bid, trades.ask


def _told(legs: list[Leg]) -> list[tuple[Any, ...]]:
    """Legs as values that can be compared."""
    limits = [None if leg.limit is None else np.asarray(leg.limit, np.float64).tobytes() for leg in legs]
    return [(leg.type, leg.time_in_force, leg.fraction, limit) for leg, limit in zip(legs, limits, strict=True)]
