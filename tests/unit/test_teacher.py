"""A teacher fits generation 0 and students learn from what it makes: known truth first, then what is refused."""

import copy
import dataclasses

import jsonschema
import numpy as np
import pytest

from outcross.core.contracts import Generation
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.loop import Chain, Teacher, generations
from outcross.core.policies import Blend, accumulate, mix, replace
from outcross.core.rng import Purpose
from outcross.core.schedules import Samples
from outcross.core.statistics import Moments
from outcross.families.categorical import Learner as Categorical
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.gmm import Learner as Gmm
from outcross.families.kde import Learner as Kde
from outcross.families.ngram import Learner as Ngram
from outcross.families.regression import Learner as Regression
from outcross.report.findings import policy
from outcross.report.frames import Frame
from outcross.report.series import readable, series
from outcross.report.theory import setting_of
from outcross.runs.causes import factorial
from outcross.runs.cells import build
from outcross.runs.preflight import check_rows, pool_bytes
from outcross.runs.runner import directory_of
from outcross.runs.schema import json_schema
from outcross.runs.spec import Experiment, digest
from outcross.runs.trees import overridden
from outcross.runs.worker import source_of
from outcross.sources.linear import Source as Linear
from outcross.sources.normal import Source as Normal
from outcross.sources.tabular import Source as Tabular
from outcross.sources.zipf import Source as Zipf

UNBIASED = Gaussian(estimator="unbiased")
BASE = {
    "source": {"kind": "normal"},
    "learner": {"kind": "gaussian"},
    "samples": 30,
    "generations": 4,
    "chains": 2,
    "floor": 2,
    "record": "all",
    "measures": ["moments"],
    "snapshots": {"chains": 0},
}
TEACHER = {"learner": {"kind": "gmm", "components": 2}, "samples": 400}


def parsed(*overrides, **keys):
    return Experiment.parse(overridden(copy.deepcopy({**BASE, **keys}), overrides))


def chain_of(policy=None, samples=40, learner=UNBIASED, source=None, teacher=None, **options):
    schedule = samples if isinstance(samples, Samples) else Samples(samples)
    teacher = teacher or Teacher(UNBIASED, 200)
    return Chain(learner, policy or replace(), source or Normal(), schedule, teacher=teacher, **options)


def rows_of(corpus):
    return {row.tobytes() for row in corpus.items}


# ---- known truth ----


def errors(chains, until, **options):
    """Squared error of the fitted mean (chains, until + 1), the true variance 1."""
    found = []
    for number in range(chains):
        at = (chain := chain_of(number=number, **options)).start()
        line = [at]
        for _ in range(until):
            line.append(at := chain.step(at))
        found.append([float(g.model.law.means[0, 0]) ** 2 for g in line])
    return np.array(found)


def z(values, predicted):
    return (values.mean() - predicted) / (values.std(ddof=1) / np.sqrt(len(values)))


@pytest.mark.parametrize("pools", ["rows", "statistics"])
def test_a_student_errs_by_what_its_teacher_did_not_know_and_by_its_own_few_rows(pools):
    """E (mean - mu)^2 = sigma^2 (1/N + t/n) of the t-th student of n rows, the teacher's real rows being N."""
    known, made, chains = 200, 100, 2500
    found = errors(chains, 3, samples=Samples(40, [1.0, 2.5]), pools=pools)
    for t in range(4):
        assert abs(z(found[:, t], 1 / known + t / made)) < 4.0
    for wrong in (1 / made, 1 / known, 2 / made, 1 / 40 + 1 / made):
        assert abs(z(found[:, 1], wrong)) > 5.0


def test_a_teacher_helps_until_the_chain_has_lost_what_it_knew_more():
    """Own real set of m rows: 1/m. Under a teacher of N, students of n rows: worse from 1/N + t/n > 1/m on."""
    mine, known, made = 40, 200, 100
    taught = errors(2500, 4, samples=Samples(mine, [1.0, made / mine]))
    turns = next(t for t in range(1, 5) if 1 / known + t / made > 1 / mine)
    assert turns == 3
    assert z(taught[:, turns - 2], 1 / mine) < -4.0
    assert z(taught[:, turns], 1 / mine) > 4.0


# ---- what each generation is ----


