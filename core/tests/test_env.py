"""The door to the world: clocks, randomness, secrets, files, shared clients."""

from __future__ import annotations

import json
import os
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest
from trader.clock import SystemClock, VirtualClock
from trader.env import Secret, Secrets, World
from trader.errors import SettingsError
from trader.session.lanes import Priority, ThreadLane

START = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, tmp_path / "var", VirtualClock(START), seed=7, environ={})


def test_a_virtual_clock_moves_only_when_told() -> None:
    clock = VirtualClock(START)
    clock.sleep(90)
    assert (clock.now() - START).total_seconds() == clock.monotonic() == 90


def test_the_systems_clock_is_aware_and_never_goes_back() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() >= before


def test_market_time_is_the_sources_where_it_has_one(world: World) -> None:
    door = world.door("a", distribution="d")
    assert door.now() == START
    world.market_now = lambda: datetime(2005, 5, 5, tzinfo=UTC)
    assert door.now() == datetime(2005, 5, 5, tzinfo=UTC)


def test_random_numbers_depend_on_seed_name_and_cycle_alone(world: World) -> None:
    door = world.door("a", distribution="d")
    world.moment = "2020-01-01"
    first = door.rng.random(3).tolist()
    world.moment = "2020-01-02"
    assert door.rng.random(3).tolist() != first
    world.moment = "2020-01-01"
    assert world.door("a", distribution="d").rng.random(3).tolist() == first
    assert world.door("b", distribution="d").rng.random(3).tolist() != first


def test_sleeping_in_a_simulation_costs_virtual_time_only(world: World) -> None:
    world.door("a", distribution="d").sleep(3_600)
    assert world.clock.monotonic() == 3_600


def test_sleeping_ends_early_when_the_session_stops(tmp_path: Path) -> None:
    world = World(tmp_path, tmp_path, SystemClock())
    world.stopping.set()
    before = world.clock.monotonic()
    world.door("a", distribution="d").sleep(60)
    assert world.clock.monotonic() - before < 5


def test_time_left_counts_down_to_the_lanes_deadline(world: World) -> None:
    door = world.door("a", distribution="d")
    lane = ThreadLane("a", timeout=5.0)
    left = lane.wait(Priority.QUERY, door.time_left)
    lane.close()
    assert 4 < left <= 5
    assert door.time_left() == 30


def test_a_shared_client_is_opened_once_for_a_connection_and_closed_with_the_world(world: World) -> None:
    class Client:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    broker, data = (world.door(name, distribution="d", connection="main") for name in ("broker", "data"))
    client = broker.shared("http", Client)
    assert data.shared("http", Client) is client
    assert world.door("other", distribution="d").shared("http", Client) is not client
    world.close()
    assert client.closed == 1


def test_a_shared_client_that_raises_when_it_is_closed_keeps_no_other_open(world: World) -> None:
    closed = []

    class Client:
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self) -> None:
            if self.name == "bad":
                raise OSError("the socket is gone")
            closed.append(self.name)

    for name in ("first", "bad", "last"):
        world.door(name, distribution="d").shared("http", lambda name=name: Client(name))
    world.close()
    assert closed == ["last", "first"]


def test_a_file_is_found_beside_the_settings_and_its_hash_is_kept(world: World) -> None:
    (world.root / "model.bin").write_bytes(b"weights")
    assert world.door("a", distribution="d").file("model.bin") == world.root / "model.bin"
    assert len(world.files["model.bin"]) == 64
    with pytest.raises(SettingsError, match="expects a file or folder there") as caught:
        world.door("a", distribution="d").file("absent.bin")
    assert caught.value.where == "absent.bin"


# ---- secrets -------------------------------------------------------------------------------------------------------
def test_a_secret_never_shows_itself() -> None:
    secret = Secret("hunter2hunter2")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", json.dumps({"s": str(secret)})]
    assert all("hunter2" not in text for text in shown)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret.reveal() == "hunter2hunter2"


