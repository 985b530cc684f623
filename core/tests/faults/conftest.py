"""A room for each test: a real session, a real database, a venue that fails as it is told; time is virtual."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent))

from dealing_room import Room


@pytest.fixture
def make_room(tmp_path, monkeypatch):
    """make_room(horizon=..., external=...): a room with these options."""
    made = []

    def make(*, folder=tmp_path, **options):
        made.append(Room(folder, monkeypatch, **options))
        return made[-1]

    yield make
    for room in made:
        room.close()


@pytest.fixture
def room(make_room):
    """A room at a venue that takes each key once, and where nothing arrives later than 30 seconds."""
    return make_room()
