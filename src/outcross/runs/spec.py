"""Experiment: one complete YAML file, checked, with overrides, and the digest that names its run."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from outcross.core.errors import InputError, require
from outcross.core.loop import Pools
from outcross.measures.phase import Margins
from outcross.runs import cells, plugins, trees
from outcross.runs.cells import Cell

CHAIN_FORMAT = 2  # raised when the same experiment would give other numbers: old runs are then not extended
PAPER = (0, 50, 100, 150, 200, 350, 2000)  # generations that the paper draws


class Arm(BaseModel):
    """A policy, and what else differs from the base.

    stages: laid over those of the base by name; null removes one. teacher: laid over that of the base; `none` for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    policy: dict[str, Any]
    learner: dict[str, Any] | None = None
    samples: Any = None
    pools: Pools | None = None
    stages: dict[str, dict[str, Any] | None] = {}
    teacher: dict[str, Any] | Literal["none"] | None = None


class Causes(BaseModel):
    """What removes each cause of error from the learner: for `outcross decompose`.

    rows: multiples of `samples` at which finite samples are told from their limit. Of the other causes: settings laid
    over the learner, `absent` (there is no such error), or `confounded` (no setting isolates it); without a word, what
    the family proposes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rows: Literal["auto"] | tuple[int, ...] = "auto"
    expressivity: dict[str, Any] | Literal["absent", "confounded"] | None = None
    approximation: dict[str, Any] | Literal["absent", "confounded"] | None = None
    sampler: dict[str, Any] | Literal["absent", "confounded"] | None = None

    @field_validator("rows")
    @classmethod
    def _rising(cls, value: Any) -> Any:
        if not isinstance(value, str) and (value[:1] != (1,) or list(value) != sorted(set(value))):
            raise ValueError("multiples of `samples` begin with 1 and rise, such as [1, 4, 16]")
        return value

    @field_validator("expressivity", "approximation", "sampler", mode="before")
    @classmethod
    def _settings_or_word(cls, value: Any) -> Any:
        if not isinstance(value, dict) and value not in (None, "absent", "confounded"):
            raise ValueError("settings of the learner, `absent` or `confounded`")
        return value


class Snapshots(BaseModel):
    """Where the heavy measures are taken: at which generations (the last is always one), on how many chains."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at: tuple[int, ...] = PAPER
    chains: int = Field(3, ge=0)


