"""The terminal's functions of connection and account."""

from __future__ import annotations

from typing import Any

from trader.testing.emulation import Mishap

from trader_emulators.mt5.gate import Gate
from trader_emulators.mt5.structs import TerminalInfo
from trader_emulators.mt5.words import CONNECT, SUCCESS, TROUBLE, Refused, call_argument


class Session(Gate):
    """The terminal is one for all connections: who logs in or leaves it does so for everybody."""

    def initialize(self, path: str = "", *, login: int = 0, password: str = "", server: str = "",
                   timeout: int = 60_000, portable: bool = False) -> bool:  # fmt: skip
        """Connect with the terminal, which has an account remembered; or log in to another."""
        del timeout, portable
        done = self._ask(("login",), self._initialize, path, login, password, server, failed=False)
        return bool(done)

    def _initialize(self, path: str, login: Any, password: Any, server: Any) -> bool:
        call_argument(path, str, "path")
        if self._emulator.revoked:
            raise Refused(*TROUBLE[Mishap.UNAUTHORIZED])
        if login or password or server:
            self._check(login, password, server)
        self._emulator.initialized = self._emulator.authorized = True
        return True

    def login(self, login: int, password: str = "", server: str = "", timeout: int = 60_000) -> bool:
        """Another account: its number must be an int. Without a password, the one that the terminal remembers."""
        del timeout
        return bool(self._ask(("login",), self._login, login, password, server, failed=False))

    def _login(self, login: Any, password: Any, server: Any) -> bool:
        if not self._emulator.initialized:
            raise Refused(CONNECT, "No IPC connection")
        self._check(login, password, server)
        self._emulator.authorized = True
        return True

    def _check(self, login: Any, password: Any, server: Any) -> None:
        """What is not given is what the terminal remembers."""
        call_argument(login, int, "login")
        call_argument(password, str, "password")
        call_argument(server, str, "server")
        keys = self._emulator.secrets
        expected = (keys["MT5_PASSWORD"], keys["MT5_SERVER"])
        right = all(not given or given == key for given, key in zip((password, server), expected, strict=True))
        if self._emulator.revoked or str(login) != keys["MT5_LOGIN"] or not right:
            self._emulator.authorized = False
            raise Refused(*TROUBLE[Mishap.UNAUTHORIZED])

    def shutdown(self) -> None:
        """Leave the terminal: for everybody who shares this Python."""
        self._emulator.initialized = False
        self._line.last_error = SUCCESS

    def version(self) -> tuple[int, int, str] | None:
        """(terminal's version, build, date of the build)."""
        answer: tuple[int, int, str] | None = self._ask((), self._version)
        return answer

    def _version(self) -> tuple[int, int, str]:
        if not self._emulator.initialized:
            raise Refused(CONNECT, "No IPC connection")
        return 500, 5_260, "14 Aug 2025"

    def last_error(self) -> tuple[int, str]:
        """(code, text) of this connection's last call; (1, "Success")."""
        return self._line.last_error

    def terminal_info(self) -> Any:
        """TerminalInfo."""
        return self._query((), self._terminal)

    def _terminal(self) -> Any:
        emulator = self._emulator
        where = "C:\\Program Files\\MetaTrader 5"
        return TerminalInfo(
            community_account=False, community_connection=False, connected=emulator.connected, dlls_allowed=False,
            trade_allowed=emulator.autotrading, tradeapi_disabled=not emulator.api_trading,
            email_enabled=False, ftp_enabled=False,
            notifications_enabled=False, mqid=False, build=5_260, maxbars=100_000, codepage=1252, ping_last=1_500,
            community_balance=0.0, retransmission=0.0, company="trader emulators", name="MetaTrader 5",
            language="English", path=where, data_path=where, commondata_path=where,
        )  # fmt: skip

    def account_info(self) -> Any:
        """AccountInfo."""
        return self._query(("account",), self._account)

    def _account(self) -> Any:
        emulator = self._emulator
        keys = emulator.secrets
        account = emulator.ask(emulator.venue.account)
        return self._rows.account(account, int(keys["MT5_LOGIN"]), keys["MT5_SERVER"])
