"""Stages: what goes on, what is counted, what is refused; attacks and what stops them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import outcross
from outcross.core.checks import check_stage
from outcross.core.contracts import Generation, Passed, Scene
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.loop import Chain
from outcross.core.policies import Blend, accumulate, mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.by_label import Learner as ByLabel
from outcross.families.categorical import Learner as Categorical
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.robust import Learner as Robust
from outcross.measures.context import Context, Reference
from outcross.measures.groups import MEASURES as GROUPS
from outcross.measures.labels import MEASURES as LABELS
from outcross.report.frames import Frame
from outcross.runs import plugins
from outcross.runs.spec import Experiment
from outcross.sources.digits import Source as Digits
from outcross.sources.mixture import Source as MixtureSource
from outcross.sources.normal import Source as Normal
from outcross.stages.attacks import Flip, Flood, Mode, Outlier, Relabel, Trigger
from outcross.stages.curate import Stage as Curate
from outcross.stages.cut import Stage as Cut
from outcross.stages.dedup import Stage as Dedup
from outcross.stages.detect import Stage as Detect
from outcross.stages.drop import Stage as Drop
from outcross.stages.groups import Stage as Groups
from outcross.stages.poison import Stage as Poison
from outcross.stages.scores import Column, Confidence, Function, Nearness, Rewards
from outcross.stages.verify import Stage as Verify

S = Streams.of(3, 0)
SOURCE = Normal()
RNG = S.stream(1, Purpose.STAGE)


def scene(n=1000, source=SOURCE, learner=None, model=None):
    original = source.draw(n, S.stream(0, Purpose.SOURCE))
    model = model or (learner or Gaussian()).fit(original, S.stream(0, Purpose.FIT))
    calls = iter(range(1, 1000))

    def more(m):
        return Corpus.of(model.sample(m, S.stream(0, Purpose.SAMPLE).another(next(calls))), 1)

    return Scene(1, n, n, model, original, source.columns, source.validation, more)


def made(n=1000, born=1, shift=0.0, seed=0):
    return Corpus.of(np.random.default_rng(seed).standard_normal((n, 1)) + shift, born)


def chain(stages, policy=None, learner=None, source=SOURCE, n=400, **options):
    return Chain(learner or Gaussian(), policy or replace(), source, Samples(n), 1, 0, "rows", tuple(stages), **options)


def second(stages, **options):
    line = chain(stages, **options)
    return line.step(line.start())


# ---- the line of stages ----


@dataclass(frozen=True)
class Halve:
    """Keeps every other row; `refill` asks for others in the place of the rest."""

    refill: bool = False
    on: str = "made"

    def __call__(self, rows, scene, rng):
        kept = rows.take(np.arange(0, len(rows), 2))
        if not self.refill:
            return Passed(kept)
        return Passed(kept + scene.more(len(rows) - len(kept)), 0)


def test_stages_act_in_order_on_what_the_one_before_let_through_and_all_rows_are_counted():
    found = second([("a", Halve()), ("b", Halve(refill=True))])
    # b sees 200 of a, and 100 places to fill: a halves those 100 too
    assert [(t.name, t.seen, t.passed, t.dropped) for t in found.stages] == [("a", 500, 250, 250), ("b", 250, 150, 100)]
    assert len(found.pool) == 150


def test_more_rows_are_other_rows():
    found = second([("a", Halve(refill=True))])
    assert len(np.unique(found.pool.items)) == len(found.pool) == 400


def test_without_stages_nothing_changes_and_one_that_does_nothing_changes_nothing():
    plain, idle = second([]), second([("poison", Poison(share=0.0, attack=Outlier()))])
    np.testing.assert_array_equal(plain.pool.items, idle.pool.items)
    assert plain.stages == ()


def test_what_is_fitted_passes_stages_and_the_pool_that_others_inherit_does_not():
    found = second([("half", Halve(on="fitted"))], policy=accumulate())
    assert len(found.pool) == 800
    assert found.stages[0].passed == 400


def test_generation_0_is_fitted_on_real_rows_as_they_are():
    line = chain([("half", Halve(on="fitted")), ("poison", Poison(share=0.5, attack=Outlier()))])
    assert line.start().model.law.means[0, 0] == line.original.items.mean()


def test_pools_that_keep_no_rows_have_no_stages():
    with pytest.raises(InputError, match="pools=statistics: stages act on rows"):
        _ = Chain(Gaussian(), replace(), SOURCE, Samples(10), pools="statistics", stages=(("a", Halve()),)).kept_as
    assert Chain(Gaussian(), replace(), SOURCE, Samples(10), stages=(("a", Halve()),)).kept_as is None


def test_a_stage_that_lets_nothing_through_ends_the_chain_with_its_name():
    line = chain([("strict", Verify(above=50.0, score=Column(), refill=False))])
    with pytest.raises(FitDegenerate, match="stage strict: no row is left"):
        line.step(line.start())
    line = chain([("strict", Verify(above=50.0, score=Column()))])
    with pytest.raises(FitDegenerate, match="stage strict: 0 of 400 rows passed after 100 draws"):
        line.step(line.start())


STAGES = {
    "curate": Curate(score=Nearness()),
    "cut": Cut(),
    "dedup": Dedup(within=0.1),
    "detect": Detect(rows=200),
    "drop": Drop(share=0.1, score=Column()),
    "groups": Groups(centres=[[-1.0], [1.0]]),
    "poison": Poison(share=0.1, attack=Outlier()),
    "verify": Verify(score=Nearness()),
}


def test_every_stage_is_tried():
    assert set(plugins.names("stages")) <= set(STAGES) | {"label"}


@pytest.mark.parametrize("kind", STAGES)
def test_every_stage_keeps_the_contract(kind):
    fresh = scene()
    rows = made(200)

    def repeatable(m):
        return made(m, seed=m)

    check_stage(STAGES[kind], rows, fresh._replace(samples=200, due=200, more=repeatable))


def test_the_contract_rejects_a_stage_that_writes_into_its_rows():
    @dataclass(frozen=True)
    class Writes:
        on: str = "made"

        def __call__(self, rows, scene, rng):
            rows.items.flags.writeable = True
            rows.items[0] += 1.0
            return Passed(rows)

    with pytest.raises(AssertionError, match="unchanged"):
        check_stage(Writes(), made(10), scene())


# ---- selection ----


def test_the_best_of_many_is_best():
    found = Curate(choices=5, best=True, score=Column())(made(500), scene(500), RNG).rows
    assert found.items.mean() == pytest.approx(1.163, abs=0.12)  # of five normal rows the largest is expected there


def test_dedup_leaves_one_of_every_set_of_copies():
    once = made(50)
    copies = once + once + Corpus.of(once.items[:10] + 1e-6)
    assert len(Dedup()(copies, scene(), RNG).rows) == 60
    assert len(Dedup(within=1e-4)(copies, scene(), RNG).rows) == 50
    twice = Corpus.text(np.array([[1, 2, 3], [1, 2, 3], [1, 2, 4]], dtype=np.int32), 5)
    assert len(Dedup()(twice, scene(), RNG).rows) == 2


def test_a_detector_draws_real_rows_more_often_than_those_of_a_model_that_is_off():
    off = Gaussian().fit(made(2000, 0, 1.5), RNG)  # a model whose mean is 1.5 sd off
    seen = scene(model=off)
    pool = made(1000, 0, 0.0, seed=1) + Corpus.of(off.sample(1000, RNG), 1)
    real = (Detect()(pool, seen, RNG).rows.born == 0).mean()
    assert real > 0.7
    even = (Detect(power=0.0)(pool, seen, RNG).rows.born == 0).mean()
    assert even == pytest.approx(0.5, abs=0.05)


def test_a_detector_cannot_tell_a_perfect_model():
    same = scene(5000)
    pool = made(1000, 0, seed=1) + Corpus.of(same.model.sample(1000, RNG), 1)
    assert (Detect()(pool, same, RNG).rows.born == 0).mean() == pytest.approx(0.5, abs=0.06)


def test_a_detector_against_a_pool_that_is_real_leaves_it_so_though_the_newest_model_is_off():
    off = Gaussian().fit(made(2000, 0, 1.5), RNG)
    seen, pool = scene(model=off), made(4000, 0, seed=1)
    assert Detect()(pool, seen, RNG).rows.items.mean() < -0.3  # away from the model, and past the truth
    assert Detect(against="pool")(pool, seen, RNG).rows.items.mean() == pytest.approx(0.0, abs=0.1)


def test_a_detector_against_a_pool_of_the_model_mends_it_too():
    off = Gaussian().fit(made(2000, 0, 0.7), RNG)
    pool = Corpus.of(off.sample(4000, RNG), 1)
    assert Detect(against="pool")(pool, scene(model=off), RNG).rows.items.mean() == pytest.approx(0.0, abs=0.15)


def test_small_groups_get_real_rows_until_they_have_their_share():
    source = MixtureSource(weights=[0.9, 0.1], means=[[0.0, 0.0], [9.0, 0.0]])
    rows = Corpus.of(np.random.default_rng(0).standard_normal((500, 2)), 1)  # the minority is gone
    place = Scene(1, 500, 500, None, source.draw(500, RNG), source.columns, source.validation)
    done = Groups(centres=[[0.0, 0.0], [9.0, 0.0]])(rows, place, RNG)
    there = (done.rows.items[:, 0] > 4.5).sum()
    assert len(done.rows) == 500
    assert there == done.altered == pytest.approx(50, abs=3)
    assert (done.rows.born == 0).sum() == done.altered
    half = Groups(centres=[[0.0, 0.0], [9.0, 0.0]], least=0.5)(rows, place, RNG)
    assert half.altered == pytest.approx(25, abs=2)


def test_a_minority_that_no_original_row_shows_cannot_be_kept():
    source = MixtureSource(weights=[0.9, 0.1], means=[[0.0, 0.0], [9.0, 0.0]])
    rows = Corpus.of(np.zeros((50, 2)))
    place = Scene(1, 50, 50, None, rows, source.columns, source.validation)
    with pytest.raises(FitDegenerate, match="no original row of group 1"):
        Groups(centres=[[0.0, 0.0], [9.0, 0.0]])(rows, place, RNG)


def test_the_measure_of_groups_sees_a_minority_that_is_gone():

    source = MixtureSource(weights=[0.98, 0.02], means=[[0.0, 0.0], [9.0, 0.0]])
    one = Gaussian().fit(Corpus.of(np.random.default_rng(0).standard_normal((500, 2))), RNG)
    told = GROUPS[0].take(Generation(1, None, one), Context(Reference.of(source), one, one, S, 1))
    assert told["group_rarest"] == told["group_worst"] < 0.01
    equal = MixtureSource(weights=[0.5, 0.5], means=[[0.0, 0.0], [9.0, 0.0]])
    assert GROUPS[0].take(Generation(1, None, one), Context(Reference.of(equal), one, one, S, 1)) == {}


def test_robust_fits_find_a_gaussian_and_do_not_move_for_a_few_wild_rows():
    rows = np.random.default_rng(0).multivariate_normal([1.0, -2.0], [[4.0, 1.2], [1.2, 1.0]], 20_000)
    wild = Corpus.of(np.concatenate([rows, np.full((200, 2), 1e6)]))
    for learner in (Robust("median"), Robust("trimmed")):
        law = learner.fit(wild, RNG).law
        np.testing.assert_allclose(law.means[0], [1.0, -2.0], atol=0.06)
        np.testing.assert_allclose(law.covariances[0], [[4.0, 1.2], [1.2, 1.0]], atol=0.25)
    assert Gaussian().fit(wild, RNG).law.covariances[0, 0, 0] > 1e6


# ---- attacks ----


def test_poison_takes_the_place_of_generated_rows_and_only_of_those():
    found = second([("p", Poison(share=0.05, attack=Outlier(distance=50.0)))], policy=mix(0.5))
    far = found.pool.items[:, 0] > 20
    assert far.sum() == 20
    assert (found.pool.born[far] == 1).all()
    with pytest.raises(InputError, match="share 0.6 is 240 of 400 rows, generated are 200"):
        second([("p", Poison(share=0.6, attack=Outlier()))], policy=mix(0.5))


def test_what_a_verifier_draws_again_is_poisoned_as_much_as_the_rest():
    guard = Verify(above=-0.5, score=Column())
    found = second([("p", Poison(share=0.1, attack=Outlier(distance=50.0))), ("guard", guard)], policy=mix(0.5))
    poison, judged = found.stages
    assert poison.seen > 200
    assert poison.altered == pytest.approx(0.2 * poison.seen, abs=3)
    assert judged.passed == 200


@pytest.mark.parametrize(("when", "hit"), [("every", [1, 2, 3]), ("once", [1]), ([2, 3], [2, 3])])
def test_an_attack_comes_when_it_is_said_to(when, hit):
    line = chain([("p", Poison(share=0.1, when=when, attack=Outlier()))])
    past, found = line.start(), []
    for t in (1, 2, 3):
        past = line.step(past)
        found += [t] if past.stages[0].altered else []
    assert found == hit


def test_an_attack_that_does_not_adapt_stays_where_real_rows_told_it_to():
    real, wide = scene().original, Gaussian().fit(Corpus.of(made(1000).items * 100.0), RNG)
    sight = scene(model=wide)
    for adaptive, place in ((True, wide.law.covariances[0, 0, 0] ** 0.5), (False, real.items.std())):
        hit = Outlier(distance=6.0, adaptive=adaptive)(made(3), made(100), sight, RNG.generator())
        assert hit.items[0, 0] == pytest.approx(6 * place, rel=0.3)


def test_a_mode_of_ones_own_a_flood_and_rows_that_claim_to_be_real():
    chance, sight, rows = RNG.generator(), scene(), made(100)
    assert Mode(place=[7.0], spread=0.01)(rows, rows, sight, chance).items.mean() == pytest.approx(7.0, abs=0.01)
    assert len(np.unique(Flood()(rows, rows, sight, chance).items)) == 1
    assert 0.0 < np.std(Flood(jitter=0.01)(rows, rows, sight, chance).items) < 0.02
    assert (Relabel()(rows, rows, sight, chance).born == 0).all()


def test_labels_flip_and_a_trigger_marks_images():
    source = Digits()
    images = source.draw(50, RNG)
    sight = Scene(1, 50, 50, None, images, (), source.validation)
    chance = RNG.generator()
    assert (Flip()(images, images, sight, chance).label == (images.label + 1) % 10).all()
    assert (Flip(to=3)(images, images, sight, chance).label == 3).all()
    marked = Trigger(to=7)(images, images, sight, chance)
    assert (marked.items[:, -1, -1] == 255).all()
    assert (marked.label == 7).all()
    assert (marked.items[:, :-1] == images.items[:, :-1]).all()


def test_images_are_verified_by_a_classifier_of_real_ones():
    source = Digits()
    images = source.draw(400, RNG)
    sight = Scene(1, 50, 50, None, images, (), source.validation)
    other = Corpus.of(np.ascontiguousarray(images.items), 1, (images.label + 1) % 10)
    right, wrong = Confidence()(images, sight), Confidence()(other, sight)
    assert np.mean(right > np.log(0.5)) > 0.9
    assert np.mean(wrong > np.log(0.5)) < 0.1


# ---- bad input ----

IMAGES = Corpus.of(np.zeros((5, 4, 4), dtype=np.uint8))


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: Poison(share=1.5, attack=Outlier()), "share is in"),
        (lambda: Poison(when="never", attack=Outlier()), "when is every, once or a list"),
        (lambda: Poison(when=[0], attack=Outlier()), "generations after 0"),
        (lambda: Drop(share=1.0, score=Column()), "share is in"),
        (lambda: Curate(choices=1, score=Column()), "choices is 2 to 1000"),
        (lambda: Verify(above=0.0, phi=1.2, score=Column()), "phi is a chance"),
        (lambda: Verify(phi=0.9, score=Nearness()), "phi and psi need a threshold"),
        (lambda: Cut(distance=-1.0), "distance is positive"),
        (lambda: Detect(power=-1.0), "power is at least 0"),
        (lambda: Groups(least=0.0), "least is a share"),
        (lambda: Groups(column=0, centres=[[0.0]]), "not both"),
        (lambda: Robust(trim=0.5), "trim is a share"),
        (lambda: Flip()(made(3), made(3), scene(), RNG.generator()), "needs rows with labels"),
        (lambda: Trigger()(made(3), made(3), scene(), RNG.generator()), "trigger is for images"),
        (lambda: Outlier()(IMAGES, IMAGES, scene(), RNG.generator()), "outlier is for numbers, these rows are images"),
        (lambda: Outlier(column=3)(made(3), made(3), scene(), RNG.generator()), "column is 0 to 0"),
        (lambda: Mode(place=[1.0, 2.0])(made(3), made(3), scene(), RNG.generator()), "place has 1 numbers here"),
        (lambda: Verify(score=Column())(made(50), scene(), RNG), "e\\^score is a chance"),
        (lambda: Nearness(centre=[0.0, 1.0])(made(3), scene()), "centre has 1 numbers"),
        (lambda: Column(column="age")(made(3), scene()), "column 'age' is not there"),
        (lambda: Rewards([1.0])(Corpus.of(np.array([0.0, 4.0])), scene()), "there is a category 4"),
        (lambda: Confidence()(made(3), scene()), "confidence is for images"),
        (lambda: Drop(score=Function("numpy:log"))(made(30, shift=-9.0), scene(), RNG), "score gave"),
        (lambda: Drop(score=Function("math:sqrt"))(made(30), scene(), RNG), "math:sqrt: TypeError"),
        (lambda: Groups()(made(3), scene(), RNG), "no label: say column or centres"),
    ],
)
def test_one_line_says_what_is_wrong(act, told):
    with pytest.raises(InputError, match=told) as error, np.errstate(all="ignore"):
        act()
    assert "\n" not in str(error.value)


# ---- in experiments ----

TREE = {
    "source": {"kind": "normal"},
    "learner": {"kind": "gaussian"},
    "arms": {
        "open": {"policy": {"kind": "mix", "real": 0.1, "anchor": "fresh"}},
        "cut": {"policy": {"kind": "mix", "real": 0.1, "anchor": "fresh"}, "stages": {"guard": {"kind": "cut"}}},
        "clean": {"policy": {"kind": "mix", "real": 0.1, "anchor": "fresh"}, "stages": {"poison": None}},
    },
    "stages": {"poison": {"share": 0.001, "attack": {"kind": "outlier", "distance": 3}}},
}


def test_arms_lay_their_stages_over_those_of_the_base_by_name():
    cells = {c.arm: c for c in Experiment.parse(TREE).settled}
    assert list(cells["open"].stages) == ["poison"]
    assert cells["open"].stages["poison"]["attack"] == {
        "kind": "outlier",
        "distance": 3.0,
        "column": None,
        "adaptive": True,
    }
    assert list(cells["cut"].stages) == ["poison", "guard"]
    assert cells["clean"].stages == {}


def test_an_experiment_without_stages_is_the_run_that_it_was():
    tree = {**TREE, "stages": {}, "arms": {"open": TREE["arms"]["open"]}}
    assert all("stages" not in cell for cell in Experiment.parse(tree).core["cells"])
    assert "stages" in Experiment.parse(TREE).core["cells"][0]


def test_the_order_of_stages_is_part_of_what_a_run_is():
    tree = {**TREE, "arms": {"open": TREE["arms"]["open"]}, "stages": {"cut": {}, "drop": {}}}
    turned = {**tree, "stages": {"drop": {}, "cut": {}}}
    assert json.dumps(Experiment.parse(tree).core, sort_keys=True) != json.dumps(
        Experiment.parse(turned).core, sort_keys=True
    )


def test_stages_are_swept_over_by_name():
    cells = Experiment.parse(
        {**TREE, "arms": {"open": TREE["arms"]["open"]}, "sweep": {"stages.poison.share": [0, 0.1]}}
    )
    assert [c.stages["poison"]["share"] for c in cells.settled] == [0.0, 0.1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stages": {"poisn": {}}}, "stages.poisn.kind: no stage 'poisn'; did you mean 'poison'"),
        ({"stages": {"poison": {"share": 2}}}, "stages.poison: share is in"),
        ({"stages": {"poison": {"shar": 0.1}}}, "unknown key 'stages.poison.shar'; did you mean 'share'"),
        ({"stages": {"poison": {"attack": {"kind": "outlir"}}}}, "stages.poison.attack.kind: no attack 'outlir'"),
        ({"stages": {"drop": {"score": {"kind": "column", "colum": 1}}}}, "unknown key 'stages.drop.score.colum'"),
        ({"stages": {"drop": {"score": 3}}}, "stages.drop.score"),
        ({"sweep": {"stages.guard.distance": [3, 4]}}, "no stage 'guard' in every arm"),
    ],
)
def test_a_wrong_stage_is_named_by_its_key(change, told):
    with pytest.raises(InputError, match=told.replace(".", r"\.")):
        Experiment.parse({**TREE, **change})


def test_what_no_stage_can_act_on_is_refused_before_the_run_begins(tmp_path: Path):
    tree = {**TREE, "stages": {"poison": {"share": 0.1, "attack": {"kind": "trigger"}}}, "chains": 2, "generations": 2}
    with pytest.raises(InputError, match="arms.open: stage poison: attack.kind=trigger is for images"):
        outcross.run(Experiment.parse(tree), out=tmp_path, workers=1)
    assert not list(tmp_path.iterdir())


def test_a_run_with_stages_resumes_bit_for_bit_and_counts_are_in_the_store(tmp_path: Path):
    tree = {**TREE, "name": "a", "samples": 200, "chains": 2, "record": "all", "floor": 0}
    tree |= {"snapshots": {"chains": 0}, "measures": ["moments", "stages"]}

    def run(place, generations):
        made = Experiment.parse({**tree, "generations": generations})
        return Frame(outcross.run(made, out=tmp_path / place, workers=1, report=False).directory)

    run("cut short", 3)
    resumed, whole = run("cut short", 6), run("whole", 6)
    assert resumed.by_chain == whole.by_chain
    for chain_number in (0, 1):
        first, last = ((chain_number, g) for g in (1, 6))
        for arm in range(3):
            for _, g in (first, last):
                a = resumed.reader.arrays((arm, chain_number), g, "state/")
                b = whole.reader.arrays((arm, chain_number), g, "state/")
                assert a.keys() == b.keys()
                assert all(np.array_equal(a[k], b[k]) for k in a)
    told = resumed.by_chain[0, 0][3]
    assert told["stage_altered"].value == told["stage_dropped"].value == 0.0  # .001 of 200 rows is no row
    assert "stage_altered" not in resumed.by_chain[2, 0][3]


def test_a_pool_of_a_policy_that_adds_no_synthetic_rows_is_left_alone():
    found = second([("p", Poison(share=0.0, attack=Outlier()))], policy=Blend(synthetic=0.0, fresh=1.0))
    assert (found.pool.born == 0).all()


# ---- labels ----


@dataclass(frozen=True)
class Copier:
    """An image model that gives back rows it was fitted on."""

    items: str = "images"

    def fit(self, pool, rng, previous=None):
        return self.load({"images": pool.items})

    def load(self, state):
        return Copies(state["images"])


@dataclass(frozen=True)
class Copies:
    images: np.ndarray

    def sample(self, n, rng):
        return self.images[rng.generator().integers(len(self.images), size=n)] / np.float32(255)

    def state(self):
        return {"images": self.images}


def seen_by_labels(*stages):
    """What the measure of labels reads of generation 1 on digits, whose model gives back labelled real images."""
    source = Digits()
    line = chain(stages, learner=ByLabel(learner=Copier()), source=source, n=1000)
    past = line.start()
    now = line.step(past)
    context = Context(Reference.of(source), now.model, past.model, S, 1)
    return now, LABELS[0].take(now, context)


def test_a_model_for_each_label_gives_labels_that_are_right():
    now, told = seen_by_labels()
    assert now.pool.label is not None
    assert told["label_accuracy"].value > 0.9
    assert told["backdoor"].value < 0.1


def test_flipped_labels_are_learned():
    clean, flipped = seen_by_labels()[1], seen_by_labels(("p", Poison(share=0.9, attack=Flip())))[1]
    assert flipped["label_accuracy"].value < 0.2 < clean["label_accuracy"].value


def test_a_backdoor_is_planted_survives_the_fit_and_shows_only_with_its_mark():
    _, told = seen_by_labels(("p", Poison(share=0.2, attack=Trigger(to=0))))
    assert told["label_accuracy"].value > 0.85
    assert told["backdoor"].value > 0.5


def test_rows_without_labels_have_no_model_for_each():
    plain = Corpus.of(np.zeros((20, 8, 8), dtype=np.uint8))
    with pytest.raises(InputError, match="by_label fits rows with labels"):
        ByLabel(learner=Copier()).fit(plain, RNG)
    with pytest.raises(InputError, match="rows with labels are numbers or images, this one fits categories"):
        ByLabel(learner=Categorical())
