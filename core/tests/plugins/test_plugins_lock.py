"""plugins.lock pins what was approved, to the byte."""

from __future__ import annotations

import sys

import pytest
from trader.errors import SettingsError
from trader.plugins import catalogue, lock


@pytest.fixture
def rising(install):
    install()
    return catalogue().get("strategy", "rising")


def test_a_lock_is_read_as_it_was_written_and_approves_what_it_pins(rising, tmp_path):
    path = lock.path_beside(tmp_path / "settings.toml")
    written = lock.write(path, [rising])
    assert path.name == "plugins.lock"
    assert lock.read(path) == written
    assert lock.verify(rising, lock.read(path)) == "locked"
    assert lock.difference(rising, written) is None
    assert "my_rising" not in sys.modules


def test_what_is_not_in_the_lock_is_unlocked(rising, tmp_path):
    assert lock.read(tmp_path / "none.lock") == {}
    assert lock.verify(rising, {}) == "unlocked"


@pytest.mark.parametrize("file", ["__init__.py", "plugin.toml"])
def test_F90_one_flipped_byte_is_a_change(rising, site, tmp_path, file):
    before = lock.write(tmp_path / "plugins.lock", [rising])
    path = site / "my_rising" / file
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    assert lock.verify(rising, before) == "changed"
    assert lock.difference(rising, before) == "files"


def test_F90_a_file_that_was_added_is_a_change_and_a_cache_is_none(rising, site, tmp_path):
    before = lock.write(tmp_path / "plugins.lock", [rising])
    cache = site / "my_rising" / "__pycache__"
    cache.mkdir()
    (cache / "x.cpython-311.pyc").write_bytes(b"x")
    assert lock.verify(rising, before) == "locked"
    (site / "my_rising" / "extra.py").write_text("")
    assert lock.verify(rising, before) == "changed"


def test_F90_a_change_in_an_editable_installation_is_seen(install, site, tmp_path):
    install(editable=True)
    rising = catalogue().get("strategy", "rising")
    before = lock.write(tmp_path / "plugins.lock", [rising])
    (site / "my_rising" / "__init__.py").write_text("changed = True")
    assert lock.verify(rising, before) == "changed"


def test_a_one_file_plugin_is_locked_with_its_file(installed, site, tmp_path):
    rising = installed()
    before = lock.write(tmp_path / "plugins.lock", [rising])
    (site / "my_rising.py").write_text("changed = True")
    assert lock.difference(rising, before) == "files"


def test_another_version_and_more_permissions_are_told(install, rising, strategy, tmp_path):
    before = lock.write(tmp_path / "plugins.lock", [rising])
    install(version="0.3.1").rename(tmp_path / "gone")  # leave one version only
    import dataclasses

    from trader.plugins import Permissions

    newer = dataclasses.replace(rising, version="0.4.0", permissions=Permissions(submits_orders=True))
    assert lock.difference(newer, before) == "version 0.3.2 -> 0.4.0, permissions"


@pytest.mark.parametrize("text", ["[[plugin", "[[plugin]]\nkind = 'x'", "plugin = 3", "[[plugin]]\nname = 1"])
def test_a_damaged_lock_approves_nothing(tmp_path, text):
    path = tmp_path / "plugins.lock"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        lock.read(path)
    assert str(caught.value).startswith("plugins.lock\n  The lock cannot be read")
    assert "trader plugins lock" in str(caught.value)


def test_a_lock_that_cannot_be_written_is_told_and_the_old_one_stays(rising, tmp_path):
    path = tmp_path / "plugins.lock"
    before = lock.write(path, [rising])
    (tmp_path / "plugins.lock.part").mkdir()
    with pytest.raises(SettingsError, match=r"plugins\.lock\n  The lock cannot be written"):
        lock.write(path, [])
    assert lock.read(path) == before
