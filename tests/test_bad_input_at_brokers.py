"""What a person gets wrong about a broker: keys, accounts, symbols, client libraries. Each run ends at its start with
an exit code and a sentence, and nothing was sent."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from at_an_emulator import Booth  # noqa: E402 - found by the path above
from emulated_day.place import VENUES  # noqa: E402

LIBRARIES = {
    "alpaca": "alpaca-py", "binance": "python-binance", "binance_futures": "python-binance",
    "robinhood": "robin-stocks", "mt5": "rpyc",
}  # fmt: skip


@pytest.fixture
def booth(request, place):
    made = Booth(place, request.param)
    yield made
    made.close()


every = pytest.mark.parametrize("booth", VENUES, indirect=True)


def refused(booth, done, code, *words):
    """Ended with this code and these words, without a traceback and without an order."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, (word, done.stderr)
    assert booth.venue.requests("submit") == 0


@every
def test_missing_keys_are_named(booth):
    refused(booth, booth.place.trader("run", "--once"), 2, next(iter(booth.venue.secrets)))


@every
def test_keys_that_are_revoked_or_expired_are_told(booth):
    booth.venue.revoke()
    done = booth.run()
    refused(booth, done, 2)
    assert any(key in done.stderr for key in booth.venue.secrets)


@pytest.mark.parametrize("booth", ["binance", "binance_futures"], indirect=True)
def test_keys_that_may_withdraw_money_are_refused(booth):
    booth.venue.permissions = {"enableWithdrawals": True}
    refused(booth, booth.run(), 6, "may withdraw money")


@every
def test_a_symbol_that_the_venue_does_not_have_is_named(booth):
    done = booth.run("--set", 'application.coverage.symbols=["NOPE/NADA"]')
    refused(booth, done, done.returncode, "NOPE/NADA")
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("booth", "found"), list(zip(VENUES, [None, "99.1", None, "99.1", "99.1"], strict=True)), indirect=["booth"]
)
def test_a_client_library_that_is_missing_or_of_another_version_says_who_what_and_what_was_found(
    booth, monkeypatch, found
):
    real, library = importlib.metadata.version, LIBRARIES[booth.name]

    def version(name):
        if name != library:
            return real(name)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    done = booth.run()
    who = f"trader-broker-{booth.name.removesuffix('_futures')}"
    refused(booth, done, 3, who, library, "or later, below", found or "not installed")