class Keep(BaseModel):
    """Keep the state of every k-th generation that is recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    every: int = Field(ge=1)


class Experiment(BaseModel):
    """Everything that a run is made of. `load` reads one by name or path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("experiment", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,100}$")
    title: str = ""
    about: str = ""
    source: dict[str, Any] = {"kind": "mixture"}
    learner: dict[str, Any] = {"kind": "gmm"}
    arms: dict[str, Arm] = Field({"replace": {"policy": {"kind": "replace"}}}, min_length=1, validate_default=True)
    samples: Any = 1000
    pools: Pools = "auto"
    stages: dict[str, dict[str, Any]] = {}
    teacher: dict[str, Any] | None = None
    sweep: dict[str, list[Any]] = {}
    generations: int = Field(100, ge=0, le=100_000_000)
    chains: int = Field(16, ge=1, le=10_000_000)
    seed: int = Field(0, ge=0, lt=2**63)
    record: Literal["log", "all"] | tuple[int, ...] = "log"
    snapshots: Snapshots = Snapshots()
    measures: Literal["default"] | tuple[str, ...] = "default"
    keep: Literal["all", "last"] | Keep = "last"
    floor: int = Field(16, ge=0, le=10_000)
    margins: dict[str, Any] = {}
    causes: Causes = Causes()

    @field_validator("record")
    @classmethod
    def _sorted_record(cls, value: Any) -> Any:
        if isinstance(value, str):
            return value
        if any(g < 0 for g in value):
            raise ValueError("generations are counted from 0")
        return tuple(sorted(set(value)))

    @classmethod
    def parse(cls, tree: Mapping[str, Any], origin: str = "experiment") -> Experiment:
        """A checked experiment from plain data, defaults filled in. Raises InputError with the key's path."""
        require(isinstance(tree, Mapping), f"{origin}: an experiment is a mapping of keys to values")
        try:
            draft = cls(**{str(k): v for k, v in tree.items()})
        except ValidationError as e:
            raise InputError(f"{origin}: {_explain(e)}") from e
        try:
            draft.settled  # noqa: B018  checks every node
            plugins.measures(draft.measures)
            draft.margin  # noqa: B018  checks every margin
        except InputError as e:
            raise InputError(f"{origin}: {e}") from e
        return draft

    @cached_property
    def settled(self) -> tuple[Cell, ...]:
        """Every cell: arms x sweep axes, with defaults filled in."""
        return tuple(self._cells())

    def _cells(self) -> Iterator[Cell]:
        axes = dict(self.sweep)
        if isinstance(self.samples, list):
            axes = {"samples": [cells.whole(n) for n in self.samples], **axes}
        for name, values in axes.items():
            require(len(values) > 0, f"sweep.{name}: an axis needs at least one value")
            require(len({json.dumps(v, sort_keys=True) for v in values}) == len(values), f"sweep.{name}: a value twice")
        for name, arm in self.arms.items():
            for point in itertools.product(*axes.values()):
                yield self._cell(name, arm, dict(zip(axes, point, strict=True)))

    def _cell(self, name: str, arm: Arm, point: dict[str, Any]) -> Cell:
        nodes: dict[str, Any] = {
            "source": dict(self.source),
            "learner": trees.overlaid(self.learner, arm.learner),
            "policy": dict(arm.policy),
            "samples": self.samples if arm.samples is None else arm.samples,
            "stages": trees.staged(self.stages, arm.stages),
            "teacher": trees.taught(self.teacher, arm.teacher),
        }
        tree = deepcopy(nodes)  # the sweep is set in place, however deep
        for key, value in point.items():
            require(
                key.split(".")[0] in tree,
                f"sweep.{key}: an axis starts with source, learner, policy, samples, stages or teacher",
            )
            taught = tree["teacher"] is not None or not key.startswith("teacher")
            require(taught, f"sweep.{key}: arms.{name} has no teacher; give it one, or leave the axis out")
            _known_stage(key, tree["stages"])
            trees.set_at(tree, key.split("."), value, f"sweep.{key}")
        where = f"arms.{name}"
        cell = Cell(
            name,
            point,
            plugins.settle("sources", tree["source"], "source"),
            plugins.settle("families", tree["learner"], f"{where}.learner" if arm.learner else "learner"),
            plugins.settle("policies", tree["policy"], f"{where}.policy"),
            cells.samples(tree["samples"]),
            arm.pools or self.pools,
            {k: plugins.settle("stages", {"kind": k, **v}, f"stages.{k}") for k, v in tree["stages"].items()},
            cells.teacher(tree["teacher"], f"{where}.teacher" if arm.teacher else "teacher"),
        )
        plugins.make("families", cell.learner, f"{where}.learner" if arm.learner else "learner")
        plugins.make("policies", cell.policy, f"{where}.policy")
        cells.stages_of(cell)
        if cell.teacher is not None:
            plugins.make(
                "families", cell.teacher["learner"], f"{where}.teacher.learner" if arm.teacher else "teacher.learner"
            )
        return cell

    @property
    def core(self) -> dict[str, Any]:
        """What decides every number of a chain: settled cells and the seed."""
        return {"format": CHAIN_FORMAT, "seed": self.seed, "cells": [cells.named(c) for c in self.settled]}

    def canonical(self) -> dict[str, Any]:
        """Plain data that parses back to this experiment."""
        return self.model_dump(mode="json")

    def yaml(self) -> str:
        """The experiment as a YAML file."""
        return trees.dump_yaml(self.canonical())

    @property
    def margin(self) -> Margins:
        """The margins that decide the collapse phase."""
        model = plugins.settings(Margins)
        assert model is not None
        return Margins(**plugins.checked(model, self.margins, "margins"))

    def records(self) -> list[int]:
        """Generations at which the cheap measures are taken, snapshots included."""
        last = self.generations
        if self.record == "all":
            return list(range(last + 1))
        wanted = set(_logarithmic(last)) if self.record == "log" else {g for g in self.record if g <= last}
        return sorted(wanted | set(self.snapshot_generations()) | {0, last})

    def snapshot_generations(self) -> list[int]:
        """Generations at which the heavy measures are taken."""
        return sorted({g for g in self.snapshots.at if 0 <= g <= self.generations} | {self.generations})

    def kept(self, generation: int) -> bool:
        """Whether the state of a recorded generation is kept besides the last one."""
        if isinstance(self.keep, Keep):
            return generation % self.keep.every == 0
        return self.keep == "all"


