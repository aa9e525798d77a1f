"""A network on several devices takes the steps of one: two processes on the CPU, by gloo, stand in for two GPUs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.rng import Purpose, Streams
from outcross.families.causal_lm import Learner
from outcross.families.neural import several

FIT, DRAW = (Streams.of(0, 0).stream(0, purpose) for purpose in (Purpose.FIT, Purpose.SAMPLE))
SMALL = {"hidden_size": 32, "word_embed_proj_dim": 32, "num_hidden_layers": 2, "ffn_dim": 64, "num_attention_heads": 2}
WORDS, BLOCK = 40, 12
ONE = Learner(config=SMALL, epochs=2, batch=16, rate=3e-3, device="cpu", prompts="original")
ALL = replace(ONE, device="all")


@pytest.fixture(autouse=True)
def _two_processes(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(several, "every_gpu", lambda: several.Place(2, "cpu"))
    monkeypatch.setattr("outcross.families.neural.training.device_of", lambda _: torch.device("cpu"))


@pytest.fixture(scope="module")
def pool() -> Corpus:
    """Walks that step by one or by two; 49 rows, so that the last minibatch of 16 has one row for two processes."""
    steps = np.random.default_rng(0).integers(1, 3, size=(49, BLOCK))
    return Corpus.text((np.cumsum(steps, axis=1) % WORDS).astype(np.int32), WORDS)


@pytest.mark.parametrize("settings", [{"select": "best"}, {"lora": 2}])
def test_two_processes_train_what_one_trains(pool, settings):
    held = pool.take(slice(0, 10))
    alone, both = (replace(learner, **settings).fit(pool, FIT, validation=held) for learner in (ONE, ALL))
    assert both.info["epoch"] == alone.info["epoch"]
    assert both.info["loss"] == pytest.approx(alone.info["loss"], rel=1e-4)
    for name, value in alone.weights.items():
        assert np.allclose(both.weights[name], value, atol=2e-4), name
    untrained = replace(ONE, epochs=1, rate=1e-12, **settings).fit(pool, FIT)
    moved = max(float(np.abs(untrained.weights[n] - v).max()) for n, v in alone.weights.items())
    assert moved > 2e-3, "training moves weights by far more than what is let pass"


@pytest.mark.parametrize("decoding", ["sample", "beam"])
def test_two_processes_write_what_one_writes(pool, decoding):
    state = ONE.fit(pool, FIT).state()
    alone, both = (replace(learner, decoding=decoding).load(state) for learner in (ONE, ALL))
    given = pool.take(slice(0, 21))
    assert np.array_equal(both.sample(21, DRAW, given), alone.sample(21, DRAW, given))


def test_rows_without_prompts_are_the_same_too(pool):
    state = ONE.fit(pool, FIT).state()
    alone, both = (replace(learner, prompts="none").load(state) for learner in (ONE, ALL))
    assert np.array_equal(both.sample(8, DRAW), alone.sample(8, DRAW))


def test_a_loss_that_diverges_in_all_is_told_as_of_one(pool):
    with pytest.raises(FitDegenerate, match="the loss diverged in epoch"):
        replace(ALL, rate=1e30, clip=0.0, optimiser="sgd").fit(pool, FIT)


def test_a_trial_on_one_device_tells_the_time_of_several(pool, monkeypatch):
    monkeypatch.setattr(several, "together", None)  # processes take seconds to start, which no row is to blame for
    assert 0.0 < ALL.trial(pool, FIT).seconds < 60.0


def test_all_gpus_of_a_machine_without_one_are_refused(pool, monkeypatch):
    monkeypatch.undo()
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(InputError, match="device=all: this machine has none; use device=auto or device=cpu"):
        ALL.fit(pool, FIT)
