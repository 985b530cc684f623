"""Where a trader of these tests lives: its settings, and the plugins installed for it as pip would."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
"""The folder that holds the packages `crash_harness` and `crash_plugins`."""

SETTINGS = """
[trading]
mode = "paper"

[application]
broker = "wire"
data = "wire"
allocator = "equal"
execution = "halves"
lease_seconds = 0.9
{database}

[application.coverage]
symbols = ["AAA", "BBB", "CCC", "DDD"]
timeframe = "1m"

[application.models]
pipeline = [{{ name = "restless" }}]

[application.portfolio]
threshold_weight = 0.01

[application.schedule]
trigger = "bar"

[application.reconcile]
interval_seconds = 0.3

[application.heartbeat]
interval_seconds = 0.3

[application.connect]
first_seconds = 0.05
longest_seconds = 0.2

[application.shutdown]
grace = {grace}

[brokers.wire]
port = {port}
timeout = {timeout}

[data_sources.wire]
port = {port}
timeout = {timeout}
"""
POINTS = """
[trader.brokers]
wire = crash_plugins.broker
[trader.data_sources]
wire = crash_plugins.data_source
[trader.strategies]
restless = crash_plugins.strategy
[trader.execution_styles]
halves = crash_plugins.execution_style
"""


def python_path(*more: Path) -> str:
    """PYTHONPATH for a process of a trial."""
    return os.pathsep.join([*map(str, more), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])


def install(site: Path) -> Path:
    """What pip would leave of the plugins' distribution, but for the package itself: that lies in HERE."""
    info = site / "crash_plugins-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crash-plugins\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    (info / "RECORD").write_text("", encoding="utf-8")
    return site


def furnish(folder: Path, port: int, *, url: str = "", timeout: float = 5.0, grace: float = 0.3) -> Path:
    """Write settings.toml for a venue server's port; `url`: of a database that is not a file in the folder; `timeout`
    of the lanes and `grace` of a stop in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.toml"
    database = f'database = "{url}"' if url else ""
    path.write_text(SETTINGS.format(database=database, port=port, timeout=timeout, grace=grace), encoding="utf-8")
    return path
