"""Any training program as a learner: two commands that read and write files.

    learner:
      kind: command
      fit: "python train.py --data {pool} --seed {seed} --out {model}"
      sample: "python generate.py --model {model} --rows {n} --seed {seed} --out {out}"

{pool} rows to fit, {model} a file or folder that the fit writes and the sampling reads, {out} where sampled rows go,
{n} how many, {seed} a number that fixes all chance, {previous} the model of the generation before (missing at
generation 0). Rows are Parquet, NPY or CSV with a header line. No shell is involved: call one if you need it.
"""

from __future__ import annotations

import shlex
import string
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError, LearnerError, require
from outcross.core.rng import Stream
from outcross.sources.tables import read_rows, write_rows

_NEEDED = {"fit": {"pool", "model"}, "sample": {"model", "out", "n"}}
_ALLOWED = {"fit": {"pool", "model", "previous", "seed"}, "sample": {"model", "out", "n", "seed"}}
DEGENERATE = 65  # the exit code by which a program says that the fit has no answer (EX_DATAERR)


@dataclass(frozen=True)
class Commands:
    """The two commands and how rows pass between them and us."""

    fit: str
    sample: str
    format: str
    timeout: float

    def run(self, which: str, **values: Any) -> None:
        """Run one command. Raises LearnerError if it fails, FitDegenerate if it ends with exit code 65."""
        template = getattr(self, which)
        argv = [part.format_map({k: str(v) for k, v in values.items()}) for part in shlex.split(template)]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self.timeout,
                check=False,
            )
        except FileNotFoundError:
            raise InputError(f"learner.{which}: no program {argv[0]!r} on this machine") from None
        except PermissionError:
            raise InputError(f"learner.{which}: {argv[0]!r} is not executable") from None
        except subprocess.TimeoutExpired:
            raise LearnerError(f"the {which} command took more than {self.timeout:g} s: {template}") from None
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it printed nothing"])[-1][:200]
        if done.returncode == DEGENERATE:
            raise FitDegenerate(said)
        if done.returncode != 0:
            raise LearnerError(f"the {which} command ended with code {done.returncode} ({said}): {template}")


@dataclass(frozen=True, eq=False)
class CommandModel:
    """What the fit command wrote, as bytes: relative path -> content."""

    commands: Commands
    files: dict[str, np.ndarray]
    dimension: int

    def sample(self, n: int, rng: Stream) -> np.ndarray:
        """N rows (n, d). Raises LearnerError when the command fails or writes another number of rows or columns."""
        with tempfile.TemporaryDirectory(prefix="outcross-") as folder:
            model, out = Path(folder, "model"), Path(folder, f"out.{self.commands.format}")
            unpack(self.files, model)
            self.commands.run("sample", model=model, out=out, n=n, seed=rng.seed())
            rows = _read(out)
        if rows.shape != (n, self.dimension):
            raise LearnerError(
                f"the sample command wrote {rows.shape[0]} rows x {rows.shape[1]} columns, asked for "
                f"{n} x {self.dimension}: {self.commands.sample}"
            )
        return rows

    def state(self) -> State:
        """The files, and the number of columns."""
        return {**{f"file:{name}": data for name, data in self.files.items()}, "dimension": np.array([self.dimension])}


class Learner:
    """fit, sample: the commands, see above. format: how rows pass. timeout: seconds that each command may take."""

    def __init__(
        self, fit: str, sample: str, format: Literal["parquet", "npy", "csv"] = "parquet", timeout: float = 3600.0
    ) -> None:
        for which, template in (("fit", fit), ("sample", sample)):
            _check(which, template)
        require(format in ("parquet", "npy", "csv"), f"format is parquet, npy or csv, got {format!r}")
        require(timeout > 0.0, f"timeout is a positive number of seconds, got {timeout:g}")
        self.commands = Commands(fit, sample, format, timeout)

    def fit(self, pool: Corpus, rng: Stream, previous: Model | None = None) -> CommandModel:
        """Run the fit command on the pool. Raises LearnerError, or FitDegenerate at its exit code 65."""
        with tempfile.TemporaryDirectory(prefix="outcross-") as folder:
            rows, model, before = (
                Path(folder, f"pool.{self.commands.format}"),
                Path(folder, "model"),
                Path(folder, "old"),
            )
            write_rows(rows, pool.items, [f"x{j}" for j in range(pool.dimension)])
            if isinstance(previous, CommandModel):
                unpack(previous.files, before)
            self.commands.run("fit", pool=rows, model=model, previous=before, seed=rng.seed())
            if not model.exists():
                raise LearnerError(f"the fit command wrote no {{model}}: {self.commands.fit}")
            return CommandModel(self.commands, pack(model), pool.dimension)

    def load(self, state: State) -> CommandModel:
        """The model whose state this is."""
        files = {name.removeprefix("file:"): data for name, data in state.items() if name.startswith("file:")}
        return CommandModel(self.commands, files, int(state["dimension"][0]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Learner) and self.commands == other.commands

    def __hash__(self) -> int:
        return hash(self.commands)


def _check(which: str, template: str) -> None:
    try:
        used = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        words = shlex.split(template)
    except ValueError as e:
        raise InputError(f"the {which} command cannot be read ({e}): {template!r}; a brace is written twice") from e
    require(bool(words), f"the {which} command is empty")
    missing, unknown = _NEEDED[which] - used, used - _ALLOWED[which]
    require(not unknown, f"the {which} command has {_braced(unknown)}; known are {_braced(_ALLOWED[which])}")
    require(not missing, f"the {which} command needs {_braced(missing)}, got {template!r}")


def _braced(names: set[str]) -> str:
    return ", ".join(f"{{{n}}}" for n in sorted(names))


def pack(path: Path) -> dict[str, np.ndarray]:
    """A file, or every file of a folder, as bytes by relative path; a single file has the name ''."""
    if path.is_file():
        return {"": np.frombuffer(path.read_bytes(), dtype=np.uint8)}
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return {p.relative_to(path).as_posix(): np.frombuffer(p.read_bytes(), dtype=np.uint8) for p in files}


def unpack(files: dict[str, np.ndarray], target: Path) -> None:
    """Write what `pack` read."""
    for name, data in files.items():
        path = target / name if name else target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())


def _read(path: Path) -> np.ndarray:
    try:
        return np.asarray(read_rows(path)[0])
    except InputError as e:
        raise LearnerError(f"the sampled rows cannot be read: {e}") from e
