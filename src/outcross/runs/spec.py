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
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from outcross.core.errors import InputError, require
from outcross.core.loop import Chain, Pools, Teacher
from outcross.core.schedules import Samples
from outcross.core.stages import Named
from outcross.measures.phase import Margins
from outcross.runs import plugins

CHAIN_FORMAT = 2  # raised when the same experiment would give other numbers: old runs are then not extended
PAPER = (0, 50, 100, 150, 200, 350, 2000)  # generations that the paper draws
_LARGEST = 1 << 20  # bytes of an experiment file
_MOST_VALUES = 100_000
_SETTLED = ("auto", "all")  # samples that are known once the source is


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


class Taught(BaseModel):
    """A teacher: who fits generation 0 in the learner's place, on how many real rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    learner: dict[str, Any]
    samples: Any

    @field_validator("samples")
    @classmethod
    def _rows(cls, value: Any) -> Any:
        value = _whole(value)
        if value not in _SETTLED and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ValueError("a number of real rows from 1, `auto` or `all`")
        return value


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
            axes = {"samples": [_whole(n) for n in self.samples], **axes}
        for name, values in axes.items():
            require(len(values) > 0, f"sweep.{name}: an axis needs at least one value")
            require(len({json.dumps(v, sort_keys=True) for v in values}) == len(values), f"sweep.{name}: a value twice")
        for name, arm in self.arms.items():
            for point in itertools.product(*axes.values()):
                yield self._cell(name, arm, dict(zip(axes, point, strict=True)))

    def _cell(self, name: str, arm: Arm, point: dict[str, Any]) -> Cell:
        nodes: dict[str, Any] = {
            "source": dict(self.source),
            "learner": overlaid(self.learner, arm.learner),
            "policy": dict(arm.policy),
            "samples": self.samples if arm.samples is None else arm.samples,
            "stages": _staged(self.stages, arm.stages),
            "teacher": _over(self.teacher, arm.teacher),
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
            _set(tree, key.split("."), value, f"sweep.{key}")
        where = f"arms.{name}"
        cell = Cell(
            name,
            point,
            plugins.settle("sources", tree["source"], "source"),
            plugins.settle("families", tree["learner"], f"{where}.learner" if arm.learner else "learner"),
            plugins.settle("policies", tree["policy"], f"{where}.policy"),
            _samples(tree["samples"]),
            arm.pools or self.pools,
            {k: plugins.settle("stages", {"kind": k, **v}, f"stages.{k}") for k, v in tree["stages"].items()},
            _teacher(tree["teacher"], f"{where}.teacher" if arm.teacher else "teacher"),
        )
        plugins.make("families", cell.learner, f"{where}.learner" if arm.learner else "learner")
        plugins.make("policies", cell.policy, f"{where}.policy")
        stages_of(cell)
        if cell.teacher is not None:
            plugins.make(
                "families", cell.teacher["learner"], f"{where}.teacher.learner" if arm.teacher else "teacher.learner"
            )
        return cell

    @property
    def core(self) -> dict[str, Any]:
        """What decides every number of a chain: settled cells and the seed."""
        return {"format": CHAIN_FORMAT, "seed": self.seed, "cells": [_named(c) for c in self.settled]}

    def canonical(self) -> dict[str, Any]:
        """Plain data that parses back to this experiment."""
        return self.model_dump(mode="json")

    def yaml(self) -> str:
        """The experiment as a YAML file."""
        return dump_yaml(self.canonical())

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


def build(cell: Cell, source: Any, seed: int, number: int) -> Chain:
    """The chain of a cell. `samples: auto` and `all` are settled here, by how many rows the source has."""
    wanted = {**cell.samples, "start": _rows(cell.samples["start"], source, "samples")}
    learner = plugins.make("families", cell.learner, "learner")
    policy = plugins.make("policies", cell.policy, f"arms.{cell.arm}.policy")
    return Chain(
        learner, policy, source, Samples(**wanted), seed, number, cell.pools, stages_of(cell), teacher_of(cell, source)
    )


def _rows(wanted: Any, source: Any, key: str) -> int:
    """So many real rows of a source."""
    if wanted == "auto":
        return 1000 if source.rows is None else min(1000, int(source.rows))
    require(wanted != "all" or source.rows is not None, f"{key}=all: this source has no end; give a number")
    return int(source.rows if wanted == "all" else wanted)


def teacher_of(cell: Cell, source: Any) -> Teacher | None:
    """The teacher of a cell."""
    if cell.teacher is None:
        return None
    learner = plugins.make("families", cell.teacher["learner"], "teacher.learner")
    return Teacher(learner, _rows(cell.teacher["samples"], source, "teacher.samples"))


def stages_of(cell: Cell) -> tuple[Named, ...]:
    """The stages of a cell, by name, in order."""
    return tuple((name, plugins.make("stages", node, f"stages.{name}")) for name, node in cell.stages.items())


def _named(cell: Cell) -> dict[str, Any]:
    """A cell as digests take it: settings that came when runs had been made are left out where nothing is said."""
    told = cell._replace(learner=plugins.named("families", cell.learner))._asdict()
    stages = [[name, plugins.named("stages", node)] for name, node in told.pop("stages").items()]
    taught = told.pop("teacher")
    if taught is not None:
        told["teacher"] = {**taught, "learner": plugins.named("families", taught["learner"])}
    return {**told, "stages": stages} if stages else told


def _logarithmic(last: int) -> list[int]:
    """0 to 5, then 1, 1.5, 2, 3, 5, 7 times each power of ten: equally spaced on a log axis, near enough."""
    steps = (1, 1.5, 2, 3, 5, 7)
    found = {0, 1, 2, 3, 4, 5, last}
    power = 1
    while power <= last:
        found |= {int(s * power) for s in steps if s * power <= last}
        power *= 10
    return sorted(g for g in found if g <= last)


def _samples(given: Any) -> dict[str, Any]:
    tree = dict(given) if isinstance(given, Mapping) else {"start": given}
    require("start" in tree, f"samples.start is missing: how many rows the schedule begins with, got {given!r}")
    tree["start"] = start = _whole(tree["start"])
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


def _whole(value: Any) -> Any:
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


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any] | None) -> dict[str, Any]:
    """A node with another laid over it; another kind discards the keys of the old one."""
    if not over:
        return dict(base)
    return dict(over) if over.get("kind", base.get("kind")) != base.get("kind") else {**base, **over}


def _staged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The stages of an arm: each laid over that of the base with its name, new ones after those, without null ones."""
    laid = {name: None if node is None else overlaid(base.get(name, {}), node) for name, node in over.items()}
    return {name: node for name, node in {**base, **laid}.items() if node is not None}


