"""Comparing two runs pairs chains of the same source and seed, and says whose they are; anything else is refused."""

import pytest

from outcross import run
from outcross.core.errors import InputError
from outcross.report.compare import compare

ARM = "arms={a: {policy: {kind: replace}}}"


def made(tmp_path, *settings):
    return run(
        "gmm", [ARM, "samples=60", "chains=6", "generations=3", "floor=0", *settings], out=tmp_path, report=False
    )


def test_the_same_source_and_seed_are_paired_and_named(tmp_path):
    first, other = made(tmp_path), made(tmp_path, "learner.init=previous")
    found = compare(first.frame, other.frame, 0, ["mean_shift"])
    assert [d.pairs for d in found] == [6]
    assert found[0].difference.value == 0.0  # generation 0 is the same fit
    assert found[0].baseline == f"{first.directory.name} a"
    assert found[0].arm == f"{other.directory.name} a"


@pytest.mark.parametrize(
    ("setting", "says"), [("source.kind=normal", "no arm over the same source"), ("seed=3", "different seeds")]
)
def test_unrelated_runs_are_not_paired(tmp_path, setting, says):
    with pytest.raises(InputError, match=says):
        compare(made(tmp_path).frame, made(tmp_path, setting).frame)


def test_policies_on_categories_are_compared_by_what_categories_have(tmp_path):
    settings = ["source.kind=zipf", "source.categories=50", "learner.kind=categorical", "samples=100", "chains=6"]
    result = run("gmm", [*settings, "generations=20", "floor=0"], out=tmp_path, workers=1, report=False)
    found = {d.measure: d.says for d in compare(result.frame)}
    assert found["total_variation"] == "lower"
    assert found["survivors"] == "higher"


@pytest.mark.parametrize(("chains", "of"), [(3, "mean"), (6, "median")])
def test_few_chains_are_compared_by_the_mean_of_their_differences(tmp_path, chains, of):
    settings = ["samples=60", f"chains={chains}", "generations=60", "floor=0"]
    found = {d.measure: d for d in compare(run("gmm", settings, out=tmp_path, workers=1, report=False).frame)}
    kept = found["tail_99"]
    assert (kept.of, kept.pairs, kept.json()["of"]) == (of, chains, of)
    assert kept.difference.low < kept.difference.value < kept.difference.high
