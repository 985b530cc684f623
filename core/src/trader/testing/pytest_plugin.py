"""Fixtures that pytest finds by itself where trader is installed. Nothing heavy is imported before one is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trader.env import Door


@pytest.fixture
def trader_env(tmp_path: Path) -> Callable[..., Door]:
    """`trader.testing.fake_env` with the test's `tmp_path` as the settings folder: `env = trader_env(seed=7)`."""
    from functools import partial

    from trader.testing.fakes import fake_env

    return partial(fake_env, root=tmp_path)


@pytest.fixture
def trader_no_network() -> Iterator[None]:
    """Whoever connects to anything in this test fails it."""
    from trader.testing.network import no_network

    with no_network():
        yield
