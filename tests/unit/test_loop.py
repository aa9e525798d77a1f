"""The recursion: what each pool is made of, what each fit sees, and what is never touched."""

from itertools import islice

import numpy as np
import pytest

from outcross.core.contracts import Rows
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.loop import Chain, generations
from outcross.core.policies import Blend, accumulate, accumulate_subsample, mix, replace
from outcross.core.schedules import Samples
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.gmm import Learner as Gmm
from outcross.sources.mixture import Source as MixtureSource
from outcross.sources.normal import Source as Normal


def walk(policy, steps=4, n=100, learner=None, source=None, **options):
    chain = Chain(learner or Gaussian(), policy, source or Normal(), Samples(n), pools="rows", **options)
    found = [chain.start()]
    for _ in range(steps):
        found.append(chain.step(found[-1]))
    return chain, found


def rows_of(corpus):
    return {row.tobytes() for row in corpus.items}


class Watching:
    """A Gaussian learner that notes the size of every pool it is given."""

    def __init__(self):
        self.sizes = []

    def fit(self, pool, rng, previous=None):
        self.sizes.append(len(pool))
        return Gaussian().fit(pool, rng)

    def load(self, state):
        return Gaussian().load(state)


def test_generation_0_is_fitted_on_the_original_rows():
    chain, found = walk(replace(), steps=0)
    assert found[0].pool is chain.original
    assert (chain.original.born == 0).all()
    np.testing.assert_array_equal(found[0].model.law.means[0], chain.original.items.mean(axis=0))


def test_replace_trains_on_the_last_models_rows_alone():
    _, found = walk(replace())
    for t in (1, 2, 3, 4):
        assert (found[t].pool.born == t).all()
        assert not rows_of(found[t].pool) & rows_of(found[t - 1].pool)


def test_blend_keeps_provenance_by_exact_counts():
    policy = Blend(synthetic=0.4, previous=0.3, original=0.2, fresh=0.1)
    chain, found = walk(policy, steps=1)
    pool = found[1].pool
    assert np.bincount(pool.born).tolist() == [60, 40]
    known = rows_of(chain.original)
    assert sum(row.tobytes() in known for row in pool.items) == 50  # previous and original, but not fresh


def test_a_fixed_anchor_is_the_same_rows_and_a_redrawn_one_is_not():
    for anchor, same in (("fixed", True), ("redrawn", False)):
        chain, found = walk(mix(0.1, anchor))
        kept = [rows_of(g.pool) & rows_of(chain.original) for g in found[1:]]
        assert [len(k) for k in kept] == [10, 10, 10, 10]
        assert (kept[0] == kept[1] == kept[2]) is same


def test_fresh_rows_are_never_repeated():
    chain, found = walk(mix(0.5, "fresh"))
    real = [rows_of(g.pool.take(g.pool.born == 0)) for g in found[1:]] + [rows_of(chain.original)]
    assert len(set.union(*real)) == 4 * 50 + 100


def test_accumulate_keeps_every_row_and_shares_its_batches():
    _, found = walk(accumulate())
    assert [len(g.pool) for g in found] == [100, 200, 300, 400, 500]
    assert rows_of(found[0].pool) < rows_of(found[4].pool)
    assert found[3].pool.batches[0] in found[4].pool.batches


def test_accumulate_subsample_keeps_every_row_and_fits_a_budget():
    watching = Watching()
    _, found = walk(accumulate_subsample(), learner=watching)
    assert [len(g.pool) for g in found] == [100, 200, 300, 400, 500]
    assert watching.sizes == [100] * 5


def test_a_share_that_begins_later_finds_the_pool_it_needs_also_when_leaping():
    """The compiled path builds no pools: it must not serve a policy that will want one."""
    policy = Blend(synthetic=[1.0, 0.5], previous=[0.0, 0.5])
    chain, found = walk(policy, steps=2, learner=Gmm(), source=MixtureSource())
    leapt = chain.leap(chain.leap(found[0], 1), 2)
    assert leapt.pool.digest == found[2].pool.digest
    assert np.array_equal(leapt.model.law.means, found[2].model.law.means)


