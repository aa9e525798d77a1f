"""Runs on text through the public command: samples, figures, extensions; what goes wrong in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import Said, Shell, is_one_line, outcross

SMALL = ("source.block=16", "source.measured=40", "samples=100", "chains=2", "floor=1", "snapshots.chains=1", "-q",
         "--workers=1")  # fmt: skip
ONE = "arms={a: {policy: {kind: replace}}}"
Show = Callable[..., Said]
FIGURES = ("perplexity", "perplexity-3d", "rare-words", "type-token")


def own(folder: Path, words: int = 40, documents: int = 80, seed: int = 0, said: str = "w{}") -> str:
    """A text of the user's: its source, as an override."""
    chance = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, words + 1)
    picked = chance.choice(words, size=(documents, 30), p=share / share.sum())
    (folder / "own.txt").write_text("\n\n".join(" ".join(said.format(k) for k in row) for row in picked))
    return "source={kind: text, path: own.txt, block: 8, measured: 40}"


def ran(shell: Shell, *words: object) -> dict[str, Any]:
    """What is shown of a run, after it came to its end."""
    done = shell("run", "lm", *SMALL, *words, "--no-report", "--json")
    assert (done.code, done.err) == (0, ""), done
    return {**done.json, **shell("show", done.json["run"], "--json").json}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text")


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Any]:
    """What `run --json` printed of a small run with its report."""
    said = outcross("run", "lm", *SMALL, "generations=3", "--json", cwd=folder)
    assert (said.code, said.err) == (0, "")
    return said.json  # type: ignore[no-any-return]


