"""Pages about what a plugin is: hooks, protocols, manifest."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import Any

from _docs import sources
from _docs.text import block, code, page, prose, table

NOT_YET = "Nothing in this version of trader {} it."


def hooks() -> str:
    """Every hook of trader.hookspecs."""
    from trader import hookspecs

    found = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "trader_spec")}
    provide = {name: value for name, value in found.items() if name.startswith("provide_")}
    watch = {name: value for name, value in found.items() if name not in provide}
    return page(
        "Hooks",
        "core/src/trader/hookspecs.py",
        "For plugin authors: every place where a plugin joins in, with its arguments. After it you know which one"
        " function your module needs, and what its object may watch.",
        prose(hookspecs.__doc__),
        "## What a plugin is",
        "One of these, marked with `@hookimpl`, in the module that the entry point names. Called once for each"
        " instance, at start, before anything is opened; it does no network. Raising stops the start with a message"
        " that says who and where.",
        *(_hook(name, value) for name, value in provide.items()),
        "## What it may watch",
        "Methods of the object that `provide_...` returned. Each is optional. One that raises is logged as"
        " `observer_fault`, and the rest run. None can change an order.",
        *(_hook(name, value) for name, value in watch.items()),
    )


def _hook(name: str, function: Any) -> str:
    from trader.plugins.kinds import KINDS

    kind = KINDS.get(name.removeprefix("provide_"))
    parts = [f"### {name}", block(f"def {name}{inspect.signature(function)}", "python"), prose(function.__doc__)]
    if kind is not None:
        protocols = " or ".join(f"[{each}](protocols.md#{each.lower()})" for each in kind.protocols)
        parts.append(f"Entry points: `{kind.group}`. Settings: `[{kind.plural}.NAME]`. Returns: {protocols}.")
    elif name not in sources.words("hookspecs.py", "testing"):
        parts.append(NOT_YET.format("calls"))
    return "\n\n".join(part.replace("'", "") if part.startswith("```") else part for part in parts)


def protocols() -> str:
    """Every class of trader.protocols."""
    path = sources.CORE / "protocols.py"
    found = sources.classes(path)
    used = sources.words("protocols.py", "kinds.py", "testing")
    parts: list[str] = []
    for section, members in groupby(found, key=lambda one: one.section):
        parts.append(f"## {section.partition(';')[0].partition(':')[0].strip().capitalize()}")
        parts += [_class(each, used) for each in members]
    return page(
        "Protocols",
        "core/src/trader/protocols.py",
        "For plugin authors: what the object of each kind of plugin is handed and must answer, with shapes and units."
        " After it you can write one and know when its answers count as wrong.",
        prose(sources.tree_doc(path)),
        *parts,
    )


def _class(described: sources.Described, used: frozenset[str]) -> str:
    parts = [f"### {described.name}", prose(described.doc)]
    if described.name.startswith(("Has", "Needs")):
        parts.append("Optional." if described.name in used else f"Optional. {NOT_YET.format('uses')}")
    rows = [(code(member.signature), member.doc) for member in described.members]
    return "\n\n".join(part for part in (*parts, table(("member", "what it says or does"), rows)) if part)


def manifest() -> str:
    """The tables of plugin.toml."""
    from trader.plugins import manifest as source
    from trader.plugins.kinds import API_VERSION, KINDS

    kinds = [
        (kind.people, code(kind.word), code(kind.group), code(f"[{kind.plural}.NAME]"), code(kind.hook))
        for kind in KINDS.values()
    ]
    about = {member.name: member for each in sources.classes(sources.CORE / "plugins" / "manifest.py")
             for member in each.members if each.name in ("Entry", "Permissions")}  # fmt: skip
    _same({*source.TABLE_KEYS, *source.PERMISSION_KEYS}, set(WORDS), "WORDS")
    keys = [(code(name), code(about[name].signature.partition(": ")[2]), WORDS[name]) for name in source.TABLE_KEYS]
    asked = [
        (code(name), code(about[name].signature.partition(": ")[2]), WORDS[name]) for name in source.PERMISSION_KEYS
    ]
    _same(set(sources.capabilities()), set(CAPABILITIES), "CAPABILITIES")
    read = [(code(name), code(default), CAPABILITIES[name]) for name, default in sources.capabilities().items()]
    return page(
        "plugin.toml, the manifest",
        "core/src/trader/plugins/manifest.py",
        "For plugin authors: what a plugin says about itself, read without importing it. After it you can write the"
        " manifest of a plugin and know where it must lie.",
        prose(source.__doc__),
        "A module of one file has no folder to keep a manifest in. It then has the summary of its distribution, asks"
        " for no permissions, and `trader plugins list` shows it all the same.",
        "## Kinds",
        table(("kind", "in the manifest", "entry points", "settings", "hook"), kinds),
        "A service can be installed and listed; nothing can load one yet"
        " ([why](../decisions/0007-services-have-no-hook-yet.md)).",
        f"## Keys of a table `[kind.name]`\n\nThe plugin API of this version is {API_VERSION}.",
        table(("key", "type", "what it says"), keys),
        "## Keys of `permissions`",
        table(("key", "type", "what it says"), asked),
        "## Capabilities that the core reads",
        table(("capability", "without it", "what it says"), read),
        "Other capabilities (order types, streams, time frames) are shown by `trader plugins show NAME`. Which of them"
        " leave out a case of the conformance suite stands [there](brokers.md#what-is-not-asked-and-why).",
    )


def _same(there: set[str], described: set[str], where: str) -> None:
    if there != described:
        raise LookupError(
            f"{where} in scripts/_docs/contracts.py must describe {sorted(there ^ described)}, or no more"
        )


WORDS = {
    "api": "The version of the plugin API that it was written for. Needed. Another one than this version's is"
    " `incompatible` and is not loaded.",
    "summary": "One line for people.",
    "capabilities": "What it can do; see below.",
    "permissions": "What it asks for. What is not listed is not given.",
    "conformance": "Brokers: how the conformance suite asks it: `emulator`, `symbol`, `price`, `quantity`, `options`,"
    " `setup` (of the emulator).",
    "submits_orders": "Whether it sends orders to a venue.",
    "secrets": "Names, never values. `env.secret` gives these and no others.",
    "hosts": "Network hosts that it talks to. Shown to people; not enforced.",
}
CAPABILITIES = {
    "concurrency": "How many calls at once its connection stands.",
    "delay_seconds": "How long after a bar's end a live source has it.",
    "embedded": "A broker that lives in this process, without a wire to a venue; its conformance suite asks less.",
    "horizon_seconds": "How late an order may still turn up at the broker and be seen. Before that, not found proves"
    " nothing. 0: what it does not show is not there.",
    "id_policy": "What the venue does with a key that it knows: `forever` refuses it, `open_only` refuses it while an"
    " order with it is open, `none` takes it as one more order.",
    "late_arrival_bounded": "Whether nothing can arrive after the horizon. Where it can, an absent order counts in"
    " exposure for a while. True unless given where the horizon is 0.",
    "needs_bars": "A broker that trades on the session's bars, such as paper. Only such a broker plays recorded data.",
    "recorded": "A data source whose bars all lie in the past: its clock drives market time.",
    "sells_fund_buys": "Whether what a sale brings pays for a buy of the same plan.",
    "time_in_force": "How long its orders may last; `day` and `gtc` stand in for each other where one is missing. The"
    " tag `time_in_force` of an instrument goes before it.",
    "watch_seconds": "How long an absent order is looked out for; one that turns up is cancelled at once.",
}
