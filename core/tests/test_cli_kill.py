"""kill and rearm: with venues of every mood, with a session that answers or hangs, with and without a database."""

import subprocess
import sys

import pytest
from trader.clock import SystemClock
from trader.errors import Refused, SettingsError, StoreError, Unreachable, UsageError
from trader.model import OrderState
from trader.safety.stop import FILE, Trip, read_stop, write_stop
from trader.store import DATABASE, blocks

VENUE = '''
"""A venue whose working orders are lines of a file; `mood` says what is wrong with it."""

import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel
from trader.errors import Refused
from trader.hookspecs import hookimpl
from trader.model import Accepted, Account, OrderReport, OrderState, Position, Side, Unavailable

NOW = datetime(2024, 1, 2, tzinfo=UTC)


class Settings(BaseModel, extra="forbid"):
    file: str
    mood: str = ""


class Venue:
    def __init__(self, settings, path):
        self.mood, self.path, self.asked = settings.mood, path, 0

    def open(self):
        self.asked += 1
        if self.mood == "hangs":
            threading.Event().wait(20)
        if self.mood == "taken":
            raise Refused("Another process trades on this account.")
        if self.mood == "raises":
            raise OSError("no route to host")
        if self.mood == "away" or (self.mood == "late" and self.asked < 3):
            return Unavailable("network", "it is down for maintenance")
        return self.account()

    def close(self):
        pass

    def account(self):
        return Account("A", "demo", "USD", Decimal(1), Decimal(1), Decimal(1), False, NOW)

    def _lines(self):
        return [line for line in self.path.read_text().split() if line]

    def orders(self):
        self.asked += 1
        if self.mood == "flaky" and self.asked in (2, 5):
            raise OSError("connection reset")
        return [
            OrderReport("", line, "AAPL", Side.BUY, Decimal(1), Decimal(0), OrderState.WORKING, NOW)
            for line in self._lines()
        ]

    def cancel(self, ref):
        if self.mood != "stubborn" or self.asked > 2:
            if self.mood != "deaf":
                left = [line for line in self._lines() if line != ref.venue_id]
                self.path.write_text(chr(10).join(left))
        return Accepted()

    def positions(self):
        return [Position("AAPL", Decimal(3), Decimal(10)), Position("IBM", Decimal(0), Decimal(0))]

    def order(self, ref): ...
    def fills(self, since): ...
    def instruments(self, symbols): ...
    def submit(self, order): ...
    def key(self, client_id): ...


@hookimpl
def provide_broker(settings, env):
    if settings.mood == "broken":
        raise ValueError("bad key")
    return Venue(settings, env.file(settings.file))
'''


class Venues:
    """Settings in which each book has a venue of its own; main's is the first."""

    def __init__(self, folder, site):
        self.folder = folder
        package = site / "my_venue"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(VENUE)
        (package / "plugin.toml").write_text('[broker.venue]\napi = 1\nsummary = "A venue"\n')
        info = site / "my_venue-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-venue\nVersion: 1.0\nSummary: A venue\n")
        (info / "entry_points.txt").write_text("[trader.brokers]\nvenue = my_venue\n")
        (info / "RECORD").write_text("my_venue/__init__.py,,\n")

    def write(self, **moods):
        """A venue for each name, with two working orders."""
        names = list(moods)
        books = [f'broker = "{names[0]}"'] + [f'[books.{name}]\nbroker = "{name}"' for name in names[1:]]
        tables = [
            f'[brokers.{name}]\nplugin = "venue"\nfile = "{name}.txt"\nmood = "{mood}"' for name, mood in moods.items()
        ]
        head, *rest = books
        text = f'[application]\ndata = "sample"\n{head}\n\n' + "\n\n".join([*rest, *tables]) + "\n"
        (self.folder / "settings.toml").write_text(text)
        for name in names:
            (self.folder / f"{name}.txt").write_text("v1\nv2\n")

    def left(self, name):
        return (self.folder / f"{name}.txt").read_text().split()


@pytest.fixture
def venues(bare, tmp_path_factory, monkeypatch):
    site = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(site)
    made = Venues(bare.folder, site)
    made.write(alpha="")
    yield made
    sys.modules.pop("my_venue", None)


def brokers(told):
    return {each["broker"]: each for each in told["brokers"]}


