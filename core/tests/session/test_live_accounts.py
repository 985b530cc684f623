"""Whose money it is, the account says: a live one is refused at the start where nobody asked for it."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from msgspec import structs
from trader.errors import Refused
from trader.model import Account
from trader.session.assemble import _account
from trader.settings.schema import Trading


def live(room):
    room.always("open", lambda real: structs.replace(real(), kind="live"))


@pytest.mark.parametrize("trading", ['mode = "paper"', 'mode = "paper"\nrequire_demo = false', 'mode = "read_only"'])
def test_F94_a_live_account_is_refused_in_paper_mode_and_wherever_a_demo_is_required(make_room, trading):
    room = make_room(text=f"[trading]\n{trading}\n")
    live(room)
    with pytest.raises(Refused, match="says that it is live, and trading"):
        room.play()
    assert room.submits == [] and room.calls["main"]["open"] == 1


@pytest.mark.parametrize("kind", ["paper", "demo"])
def test_an_account_of_play_money_is_taken_in_paper_mode(make_room, kind):
    room = make_room()
    room.always("open", lambda real: structs.replace(real(), kind=kind))

    async def story():
        await room.hold()
        room.agree()

    room.play(story)


@pytest.mark.parametrize("kind", ["paper", "demo"])
def test_an_account_of_play_money_is_refused_in_live_mode(kind):
    account = Account("D1", kind, "USD", Decimal(1), Decimal(1), Decimal(1), False, datetime(2026, 1, 1, tzinfo=UTC))
    settings = SimpleNamespace(trading=Trading(mode="live", require_demo=False))
    with pytest.raises(Refused, match=f"is a {kind} account, and trading.mode is live"):
        _account(settings, "main", None, account, SimpleNamespace(instance="alpaca"))
