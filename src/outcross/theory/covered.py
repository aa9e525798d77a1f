"""Which oracle covers which chain: from a setting and what was observed to every prediction that can be made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma

from outcross.theory import accumulate, exponential, gaussian, live, mixing, regression
from outcross.theory.live import Check, Observed, Prediction, Stretch

Array = NDArray[np.float64]
World = Literal["gaussian", "categorical", "regression", "exponential"]
Policy = Literal["replace", "accumulate", "accumulate_subsample", "mix"]
_CARRIED = 0.5  # relative variance of a variance beyond which a few chains carry its mean
_FADED = 0.1  # share of the true heterozygosity below which a few chains carry its mean


@dataclass(frozen=True, eq=False)
class Setting:
    """What theory has to know of a chain.

    rows (G,): made for each generation, those of generation 0 real. real: real rows of each later pool, under `mix`.
    known: whether the truth is a law, so that generation 0 has known expectations.
    """

    world: World
    policy: Policy
    rows: NDArray[np.int64]
    real: int = 0
    anchor: str = "fresh"
    estimator: str = "ml"
    dimension: int = 1
    known: bool = True
    noise: float = 1.0
    fixed_design: bool = False


RISK = "squared distance"  # 2-Wasserstein, squared
QUANTITIES = {
    "gaussian": ("log_det_ratio", "first_mean", "first_variance"),
    "categorical": ("heterozygosity_ratio",),
    "regression": ("coefficient_error",),
    "exponential": ("first_mean",),
}  # what is looked at in each world


def check(setting: Setting, at: Observed) -> Check | None:
    """Every prediction about a chain of this setting, or None where no oracle covers it."""
    if not all(name in at and at[name].generations for name in QUANTITIES[setting.world]):
        return None
    found: Check | None = {
        "gaussian": _gaussian,
        "categorical": _categorical,
        "regression": _regression,
        "exponential": _exponential,
    }[setting.world](setting, at)
    return found


# ---- one Gaussian: the first column is a chain in one dimension of its own ----


class Steps(NamedTuple):
    """Law of one fit for each generation (G,), given the model before, whose variance is v and mean m.

    The new variance is v F and the new mean m + sqrt(v h) e, with e standard normal.
    """

    mean: Array  # E F
    square: Array  # E F^2
    wander: Array  # h
    joint: Array  # E e^2 F


def steps(rows: NDArray[np.int64], estimator: str, keep: bool) -> Steps:
    """The law of each fit under replace (keep=False) or accumulate, exact (oracles G1, A1).

    With N rows in the pool, M added and divisors k: F = [k_N + chi2(M - 1) + N / (N + M) e^2] / k_{N+M}.
    """
    m = rows.astype(np.float64)
    n = np.concatenate([[0.0], np.cumsum(m)[:-1]]) if keep else np.zeros(len(m))
    less = 0.0 if estimator == "ml" else 1.0
    old, new, share = np.maximum(n - less, 0.0), n + m - less, n / (n + m)
    mean = (old + m - 1.0 + share) / new
    variance = 2.0 * (m - 1.0 + share**2) / new**2
    return Steps(mean, mean**2 + variance, m / (n + m) ** 2, (old + m - 1.0 + 3.0 * share) / new)


def _gaussian(s: Setting, at: Observed) -> Check | None:
    if s.policy == "mix":
        return _mixed(s, at)
    if s.policy == "accumulate_subsample":
        return _subsampled(s, at) if s.estimator == "ml" and _constant(s) else None
    law = steps(s.rows, s.estimator, s.policy == "accumulate")
    if s.policy == "replace":
        oracle = "G3" if s.estimator == "ml" else "G2"
        return live.joined([_determinant(s, at), _risk(s, law, at)], _spread(s, at) + _wandering(oracle, law, at))
    return live.joined([_accumulated(law, at)], _wandering("A1", law, at))


def _constant(s: Setting) -> bool:
    return bool((s.rows == s.rows[0]).all())


def _fits(s: Setting, a: int, b: int) -> int | list[int]:
    """Rows of the fits of generations a + 1 .. b."""
    return int(s.rows[0]) if _constant(s) else [int(n) for n in s.rows[a + 1 : b + 1]]


def _determinant(s: Setting, at: Observed) -> Check:
    """G4, and G6 in more dimensions: the log determinant gains a sum of log chi-squares a fit."""
    d = s.dimension
    return live.logs(
        _det(s), "log_det_ratio", at["log_det_ratio"],
        lambda a, b: gaussian.mean_log_determinant(_fits(s, a, b), b - a, d, s.estimator),
        lambda a, b: gaussian.variance_of_log_determinant(_fits(s, a, b), b - a, d), float(d),
    )  # fmt: skip


def _det(s: Setting) -> str:
    return "G4" if s.dimension == 1 else "G6"


def _spread(s: Setting, at: Observed) -> list[Prediction]:
    """The spread of the same sums between chains: the fourth cumulant of a log chi-square is psi_3."""
    halves = (s.rows[:, None] - np.arange(1, s.dimension + 1)) / 2.0
    fourth = polygamma(3, halves).sum(axis=1)
    return live.spreads(
        f"{_det(s)} spread", "log_det_ratio", at["log_det_ratio"],
        lambda a, b: gaussian.variance_of_log_determinant(_fits(s, a, b), b - a, s.dimension),
        lambda a, b: float(fourth[a + 1 : b + 1].sum()),
    )  # fmt: skip


def _risk(s: Setting, law: Steps, at: Observed) -> Check:
    """G5, to look at: the squared distance to the truth, as long as a few chains do not carry its mean.

    No prediction: its innovations are too skewed for a z-score, and its parts are predicted already.
    """
    mean, variance = at["first_mean"], at["first_variance"]
    if s.dimension > 1 or int(s.rows.min()) < 2:
        return Check([], {})
    spread = np.cumsum(np.log(law.square / law.mean**2))  # logarithm of one more than the relative variance
    both = zip(mean.generations, variance.generations, strict=False)
    count = sum(a == b and spread[a] <= np.log1p(_CARRIED) for a, b in both)
    squared = mean.values[:, :count] ** 2 + (np.sqrt(variance.values[:, :count]) - 1.0) ** 2
    here = live.Records(mean.generations[:count], squared)
    return Check([], {RISK: live.means(here, lambda t: gaussian.mean_risk(_fits(s, -1, t), t + 1, s.estimator))})


def _accumulated(law: Steps, at: Observed) -> Check:
    """A1: the variance is multiplied by an independent factor in every fit."""

    def ratio(a: int, b: int) -> float:
        return float(np.prod(law.mean[a + 1 : b + 1]))

    return live.levels(
        "A1", "first_variance", at["first_variance"], lambda t: ratio(-1, t), 1.0, ratio,
        lambda a, b: float(np.prod(law.square[a + 1 : b + 1])) - ratio(a, b) ** 2,
    )  # fmt: skip


def _wandering(oracle: str, law: Steps, at: Observed) -> list[Prediction]:
    """Mean square of what the mean moved, in standard deviations of the model it moved from."""
    found: list[Prediction] = []
    sd = np.sqrt(at["first_variance"].values)
    for i, (a, b, before, now) in enumerate(at["first_mean"].steps(0.0)):
        scale = sd[:, i - 1] if i else 1.0
        predicted, kurtosis = _moved(law, a, b)
        found += live.squares(oracle, "first_mean", b, (now - before) / scale, predicted, kurtosis)
    return found


def _moved(law: Steps, a: int, b: int) -> tuple[float, float]:
    """Mean square and kurtosis of what the mean moves from generation a to b, in sd of the model at a."""
    square = fourth = cross = 0.0
    first = second = 1.0  # E v and E v^2 so far, in units of the variance at a
    for t in range(a + 1, b + 1):
        h = law.wander[t]
        square += h * first
        fourth += 3.0 * h * h * second + 6.0 * h * cross
        cross = cross * law.mean[t] + h * second * law.joint[t]
        first, second = first * law.mean[t], second * law.square[t]
    return square, fourth / square**2


def _mixed(s: Setting, at: Observed) -> Check | None:
    """M1 to M5: levels of variance and mean by the exact recursion; deviations fade with the synthetic share."""
    n = int(s.rows[0])
    if not _constant(s) or not 0 < s.real < n:
        return None
    known = mixing.recursion(n, s.real / n, len(s.rows), s.anchor, s.estimator)
    oracle, fades = _ANCHOR[s.anchor], _fading(1.0 - s.real / n)
    chief = live.levels(
        oracle, "first_variance", at["first_variance"], lambda t: float(known.S[t]), 1.0, fades, martingale=_free(s),
    )  # fmt: skip
    more: list[Prediction] = []
    for i, (a, b, before, now) in enumerate(at["first_mean"].steps(0.0)):
        keep = fades(a, b)
        square = float(known.V[b])
        if a >= 0:  # the mean at b shares keep of the mean at a, and the real rows both were fitted on
            square -= keep * keep * known.V[a] + 2.0 * keep * (1.0 - keep) * known.C[a]
        more += live.squares(oracle, "first_mean", b, now - keep * before, square, _kurtosis(at, i))
    return live.joined([chief], more)


_ANCHOR = {"fresh": "M1", "fixed": "M3", "redrawn": "M4"}


def _fading(rest: float) -> Stretch:
    """What is left of a deviation when every pool keeps the share `rest` of it."""
    return lambda a, b: rest ** (b - a) if a >= 0 else 0.0


def _kurtosis(at: Observed, record: int) -> float:
    """Kurtosis of a mean that is normal given the variance: 3 E v^2 / (E v)^2, v as the chains have it."""
    v = at["first_variance"].values[:, record]
    return float(3.0 * (v**2).mean() / v.mean() ** 2)


def _subsampled(s: Setting, at: Observed) -> Check | None:
    """A3: levels of variance and mean."""
    n = int(s.rows[0])
    known = {t: accumulate.subsampled(n, t + 1) for t in at["first_mean"].generations}

    def ratio(a: int, b: int) -> float:
        return known[b].variance / (known[a].variance if a >= 0 else 1.0)

    chief = live.levels(
        "A3", "first_variance", at["first_variance"], lambda t: known[t].variance, 1.0, ratio, martingale=_free(s)
    )
    more = [
        p
        for i, (_, b, _, now) in enumerate(at["first_mean"].steps(0.0))
        for p in live.squares("A3", "first_mean", b, now, known[b].square_of_mean, _kurtosis(at, i))
    ]
    return live.joined([chief], more)


# ---- categories: heterozygosity keeps what variance keeps ----


def _categorical(s: Setting, at: Observed) -> Check | None:
    """D1, D6, D7 and A3: heterozygosity, relative to the truth's, has the levels of a maximum-likelihood variance."""
    here = at["heterozygosity_ratio"]
    expected = _kept(s, here.generations)
    if expected is None or (not s.known and s.policy == "mix"):
        return None
    count = next((i for i, t in enumerate(here.generations) if expected[t] < _FADED), len(here.generations))
    here = live.Records(here.generations[:count], here.values[:, :count])
    if not s.known and count:  # what real rows of this many give is not known: the chains' own first level stands
        first = float(here.values[:, 0].mean()) / expected[here.generations[0]]
        expected = {t: level * first for t, level in expected.items()}

    def ratio(a: int, b: int) -> float:
        return expected[b] / (expected[a] if a >= 0 else 1.0)

    carry = _fading(1.0 - s.real / int(s.rows[0])) if s.policy == "mix" else ratio
    start = 1.0 if s.known else None
    return live.joined(
        [
            live.levels(
                _DRIFT[s.policy], "heterozygosity_ratio", here, lambda t: expected[t], start, carry, martingale=_free(s)
            )
        ]
    )


