"""Limits on orders and on the portfolio, a module each, each toggled on its own.

A comparison here asks whether a value is within its limit and refuses what is not, never whether it is beyond: NaN is
neither, and must refuse. An order that reduces risk is never refused.
"""
