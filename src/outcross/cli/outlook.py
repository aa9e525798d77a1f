"""What `outcross plan` says of calibrated plans and back-tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from outcross.cli.options import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outcross.core.stats import Interval
    from outcross.plan.backtest import Coverage
    from outcross.plan.outlook import Outlook

INCONCLUSIVE = 6


def say_outlook(found: Outlook, curve: bool, json: bool) -> None:
    """A calibrated plan; exits with 6 where it cannot tell."""
    if json:
        print_json(found.json())
    else:
        _print_outlook(found, curve)
    if found.verdict == "inconclusive":
        raise typer.Exit(INCONCLUSIVE)


def _print_outlook(found: Outlook, curve: bool) -> None:
    from rich.markup import escape

    from outcross.cli.plan import print_answers, print_table
    from outcross.cli.progress import console
    from outcross.plan.safe import share, shares

    screen = console(stderr=False)
    screen.print(f"[bold]{escape(found.sentence)}[/]\n")
    print_answers(found.answers)
    chains, last = found.series.readings.shape[1], found.series.generations[-1]
    screen.print(
        f"\n[dim]Calibrated on generations 0 to {last:,} of {chains:,} chain{'s' if chains > 1 else ''}; "
        f"every set has {found.series.setup.samples.at(0):,} rows.[/]"
    )
    screen.print("[dim]Ranges: 95 of 100 draws of what noise and bias may be, and of chance where chains are named.[/]")
    if curve:
        heads = ("real rows", "share", f"loss by {found.generations:,}", "95 of 100")
        cells = [(f"{p.real:,}", share(p.share), share(p.loss), shares(p.low, p.high)) for p in found.curve]
        screen.print("")
        print_table(heads, cells)


def say_backtest(names: Sequence[str], root: Path, measure: str | None, tolerance: float, json: bool) -> None:
    """Coverage of forecasts on recorded runs."""
    from outcross.cli.progress import console
    from outcross.report.outlook import backtest, runs_in

    stderr = console()
    told = backtest(runs_in(names, root), measure, tolerance)
    if json:
        print_json(told.json())
        return
    from outcross.cli.plan import print_table

    screen = console(stderr=False)
    whole = told.groups["all"][0]
    screen.print(
        f"[bold]{whole.forecasts:,} forecasts on {whole.runs:,} runs: 95 % intervals held {_share(whole.cohort[1])} of "
        f"what came over chains, {_share(whole.single[1])} in single chains[/]\n"
    )
    for key, group in told.groups.items():
        heads = (key, "forecasts", "runs", "chains, 80 %", "95 %", "one, 80 %", "95 %", "score")
        print_table(heads, [_row(c) for c in group])
        screen.print("")
    times = ", ".join(f"{_share(i)} at {level} %" for i, level in zip(whole.times, (80, 95), strict=True))
    screen.print(f"Generations until a loss of {100 * tolerance:g} % in single chains, `never` included: held {times}")
    screen.print(
        "[dim]Held, in percent: intervals at 80 and 95 % of a cohort of chains, and of one chain, that held what came, "
        "with their own interval across runs. Score, of cohorts: mean interval score at 95 % over that of the last "
        "slope carried on, widened until it holds as often.[/]"
    )
    for why in told.skipped:
        stderr.print(f"left out: {why}", markup=False)


def _row(found: Coverage) -> tuple[str, ...]:
    held = [_share(i).replace(" %", "") for i in (*found.cohort, *found.single)]
    name = "" if found.group == "all" else found.group.rpartition(":")[2]
    return (name, f"{found.forecasts:,}", f"{found.runs:,}", *held, f"{found.score:.2f}")


def _share(interval: Interval) -> str:
    value, low, high = (100.0 * v for v in interval)
    if value != value:
        return "-"
    return f"{value:.0f} %" if low != low else f"{value:.0f} % [{max(low, 0.0):.0f}, {min(high, 100.0):.0f}]"