# ---- the file comes first ------------------------------------------------------------------------------------------
def test_kill_writes_the_file_before_anything_slow_is_imported(bare):
    """In a process of its own: no database, no plugin, no NumPy is there when the gate is closed."""
    program = """
import sys
from trader.cli import main
import trader.safety.stop as stop
real = stop.write_stop
def first(folder, trip):
    print("heavy:", sorted({"sqlalchemy", "numpy", "pydantic", "pluggy", "structlog"} & set(sys.modules)))
    return real(folder, trip)
stop.write_stop = first
main(["kill", "--timeout", "0"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=bare.folder)
    assert "heavy: []" in done.stdout, done.stderr
    assert (bare.state / FILE).exists()


def test_kill_without_a_session_or_a_database_halts_and_sweeps(bare, venues):
    lines = bare.run("kill", "--reason", "smoke").splitlines()
    assert lines[0].startswith("Kill switch HALTED for everything, smoke (")
    assert lines[1].startswith("  gate closed      ") and lines[1].endswith(" ms)")
    assert lines[2].startswith("  alpha            2 working orders cancelled, 0 left (confirmed ")
    assert lines[2].endswith("); 1 position kept")
    assert lines[3:] == ['It stays halted over restarts. When the cause is mended: trader rearm --reason "..."']
    assert venues.left("alpha") == []
    assert read_stop(bare.state).reason == "smoke"
    assert not (bare.state / DATABASE).exists()


def test_kill_for_programs(desk, venues):
    told = desk.json("kill")
    assert (told["clean"], told["halted"], told["stored"], told["trouble"]) == (True, True, True, [])
    assert told["session"] == {"running": False, "process": None, "answer": None}
    (venue,) = told["brokers"]
    assert venue.pop("confirmed_at")
    assert venue == {
        "broker": "alpha", "books": ["main"], "confirmed": True, "by": "venue", "cancelled": 2, "left": 0,
        "positions": 1, "trouble": "",
    }  # fmt: skip
    (block,) = blocks.standing(desk.store)
    assert (block.scope, block.level, block.reason) == ("*", "halt", "by hand")


def test_a_second_kill_keeps_the_first_reason_and_sweeps_again(desk, venues):
    desk.run("kill", "--reason", "first")
    venues.write(alpha="")
    text = desk.run("kill", "--reason", "second")
    assert "it was halted already since" in text and ": first (" in text
    assert venues.left("alpha") == []
    assert [each.reason for each in blocks.standing(desk.store)] == ["first"]


def test_kill_with_settings_that_cannot_be_read_halts_and_says_that_no_venue_was_asked(bare, venues):
    text = (bare.folder / "settings.toml").read_text().replace("[application]", '[application]\nstate_dir = "here"')
    (bare.folder / "settings.toml").write_text(text + "\n[application\n")
    said = bare.run("kill", code=7)
    assert "so no venue was asked" in said and "settings.toml" in said
    assert read_stop(bare.folder / "here") is not None
    assert venues.left("alpha") == ["v1", "v2"]


def test_a_mistake_in_another_table_keeps_no_venue_from_being_swept(bare, venues):
    with (bare.folder / "settings.toml").open("a") as file:
        file.write('\n[risk_rules.no_such_rule]\nlimt = "many"\n')
    bare.run("kill")
    assert venues.left("alpha") == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('application.state_dir = "here"', []),
        ('application = { broker = "alpha", state_dir = "here" }', []),
        ('[application] # state_dir = "there"', ["--set", "application.state_dir=here"]),
    ],
)
def test_a_folder_that_is_written_in_another_way_is_halted_too(bare, line, words):
    (bare.folder / "settings.toml").write_text(f"{line}\n[application\n")
    bare.run("kill", *words, code=7)
    assert read_stop(bare.folder / "here") is not None


def test_a_mistake_in_the_databases_name_keeps_no_venue_from_being_swept(bare, venues):
    text = (bare.folder / "settings.toml").read_text()
    (bare.folder / "settings.toml").write_text(text.replace("[application]", "[application]\ndatabase = 5"))
    said = bare.run("kill", code=7)
    assert "2 working orders cancelled, 0 left" in said and "Expected text in quotes" in said
    assert venues.left("alpha") == []


def test_an_interrupted_kill_that_came_to_no_venue_is_not_clean(desk, venues, monkeypatch):
    def interrupted(*_args):
        SystemClock().sleep(0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr("trader.cli.sweeping.visits", interrupted)
    assert "Not everything is confirmed." in desk.run("kill", code=7)
    assert venues.left("alpha") == ["v1", "v2"]


def test_kill_where_no_settings_are_says_that_nothing_was_halted(tmp_path, bare, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match=r"(?s)Nothing was halted.*--settings PATH"):
        bare.run("kill")


def test_kill_goes_on_where_the_file_cannot_be_written(bare, venues):
    bare.state.write_text("a file where the folder should be")
    said = bare.run("kill", code=7)
    assert "the gate is NOT closed by the file" in said
    assert "It stays halted" not in said
    assert venues.left("alpha") == []


def test_kill_with_a_reason_that_is_no_text_halts_and_sweeps(desk, venues, monkeypatch):
    """A terminal of another encoding: its bytes can be kept by no file and no database."""
    monkeypatch.setenv("LOGNAME", "k\udcfcm")
    told = desk.json("kill", "--reason", "K\udcfcche brennt")
    assert (told["reason"], told["by"], told["stored"]) == ("K?che brennt", "k?m", True)
    assert read_stop(desk.state) is not None and venues.left("alpha") == []
    assert "lifted" in desk.run("rearm", "--reason", "gel\udcf6scht")


def test_an_empty_name_of_the_settings_halts_no_other_session(bare, venues):
    """A script's variable that is not set: the session that was meant is not the one of this folder."""
    with pytest.raises(SettingsError, match=r"It is empty\. Nothing was halted"):
        bare.run("kill", "--settings", "")
    assert read_stop(bare.state) is None and venues.left("alpha") == ["v1", "v2"]


