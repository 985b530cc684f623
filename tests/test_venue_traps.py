"""docs/explanation/venue-traps.md is written by hand: every test that it names is where it says."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "venue-traps.md"
NAMED = re.compile(r"\[`(test_\w+)`\]\(([^)]+)\)")


def test_every_trap_has_a_test_that_exists():
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ") and "| trap |" not in line]
    assert len(rows) > 100 and [row for row in rows if not NAMED.search(row)] == []
    texts = {path: (PAGE.parent / path).read_text("utf-8") for row in rows for _, path in NAMED.findall(row)}
    named = {(name, path) for row in rows for name, path in NAMED.findall(row)}
    assert sorted(name for name, path in named if f"def {name}(" not in texts[path]) == []