def digest(experiment: Experiment, fingerprints: Sequence[str]) -> str:
    """The digest that names a run: experiment core and the content of its data."""
    content = json.dumps([experiment.core, list(fingerprints)], sort_keys=True, allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _logarithmic(last: int) -> list[int]:
    """0 to 5, then 1, 1.5, 2, 3, 5, 7 times each power of ten: equally spaced on a log axis, near enough."""
    steps = (1, 1.5, 2, 3, 5, 7)
    found = {0, 1, 2, 3, 4, 5, last}
    power = 1
    while power <= last:
        found |= {int(s * power) for s in steps if s * power <= last}
        power *= 10
    return sorted(g for g in found if g <= last)


def _known_stage(axis: str, stages: Mapping[str, Any]) -> None:
    """Raise InputError where an axis is of a stage that is not there."""
    place, _, rest = axis.partition(".")
    name = rest.partition(".")[0]
    if place == "stages" and name not in stages:
        raise InputError(f"sweep.{axis}: no stage {name!r} in every arm; {plugins.nearest(name, stages)}")


def _explain(error: ValidationError) -> str:
    first = plugins.chief(error)
    parts: dict[Any, type[BaseModel]] = {"arms": Arm, "snapshots": Snapshots, "causes": Causes}
    model = parts.get(first["loc"][0] if first["loc"] else None, Experiment)
    return plugins.explain(error, "", model)


def shipped() -> list[str]:
    """Names of the experiments that come with the package."""
    root = Path(str(files("outcross") / "experiments"))
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.yaml"))


def title_of(name: str) -> str:
    """The title of a shipped experiment, without making anything of it: what it needs may not be installed."""
    path = Path(str(files("outcross") / "experiments")) / f"{name}.yaml"
    return str(trees.read_yaml(path.read_text(encoding="utf-8"), name).get("title", ""))


def load(name: str, overrides: Iterable[str] = ()) -> Experiment:
    """An experiment by shipped name or by path of a YAML file, with `key=value` overrides laid over it."""
    path = Path(name)
    if name in shipped():
        path = Path(str(files("outcross") / "experiments")) / f"{name}.yaml"
    elif not os.path.isfile(path):  # the method raises on names that are too long
        hint = plugins.nearest(name, shipped())
        raise InputError(f"no experiment {name!r}, neither shipped nor a file; {hint}")
    tree = trees.read_plain(path, name)
    require(isinstance(tree, dict), f"{name}: an experiment is a mapping of keys to values")
    for node in ("source", "learner"):  # so that an override of one setting finds the default kind
        tree.setdefault(node, Experiment.model_fields[node].default.copy())
    kinds = _kinds(tree)
    tree = trees.overridden(tree, overrides := list(overrides))
    if _kinds(tree) != kinds and not any(text.startswith("title=") for text in overrides):
        learner, source = _kinds(tree)
        tree |= {"title": f"{learner} on {source}, otherwise as {name}", "about": ""}
    return Experiment.parse(tree, name)


def _kinds(tree: Mapping[str, Any]) -> list[Any]:
    """What is trained on what, which is what a title speaks of."""
    return [node.get("kind") if isinstance(node, Mapping) else None for node in (tree["learner"], tree["source"])]
