"""The Python API: run an experiment, load a run, read its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.report.causes import Attribution, Scale
from outcross.report.frames import Frame, finite
from outcross.report.theory import Verification
from outcross.report.verdict import Verdict, verdicts
from outcross.runs import causes, runner, upkeep
from outcross.runs.models import Kept, kept
from outcross.runs.spec import Experiment
from outcross.runs.spec import load as load_experiment

if TYPE_CHECKING:
    import pyarrow as pa

RUNS = Path("runs")


class Result:
    """A run on disk: its verdicts, its numbers as tables, its report."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.frame = Frame(self.directory)

    @property
    def experiment(self) -> Experiment:
        """What was run."""
        return self.frame.experiment

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict a cell."""
        return verdicts(self.frame)

    @property
    def theory(self) -> Verification:
        """What theory predicts of the run, beside what was observed."""
        return self.frame.theory

    @property
    def failed(self) -> int:
        """Chains that failed (a fit without an answer is a result, not a failure)."""
        return sum(status == "failed" for _, status, _ in self.frame.chains.values())

    def table(self) -> pa.Table:
        """Every measured number, tidy: one row a chain, generation and measure."""
        import pyarrow as pa

        return pa.Table.from_pylist(list(self.frame.tidy()))

    def kept(self, arm: str | None = None, chain: int | None = None, generation: int | None = None) -> Kept:
        """A model with its learner: by default the last one kept of the first chain, of the only arm.

        `kept().model()` is the model itself. Raises InputError, listing what there is, where there is no such state.
        """
        return kept(self.directory, arm, chain, generation)

    def report(self) -> Path:
        """Write report.html and return its path."""
        from outcross.report.page import write  # the page draws charts: imported when one is wanted

        return write(self.directory)

    def json(self) -> dict[str, Any]:
        """The stable machine-readable form, as `outcross show --json` prints it."""
        frame = self.frame
        return {
            "run": str(self.directory),
            "digest": frame.reader.meta("digest"),
            "content": frame.reader.content_digest(),
            "chains": len(frame.chains),
            "generations": self.experiment.generations,
            "verdict": [v.json(frame) for v in self.verdicts],
            "measures": [
                {
                    "cell": {"arm": frame.cells[s.cell].arm, **frame.cells[s.cell].axes},
                    "generation": s.generation,
                    "measure": s.measure,
                    "unit": frame.quantities[s.measure].unit if s.measure in frame.quantities else "",
                    "value": finite(s.value),
                    "low": finite(s.low),
                    "high": finite(s.high),
                    "floor": [finite(s.floor_low), finite(s.floor_high)],
                    "chains": s.chains,
                    "missing": s.missing,
                    "why": s.why,
                }
                for s in frame.summaries
            ],
            "images": frame.seen("images"),
            "text": frame.seen("text"),
            "theory": self.theory.json(frame),
            "theory_ok": self.theory.holds,
        }

    def __repr__(self) -> str:
        lines = [f"{self.experiment.name} ({self.directory})"]
        lines += [f"  {self.frame.cells[v.cell].label}: {v.phase}: {v.why}" for v in self.verdicts]
        return "\n".join([*lines, f"  {self.theory.sentence}"] if self.theory.covered else lines)

    def _repr_html_(self) -> str:
        from html import escape

        items = "".join(
            f"<tr><th>{escape(self.frame.cells[v.cell].label)}</th><td>{v.phase}</td><td>{escape(v.why)}</td></tr>"
            for v in self.verdicts
        )
        return f"<table><caption>{escape(self.experiment.name)}</caption>{items}</table>"


def run(
    experiment: str | Path | Experiment,
    overrides: Iterable[str] = (),
    *,
    out: str | Path = RUNS,
    workers: int = 0,
    threads: int = 1,
    memory: int | None = None,
    report: bool = True,
    watcher: runner.Watcher | None = None,
) -> Result:
    """Run, resume or extend an experiment and write its report.

    experiment: a shipped name, the path of a YAML file, or an Experiment. overrides: `key=value`, as on the command
    line. workers: processes, 0 for one a core. memory: bytes for all pools. Raises the errors of `core.errors`.
    """
    if not isinstance(experiment, Experiment):
        experiment = load_experiment(str(experiment), overrides)
    options = runner.Options(workers=workers, threads=threads, memory=memory)
    result = Result(runner.run(experiment, Path(out), options, watcher))
    if report:
        result.report()
    return result


def decompose(
    experiment: str | Path | Experiment,
    overrides: Iterable[str] = (),
    *,
    arm: str | None = None,
    measure: str | None = None,
    scale: Scale = "raw",
    out: str | Path = RUNS,
    workers: int = 0,
    threads: int = 1,
    memory: int | None = None,
    report: bool = True,
    watcher: runner.Watcher | None = None,
) -> Attribution:
    """Tell how much of the drift of an experiment's arm is finite samples, the family, learning, or the sampler.

    Runs, resumes or extends the factorial of counterfactual arms (`runs/causes.py`), or takes a run of it that is
    there. By name, an experiment takes 20 generations and 16 chains if it has more and overrides do not say. measure:
    what the drift is measured by. scale: `raw`, or `log` of ratios and losses. Raises the errors of `core.errors`.
    """
    watcher = watcher or runner.Silent()
    directory = None if isinstance(experiment, Experiment) else upkeep.there(str(experiment), Path(out))
    if directory is None:
        wanted = causes.factorial(_modest(experiment, list(overrides), watcher), arm)
        options = runner.Options(workers=workers, threads=threads, memory=memory)
        directory = runner.run(wanted, Path(out), options, watcher)
    if report:
        Result(directory).report()
    return Attribution(Frame(directory), measure, scale)


def _modest(experiment: str | Path | Experiment, overrides: list[str], watcher: runner.Watcher) -> Experiment:
    """An experiment by name at the size of a decomposition, unless its size is given."""
    if isinstance(experiment, Experiment):
        return experiment
    found = load_experiment(str(experiment), overrides)
    given = {text.partition("=")[0].strip() for text in overrides}
    sizes = {"generations": causes.GENERATIONS, "chains": causes.CHAINS}
    less = {k: v for k, v in sizes.items() if k not in given and getattr(found, k) > v}
    if found.name.startswith("causes/") or not less:
        return found
    watcher.say(f"{found.name}: {', '.join(f'{v} {k}' for k, v in less.items())}; give {'=, '.join(less)}= for more")
    return found.model_copy(update=less)


def load(name: str | Path, root: str | Path = RUNS) -> Result:
    """A run by path, by directory name under root, or by the beginning of one."""
    return Result(upkeep.find(str(name), Path(root)))
