"""A room for each test: a real session, a real database, a venue that fails as it is told; time is virtual."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from dealing_room.fixtures import make_room, room  # noqa: F401
