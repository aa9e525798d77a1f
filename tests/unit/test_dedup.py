"""Near copies: found where they were planted, and nothing else with them."""

import numpy as np
import pytest

from outcross.core.contracts import Scene
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.loop import Chain
from outcross.core.policies import replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.ngram import Learner as Ngram
from outcross.sources.pydoc import Source as Pydoc
from outcross.stages import dedup
from outcross.stages.attacks import Flood
from outcross.stages.dedup import Stage as Dedup
from outcross.stages.poison import Stage as Poison

STREAM = Streams.of(5, 0).stream(1, Purpose.STAGE)
VOCABULARY, BLOCK = 1000, 64


def scene(rows):
    return Scene(1, len(rows), len(rows), None, rows, ("token",) * BLOCK, lambda n: rows)


def kept(blocks, stream=STREAM, **settings):
    rows = Corpus.text(np.asarray(blocks, dtype=np.int32), VOCABULARY)
    return Dedup(**settings)(rows, scene(rows), stream).rows.items


def planted(share, n=100, seed=0):
    """Independent blocks, and a copy of each in which so many tokens are others."""
    chance = np.random.default_rng(seed)
    blocks = chance.integers(0, VOCABULARY, (n, BLOCK))
    copies = blocks.copy()
    for copy in copies:
        where = chance.choice(BLOCK, round(share * BLOCK), replace=False)
        copy[where] = (copy[where] + chance.integers(1, VOCABULARY, len(where))) % VOCABULARY
    return blocks, copies


def distance(one, other, run):
    """The Jaccard distance, written out."""
    a, b = ({tuple(block[i : i + run]) for i in range(len(block) - run + 1)} for block in (one, other))
    return 1 - len(a & b) / len(a | b)


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_planted_near_copies_of_text_are_found_and_independent_blocks_stay(share):
    blocks, copies = planted(share)
    left = kept(np.concatenate([blocks, copies]), within=0.4)
    assert np.array_equal(left[:100], blocks)  # the first of each two, all of them
    assert len(left) - 100 <= 2


def test_copies_farther_apart_than_within_all_stay():
    blocks, copies = planted(0.2)
    assert min(distance(a, b, 3) for a, b in zip(blocks, copies, strict=True)) > 0.4
    assert len(kept(np.concatenate([blocks, copies]), within=0.4)) == 200


@pytest.mark.parametrize("run", [1, 2, 5])
def test_no_block_is_dropped_that_is_far_from_all_that_stay(run):
    chance = np.random.default_rng(run)
    blocks = chance.integers(0, 40, (150, BLOCK))  # few tokens: by chance some share much
    left = {tuple(b) for b in kept(blocks, within=0.5, run=run).tolist()}
    for block in blocks.tolist():
        assert tuple(block) in left or min(distance(block, other, run) for other in left) <= 0.5


def test_the_same_stream_drops_the_same_blocks():
    blocks = np.concatenate(planted(0.12))
    assert np.array_equal(kept(blocks, within=0.5), kept(blocks, within=0.5))


def test_blocks_shorter_than_a_run_are_one_run():
    assert len(kept([[1, 2], [1, 2], [1, 3]], within=0.5)) == 2


def test_only_text_needs_datasketch_and_says_so(monkeypatch):
    monkeypatch.setattr(dedup, "find_spec", lambda name: None)
    blocks, _ = planted(0.0, 5)
    with pytest.raises(InputError, match=r"pip install 'outcross\[text\]'"):
        kept(blocks, within=0.2)
    assert len(kept(blocks, within=0.0)) == 5


@pytest.mark.parametrize(("settings", "told"), [({"within": 1.0}, "below 1"), ({"within": 0.2, "run": 0}, "run is 1")])
def test_settings_that_mean_nothing_are_rejected(settings, told):
    with pytest.raises(InputError, match=told):
        kept(planted(0.0, 3)[0], **settings)


def test_changed_is_for_text():
    numbers = Corpus.of(np.zeros((5, 1)))
    with pytest.raises(InputError, match="changed is for text"):
        Flood(changed=0.1)(numbers, numbers, scene(numbers), np.random.default_rng(0))


def pool(*stages):
    """The pool of generation 1, of trigrams of the reference, and what each stage did."""
    chain = Chain(Ngram(order=3), replace(), Pydoc(), Samples(300), 0, 0, "auto", stages)
    first = chain.step(chain.start())
    return first.pool, {tally.name: tally for tally in first.stages}


def apart(blocks, within):
    """Which blocks stay where every two are compared (n,)."""
    left = []
    for i, block in enumerate(blocks):
        if all(distance(block, blocks[j], 3) > within for j in left):
            left.append(i)
    return left


def test_a_flood_of_near_copies_of_text_is_taken_out_of_a_chain_and_nothing_else():
    flood = ("flood", Poison(share=0.3, attack=Flood(changed=0.05)))
    guard = ("guard", Dedup(within=0.6, on="made"))
    flooded, _ = pool(flood)
    guarded, did = pool(flood, guard)
    honest, copies = flooded.items[:210], flooded.items[210:]
    assert len(np.unique(copies, axis=0)) > 80  # equal blocks would be found without MinHash
    assert np.array_equal(guarded.items[:210], honest)
    due = len(apart(copies, 0.6))  # five of ninety, where all are compared
    assert due <= 6
    assert due <= len(guarded) - 210 <= due + 4
    assert did["guard"].dropped == 300 - len(guarded)
