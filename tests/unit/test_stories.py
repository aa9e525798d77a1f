"""A language model as the truth: its files, its tokenizer, and the divergence from it."""

import struct

import numpy as np
import pytest
import torch

from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.rng import Purpose, Streams
from outcross.families.neural import llama2c, pretrained
from outcross.families.ngram import Learner as Ngram
from outcross.measures.context import Context, Reference
from outcross.measures.perplexity import perplexity
from outcross.sources.model import Source
from shared import shared

STREAMS = Streams.of(0, 0)


@pytest.fixture(scope="module")
def files():
    folder = shared("lm-stories260K")
    return (folder / "stories260K.bin").read_bytes(), (folder / "tok512.bin").read_bytes()


@pytest.fixture(scope="module")
def folder(files, tmp_path_factory):
    path = tmp_path_factory.mktemp("stories") / "model"
    llama2c.save(*files, path)
    return str(path)


@pytest.fixture(scope="module")
def source(folder):
    torch.set_num_threads(1)
    return Source(folder, block=32, measured=120)


@pytest.fixture(scope="module")
def sample():
    """The greedy sample that the model's author prints."""
    told = (shared("lm-stories260K") / "stories260K.md").read_text()
    return told[told.index("Once upon") : told.index("We can help you.") + len("We can help you.")]


def test_the_authors_greedy_sample_is_foretold_token_by_token(source, folder, sample):
    ids = pretrained.tokenizer(folder)(sample).input_ids
    assert (len(sample), len(ids), ids[:8]) == (565, 257, [1, 403, 407, 261, 378, 432, 383, 286])
    with torch.inference_mode():
        scores = source.truth._network(input_ids=torch.tensor([ids])).logits[0]
    assert scores[:-1].argmax(dim=1).tolist() == ids[1:]
    assert source.truth.surprisal(np.array([ids], np.int32)).mean() == pytest.approx(0.4573, abs=1e-4)


def test_what_is_encoded_is_decoded_again(folder, sample):
    tokenizer = pretrained.tokenizer(folder)
    for text in (sample, "caf\u00e9 \u4f60\u597d", "two\nlines"):
        assert tokenizer.decode(tokenizer(text).input_ids[1:]) == text


def test_rows_begin_with_a_beginning_and_the_truth_knows_how_likely_they_are(source):
    rows = source.draw(400, STREAMS.stream(0, Purpose.SOURCE))
    assert (rows.items[:, 0] == llama2c.BEGIN).all()
    loss = source.truth.surprisal(rows.items).mean()
    entropy = source.truth.surprisal(source.reference(120).items).mean()
    assert loss == pytest.approx(entropy, abs=0.06), "the mean loss of its own rows is the entropy"


def test_the_truth_diverges_from_itself_by_nothing_and_from_another_by_what_it_must(source):
    reference = Reference.of(source)
    other = Ngram(order=2).fit(source.draw(300, STREAMS.stream(0, Purpose.SOURCE)), STREAMS.stream(0, Purpose.FIT))
    found = {}
    for name, model in (("itself", source.truth), ("bigrams", other)):
        found[name] = perplexity(None, Context(reference, model, model, STREAMS, 0))["kl_to_truth"]
    assert found["itself"] == 0.0
    held = reference.library.held.items
    ratio = other.surprisal(held) - source.truth.surprisal(held)
    assert found["bigrams"] == pytest.approx(ratio.mean())
    assert found["bigrams"] > 0.5


def test_real_text_has_no_known_truth():
    from outcross.sources.pydoc import Source as Pydoc

    source = Pydoc(block=8, measured=20)
    model = Ngram().fit(source.draw(50, STREAMS.stream(0, Purpose.SOURCE)), STREAMS.stream(0, Purpose.FIT))
    assert "kl_to_truth" not in perplexity(None, Context(Reference.of(source), model, model, STREAMS, 0))


def test_the_truth_can_be_fine_tuned(folder, source):
    from outcross.families.causal_lm import Learner

    rows = source.draw(64, STREAMS.stream(0, Purpose.SOURCE))
    fitted = Learner(model=folder, epochs=1, rate=1e-4).fit(rows, STREAMS.stream(0, Purpose.FIT))
    assert fitted.surprisal(rows.items).mean() == pytest.approx(source.truth.surprisal(rows.items).mean(), abs=0.1)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda b: b[:20], "cut short within its head"),
        (lambda b: b[:-4], "1,056,540 bytes are due by its head, it holds 1,056,536"),
        (lambda b: struct.pack("<7i", 64, 172, 5, 8, 4, -512, 512) + b[28:], "no model of llama2.c"),
        (lambda b: b[:28] + struct.pack("<f", float("nan")) + b[32:], "numbers that are not finite"),
    ],
)
def test_a_damaged_model_is_refused(files, spoil, says):
    with pytest.raises(InputError, match=says):
        llama2c.read(spoil(files[0]), "it")


def test_a_tokenizer_that_is_cut_short_is_refused(files):
    with pytest.raises(InputError, match="512 pieces are due, it ends after"):
        llama2c.tokenizer(files[1][:300], 512, "it")


def test_heads_are_turned_the_way_that_the_library_turns_them():
    """Permuting a head's rows twice the other way round gives them back; values and outputs stay as they are."""
    shape = llama2c.Shape(8, 4, 1, 2, 1, 5, 6)
    numbers = np.arange(sum(int(np.prod(s)) for s in shape.parts.values()), dtype=np.float32)
    _, parts = llama2c.read(struct.pack("<7i", *shape) + numbers.tobytes(), "it")
    found = llama2c.weights(shape, parts)
    query = parts["self_attn.q_proj"][0]
    assert np.array_equal(found["model.layers.0.self_attn.q_proj.weight"], query[[0, 2, 1, 3, 4, 6, 5, 7]])
    assert np.array_equal(found["model.layers.0.self_attn.v_proj.weight"], parts["self_attn.v_proj"][0])


def test_rows_that_are_asked_for_twice_are_the_same(source):
    stream = STREAMS.stream(4, Purpose.FRESH)
    assert isinstance(source.draw(3, stream), Corpus)
    assert source.draw(3, stream).digest == source.draw(3, stream).digest
