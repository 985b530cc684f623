"""A real session in virtual time: its venue fails as it is told, its process dies where it is told."""

from dealing_room.line import Late, Lost, Never, Slow
from dealing_room.room import Crash, Room

__all__ = ["Crash", "Late", "Lost", "Never", "Room", "Slow"]
