"""F92: whatever happens to the text of settings.toml, it is refused, or trades on paper within limits that it says."""

from __future__ import annotations

import tempfile
import tomllib
from importlib.resources import files
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from trader.errors import SettingsError
from trader.settings import load

TEXT = (files("trader") / "templates" / "settings.toml").read_bytes()
LIMITS = {name: table["limit"] for name, table in tomllib.loads(TEXT.decode())["risk_rules"].items()}

places = st.integers(0, len(TEXT) - 1)
lines = st.integers(0, TEXT.count(b"\n") - 1)
bytes_ = st.one_of(
    st.sampled_from([bytes([b]) for b in b"\x00\n\r\"'#[]{}=.,_-@ \\9\xff"]), st.binary(min_size=1, max_size=3)
)
mutations = st.one_of(
    st.tuples(st.just("cut"), places, st.just(b"")),
    st.tuples(st.just("delete"), places, bytes_),
    st.tuples(st.just("insert"), places, bytes_),
    st.tuples(st.just("replace"), places, bytes_),
    st.tuples(st.just("drop line"), lines, st.just(b"")),
    st.tuples(st.just("double line"), lines, st.just(b"")),
)


def mutate(text: bytes, how: str, at: int, new: bytes) -> bytes:
    if how == "cut":
        return text[:at]
    if how == "delete":
        return text[:at] + text[at + len(new) :]
    if how == "insert":
        return text[:at] + new + text[at:]
    if how == "replace":
        return text[:at] + new + text[at + len(new) :]
    rows = text.splitlines(keepends=True)
    at = min(at, max(len(rows) - 1, 0))
    rows[at : at + 1] = [] if how == "drop line" else rows[at : at + 1] * 2
    return b"".join(rows)


@settings(max_examples=300, deadline=None)
@given(st.lists(mutations, min_size=1, max_size=3))
def test_F92_a_mutated_file_is_refused_or_trades_on_paper_within_written_limits(changes):
    text = TEXT
    for how, at, new in changes:
        text = mutate(text, how, min(at, max(len(text) - 1, 0)), new)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.toml"
        path.write_bytes(text)
        loaded, fault = None, ""
        try:
            loaded = load(path, environ={})
        except SettingsError as error:
            fault = str(error)
    if loaded is None:
        assert "settings.toml" in fault
        return
    assert loaded.trading.mode != "live"
    written = tomllib.loads(text.decode()).get("risk_rules", {})
    for name in LIMITS:
        table = loaded.table("risk_rules", name)
        assert table.written == (name in written)
        assert table.options.get("limit") == written.get(name, {}).get("limit")
