"""What every data source must do."""

from typing import ClassVar

from trader.testing import DataSourceConformance


class TestSample(DataSourceConformance):
    plugin = "sample"


class TestSomeYearsOfSample(DataSourceConformance):
    plugin = "sample"
    options: ClassVar = {"start": "2011-06-01", "end": "2013-02-28"}
    asked = ("FB", "AAPL")