@pytest.mark.parametrize("words", [["kill"], ["kill", "--json"]], ids=" ".join)
@pytest.mark.parametrize(("mood", "code", "left"), [("", 0, []), ("deaf", 7, ["v1", "v2"])])
def test_kill_whose_words_nobody_reads_sweeps_all_the_same(bare, venues, words, mood, code, left):
    """Its output goes to a full disk, or into a pipe that has ended: the exit code says what came of it."""
    venues.write(alpha=mood)
    assert bare.unread(*words, "--timeout", "5" if code == 0 else "0.5") == (code, "")
    assert venues.left("alpha") == left


# ---- venues --------------------------------------------------------------------------------------------------------
def test_a_broken_venue_does_not_stop_the_others(bare, venues):
    venues.write(alpha="hangs", beta="raises", gamma="away", delta="broken", good="")
    told = brokers(bare.json("kill", "--timeout", "1", code=7))
    assert told["good"]["confirmed"] and venues.left("good") == []
    assert [name for name, each in told.items() if each["confirmed"]] == ["good"]
    assert told["alpha"]["trouble"] == "it has not answered in time"
    assert told["beta"]["trouble"] == "OSError: no route to host"
    assert told["gamma"]["trouble"] == "it does not let us in: it is down for maintenance"
    assert "bad key" in told["delta"]["trouble"]


def test_what_is_not_confirmed_is_said_with_what_to_do(bare, venues):
    venues.write(alpha="deaf")
    text = bare.run("kill", "--timeout", "0.5", code=7)
    assert "NOT confirmed: 2 orders left; it has not answered in time" in text
    assert "Not everything is confirmed. Try again (trader kill), or look at the venue's own page." in text
    assert "It stays halted over restarts." in text


@pytest.mark.parametrize("mood", ["late", "flaky", "stubborn"])
def test_a_venue_in_trouble_is_asked_again_until_it_is_clean(bare, venues, mood):
    venues.write(alpha=mood)
    (venue,) = bare.json("kill", "--timeout", "20")["brokers"]
    assert (venue["confirmed"], venue["cancelled"]) == (True, 2)
    assert venues.left("alpha") == []


def test_a_book_that_names_no_broker_is_told(bare, venues):
    with (bare.folder / "settings.toml").open("a") as file:
        file.write('\n[books.fx]\nbroker = "nowhere"\n[brokers.nowhere]\nenabled = false\n')
    told = brokers(bare.json("kill", code=7))
    assert told["alpha"]["confirmed"]
    assert "nobody knows where book 'fx' trades" in told["book fx"]["trouble"]


def test_a_venue_that_is_asked_by_nobody_more_is_let_go(bare, venues):
    """The paper account that a kill opened can be opened by the next session."""
    (bare.folder / "settings.toml").write_text('[application]\nbroker = "paper"\n[brokers.paper]\n')
    pytest.importorskip("trader_broker_paper")
    for _ in range(2):
        told = bare.json("kill")
        assert told["clean"] and told["brokers"][0]["positions"] == 0


# ---- the session ---------------------------------------------------------------------------------------------------
def test_kill_asks_a_running_session_too(desk, venues):
    with desk.session(lambda _: "halted, 0 orders left") as asked:
        text = desk.run("kill", "--reason", "smoke")
    assert [(each.kind, each.args) for each in asked] == [("kill", {"reason": "smoke"})]
    assert "answered: halted, 0 orders left." in text
    assert venues.left("alpha") == []


