"""The public API where an event loop runs already, as in a notebook."""

from __future__ import annotations

import asyncio
from pathlib import Path


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
