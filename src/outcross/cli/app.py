"""The application: every verb, under its help panel."""

from __future__ import annotations

from typing import Annotated

import typer

from outcross import __version__
from outcross.cli import (
    compare,
    decompose,
    doctor,
    export,
    fsck,
    gc,
    ls,
    plan,
    plugins,
    power,
    report,
    rm,
    run,
    schema,
    show,
    tails,
)

app = typer.Typer(
    name="outcross",
    help="Measure, predict and prevent model collapse: the loss of the true distribution when models are trained on "
    "what earlier models generated.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"outcross {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


for verb, panel in (
    (run, "Study"),
    (show, "Study"),
    (report, "Study"),
    (compare, "Study"),
    (ls, "Study"),
    (export, "Study"),
    (tails, "Guard"),
    (plan, "Plan"),
    (plan, "Plan"),
    (decompose, "Plan"),
    (power, "Plan"),
    (fsck, "Upkeep"),
    (gc, "Upkeep"),
    (rm, "Upkeep"),
    (schema, "About"),
    (plugins, "About"),
    (doctor, "About"),
):
    app.command(verb.__name__.rpartition(".")[2], rich_help_panel=panel)(verb.command)
