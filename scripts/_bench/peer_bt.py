"""W2 on bt: `python peer_bt.py SYMBOLS DAYS INVESTED`, in bt's environment. Prints {"seconds": of its run alone}.

bt has no band and no fill at the next open: each symbol is brought to its weight each day, at the close.
"""

from __future__ import annotations

import json
import sys
import warnings
from time import perf_counter

import bt  # type: ignore[import-not-found]  # only its own environment has it
import pandas as pd

from _bench.walks import CASH, LOOKBACK, inverse_volatility, random_walks

warnings.filterwarnings("ignore")


def main(symbols: int, days: int, invested: float) -> None:
    _, close = random_walks(days, symbols)
    names = [f"S{number:03d}" for number in range(symbols)]
    dates = pd.date_range("2010-01-04", periods=days, freq="D")
    weights = pd.DataFrame(inverse_volatility(close, invested), dates, names).iloc[LOOKBACK:]
    steps = [bt.algos.RunDaily(), bt.algos.WeighTarget(weights), bt.algos.Rebalance()]
    test = bt.Backtest(
        bt.Strategy("w2", steps), pd.DataFrame(close, dates, names), initial_capital=CASH, integer_positions=False,
        progress_bar=False,
    )  # fmt: skip
    began = perf_counter()
    test.run()
    print(json.dumps({"seconds": perf_counter() - began}))


main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
