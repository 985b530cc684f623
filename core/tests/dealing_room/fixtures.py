"""Rooms for tests; a conftest.py imports them."""

import pytest
from dealing_room.room import Room

__all__ = ["make_room", "room"]


@pytest.fixture
def make_room(tmp_path, monkeypatch):
    """make_room(horizon=..., stream=True): a room with these options."""
    made = []

    def make(*, folder=tmp_path, **options):
        made.append(Room(folder, monkeypatch, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def room(make_room):
    """A room at a venue that takes each key once, and where nothing arrives later than 30 seconds."""
    return make_room()
