"""Back-test of calibrated plans on eighteen runs of seven families under six policies, on none of which it was set up.

    python -m benchmarks.forecasts runs/forecasts

Runs what is not there yet (about half an hour on two cores; autoencoders take most), then forecasts it all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from outcross import run
from outcross.cli.outlook import say_backtest

SEEDS = (51, 52)
POLICIES = {
    "replace": "{kind: replace}",
    "fresh": "{kind: mix, real: 0.1, anchor: fresh}",
    "fixed": "{kind: mix, real: 0.1, anchor: fixed}",
    "redrawn": "{kind: mix, real: 0.1, anchor: redrawn}",
    "accumulate": "{kind: accumulate}",
    "subsample": "{kind: accumulate_subsample}",
}
LONG, SHORT = ("chains=16", "generations=200", "floor=8"), ("chains=8", "generations=60", "floor=8")
NUMBERS = "measures=[moments, tails]"
EXPONENTIAL = "source={kind: exponential_family, family: exponential, mean: [1.0, 2.0]}"
POISSON = "source={kind: exponential_family, family: poisson, mean: [3.0, 8.0]}"
GAUSSIAN = ("source.kind=normal", "learner.kind=gaussian", NUMBERS, *LONG)
OF_NUMBERS = [
    (*GAUSSIAN, "samples=60"),
    (*GAUSSIAN, "samples=400"),
    (EXPONENTIAL, "learner={kind: exponential_family, family: exponential}", NUMBERS, *LONG, "samples=80"),
    (POISSON, "learner={kind: exponential_family, family: poisson}", NUMBERS, *LONG, "samples=80"),
    (
        "source={kind: zipf, categories: 1000, exponent: 1.0}",
        "learner.kind=categorical",
        "measures=[categories]",
        *LONG,
        "samples=150",
    ),
    (NUMBERS, *LONG, "samples=300"),
    ("learner.kind=kde", NUMBERS, *SHORT, "samples=150"),
    ("learner={kind: sklearn.mixture:BayesianGaussianMixture, n_components: 2}", NUMBERS, *SHORT, "samples=200"),
]
IMAGES = ("chains=3", "generations=12", "floor=0")


def arms(*without: str) -> str:
    """All policies but some."""
    return "arms={" + ", ".join(f"{k}: {{policy: {v}}}" for k, v in POLICIES.items() if k not in without) + "}"


def main(folder: Path) -> None:
    for seed in SEEDS:
        for settings in OF_NUMBERS:
            run("gmm", [arms(), *settings, f"seed={seed}", "snapshots.chains=0"], out=folder, report=False)
        # fresh rows would use up so small a source of images
        run("vae", [arms("fresh"), *IMAGES, f"seed={seed}", "snapshots.chains=0"], out=folder, report=False)
    say_backtest([str(folder)], folder, None, 0.1, json=False)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/forecasts"))
