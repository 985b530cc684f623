"""The public API where an event loop runs already, as in a notebook."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest


def test_a_session_runs_inside_a_running_loop(tmp_path: Path, small: str) -> None:
    from trader.session import Session

    path = tmp_path / "settings.toml"
    path.write_text(small)

    async def cell() -> int:
        session = Session(path).start()
        return session.run(cycles=3).books[0].cycles

    assert asyncio.run(cell()) == 3


def test_a_session_closes_what_it_opened_when_left(tmp_path: Path, small: str) -> None:
    from trader.session import Session

    path = tmp_path / "settings.toml"
    path.write_text(small)
    with Session(path).start():
        pass
    with Session(path).start() as again:
        assert again.run(cycles=1).books[0].cycles == 1


@pytest.mark.parametrize("written", ["kept.db", "sqlite:///kept.db"])
def test_a_database_file_lies_beside_the_settings_wherever_one_stands(tmp_path, small, monkeypatch, written) -> None:
    """From another folder a start began with an empty journal, and `status` told that nothing ever ran."""
    from click.testing import CliRunner
    from trader.cli import trader
    from trader.session import Session

    path, elsewhere = tmp_path / "settings.toml", tmp_path / "elsewhere"
    path.write_text(small.replace("[application]", f'[application]\ndatabase = "{written}"'))
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with Session(path).start() as session:
        session.run(cycles=1)
    shown = CliRunner().invoke(trader, ["--settings", str(path), "status", "--json"])
    assert [each.name for each in elsewhere.iterdir()] == []
    assert json.loads(shown.stdout)["database"] == str(tmp_path / "kept.db")
    assert json.loads(shown.stdout)["books"]