def _over(base: Mapping[str, Any] | None, over: Mapping[str, Any] | str | None) -> dict[str, Any] | None:
    """The teacher of an arm: laid over that of the base, its learner likewise; `none` for none."""
    if over is None or base is None or isinstance(over, str):
        found = base if over is None else over
        return None if found is None or isinstance(found, str) else dict(found)
    learner = overlaid(base.get("learner", {}), over.get("learner"))
    return {**base, **over, "learner": learner}


def _teacher(tree: Mapping[str, Any] | None, where: str) -> dict[str, Any] | None:
    """A teacher with every default filled in and every value checked."""
    if tree is None:
        return None
    taught = plugins.checked(Taught, tree, where)
    return {**taught, "learner": plugins.settle("families", taught["learner"], f"{where}.learner")}


def _known_stage(axis: str, stages: Mapping[str, Any]) -> None:
    """Raise InputError where an axis is of a stage that is not there."""
    place, _, rest = axis.partition(".")
    name = rest.partition(".")[0]
    if place == "stages" and name not in stages:
        raise InputError(f"sweep.{axis}: no stage {name!r} in every arm; {plugins.nearest(name, stages)}")


def _set(tree: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    """Set a dotted key in place; a new `kind` discards the node's other keys."""
    for key in path[:-1]:
        inner = tree.setdefault(key, {})
        require(isinstance(inner, dict), f"{where}: {key!r} holds a value, not keys")
        tree = inner
    if path[-1] == "kind" and tree.get("kind") != value:
        tree.clear()
    tree[path[-1]] = value


def _explain(error: ValidationError) -> str:
    first = plugins.chief(error)
    parts: dict[Any, type[BaseModel]] = {"arms": Arm, "snapshots": Snapshots, "causes": Causes}
    model = parts.get(first["loc"][0] if first["loc"] else None, Experiment)
    return plugins.explain(error, "", model)


def read_yaml(text: str, origin: str) -> Any:
    """YAML 1.2 as plain data: no tags, no duplicate keys, no `${...}`. Raises InputError with the line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    require("${" not in text, f"{origin}: ${{...}} is not expanded here: write the value itself")
    try:
        tree = YAML(typ="safe", pure=True).load(text)
        require(_size(tree) <= _MOST_VALUES, f"{origin}: more than {_MOST_VALUES:,} values, aliases written out")
        return tree
    except YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{origin}{line}: {getattr(e, 'problem', None) or str(e).splitlines()[0]}") from e
    except (RecursionError, ValueError) as e:
        raise InputError(f"{origin}: not readable as YAML: {type(e).__name__}") from e


def read_plain(path: Path, name: str | None = None) -> Any:
    """A YAML file as plain data; `name` is what errors call it. Raises InputError where it cannot be read."""
    called = name or str(path)
    try:
        require(path.stat().st_size <= _LARGEST, f"{called}: larger than {_LARGEST >> 20} MiB")
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as e:
        raise InputError(f"{called}: cannot be read as UTF-8 text: {e}") from e
    return read_yaml(text, called)


def _size(tree: Any) -> int:
    """Values in a tree, each alias counted wherever it stands; stops counting when there are too many."""
    found, left = 0, [tree]
    while left and found <= _MOST_VALUES:
        node = left.pop()
        found += 1
        left.extend(node.values() if isinstance(node, dict) else node if isinstance(node, list | set) else ())
    return found


def dump_yaml(tree: Any) -> str:
    """Plain data as YAML."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue()


def shipped() -> list[str]:
    """Names of the experiments that come with the package."""
    root = Path(str(files("outcross") / "experiments"))
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.yaml"))


def title_of(name: str) -> str:
    """The title of a shipped experiment, without making anything of it: what it needs may not be installed."""
    path = Path(str(files("outcross") / "experiments")) / f"{name}.yaml"
    return str(read_yaml(path.read_text(encoding="utf-8"), name).get("title", ""))


def load(name: str, overrides: Iterable[str] = ()) -> Experiment:
    """An experiment by shipped name or by path of a YAML file, with `key=value` overrides laid over it."""
    path = Path(name)
    if name in shipped():
        path = Path(str(files("outcross") / "experiments")) / f"{name}.yaml"
    elif not os.path.isfile(path):  # the method raises on names that are too long
        hint = plugins.nearest(name, shipped())
        raise InputError(f"no experiment {name!r}, neither shipped nor a file; {hint}")
    tree = read_plain(path, name)
    require(isinstance(tree, dict), f"{name}: an experiment is a mapping of keys to values")
    for node in ("source", "learner"):  # so that an override of one setting finds the default kind
        tree.setdefault(node, Experiment.model_fields[node].default.copy())
    kinds = _kinds(tree)
    tree = overridden(tree, overrides := list(overrides))
    if _kinds(tree) != kinds and not any(text.startswith("title=") for text in overrides):
        learner, source = _kinds(tree)
        tree |= {"title": f"{learner} on {source}, otherwise as {name}", "about": ""}
    return Experiment.parse(tree, name)


def _kinds(tree: Mapping[str, Any]) -> list[Any]:
    """What is trained on what, which is what a title speaks of."""
    return [node.get("kind") if isinstance(node, Mapping) else None for node in (tree["learner"], tree["source"])]


def _end_sweeps(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """A setting that is given ends its sweep, a new kind those of its node; of one arm it cannot: sweeps are of all."""
    sweep, node = tree.get("sweep"), tree.get(path[0])
    if not isinstance(sweep, dict):
        return
    anew = list(path[1:]) == ["kind"] and isinstance(node, dict) and node.get("kind") != value
    for axis in [a for a in sweep if a == ".".join(path) or (anew and str(a).startswith(f"{path[0]}."))]:
        del sweep[axis]
    axis = ".".join(path[2:])
    require(
        path[0] != "arms" or axis not in sweep,
        f"{'.'.join(path)}: swept over in all arms; set sweep.{axis}=[...] instead",
    )


def overridden(tree: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """The tree with each `a.b=value` set; values are read as YAML."""
    for text in overrides:
        key, equals, value = text.partition("=")
        require(bool(equals and key), f"an override reads key=value, got {text!r}")
        path = key.strip().split(".")
        if path[0] == "sweep" and len(path) > 2:  # an axis is itself a dotted key
            path = ["sweep", ".".join(path[1:])]
        found = read_yaml(value, f"override {key}")
        _end_sweeps(tree, path, found)
        _set(tree, path, found, f"override {key}")
    return tree
