"""A journal that is shorter than it was: an older copy, lost commits, another database."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest
from trader.errors import StoreError
from trader.store import MARK
from trader.store.chain import verify_chain
from trader.store.mark import regressed, write_mark


@pytest.fixture
def mark(path):
    return path.with_name(MARK)


@pytest.fixture
def history(store, journal, make):
    journal.decided(make.record(1), [make.request("a")], [], {})
    journal.moved([make.move("a", "working")])
    return store


def test_a_journal_that_goes_on_has_not_regressed(history, journal, make, mark):
    assert regressed(history, mark) is None
    write_mark(history, mark)
    assert regressed(history, mark) is None
    journal.decided(make.record(2), [], [], {})
    assert regressed(history, mark) is None
    write_mark(history, mark)
    assert regressed(history, mark) is None
    assert [each.name for each in mark.parent.glob("journal*")] == [MARK]


def test_an_empty_journal_has_no_mark(store, mark):
    write_mark(store, mark)
    assert not mark.exists()


def test_F62_an_older_copy_of_the_database_is_noticed(history, journal, make, path, mark, opened, tmp_path):
    """A restored backup has a whole chain and lacks its end: the mark beside it knows how far the journal had come."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(tmp_path / "backup.db")) as target:
        source.backup(target)
    journal.moved([make.move("a", "cancel_sent")])
    write_mark(history, mark)
    history.close()
    for part in path.parent.glob("trader.db*"):
        part.unlink()
    shutil.copy(tmp_path / "backup.db", path)
    restored = opened(path)
    assert verify_chain(restored) is None
    assert "had reached event 4 and now ends at 3" in regressed(restored, mark)


def test_F62_a_journal_that_went_on_differently_is_noticed(
    history, journal, journal_of, make, path, mark, opened, tmp_path
):
    """Restored, and traded on past the mark: the event there is another one."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(tmp_path / "backup.db")) as target:
        source.backup(target)
    journal.moved([make.move("a", "cancel_sent")])
    write_mark(history, mark)
    other = opened(tmp_path / "backup.db")
    journal_of(other).moved([make.move("a", "closing"), make.move("a", "canceled")])
    assert verify_chain(other) is None
    assert "Event 4 of the journal is not the one" in regressed(other, mark)


def test_F62_a_standby_without_the_last_commits_is_noticed(url, server, opened, journal_of, make, mark):
    """A failover to a server that lacks the last commits: the journal's number went back."""
    store = opened(url)
    journal = journal_of(store, epoch=b"n")
    journal.decided(make.record(1), [make.request("a")], [], {})
    store.close()
    name = url.partition("?")[0].rpartition("/")[2]
    server.psql(f"CREATE DATABASE {name}_standby TEMPLATE {name};")
    journal.moved([make.move("a", "working")])
    mark.parent.mkdir(exist_ok=True)
    write_mark(store, mark)
    assert regressed(store, mark) is None
    standby = opened(url.replace(name, f"{name}_standby"))
    assert "had reached event 3 and now ends at 2" in regressed(standby, mark)


def test_F62_an_empty_database_under_a_mark_is_noticed(history, mark, opened, tmp_path):
    """Another URL, or a database that somebody dropped: nothing is there of what the mark says."""
    write_mark(history, mark)
    assert "now ends at 0" in regressed(opened(tmp_path / "new.db"), mark)


def test_F64_a_log_that_was_cut_is_noticed(history, journal, make, path, mark, opened, tmp_path):
    """SQLite drops the end of a damaged log without a word: what is left is whole, and the mark says what is gone."""
    journal.moved([make.move("a", "cancel_sent")])
    write_mark(history, mark)
    copy = tmp_path / "copy" / "trader.db"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    log = path.with_name("trader.db-wal").read_bytes()
    copy.with_name("trader.db-wal").write_bytes(log[: len(log) - 4096])
    cut = opened(copy)
    assert verify_chain(cut) is None
    assert "had reached event 4 and now ends at 3" in regressed(cut, mark)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"seq": "x", "hash": ""}', b"\xff", b"[1, 2]"])
def test_a_mark_that_cannot_be_read_is_a_reason(history, mark, content):
    mark.write_bytes(content)
    assert "cannot be read" in regressed(history, mark)


def test_a_mark_that_cannot_be_written_is_an_error_and_leaves_the_old_one(history, mark, monkeypatch):
    write_mark(history, mark)
    before = mark.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_mark(history, mark)
    assert mark.read_bytes() == before
    assert [each.name for each in mark.parent.glob("journal*")] == [MARK]


def test_a_fresh_start_takes_the_mark_away_with_the_database(history, mark, path, opened):
    write_mark(history, mark)
    folder = history.archive("fresh")
    assert (folder / MARK).exists()
    assert regressed(opened(path), mark) is None
