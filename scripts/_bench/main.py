"""The command line of scripts/bench."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from _bench import page, peers
from _bench.programs import ROOT, Failed
from _bench.result import Conditions, Result

NAMES = ("startup", "restart", "decision", "w2", "journal", "orders", "reconcile", "submit", "run")
PEERS = "TRADER_BENCH_PEERS"


def main(arguments: Sequence[str]) -> int:
    """0; 1 where a target is missed; 2 where it could not be measured."""
    if arguments and arguments[0] == "peers":
        return _peers(arguments[1:])
    options = _parse(arguments)
    names = list(dict.fromkeys(options.names)) or list(NAMES)
    if options.record and (options.quick or set(names) != set(NAMES)):
        print("--record writes all figures at their full size: without NAMES and --quick", file=sys.stderr)
        return 2
    results = []
    try:
        for result in run(names, quick=options.quick, peers=options.peers, folder=options.folder):
            results.append(result)
            print(line(result), file=sys.stderr if options.json else sys.stdout, flush=True)
        if options.record:
            page.record(results)
    except Failed as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({**page.machine(), "results": [result.as_json() for result in results]}))
    return int(any(result.status == "missed" for result in results))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure trader, side by side with what it is compared to.",
        epilog="scripts/bench peers FOLDER installs llm, datasette, bt and nautilus_trader to compare with.",
    )
    parser.add_argument("names", nargs="*", metavar="NAMES", help=f"some of {', '.join(NAMES)}; all if none is named")
    parser.add_argument("--quick", action="store_true", help="a small size: see that it runs, judge nothing")
    parser.add_argument("--json", action="store_true", help="one object on stdout, the lines on stderr")
    parser.add_argument("--record", action="store_true", help="write the results into docs/reference/benchmarks.md")
    given = os.environ.get(PEERS)
    parser.add_argument(
        "--peers", type=Path, metavar="FOLDER", default=Path(given) if given else None,
        help=f"what `scripts/bench peers FOLDER` filled (default: ${PEERS}); without it they are left out",
    )  # fmt: skip
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "var", help="where to write meanwhile, on the disk to be measured"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.peers is not None and not options.peers.is_dir():
        parser.error(f"--peers: there is no folder {options.peers}; `scripts/bench peers {options.peers}` makes it")
    return options


def _peers(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: scripts/bench peers FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0]).resolve()
    try:
        peers.install(folder)
    except Failed as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    print(f"now: scripts/bench --peers {folder}")
    return 0


def run(names: Sequence[str], *, quick: bool, peers: Path | None, folder: Path) -> Iterator[Result]:
    """The results of these benchmarks, as they come. What they write is removed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        place = Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
        try:
            module = importlib.import_module(f"_bench.{name}")
            yield from module.measure(Conditions(quick, peers and peers.resolve(), place.resolve()))
        finally:
            shutil.rmtree(place, ignore_errors=True)


def line(result: Result) -> str:
    """A result as a line of text."""
    bench, what, value, beside, ratio, target, status = result.cells()
    parts = [f"{bench:<9} {status:<6} {what}: {value}"]
    parts += [f"{ratio} of {beside}"] if ratio else [beside] if beside else []
    parts += [f"target {target}"] if target else []
    return "; ".join(parts)
