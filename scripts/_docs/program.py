"""Pages about the program: its commands, exit codes, log events, the states of an order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _docs import sources
from _docs.text import block, cell, code, page, prose, table

WIDTH = 100


def commands() -> str:
    """`--help` of every command, and the exit codes."""
    from trader import errors

    parts = [f"## {name}\n\n{block(text)}" for name, text in helps()]
    codes = {"0": ["done"], "130": ["interrupted"]}
    for _, error in sorted(vars(errors).items()):
        if isinstance(error, type) and issubclass(error, errors.TraderError):
            codes.setdefault(str(error.exit_code), []).append(error.__name__)
    rows = [(number, ", ".join(names)) for number, names in sorted(codes.items(), key=lambda item: int(item[0]))]
    return page(
        "Commands",
        "the command line's --help and core/src/trader/errors.py",
        "For operators and for scripts: every command with its options, and what an exit code means. After it you can"
        " call trader from a shell or another program and know what its answer means.",
        "`--settings`, `--set` and `--json` may stand before and after the command's name. With `--json` the answer"
        " goes to stdout and nothing else does; faults go to stderr.",
        *parts,
        "## Exit codes",
        "A fault is one paragraph on stderr: where, what was expected and what it was, what to do.",
        table(("code", "what it means"), rows),
        prose(errors.__doc__),
    )


def helps() -> Iterator[tuple[str, str]]:
    """(name, help) of every command, outer ones first, 100 columns wide."""
    import click
    from trader.cli import trader

    def walk(command: Any, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
        width = {"terminal_width": WIDTH, "max_content_width": WIDTH}
        context = click.Context(command, parent, name, **{**command.context_settings, **width})
        path = context.command_path
        yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                yield from walk(command.get_command(context, each), each, context)

    yield from walk(trader, "trader", None)


def events() -> str:
    """The events of the log, read from the sources."""
    rows = [(code(event.name), event.level, ", ".join(map(code, event.fields))) for event in sources.events()]
    return page(
        "Log events",
        "the calls of the loggers in the sources",
        "For operators and for whoever reads the log with a program: every event name and its fields. After it you can"
        " filter the log and alert on it.",
        "The log is JSON lines in `logs/trader.jsonl` in the state folder. Every line has `event`, `level` and"
        " `timestamp` (UTC), most have `session` and `book`. One event name is one fact.",
        table(("event", "level", "its own fields"), rows),
    )


def states() -> str:
    """The state table of orders."""
    from trader.orders import lifecycle
    from trader.orders.lifecycle import TABLE, TERMINAL

    rows = [
        (code(state.value), code(to.value), ", ".join(sorted(cause.value for cause in causes)))
        for state, ways in TABLE.items()
        for to, causes in ways.items()
    ]
    ends = ", ".join(code(state.value) for state in TABLE if state in TERMINAL)
    return page(
        "States of an order",
        "core/src/trader/orders/lifecycle.py",
        "For operators and broker authors: where an order can be in its life, and what moves it. After it you can read"
        " the STATE column of `trader orders`.",
        cell(lifecycle.__doc__ or ""),
        "`denied` was refused by a risk rule, `not_sent` was stopped by the gate, `unknown` may or may not have arrived"
        " at the venue. `absent` was proven not to be there.",
        f"The ends: {ends}. Everything else counts in every limit, at its worst case.",
        table(("from", "to", "moved by"), rows),
        "`horizon` moves an order when the broker's `horizon_seconds` are over and it still does not show it"
        " ([manifest](manifest.md#capabilities-that-the-core-reads)). Nothing in this version replaces an order.",
    )
