"""The JSON Schema of an experiment, with the settings of every kind that is known here."""

from __future__ import annotations

from typing import Any

from outcross.runs import plugins
from outcross.runs.cells import Taught
from outcross.runs.spec import Experiment

_GROUP_OF = {"source": "sources", "learner": "families", "policy": "policies", "stages": "stages"}


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of an experiment file."""
    schema = Experiment.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    for group in _GROUP_OF.values():
        definitions[group] = {"anyOf": [_node(group, kind) for kind in plugins.names(group)] + [_foreign()]}
    for key in ("source", "learner"):
        schema["properties"][key] = {"$ref": f"#/$defs/{_GROUP_OF[key]}"}
    arm = definitions["Arm"]["properties"]
    arm["policy"] = {"$ref": "#/$defs/policies"}
    teacher = {"$ref": "#/$defs/Taught"}
    definitions["Taught"] = _taught()
    schema["properties"]["teacher"] = {"anyOf": [teacher, {"type": "null"}]}
    arm["teacher"] = {"description": "laid over the base teacher; none for none", "type": ["object", "string", "null"]}
    arm["learner"] = {"description": "laid over the base learner", "type": ["object", "null"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _taught() -> dict[str, Any]:
    """The schema of a teacher."""
    found = Taught.model_json_schema()
    found["properties"]["learner"] = {"$ref": "#/$defs/families"}
    rows: list[dict[str, Any]] = [{"type": "integer", "minimum": 1}, {"enum": ["auto", "all"]}]
    found["properties"]["samples"] = {"anyOf": rows}
    return found


def _node(group: str, kind: str) -> dict[str, Any]:
    model = plugins.parameters(group, kind)
    inner: dict[str, Any] = model.model_json_schema() if model else {"type": "object", "properties": {}}
    inner["title"] = kind
    inner["properties"] = {"kind": {"const": kind}, **inner["properties"]}
    inner["required"] = ["kind", *inner.get("required", [])]
    return inner


def _foreign() -> dict[str, Any]:
    kind = {"type": "string", "pattern": r"^[A-Za-z_][\w.]*:\w+$", "description": "package.module:Name"}
    return {"title": "dotted path", "type": "object", "properties": {"kind": kind}, "required": ["kind"]}
