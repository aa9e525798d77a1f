"""Causal language models: the writer is the library's, training learns, and what goes wrong is said in one line."""

import json
import shutil

import numpy as np
import pytest
import torch
from scipy import stats

from outcross.core.checks import check_learner
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError, ResourceError
from outcross.core.loop import Chain, Teacher
from outcross.core.policies import replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.causal_lm import Learner
from outcross.families.neural import language, pretrained
from outcross.runs import plugins

STREAMS = Streams.of(0, 0)
FIT, DRAW = STREAMS.stream(0, Purpose.FIT), STREAMS.stream(0, Purpose.SAMPLE)
SMALL = {"hidden_size": 32, "word_embed_proj_dim": 32, "num_hidden_layers": 2, "ffn_dim": 64, "num_attention_heads": 2}
WORDS, BLOCK = 40, 12


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pool():
    """Rows that count upwards by one or two: easily learned."""
    steps = np.random.default_rng(0).integers(1, 3, size=(300, BLOCK))
    return Corpus.text((np.cumsum(steps, axis=1) % WORDS).astype(np.int32), WORDS)


def tiny(**settings) -> Learner:
    return Learner(**{"config": SMALL, "epochs": 6, "rate": 1e-2, **settings})


@pytest.fixture(scope="module")
def model(pool):
    return tiny().fit(pool, FIT)


@pytest.mark.parametrize(
    "settings",
    [
        {"beams": 1},
        {"beams": 5},
        {"beams": 5, "repetition_penalty": 2.0},
        {"beams": 3, "ends": False, "config": {**SMALL, "eos_token_id": 5}},
        {"beams": 4, "top_k": 0, "config": {**SMALL, "tie_word_embeddings": False}},
    ],
)
def test_what_a_search_writes_is_what_the_library_writes_token_by_token(pool, settings):
    made = tiny(**{"decoding": "beam", "prompts": "original", "epochs": 2, **settings}).fit(pool, FIT)
    given = pool.take(slice(0, 50))
    ours = made.sample(50, DRAW, given)
    network = made._network
    barred = {} if made.learner.ends else {"suppress_tokens": [network.config.eos_token_id]}
    theirs = network.generate(
        torch.from_numpy(given.items.astype(np.int64)),
        attention_mask=torch.ones(given.items.shape, dtype=torch.long),
        max_new_tokens=BLOCK,
        num_beams=made.learner.beams,
        do_sample=False,
        repetition_penalty=made.learner.repetition_penalty,
        eos_token_id=None,
        **barred,
    )
    assert np.array_equal(ours, theirs[:, BLOCK:].numpy())


@pytest.mark.parametrize(
    "settings",
    [{}, {"temperature": 0.7}, {"top_k": 3}, {"top_p": 0.8}, {"temperature": 1.5, "top_k": 10, "top_p": 0.9}],
)
def test_what_is_drawn_has_the_law_that_the_library_cuts_out(pool, model, settings):
    learner = tiny(prompts="original", **settings)
    one = pool.take(np.zeros(4000, dtype=np.int64))
    made = learner.load(model.state()).sample(4000, DRAW, one)[:, 0]
    due = expected(model, one.items[:1], learner)
    seen = np.bincount(made, minlength=WORDS)
    assert not seen[due < 1e-12].any(), "nothing beyond the cut"
    assert agrees(seen, due)
    if settings:
        assert not agrees(seen, expected(model, one.items[:1], tiny())), "the uncut law is another"


@pytest.mark.parametrize("share", [1e-6, 0.3, 0.9, 0.999])
def test_the_nucleus_is_the_librarys_but_for_ties(share):
    from transformers import TopPLogitsWarper

    scores = 3.0 * torch.randn(50, 211, generator=torch.Generator().manual_seed(0))
    scores[:, 150:] = -torch.inf  # as another cut leaves them
    assert torch.equal(language._nucleus(None, scores, share), TopPLogitsWarper(share)(None, scores))
    level = torch.tensor([[2.0, 2.0, 2.0, 0.0]])
    assert language._nucleus(None, level, 0.5).isfinite().tolist() == [[True, True, True, False]], "ties are kept"


