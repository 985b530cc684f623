"""Commands that distributions bring: found without an import, never in the place of trader's own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from trader.cli import COMMANDS, brought, main
from trader.cli import trader as program

GREET = """
import click

@click.command()
@click.option("--name", default="you", help="Whom.")
def greet(name):
    "Say hello."
    click.echo(f"hello {name}")
"""


@pytest.fixture
def bring(install):
    """Install a distribution that brings a command."""

    def run(name="my-greeter", command="greet", target="my_greeter:greet", source=GREET, **rest):
        module = target.partition(":")[0]
        return install(name, points={brought.GROUP: {command: target}}, files={f"{module}.py": source}, **rest)

    return run


@pytest.fixture
def typed(capsys):
    """Type a command line: (exit code, stdout, stderr)."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(list(words))
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return run


def test_a_command_that_is_installed_is_run(bring, typed):
    bring()
    assert typed("greet", "--name", "Ada") == (0, "hello Ada\n", "")


def test_help_lists_it_with_the_line_of_its_distribution_and_imports_nothing(bring, typed):
    bring(source="raise SystemExit(9)")
    code, out, _ = typed("--help")
    assert code == 0
    assert "greet" in out.partition("Commands of plugins:")[2]
    assert "my-greeter: A test." in out
    assert "my_greeter" not in sys.modules


def test_it_is_one_of_the_commands_for_whoever_walks_through_them(bring):
    bring()
    assert program.list_commands(None)[: len(COMMANDS)] == list(COMMANDS)
    assert "greet" in program.list_commands(None)
    assert program.get_command(None, "greet").name == "greet"


def test_without_any_help_is_what_it_was(monkeypatch, typed):
    monkeypatch.setattr(sys, "path", ["/nowhere"])
    assert "Commands of plugins" not in typed("--help")[1]


def test_a_missing_command_of_ours_says_what_to_install(monkeypatch, typed):
    monkeypatch.setattr(sys, "path", ["/nowhere"])
    code, _, err = typed("emulate", "alpaca")
    assert code == 2
    assert "comes with trader-emulators, which is not installed. Run: pip install trader-emulators" in err


def test_any_other_name_is_never_made_into_something_to_install(typed):
    code, _, err = typed("greet")
    assert code == 2
    assert "There is no command 'greet'" in err and "install" not in err


def test_a_slip_is_guessed_among_brought_commands_too(bring, typed):
    bring()
    assert "Did you mean 'greet'?" in typed("grete")[2]


def test_two_distributions_with_one_command_are_both_refused(bring, typed):
    bring()
    bring("other-greeter", target="other_greeter:greet", version="1.0")
    code, out, err = typed("greet")
    assert (code, out) == (3, "")
    assert "more than one distribution brings 'greet', my-greeter 0.3.2 and other-greeter 1.0" in err
    assert "uninstall one of them" in err
    assert "Refused: more than one distribution" in typed("--help")[1]
    assert "greet" not in program.list_commands(None)


def test_a_command_of_traders_own_stays_what_it_is(bring, typed):
    bring(command="status", target="my_greeter:greet")
    assert program.get_command(None, "status").callback.__module__ == "trader.cli.status"
    text = " ".join(typed("--help")[1].split())
    assert "Refused: 'status' is a command of trader itself, which stays what it is (my-greeter 0.3.2)." in text
    assert program.list_commands(None).count("status") == 1


def test_the_second_installation_of_a_distribution_does_not_count(bring, typed, tmp_path, monkeypatch):
    bring()
    older = tmp_path / "older"
    older.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(older)])
    bring("My_Greeter", site=older, version="0.1")
    assert typed("greet")[0] == 0


@pytest.mark.parametrize(
    ("target", "source", "said"),
    [
        ("my_greeter:greet", "import surely_not_there", "ModuleNotFoundError: No module named 'surely_not_there'"),
        ("my_greeter:gone", GREET, "AttributeError"),
        ("my_greeter:GREETING", "GREETING = 'hello'", "to be a click command, was 'hello'"),
        ("my_greeter", GREET, "its entry point must name a click command"),
    ],
)
def test_a_broken_command_is_told_in_words(bring, typed, target, source, said):
    bring(target=target, source=source)
    code, _, err = typed("greet")
    assert code == 3
    assert err.startswith("Command 'greet' (my-greeter 0.3.2)\n") and said in err


@pytest.mark.parametrize("name", ["Greet", "--greet", "gr eet"])
def test_a_name_that_nobody_can_type_is_refused(bring, name):
    bring(command=name)
    assert "must be lower-case" in brought.brought(COMMANDS)[name].problem


def test_damaged_metadata_is_no_trouble(site, typed):
    for number, text in enumerate([f"[{brought.GROUP}]\nno equals sign\n# a = b", f"[{brought.GROUP}]\ngreet = a:b"]):
        folder = site / f"damaged{number}.dist-info"
        folder.mkdir()
        (folder / "entry_points.txt").write_text(text)
    assert "a distribution without a name" in brought.brought(COMMANDS)["greet"].source
    assert typed("--help")[0] == 0


def test_who_types_a_command_of_ours_does_not_pay_for_the_look(site):
    code = (
        "import sys\nfrom trader.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'trader.cli.brought', 'importlib.metadata'} & set(sys.modules)), file=sys.stderr)"
    )

    def imported(*words):
        ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        return ran.stderr.splitlines()[-1]

    assert imported("status", "--help") == "[]"
    assert imported("--help") == "['trader.cli.brought']"