def test_more_rows_of_the_previous_pool_than_it_has_are_refused():
    chain = Chain(Gaussian(), Blend(synthetic=0.2, previous=0.8), Normal(), Samples(100, [1.0, 10.0]))
    with pytest.raises(InputError, match="800 rows of the previous pool, which has 100"):
        chain.step(chain.start())


@pytest.mark.parametrize("learner", [Gaussian(), Gmm()])
def test_more_original_rows_than_there_are_are_refused(learner):
    chain = Chain(learner, mix(0.8), Normal(), Samples(100, [1.0, 10.0]))
    with pytest.raises(InputError, match="800 original rows, generation 0 has 100"):
        chain.leap(chain.start(), 1)


class Guarded(Normal):
    """A source that gives its reference to nobody."""

    def reference(self, n):
        raise AssertionError("training asked for the reference")

    validation = reference


def test_no_chain_ever_asks_for_the_reference():
    walk(Blend(synthetic=0.4, previous=0.3, original=0.2, fresh=0.1), source=Guarded())


def test_arms_are_paired_by_seed_and_chains_are_not():
    a, b = walk(replace(), steps=1)[0], walk(accumulate(), steps=1)[0]
    assert a.original.digest == b.original.digest
    assert a.original.digest != walk(replace(), 0, number=1)[0].original.digest
    assert a.original.digest != walk(replace(), 0, seed=1)[0].original.digest


def test_the_seed_fixes_everything():
    policy = Blend(synthetic=0.4, previous=0.3, original=0.2, fresh=0.1, budget=0.9)
    first, second = (walk(policy, seed=3, number=5)[1] for _ in range(2))
    assert [g.pool.digest for g in first] == [g.pool.digest for g in second]


def test_a_chain_can_go_on_from_any_generation():
    chain, found = walk(accumulate_subsample())
    again = chain.leap(found[2], 4)
    assert again.pool.digest == found[4].pool.digest


def test_generations_yields_the_chain_without_end():
    _, found = walk(mix(0.1), steps=3)
    yielded = list(islice(generations(Gaussian(), mix(0.1), Normal(), 100), 4))
    assert [g.t for g in yielded] == [0, 1, 2, 3]
    assert yielded[3].pool.digest == found[3].pool.digest


def test_samples_follow_their_schedule():
    chain = Chain(Gaussian(), replace(), Normal(), Samples(10, "linear"))
    at = chain.start()
    for t in (1, 2, 3):
        at = chain.step(at)
        assert len(at.pool) == 10 * (t + 1)


class Bounded:
    """A foreign policy: no base class, no `needs_pool`."""

    anchor = "fixed"

    def rows(self, generation, samples, pool):
        return Rows(samples, 0, 0, 0) if generation < 3 else Rows(samples - 5, 5, 0, 0)

    def budget_rows(self, generation, samples):
        return samples // 2 if generation == 2 else None


def test_a_foreign_policy_gives_the_same_chain_leaping_as_stepping():
    chain, found = walk(Bounded(), learner=Gmm(), source=MixtureSource())
    assert np.array_equal(chain.leap(found[0], 4).model.law.means, found[4].model.law.means)


def test_a_degenerate_fit_says_at_which_generation():
    class Narrowing(Gaussian):
        def fit(self, pool, rng, previous=None):
            if rng.generation == 3:
                raise FitDegenerate("singular")
            return super().fit(pool, rng)

    with pytest.raises(FitDegenerate, match="singular") as caught:
        walk(replace(), learner=Narrowing())
    assert caught.value.generation == 3
    with pytest.raises(FitDegenerate, match="at least 3 rows, got 2") as caught:
        walk(replace(), n=2, source=Normal((0.0, 0.0)))
    assert caught.value.generation == 0


class Breaking(Gaussian):
    def fit(self, pool, rng, previous=None):
        model = super().fit(pool, rng)
        return type("Broken", (), {"sample": lambda s, n, r: np.full((n, 1), np.inf), "state": model.state})()


def test_rows_that_are_not_finite_end_the_chain_with_a_reason():
    with pytest.raises(FitDegenerate, match="not finite") as caught:
        walk(replace(), learner=Breaking())
    assert caught.value.generation == 1
