"""trader init"""

from __future__ import annotations

from pathlib import Path

import click

from trader.cli.options import json_option, wants_json
from trader.cli.output import answer_json, facts


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def init(context: click.Context, folder: Path) -> None:
    """Write settings.toml, .env.example and .gitignore into FOLDER (this one, unless named).

    A file that exists is left alone.
    """
    from trader.settings import init_files
    from trader.settings.start import TEMPLATES

    written = init_files(folder)
    kept = [folder / name for name in TEMPLATES.values() if folder / name not in written]
    if wants_json(context):
        answer_json({"folder": str(folder.absolute()), "written": _names(written), "kept": _names(kept)})
        return
    lines = [("wrote", str(path)) for path in written] + [("kept", f"{path} (it was there)") for path in kept]
    click.echo(facts(lines, indent=0))
    path = str(folder / "settings.toml")
    named = "" if folder.absolute() == Path.cwd() else " --settings " + (f'"{path}"' if " " in path else path)
    about = (
        "It trades on paper with sample data until you change it." if written[:1] == [folder / "settings.toml"] else ""
    )
    click.echo(f"{about}   start: trader run{named}".lstrip())


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]
