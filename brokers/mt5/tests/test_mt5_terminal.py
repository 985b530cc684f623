"""The seam: what is said where there is no MetaTrader5, no server, or another one."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from trader.clock import SystemClock
from trader.env import CALL, World
from trader.errors import PluginBroken
from trader.model import Rejected, Unavailable
from trader.testing.emulation import Mishap
from trader_broker_mt5 import Settings, provide_broker, served
from trader_broker_mt5.terminal import Login

KEYS = {"MT5_LOGIN": "5", "MT5_PASSWORD": "a-password", "MT5_SERVER": "a-server"}


def opened(tmp_path, **table):
    world = World(tmp_path, tmp_path, environ=KEYS)
    broker = provide_broker(Settings(**table), world.door("mt5", distribution="trader-broker-mt5", secrets=tuple(KEYS)))
    answer = broker.open()
    broker.close()
    return answer


def test_without_a_server_it_says_who_needs_what_and_what_to_do(tmp_path):
    port = free_port()
    answer = opened(tmp_path, port=port)
    assert isinstance(answer, Unavailable) and answer.kind == "connection"
    for word in ("trader-broker-mt5", "MetaTrader5", f"127.0.0.1:{port}", sys.platform, "Wine", "README"):
        assert word in answer.reason


def test_on_windows_without_the_package_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("trader_broker_mt5.settings.sys", SimpleNamespace(platform="win32"))
    with pytest.raises(PluginBroken, match=r"trader-broker-mt5 needs MetaTrader5 5\.0\.45 or later.*not installed"):
        opened(tmp_path)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_server_as_the_readme_starts_it_whose_python_has_no_metatrader5_is_told_apart(tmp_path):
    port, clock = free_port(), SystemClock()
    program = (
        "from rpyc.utils.server import ThreadedServer; from rpyc.core import SlaveService;"
        f" ThreadedServer(SlaveService, hostname='127.0.0.1', port={port}).start()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            for _ in range(100):
                answer = opened(tmp_path, port=port)
                if answer.kind != "connection":
                    break
                clock.sleep(0.1)
        finally:
            server.terminate()
    assert isinstance(answer, Unavailable) and answer.kind == "server"
    assert "has no MetaTrader5 package" in answer.reason


def test_something_that_listens_and_says_nothing_is_given_up_in_time(tmp_path):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        clock = SystemClock()
        before = clock.monotonic()
        CALL.until = before + 0.5
        try:
            answer = opened(tmp_path, port=mute.getsockname()[1])
        finally:
            del CALL.until
        assert clock.monotonic() - before < 3.0
    assert isinstance(answer, Unavailable) and answer.kind == "connection"


def test_a_login_never_prints():
    login = Login(5, "a-password", "a-server")
    assert "password" not in repr(login) and "a-server" not in f"{login}"


# ---- what runs beside the terminal ---------------------------------------------------------------------------------
Info = namedtuple("Info", "connected trade_allowed tradeapi_disabled")
Account = namedtuple("Account", "login trade_allowed trade_expert")


class Module:
    """As much of the MetaTrader5 module as `served` touches."""

    def __init__(self):
        self.info, self.account, self.sent = Info(True, True, False), Account(5, True, True), []

    def terminal_info(self):
        return self.info

    def account_info(self):
        return self.account

    def last_error(self):
        return (-6, "Authorization failed")

    def order_send(self, request):
        self.sent.append(request)
        return namedtuple("Result", "retcode request")(10009, namedtuple("Request", "magic")(request["magic"]))

    def positions_get(self):
        return ()

    def copy_rates_range(self):
        return np.array([(60, 1.5)], dtype=[("time", "<i8"), ("open", "<f8")])


def ask(module, call, **more):
    return json.loads(served.ask(module, json.dumps({"call": call, "args": [], "named": {}, **more})))


def send(module, login=5, seconds=5.0):
    want = {"request": {"magic": 2**62}, "login": login, "until": served.clock() + seconds}
    return json.loads(served.send(module, json.dumps(want)))


def test_structures_and_arrays_become_plain_json():
    module = Module()
    assert ask(module, "account_info")["value"] == {"login": 5, "trade_allowed": True, "trade_expert": True}
    assert ask(module, "copy_rates_range")["value"] == {"time": [60], "open": [1.5]}
    assert ask(module, "positions_get")["value"] == []
    assert served.plain((float("nan"), float("inf"), np.float64(1.5), np.int64(3), None)) == [None, None, 1.5, 3, None]
    with pytest.raises(AttributeError):
        served.plain(object())


def test_an_order_is_a_real_dictionary_over_there():
    module = Module()
    answer = send(module)
    assert answer["value"] == {"retcode": 10009}
    assert module.sent == [{"magic": 2**62}]


@pytest.mark.parametrize(
    "change",
    [
        {"info": Info(False, True, False)}, {"info": Info(True, False, False)}, {"info": Info(True, True, True)},
        {"account": Account(6, True, True)}, {"account": Account(5, False, True)}, {"account": Account(5, True, False)},
        {"account": None}, {"info": None},
    ],
)  # fmt: skip
def test_an_order_is_not_sent_where_the_terminal_could_not_carry_it(change):
    module = Module()
    vars(module).update(change)
    answer = send(module)
    assert (answer["sent"], module.sent) == (False, [])
    assert (answer["state"]["error"] is None) is (None not in change.values())


# ---- a connection that stalls --------------------------------------------------------------------------------------
class Stalling:
    """Forwards to a server; from `stall` on it lets through some bytes of each answer, and no more."""

    def __init__(self, port):
        self.behind, self.stall, self.lines = port, False, []
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.door.accept()
                far = socket.create_connection(("127.0.0.1", self.behind))
                self.lines += [near, far]
                for pair in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self.forward, args=pair, daemon=True).start()

    def forward(self, source, target, answers):
        stalled = False
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and self.stall:
                    data, stalled = b"" if stalled else data[:6], True
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def close(self):
        for line in (self.door, *self.lines):
            line.close()


def within(seconds, question):
    clock = SystemClock()
    CALL.until = clock.monotonic() + seconds
    try:
        return question()
    finally:
        del CALL.until


def test_F42_a_terminal_that_hangs_is_given_up_in_time_and_asked_anew(start):
    desk = start()
    broker = desk.broker()
    desk.emulator.patience = 3.0
    desk.emulator.mishap("positions", Mishap.LOST)
    clock = SystemClock()
    before = clock.monotonic()
    answer = within(0.4, broker.positions)
    assert clock.monotonic() - before < 1.5
    assert isinstance(answer, Unavailable) and answer.kind == "timeout"
    assert broker.positions() == []


def test_F42_half_an_answer_holds_nobody_up_for_ever(start):
    desk = start()
    proxy = Stalling(desk.emulator.port)
    try:
        broker = desk.broker(port=proxy.port)
        proxy.stall = True
        answers = []
        thread = threading.Thread(target=lambda: answers.append(within(0.3, broker.positions)))
        thread.start()
        clock = SystemClock()
        clock.sleep(0.2)
        assert within(0.2, broker.orders).kind == "timeout"
        clock.sleep(1.5)
        assert within(0.2, broker.orders).kind == "timeout", "this one finds it stuck"
        thread.join(2.0)
        assert not thread.is_alive()
        assert isinstance(answers[0], Unavailable)
        proxy.stall = False
        assert broker.positions() == []
    finally:
        broker.close()
        proxy.close()


def test_F18_an_order_that_reaches_the_terminal_after_its_time_is_not_sent(start):
    module = Module()
    assert (send(module, seconds=-0.1)["late"], module.sent) == (True, [])
    desk = start()
    broker = desk.broker()
    order = desk.order()
    real = broker._terminal._call

    def slow(user, function, want, **more):
        """The process beside the terminal stood still for a minute."""
        return real(user, function, {**want, "until": want["until"] - 60} if function == "send" else want, **more)

    broker._terminal._call = slow
    outcome = broker.submit(order)
    assert isinstance(outcome, Rejected) and "after its time" in outcome.reason
    assert desk.emulator.requests("submit") == 0
    broker._terminal._call = real
    desk.sent(broker)