def expected(model, ids, learner) -> np.ndarray:
    with torch.inference_mode():
        given = torch.from_numpy(ids.astype(np.int64))
        scores = model._network(input_ids=given).logits[:, -1, :WORDS].float()
        for cut in language._cuts(learner.writing(WORDS, model._network)):
            scores = cut(given, scores)
        return scores.softmax(dim=1)[0].numpy().astype(np.float64)


def agrees(seen, due) -> bool:
    """Chi-squared over the tokens that are expected five times and the rest together."""
    often = due * seen.sum() >= 5.0
    counts, chances = np.append(seen[often], seen[~often].sum()), np.append(due[often], due[~often].sum())
    keep = chances * seen.sum() > 0.5
    return stats.chisquare(counts[keep], chances[keep] / chances[keep].sum() * counts[keep].sum()).pvalue > 1e-4


def test_training_learns_what_there_is_to_learn(pool, model):
    least = np.log(2.0)  # one of two steps, each as likely
    found = float(model.surprisal(pool.items).mean())
    assert least < found < least + 0.15
    assert model.info["loss"] < 1.5


def test_rows_without_a_prompt_begin_as_rows_of_the_pool_do(pool, model):
    begun = model.sample(600, DRAW)[:, 0]
    assert set(np.unique(begun)) <= set(np.unique(pool.items[:, 0]))


def test_the_loss_is_that_of_the_library(pool, model):
    ids = torch.from_numpy(pool.items[:20].astype(np.int64))
    with torch.inference_mode():
        theirs = float(model._network(input_ids=ids, labels=ids).loss)
    assert model.surprisal(pool.items[:20]).mean() == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"hiden_size": 64}, "a network of type opt has no 'hiden_size'; did you mean hidden_size"),
        ({"model_type": "gpt2", "foo": 3}, "a network of type gpt2 has no 'foo'"),
    ],
)
def test_a_setting_that_a_network_does_not_have_is_refused(config, says):
    with pytest.raises(InputError, match=says):
        Learner(config=config).network(WORDS, BLOCK)


def test_a_search_takes_no_temperature():
    with pytest.raises(InputError, match="decoding=beam takes no temperature: it draws nothing"):
        Learner(decoding="beam", prompts="original", temperature=0.5)


def test_every_token_of_a_source_can_be_learned():
    """Networks keep the embedding of their padding token at zero: no token of a source may be taken for it."""
    network = tiny().network(WORDS, BLOCK)
    assert network.get_input_embeddings().padding_idx is None


def test_a_loaded_model_computes_the_same_bits(pool, model):
    again = model.learner.load(model.state())
    assert np.array_equal(again.surprisal(pool.items[:9]), model.surprisal(pool.items[:9]))
    assert again.info == model.info


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bf16"},
        {"lora": 4},
        {"schedule": "epochs", "warmup": 0.1, "clip": 0.0, "optimiser": "sgd"},
        {"config": {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 64,
                    "num_attention_heads": 2}},
        {"prompts": "previous", "decoding": "beam", "beams": 2},
    ],
)  # fmt: skip
def test_other_settings_keep_the_contract(settings):
    check_learner(tiny(epochs=1, **settings), n=60)


def test_previous_goes_on_from_the_previous_weights_and_scratch_does_not(pool, model):
    short = {"epochs": 1, "rate": 1e-5}
    warm = tiny(init="previous", **short).fit(pool, FIT, model).surprisal(pool.items).mean()
    cold = tiny(init="scratch", **short).fit(pool, FIT, model).surprisal(pool.items).mean()
    assert warm == pytest.approx(float(model.surprisal(pool.items).mean()), abs=0.05)
    assert cold > 3.0


def test_the_best_epoch_on_real_validation_data_is_kept(pool):
    """Of rows that count downwards the held-out loss is least before training has done much."""
    down = Corpus.text(np.ascontiguousarray(pool.items[:, ::-1]), WORDS)
    best = tiny(select="best").fit(pool, FIT, None, down)
    last = tiny(select="last").fit(pool, FIT, None, down)
    assert best.info["epoch"] < 6 == last.info["epoch"]
    assert best.surprisal(down.items).mean() < last.surprisal(down.items).mean()


