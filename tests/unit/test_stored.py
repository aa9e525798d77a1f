"""A model of one run in another run: exported, read back to the bit, as a teacher and as a student left untouched."""

import json

import numpy as np
import pytest

from commands import outcross
from outcross.api import load, run
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.rng import Purpose, Streams
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.gmm import Learner as Gmm
from outcross.families.stored import Learner as Stored
from outcross.runs.spec import Experiment

S = Streams.of(1, 0)
FIT, DRAW = S.stream(0, Purpose.FIT), S.stream(0, Purpose.SAMPLE)
SETTINGS = {
    "source": {"kind": "normal"},
    "learner": {"kind": "gaussian"},
    "samples": 50,
    "generations": 3,
    "chains": 2,
    "floor": 0,
    "measures": ["moments"],
    "snapshots": {"chains": 0},
}
ARMS = {"replace": {"policy": {"kind": "replace"}}, "half": {"policy": {"kind": "mix", "real": 0.5, "anchor": "fixed"}}}


def ran(folder, **keys):
    return run(Experiment.parse({**SETTINGS, **keys}), out=folder, workers=1, report=False)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A run, and its last model as a file."""
    folder = tmp_path_factory.mktemp("taught")
    result = ran(folder, arms=ARMS)
    file = folder / "teacher.safetensors"
    said = outcross("export", result.directory.name, file, "--arm", "half", "--chain", 1, "--out", folder, cwd=folder)
    assert said.code == 0, said.err
    return result, file, json.loads(said.out.splitlines()[-1])


def test_the_exported_model_is_the_runs_to_the_bit(taught):
    result, file, node = taught
    assert node == {"kind": "stored", "path": str(file), "learner": {"kind": "gaussian", "estimator": "ml"}}
    inside = result.kept("half", 1).state
    told = Stored(str(file), learner=Gaussian()).fit(Corpus.of(np.zeros((5, 1))), FIT).state()
    assert inside.keys() == told.keys()
    assert all(np.array_equal(inside[k], told[k]) for k in inside)
    other = result.kept("half", 0).state
    assert not np.array_equal(other["mean"], told["mean"])


def test_a_run_teaches_another_learner(taught, tmp_path):
    """Generation 1 of the student is a fit of the stored model's rows, and of nothing else."""
    _, _, node = taught
    student = ran(tmp_path, learner={"kind": "gmm", "components": 1}, teacher={"learner": node, "samples": 50})
    first = student.kept(generation=0)
    assert first.learner == node
    assert np.array_equal(first.state["mean"], taught[0].kept("half", 1).state["mean"])
    at = student.kept()
    assert at.learner["kind"] == "gmm"
    assert at.model().sample(3, DRAW).shape == (3, 1)


def test_a_stored_student_is_left_untouched(taught, tmp_path):
    still = ran(tmp_path, learner=taught[2], keep="all", record="all")
    states = [still.kept(generation=g).state["mean"] for g in range(4)]
    assert all(np.array_equal(states[0], s) for s in states)


def test_another_file_is_another_run(taught, tmp_path):
    result, file, node = taught
    other = tmp_path / "other.safetensors"
    other.write_bytes(result.kept("half", 0).safetensors())
    runs = {ran(tmp_path, learner={**node, "path": str(path)}).directory.name for path in (file, other)}
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "which arm? --arm is one of replace, half"),
        (("--arm", "halves"), "no arm 'halves'; did you mean 'half'? known: half, replace"),
        (("--arm", "half", "--chain", 7), "chain 7 of arm half has no state; those with one: 0, 1"),
        (("--arm", "half", "-g", 2), "generation 2 was not kept; kept: 0, 3; a run with keep=all keeps all"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(taught, tmp_path, words, told):
    result = taught[0]
    to = tmp_path / "m.safetensors"
    said = outcross("export", result.directory.name, to, *words, "--out", result.directory.parent, cwd=tmp_path)
    assert (said.code, said.err) == (2, f"error: {told}\n")
    assert not to.exists()


def test_a_table_takes_no_settings_of_a_model(taught, tmp_path):
    result = taught[0]
    said = outcross(
        "export",
        result.directory.name,
        tmp_path / "t.csv",
        "--arm",
        "half",
        "--out",
        result.directory.parent,
        cwd=tmp_path,
    )
    assert said.code == 2
    assert "--arm: of a model" in said.err


@pytest.mark.parametrize(
    ("content", "learner", "told"),
    [
        (b"no model", Gaussian(), "not a safetensors file"),
        (b"", Gaussian(), "not a safetensors file"),
        (None, Gaussian(estimator="unbiased"), "learner.estimator: .* was made with 'ml', got 'unbiased'"),
        (None, Gmm(), "holds no model of the family gmm"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_before_anything_runs(taught, tmp_path, content, learner, told):
    file = taught[1]
    if content is not None:
        file = tmp_path / "m.safetensors"
        file.write_bytes(content)
    with pytest.raises(InputError, match=told) as error:
        Stored(str(file), learner=learner).fingerprint()
    assert "\n" not in str(error.value)


def test_a_file_that_is_gone_ends_a_run_and_not_its_report(taught, tmp_path):
    result, _, node = taught
    lost = tmp_path / "lost.safetensors"
    lost.write_bytes(taught[1].read_bytes())
    done = ran(tmp_path, learner={**node, "path": str(lost)}).directory
    lost.unlink()
    assert load(done).verdicts
    with pytest.raises(InputError, match="no such file; `outcross export RUN FILE.safetensors` writes one"):
        ran(tmp_path, learner={**node, "path": str(lost)})


def test_rows_of_another_shape_are_refused(taught):
    with pytest.raises(InputError, match="its rows are 1, those of the pool 2"):
        Stored(str(taught[1]), learner=Gaussian()).fit(Corpus.of(np.zeros((5, 2))), FIT)
    with pytest.raises(InputError, match="a model of None different tokens, the pool has 9"):
        Stored(str(taught[1]), learner=Gaussian()).fit(Corpus.text(np.zeros((5, 2), np.int32), 9), FIT)


def test_text_of_other_words_is_refused_however_many_there_are(tmp_path, shell):
    """Numbers of tokens would be read as other words: the file knows what its own stood for."""
    for name, letters in (("a", "abcdefghij"), ("b", "klmnopqrst")):
        words = [x + y for x in letters for y in letters]
        lines = [" ".join(np.random.default_rng(k).choice(words, 40)) for k in range(60)]
        (shell.folder / f"{name}.txt").write_text("\n".join(lines))
    sizes = ("samples=20", "generations=1", "chains=1", "floor=0", "source.measured=5", "--workers", "1", "--no-report")
    arms = "arms={only: {policy: {kind: replace}}}"

    def given(name):
        return (
            "run",
            "lm",
            "source.kind=text",
            f"source.path={name}.txt",
            "source.documents=line",
            f"name={name}",
            arms,
        )

    assert shell(*given("a"), *sizes).code == 0
    node = shell("export", "a", "a.safetensors").out.splitlines()[-1]
    assert shell(*given("a"), f"teacher={{samples: 20, learner: {node}}}", *sizes).code == 0
    for key in (f"teacher={{samples: 20, learner: {node}}}", f"learner={node}"):
        said = shell(*given("b"), key, *sizes)
        assert said.code == 2
        assert "its tokens stand for other text than those of the source" in said.err


def test_a_model_that_is_there_is_not_written_over(taught, tmp_path):
    result, file, _ = taught
    said = outcross(
        "export", result.directory.name, file, "--arm", "half", "--out", result.directory.parent, cwd=tmp_path
    )
    assert said.code == 2
    assert "is there already" in said.err
