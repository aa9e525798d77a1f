"""Experiments as plain data: read from YAML and written, settings set by dotted keys, one node laid over another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from outcross.core.errors import InputError, require

_LARGEST = 1 << 20  # bytes of an experiment file
_MOST_VALUES = 100_000


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


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any] | None) -> dict[str, Any]:
    """A node with another laid over it; another kind discards the keys of the old one."""
    if not over:
        return dict(base)
    return dict(over) if over.get("kind", base.get("kind")) != base.get("kind") else {**base, **over}


def staged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The stages of an arm: each laid over that of the base with its name, new ones after those, without null ones."""
    laid = {name: None if node is None else overlaid(base.get(name, {}), node) for name, node in over.items()}
    return {name: node for name, node in {**base, **laid}.items() if node is not None}


def taught(base: Mapping[str, Any] | None, over: Mapping[str, Any] | str | None) -> dict[str, Any] | None:
    """The teacher of an arm: laid over that of the base, its learner likewise; `none` for none."""
    if over is None or base is None or isinstance(over, str):
        found = base if over is None else over
        return None if found is None or isinstance(found, str) else dict(found)
    learner = overlaid(base.get("learner", {}), over.get("learner"))
    return {**base, **over, "learner": learner}


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
        set_at(tree, path, found, f"override {key}")
    return tree


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


def set_at(tree: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    """Set a dotted key in place; a new `kind` discards the node's other keys."""
    for key in path[:-1]:
        inner = tree.setdefault(key, {})
        require(isinstance(inner, dict), f"{where}: {key!r} holds a value, not keys")
        tree = inner
    if path[-1] == "kind" and tree.get("kind") != value:
        tree.clear()
    tree[path[-1]] = value
