"""Plans and back-tests on recorded runs: from a run on disk to the series that a plan is calibrated on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from outcross.core.errors import InputError, OutcrossError, require
from outcross.plan.backtest import LEVELS, Case, Coverage, cases, coverage
from outcross.plan.chain import Anchor
from outcross.plan.outlook import AGAIN, Outlook
from outcross.report.frames import Frame, finite
from outcross.report.series import READS, items_of, readable, series
from outcross.runs import plugins
from outcross.runs.upkeep import listing, there

_LOSSES = {"perplexity": "the rise of perplexity"}


def outlook(
    frame: Frame,
    arm: str | None = None,
    measure: str | None = None,
    tolerance: float = 0.05,
    generations: int | None = None,
    anchor: Anchor | None = None,
    first: int | None = None,
) -> Outlook:
    """A plan calibrated on an arm of a run: on all recorded generations, or those up to `first`.

    Raises InputError for what the run does not have: the arm, the measure, generations enough.
    """
    cells = {cell.label: i for i, cell in enumerate(frame.cells)}
    label = arm or next(iter(cells))
    if label not in cells:
        raise InputError(f"no arm {label!r}; {plugins.nearest(label, cells)}")
    name, reads = readable(frame, measure)
    found = series(frame, cells[label], reads)
    until = found.generations[-1] if first is None else max((g for g in found.generations if g <= first), default=0)
    past = found.until(until)
    require(
        past.readings.shape[1] > 0,
        f"{label}: no chain has a number of {reads.quantity} at generation {until:,}: it ended or ran off before; "
        "give an earlier one with --first",
    )
    kept: Any = anchor or found.setup.policy.anchor
    asked = max(AGAIN, 2 * until) if generations is None else generations
    return Outlook(past, f"{_LOSSES.get(name, f'the loss of {name}')} in {label}", tolerance, asked, kept)


class Backtest(NamedTuple):
    """Coverage of forecasts on recorded runs: of all, by family, by policy, by measure; and runs that gave none."""

    groups: dict[str, list[Coverage]]
    skipped: list[str]

    def json(self) -> dict[str, Any]:
        """The stable machine-readable form."""
        return {"groups": {k: [_told(c) for c in v] for k, v in self.groups.items()}, "skipped": self.skipped}


def _told(found: Coverage) -> dict[str, Any]:
    told = {
        of: {f"{100 * level:g}": [finite(v) for v in i] for level, i in zip(LEVELS, getattr(found, of), strict=True)}
        for of in ("cohort", "single", "times")
    }
    scores = {"score_over_naive": finite(found.score), "score_over_naive_single": finite(found.score_single)}
    return {"group": found.group, "forecasts": found.forecasts, "runs": found.runs, **told, **scores}


def runs_in(names: Sequence[str], root: Path) -> list[Path]:
    """Runs by path or name, and those in folders of runs. Raises InputError where there is none."""
    found: list[Path] = []
    for name in names or [str(root)]:
        one = there(name, root)
        inside = [r.directory for r in listing(Path(name))] if one is None else [one]
        require(bool(inside), f"{name}: no run, and no folder that holds runs")
        found += inside
    return list(dict.fromkeys(found))


def backtest(directories: Sequence[Path], measure: str | None, tolerance: float) -> Backtest:
    """Forecast what was recorded, from the generations before. Raises InputError where no run can be forecast."""
    from joblib import Parallel, delayed

    require(0.0 < tolerance < 1.0, f"tolerance is a loss between 0 and 1, got {tolerance:g}")
    tried = Parallel(n_jobs=-1)(delayed(_tried)(d, measure, tolerance) for d in directories)
    found = [case for cases, _ in tried for case in cases]
    skipped = [why for _, why in tried if why]
    require(bool(found), "no forecast can be made: " + "; ".join(skipped[:3]))
    groups = {"all": [coverage(found, "all")]}
    for key in ("family", "policy", "measure"):
        names = sorted({getattr(c, key) for c in found})
        groups[key] = [coverage([c for c in found if getattr(c, key) == name], name) for name in names]
    return Backtest(groups, skipped)


def _tried(directory: Path, measure: str | None, tolerance: float) -> tuple[list[Case], str]:
    """The forecasts that a run allows, or why it allows none."""
    try:
        found = list(_cases(Frame(directory), measure, tolerance))
    except OutcrossError as e:
        return [], f"{directory.name}: {e}"
    return found, "" if found else f"{directory.name}: too few generations are recorded"


def _cases(frame: Frame, measure: str | None, tolerance: float) -> Iterator[Case]:
    """Every forecast that a run allows, of each quantity once."""
    seen = set()
    for name in [measure] if measure else READS[items_of(frame)]:
        try:
            _, reads = readable(frame, name)
        except InputError:
            if measure:
                raise
            continue
        if reads.quantity in seen:
            continue
        seen.add(reads.quantity)
        for i, cell in enumerate(frame.cells):
            policy = " ".join(str(cell.policy[k]) for k in ("kind", "anchor") if k in cell.policy)
            yield from cases(
                series(frame, i, reads), frame.directory.name, str(cell.learner["kind"]), policy, name, tolerance
            )
