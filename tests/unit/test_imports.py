"""What is imported, and when."""

import subprocess
import sys

import pytest

import outcross

HEAVY = ("numpy", "scipy", "numba", "torch", "sklearn", "pyarrow", "matplotlib", "pydantic")


def loaded(code):
    """Which of the heavy packages a fresh interpreter has loaded after the code."""
    told = f"\nprint('loaded', *[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + code + told], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()[-1].split()[1:]


def test_help_loads_nothing_heavy():
    assert loaded("import outcross, outcross.cli") == []
    told = "sys.argv = ['outcross', '--help']\ntry:\n    outcross.cli.main()\nexcept SystemExit:\n    pass"
    assert loaded("import outcross.cli\n" + told) == []


def test_the_core_needs_neither_torch_nor_scikit_learn_nor_arrow():
    modules = ["loop", "policies", "corpus", "mixture", "checks", "stats", "rng", "schedules"]
    found = loaded("\n".join(f"import outcross.core.{m}" for m in modules))
    assert "numpy" in found
    assert not {"torch", "sklearn", "pyarrow", "matplotlib", "pydantic"} & set(found)


def test_the_public_surface_is_what_it_promises():
    assert outcross.__all__ == sorted(outcross.__all__)
    assert set(outcross.__all__) == {"Corpus", "Experiment", "Result", "decompose", "generations", "load", "run"}
    for name in outcross.__all__:
        assert getattr(outcross, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        outcross.nothing  # noqa: B018
