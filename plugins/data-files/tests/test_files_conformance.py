"""What every data source must do."""

from typing import ClassVar

import numpy as np
from trader.testing import DataSourceConformance, random_walk


class TestFiles(DataSourceConformance):
    plugin = "files"
    options: ClassVar = {"folder": "bars", "timezone": "UTC", "label": "end"}
    timeframe = "1h"

    def prepare(self, root):
        """One file a symbol; the second is listed later."""
        (root / "bars").mkdir()
        bars = random_walk(("AAPL", "FB", "IBM"), 60, timeframe="1h")
        times = np.datetime_as_string(bars.end, unit="m")
        for column, symbol in enumerate(bars.symbols):
            values = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])[:, column::3]
            rows = [f"{time},{','.join(map(repr, row))}" for time, row in zip(times, values.tolist(), strict=True)]
            text = "\n".join(["time,open,high,low,close,volume", *rows[20 * (symbol == "FB") :]])
            (root / "bars" / f"{symbol}.csv").write_text(text + "\n", encoding="utf-8")
