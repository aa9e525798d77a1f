"""Where a run takes place: versions and machine, within which its bits are promised."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

REQUIRED = ("outcross", "numpy", "scipy", "numba", "llvmlite", "scikit-learn", "pyarrow", "safetensors")
OPTIONAL = ("torch",)


def environment(threads: int = 1) -> dict[str, Any]:
    """Versions, machine, and threads of a worker: bits are promised within one machine class, one lock and so many."""
    import numpy as np

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "simd": sorted(np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])),
        "threads": threads,
        "packages": {name: _version(name) for name in (*REQUIRED, *OPTIONAL)},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