@pytest.fixture
def show(shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """`show(told, "--json")`: what is shown of that run."""
    monkeypatch.setenv("COLUMNS", "100")

    def said(told: dict[str, Any], *more: str) -> Said:
        found = shell("show", folder / told["run"], *more)
        assert (found.code, found.err) == (0, "")
        return found

    return said


# ---- a run ----


def test_a_run_on_text_ends_with_a_verdict_for_each_arm(told: dict[str, Any]) -> None:
    assert told["chains"] == {"done": 4, "degenerate": 0, "failed": 0}
    assert [v["cell"] for v in told["verdict"]] == [{"arm": "replace"}, {"arm": "mix10"}]
    assert all("loss on real text" in v["why"] for v in told["verdict"])


def test_show_says_how_perplexity_was_taken_and_what_was_measured(
    folder: Path, told: dict[str, Any], show: Show
) -> None:
    shown = show(told, "--json").json
    (spec,) = shown["text"]
    assert spec.startswith("perplexity: 40 held-out blocks of 16 tokens (")
    assert shown["images"] == []
    names = {m["measure"] for m in shown["measures"]}
    assert names >= {"perplexity", "cross_entropy", "own_perplexity", "written_perplexity", "written_low", "distinct_2",
                     "rare_words", "vocabulary_left", "repeated_4", "compression", "verbatim", "self_bleu"}  # fmt: skip
    for m in shown["measures"]:
        assert m["value"] is not None or m["why"], m
    assert spec in show(told).out
    assert spec in unescape((folder / told["report"]).read_text(encoding="utf-8"))


def test_arms_of_one_seed_share_generation_0_on_text(told: dict[str, Any], show: Show) -> None:
    rows = [m for m in show(told, "--json").json["measures"] if m["generation"] == 0]
    by_arm = {arm: {m["measure"]: m["value"] for m in rows if m["cell"]["arm"] == arm} for arm in ("replace", "mix10")}
    assert by_arm["replace"] == by_arm["mix10"]
    assert by_arm["replace"]["perplexity"] > 1.0


def test_samples_are_shown_in_the_terminal(told: dict[str, Any], show: Show) -> None:
    lines = show(told, "--samples").out.splitlines()
    assert len([line for line in lines if line.startswith("prompt ")]) == 3
    assert len([line for line in lines if line == "replace"]) == len([line for line in lines if line == "mix10"]) == 3
    said = [line.split()[0] for line in lines if line.startswith(" ")]
    assert said == ["0", "1", "3"] * 6, "the generations that the paper shows"
    assert "\x1b" not in "".join(lines), "no colours where nobody sees them"


def test_samples_are_told_to_programs(told: dict[str, Any], show: Show) -> None:
    found = show(told, "--samples", "--json").json
    assert len(found) == 3
    assert len({one["prompt"] for one in found}) == 3
    for one in found:
        assert [(s["arm"], s["generation"]) for s in one["continued"]] == [
            (arm, g) for arm in ("replace", "mix10") for g in (0, 1, 3)
        ]
        assert {len(s["text"].split()) for s in one["continued"]} == {16}
        first = {s["text"] for s in one["continued"] if s["generation"] == 0}
        assert len(first) == 1, "the arms share their model of generation 0"
    terminal = show(told, "--samples").out
    assert all(s["text"] in terminal for one in found for s in one["continued"])


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_written_as_png_and_svg(folder: Path, told: dict[str, Any], name: str) -> None:
    place = folder / told["run"] / "figures"
    with Image.open(place / f"{name}.png") as image:
        assert min(image.size) > 200
        assert len(np.unique(np.asarray(image.convert("L")))) > 20, f"{name} shows something"
    drawn = (place / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn.count("<svg") == 1
    for foreign in ("#010203", "currentColor", "var(--", "<script"):
        assert foreign not in drawn


def test_what_is_kept_is_whole(folder: Path, told: dict[str, Any]) -> None:
    assert outcross("fsck", cwd=folder).code == 0
    again = outcross("run", "lm", *SMALL, "generations=3", "--no-report", "--json", cwd=folder).json
    made_anew = ("seconds", "report")
    assert {k: v for k, v in again.items() if k not in made_anew} == {
        k: v for k, v in told.items() if k not in made_anew
    }


# ---- the user's own text ----


def test_a_text_of_the_users_is_run_from_its_file(shell: Shell) -> None:
    shown = ran(shell, own(shell.folder), "generations=2")
    (spec,) = shown["text"]
    assert spec.startswith("perplexity: 40 held-out blocks of 8 tokens (42 words)")
    found = shell("show", shown["run"], "--samples", "--json").json
    said = " ".join(s["text"] for one in found for s in one["continued"]).split()
    assert set(said) <= {"<eos>", "<unk>", *(f"w{k}" for k in range(40))}
    assert shown["run"] == ran(shell, own(shell.folder), "generations=2")["run"]
    assert shown["run"] != ran(shell, own(shell.folder, seed=1), "generations=2")["run"], "another text, another run"


def test_what_a_text_says_does_nothing_to_the_terminal(shell: Shell) -> None:
    source = own(shell.folder, said="[bold]w{}[/bold]\x1b[2J\x9b31m\x07\u202e")
    shown = ran(shell, source, ONE, "generations=1")
    said = shell("show", shown["run"], "--samples")
    assert said.code == 0, said
    assert not set(said.out) & set("\x1b\x9b\x07\u202e"), "what a text says is made visible, not carried out"
    assert "bold" in said.out, "and no markup of ours"
    assert shell("show", shown["run"], "--samples", "--json").code == 0


def test_a_tiny_text_is_drawn_without_a_warning(shell: Shell) -> None:
    (shell.folder / "own.txt").write_text("\n".join(["a b a b"] * 40))
    source = "source={kind: text, path: own.txt, documents: line, block: 4, measured: 8}"
    done = outcross("run", "lm", *SMALL, source, "samples=20", "generations=1", ONE, "--json", cwd=shell.folder)
    assert (done.code, done.err) == (0, "")
    assert done.json["chains"] == {"done": 2, "degenerate": 0, "failed": 0}


def test_held_out_text_of_one_word_fails_no_chain(shell: Shell) -> None:
    (shell.folder / "own.txt").write_text("\n".join(["a " * 80] * 30))  # no end in the first and the last block
    source = "source={kind: text, path: own.txt, documents: line, block: 8, measured: 2}"
    shown = ran(shell, source, "samples=20", "generations=1", ONE)
    assert shown["chains"] == 2
    assert [m["why"] for m in shown["measures"] if m["measure"] == "token_entropy_ratio" and m["value"] is None]


@pytest.mark.parametrize(
    "more", [("source.tokens=bpe", "source.vocabulary=300"), ("learner.order=1", "learner.top_k=3")]
)
def test_other_tokens_and_other_ways_to_write_run_too(shell: Shell, more: tuple[str, ...]) -> None:
    # no cache in the way: conftest.py gives the user's an empty folder of its own
    assert ran(shell, own(shell.folder), ONE, "generations=2", *more)["chains"] == 2


# ---- extended, in parallel ----

WAYS = {
    "plain": (),
    "previous": ("learner.prompts=previous",),
    "original-beam": ("learner.prompts=original", "learner.decoding=beam", "learner.beams=2"),
    "accumulate-previous": ("learner.prompts=previous", "arms={a: {policy: {kind: accumulate}}}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_is_extended_equals_one_in_one_go(shell: Shell, way: str) -> None:
    settings = (own(shell.folder), "snapshots.at=[0,2,4]", *WAYS[way])
    first = ran(shell, *settings, "generations=2")
    more = ran(shell, *settings, "generations=4")
    whole = ran(shell, *settings, "generations=4", "--out", "whole")
    assert more["run"] == first["run"]
    assert more["content"] == whole["content"] != first["content"]
    assert more["measures"] == whole["measures"]
    assert shell("fsck").code == 0


def test_two_workers_make_the_same_bits_as_one(shell: Shell) -> None:
    settings = (own(shell.folder), "generations=2", "learner.prompts=previous")
    one = ran(shell, *settings)
    two = ran(shell, *settings, "--workers=2", "--out", "two")
    assert one["content"] == two["content"]


# ---- what cannot be ----


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["learner.kind=gmm"], "the learner fits numbers, the source gives text: use learner.kind="),
        (["learner.kind=vae"], "the learner fits images, the source gives text: use learner.kind="),
        (["learner.kind=categorical"], "the learner fits categories, the source gives text: use learner.kind="),
        (["source.kind=normal"], "the learner fits text, the source gives numbers"),
        (["learner.order=0"], "order is a whole number from 1 to 5, got 0"),
        (["learner.decoding=greedy"], "decoding"),
        (["learner.decoding=beam"], "use prompts=original"),
        (["learner.prompts=next"], "prompts"),
        (["learner.top_p=0"], "top_p is a probability in (0, 1], got 0"),
        (["source.block=1"], "block is 2 to 8192 tokens, got 1"),
        (["source.least=0"], "least is 1 or more, got 0"),
        (["source.tokens=letters"], "letters"),
        (["source.kind=text", "source.path=none.txt"], "none.txt: No such file"),
        (["source.kind=wikitext2", "source.path=/nowhere"], "/nowhere holds no train.txt"),
        (["samples=1000000"], "blocks of 16 tokens can be drawn"),
        (["pools=stream"], "use pools=rows"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_written(
    shell: Shell, settings: list[str], says: str
) -> None:
    done = shell("run", "lm", *SMALL, "generations=1", *settings)
    assert done.code == 2, done
    assert says in done.err
    assert is_one_line(done)
    assert not (shell.folder / "runs").exists()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_there_are_no_samples_of_a_run_on_numbers(shell: Shell, more: tuple[str, ...]) -> None:
    words = ("chains=2", "generations=1", "samples=40", "floor=0", "snapshots.chains=0", "-q", "--workers=1")
    done = shell("run", "gmm", *words, "--no-report", "--json")
    assert done.code == 0, done
    said = shell("show", done.json["run"], "--samples", *more)
    assert (said.code, said.out) == (2, "")
    assert is_one_line(said)
    assert "no text was continued" in said.err
    assert shell("show", done.json["run"], "--json").json["text"] == []


def test_a_dry_run_on_text_writes_nothing(shell: Shell) -> None:
    done = shell("run", "lm", *SMALL, "generations=2", "--dry-run", "--json")
    assert done.code == 0, done
    assert json.dumps(done.json)
    assert not (shell.folder / "runs").exists()
