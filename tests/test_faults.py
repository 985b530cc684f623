"""Every fault that must have a test has one, every number is in the catalogue, and the page says what the tests say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

from _docs import faults  # noqa: E402

RANGES = [
    (1, 37), (39, 45), (50, 52), (58, 61), (63, 68), (102, 103), (105, 112), (114, 115),
]  # fmt: skip
REQUIRED = {f"F{number:02d}" for first, last in RANGES for number in range(first, last + 1)}


def known() -> dict[str, str]:
    return {number: fault for group in faults.groups() for number, fault in group.faults.items()}


def missing(shown: list[faults.Shown]) -> set[str]:
    return REQUIRED - {number for test in shown for number in test.numbers}


def unknown(shown: list[faults.Shown]) -> set[str]:
    return {f"{test.name} ({test.path.name})" for test in shown if not set(test.numbers) <= set(known())}


def test_every_fault_that_must_have_a_test_has_one() -> None:
    assert missing(faults.named()) == set()


def test_no_test_names_a_number_that_the_catalogue_lacks() -> None:
    assert unknown(faults.named()) == set()


def test_the_page_is_what_tests_and_catalogue_say() -> None:
    written = (ROOT / "docs" / "explanation" / "faults.md").read_text(encoding="utf-8")
    assert written == faults.page(), "docs/explanation/faults.md is stale: run scripts/docs"


def test_the_catalogue_has_every_number_once_and_in_order() -> None:
    assert list(known()) == [f"F{number:02d}" for number in range(1, 126)]
    assert all(fault[0].isupper() and not fault.endswith(".") for fault in known().values())


def test_two_tests_of_one_file_have_two_names() -> None:
    names = [(test.path, test.name) for test in faults.named()]
    assert len(names) == len(set(names))


def test_a_fault_without_a_test_and_a_number_of_nobody_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "core" / "tests"
    folder.mkdir(parents=True)
    (folder / "test_some.py").write_text(
        'def test_F16_F17_two_at_once():\n    """The first line.\n\n    And more."""\n\n\n'
        "async def test_F999_nobody_knows_it():\n    pass\n\n\ndef test_F_is_no_number():\n    pass\n",
        encoding="utf-8",
    )
    both, stranger = faults.named(tmp_path)
    assert (both.numbers, both.says) == (("F16", "F17"), "The first line.")
    assert stranger.says == "Nobody knows it."
    assert missing([both, stranger]) == REQUIRED - {"F16", "F17"}
    assert unknown([both, stranger]) == {"test_F999_nobody_knows_it (test_some.py)"}


def test_a_number_that_stands_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        '[[groups]]\ntitle = "A"\nfaults = { F01 = "x" }\n[[groups]]\ntitle = "B"\nfaults = { F01 = "y" }\n'
    )
    monkeypatch.setattr(faults, "CATALOGUE", path)
    with pytest.raises(ValueError, match="twice: F01"):
        faults.groups()
