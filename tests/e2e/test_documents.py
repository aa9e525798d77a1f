"""The examples of docs/images.md, run as they are printed there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from commands import outcross

TEXT = (Path(__file__).parents[2] / "docs" / "images.md").read_text(encoding="utf-8")
QUICK = ("samples=100", "learner.epochs=1", "chains=1", "generations=1", "floor=0", "measures=[image_variance]")


def blocks(folder: Path) -> None:
    """The modules that the page prints, each under the name in its first line."""
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TEXT, re.DOTALL):
        (folder / name).write_text(code)


def command(word: str) -> list[str]:
    line = next(line for line in TEXT.splitlines() if line.startswith("outcross ") and word in line)
    return shlex.split(line.partition("#")[0])[1:]


@pytest.mark.parametrize("word", ["mypair:pair", "mymodule:Matching"])
def test_a_module_of_ones_own_runs_as_the_page_says(word, tmp_path):
    blocks(tmp_path)
    done = outcross(*command(word), *QUICK, "--workers=1", cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "runs").is_dir()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["learner.object=mymodule:Nothing"], "cannot import 'mymodule:Nothing'"),
        (["learner.object=mymodule"], "object is package.module:Name"),
        (["learner.object=torch.nn:Linear"], "torch.nn:Linear: "),
        (["learner.object=torch.nn:Identity"], "has no loss()"),
        (["learner.object=mymodule:Matching", "learner.options={depth: 3}"], "unexpected keyword argument 'depth'"),
        ([], "learner.object is missing"),
    ],
)
def test_a_module_that_cannot_be_used_is_refused_in_one_line(settings, says, shell, monkeypatch):
    monkeypatch.syspath_prepend(str(shell.folder))
    blocks(shell.folder)
    done = shell("run", "vae", "learner.kind=module", *settings, *QUICK)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1, done.err


BROKEN = """
from torch import nn

def pair(shape, latent, width):
    return nn.Flatten(), nn.Linear(latent, 3)
"""


def test_a_module_that_fails_is_told_of_as_such_and_nothing_is_written(shell, monkeypatch):
    monkeypatch.syspath_prepend(str(shell.folder))
    (shell.folder / "mybroken.py").write_text(BROKEN)
    done = shell("run", "vae", "learner.network=mybroken:pair", *QUICK)
    assert done.code == 1
    assert done.err.startswith("error: the learner failed: ")
    assert len(done.err.strip().splitlines()) == 1
    assert not (shell.folder / "runs").exists()
