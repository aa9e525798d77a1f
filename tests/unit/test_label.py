"""Origin labels: of the quality that was asked for, given once, the same whoever looks and whenever."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from outcross.api import run
from outcross.core.contracts import Stage as Contract
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.loop import Chain
from outcross.core.policies import web
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.core.statistics import pool_of
from outcross.families.gaussian import Learner as Gaussian
from outcross.runs import plugins
from outcross.runs.spec import Experiment
from outcross.sources.normal import Source as Normal
from outcross.stages.label import Stage

STREAM = Streams.of(11, 0).stream(1, Purpose.STAGE)
N = 20_000
ROWS = Corpus.of(np.random.default_rng(0).standard_normal((2 * N, 1)), np.repeat([0, 3], N).astype(np.int32))


def made(**settings):
    return plugins.make(
        "stages", plugins.settle("stages", {"kind": "label", **settings}, "stages.label"), "stages.label"
    )


def share(flagged, rows=ROWS):
    """Share of the real rows, and of the generated ones, that are called generated."""
    return flagged[rows.born == 0].mean(), flagged[rows.born > 0].mean()


def sure(found, chance, n=N):
    return abs(found - chance) <= 4.5 * np.sqrt(chance * (1.0 - chance) / n) + 1e-12


# ---- the quality ----


@pytest.mark.parametrize(("recall", "alarms"), [(0.9, 0.1), (0.5, 0.02), (1.0, 0.3), (0.0, 0.5), (0.99, 0.001)])
def test_recall_and_false_alarms_are_those_that_were_asked_for(recall, alarms):
    wrong, right = share(made(recall=recall, false_alarms=alarms).flagged(ROWS, STREAM))
    assert sure(right, recall)
    assert sure(wrong, alarms)


@pytest.mark.parametrize(("recall", "precision"), [(0.9, 0.9), (0.5, 0.7), (1.0, 0.5), (0.3, 0.99)])
def test_precision_is_that_among_as_many_real_as_generated_rows(recall, precision):
    flagged = made(recall=recall, precision=precision).flagged(ROWS, STREAM)
    assert sure(share(flagged)[1], recall)
    assert sure((ROWS.born[flagged] > 0).mean(), precision, int(flagged.sum()))


def test_a_labeller_of_another_quality_is_told_apart():
    """What these bounds reject: two in a hundred at this many rows."""
    wrong, right = share(made(recall=0.92, false_alarms=0.08).flagged(ROWS, STREAM))
    assert not sure(right, 0.9)
    assert not sure(wrong, 0.1)


def test_rows_without_a_label_stay():
    wrong, right = share(made(recall=0.8, false_alarms=0.4, labelled=0.5).flagged(ROWS, STREAM))
    assert sure(right, 0.4)
    assert sure(wrong, 0.2)
    assert not made(labelled=0.0).flagged(ROWS, STREAM).any()


def test_perfect_labels_leave_exactly_the_real_rows():
    kept = made()(ROWS, None, STREAM).rows
    assert np.array_equal(kept.items, ROWS.items[:N])
    assert (kept.born == 0).all()


def test_whether_a_row_is_labelled_says_nothing_of_the_label():
    both = made(recall=0.5, labelled=0.5).flagged(ROWS, STREAM)
    always = made(recall=0.5).flagged(ROWS, STREAM)
    assert not (both & ~always).any()
    assert sure(both[always].mean(), 0.5, int(always.sum()))


# ---- one label for good ----


def grown(generations=6):
    """Pools of a web that fills."""
    chain = Chain(Gaussian(), web(0.5), Normal(), Samples(200), 0, 0, "rows", (("label", Stage(0.7, None, 0.2)),))
    at = [chain.start()]
    for _ in range(generations):
        at.append(chain.step(at[-1]))
    return [g.pool for g in at]


@dataclass(frozen=True)
class Redrawn(Stage):
    """A labeller that draws its labels anew whenever it looks."""

    def flagged(self, rows, rng):
        chance = np.where(rows.born == 0, self.wrong, self.recall)
        return rng.generator().random(len(rows)) < chance


def changed(stage, pools):
    """Rows whose label is another one at the next crawl."""
    told = [
        dict(zip(map(bytes, p.items), stage.flagged(p, STREAM._replace(generation=t)))) for t, p in enumerate(pools)
    ]
    return sum(a[row] != b[row] for a, b in pairwise(told) for row in a)


def test_a_row_has_the_same_label_in_every_generation():
    pools = grown()
    assert len(pools[-1]) == 1400
    assert changed(Stage(0.7, None, 0.2), pools) == 0
    assert changed(Redrawn(0.7, None, 0.2), pools) > 100


def test_a_row_has_the_same_label_in_any_company():
    stage, whole = made(recall=0.6, false_alarms=0.3), made(recall=0.6, false_alarms=0.3).flagged(ROWS, STREAM)
    some = np.random.default_rng(1).permutation(2 * N)[:5000]
    assert np.array_equal(stage.flagged(ROWS.take(some), STREAM), whole[some])


def test_equal_rows_are_labelled_each_on_its_own():
    coins = Corpus.of(np.zeros((N, 1)), 1)
    assert sure(made(recall=0.3).flagged(coins, STREAM).mean(), 0.3)


def test_a_real_row_and_a_copy_of_it_that_a_model_made_are_two_rows():
    twice = Corpus.of(np.repeat(ROWS.items[:N], 2, axis=0), np.tile([0, 1], N).astype(np.int32))
    real, copy = made(recall=0.5, false_alarms=0.5).flagged(twice, STREAM).reshape(N, 2).T
    assert sure((real == copy).mean(), 0.5)


@pytest.mark.parametrize("other", [Streams.of(11, 1).stream(1, Purpose.STAGE), STREAM._replace(shard=1)])
def test_other_chains_and_other_stages_have_labels_of_their_own(other):
    stage = made(recall=0.5, false_alarms=0.5)
    assert sure((stage.flagged(ROWS, STREAM) == stage.flagged(ROWS, other)).mean(), 0.5, 2 * N)


def test_what_a_better_labeller_finds_includes_what_a_worse_one_does():
    """Qualities are paired: a curve over them is not blurred by other chance."""
    few, many = (made(recall=r, false_alarms=r / 10).flagged(ROWS, STREAM) for r in (0.5, 0.8))
    assert not (few & ~many).any()


@pytest.mark.parametrize(
    "rows",
    [
        Corpus.of(np.random.default_rng(0).integers(256, size=(4000, 4, 4), dtype=np.uint8), 1),
        Corpus.text(np.random.default_rng(0).integers(0, 30, (4000, 8)), 30, 1),
        Corpus.of(np.random.default_rng(0).integers(0, 3, 4000).astype(float), 1),
    ],
)
def test_images_text_and_categories_are_labelled_too(rows):
    assert sure(made(recall=0.4).flagged(rows, STREAM).mean(), 0.4, len(rows))


# ---- in a chain ----


def test_what_is_called_generated_is_not_fitted_but_stays_on_the_web():
    chain = Chain(Gaussian("unbiased"), web(0.5), Normal(), Samples(300), 0, 0, "rows", (("label", Stage()),))
    at = chain.step(chain.step(chain.start()))
    real = at.pool.items[at.pool.born == 0]
    assert len(at.pool) == 900
    assert at.model.law.covariances[0, 0, 0] == pytest.approx(real.var(ddof=1), rel=1e-12)
    assert (at.stages[0].seen, at.stages[0].dropped) == (900, 300)


def test_where_no_row_is_left_the_chain_ends_with_the_reason():
    chain = Chain(Gaussian(), web(1.0), Normal(), Samples(50), 0, 0, "rows", (("label", Stage(1.0, None, 1.0)),))
    with pytest.raises(FitDegenerate, match="stage label: no row is left"):
        chain.step(chain.start())


def test_a_chain_goes_on_from_what_was_stored_as_if_it_had_not_stopped():
    chain = Chain(Gaussian(), web(0.5), Normal(), Samples(60), 2, 5, "rows", (("label", Stage(0.6, 0.8)),))
    past = chain.step(chain.step(chain.start()))
    stored = pool_of(past.pool.batches)
    again = past._replace(pool=stored, model=chain.learner.load(past.model.state()))
    for _ in range(3):
        past, again = chain.step(past), chain.step(again)
    assert past.pool.digest == again.pool.digest
    assert all(np.array_equal(a, b) for a, b in zip(past.model.state().values(), again.model.state().values()))


def test_a_run_that_is_extended_equals_one_made_so_from_the_start(tmp_path):
    stages = {"label": {"kind": "label", "recall": 0.7, "false_alarms": 0.1, "labelled": 0.9}}
    tree = {
        "source": {"kind": "normal"},
        "learner": {
            "kind": "producers",
            "learners": {"a": {"kind": "gaussian"}, "b": {"kind": "kde"}},
            "every": {"b": 3},
        },
        "arms": {"web": {"policy": {"kind": "web", "share": [0.2, 0.5, 0.9]}}},
        "stages": stages,
        "samples": 40,
        "chains": 2,
        "floor": 0,
        "measures": ["moments"],
        "record": "all",
    }
    run(Experiment.parse({**tree, "generations": 4}), out=tmp_path / "parts", workers=1, report=False)
    parts = run(Experiment.parse({**tree, "generations": 8}), out=tmp_path / "parts", workers=1, report=False)
    whole = run(Experiment.parse({**tree, "generations": 8}), out=tmp_path / "whole", workers=1, report=False)
    assert parts.table().to_pylist() == whole.table().to_pylist()


# ---- settings ----


def test_the_stage_keeps_the_contract():
    assert isinstance(Stage(), Contract)
    assert Stage().on == "fitted"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"recall": 1.1}, r"stages.label: recall is a share in \[0, 1\], got 1.1"),
        ({"false_alarms": -0.1}, r"stages.label: false_alarms is a share in \[0, 1\], got -0.1"),
        ({"labelled": 2}, r"stages.label: labelled is a share in \[0, 1\], got 2"),
        ({"precision": 0.9, "false_alarms": 0.1}, "say the same: give one of them"),
        ({"recall": 1.0, "precision": 0.4}, "precision is at least 0.5 at this recall, .* got 0.4"),
        ({"recall": 0.0, "precision": 0.0}, "precision is at least 0 at this recall, .* got 0"),
        ({"quality": 0.9}, "unknown key 'stages.label.quality'"),
    ],
)
def test_wrong_settings_are_refused_in_a_line(settings, says):
    with pytest.raises(InputError, match=says):
        made(**settings)
