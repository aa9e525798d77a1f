"""Stages in real chains against their oracles: S2-S5, P2-P5, each through the path that a run takes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from evidence import right, wrong

from outcross.core.loop import Chain
from outcross.core.policies import mix, replace
from outcross.core.schedules import Samples
from outcross.families.categorical import Learner as Categorical
from outcross.families.gaussian import GaussianModel
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.robust import Learner as Robust
from outcross.sources.categorical import Source as Categories
from outcross.sources.normal import Source as Normal
from outcross.stages.attacks import Outlier
from outcross.stages.curate import Stage as Curate
from outcross.stages.cut import Stage as Cut
from outcross.stages.drop import Stage as Drop
from outcross.stages.poison import Stage as Poison
from outcross.stages.scores import Column, Nearness, Rewards
from outcross.stages.verify import Stage as Verify
from outcross.theory import poisoning, selection


def walked(learner, policy, source, n, fits, stages, chain=0):
    """Generations 0 .. fits of one chain whose rows pass stages."""
    line = Chain(learner, policy, source, Samples(n), 5, chain, "rows", tuple((type(s).__module__, s) for s in stages))
    found = [line.start()]
    for _ in range(fits):
        found.append(line.step(found[-1]))
    return found


def last(learner, policy, source, n, fits, stages, chains):
    return [walked(learner, policy, source, n, fits, stages, c)[-1].model for c in range(chains)]


# ---- selection ----


def test_s2_a_verifier_that_errs_leaves_the_error_rate_of_bayes():
    """Category 1 is correct, 0 wrong at rate .3; phi = .9, psi = .2: .0870, not .3 x .2."""
    verify = Verify(above=0.5, phi=0.9, psi=0.2, score=Rewards([0.0, 1.0]))
    models = last(Categorical(), replace(), Categories(probabilities=[0.3, 0.7]), 5000, 1, [verify], 60)
    error = np.array([m.probabilities[0] for m in models])
    right(error, selection.selected_error(0.3, 0.9, 0.2), of="S2 stage verify, n=5000")
    wrong(error, 0.3 * 0.2, of="S2 stage verify, without dividing")


@pytest.mark.parametrize(("p", "right_most"), [(0.7, True), (0.9, False)])
def test_s1_most_of_what_a_verifier_keeps_is_right_only_below_the_critical_error(p, right_most):
    """p* = .9/(.9 + .2) = .818; a verifier that is right more often than not does not save labels that are worse."""
    verify = Verify(above=0.5, phi=0.9, psi=0.2, score=Rewards([0.0, 1.0]))
    model = last(Categorical(), replace(), Categories(probabilities=[p, 1 - p]), 20_000, 1, [verify], 1)[0]
    assert (model.probabilities[0] < 0.5) == right_most == (p < selection.critical_error(0.9, 0.2))


SIX, REWARD = np.full(6, 1 / 6), np.linspace(0.0, 1.0, 6)


@pytest.mark.parametrize("choices", [2, 4])
def test_s3_one_curation_gives_the_law_of_the_choice(choices):
    curate = Curate(choices=choices, score=Rewards(REWARD))
    models = last(Categorical(), replace(), Categories(probabilities=SIX), 2000, 1, [curate], 60)
    law = selection.curate(SIX, REWARD, choices)
    for k in (0, 5):
        right([m.probabilities[k] for m in models], law[k], of=f"S3 stage curate, K={choices}, category {k}")
    gain = [m.probabilities @ np.exp(REWARD) for m in models]
    right(gain, law @ np.exp(REWARD), of=f"S3 stage curate, K={choices}, E e^r")
    wrong(gain, selection.curate(SIX, REWARD, choices + 2) @ np.exp(REWARD), of="S3 stage curate, two choices more")
    assert np.mean(gain) > selection.curation_bound(SIX, REWARD, choices)


def test_s4_curation_ends_in_the_best_category_and_real_rows_prevent_it():
    curate, source = Curate(choices=2, score=Rewards(REWARD)), Categories(probabilities=SIX)
    alone = last(Categorical(), replace(), source, 5000, 100, [curate], 1)[0].probabilities
    assert alone[5] > 0.999
    kept = np.array([m.probabilities for m in last(Categorical(), mix(0.1, "fresh"), source, 5000, 60, [curate], 6)])
    expected = selection.curated(SIX, REWARD, 2, 61, real=0.1)
    right(kept[:, 5], expected[5], of="S4 stage curate, 10 % real, best category")
    assert expected[5] < 0.7


@dataclass(frozen=True)
class Mean:
    """A Gaussian of which the variance is known to be 1."""

    items: ClassVar[str] = "numbers"

    def fit(self, pool, rng, previous=None):
        return self.load({"mean": pool.items.mean(axis=0), "covariance": np.eye(1)})

    def load(self, state) -> GaussianModel:
        return Gaussian().load(state)


def test_s5_the_chain_ends_at_the_verifiers_centre_not_at_the_truth():
    verify = Verify(score=Nearness(centre=[0.8], width=1.0))
    chains = [walked(Mean(), replace(), Normal(), 500, 8, [verify], c) for c in range(60)]
    for t in (1, 3, 8):
        mean = np.array([g[t].model.law.means[0, 0] for g in chains])
        variance = selection.verified_variance(500, t + 1)
        right(mean, selection.verified_mean(0.8, t + 1), variance, of=f"S5 stage verify, g={t + 1}")
    early = [g[1].model.law.means[0, 0] for g in chains]
    wrong(
        early, selection.verified_mean(0.8, 3), selection.verified_variance(500, 2), of="S5 stage verify, g off by one"
    )
    seen, passed = chains[0][1].stages[0].seen, chains[0][1].stages[0].passed
    assert passed == 500
    assert passed / seen == pytest.approx(selection.kept_share(0.0, 0.8), abs=0.08)


# ---- poison ----


@pytest.mark.parametrize(("alpha", "a", "poison"), [(0.1, 6, 28), (0.3, 3, 100)])
def test_p2_poisoned_chains_follow_the_population_map(alpha, a, poison):
    n, fits = 20_000, 40
    attack = Poison(share=poison / n, attack=Outlier(distance=a))
    sd = [
        m.law.covariances[0, 0, 0] ** 0.5
        for m in last(Gaussian(), mix(alpha, "fresh"), Normal(), n, fits, [attack], 12)
    ]
    expected = poisoning.population(alpha, poison / n, a, fits + 1).variance ** 0.5
    assert np.mean(sd) == pytest.approx(expected, rel=0.02)
    right(sd, expected, of=f"P2 stage poison, alpha={alpha} a={a}")
    wrong(sd, 1.0, of=f"P2 stage poison, alpha={alpha} a={a}, nothing happens")


def test_p3_without_real_rows_poison_is_amplified_as_the_law_says():
    n, fits, chains = 10_000, 50, 12
    attack = Poison(share=0.005, attack=Outlier(distance=6.0))
    sd = [m.law.covariances[0, 0, 0] ** 0.5 for m in last(Gaussian(), replace(), Normal(), n, fits, [attack], chains)]
    expected = poisoning.replace_variance(0.005, 6.0, fits + 1) ** 0.5
    assert np.median(sd) == pytest.approx(expected, rel=0.03)


def test_p5_dropping_the_top_erodes_the_tail_as_the_truncated_normal_says():
    n, fits = 10_000, 40
    drop = Drop(share=0.001, score=Column())
    models = last(Gaussian(), replace(), Normal(), n, fits, [drop], 30)
    log_sd = [0.5 * np.log(m.law.covariances[0, 0, 0]) for m in models]
    limit = poisoning.trimmed(0.001, fits + 1)
    finite = 0.5 * fits * -1.0 / n  # E ln of a chi-square's mean, to first order, which P5 leaves out
    right(log_sd, 0.5 * np.log(limit.variance) + finite, of="P5 stage drop, E ln sd")
    wrong(log_sd, 0.0, of="P5 stage drop, nothing happens")
    right([m.law.means[0, 0] for m in models], limit.mean, of="P5 stage drop, E mean")


CELLS = {
    "replace": (replace(), Gaussian(), (), (5.19, 2902, 2.8e6)),
    "10 % real": (mix(0.1, "fresh"), Gaussian(), (), (1.24, 65, 1.0e5)),
    "median": (replace(), Robust(), (), (0.88, 1.43, 2.59)),
    "cut": (mix(0.1, "fresh"), Gaussian(), (Cut(distance=4.5),), (0.997, 0.998, 0.998)),
}


def defended(cell, eps, chains):
    policy, learner, guard, _ = CELLS[cell]
    attack = Poison(share=eps, attack=Outlier(distance=6.0))
    found = last(learner, policy, Normal(), 1000, 100, [attack, *guard], chains)
    return float(np.median([m.law.covariances[0, 0, 0] ** 0.5 for m in found]))


def agrees(sd, expected):
    return abs(sd / expected - 1) < 0.15 if expected < 100 else 1 / 1.5 < sd / expected < 1.5


@pytest.mark.parametrize("cell", CELLS)
def test_p4_defences_hold_as_measured(cell):
    assert agrees(defended(cell, 0.005, 15), CELLS[cell][3][1])


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_p4_the_whole_table(cell, which):
    assert agrees(defended(cell, (0.001, 0.005, 0.01)[which], 100), CELLS[cell][3][which])
