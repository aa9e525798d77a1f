"""kill -9 at random moments of a real run: nothing acknowledged is lost, nothing is corrupt, the end is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import campaign, experiment
from scripts import python_learner, shell_learner

_PLAIN = ["source.kind=normal", "learner.kind=gaussian", "samples=20", "measures=[moments]"]
CASES = {
    # fmt: off
    "compiled-replace-and-mix": ["chains=16", "generations=400", "samples=30", "measures=[moments]"],
    "accumulate": [*_PLAIN, "arms={a: {policy: {kind: accumulate}}}", "chains=8", "generations=60"],
    "accumulate-rows": [*_PLAIN, "arms={a: {policy: {kind: accumulate}}}", "chains=8", "generations=60", "pools=rows"],
    "accumulate-counts": [
        "source.kind=zipf",
        "source.categories=500",
        "learner.kind=categorical",
        "samples=200",
        "measures=[categories,extinction]",
        "arms={a: {policy: {kind: accumulate_subsample}}}",
        "chains=8",
        "generations=60",
    ],
    "regression-fixed": [
        "source.kind=linear",
        "learner.kind=regression",
        "learner.design=fixed",
        "samples=20",
        "measures=[coefficients]",
        "arms={a: {policy: {kind: accumulate}}, b: {policy: {kind: replace}}}",
        "chains=4",
        "generations=60",
    ],
    "accumulate-subsample": [*_PLAIN, "arms={a: {policy: {kind: accumulate_subsample}}}", "chains=8", "generations=60"],
    "staged-and-poisoned": [
        *_PLAIN,
        "stages={poison: {share: 0.1}, curate: {choices: 2, score: {kind: column}}, dedup: {within: 0.01}}",
        "chains=4",
        "generations=30",
    ],
    "taught": [
        *_PLAIN,
        "learner.kind=kde",
        "teacher={learner: {kind: gaussian}, samples: 40}",
        "chains=4",
        "generations=30",
    ],
    "web": [
        *_PLAIN,
        "arms={a: {policy: {kind: web, share: {curve: logistic, middle: 5}}}}",
        "stages={label: {recall: 0.5}}",
        "chains=4",
        "generations=30",
    ],
    # fmt: on
    "keep-all": ["keep=all", "record=all", "chains=4", "generations=40", "samples=30", "measures=[moments]"],
}
KILLS = {name: 10 if name == "compiled-replace-and-mix" else 6 for name in CASES}
KILLS |= dict.fromkeys(("staged-and-poisoned", "taught", "web"), 4)
_FEW = [
    "chains=2",
    "generations=4",
    "samples=20",
    "measures=[moments]",
    "record=[0,4]",
    "snapshots.chains=0",
    "floor=0",
]


@pytest.mark.parametrize("name", CASES)
def test_a_run_killed_anywhere_resumes_to_the_same_bits(name: str, tmp_path: Path) -> None:
    print(campaign(experiment(name, *CASES[name]), tmp_path, KILLS[name], seed=1))


@pytest.mark.parametrize(("make", "kills"), [(shell_learner, 3), (python_learner, 3)])
def test_a_run_of_a_foreign_program_killed_anywhere_resumes_to_the_same_bits(
    make: object, kills: int, tmp_path: Path
) -> None:
    print(campaign(experiment("command", *make(tmp_path), *_FEW), tmp_path, kills, seed=2, per_run=3))


_IMAGES = [
    "arms={a: {policy: {kind: mix, real: 0.1}, pools: stream}, b: {policy: {kind: accumulate}}}",
    "learner.epochs=4",
    "learner.batch=20",
    "learner.width=16",
    "samples=200",
    "generations=6",
    "chains=2",
    "measures=[image_variance,pictures]",
]


def test_an_autoencoder_killed_within_a_generation_resumes_to_the_same_bits(tmp_path: Path) -> None:
    print(campaign(experiment("images", *_IMAGES, shipped="vae"), tmp_path, 6, seed=5))


def _corrected(kind: str) -> list[str]:
    """A chain of very small diffusions, each corrected by its own samples."""
    return [
        "source.kind=normal",
        f"learner={{kind: {kind}, samples: 20, judged: 20, auxiliary: {{epochs: 1}}, "
        "learner: {kind: diffusion, width: 4, steps: 3, epochs: 2, batch: 10}}",
        "samples=20",
        "measures=[moments]",
        "chains=2",
        "generations=3",
        "arms={a: {policy: {kind: replace}}}",
    ]


def test_a_corrected_diffusion_killed_anywhere_resumes_to_the_same_bits(tmp_path: Path) -> None:
    print(campaign(experiment("neon", *_corrected("neon")), tmp_path, 2, seed=6, per_run=2))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["neon", "sims"])
def test_many_more_kills_of_a_corrected_diffusion_lose_nothing(kind: str, tmp_path: Path) -> None:
    print(campaign(experiment(kind, *_corrected(kind)), tmp_path, 20, seed=7))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kills"), [(name, 45) for name in CASES])
def test_many_more_kills_lose_nothing(name: str, kills: int, tmp_path: Path) -> None:
    print(campaign(experiment(name, *CASES[name]), tmp_path, kills, seed=3))


@pytest.mark.slow
@pytest.mark.parametrize("make", [shell_learner, python_learner])
def test_many_more_kills_of_a_foreign_program_lose_nothing(make: object, tmp_path: Path) -> None:
    print(campaign(experiment("command", *make(tmp_path), *_FEW), tmp_path, 10, seed=4, per_run=3))
