"""Allocators: scores to target weights."""

from __future__ import annotations

import numpy as np
import pytest

from trader.cycle import allocation
from trader.cycle.market import Market
from trader.errors import BadAnswer
from trader.model import Array, Signals
from trader.testing.conformance.suite import Conformance, Made
from trader.testing.fakes import market, random_walk

SCORES = (
    np.array([0.8, -0.3, 0.5, 1.0, -1.0, 0.05]),
    np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    np.array([-0.2, -0.2, -0.9, -0.1, -0.4, -1.0]),
    np.array([1e-9, 1.0, -1e-9, 0.3, 0.3, -0.3]),
)
HELD = (np.zeros(6), np.array([0.4, 0.0, -0.3, 0.2, 0.0, 0.1]), np.full(6, 1 / 6))


class AllocatorConformance(Conformance):
    """AL-01 to AL-08."""

    kind = "allocator"

    def test_al_01_answers_once_for_each_symbol(self) -> None:
        """One finite weight for each symbol, or NaN: keep what is held."""
        made = self.made()
        for score, held in _questions():
            answer = _ask(made, score, held)
            weight = np.asarray(answer, np.float64)
            assert weight.shape == score.shape, (
                f"Expected shape {score.shape}, one for each symbol, was {weight.shape}."
            )
            assert not np.isinf(weight).any(), f"Expected finite weights, was {weight}."

    def test_al_02_invests_at_most_everything(self) -> None:
        """The absolute weights sum to at most 1 of what may be invested."""
        made = self.made()
        for score, held in _questions():
            total = float(np.nansum(np.abs(self.weights(made, score, held))))
            assert total <= 1 + 1e-9, f"Expected absolute weights that sum to at most 1, was {total:g} for {score}."

    def test_al_03_follows_the_sign_of_the_score(self) -> None:
        """No long position on a negative score, no short one on a positive."""
        made = self.made()
        for score, held in _questions():
            weight = self.weights(made, score, held)
            assert not (weight * score < 0).any(), f"Expected weights with the sign of {score}, was {weight}."

    def test_al_04_is_deterministic(self) -> None:
        """The same arguments give the same weights: again, and from another instance."""
        made, other = self.made(), self.made()
        first = [self.weights(made, score, held) for score, held in _questions()]
        for who in (other, made):
            if who is made and "HasState" in made.provided.has:
                continue
            for (score, held), was in zip(_questions(), first, strict=True):
                assert np.array_equal(self.weights(who, score, held), was, equal_nan=True), (
                    "The same question, another answer."
                )

    def test_al_05_does_not_care_for_order(self) -> None:
        """Symbols in another order get the same weights, in that order."""
        made, other = self.made(), self.made()
        order = np.array([3, 0, 5, 4, 2, 1])
        for score, held in _questions():
            plain, turned = self.weights(made, score, held), self.weights(other, score[order], held[order], order)
            assert np.allclose(turned, plain[order], rtol=1e-9, atol=1e-12, equal_nan=True), (
                f"Expected {plain[order]} for the order {order}, was {turned}."
            )

    def test_al_06_writes_into_nothing(self) -> None:
        """Scores, held weights and bars are the same afterwards."""
        made = self.made()
        place = _place(made)
        for score, held in _questions():
            was = score.copy(), held.copy(), place.panel.close.copy()
            try:
                _ask(made, score, held, place=place)
            except ValueError as error:
                if "read-only" in str(error):
                    pytest.fail(f"It writes into what it is given: {error}.")
                pytest.skip("not asked: it raises ValueError, see AL-01")
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises
                pytest.skip(f"not asked: it raises {type(error).__name__}, see AL-01")
            for before, after in zip(was, (score, held, place.panel.close), strict=True):
                assert np.array_equal(before, after), "It wrote into what it was given."

    def test_al_07_gives_nothing_to_what_has_no_opinion(self) -> None:
        """In the real cycle, where it is shown only the symbols with an opinion: a score of 0 is flat, NaN is kept."""
        made = self.made()
        self.weights(made, SCORES[0], HELD[0])
        place = _place(made)
        score = np.array([0.8, np.nan, 0.0, -0.4, np.nan, 0.1])
        held = np.array([0.1, 0.2, 0.3, 0.0, 0.0, 0.0])
        row = place.panel.rows - 1
        made.moment("cycle")
        targets = allocation.allocate(self.found().name, made.object, score, place, row, held, 0.99)
        if targets.fault is not None and isinstance(targets.fault.error, BadAnswer):
            pytest.skip(f"not asked: {targets.fault.error.what} See AL-01 to AL-03")
        assert targets.fault is None, f"Shown some of the symbols only, it raised: {targets.fault}"
        assert np.isnan(targets.weight[np.isnan(score)]).all(), "A weight for a symbol without an opinion."
        assert (targets.weight[score == 0] == 0).all(), "A weight for a symbol that is to be flat."

    def test_al_08_stands_one_symbol_and_still_prices(self) -> None:
        """One symbol, and prices that never move: weights as everywhere."""
        made = self.made()
        self.weights(made, SCORES[0], HELD[0])
        place = _place(made)
        for name in ("open", "high", "low", "close"):
            getattr(place.panel, name)[:, :4] = 50.0
        place.panel.volume[:, 0] = 0.0
        for columns in ([0], [5], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]):
            score = SCORES[0][columns]
            try:
                weight = np.asarray(_ask(made, score, np.zeros(len(score)), np.array(columns), place), np.float64)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises
                pytest.fail(
                    f"With {len(columns)} symbols whose prices stand still it raised {type(error).__name__}: {error}"
                )
            assert weight.shape == score.shape, f"Expected shape {score.shape}, was {weight.shape}."
            assert not np.isinf(weight).any(), f"Expected finite weights, was {weight}."

    def weights(self, made: Made, score: Array, held: Array, columns: Array | None = None) -> Array:
        """Its answer. What AL-01 reports skips this case."""
        try:
            weight = np.asarray(_ask(made, score, held, columns), np.float64)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises
            pytest.skip(f"not asked: it raises {type(error).__name__}, see AL-01 and AL-06")
        if weight.shape != score.shape:
            pytest.skip("not asked: its answer has the wrong form, see AL-01")
        return weight


def _questions() -> list[tuple[Array, Array]]:
    return [(score.copy(), held.copy()) for score in SCORES for held in HELD]


def _place(made: Made) -> Market:
    return market(random_walk(tuple("ABCDEF"), max(made.object.lookback, 1) + 5))


def _ask(made: Made, score: Array, held: Array, columns: Array | None = None, place: Market | None = None) -> object:
    place = place or _place(made)
    chosen = np.arange(len(score)) if columns is None else columns
    history = place.window(place.panel.rows - 1, max(made.object.lookback, 1), chosen.astype(np.intp))
    made.moment("cycle")
    answer: object = made.object.allocate(Signals(score), history, held)
    return answer
