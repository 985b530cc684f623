"""Each benchmark runs at its small size and measures what it says; the page is rewritten where it should be."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"


@pytest.fixture
def bench(monkeypatch):
    """The package behind scripts/bench."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import _bench.main

    return _bench.main


def measured(bench, name, folder):
    return {result.what: result for result in bench.run([name], quick=True, peers=None, folder=folder)}


def test_startup_measures_the_programs_beside_click(bench, tmp_path):
    found = measured(bench, "startup", tmp_path)
    for what in ("trader plugins list", "trader --help"):
        assert found[what].value > 0
    assert found["trader --help"].against == "import click" and found["trader --help"].ratio > 0
    first, whole = found["trader run, to its first decision"], found["trader run --once, whole"]
    assert 0 < first.value < whole.value


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell a child's peak memory")
def test_peak_memory_is_that_of_the_program_and_not_of_whoever_started_it(bench, tmp_path):
    from _bench.programs import run

    ballast = bytearray(64 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])  # touched, so that it is in memory
    assert 2 < run([sys.executable, "-c", ""], tmp_path).peak < 40
    grown = run([sys.executable, "-c", "x = bytearray(64 * 2**20); x[::4096] = b'x' * len(x[::4096])"], tmp_path)
    assert grown.peak > 64


def test_a_program_that_fails_is_an_error_with_what_it_said(bench, tmp_path):
    from _bench.programs import Failed, run

    with pytest.raises(Failed, match=r"code 3: (?s:.*)no such luck"):
        run([sys.executable, "-c", "import sys; print('no such luck', file=sys.stderr); sys.exit(3)"], tmp_path)


def test_decision_has_a_case_without_orders_and_cases_with_orders(bench, tmp_path):
    orders = [int(re.search(r"\((\d+) orders\)", what)[1]) for what in measured(bench, "decision", tmp_path)]
    assert orders[0] == 0 and min(orders[1:]) > 0


def test_w2_trades_in_its_band_and_only_opens_without_one(bench, tmp_path):
    found = measured(bench, "w2", tmp_path)
    orders = [int(re.search(r"\(([\d,]+) orders", what)[1].replace(",", "")) for what in found if "orders" in what]
    traded, opened, every = orders
    assert opened == 10 < traded
    assert every > 10
    assert all(result.value > 0 for result in found.values())


def test_w2_follows_its_weights(bench):
    from _bench.w2 import play

    assert play(65, 4, 0.0).orders > play(65, 4, 0.2).orders == 4


def test_submit_measures_every_broker_beside_its_client_library(bench, tmp_path):
    found = measured(bench, "submit", tmp_path)
    assert len(found) == 5
    for result in found.values():
        assert result.value > 0 and result.reference > 0 and result.target.of == "ratio"


def test_journal_stores_every_row_it_compares(bench, tmp_path):
    from _bench.journal import _cycle, _journal, _stored

    work = [_cycle(number, 5) for number in range(3)]
    _journal(tmp_path / "trader.db", work)
    groups, schema = _stored(tmp_path / "trader.db")
    assert [len(rows) for rows in groups] == [5, 5, 5]
    assert schema[0].startswith("CREATE TABLE") and "client_id" in schema[0]
    assert {order.client_id for _, orders in work for order in orders} == {row[2] for rows in groups for row in rows}


def test_restart_decides_once_on_a_long_past_and_beside_it_the_past_is_replayed(bench, tmp_path):
    from _bench.restart import measure
    from _bench.result import Conditions

    beside_short, beside_replay = measure(Conditions(True, None, tmp_path))
    assert beside_short.what.startswith("session with 40 orders and 80 fills behind it")
    assert beside_short.value == beside_replay.value > 0
    assert beside_replay.against == "replay of every event" and beside_replay.reference > 0


def test_the_long_past_is_a_whole_journal_of_filled_orders(bench, tmp_path):
    from _bench.exchange import Exchange
    from _bench.live_book import BOOK
    from _bench.restart import play_again, prepare
    from trader.store import reading
    from trader.store.chain import verify_chain
    from trader.store.database import open_store

    life = prepare(tmp_path, 5, 3)
    assert (life.orders, life.fills) == (15, 30)
    assert play_again(tmp_path) > 0
    store = open_store(tmp_path / "var" / "trader.db", read_only=True)
    try:
        assert verify_chain(store) is None
        assert {row["state"] for row in reading.orders(store, BOOK)} == {"filled"}
        held = {row["symbol"]: row["quantity"] for row in reading.holdings(store, BOOK)}
    finally:
        store.close()
    account = Exchange.taken_up(life.account)
    assert {one.symbol: one.quantity for one in account.positions()} == held and len(held) == 5
    assert account.count == life.orders


