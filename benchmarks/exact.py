"""Exact-in-law refits against drawing the rows and refitting, and what a chain of a billion rows a generation costs.

    python -m benchmarks.exact [--repeats 5] [--quick]

Ratio of times a generation, both through the same engine (`Chain.step`, one thread): pools kept as rows against pools
kept as statistics, medians over interleaved repeats. Then the two runs that nobody could draw, through `outcross.run`
with default measures, store and noise floor, on two workers, without the page.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from typing import Any

from threadpoolctl import threadpool_limits

from outcross import run
from outcross.core.loop import Chain
from outcross.core.policies import replace
from outcross.core.schedules import Samples
from outcross.families.categorical import Learner as Categorical
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.regression import Learner as Regression
from outcross.runs.spec import Experiment
from outcross.sources.linear import Source as Linear
from outcross.sources.normal import Source as Normal
from outcross.sources.zipf import Source as Zipf

CASES: tuple[tuple[str, Any, Any, int, int, float], ...] = (  # name, learner, source, rows, generations of rows, target
    ("Gaussian, d = 2", Gaussian(), Normal((0.0, 0.0)), 10**5, 20, 50),
    ("Gaussian, d = 2", Gaussian(), Normal((0.0, 0.0)), 10**7, 2, 1000),
    ("Gaussian, d = 64", Gaussian(), Normal((0.0,) * 64), 10**5, 5, 0),
    ("1,000 categories", Categorical(), Zipf(1000), 10**5, 20, 0),
    ("1,000 categories", Categorical(), Zipf(1000), 10**7, 2, 100),
    ("100,000 categories", Categorical(), Zipf(100_000), 10**7, 2, 0),
    ("regression, 8 features", Regression(), Linear((1.0,) * 8), 10**5, 10, 0),
)
WEB = {
    "Gaussian, 1e9 rows, 10,000 generations x 100 chains": {
        "source": {"kind": "normal"}, "learner": {"kind": "gaussian"}, "samples": 10**9,
        "generations": 10_000, "chains": 100,
    },
    "Zipf, K = 100,000, 1e9 rows, 1,000 generations x 4 chains": {
        "source": {"kind": "zipf", "categories": 100_000}, "learner": {"kind": "categorical"}, "samples": 10**9,
        "generations": 1000, "chains": 4,
    },
}  # fmt: skip


def seconds(learner: Any, source: Any, n: int, generations: int, pools: Any, seed: int) -> float:
    """Seconds a generation, generation 0 left out."""
    chain = Chain(learner, replace(), source, Samples(n), seed, 0, pools)
    at = chain.step(chain.start())
    began = time.perf_counter()
    for _ in range(generations):
        at = chain.step(at)
    return (time.perf_counter() - began) / generations


def ratios(case: tuple[str, Any, Any, int, int, float], repeats: int) -> None:
    """One case: rows and statistics in turn, again and again."""
    name, learner, source, n, generations, target = case
    pairs = [
        (
            seconds(learner, source, n, generations, "rows", repeat),
            seconds(learner, source, n, 50 * generations, "statistics", repeat),
        )
        for repeat in range(repeats)
    ]
    rows, exact = (statistics.median(column) * 1e6 for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    wanted = f"{target:,.0f}" if target else "-"
    print(f"{name:<24} {n:>12,} {rows:>14,.0f} {exact:>14,.1f} {ratio:>10,.0f} {wanted:>8}", flush=True)


def web(name: str, tree: dict[str, Any], repeats: int) -> None:
    """One run through the public API."""
    arms = {"replace": {"policy": {"kind": "replace"}}}
    times = []
    for seed in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            experiment = Experiment.parse({**tree, "arms": arms, "seed": seed})
            began = time.perf_counter()
            run(experiment, out=folder, workers=2, report=False)
            times.append(time.perf_counter() - began)
    print(f"{name}: {statistics.median(times):.1f} s (target 60)", flush=True)


def main() -> None:
    """Time every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one repeat")
    options = parser.parse_args()
    repeats = 1 if options.quick else options.repeats
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    head = ("family", "rows", "rows, us", "statistics, us", "ratio", "target")
    print("{:<24} {:>12} {:>14} {:>14} {:>10} {:>8}".format(*head))
    with threadpool_limits(1):
        for case in CASES:
            ratios(case, repeats)
    for name, tree in WEB.items():
        web(name, tree, min(repeats, 3))


if __name__ == "__main__":
    main()