def test_a_chain_gives_validation_data_to_a_learner_that_chooses_by_them():
    source = plugins.make("sources", plugins.settle("sources", {"kind": "pydoc", "block": 8, "measured": 20}, ""), "")
    chain = Chain(tiny(epochs=2, select="best"), replace(), source, Samples(60))
    assert chain.start().model.info["epoch"] in (1.0, 2.0)


def test_a_loss_that_diverges_ends_the_chain_with_a_reason(pool):
    with pytest.raises(FitDegenerate, match="the loss diverged in epoch 1"):
        tiny(rate=1e30, clip=0.0, optimiser="sgd").fit(pool, FIT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pretrained model of one's own: a tiny network and its tokenizer, as transformers saves them."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("pretrained")
    letters = {c: i for i, c in enumerate(["</s>", *"abcdefghijklmnopqrstuvwxyz"])}
    made = Tokenizer(models.WordLevel(letters, unk_token="</s>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>").save_pretrained(path)
    network = Learner(config={**SMALL, "max_position_embeddings": 40}).network(len(letters), 16)
    network.save_pretrained(path)
    return path


def test_a_folder_gives_the_model_and_its_tokenizer(folder, tmp_path):
    said = tmp_path / "said.txt"
    said.write_text("\n\n".join("abcdefghij" * 3 for _ in range(60)))
    settings = {"kind": "text", "path": str(said), "tokens": str(folder), "block": 16, "measured": 8}
    source = plugins.make("sources", plugins.settle("sources", settings, ""), "")
    assert source.vocabulary == 27
    assert source.coding.decode(source.training.items[0, :4]).replace(" ", "") == "abcd"
    learner = Learner(model=str(folder), epochs=1, rate=1e-6)
    begun = learner.network(27, 16, True).state_dict()
    fitted = learner.fit(source.draw(40, DRAW), FIT)
    name = "model.decoder.layers.0.fc1.weight"
    assert np.allclose(fitted.weights[name], begun[name].numpy(), atol=1e-3), "training began with these weights"
    assert learner.fingerprint() == Learner(model=str(folder)).fingerprint() != ""


def test_pickled_weights_are_refused(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled weights only .pytorch_model.bin., which are never loaded"):
        pretrained.folder_of(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpt2", "give a folder, a .gguf file, a hub id owner/name, or smollm2"),
        ("no-such.gguf", "no-such.gguf: no such file"),
        ("a b/c", "no model"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name, says):
    with pytest.raises(InputError, match=says):
        pretrained.folder_of(name)


def test_a_folder_without_weights_or_configuration_is_refused(tmp_path):
    with pytest.raises(InputError, match="no config.json"):
        pretrained.folder_of(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds no weights"):
        pretrained.folder_of(str(tmp_path))


def test_a_broken_gguf_file_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("outcross.sources.fetch.cache", lambda: tmp_path / "cache")
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(InputError, match="not a GGUF model") as raised:
        pretrained.folder_of(str(tmp_path / "x.gguf"))
    assert "\n" not in str(raised.value)


def test_without_a_network_the_line_says_where_to_put_the_files(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ResourceError, match="copy its config.json, tokenizer files and .* into a folder") as raised:
        pretrained.folder_of("facebook/opt-125m")
    assert "\n" not in str(raised.value)


def test_model_and_source_must_share_a_vocabulary(folder, pool):
    with pytest.raises(InputError, match="knows 27 tokens, the source has 40: use source.tokens="):
        Learner(model=str(folder), epochs=1).fit(pool, FIT)


def text_of(tmp_path, tokens, sep=""):
    said = tmp_path / "said.txt"
    said.write_text("\n\n".join(sep.join("abcdefghij" * 3) for _ in range(60)))
    settings = {"kind": "text", "path": str(said), "tokens": tokens, "least": 1, "block": 16, "measured": 8}
    return plugins.make("sources", plugins.settle("sources", settings, ""), "")


def test_without_an_epoch_a_pretrained_model_teaches_as_it_is(folder, tmp_path):
    source = text_of(tmp_path, str(folder))
    teacher = Teacher(Learner(model=str(folder), epochs=0), 30)
    chain = Chain(tiny(epochs=1), replace(), source, Samples(20), teacher=teacher)
    first = chain.start()
    begun = teacher.learner.network(27, 16, True).state_dict()
    assert all(np.array_equal(value, begun[name].numpy()) for name, value in first.model.weights.items())
    again = chain.load(0, first.model.state())
    assert np.array_equal(chain.step(first).pool.items, chain.step(first._replace(model=again)).pool.items)
    assert teacher.learner.trial(chain.first, FIT).seconds > 0.0


def test_a_pretrained_teacher_of_other_tokens_is_refused_though_its_vocabulary_is_large_enough(folder, tmp_path):
    teacher = Teacher(Learner(model=str(folder), epochs=0), 3)
    words = text_of(tmp_path, "words", sep=" ")
    assert words.vocabulary <= 27
    with pytest.raises(InputError, match=r"reads tokens of its own, the source gives 1. words: use source.tokens="):
        Chain(tiny(), replace(), words, Samples(3), teacher=teacher)
    other = tmp_path / "the same elsewhere"
    shutil.copytree(folder, other)
    Chain(tiny(), replace(), text_of(tmp_path, str(other)), Samples(20), teacher=teacher)


def test_a_context_shorter_than_a_block_or_than_block_and_prompt_is_refused(pool):
    with pytest.raises(InputError, match="12 tokens with the prompt, this network reads 8: use a shorter source.block"):
        tiny(config={**SMALL, "max_position_embeddings": 8}).fit(pool, FIT)
    short = tiny(config={**SMALL, "max_position_embeddings": 16}, epochs=1, prompts="original").fit(pool, FIT)
    with pytest.raises(InputError, match="24 tokens with the prompt, this network reads 16"):
        short.sample(2, DRAW, pool.take(slice(0, 2)))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": 0}, "epochs is 1 or more"),
        ({"rate": 0.0}, "rate is positive"),
        ({"temperature": 0.0}, "temperature is positive"),
        ({"repetition_penalty": -1.0}, "repetition_penalty is positive"),
        ({"warmup": 1.0}, "warmup is a share"),
        ({"lora": -1}, "lora is 0 or more"),
        ({"schedule": "sometimes"}, "schedule is constant, linear, cosine, epochs"),
        ({"init": "pretrained"}, "init=pretrained needs a model"),
        ({"model": "smollm2", "config": {"hidden_size": 3}}, "config describes a network"),
        ({"decoding": "beam"}, "use prompts=original"),
    ],
)
def test_settings_that_are_not_allowed_are_refused(settings, says):
    with pytest.raises(InputError, match=says):
        Learner(**settings)


@pytest.mark.parametrize("config", [{"model_type": "no-such"}, {"num_attention_heads": 7}, {"model_type": "vit"}])
def test_a_configuration_that_makes_no_network_is_told_in_one_line(config, pool):
    with pytest.raises(InputError, match="config: no network") as raised:
        Learner(config=config).fit(pool, FIT)
    assert "\n" not in str(raised.value)


def test_weights_of_another_network_are_refused(pool, model):
    other = Learner(config={**SMALL, "num_hidden_layers": 1})
    with pytest.raises(InputError, match="the stored weights are not this network's"):
        other.load(model.state()).surprisal(pool.items)


def test_the_step_size_follows_its_schedule():
    plan = Learner(epochs=4, rate=1e-3, schedule="epochs").plan
    pace = language._pace(plan, 40)
    whole = [1e-6 + (1e-3 - 1e-6) * (1 + np.cos(np.pi * e / 4)) / 2 for e in range(4)]
    assert [1e-3 * pace(10 * e) for e in range(4)] == pytest.approx(whole)
    assert len({pace(k) for k in range(10)}) == 1, "one size for the whole of an epoch"
    warm = language._pace(Learner(warmup=0.5, schedule="linear").plan, 20)
    assert [warm(0), warm(9), warm(10), warm(20)] == pytest.approx([0.1, 1.0, 1.0, 0.0])


def test_state_holds_tied_weights_once(model):
    assert "lm_head.weight" not in model.weights
    assert json.dumps(sorted(model.weights))  # plain names
