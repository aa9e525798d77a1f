"""Where a run takes place: versions and machine, within which its bits are promised."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def environment() -> dict[str, Any]:
    """Versions and machine: bits are promised within one machine class and one lock."""
    import numpy as np

    packages = ("outcross", "numpy", "scipy", "numba", "llvmlite", "scikit-learn", "pyarrow", "safetensors")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "simd": sorted(np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])),
        "packages": {name: _version(name) for name in packages},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
