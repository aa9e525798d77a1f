"""Discovery: what families, sources, policies and measures there are, and how a node of an experiment becomes one.

A built-in's name is its file's name. Other packages add names through entry points (`outcross.families`, `.sources`,
`.policies`, `.stages`, `.measures`), and any class can be named by dotted path, `package.module:Name`.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from itertools import accumulate
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from outcross.core.contracts import Measure
from outcross.core.errors import InputError, one_line
from outcross.core.policies import POLICIES
from outcross.families.adapter import resolve
from outcross.stages.attacks import ATTACKS
from outcross.stages.scores import SCORES

GROUPS = ("families", "sources", "policies", "stages", "scores", "attacks", "measures")
_NOUN = {
    "families": "model family",
    "sources": "source",
    "policies": "policy",
    "stages": "stage",
    "scores": "score",
    "attacks": "attack",
    "measures": "measure",
}
_LISTS: dict[str, Mapping[str, Callable[..., Any]]] = {"policies": POLICIES, "scores": SCORES, "attacks": ATTACKS}
_LISTED = 320  # characters of names that a hint lists at most
_CLASS = {"families": "Learner", "sources": "Source", "stages": "Stage"}


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that lists what is known, as far as it fits, the closest name first."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    fits = sum(length <= _LISTED for length in accumulate(len(n) + 2 for n in names))
    listed = ", ".join(names[:fits]) + (f" and {len(names) - fits} more" if fits < len(names) else "")
    return (f"did you mean {close[0]!r}? " if close else "") + f"known: {listed}"


@cache
def names(group: str) -> tuple[str, ...]:
    """The known names of a group, built in and by entry point."""
    outside = {e.name for e in entry_points(group=f"outcross.{group}")}
    if group in _LISTS:
        return tuple(sorted(outside | set(_LISTS[group])))
    if group == "measures":
        return tuple(sorted(outside | {m.name for m in _built_in_measures()}))
    package = import_module(f"outcross.{group}")
    files = (m.name for m in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(outside | {f for f in files if hasattr(_module(group, f), _CLASS[group])}))


def _module(group: str, name: str) -> Any:
    return import_module(f"outcross.{group}.{name}")


@cache
def _built_in_measures() -> tuple[Measure, ...]:
    package = import_module("outcross.measures")
    files = [m.name for m in pkgutil.iter_modules(package.__path__)]
    return tuple(m for f in files for m in getattr(_module("measures", f), "MEASURES", ()))


@cache
def _known_measures() -> dict[str, Measure]:
    outside = {e.name: e.load() for e in entry_points(group="outcross.measures")}
    return {m.name: m for m in _built_in_measures()} | outside


def measures(chosen: str | Iterable[str] = "default") -> tuple[Measure, ...]:
    """Measures by name, in a fixed order; `default` is all but those that have to be named.

    Raises InputError on an unknown name.
    """
    known = _known_measures()
    wanted = [name for name, m in known.items() if not m.named] if isinstance(chosen, str) else list(chosen)
    for name in wanted:
        if name not in known:
            raise InputError(f"measures: no measure {name!r}; {nearest(name, known)}")
    return tuple(known[name] for name in sorted(wanted))


@cache
def factory(group: str, kind: str) -> Callable[..., Any]:
    """The class or function behind a kind. Raises InputError, naming the nearest, if there is none."""
    if ":" in kind:
        return _foreign(group, kind)
    for entry in entry_points(group=f"outcross.{group}"):
        if entry.name == kind:
            return entry.load()  # type: ignore[no-any-return]
    if kind not in names(group):
        raise InputError(f"no {_NOUN[group]} {kind!r}; {nearest(kind, names(group))}, or package.module:Name")
    if group in _LISTS:
        return _LISTS[group][kind]
    return getattr(_module(group, kind), _CLASS[group])  # type: ignore[no-any-return]


def _foreign(group: str, path: str) -> Callable[..., Any]:
    """A class by dotted path; one with fit and sample but no `load` is adapted into a learner."""
    found = resolve(path)
    if group != "families" or hasattr(found, "load"):
        return found  # type: ignore[no-any-return]
    from outcross.families.adapter import Learner

    def adapted(**options: Any) -> Learner:
        return Learner(object=path, options=options)

    return adapted


@cache
def parameters(group: str, kind: str) -> type[BaseModel] | None:
    """The settings of a kind as a pydantic model, or None when it takes anything."""
    return settings(factory(group, kind))


@cache
def settings(make: Callable[..., Any]) -> type[BaseModel] | None:
    """The parameters of a class or function as a pydantic model, or None when it takes anything."""
    signature = inspect.signature(make)
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        return None
    hints = _hints(make)
    made = {f.name: f.default_factory for f in dataclasses.fields(make)} if dataclasses.is_dataclass(make) else {}
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), _default(p, made.get(name, dataclasses.MISSING)))
        for name, p in signature.parameters.items()
    }
    for inner in _nodes(make):  # objects here, nodes of an experiment there
        given = inner.metadata["given"]
        fields[inner.name] = (dict[str, Any], ... if given is None else Field(default_factory=lambda g=given: dict(g)))
    return create_model(f"{make.__module__}.{make.__qualname__}", __config__=CONFIG, **fields)


def _nodes(make: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass that hold objects described by nodes of their own (`core.contracts.node`)."""
    return [f for f in dataclasses.fields(make) if "node" in f.metadata] if dataclasses.is_dataclass(make) else []