def test_generation_0_is_the_teachers_fit_to_real_rows_of_its_own_and_the_students_stay_the_same_ones():
    with_, without = chain_of(pools="rows"), Chain(UNBIASED, replace(), Normal(), Samples(40), pools="rows")
    assert np.array_equal(with_.original.items, without.original.items), "arms are paired by the student's rows"
    assert len(with_.first) == 200
    assert not rows_of(with_.first) & rows_of(with_.original)
    np.testing.assert_array_equal(with_.start().model.law.means[0], with_.first.items.mean(axis=0))


def test_a_finite_source_serves_both_as_a_teacher_of_all_has_the_students_rows_too():
    source = Tabular("iris")
    chain = chain_of(source=source, samples=20, teacher=Teacher(Gaussian(), source.rows), pools="rows")
    assert rows_of(chain.original) < rows_of(chain.first)


def test_a_policy_keeps_the_students_real_rows_and_none_of_the_teachers():
    for kept in (mix(0.5, "fixed"), mix(0.5, "redrawn"), accumulate(), Blend(synthetic=0.5, previous=0.5)):
        chain = chain_of(kept, pools="rows")
        at = chain.step(chain.start())
        real = rows_of(at.pool.take(at.pool.born == 0))
        assert real
        assert real <= rows_of(chain.original)


def test_no_student_goes_on_from_the_weights_of_its_teacher_but_later_ones_from_those_before():
    seen = []

    @dataclasses.dataclass(frozen=True)
    class Watching:
        def fit(self, pool, rng, previous=None):
            seen.append(previous)
            return Gaussian().fit(pool, rng)

        def load(self, state):
            return Gaussian().load(state)

    line = generations(Watching(), replace(), Normal(), 40, pools="rows", teacher=Teacher(Watching(), 50))
    found = [next(line) for _ in range(3)]
    assert seen == [None, None, found[1].model]


def test_a_teacher_of_another_family_is_left_before_many_generations_are_leapt_over():
    chain = chain_of(learner=Gmm(components=1), teacher=Teacher(Kde(), 300), pools="rows")
    plain = chain.start()
    for _ in range(5):
        plain = chain.step(plain)
    for leapt in (chain.leap(chain.start(), 5), chain.leap(chain.leap(chain.start(), 1), 5)):
        assert np.array_equal(leapt.model.law.means, plain.model.law.means)


class Echo:
    """A learner of text whose models write their prompts again, or one word."""

    items = "text"

    def __init__(self, prompts):
        self.prompts = prompts

    def fit(self, pool, rng, previous=None):
        return self

    def sample(self, n, rng, given=None):
        assert (given is None) is (self.prompts == "none")
        return np.zeros((n, 4), np.int32) if given is None else given.items


class Blocks:
    """Blocks of text, no two alike."""

    items, columns, rows, shape, vocabulary = "text", (), None, (4,), 1000

    def draw(self, n, rng):
        return Corpus.text(rng.generator().integers(1, 1000, size=(n, 4)), 1000)


def test_prompts_are_those_of_whoever_writes():
    def pools(student, teacher):
        chain = chain_of(learner=Echo(student), source=Blocks(), teacher=Teacher(Echo(teacher), 90))
        first = chain.step(chain.start())
        return chain, first.pool, chain.step(first).pool

    chain, first, second = pools("none", "original")
    assert rows_of(first) == rows_of(chain.original), "the teacher continues the student's own real blocks"
    assert not second.items.any()
    chain, first, second = pools("original", "none")
    assert not first.items.any()
    assert rows_of(second) == rows_of(chain.original)


# ---- pools kept as statistics ----


def test_statistics_serve_where_the_teacher_makes_the_same_and_rows_elsewhere():
    assert chain_of().kept_as is Moments
    assert chain_of(teacher=Teacher(Kde(), 200)).kept_as is None
    assert Chain(Categorical(), replace(), Zipf(), Samples(9), teacher=Teacher(Categorical(), 99)).kept_as is not None
    with pytest.raises(
        InputError, match="pools=statistics: the teacher fits and makes rows, not moments; use pools=auto"
    ):
        _ = chain_of(teacher=Teacher(Kde(), 200), pools="statistics").kept_as


def test_features_that_a_teacher_keeps_are_made_whole_or_as_rows():
    def kept(n):
        teacher = Teacher(Regression(design="fixed"), n)
        return chain_of(learner=Regression(), source=Linear(), teacher=teacher).kept_as

    assert kept(40) is Moments
    assert kept(200) is None


