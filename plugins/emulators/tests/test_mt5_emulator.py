"""The MetaTrader 5 emulator as an rpyc client meets it: the classic protocol, the module behind it, mishaps."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import rpyc
from trader.errors import UsageError
from trader.model import Side
from trader.simulation import Faults
from trader.testing.emulation import Mishap, Setup
from trader_emulators import emulate as emulate_by_name
from trader_emulators.mt5 import Mt5Emulator, emulate
from trader_emulators.mt5.constants import CONSTANTS
from trader_emulators.mt5.package import package, real
from trader_emulators.mt5.structs import STRUCTS

SEND = """
import MetaTrader5 as mt5, json
def send_json(text):
    result = mt5.order_send(json.loads(text))
    made = None if result is None else dict(result._asdict(), request=result.request._asdict())
    return json.dumps(made), json.dumps(mt5.last_error())
"""
BUY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 0, "magic": 77, "comment": "ours"}


class Client:
    """As a broker talks to a terminal on another machine."""

    def __init__(self, emulator: Mt5Emulator, *, login: bool = True) -> None:
        self.connection = rpyc.classic.connect("127.0.0.1", emulator.port)
        self.connection._config["sync_request_timeout"] = 10
        self.mt5 = self.connection.modules.MetaTrader5
        self.connection.execute(SEND)
        if login:
            keys = emulator.secrets
            assert self.mt5.initialize(
                login=int(keys["MT5_LOGIN"]), password=keys["MT5_PASSWORD"], server=keys["MT5_SERVER"]
            )

    def send(self, **request: Any) -> tuple[dict[str, Any] | None, tuple[int, str]]:
        result, error = self.connection.namespace["send_json"](json.dumps(request))
        code, text = json.loads(error)
        return json.loads(result), (code, text)

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def emulator() -> Iterator[Mt5Emulator]:
    made = emulate(Setup())
    yield made
    made.close()


@pytest.fixture
def client(emulator: Mt5Emulator) -> Iterator[Client]:
    made = Client(emulator)
    yield made
    made.close()


def test_the_emulator_is_found_by_its_name_and_says_how_to_reach_it() -> None:
    emulator = emulate_by_name("mt5", Setup())
    try:
        assert isinstance(emulator, Mt5Emulator)
        assert emulator.options == {"host": "127.0.0.1", "port": emulator.port}
        assert set(emulator.secrets) == {"MT5_LOGIN", "MT5_PASSWORD", "MT5_SERVER"}
        assert all(isinstance(value, str) for value in emulator.secrets.values())
    finally:
        emulator.close()


def test_a_mode_that_it_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="netting, hedging"):
        emulate(Setup(mode="hedge"))


def test_a_port_that_is_taken_is_an_os_error_and_leaves_nothing_open(emulator: Mt5Emulator) -> None:
    with pytest.raises(OSError, match="in use"):
        emulate(Setup(port=emulator.port))


def test_the_server_listens_on_this_machine_only(emulator: Mt5Emulator) -> None:
    assert emulator._server.host == "127.0.0.1"


def test_closing_twice_is_no_error_and_frees_the_port() -> None:
    first = emulate(Setup())
    first.close()
    first.close()
    second = emulate(Setup(port=first.port))
    assert second.port == first.port
    second.close()


def test_account_info_comes_over_in_one_copy_and_names_the_emulator(client: Client) -> None:
    account = rpyc.classic.obtain(client.mt5.account_info()._asdict())
    assert account["server"] == "trader-emulator"
    assert account["trade_mode"] == client.mt5.ACCOUNT_TRADE_MODE_DEMO
    assert (account["balance"], account["currency"], account["margin_mode"]) == (100_000.0, "USD", 0)
    assert list(account) == list(STRUCTS["AccountInfo"]._fields)


def test_every_struct_has_as_many_fields_as_the_real_package() -> None:
    sizes = {name: len(struct._fields) for name, struct in STRUCTS.items()}
    assert sizes == {
        "TradePosition": 19, "TradeOrder": 24, "TradeDeal": 18, "TradeRequest": 17, "OrderSendResult": 11,
        "OrderCheckResult": 9, "Tick": 8, "TerminalInfo": 22, "SymbolInfo": 96, "AccountInfo": 28, "BookInfo": 4,
    }  # fmt: skip


def test_a_named_tuple_cannot_be_obtained_whole_because_the_client_has_no_such_package(client: Client) -> None:
    with pytest.raises(Exception, match="MetaTrader5"):
        rpyc.classic.obtain(client.mt5.account_info())


def test_rates_come_over_as_a_real_array(client: Client) -> None:
    rates = rpyc.classic.obtain(client.mt5.copy_rates_from_pos("EURUSD", client.mt5.TIMEFRAME_H1, 0, 5))
    assert rates.dtype.names == ("time", "open", "high", "low", "close", "tick_volume", "spread", "real_volume")
    assert len(rates) == 5
    assert (rates["high"] >= rates["low"]).all()


def test_an_order_is_sent_as_text_through_the_namespace(client: Client, emulator: Mt5Emulator) -> None:
    result, error = client.send(**BUY)
    assert error == (1, "Success")
    assert result is not None
    assert result["retcode"] == 10009
    assert result["request"]["magic"] == 77
    assert [taken.key for taken in emulator.venue.accepted] == ["77"]


def test_a_proxy_of_a_dict_is_no_dict_and_a_proxy_of_a_datetime_no_datetime(client: Client) -> None:
    assert client.mt5.order_send(dict(BUY)) is None
    assert client.mt5.last_error()[0] == -2
    assert client.mt5.history_deals_get(datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)) is None
    assert client.mt5.last_error()[0] == -2


def test_eval_execute_and_other_modules_work_as_in_a_classic_server(client: Client) -> None:
    client.connection.execute("import MetaTrader5\nfrom MetaTrader5 import TIMEFRAME_D1 as day")
    assert client.connection.eval("MetaTrader5.TIMEFRAME_H1") == 16385
    assert client.connection.namespace["day"] == 16408
    assert client.connection.modules.math.sqrt(4.0) == 2.0


def test_two_emulators_in_one_process_do_not_mix(emulator: Mt5Emulator, client: Client) -> None:
    other = emulate(Setup(cash=Decimal(5_000)))
    second = Client(other)
    try:
        assert client.connection.eval("__import__('MetaTrader5').account_info().balance") == 100_000.0
        assert second.connection.eval("__import__('MetaTrader5').account_info().balance") == 5_000.0
        assert "MetaTrader5" not in sys.modules
    finally:
        second.close()
        other.close()


def test_the_terminal_is_one_for_all_connections_and_leaving_it_is_for_all(
    emulator: Mt5Emulator, client: Client
) -> None:
    second = Client(emulator, login=False)
    assert second.mt5.account_info() is not None
    second.mt5.shutdown()
    assert client.mt5.account_info() is None
    assert client.mt5.last_error() == (-10004, "No IPC connection")
    second.close()


def test_each_connection_has_its_own_last_error(emulator: Mt5Emulator, client: Client) -> None:
    second = Client(emulator, login=False)
    assert second.mt5.symbol_info("NONE") is None
    assert second.mt5.last_error()[0] == -4
    assert client.mt5.last_error() == (1, "Success")
    second.close()


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"login": 1, "password": "emulated-password", "server": "trader-emulator"}, -6),
        ({"login": 25115284, "password": "wrong", "server": "trader-emulator"}, -6),
        ({"login": 25115284, "password": "emulated-password", "server": "Somebody-Live"}, -6),
        ({"login": "25115284", "password": "emulated-password", "server": "trader-emulator"}, -2),
    ],
)
def test_wrong_keys_are_refused_and_a_login_must_be_a_number(
    emulator: Mt5Emulator, keys: dict[str, Any], code: int
) -> None:
    client = Client(emulator, login=False)
    assert client.mt5.initialize(**keys) is False
    assert client.mt5.last_error()[0] == code
    client.close()


def test_nothing_is_answered_before_initialize(emulator: Mt5Emulator) -> None:
    client = Client(emulator, login=False)
    assert client.mt5.positions_get() is None
    assert client.mt5.last_error() == (-10004, "No IPC connection")
    assert client.mt5.initialize()
    assert client.mt5.positions_get() == ()
    client.close()


def test_a_revoked_account_gets_authorization_failed_for_everything(emulator: Mt5Emulator, client: Client) -> None:
    emulator.revoke()
    assert client.mt5.account_info() is None
    assert client.mt5.last_error()[0] == -6
    assert client.send(**BUY)[0] is None
    assert client.mt5.login(25115284, "emulated-password", "trader-emulator") is False
    assert not emulator.venue.accepted


# ---- mishaps ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mishap", "retcode", "code", "handled"),
    [
        (Mishap.LOST, None, -10005, 0),
        (Mishap.LOST_REPLY, None, -10005, 1),
        (Mishap.FAILED, 10011, 1, 0),
        (Mishap.FAILED_AFTER, 10012, 1, 1),
        (Mishap.HTML, 10008, 1, 0),
        (Mishap.TRUNCATED, 10008, 1, 1),
        (Mishap.GARBAGE, 0, 1, 1),
        (Mishap.RATE_LIMITED, 10024, 1, 0),
        (Mishap.UNAUTHORIZED, None, -6, 0),
    ],
)
def test_F21_a_mishap_of_an_order_is_what_the_table_says(
    emulator: Mt5Emulator, client: Client, mishap: Mishap, retcode: int | None, code: int, handled: int
) -> None:
    emulator.mishap("submit", mishap)
    result, error = client.send(**BUY)
    assert (None if result is None else result["retcode"]) == retcode
    assert error[0] == code
    assert len(emulator.venue.accepted) == handled
    if result is not None:
        assert (result["order"], result["deal"]) == (0, 0)
    assert emulator.requests("submit") == 1
    again, _ = client.send(**BUY)
    assert again is not None
    assert again["retcode"] == 10009


@pytest.mark.parametrize(("mishap", "handled"), [(Mishap.RESET, 0), (Mishap.RESET_AFTER, 1)])
def test_F21_a_reset_breaks_the_connection_and_another_one_finds_the_terminal_as_it_was(
    emulator: Mt5Emulator, client: Client, mishap: Mishap, handled: int
) -> None:
    emulator.mishap("submit", mishap)
    with pytest.raises(EOFError):
        client.send(**BUY)
    assert len(emulator.venue.accepted) == handled
    again = Client(emulator, login=False)
    positions = again.mt5.positions_get()
    assert len(positions) == handled
    again.close()


def test_F18_a_late_order_is_handled_after_two_seconds(emulator: Mt5Emulator, client: Client) -> None:
    emulator.mishap("submit", Mishap.LATE)
    result, error = client.send(**BUY)
    assert (result, error[0]) == (None, -10005)
    assert not emulator.venue.accepted
    late = next(thread for thread in threading.enumerate() if thread.name == "mt5-late")
    late.join(5)
    assert len(emulator.venue.accepted) == 1


QUERIES = {
    "account": "account_info()",
    "positions": "positions_get()",
    "orders": "orders_get()",
    "order": "history_orders_get(0, 4000000000)",
    "fills": "history_deals_get(0, 4000000000)",
    "cash_events": "history_deals_get(0, 4000000000)",
    "instruments": "symbols_get()",
    "quotes": "symbol_info_tick('EURUSD')",
    "bars": "copy_rates_from_pos('EURUSD', 1, 0, 2)",
}


@pytest.mark.parametrize("call", QUERIES)
def test_F21_a_query_that_fails_is_none_with_its_reason_and_never_empty(
    emulator: Mt5Emulator, client: Client, call: str
) -> None:
    question = f"__import__('MetaTrader5').{QUERIES[call]}"
    quiet = [mishap for mishap in Mishap if mishap not in {Mishap.RESET, Mishap.RESET_AFTER}]
    for mishap in quiet:
        emulator.mishap(call, mishap)
        assert client.connection.eval(f"{question} is None")
        assert client.mt5.last_error()[0] < 0
    assert not client.connection.eval(f"{question} is None")
    assert client.mt5.last_error() == (1, "Success")
    assert emulator.requests(call) == len(quiet) + 1


def test_a_query_meets_a_reset_as_a_broken_connection(emulator: Mt5Emulator, client: Client) -> None:
    emulator.mishap("positions", Mishap.RESET)
    with pytest.raises(EOFError):
        client.mt5.positions_get()


def test_a_terminal_with_patience_holds_the_call_before_it_says_timeout(emulator: Mt5Emulator, client: Client) -> None:
    emulator.patience = 5.0
    emulator.mishap("account", Mishap.LOST)
    client.connection._config["sync_request_timeout"] = 0.2
    with pytest.raises(TimeoutError):
        client.mt5.account_info()


def test_dropped_connections_come_again(emulator: Mt5Emulator, client: Client) -> None:
    emulator.drop_streams()
    with pytest.raises(EOFError):
        client.mt5.account_info()
    again = Client(emulator, login=False)
    assert again.mt5.account_info() is not None
    again.close()


def test_too_many_orders_are_refused_with_10024(emulator: Mt5Emulator, client: Client) -> None:
    emulator.limit(1, 60.0)
    assert client.send(**BUY)[0]["retcode"] == 10009  # type: ignore[index]
    assert client.send(**BUY)[0]["retcode"] == 10024  # type: ignore[index]
    assert len(emulator.venue.accepted) == 1


def test_random_faults_of_the_venue_never_become_an_exception_or_an_empty_answer() -> None:
    faults = Faults(
        submit_lost=0.1, submit_garbage=0.2, submit_raises=0.2, submit_failed_accepted=0.1, query_lost=0.1,
        query_failed=0.1, query_raises=0.2, query_garbage=0.2,
    )  # fmt: skip
    emulator = emulate(Setup(seed=3, faults=faults))
    try:
        module = package(emulator)
        module.initialize()
        met, answered = 0, 0
        for _ in range(60):
            for call in (lambda: module.order_send(dict(BUY, volume=0.01)), lambda: module.history_deals_get(0, 4e9),
                         module.account_info, module.positions_get, module.orders_get):  # fmt: skip
                try:
                    answer = call()
                except EOFError:  # the connection broke
                    met += 1
                    continue
                assert answer is None or module.last_error()[0] == 1
                met, answered = met + (answer is None), answered + (answer is not None)
        assert met > 50
        assert answered > 50
    finally:
        emulator.close()


# ---- the real package ------------------------------------------------------------------------------------------------
def test_a_real_packages_init_runs_on_the_emulated_core(emulator: Mt5Emulator, tmp_path: Path) -> None:
    init = tmp_path / "__init__.py"
    init.write_text("from ._core import *\nfrom ._core import order_send as _send\nOURS = 5\n")
    module = real(emulator, init)
    assert module.initialize()
    assert module.OURS == 5
    assert module.order_send(dict(BUY)).retcode == 10009
    assert "MetaTrader5" not in sys.modules


@pytest.mark.skipif(importlib.util.find_spec("MetaTrader5") is None, reason="the real package is for Windows")
def test_the_real_packages_own_code_trades_here_and_knows_no_other_constants(emulator: Mt5Emulator) -> None:
    spec = importlib.util.find_spec("MetaTrader5")
    assert spec is not None
    assert spec.origin is not None
    module = real(emulator, Path(spec.origin))
    theirs = {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, int)}
    assert {name: value for name, value in theirs.items() if name in CONSTANTS} == CONSTANTS
    assert module.initialize()
    assert module.Buy("EURUSD", 0.1).retcode == 10009
    assert module.Close("EURUSD")
    assert module.positions_get() == ()


def test_nothing_is_logged_when_clients_break_off(
    emulator: Mt5Emulator, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        emulator.mishap("account", Mishap.RESET)
        with pytest.raises(EOFError):
            client.mt5.account_info()
    assert not [record for record in caplog.records if "mt5" in record.name]


def test_a_persons_order_is_shown_without_magic(emulator: Mt5Emulator, client: Client) -> None:
    emulator.venue.manual_trade("EUR/USD", Side.SELL, Decimal("0.5"))
    emulator.trade("EUR/USD", 1.1)
    (position,) = client.mt5.positions_get()
    assert (position.magic, position.comment, position.type, position.volume) == (0, "", 1, 0.5)
