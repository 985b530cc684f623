"""What every alert transport must do."""

from typing import ClassVar

from trader.testing import AlertTransportConformance


class TestAlertFile(AlertTransportConformance):
    plugin = "file"


class TestAlertFileWithoutItsFolder(AlertTransportConformance):
    """The far end is broken: a folder stands where the file should be."""

    plugin = "file"
    options: ClassVar = {"path": "."}