# ---- experiments ----


def test_an_experiment_without_a_teacher_keeps_its_digest_and_one_with_it_is_another():
    plain = Experiment.parse({k: BASE[k] for k in ("source", "learner")} | {"samples": 100, "generations": 5})
    assert digest(plain, ["data"]) == "dea1311b127252a7106a460f9b026f339b7792cdd31bf3c08bc78cb54acdbc10"
    names = {
        digest(parsed(*over, teacher=TEACHER), [])
        for over in ([], ["teacher.samples=300"], ["teacher.learner.components=3"])
    }
    assert len({*names, digest(parsed(), [])}) == 4


def test_arms_take_lay_over_or_leave_out_the_teacher_of_the_experiment():
    arms = {
        "a": {"policy": {"kind": "replace"}},
        "b": {"policy": {"kind": "replace"}, "teacher": {"samples": 50}},
        "c": {"policy": {"kind": "replace"}, "teacher": {"learner": {"components": 5}}},
        "d": {"policy": {"kind": "replace"}, "teacher": {"learner": {"kind": "kde"}}},
        "e": {"policy": {"kind": "replace"}, "teacher": "none"},
    }
    wanted = parsed(teacher=TEACHER, arms=arms)
    a, b, c, d, e = (cell.teacher for cell in wanted.settled)
    assert (a["samples"], b["samples"], c["samples"], d["samples"]) == (400, 50, 400, 400)
    assert (b["learner"], c["learner"]["components"], d["learner"]["kind"]) == (a["learner"], 5, "kde")
    assert e is None
    assert Experiment.parse(wanted.canonical()).core == wanted.core
    jsonschema.validate(wanted.canonical(), json_schema())


def test_rows_of_a_teacher_are_settled_by_the_source():
    def samples(source, wanted):
        cell = parsed(source=source, teacher={**TEACHER, "samples": wanted}).settled[0]
        return build(cell, source_of(cell)[0], 0, 0).teacher.samples

    assert samples({"kind": "tabular", "name": "iris"}, "all") == Tabular("iris").rows
    assert samples({"kind": "normal"}, "auto") == 1000
    with pytest.raises(InputError, match="teacher.samples=all: this source has no end; give a number"):
        samples({"kind": "normal"}, "all")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["teacher={learner: {kind: gmm}}"], "teacher.samples is missing"),
        (["teacher={samples: 9}"], "teacher.learner is missing"),
        (["teacher.rows=9"], "unknown key 'teacher.rows'; .*known: learner, samples"),
        (["teacher.samples=0"], "teacher.samples: a number of real rows from 1, `auto` or `all`, got 0"),
        (["teacher.samples=true"], "teacher.samples: a number of real rows"),
        (["teacher.samples=1.5"], "teacher.samples: a number of real rows"),
        (["teacher.learner.kind=gm"], "teacher.learner.kind: no model family 'gm'; did you mean 'gmm'"),
        (["teacher.learner.components=0"], "teacher.learner: components"),
        (["arms={a: {policy: {kind: replace}, teacher: {samples: few}}}"], "arms.a.teacher.samples: a number of real"),
        (["arms={a: {policy: {kind: replace}, teacher: maybe}}"], "arms.a.teacher"),
        (
            ["arms={a: {policy: {kind: replace}, teacher: none}}", "sweep={teacher.samples: [50, 90]}"],
            "sweep.teacher.samples: arms.a has no teacher; give it one, or leave the axis out",
        ),
    ],
)
def test_a_teacher_that_makes_no_sense_is_refused_in_one_line_with_its_key(overrides, says):
    with pytest.raises(InputError, match=says) as caught:
        parsed(*overrides, teacher=TEACHER)
    assert "\n" not in str(caught.value)


def test_the_rows_of_a_teacher_can_be_swept_over():
    cells = parsed("sweep={teacher.samples: [50, 90]}", teacher=TEACHER).settled
    assert [cell.teacher["samples"] for cell in cells] == [50, 90]