def _within(group: str, tree: Mapping[str, Any], where: str, each: Callable[[str, Any, str], Any]) -> dict[str, Any]:
    """A node with `each` done to every node inside it: called with the group, the node and its path."""
    done = dict(tree)
    for inner in _nodes(factory(group, tree["kind"])):
        of, value, path = inner.metadata["node"], tree[inner.name], f"{where}.{inner.name}"
        if inner.metadata["many"]:
            done[inner.name] = {name: each(of, node, f"{path}.{name}") for name, node in value.items()}
        else:
            done[inner.name] = each(of, value, path)
    return done


def _hints(make: Any) -> dict[str, Any]:
    """Types of the parameters; of a dataclass through its bases, each in its own module. None where one is unknown."""
    plain = inspect.isclass(make) and not dataclasses.is_dataclass(make)
    try:
        return get_type_hints(make.__init__ if plain else make, include_extras=True)
    except NameError:  # a name imported for type checkers alone
        return {}


def _default(parameter: inspect.Parameter, factory: Any) -> Any:
    """What pydantic takes for a parameter's default: the value, the factory of a dataclass field, or `...` for none."""
    if factory is not dataclasses.MISSING:
        return Field(default_factory=factory)
    return ... if parameter.default is parameter.empty else parameter.default


CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


def settle(group: str, node: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A node with every default filled in and every value checked. Raises InputError naming the key's path."""
    if not isinstance(node, Mapping):
        raise InputError(f"{where} is a mapping with a kind, got {node!r}")
    rest = dict(node)
    kind = rest.pop("kind", None)
    if not isinstance(kind, str):
        raise InputError(f"{where}.kind is missing; {nearest('', names(group))}")
    try:
        model = parameters(group, kind)
    except InputError as e:
        raise InputError(f"{where}.kind: {e}") from e
    return _within(group, {"kind": kind, **(rest if model is None else checked(model, rest, where))}, where, settle)


def named(group: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """A settled node as digests take it: without settings that came later, where they are at their defaults."""
    made = factory(group, node["kind"])
    node = _within(group, node, "", lambda of, inner, _: named(of, inner))
    fields = dataclasses.fields(made) if dataclasses.is_dataclass(made) else ()
    late = {f.name: f.default for f in fields if f.metadata.get("later")}
    return {k: v for k, v in node.items() if not (k in late and v == late[k])}


def checked(model: type[BaseModel], tree: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings with every default filled in. Raises InputError naming the key's path."""
    try:
        return model(**tree).model_dump(mode="json")
    except ValidationError as e:
        raise InputError(explain(e, where, model)) from e


def make(group: str, node: Mapping[str, Any], where: str) -> Any:
    """The object that a settled node describes. Raises InputError with the path of the node."""
    rest = {k: v for k, v in _within(group, node, where, make).items() if k != "kind"}
    try:
        return factory(group, node["kind"])(**rest)
    except InputError as e:
        raise InputError(f"{where}: {e}") from e
    except TypeError as e:
        if ":" not in node["kind"]:
            raise
        # a function where a class is due, say: the user's own, so the user's to mend
        raise InputError(f"{where}: {node['kind']} makes no {_NOUN[group]}: {one_line(str(e))}") from e


def chief(error: ValidationError) -> Any:
    """The problem to tell of: a key that is not known explains another that is missing."""
    return next((p for p in error.errors() if p["type"] == "extra_forbidden"), error.errors()[0])


def explain(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    """One line for the first problem of a validation: path, what was given, what is allowed."""
    problem = chief(error)
    unknown = problem["type"] == "extra_forbidden"  # its name can hold anything; elsewhere [ marks a type, not a key
    inner = [str(p) for p in problem["loc"] if unknown or not (isinstance(p, str) and "[" in p)]
    path = ".".join(p for p in [where, *inner] if p)
    if unknown:
        return f"unknown key {path!r}; {nearest(inner[-1], model.model_fields)}"
    if problem["type"] == "missing":
        return f"{path} is missing"
    given = repr(problem["input"])
    shown = given if len(given) <= 80 else f"{given[:80]} ..."
    said = problem["msg"].removeprefix("Value error, ")  # a check of our own, which says it all
    return f"{path}: {said[0].lower()}{said[1:]}, got {shown}"
