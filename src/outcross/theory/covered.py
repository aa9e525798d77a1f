"""Which oracle covers which chain: from a setting and what was observed to every prediction that can be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma

from outcross.theory import accumulate, exponential, gaussian, live, mixing, poisoning, regression, staged
from outcross.theory.live import Check, Observed, Prediction, Stretch

Array = NDArray[np.float64]
World = Literal["gaussian", "categorical", "regression", "exponential", "poisson", "bernoulli"]
Policy = Literal["replace", "accumulate", "accumulate_subsample", "mix"]
_CARRIED = 0.5  # relative variance of a variance beyond which a few chains carry its mean
_FADED = 0.1  # share of the true heterozygosity below which a few chains carry its mean
_TINY = 1e-9  # of the true mean: what is less has no digits left in its distance from the truth
_FAR = 10.0  # standard deviations that no chain goes


@dataclass(frozen=True, eq=False)
class Setting:
    """What theory has to know of a chain.

    rows (G,): made for each generation, those of generation 0 real. real: real rows of each later pool, under `mix`.
    known: whether the truth is a law, so that generation 0 has known expectations. mean: the true one, where it is the
    only parameter. stage: what rows pass before each later fit.
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
    mean: float = 1.0
    stage: staged.Staged | None = None


RISK = "squared distance"  # 2-Wasserstein, squared
QUANTITIES = {
    "gaussian": ("log_det_ratio", "first_mean", "first_variance"),
    "categorical": ("heterozygosity_ratio",),
    "regression": ("coefficient_error",),
    "exponential": ("first_mean",),
    "poisson": ("first_mean",),
    "bernoulli": ("first_mean",),
}  # what is looked at in each world


def covers(s: Setting) -> bool:
    """Whether some oracle speaks of such a chain."""
    if s.stage is not None:
        return s.world == "gaussian" and _constant(s) and _is_staged(s, s.stage)
    if s.world in ("gaussian", "categorical"):
        return _POOLED[s.policy](s)
    if s.world == "regression":
        alike = _constant(s) or (s.policy == "replace" and not s.fixed_design)
        return s.policy in ("replace", "accumulate") and alike and int(s.rows.min()) > s.dimension + 1
    return s.policy == "replace"


def _is_mixed(s: Setting) -> bool:
    """Whether M1, M3 or M4 covers a mix; rows that are all fixed, or all redrawn, would give the same fit for ever."""
    n = int(s.rows[0])
    share = 0 < s.real < n or (s.real == n and s.anchor == "fresh")
    return _constant(s) and share and (s.world == "gaussian" or s.known)


def _is_staged(s: Setting, stage: staged.Staged) -> bool:
    """Whether P5 covers a cut, P2 or P3 outliers; original rows that come again tie generations together."""
    n = int(s.rows[0])
    if isinstance(stage, staged.Cut):
        return s.policy == "replace" and n - stage.rows >= poisoning.FEWEST
    return n > 2 and (s.policy == "replace" or (s.policy == "mix" and s.anchor == "fresh" and s.real < n))


_POOLED: dict[Policy, Callable[[Setting], bool]] = {
    "replace": lambda s: True,
    "accumulate": lambda s: True,
    "accumulate_subsample": lambda s: _constant(s) and s.estimator == "ml",
    "mix": _is_mixed,
}