def _free(s: Setting) -> bool:
    """Whether no rows that stay in the pool unrecorded tie the generations together."""
    return s.policy in ("replace", "accumulate")


_DRIFT = {"replace": "D1", "mix": "D6", "accumulate": "D7", "accumulate_subsample": "A3"}


def _kept(s: Setting, generations: list[int]) -> dict[int, float] | None:
    """The share of heterozygosity expected at each generation, or None where no oracle says."""
    n = int(s.rows[0])
    if s.policy in ("replace", "accumulate"):
        products = np.cumprod(steps(s.rows, "ml", s.policy == "accumulate").mean)
        return {t: float(products[t]) for t in generations}
    if not _constant(s):
        return None
    if s.policy == "accumulate_subsample":
        return {t: accumulate.subsampled(n, t + 1).variance for t in generations}
    if not 0 < s.real < n:
        return None
    known = mixing.recursion(n, s.real / n, len(s.rows), s.anchor)
    return {t: float(known.S[t]) for t in generations}


# ---- regression ----


def _regression(s: Setting, at: Observed) -> Check | None:
    """R1, R2 and R3: the error of a fit adds up, or fades with the pool that is kept."""
    n, d = int(s.rows[0]), s.dimension
    if s.policy not in ("replace", "accumulate") or not _constant(s) or n <= d + 1:
        return None
    if s.policy == "replace":
        oracle, error = "R1", regression.replaced_error
    elif s.fixed_design:
        oracle, error = "R2", regression.accumulated_error_same
    else:
        oracle, error = "R3", regression.accumulated_error_fresh
    here = at["coefficient_error"]
    return live.joined(
        [live.levels(oracle, "coefficient_error", here, lambda t: error(n, d, s.noise, t + 1), 0.0, lambda a, b: 1.0)]
    )


# ---- one-parameter families ----


def _exponential(s: Setting, at: Observed) -> Check | None:
    """E1: the mean of exponential waiting times is multiplied by Gamma(n) / n in every fit."""
    if s.policy != "replace":
        return None
    means = at["first_mean"]
    here = live.Records(means.generations, np.log1p(means.values))
    return live.joined(
        [
            live.logs(
                "E1",
                "log mean",
                here,
                lambda a, b: exponential.mean_log_mean(_fits(s, a, b), b - a),
                lambda a, b: exponential.variance_of_log_mean(_fits(s, a, b), b - a),
            )  # fmt: skip
        ]
    )
