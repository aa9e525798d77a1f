"""Cells: an arm at one point of the sweep, settled and checked; the chain, the stages and the teacher that it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, field_validator

from outcross.core.errors import require
from outcross.core.loop import Chain, Pools, Teacher
from outcross.core.schedules import Samples
from outcross.core.stages import Named
from outcross.runs import plugins

_SETTLED = ("auto", "all")  # samples that are known once the source is


class Taught(BaseModel):
    """A teacher: who fits generation 0 in the learner's place, on how many real rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    learner: dict[str, Any]
    samples: Any

    @field_validator("samples")
    @classmethod
    def _rows(cls, value: Any) -> Any:
        value = whole(value)
        if value not in _SETTLED and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ValueError("a number of real rows from 1, `auto` or `all`")
        return value


class Cell(NamedTuple):
    """One arm at one point of the sweep, everything settled."""

    arm: str
    axes: dict[str, Any]
    source: dict[str, Any]
    learner: dict[str, Any]
    policy: dict[str, Any]
    samples: dict[str, Any]
    pools: Pools
    stages: dict[str, dict[str, Any]]  # by name, in order
    teacher: dict[str, Any] | None  # learner and samples

    @property
    def label(self) -> str:
        """The arm with its place in the sweep, for people."""
        return self.arm + "".join(f" {key.split('.')[-1]}={_plain(value)}" for key, value in self.axes.items())


def build(cell: Cell, source: Any, seed: int, number: int) -> Chain:
    """The chain of a cell. `samples: auto` and `all` are settled here, by how many rows the source has."""
    wanted = {**cell.samples, "start": _rows(cell.samples["start"], source, "samples")}
    learner = plugins.make("families", cell.learner, "learner")
    policy = plugins.make("policies", cell.policy, f"arms.{cell.arm}.policy")
    return Chain(
        learner, policy, source, Samples(**wanted), seed, number, cell.pools, stages_of(cell), teacher_of(cell, source)
    )


def teacher_of(cell: Cell, source: Any) -> Teacher | None:
    """The teacher of a cell."""
    if cell.teacher is None:
        return None
    learner = plugins.make("families", cell.teacher["learner"], "teacher.learner")
    return Teacher(learner, _rows(cell.teacher["samples"], source, "teacher.samples"))


def stages_of(cell: Cell) -> tuple[Named, ...]:
    """The stages of a cell, by name, in order."""
    return tuple((name, plugins.make("stages", node, f"stages.{name}")) for name, node in cell.stages.items())


def _rows(wanted: Any, source: Any, key: str) -> int:
    """So many real rows of a source."""
    if wanted == "auto":
        return 1000 if source.rows is None else min(1000, int(source.rows))
    require(wanted != "all" or source.rows is not None, f"{key}=all: this source has no end; give a number")
    return int(source.rows if wanted == "all" else wanted)


def named(cell: Cell) -> dict[str, Any]:
    """A cell as digests take it: settings that came when runs had been made are left out where nothing is said."""
    told = cell._replace(learner=plugins.named("families", cell.learner))._asdict()
    stages = [[name, plugins.named("stages", node)] for name, node in told.pop("stages").items()]
    taught = told.pop("teacher")
    if taught is not None:
        told["teacher"] = {**taught, "learner": plugins.named("families", taught["learner"])}
    return {**told, "stages": stages} if stages else told


def samples(given: Any) -> dict[str, Any]:
    """A schedule of rows with every default filled in and every value checked; what the source settles as a word."""
    tree = dict(given) if isinstance(given, Mapping) else {"start": given}
    require("start" in tree, f"samples.start is missing: how many rows the schedule begins with, got {given!r}")
    tree["start"] = start = whole(tree["start"])
    require(
        start in _SETTLED or (isinstance(start, int) and not isinstance(start, bool)),
        f"samples is a number of rows, `auto`, `all`, a schedule or a list, got {given!r}",
    )
    growth = tree.get("growth", "constant")
    require(
        isinstance(growth, list | tuple) or growth in ("constant", "linear", "superlinear"),
        f"samples.growth is constant, linear, superlinear or a list of factors, got {growth!r}",
    )
    model = plugins.settings(Samples)
    assert model is not None
    checked = plugins.checked(model, {**tree, "start": 1 if start in _SETTLED else start}, "samples")
    Samples(**checked)
    return {**checked, "start": start}


def teacher(tree: Mapping[str, Any] | None, where: str) -> dict[str, Any] | None:
    """A teacher with every default filled in and every value checked."""
    if tree is None:
        return None
    taught = plugins.checked(Taught, tree, where)
    return {**taught, "learner": plugins.settle("families", taught["learner"], f"{where}.learner")}


def whole(value: Any) -> Any:
    """A number without a fraction, such as 1e9, as an integer; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(value: Any) -> str:
    """A point of an axis for people: large round numbers as powers of ten."""
    if isinstance(value, Mapping):
        rest = " ".join(f"{k} {_plain(v)}" for k, v in value.items() if k not in ("kind", "start"))
        return f"{_plain(value.get('start', value.get('kind', '')))}{f' ({rest})' if rest else ''}"
    if isinstance(value, int | float) and abs(value) >= 1e5 and float(f"{value:.3g}") == value:
        return f"{value:.3g}".replace("e+0", "e").replace("e+", "e")
    return f"{value:g}" if isinstance(value, float) else str(value)