def check(setting: Setting, at: Observed) -> Check | None:
    """Every prediction about a chain that an oracle covers, or None where nothing can be tested."""
    if not all(name in at and at[name].generations for name in QUANTITIES[setting.world]):
        return None
    found: Check | None = {
        "gaussian": _gaussian,
        "categorical": _categorical,
        "regression": _regression,
        "exponential": _exponential,
        "poisson": _poisson,
        "bernoulli": _bernoulli,
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
    if isinstance(s.stage, staged.Cut):
        return staged.cut(s.stage, int(s.rows[0]), s.estimator, at)
    if s.stage is not None:
        return staged.poisoned(s.stage, int(s.rows[0]), s.real, s.estimator, at)
    if s.policy == "mix":
        return _mixed(s, at)
    if s.policy == "accumulate_subsample":
        return _subsampled(s, at)
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
    """D1, D6, D7 and A3 on the categories of a run."""
    return live.joined([_drifting(s, at["heterozygosity_ratio"])])


def _drifting(s: Setting, here: live.Records) -> Check:
    """Heterozygosity, relative to the truth's, has the levels of a maximum-likelihood variance."""
    expected = _kept(s, here.generations)
    count = next((i for i, t in enumerate(here.generations) if expected[t] < _FADED), len(here.generations))
    here = live.Records(here.generations[:count], here.values[:, :count])
    if not s.known and count:  # what real rows of this many give is not known: the chains' own first level stands
        first = float(here.values[:, 0].mean()) / expected[here.generations[0]]
        expected = {t: level * first for t, level in expected.items()}

    def ratio(a: int, b: int) -> float:
        return expected[b] / (expected[a] if a >= 0 else 1.0)

    carry = _fading(1.0 - s.real / int(s.rows[0])) if s.policy == "mix" else ratio
    return live.levels(
        _DRIFT[s.policy], "heterozygosity_ratio", here, lambda t: expected[t], 1.0 if s.known else None, carry,
        martingale=_free(s),
    )  # fmt: skip


def _free(s: Setting) -> bool:
    """Whether no rows that stay in the pool unrecorded tie the generations together."""
    return s.policy in ("replace", "accumulate")


_DRIFT = {"replace": "D1", "mix": "D6", "accumulate": "D7", "accumulate_subsample": "A3"}


def _kept(s: Setting, generations: list[int]) -> dict[int, float]:
    """The share of heterozygosity expected at each generation."""
    n = int(s.rows[0])
    if s.policy in ("replace", "accumulate"):
        products = np.cumprod(steps(s.rows, "ml", s.policy == "accumulate").mean)
        return {t: float(products[t]) for t in generations}
    if s.policy == "accumulate_subsample":
        return {t: accumulate.subsampled(n, t + 1).variance for t in generations}
    known = mixing.recursion(n, s.real / n, len(s.rows), s.anchor)
    return {t: float(known.S[t]) for t in generations}


# ---- regression ----


def _regression(s: Setting, at: Observed) -> Check | None:
    """R1, R2 and R3: the error of a fit adds up, or fades with the pool that is kept."""
    n, d = int(s.rows[0]), s.dimension

    def expected(t: int) -> float:
        if s.policy == "replace":
            return regression.replaced_error(_fits(s, -1, t), d, s.noise, t + 1)
        kept = regression.accumulated_error_same if s.fixed_design else regression.accumulated_error_fresh
        return kept(n, d, s.noise, t + 1)

    oracle = "R1" if s.policy == "replace" else "R2" if s.fixed_design else "R3"
    here = at["coefficient_error"]
    return live.joined([live.levels(oracle, "coefficient_error", here, expected, 0.0, lambda a, b: 1.0)])


# ---- one-parameter families ----


def _exponential(s: Setting, at: Observed) -> Check | None:
    """E1: the mean of exponential waiting times is multiplied by Gamma(n) / n in every fit."""

    def mean(a: int, b: int) -> float:
        return exponential.mean_log_mean(_fits(s, a, b), b - a)

    def variance(a: int, b: int) -> float:
        return exponential.variance_of_log_mean(_fits(s, a, b), b - a)

    means = at["first_mean"]
    low = (mean(-1, t) - _FAR * np.sqrt(variance(-1, t)) for t in means.generations)
    count = sum(
        least > np.log(_TINY) for least in low
    )  # by the law alone: cut where the chains are, it would choose them
    logs = np.log1p(np.maximum(means.values[:, :count], _TINY - 1.0))
    return live.joined([live.logs("E1", "log mean", live.Records(means.generations[:count], logs), mean, variance)])


def _poisson(s: Setting, at: Observed) -> Check | None:
    """E2: the mean is a martingale, and the square of what it moves the mean before over the rows.

    Not beyond a kurtosis of HEAVY: that of a sum of g generations from n rows is about 3 + 3 g/(n mean).
    """
    per_row = np.cumsum(1.0 / s.rows)
    squares = []
    for a, b, before, now in at["first_mean"].steps(0.0):
        if 3.0 + 3.0 * per_row[b] / s.mean > live.HEAVY:
            break
        spread = float(per_row[b] - (per_row[a] if a >= 0 else 0.0))
        squares.append((b, (now - before) ** 2 - (1.0 + before / np.sqrt(s.mean)) * spread, spread))
    return live.joined([_stays("E2", at)], live.by_chains("E2", "square of first_mean's step", squares))


def _bernoulli(s: Setting, at: Observed) -> Check | None:
    """E3: the mean is a martingale; D1: p (1 - p) is the heterozygosity of two categories."""
    means = at["first_mean"]
    p = s.mean + means.values * np.sqrt(s.mean * (1.0 - s.mean))
    ratio = live.Records(means.generations, p * (1.0 - p) / (s.mean * (1.0 - s.mean)))
    return live.joined([_stays("E3", at), _drifting(s, ratio)])


def _stays(oracle: str, at: Observed) -> Check:
    """A mean that no fit moves on average."""
    return live.levels(oracle, "first_mean", at["first_mean"], lambda t: 0.0, 0.0, lambda a, b: 1.0)
