"""BC-01 to BC-03, BC-14 to BC-17: the account, what is traded, and what the manifest says."""

from __future__ import annotations

from decimal import Decimal

from trader.model import Account, Instrument, OrderType, Rejected, TimeInForce, Unavailable
from trader.testing.conformance.broker.venue import EPOCH, BrokerSuite, needs, wired

POLICIES = ("forever", "open_only", "none")
PERMISSIONS = {"read", "trade", "withdraw", "transfer"}


class AccountCases(BrokerSuite):
    def test_bc_01_opens_an_account(self) -> None:
        """open and account say whose it is, paper or demo, in which currency; money is Decimal, time aware."""
        made = self.made()
        self._opened.append(made)
        for answer in (made.object.open(), made.object.account()):
            assert isinstance(answer, Account), f"Expected an Account, was {answer!r}."
            assert answer.kind in ("paper", "demo"), (
                f"Conformance is for paper and demo accounts, this one is {answer.kind}."
            )
            assert answer.account_id and answer.currency, f"Expected an account id and a currency, was {answer!r}."
            for amount in (answer.cash, answer.equity, answer.settled_cash):
                assert type(amount) is Decimal and amount.is_finite(), f"Expected money as Decimal, was {amount!r}."
            assert answer.time.tzinfo is not None, "Expected an aware time."

    def test_bc_02_begins_clean(self) -> None:
        """A new account holds nothing, has no orders and no fills. At the venue itself fills of before are history."""
        broker = self.open()
        since = self.moment() if self.own else EPOCH
        for name, answer in (
            ("positions", broker.positions()), ("orders", broker.orders()), ("fills", broker.fills(since)),
        ):  # fmt: skip
            assert not isinstance(answer, Unavailable), f"{name}: {answer}"
            assert list(answer) == [], f"Expected no {name}, was {list(answer)}."

    def test_bc_03_knows_its_instruments(self) -> None:
        """The rules of the symbol asked for: steps above 0; () is no error."""
        broker = self.open()
        (rules,) = broker.instruments([self.about])
        assert isinstance(rules, Instrument) and rules.symbol == self.about, f"Expected {self.about}, was {rules!r}."
        assert rules.tick > 0 and rules.lot > 0 and rules.multiplier > 0, f"Expected steps above 0, was {rules!r}."
        assert not isinstance(broker.instruments(()), Unavailable), "instruments(()) is Unavailable."

    def test_bc_14_declares_what_it_can(self) -> None:
        """The manifest says its order types, times in force, id policy and horizon in the words of the field."""
        plugin = self.found()
        if not plugin.manifest:
            return
        can = plugin.capabilities
        assert set(can.get("order_types", ())) <= {kind.value for kind in OrderType} and can.get("order_types"), (
            f"Expected order_types out of {[kind.value for kind in OrderType]}, was {can.get('order_types')!r}."
        )
        assert set(can.get("time_in_force", ())) <= {tif.value for tif in TimeInForce} and can.get("time_in_force"), (
            f"Expected time_in_force out of {[tif.value for tif in TimeInForce]}, was {can.get('time_in_force')!r}."
        )
        assert can.get("id_policy") in POLICIES, f"Expected id_policy one of {POLICIES}, was {can.get('id_policy')!r}."
        horizon = can.get("horizon_seconds")
        assert isinstance(horizon, int | float) and horizon >= 0, f"Expected horizon_seconds, was {horizon!r}."
        assert wired(plugin) is bool(self.emulated or self.own), (
            "Expected an emulator in [broker.NAME.conformance], or embedded = true for a broker without a wire."
        )
        assert plugin.permissions.submits_orders, "A broker submits orders: its permissions must say so."

    def test_bc_15_can_what_it_declares(self) -> None:
        """A stream, a cancel-all, cash events: the object has the method if, and only if, the manifest says so."""
        plugin = self.found()
        if not plugin.manifest:
            return
        has = self.made().provided.has
        for word, protocol in (
            ("streams", "HasOrderStream"), ("cancel_all", "HasCancelAll"), ("cash_events", "HasCashEvents"),
            ("needs_bars", "NeedsBars"),
        ):  # fmt: skip
            says = bool(plugin.capabilities.get(word, False))
            assert says is (protocol in has), f"The manifest says {word} = {str(says).lower()}, {protocol}: {has}."

    def test_bc_16_says_what_its_keys_may(self) -> None:
        """Permissions are words that the core knows: a key that may withdraw is refused there."""
        account = self.open().account()
        assert set(account.permissions) <= PERMISSIONS, f"Expected some of {PERMISSIONS}, was {account.permissions}."

    @needs("wire")
    def test_bc_17_does_not_invent_symbols(self) -> None:
        """A symbol that the venue does not have has no rules, and an order in it is Rejected."""
        broker = self.open()
        found = broker.instruments([self.about, "NO-SUCH-SYMBOL"])
        assert not isinstance(found, Unavailable), f"Expected the one that there is, was {found!r}."
        assert [rules.symbol for rules in found] == [self.about], f"Expected {self.about} only, was {found!r}."
        outcome = broker.submit(self.limit(broker, symbol="NO-SUCH-SYMBOL"))
        assert isinstance(outcome, Rejected), f"Expected Rejected, was {outcome!r}."