def test_a_replay_that_ends_elsewhere_is_no_figure(bench, tmp_path, monkeypatch):
    from _bench import restart

    restart.prepare(tmp_path, 2, 1)
    monkeypatch.setattr(restart, "stored", lambda store, book: restart.replay(store, "another"))
    with pytest.raises(AssertionError, match="does not say what it keeps"):
        restart.play_again(tmp_path)


def test_orders_are_measured_to_the_gate_and_over_the_whole_step(bench, tmp_path):
    from _bench.orders import send

    together, single = send(tmp_path, 20, 1), send(tmp_path, 1, 3)
    assert (together.orders, single.orders) == (20, 3)
    assert 0 < together.gate < together.whole and 0 < single.gate < single.whole
    found = list(measured(bench, "orders", tmp_path).values())
    assert len(found) == 3 and all(result.value > 0 for result in found)
    assert {result.against for result in found} == {"nautilus_trader (not installed)"}


def test_reconcile_brings_every_order_where_the_venue_has_it(bench, tmp_path):
    found = measured(bench, "reconcile", tmp_path)
    assert [what.partition(", ")[2] for what in found] == [
        "each was possibly sent", "nothing new", "each was filled meanwhile",
    ]  # fmt: skip
    assert all(result.value > 0 and result.ratio > 0 for result in found.values())


def test_journal_and_run_leave_nothing_behind(bench, tmp_path):
    for name in ("journal", "run"):
        assert all(result.ratio > 0 for result in measured(bench, name, tmp_path).values())
    assert list(tmp_path.iterdir()) == []


def test_a_target_is_judged_by_value_or_by_ratio_and_not_at_a_small_size(bench):
    from _bench.result import Result, Target

    def status(target, **more):
        return Result("b", "w", 10.0, "ms", "other", 40.0, target, **more).status

    assert status(Target(11.0)) == "ok" and status(Target(10.0)) == "missed"
    assert status(Target(0.26, "ratio")) == "ok" and status(Target(0.25, "ratio")) == "missed"
    assert status(Target(10.0, least=True)) == "ok" and status(Target(0.5, "ratio", least=True)) == "missed"
    assert status(Target(1.0), judged=False) == "-" and status(None) == "-"
    assert Result("b", "w", 10.0, "ms", "absent", None, Target(0.1, "ratio")).status == "-"


def test_record_replaces_the_results_and_nothing_else(bench, tmp_path):
    from _bench import page
    from _bench.result import Result, Target

    copy = tmp_path / "benchmarks.md"
    before = PAGE.read_text(encoding="utf-8")
    copy.write_text(before, encoding="utf-8")
    for value in (10.0, 20.0):
        page.record([Result("w2", "a | b", value, "ms", "other", 40.0, Target(11.0))], copy)
    after = copy.read_text(encoding="utf-8")
    assert "| w2 | a \\| b | 20.0 ms | other: 40.0 ms | 0.50x | < 11.0 ms | missed |" in after
    assert "10.0 ms |" not in after
    head, tail = before.split(page.BEGIN)[0], before.split(page.END)[1]
    assert after.startswith(head + page.BEGIN) and after.endswith(page.END + tail)


def test_a_page_without_its_marks_is_refused(bench, tmp_path):
    from _bench import page
    from _bench.programs import Failed

    copy = tmp_path / "benchmarks.md"
    copy.write_text("# Benchmarks\n", encoding="utf-8")
    with pytest.raises(Failed, match="must have one line"):
        page.record([], copy)
    assert copy.read_text(encoding="utf-8") == "# Benchmarks\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["w3"], "there is no benchmark w3"),
        (["--peers", "not-there"], "there is no folder not-there"),
        (["--record", "--quick"], "without NAMES and --quick"),
        (["--record", "w2"], "without NAMES and --quick"),
        (["peers"], "usage: scripts/bench peers FOLDER"),
    ],
)
def test_a_wrong_command_line_is_explained(bench, capsys, arguments, said):
    try:
        code = bench.main(arguments)
    except SystemExit as stop:  # argparse
        code = stop.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_json_is_one_object_on_stdout(bench, tmp_path, capsys):
    assert bench.main(["decision", "--quick", "--json", "--folder", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert {result["benchmark"] for result in told["results"]} == {"decision"}
    assert all(result["ratio"] == result["value"] / result["reference"] for result in told["results"])


def test_the_page_names_every_benchmark(bench):
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in bench.NAMES if f"### {name}\n" not in text] == []


def test_the_script_says_how_it_is_used():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "bench"), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "--record" in done.stdout
