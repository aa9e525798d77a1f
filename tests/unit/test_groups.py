"""Who is lost first: groups by label on real people, models a label, and what is left of each."""

from dataclasses import dataclass

import numpy as np
import pytest

from outcross.core.contracts import Generation
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.loop import Chain
from outcross.core.policies import mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.by_label import Learner as ByLabel
from outcross.families.gaussian import Learner as Gaussian
from outcross.measures.context import Context, Reference
from outcross.measures.groups import groups
from outcross.sources.adult import Source as Adult
from outcross.stages.groups import Stage as Floor
from shared import shared

S = Streams.of(2, 0)
FIT, DRAW = S.stream(0, Purpose.FIT), S.stream(0, Purpose.SAMPLE)


@pytest.fixture(scope="module")
def adult() -> Adult:
    return Adult(path=str(shared("tabular/adult")))


def test_the_census_has_the_published_people_and_groups(adult):
    assert adult.rows == 32_561
    assert len(adult.reference(10**6)) + len(adult.validation(10**6)) == 16_281
    assert adult.classes == ("Amer-Indian-Eskimo", "Asian-Pac-Islander", "Black", "Other", "White")
    assert np.bincount(adult.training.label).tolist() == [311, 1039, 3124, 271, 27816]
    first = adult.training.items[0]
    assert first.tolist() == [39.0, 13.0, 40.0]


def test_incomes_of_both_files_are_the_same_two(adult):
    assert Adult(group="income", path=str(shared("tabular/adult"))).classes == ("<=50K", ">50K")


@pytest.mark.parametrize(
    ("columns", "told"), [(["age", "race"], "got 'race'"), ([], "empty"), (["age", "age"], "twice")]
)
def test_columns_that_are_no_numbers_are_refused(columns, told):
    with pytest.raises(InputError, match=told):
        Adult(columns=columns, path=str(shared("tabular/adult")))


def two(n=2000, share=0.1):
    chance = np.random.default_rng(0)
    label = (chance.random(n) < share).astype(np.int32)
    return Corpus.of(chance.standard_normal((n, 2)) + 5.0 * label[:, None], 0, label)


def test_a_model_for_each_label_is_the_mixture_of_its_models():
    rows = two()
    model = ByLabel(learner=Gaussian()).fit(rows, FIT)
    whole = Gaussian().fit(rows, FIT)
    np.testing.assert_allclose(model.law.moments.mean, whole.law.means[0], rtol=1e-9)
    np.testing.assert_allclose(model.law.moments.covariance, whole.law.covariances[0], rtol=1e-9)
    made, label = model.labelled(4000, DRAW)
    assert label.mean() == pytest.approx((rows.label == 1).mean(), abs=0.02)
    for k in (0, 1):
        assert made[label == k].mean() == pytest.approx(5.0 * k, abs=0.2)


def test_a_label_with_too_few_rows_is_lost_and_one_without_any_fit_ends_the_chain():
    rows = two(n=50, share=0.5)
    few = rows.take(np.concatenate([np.flatnonzero(rows.label == 0), np.flatnonzero(rows.label == 1)[:2]]))
    assert list(ByLabel(learner=Gaussian()).fit(few, FIT).models) == [0]
    with pytest.raises(FitDegenerate, match="no label has rows enough"):
        ByLabel(learner=Gaussian()).fit(rows.take(slice(0, 2)), FIT)


@dataclass(frozen=True)
class People:
    """Two groups of the plane as a source."""

    share: float = 0.05
    columns: tuple[str, ...] = ("x", "y")
    rows: int | None = None

    def draw(self, n, rng):
        chance = rng.generator()
        label = (chance.random(n) < self.share).astype(np.int32)
        return Corpus.of(chance.standard_normal((n, 2)) + 5.0 * label[:, None], 0, label)

    def validation(self, n):
        return self.draw(min(n, 5000), S.stream(0, Purpose.VALIDATION))

    def reference(self, n):
        return self.draw(min(n, 50_000), S.stream(0, Purpose.REFERENCE))


def left_of(policy, stages=(), generations=60, n=200, chains=12):
    """Median share of the smaller group over chains, relative to the truth, and its spread."""
    source, found = People(), []
    reference = Reference.of(source)
    for number in range(chains):
        chain = Chain(ByLabel(learner=Gaussian()), policy, source, Samples(n), 0, number, "rows", stages)
        past = first = chain.start()
        for _ in range(generations):
            past = chain.step(past)
        context = Context(reference, past.model, first.model, S, past.t)
        told = groups(Generation(past.t, None, past.model), context)
        found.append((told["group_rarest"], told["group_spread"]))
    return np.median(found, axis=0)


def test_the_measure_reads_truth_on_real_rows_and_zero_on_a_group_that_is_gone():
    source = People()
    model = ByLabel(learner=Gaussian()).fit(source.draw(20_000, FIT), FIT)
    told = groups(Generation(0, None, model), Context(Reference.of(source), model, model, S, 0))
    assert told["group_rarest"] == pytest.approx(1.0, abs=0.1)
    assert told["group_spread"] == pytest.approx(1.0, abs=0.15)
    alone = ByLabel(learner=Gaussian()).fit(source.draw(500, FIT).take(slice(0, 8)), FIT)
    gone = groups(Generation(0, None, alone), Context(Reference.of(source), alone, alone, S, 0))
    assert gone["group_rarest"] == gone["group_spread"] == 0.0


def test_a_minority_goes_by_chance_and_its_people_become_alike_first():
    share, spread = left_of(replace())
    assert spread < 0.5  # of 10 rows a generation: some 12 generations
    assert share < 0.9


def test_a_floor_keeps_a_minority_and_its_variety_as_real_rows_do():
    share, spread = left_of(replace(), (("floor", Floor()),))
    assert share > 0.9
    kept, wide = left_of(mix(0.1, "redrawn"), (("floor", Floor()),))
    assert kept > 0.9
    assert wide > spread
