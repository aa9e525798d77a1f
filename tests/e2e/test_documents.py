"""The examples of docs/images.md, run as they are printed there."""

from __future__ import annotations

import re
import shlex
import sys
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


OWN = """
import torch
from torch import nn
from mymodule import Matching
from mypair import pair

class Told(Matching):
    def loss(self, images, generator): return {"loss": super().loss(images, generator)}
class Several(Matching):
    def loss(self, images, generator): return super().loss(images, generator) * torch.ones(3)
class Fixed(Matching):
    def loss(self, images, generator): return super().loss(images, generator).detach()
class Quick(Matching):
    def loss(self, images, generator): return self.make(torch.randn(9, self.latent, generator=generator)).sum()
class Flat(Quick):
    def sample(self, n, generator): return torch.zeros(n, 64)
class Array(Quick):
    def sample(self, n, generator): return super().sample(n, generator).numpy()
class Bright(Quick):
    def sample(self, n, generator): return 255 * super().sample(n, generator)
class Empty(nn.Module):
    def __init__(self, shape): super().__init__()
    def loss(self, images, generator): return images.sum()
    sample = loss
class Never(nn.Module):
    def __init__(self, shape): raise ValueError("boom")
class Leaves(Matching):
    def loss(self, images, generator): raise SystemExit(3)
class Lost(Quick):
    def sample(self, n, generator): return super().sample(n, generator) * float("nan")

def flat(shape, latent, width): return pair(shape, latent, width)[0], nn.Linear(latent, 64)
def spread(shape, latent, width):
    return pair(shape, latent, width)[0], nn.Sequential(nn.Linear(latent, 1), nn.Unflatten(1, (1, 1, 1)))
def one(shape, latent, width): return nn.Flatten(), pair(shape, latent, width)[1]
def single(shape, latent, width): return nn.Flatten()
def wide(shape, latent, width):
    print("width", width)
    return pair(shape, latent, width)
"""


@pytest.fixture
def own(shell, monkeypatch):
    """A folder with modules of one's own, right and wrong."""
    monkeypatch.syspath_prepend(str(shell.folder))
    blocks(shell.folder)
    (shell.folder / "own.py").write_text(OWN)
    yield shell
    for name in ("own", "mymodule", "mypair"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Told", "loss() gave a dict: a tensor of one number is due"),
        ("Several", "loss() gave a tensor (3,)"),
        ("Fixed", "loss() gave a tensor () that depends on no weight"),
        ("Flat", "own:Flat.sample(2) gave a tensor (2, 64): a tensor (2, 1, 8, 8) is due"),
        ("Array", "own:Array.sample(2) gave a ndarray"),
        ("Empty", "own:Empty has no weights to train"),
        ("Never", "own:Never: ValueError: boom"),
    ],
)
def test_a_module_that_gives_something_else_is_refused_before_it_is_trained(name, says, own):
    done = own("run", "vae", "learner.kind=module", f"learner.object=own:{name}", "learner.options={}", *QUICK)
    assert (done.code, says in done.err) == (2, True), done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (own.folder / "runs").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("flat", "gave tensors [(1, 4), (1, 4), (1, 64)], [(1, 4), (1, 4), (1, 1, 8, 8)] are due"),
        ("spread", "(1, 1, 1, 1)]"),
        ("one", "an encoder gives mu and log variance (n, latent)"),
        ("single", "own:single: TypeError"),
    ],
)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_a_pair_of_other_shapes_is_refused_whatever_the_likelihood(name, says, likelihood, own):
    settings = (f"learner.network=own:{name}", f"learner.likelihood={likelihood}", "learner.latent=4")
    done = own("run", "vae", *settings, *QUICK)
    assert (done.code, says in done.err) == (2, True), done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_pair_is_given_a_width_that_can_be_used(own):
    learner = "learner={kind: vae, network: 'own:wide', latent: 4, epochs: 1}"
    done = own("run", "vae", learner, *QUICK, "--workers=1")
    assert done.code == 0, done.err
    assert "width 64" in done.out


def test_pixels_that_are_not_finite_are_no_measurement(own):
    learner = ("learner.kind=module", "learner.object=own:Lost", "learner.options={}")
    done = own("run", "vae", *learner, *QUICK[:4], "floor=0", "measures=[image_coverage]", "--workers=1")
    assert done.code == 0, done.err
    assert "RuntimeWarning" not in done.err
    run = next((own.folder / "runs").iterdir()).name
    read = own("show", run, "--json").json["measures"]
    assert {m["value"] for m in read} <= {None}
    assert all("not finite" in m["why"] for m in read)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Leaves", "the learner failed: SystemExit: 3"),
        ("Bright", "[0, 1] is due, so clamp or scale them"),
    ],
)
def test_a_module_that_fails_or_leaves_is_told_of_as_such_and_nothing_is_written(name, says, own):
    done = own("run", "vae", "learner.kind=module", f"learner.object=own:{name}", "learner.options={}", *QUICK)
    assert (done.code, says in done.err) == (1, True), done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (own.folder / "runs").exists()
