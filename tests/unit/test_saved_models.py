"""`outcross export RUN FOLDER`: the model comes back to the bit, with its tokenizer, or one line says why not."""

import numpy as np
import pytest

from outcross.core.rng import Purpose, Streams
from outcross.families.causal_lm import Learner
from outcross.report.frames import Frame
from outcross.runs import plugins
from outcross.sources.coding import Pretrained

CONFIG = "{hidden_size: 16, word_embed_proj_dim: 16, num_hidden_layers: 1, ffn_dim: 16, num_attention_heads: 2}"
SIZES = ("source.block=8", "source.measured=8", "samples=30", "generations=1", "chains=2", "floor=0", "record=[1]")
CAUSAL = ("learner.kind=causal_lm", f"learner.config={CONFIG}", "learner.epochs=1", *SIZES)
ALONE = ("measures=[real_perplexity]", "snapshots={chains: 0, at: []}")
ARMS = "arms={a: {policy: {kind: replace}}, b: {policy: {kind: mix, real: 0.5}}}"


def ran(shell, *words):
    said = shell("run", "lm", *words, *ALONE, "--workers", "1", "--no-report", "--json")
    assert said.code == 0, said
    return shell.folder / said.json["run"]


def test_a_model_comes_back_to_the_bit_and_reads_the_tokens_of_its_run(shell):
    run = ran(shell, *CAUSAL, ARMS, "source.tokens=bpe", "source.vocabulary=300")
    said = shell("export", str(run), "student", "--arm", "b", "--chain", "1")
    assert said.code == 0, said
    assert "generation 1, in student" in said.out
    folder, frame = str(shell.folder / "student"), Frame(run)
    kept = frame.reader.checkpoint((1, 1), 1).state
    settings = {"kind": "pydoc", "tokens": folder, "block": 8, "measured": 8}
    source = plugins.make("sources", plugins.settle("sources", settings, ""), "")
    untouched = Learner(model=folder, epochs=0)
    named = shell(
        "run", "lm", "source.tokens=student", *CAUSAL, ARMS, "learner.config={}", "learner.model=student", *ALONE
    )
    assert named.code == 0, named
    untouched.reads(source.coding)
    model = untouched.fit(source.training.take(slice(0, 3)), Streams.of(0, 0).stream(0, Purpose.FIT))
    assert model.weights.keys() == kept.keys() - {"block", "first", "fit"}
    assert all(np.array_equal(value, kept[name]) for name, value in model.weights.items())
    own = plugins.make("sources", plugins.settle("sources", {**settings, "tokens": "bpe", "vocabulary": 300}, ""), "")
    assert np.array_equal(own.training.items, source.training.items)
    again = shell("export", str(run), "student", "--arm", "b")
    assert again.code == 2
    assert "student is there already: name a new folder" in again.err


def test_a_tokenizer_that_is_written_and_read_again_counts_as_the_same(shell):
    run = ran(shell, *CAUSAL, "source.tokens=bpe", "source.vocabulary=300")
    assert shell("export", str(run), "first", "--arm", "replace").code == 0
    folder = shell.folder / "first"
    Pretrained(str(folder)).save(shell.folder / "second")
    (shell.folder / "second" / "config.json").write_bytes((folder / "config.json").read_bytes())
    (shell.folder / "second" / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    Learner(model=str(folder), epochs=0).reads(Pretrained(str(shell.folder / "second")))


@pytest.mark.parametrize(
    ("words", "options", "says"),
    [
        (("learner.kind=ngram", *SIZES), (), "a folder holds models of the family causal_lm, this one is ngram"),
        (CAUSAL, (), "words are no tokenizer that transformers reads: use source.tokens=bpe, or a model's"),
        (CAUSAL, ("--arm", "c"), "no arm 'c'; known: replace"),
        (CAUSAL, ("--chain", "7"), "chain 7 of arm replace has no state; those with one: 0, 1"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line_and_leaves_nothing(shell, words, options, says):
    run = ran(shell, *words, "arms={replace: {policy: {kind: replace}}}")
    said = shell("export", str(run), "student", *options)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not (shell.folder / "student").exists()


def test_arm_and_chain_are_refused_for_a_table(shell):
    run = ran(shell, "learner.kind=ngram", *SIZES)
    said = shell("export", str(run), "numbers.csv", "--chain", "1")
    assert said.code == 2
    assert "--chain: of a model" in said.err
