"""outcross measures, predicts and prevents model collapse.

The public surface, imported when first used: `Experiment`, `run`, `load`, `decompose`, `generations`, `Corpus`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
_HOMES = {
    "Corpus": "outcross.core.corpus",
    "Experiment": "outcross.runs.spec",
    "Result": "outcross.api",
    "decompose": "outcross.api",
    "generations": "outcross.core.loop",
    "load": "outcross.api",
    "run": "outcross.api",
}
__all__ = ["Corpus", "Experiment", "Result", "decompose", "generations", "load", "run"]  # noqa: F822


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'outcross' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