def test_secrets_come_from_the_environment_then_dotenv_then_the_0600_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keyring
    from keyring.backends.null import Keyring

    monkeypatch.setattr(keyring, "get_password", Keyring().get_password)
    file = tmp_path / ".secrets.toml"
    file.write_text('API_KEY = "from the file"\n')
    file.chmod(0o600)
    assert _found(tmp_path, {}) == "from the file"
    monkeypatch.setattr(keyring, "get_password", lambda service, name: f"{service} ring {name}")
    assert _found(tmp_path, {}) == "trader ring API_KEY"
    (tmp_path / ".env").write_text("API_KEY='from dotenv'\n")
    assert _found(tmp_path, {}) == "from dotenv"
    assert _found(tmp_path, {"API_KEY": "from the environment"}) == "from the environment"


def _found(folder: Path, environ: dict[str, str]) -> str | None:
    secret = Secrets(folder, environ).find("API_KEY")
    return secret.reveal() if secret else None


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's; Windows keeps files private by its own rules")
def test_a_secrets_file_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    monkeypatch.setattr(keyring, "get_password", lambda service, name: None)
    file = tmp_path / ".secrets.toml"
    file.write_text('API_KEY = "s3cr3t-value"\n')
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="its mode is 644, expected 600") as caught:
        Secrets(tmp_path, {}).find("API_KEY")
    assert "s3cr3t-value" not in str(caught.value)


def test_a_malformed_secrets_file_does_not_quote_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    monkeypatch.setattr(keyring, "get_password", lambda service, name: None)
    file = tmp_path / ".secrets.toml"
    file.write_text("API_KEY = s3cr3t-value\n")
    file.chmod(0o600)
    with pytest.raises(SettingsError, match="not valid TOML") as caught:
        Secrets(tmp_path, {}).find("API_KEY")
    assert "s3cr3t-value" not in str(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("written", "said"), [("API_KEY = 12345678", "API_KEY is no text."), ("API_KEY = ['a']", "API_KEY is no text.")]
)
def test_a_secret_that_is_there_but_no_text_is_not_called_missing(tmp_path, monkeypatch, written, said) -> None:
    import keyring

    monkeypatch.setattr(keyring, "get_password", lambda service, name: None)
    file = tmp_path / ".secrets.toml"
    file.write_text(f"{written}\n")
    file.chmod(0o600)
    with pytest.raises(SettingsError) as caught:
        Secrets(tmp_path, {}).find("API_KEY")
    assert said in str(caught.value) and "12345678" not in str(caught.value)


def test_a_secrets_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    def closed(*_args: object, **_named: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(keyring, "get_password", lambda service, name: None)
    file = tmp_path / ".secrets.toml"
    file.write_text("API_KEY = 'x'\n")
    file.chmod(0o600)
    monkeypatch.setattr(Path, "read_text", closed)
    with pytest.raises(SettingsError, match="cannot be read: Permission denied"):
        Secrets(tmp_path, {}).find("API_KEY")


def test_a_plugin_gets_only_the_secrets_that_its_manifest_lists(world: World) -> None:
    world.environ = {"MINE": "value-1", "OTHERS": "value-2"}
    door = world.door("alpaca", distribution="d", secrets=("MINE",))
    assert door.secret("MINE").reveal() == "value-1"
    with pytest.raises(SettingsError, match="OTHERS, which its manifest does not list"):
        door.secret("OTHERS")


def test_a_secret_that_nobody_has_is_an_error_that_says_where_to_put_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keyring

    monkeypatch.setattr(keyring, "get_password", lambda service, name: None)
    with pytest.raises(SettingsError, match="needs the secret MINE") as caught:
        world.door("alpaca", distribution="d", secrets=("MINE",)).secret("MINE")
    assert "keyring set trader MINE" in str(caught.value)
