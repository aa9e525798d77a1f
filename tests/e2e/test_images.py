"""Runs on images through the public command: figures on disk, the classifier named, what goes wrong in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from commands import outcross
from outcross.families import vae
from outcross.runs.store import Reader
from shared import shared

TINY = (
    "--workers=1",
    "generations=2",
    "chains=2",
    "samples=200",
    "learner.epochs=2",
    "learner.width=16",
    "floor=1",
    "snapshots.chains=1",
    "snapshots.at=[0]",
)


def test_a_run_on_digits_leaves_its_figures_and_names_its_classifier(shell):
    done = shell("run", "vae", *TINY, "--json")
    assert done.code == 0, done.err
    folder = shell.folder / done.json["run"]
    for name in ("samples", "codes", "latent", "classes"):
        with Image.open(folder / "figures" / f"{name}.png") as image:
            assert min(image.size) > 200
            assert len(np.unique(np.asarray(image.convert("L")))) > 20, f"{name} shows something"
        text = (folder / "figures" / f"{name}.svg").read_text()
        assert text.count("<svg") == 1
        assert "#010203" not in text, "no colour that stands for another is left"
    shown = shell("show", done.json["run"], "--json").json
    assert "held-out images right" in shown["images"][0]
    names = {m["measure"] for m in shown["measures"]}
    assert {"fid", "kid", "rare_coverage", "class_tv", "classes_lost", "ambiguous", "mu_sd", "tstr_accuracy"} <= names
    assert shown["images"][0] in shell("show", done.json["run"]).out
    page = (folder / "report.html").read_text()
    assert shown["images"][0] in page
    assert page.count("data:image/png;base64") >= 4


def test_arms_of_one_seed_share_generation_0_on_images(shell):
    done = shell("run", "vae", *TINY, "generations=1", "--json")
    rows = [m for m in shell("show", done.json["run"], "--json").json["measures"] if m["generation"] == 0]
    by_arm = {arm: {m["measure"]: m["value"] for m in rows if m["cell"]["arm"] == arm} for arm in ("replace", "mix10")}
    assert by_arm["replace"] == by_arm["mix10"]


def test_fixed_and_streamed_pools_are_two_experiments_with_one_generation_0(shell):
    seen = {}
    for pools in ("rows", "stream"):
        settings = (*TINY, "generations=1", f"pools={pools}", "arms={replace: {policy: {kind: replace}}}")
        done = shell("run", "vae", *settings, "measures=[image_variance]", "--json")
        assert done.code == 0, done.err
        shown = shell("show", done.json["run"], "--json").json["measures"]
        seen[pools] = [m["value"] for m in shown]
    assert seen["rows"][0] == seen["stream"][0]
    assert seen["rows"][1] != seen["stream"][1]


def test_measures_added_later_train_nothing_again_and_later_generations_only_themselves(shell, monkeypatch):
    first = shell("run", "vae", *TINY, "measures=[]", "keep=all", "floor=0", "--json")
    fits, fit = [], vae.Learner.fit
    monkeypatch.setattr(vae.Learner, "fit", lambda self, pool, *rest: fits.append(len(pool)) or fit(self, pool, *rest))
    again = shell("run", "vae", *TINY, "measures=[classes]", "keep=all", "floor=0", "--json")
    assert again.json["run"] == first.json["run"]
    assert fits == []
    more = (*TINY, "measures=[classes,image_variance]", "keep=all", "floor=0", "generations=3")
    assert shell("run", "vae", *more, "--json").json["run"] == first.json["run"]
    assert sorted(fits) == [200, 200, 200, 200, 800, 800], "the fourth generation of two chains of three arms"
    rows = shell("show", first.json["run"], "--json").json["measures"]
    assert (
        sum(m["measure"] == "class_tv" for m in rows) == sum(m["measure"] == "pixel_variance_ratio" for m in rows) == 12
    )
    whole = shell("run", "vae", *more, "--out", "whole", "--json")
    assert shell("show", whole.json["run"], "--json").json["measures"] == rows


def test_a_chain_whose_loss_diverges_is_recorded_and_the_others_go_on(shell):
    arms = {
        "calm": {"policy": {"kind": "replace"}},
        "wild": {"policy": {"kind": "replace"}, "learner": {"optimiser": "sgd", "rate": 1e30}},
    }
    done = shell("run", "vae", *TINY, "measures=[classes]", f"arms={json.dumps(arms)}", "--json")
    assert done.code == 0, done.err
    assert done.json["chains"] == {"done": 2, "degenerate": 2, "failed": 0}
    store = Reader(shell.folder / done.json["run"])
    reasons = {r for _, status, r in store.chains().values() if status == "degenerate"}
    assert reasons == {"generation 0: the loss diverged in epoch 1 of 2: nan"}


def test_a_dry_run_of_a_fit_that_diverges_costs_nothing(shell):
    done = shell(
        "run", "vae", *TINY, "measures=[]", "learner.optimiser=sgd", "learner.rate=1e30", "--dry-run", "--json"
    )
    assert done.code == 0, done.err
    assert done.json["seconds"] < 1.0


def test_a_dry_run_of_the_papers_run_is_quick_and_says_how_long_it_would_take(shell, monkeypatch):
    monkeypatch.setenv("OUTCROSS_DATA", str(shared("mnist").parent))
    done = shell("run", "paper/vae", "measures=[]", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert done.json["seconds"] > 3600


def test_the_papers_run_says_that_it_wants_a_gpu_or_a_night_before_it_starts(shell, monkeypatch):
    from outcross.runs import preflight, runner, spec

    monkeypatch.setenv("OUTCROSS_DATA", str(shared("mnist").parent))
    wanted = spec.load("paper/vae", ["measures=[]"])
    cell, said = wanted.settled[0], []
    chain = runner.build(cell, runner.worker.source_of(cell)[0], 0, 0)
    preflight.say_if_long(wanted, [chain], 1, said.append)
    assert len(said) == 1
    assert "a GPU shortens it" in said[0]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["learner.network=deep"], "network is conv, dense or package.module:function"),
        (["learner.epochs=0"], "epochs is 1 or more"),
        (["learner.sampling=beam"], "sampling"),
        (["learner.kind=gaussian"], "the source gives images: use learner.kind=vae"),
        (["source.kind=normal"], "the learner fits images, the source gives numbers"),
        (["samples=2000"], "1,259 images can be drawn"),
        (["source.features=no:where"], "cannot import 'no:where'"),
        (["source.kind=mnist", "source.path=/nowhere"], "holds no train-images-idx3-ubyte"),
        (["pools=stream"], "takes them from the pool before"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_written(shell, settings, says):
    done = shell("run", "vae", *TINY, *settings)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (shell.folder / "runs").exists()


def test_a_missing_data_folder_is_told(tmp_path):
    done = outcross("run", "vae", "source.kind=mnist", cwd=tmp_path, env={"OUTCROSS_DATA": "/nowhere/at/all"})
    assert done.code == 2
    assert "$OUTCROSS_DATA is '/nowhere/at/all', which is no folder" in done.err