def test_a_teacher_that_does_not_belong_to_the_source_is_refused():
    with pytest.raises(
        InputError, match="teacher.learner fits text, the source gives numbers: use teacher.learner.kind="
    ):
        chain_of(teacher=Teacher(Ngram(), 20))
    with pytest.raises(
        InputError, match="teacher.samples: 500 real rows, the source has 105: use teacher.samples=all, or"
    ):
        chain_of(source=Tabular("iris"), teacher=Teacher(Gaussian(), 500))
    with pytest.raises(InputError, match="teacher.samples is 1 or more, got 0"):
        chain_of(teacher=Teacher(Gaussian(), 0))
    cell = parsed(teacher={"learner": {"kind": "gaussian"}, "samples": 1}).settled[0]
    with pytest.raises(InputError, match="arms.replace: teacher.samples: 1 rows, its family needs at least 2 here"):
        check_rows(cell, build(cell, source_of(cell)[0], 0, 0), parsed())


def test_rows_drawn_anew_for_every_pass_are_refused_under_a_teacher():
    streams = dataclasses.make_dataclass("Streams", [], bases=(Gaussian,), namespace={"streams": True}, frozen=True)()
    with pytest.raises(InputError, match="pools=stream draws from the model before as one of the learner's own"):
        chain_of(learner=streams, pools="stream")


def test_the_memory_of_a_run_counts_the_rows_of_the_teacher():
    assert pool_bytes(chain_of(teacher=Teacher(Kde(), 5000)), 3) == 5000 * 8


# ---- runs ----


def run(shell, *words):
    arms = "arms={taught: {policy: {kind: mix, real: 0.2}}, own: {policy: {kind: replace}, teacher: none}}"
    base = [f"{k}={v}".replace("'", "") for k, v in BASE.items() if k not in ("source", "learner")]
    teacher = "teacher={learner: {kind: gmm, components: 2}, samples: 400}"
    said = shell("run", "gmm", "source.kind=normal", "learner.kind=gaussian", teacher, arms, *base, *words,
                 "--workers", "1", "--no-report", "--json")  # fmt: skip
    assert said.code == 0, said
    return Frame(shell.folder / said.json["run"])


@pytest.mark.parametrize("pools", ["auto", "rows"])
def test_a_chain_that_goes_on_from_its_teacher_is_bit_identical_to_one_uninterrupted(shell, pools):
    for last in (0, 2, 4):
        frame = run(shell, f"generations={last}", f"pools={pools}")
    whole = run(shell, f"pools={pools}", "--out", "elsewhere")
    assert frame.rows == whole.rows
    assert frame.directory.name == whole.directory.name
    first = {c: frame.reader.arrays((c, 0), 0, "state/") for c in (0, 1)}
    assert len(first[0]["means"]) == 2, "generation 0 is kept as the teacher's"
    assert "mean" in first[1]


def test_the_floor_of_a_taught_arm_is_the_student_on_as_many_real_rows(shell):
    floors = run(shell, "pools=rows").floors
    assert np.array_equal(floors[0, "variance_ratio"], floors[1, "variance_ratio"])


def test_no_oracle_and_no_plan_speak_of_a_taught_arm(shell):
    frame = run(shell)
    taught, own = frame.cells
    assert setting_of(frame, taught) is None
    assert setting_of(frame, own) is not None
    _, reads = readable(frame, None)
    series(frame, 1, reads)
    with pytest.raises(InputError, match="taught: a plan knows no teacher; choose another --arm"):
        series(frame, 0, reads)
    with pytest.raises(InputError, match="taught: it begins with a teacher, whose errors are not the learner's"):
        factorial(frame.experiment)


def test_the_page_says_who_generation_0_is():
    cell = parsed(teacher=TEACHER).settled[0]
    assert policy(cell) == "replace; generation 0 a teacher (gmm on 400 real rows)"
    assert policy(parsed(teacher={**TEACHER, "samples": "all"}).settled[0]).endswith("(gmm on all real rows)")


def test_a_pretrained_teacher_is_part_of_what_names_a_run(tmp_path, monkeypatch):
    taught = parsed(teacher=TEACHER)
    before = directory_of(taught, tmp_path)[1]
    monkeypatch.setattr(Gmm, "fingerprint", lambda self: "other weights", raising=False)
    assert directory_of(taught, tmp_path)[1] != before


def test_the_stream_of_a_teachers_rows_is_its_own():
    chain = chain_of(pools="rows")
    assert rows_of(chain.first) == rows_of(Normal().draw(200, chain.streams.stream(0, Purpose.TEACHER)))
    assert isinstance(chain.start(), Generation)