def test_kill_works_while_the_session_hangs(desk, venues, monkeypatch):
    monkeypatch.setattr("trader.cli.kill.SESSION_SECONDS", 0.3)
    with desk.session():
        text = desk.run("kill")
    assert "did not answer (process " in text and "this was done without it." in text
    assert venues.left("alpha") == []
    assert read_stop(desk.state) is not None


def test_an_account_that_the_session_holds_is_the_sessions_to_sweep(desk, venues):
    venues.write(alpha="taken")
    desk.order("t1")

    def obey(command):
        from trader.orders.journal import Move
        from trader.orders.lifecycle import Cause

        if command.kind == "reconcile":  # what was cancelled is booked when the session asks for news
            journal = desk.journal()
            for state in (OrderState.CLOSING, OrderState.CANCELED):
                journal.moved([Move("t1", state, Cause.REPORT, SystemClock().now())])
        return "done"

    with desk.session(obey) as asked:
        told = desk.json("kill")
    assert [each.kind for each in asked] == ["kill", "reconcile"]
    (venue,) = told["brokers"]
    assert (told["clean"], venue["by"], venue["cancelled"], venue["left"]) == (True, "session", 1, 0)


def test_an_account_that_the_session_holds_and_has_not_swept_is_not_confirmed(desk, venues):
    venues.write(alpha="taken")
    desk.order("t1")
    with desk.session(lambda _: "halted"):
        text = desk.run("kill", "--timeout", "0.6", code=7)
    assert "NOT confirmed: Another process trades on this account" in text
    assert "The session goes on trying." in text


def test_a_session_that_halted_and_could_not_sweep_yet_is_asked_until_it_has(desk, venues):
    """An order of somebody else is in no journal: that none of ours is open does not say that none works."""
    venues.write(alpha="taken")
    answers = ["halted; the broker of book 'main' does not answer; the session goes on trying"]
    with desk.session(lambda _: answers[0]):
        told = desk.json("kill", "--timeout", "1", code=7)
    assert not told["clean"] and not told["brokers"][0]["confirmed"]
    answers += ["halted; no order works at any venue"]
    with desk.session(lambda _: answers.pop(0)) as asked:
        assert desk.json("kill")["clean"]
    assert "kill" in [each.kind for each in asked[1:]]


def test_a_session_that_was_rearmed_before_it_had_swept_confirms_nothing(desk, venues):
    venues.write(alpha="taken")
    with desk.session(lambda _: "no: it was lifted again by a person before it was confirmed that no order works"):
        assert not desk.json("kill", "--timeout", "1", code=7)["clean"]


def test_an_order_whose_answer_never_came_is_not_confirmed_away(desk, venues):
    desk.order("tunknown", state=OrderState.UNKNOWN)
    text = desk.run("kill", code=7)
    assert "1 order whose answer never came, may still turn up: tunknown" in text
    assert "2 working orders cancelled, 0 left" in text


def test_an_order_of_a_book_that_is_not_in_the_settings_any_more_is_not_confirmed_away(desk, venues):
    desk.order("tleft", book="other", state=OrderState.WORKING)
    text = desk.run("kill", code=7)
    assert "book other       NOT confirmed: not in the settings any more, 1 open order by the journal" in text
    assert "2 working orders cancelled, 0 left" in text
    told = desk.json("kill", code=7)
    assert not told["clean"] and "book other: NOT confirmed" in told["trouble"][0]


# ---- the database --------------------------------------------------------------------------------------------------
def test_kill_with_a_database_that_somebody_holds_leaves_it_to_the_file(desk, venues, monkeypatch):
    monkeypatch.setattr("trader.cli.halting.BUSY_SECONDS", 0.1)
    with desk.store.transaction():
        text = desk.run("kill")
    assert "it did not take the halt, the file holds: Another process holds the database" in text
    assert read_stop(desk.state) is not None and blocks.standing(desk.store) == []


def test_kill_with_a_damaged_database_halts_sweeps_and_is_not_sure(bare, venues):
    bare.state.mkdir()
    (bare.state / DATABASE).write_bytes(b"not a database at all")
    text = bare.run("kill", code=7)
    assert "it cannot be read, the file holds" in text
    assert venues.left("alpha") == []
    assert read_stop(bare.state) is not None


