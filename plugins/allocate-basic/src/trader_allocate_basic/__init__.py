"""Scores to target weights: `proportional`, `equal` and `inverse_volatility`, a module each."""
