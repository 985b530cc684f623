"""The benchmarks, one module each; `scripts/bench` runs them in the clone's environment.

A benchmark is a function `measure(conditions)` that yields a `Result` for each figure. What a figure is compared to is
measured in the same run: absolute figures move from machine to machine, ratios move less.
"""