# ---- rearm ---------------------------------------------------------------------------------------------------------
def test_rearm_needs_a_reason(desk):
    assert "Missing option '--reason'" in desk.run("rearm", code=2)
    with pytest.raises(UsageError, match="--reason is empty"):
        desk.run("rearm", "--reason", "  ")


def test_rearm_without_a_session_lifts_file_and_block(desk, venues):
    desk.run("kill", "--reason", "smoke")
    text = desk.run("rearm", "--reason", "a kettle")
    assert "kill switch  lifted; it stood since 2" in text and "UTC: smoke" in text
    assert "file STOP    removed" in text
    assert "Nothing halts any more." in text
    assert read_stop(desk.state) is None and blocks.standing(desk.store) == []
    with desk.store.reading() as connection:
        why = connection.exec_driver_sql("SELECT lifted_why FROM block").scalar_one()
    assert why == "a kettle"


def test_rearm_before_anything_ran_lifts_the_file(bare):
    write_stop(bare.state, Trip("smoke", "kim", None))
    assert bare.json("rearm", "--reason", "a kettle")["file"] is True
    assert read_stop(bare.state) is None


@pytest.mark.parametrize("scope", [[], ["AAPL"]])
def test_rearm_with_nothing_to_lift_is_done_and_says_so(desk, scope):
    text = desk.run("rearm", *scope, "--reason", "to be sure")
    assert "There is nothing to lift: " in text


@pytest.mark.parametrize(
    ("scope", "lifted"),
    [
        ("AAPL", ["main/AAPL", "fx/AAPL"]),
        ("main/AAPL", ["main/AAPL"]),
        ("main", ["main"]),
        ("", ["*"]),
        ("main:momentum", []),
        ("BTC/USD", ["fx/BTC/USD"]),
        ("USD", []),
    ],
)
def test_rearm_lifts_what_is_named_and_shows_what_still_stands(desk, scope, lifted):
    for each in ("*", "main", "main/AAPL", "fx/AAPL", "fx/BTC/USD"):
        blocks.block(desk.store, each, "halt" if each != "fx/AAPL" else "reduce", "by hand")
    blocks.block(desk.store, "main:momentum", "pause", "by hand")
    told = desk.json("rearm", *([scope] if scope else []), "--reason", "mended")
    assert [each["scope"] for each in told["lifted"]] == lifted
    assert len(told["standing"]) == 6 - len(lifted)
    assert {each.scope for each in blocks.standing(desk.store)} == {each["scope"] for each in told["standing"]}
    text = desk.run("rearm", "NOTHING", "--reason", "mended")
    assert f"{6 - len(lifted)} blocks still standing:" in text


def test_rearm_tells_a_running_session_and_waits_for_it(desk):
    write_stop(desk.state, Trip("smoke", "kim", None))
    blocks.block(desk.store, "*", "halt", "smoke")

    def obey(command):
        from trader.safety.stop import lift_stop

        blocks.lift(desk.store, "*", by="kim", reason=command.args["reason"])
        lift_stop(desk.state)
        return "armed again"

    with desk.session(obey) as asked:
        told = desk.json("rearm", "--reason", "a kettle")
    assert [(each.kind, each.args) for each in asked] == [("rearm", {"scope": "", "reason": "a kettle"})]
    assert (told["answer"], told["file"]) == ("armed again", True)
    assert [each["scope"] for each in told["lifted"]] == ["*"]


def test_a_session_that_does_not_answer_stays_halted(desk):
    write_stop(desk.state, Trip("smoke", "kim", None))
    with desk.session(), pytest.raises(Unreachable, match="nothing is lifted yet"):
        desk.run("rearm", "--reason", "a kettle", "--timeout", "0.2")
    assert read_stop(desk.state) is not None and desk.waiting() == []


def test_a_session_that_refuses_to_rearm_is_told(desk):
    with desk.session(lambda _: "no: a loss limit stands"), pytest.raises(Refused, match="a loss limit stands"):
        desk.run("rearm", "--reason", "a kettle")


def test_rearm_with_a_damaged_database_lifts_nothing(bare):
    write_stop(bare.state, Trip("smoke", "kim", None))
    (bare.state / DATABASE).write_bytes(b"not a database at all")
    with pytest.raises(StoreError):
        bare.run("rearm", "--reason", "a kettle")
    assert read_stop(bare.state) is not None


def test_a_file_that_cannot_be_removed_is_told_and_halts_still(desk):
    (desk.state / FILE).mkdir()
    with pytest.raises(StoreError, match="STOP cannot be removed, it halts everything still"):
        desk.run("rearm", "--reason", "mended")
    assert read_stop(desk.state) is not None
