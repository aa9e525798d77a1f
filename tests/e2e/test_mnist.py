"""MNIST through the public command: the paper's protocol in small, and, in the slow tests, what collapse does to it."""

from __future__ import annotations

import pytest

from commands import Shell
from outcross.measures.context import Reference
from outcross.sources.mnist import Source
from shared import shared


@pytest.fixture
def mnist(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("OUTCROSS_DATA", str(shared("mnist").parent))
    return shell


def values(shell: Shell, run: str, measure: str) -> dict[tuple[str, int], dict[str, float]]:
    shown = shell("show", run, "--json").json["measures"]
    return {(m["cell"]["arm"], m["generation"]): m for m in shown if m["measure"] == measure}


def test_the_papers_protocol_runs_in_small(mnist):
    small = ("samples=600", "learner.epochs=1", "generations=2", "measures=[latent,image_variance]", "--workers=1")
    done = mnist("run", "paper/vae", *small, "--json")
    assert done.code == 0, done.err
    assert done.json["chains"] == {"done": 1, "degenerate": 0, "failed": 0}
    found = values(mnist, done.json["run"], "mu_sd")
    assert [g for _, g in found] == [0, 1, 2]
    assert all(0.0 < m["value"] < 10.0 for m in found.values())
    real = values(mnist, done.json["run"], "mu_sd_real")
    assert len({m["value"] for m in real.values()}) == 1, "real images under the first encoder do not change"


def test_mnist_is_what_was_published(mnist):
    source = Source()
    assert source.rows == 60_000
    assert source.shape == (28, 28)
    assert len(source.reference(10**6)) == 9000
    assert len(source.validation(10**6)) == 1000
    pixels = source.training.items
    assert pixels.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std() / 255 == pytest.approx(0.3081, abs=5e-5)
    assert source.training.label[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.slow
def test_the_classifier_of_mnist_is_right_in_985_of_1000(mnist):
    gallery = Reference.of(Source()).gallery
    print(gallery.told)
    assert gallery.accuracy >= 0.985


@pytest.mark.slow
def test_digits_merge_and_real_rows_slow_it(mnist):
    small = ("samples=10000", "learner.epochs=5", "generations=8", "record=[0,1,2,8]")
    done = mnist(
        "run", "vae-mnist", *small, "measures=[classes,image_variance,image_coverage,image_distance]", "--json"
    )
    assert done.code == 0, done.err
    variance = {key: m["value"] for key, m in values(mnist, done.json["run"], "pixel_variance_ratio").items()}
    far = {key: m["value"] for key, m in values(mnist, done.json["run"], "feature_w2").items()}
    print(variance, far)
    assert variance["replace", 8] < 0.5 * variance["replace", 0]
    assert far["replace", 2] > far["replace", 1] > far["replace", 0]  # by 4 all images are one: nothing is left to lose
    for arm in ("mix10", "accumulate"):
        assert variance[arm, 8] > variance["replace", 8], arm
        assert far[arm, 8] < far["replace", 8], arm
