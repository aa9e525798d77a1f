"""Data that no package carries: by $OUTCROSS_DATA or beside the project; without it a test is skipped, in CI failed."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def shared(name: str) -> Path:
    """The folder or file of that name."""
    path = DATA / name
    if not path.exists():
        says = f"{path} is missing: see shared/data/README.md, or set OUTCROSS_DATA"
        pytest.fail(says) if os.environ.get("CI") == "true" and DATA.is_dir() else pytest.skip(says)
    return path
