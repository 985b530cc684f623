"""The login helper: the SDK's own approval flow, and the token in the keyring, where the broker finds it."""

import pickle
from types import SimpleNamespace

import keyring
import keyring.backend
import keyring.errors
import pytest
from robin_stocks.robinhood import authentication
from robin_stocks.robinhood import globals as sdk
from trader.clock import SystemClock
from trader.env import Secret
from trader.model import Account
from trader_broker_robinhood.login import NoToken, main, token
from trader_emulators.robinhood.doorman import CODE, PASSWORD, USERNAME

CLOCK = SystemClock()


class Memory(keyring.backend.KeyringBackend):
    """A keyring that forgets with the test."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password


class Locked(Memory):
    def set_password(self, service, username, password):
        raise keyring.errors.KeyringLocked("no")


@pytest.fixture
def ring(monkeypatch):
    before, ring = keyring.get_keyring(), Memory()
    keyring.set_keyring(ring)
    quick = SimpleNamespace(sleep=lambda _: CLOCK.sleep(0.02), time=CLOCK.monotonic)
    monkeypatch.setattr(authentication, "time", quick)
    for name in ("ROBINHOOD_USERNAME", "ROBINHOOD_PASSWORD", "ROBINHOOD_MFA", "ROBINHOOD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield ring
    keyring.set_keyring(before)


def run(venue, tmp_path, *more, answers=(USERNAME, PASSWORD)):
    said = iter(answers)
    return main(["--url", venue.url, "--folder", str(tmp_path), *more], ask=lambda _: next(said))


def test_a_device_is_approved_in_the_app_and_the_broker_finds_the_token(kit, ring, tmp_path, capsys):
    venue = kit.venue()
    assert run(venue, tmp_path) == 0
    assert "device approvals" in capsys.readouterr().out
    (kept,) = ring.kept.items()
    assert kept[0] == ("trader", "ROBINHOOD_TOKEN") and kept[1] in venue.doorman.tokens
    broker = kit.broker(kit.door(kit.world(ROBINHOOD_TOKEN="")), opened=False)
    assert isinstance(broker.open(), Account)


def test_a_code_by_text_message_is_asked_for(kit, ring, tmp_path, monkeypatch):
    venue = kit.venue(mode="sms")
    monkeypatch.setattr("builtins.input", lambda _: CODE)
    assert run(venue, tmp_path) == 0 and ring.kept


def test_an_authenticators_code(kit, ring, tmp_path, capsys):
    venue = kit.venue(mode="mfa")
    assert run(venue, tmp_path) == 1 and "--mfa" in capsys.readouterr().err
    assert run(venue, tmp_path, "--mfa", answers=(USERNAME, PASSWORD, CODE)) == 0


def test_names_and_passwords_come_from_the_secrets_if_they_are_there(kit, ring, tmp_path, monkeypatch):
    venue = kit.venue(mode="trusted")
    monkeypatch.setenv("ROBINHOOD_USERNAME", USERNAME)
    monkeypatch.setenv("ROBINHOOD_PASSWORD", PASSWORD)
    assert run(venue, tmp_path, answers=()) == 0


def test_a_wrong_password_is_told_in_the_venues_words_and_nothing_is_stored(kit, ring, tmp_path, capsys):
    venue = kit.venue()
    assert run(venue, tmp_path, answers=(USERNAME, "wrong-password")) == 1
    said = capsys.readouterr()
    assert "Unable to log in with provided credentials." in said.err and not ring.kept
    assert "wrong-password" not in said.out + said.err


def test_a_keyring_that_does_not_take_it_is_told_without_the_token(kit, ring, tmp_path, capsys):
    keyring.set_keyring(Locked())
    venue = kit.venue(mode="trusted")
    assert run(venue, tmp_path) == 1
    said = capsys.readouterr()
    assert "KeyringLocked" in said.err and "emulated-token" not in said.out + said.err


def test_the_sdk_says_none_and_deletes_its_file_and_the_token_is_found_all_the_same(kit, ring, monkeypatch, tmp_path):
    venue = kit.venue(mode="trusted")
    file = tmp_path / ".tokens" / "robinhood.pickle"
    file.parent.mkdir()
    file.write_bytes(pickle.dumps({"access_token": "somebody else's"}))
    before = file.read_bytes()
    monkeypatch.setenv("HOME", str(tmp_path))

    def never(*_, **__):
        raise AssertionError("a pickle was touched")

    for name in ("load", "loads", "dump", "dumps"):
        monkeypatch.setattr(pickle, name, never)
    found = token(Secret(USERNAME), Secret(PASSWORD), None, url=venue.url)
    assert found.reveal() in venue.doorman.tokens and repr(found) == "***"
    assert file.read_bytes() == before
    assert "Authorization" not in sdk.SESSION.headers


def test_nobody_there_is_no_token(ring):
    with pytest.raises(NoToken, match="no answer"):
        token(Secret(USERNAME), Secret(PASSWORD), None, url="http://127.0.0.1:9")


def test_only_an_emulator_on_this_machine_may_be_named(ring, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--url", "http://example.com"])
    assert "--url" in capsys.readouterr().err
