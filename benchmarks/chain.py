"""Generations a second of the public API against the plain loop over scikit-learn's GaussianMixture.

    python -m benchmarks.chain [--repeats 5] [--quick]

Both sides: two 2-D Gaussians, replace, k = 2, k-means initialisation in every generation, the same tolerance and most
iterations, one thread. Ours is `outcross.run` with the default measures at the recorded generations, the noise floor,
the store and its fsyncs, but no report page; kernels are compiled beforehand. The baseline neither measures nor
stores. Two workers get twice the chains of one, and their start counts. Where the baseline is timed on fewer
generations than ours it also begins at generation 0; later fits take it longer, so that ratio is if anything low.
Medians over interleaved repeats.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
import warnings

import numpy as np
from threadpoolctl import threadpool_limits

from outcross import run
from outcross.runs.spec import load


def baseline(n: int, generations: int, tolerance: float, seed: int) -> float:
    """Generations a second of the plain scikit-learn loop."""
    from sklearn.mixture import GaussianMixture

    state = np.random.RandomState(seed)
    rows = state.standard_normal((n, 2)) + np.where(state.uniform(size=n) < 0.5, -2.0, 2.0)[:, None] * [1.0, 0.0]
    began = time.perf_counter()
    for _ in range(generations):
        fitted = GaussianMixture(2, tol=tolerance, max_iter=2000, random_state=state).fit(rows)
        rows, _ = fitted.sample(n)
    return generations / (time.perf_counter() - began)


def ours(n: int, chains: int, generations: int, tolerance: float, workers: int, seed: int) -> float:
    """Generations a second of `outcross.run`, everything on but the page."""
    settings = [
        f"samples={n}", f"chains={chains}", f"generations={generations}", f"seed={seed}",
        f"learner.tolerance={tolerance!r}", "learner.iterations=2000", "arms={replace: {policy: {kind: replace}}}",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        experiment = load("gmm", settings)
        began = time.perf_counter()
        run(experiment, out=folder, workers=workers, report=False)
        return generations * chains / (time.perf_counter() - began)


CASES = (  # rows, our chains, generations, the baseline's generations, tolerance
    (1_000, 256, 2000, 2000, 1e-3),
    (1_000, 256, 2000, 1000, 1e-5),
    (10_000, 32, 2000, 200, 1e-3),
    (10_000, 32, 2000, 100, 1e-5),
)


def main() -> None:
    """Time every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the first case only, once")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the baseline warns of fits that do not converge
    import sklearn.mixture  # noqa: F401  before the limit below, which binds only libraries that are loaded

    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print("  rows chains tolerance  baseline/s  1 worker/s 2 workers/s  ratio 1  ratio 2")
    with threadpool_limits(1):
        ours(500, 2, 20, 1e-3, 1, 0)  # compile
        for case in CASES[:1] if options.quick else CASES:
            row(case, 1 if options.quick else options.repeats)


def row(case: tuple[int, int, int, int, float], repeats: int) -> None:
    """One case: baseline, one worker and two workers in turn, again and again."""
    n, chains, generations, fewer, tolerance = case
    rates = [
        (
            baseline(n, fewer, tolerance, repeat),
            ours(n, chains, generations, tolerance, 1, repeat),
            ours(n, 2 * chains, generations, tolerance, 2, repeat),
        )
        for repeat in range(repeats)
    ]
    middle = [statistics.median(column) for column in zip(*rates, strict=True)]
    one = statistics.median(b / a for a, b, _ in rates)
    two = statistics.median(c / a for a, _, c in rates)
    print(
        f"{n:>6} {chains:>6} {tolerance:>9g} {middle[0]:>11.1f} {middle[1]:>11.0f} {middle[2]:>11.0f}"
        f"  {one:>7.1f}  {two:>7.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
