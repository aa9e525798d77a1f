"""Measures of text against counts by hand and by brute force, and on text whose truth is planted."""

from __future__ import annotations

import itertools
import math
import zlib
from collections import Counter

import numpy as np
import pytest
from scipy.stats import hypergeom

import outcross
from outcross.core.contracts import Generation, Reading
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.rng import FIXED, Purpose, Streams
from outcross.families.ngram import Learner
from outcross.measures import continuations, diversity, perplexity
from outcross.measures.context import Context, Reference
from outcross.measures.library import Library, Written, fingerprints
from outcross.measures.perplexity import _interval
from outcross.measures.phase import Floor, Margins, limits, phase
from outcross.runs.store import Reader
from outcross.sources.coding import END, UNKNOWN, Words
from outcross.sources.pydoc import Source as Pydoc

GENERATION = Generation(3, None, None)
CHANCE = np.random.default_rng(0)
V, BLOCK = 40, 12
LAW = (1.0 / np.arange(1, V + 1)) / (1.0 / np.arange(1, V + 1)).sum()
CODING = Words([END, UNKNOWN, *(f"w{i}" for i in range(2, V))])
STREAM = FIXED.stream(0, Purpose.MEASURE)


def text(n, seed, law=LAW, block=BLOCK):
    """Independent words."""
    return np.random.default_rng(seed).choice(len(law), size=(n, block), p=law).astype(np.int32)


def library(held=None, training=None, article=None):
    held, training = text(60, 1) if held is None else held, text(300, 2) if training is None else training
    return Library(Corpus.text(held, V, label=article), Corpus.text(training, V), CODING)


class Writer:
    """A model whose rows are given, and by which every word is independent with known chances."""

    prompted = False

    def __init__(self, rows, law=LAW):
        self.rows, self.law, self.asked = np.asarray(rows, np.int32), law, []

    def sample(self, n, rng, given=None):
        self.asked.append((n, given))
        return np.resize(self.rows, (n, self.rows.shape[1]))

    def surprisal(self, blocks):
        return -np.log(self.law[blocks[:, 1:]])

    def state(self):
        return {}


def context(rows, of=None, first=None, law=LAW):
    of = of or library()
    model = rows if hasattr(rows, "sample") else Writer(rows, law)
    return Context(Reference(of.held.items, None, library=of), model, first or model, Streams.of(0, 0), 3)


def read(measure, rows, of=None, **more):
    return measure(GENERATION, context(rows, of, **more))


def runs(rows, n):
    """Every run of n words within a row."""
    return [tuple(row[i : i + n]) for row in rows.tolist() for i in range(len(row) - n + 1)]


# ---- which words, and how often ----


def test_different_runs_are_counted_within_rows():
    held = np.array([[0, 1, 0, 1], [2, 2, 2, 2]], np.int32)  # runs of 1: 3, of 2: 01 10 22, of 3: 010 101 222, of 4: 2
    rows = np.array([[0, 1, 2, 3], [3, 0, 1, 2]], np.int32)  # 4; 01 12 23 30; 012 123 301; 0123 3012
    found = read(diversity.words, rows, library(held))
    assert [found[f"distinct_{n}"] for n in (1, 2, 3, 4)] == [4 / 3, 4 / 3, 1.0, 1.0]
    assert found["words_used"] == 4


@pytest.mark.parametrize("seed", range(3))
def test_different_runs_are_those_of_a_set(seed):
    rows, of = text(60, 10 + seed), library()
    found = read(diversity.words, rows, of)
    for n in (1, 2, 3, 4):
        assert found[f"distinct_{n}"] == len(set(runs(rows, n))) / len(set(runs(of.held.items, n)))


def test_runs_longer_than_a_row_are_not_counted():
    two = np.array([[0, 1], [1, 0]], np.int32)
    found = read(diversity.words, two, library(two, two))
    assert {name for name in found if name.startswith("distinct")} == {"distinct_1", "distinct_2"}


def test_equal_runs_have_equal_numbers_and_others_have_not():
    rows = np.array(list(itertools.product(range(6), repeat=4)), np.int32)
    assert len(np.unique(fingerprints(rows, 4))) == 6**4
    assert len(np.unique(fingerprints(rows, 1))) == 6
    assert (fingerprints(rows, 2)[:, 0] == fingerprints(rows[:, :2].copy(), 2)[:, 0]).all()


def test_the_entropy_is_that_of_the_words_as_they_occur():
    held = np.array([[0, 1, 2, 3], [0, 1, 2, 3]], np.int32)  # four words alike: log 4
    rows = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.int32)  # two alike: log 2
    assert Written.of(held, library(held)).entropy == pytest.approx(math.log(4))
    assert read(diversity.words, rows, library(held))["token_entropy_ratio"] == pytest.approx(0.5)
    rows = np.array([[0, 0, 0, 1]], np.int32)
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert Written.of(rows, library(held)).entropy == pytest.approx(expected)


def test_held_out_text_of_one_word_has_no_entropy_to_compare_with_and_says_so():
    found = read(diversity.words, text(3, 1), library(np.zeros((3, BLOCK), np.int32)))["token_entropy_ratio"]
    assert np.isnan(found.value)
    assert found.why


def test_the_rarest_words_are_those_that_together_hold_a_twentieth():
    training = np.repeat([0, 1, 2, 3, 4], [60, 35, 2, 2, 1]).astype(np.int32).reshape(10, 10)
    held = np.array([[0, 1, 2, 4], [0, 0, 0, 3]], np.int32)
    of = library(held, training)
    assert np.flatnonzero(of.rare).tolist() == [2, 3, 4]
    found = read(diversity.words, np.array([[0, 4, 4, 4], [0, 0, 0, 9]], np.int32), of)
    assert found["rare_words"] == pytest.approx(1 / 3)
    assert found["rare_mass"] == pytest.approx(1.0)  # three of eight words on both sides
    bare = read(diversity.words, held, library(held % 2, training))
    assert "held-out text has none" in bare["rare_words"].why
    assert "held-out text has none" in bare["rare_mass"].why


def test_rarefaction_is_the_mean_over_subsamples():
    tokens = np.bincount(text(20, 5, block=10).ravel(), minlength=V)
    found, sizes = diversity._rarefied(tokens, 200), diversity._sizes(200)
    whole, chance = np.repeat(np.arange(V), tokens), np.random.default_rng(1)
    tried = [[len(np.unique(chance.permutation(whole)[: int(m)])) for m in sizes] for _ in range(600)]
    error = np.std(tried, axis=0) / math.sqrt(600)
    assert (np.abs(np.mean(tried, axis=0) - found) <= 4.5 * error + 1e-9).all()
    assert found[-1] == pytest.approx((tokens > 0).sum())
    assert (sizes[0], sizes[-1], len(sizes)) == (64, 200, 25)


@pytest.mark.parametrize("tokens", [[5, 3, 1, 1], [100, 1], [1] * 80, [0, 64, 0, 64], [199]])
def test_rarefaction_is_what_the_hypergeometric_law_expects(tokens):
    tokens = np.array(tokens)
    whole = int(tokens.sum())
    found = diversity._rarefied(tokens, whole)
    expected = [sum(1 - hypergeom.pmf(0, whole, n, m) for n in tokens) for m in diversity._sizes(whole)]
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_slope_of_zipfs_law_is_found():
    for slope in (-0.7, -1.0, -1.5):
        tokens = np.rint(1e9 * np.arange(1, 3001.0) ** slope).astype(np.int64)
        assert diversity._slope(CHANCE.permutation(tokens)) == pytest.approx(slope, abs=0.01)
    assert "fewer than 20" in diversity._slope(np.arange(1, 20)).why


def test_what_is_left_of_the_vocabulary_is_what_the_model_was_fitted_on():
    of, kept = library(), text(100, 4)[:, :] // 2
    found = read(diversity.words, Learner(order=2).fit(Corpus.text(kept, V), STREAM), of)
    there = np.unique(of.training.items)
    assert found["vocabulary_left"] == np.isin(there, kept).mean()
    alive, counts = found["rare_alive"], np.bincount(of.training.items.ravel(), minlength=V)
    once = (counts > 4) & (counts <= 8)  # the bin of 5 to 8 times
    assert alive[0, 3] == once.sum()
    assert alive[1, 3] == (once & np.isin(np.arange(V), of.held.items)).sum()
    assert alive[3, 3] == (once & np.isin(np.arange(V), kept)).sum()
    assert alive[0].sum() == len(there)
    told_nothing = read(diversity.words, kept, of)
    assert "vocabulary_left" not in told_nothing
    assert np.isnan(told_nothing["rare_alive"][3]).all()


# ---- what is repeated, and what is copied ----


def longest(row):
    """The longest run that a row holds twice, by trying all."""
    for n in range(len(row) - 1, 0, -1):
        if max(Counter(tuple(row[i : i + n]) for i in range(len(row) - n + 1)).values()) > 1:
            return n
    return 0


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([1, 2, 3, 4, 5], 0),
        ([1, 2, 3, 4, 1], 1),
        ([1, 2, 3, 1, 2], 2),
        ([7, 7, 7, 7, 7], 4),
        ([1, 2, 1, 2, 1], 3),
        ([9, 1, 2, 3, 8, 1, 2, 3, 7], 3),
    ],
)
def test_the_longest_repeat_is_counted_by_hand(row, expected):
    assert longest(row) == expected
    assert diversity._longest(np.array([row], np.int32)).tolist() == [expected]


def test_the_longest_repeat_is_that_of_trying_all():
    rows = text(80, 3, np.full(4, 0.25))
    assert diversity._longest(rows).tolist() == [longest(row) for row in rows.tolist()]
    found = read(diversity.repeats, rows[:60])["longest_repeat"]
    assert found == pytest.approx(np.mean([longest(row) for row in rows[:60].tolist()]))


def test_runs_of_four_that_a_row_already_held_are_counted_by_hand():
    rows = np.array([[1, 2, 3, 4, 1, 2, 3, 4], [1, 1, 1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8]], np.int32)
    assert diversity._repeated(rows) == pytest.approx((1 + 4 + 0) / 12)  # of 4 later runs a row: 1, 4, none
    assert diversity._repeated(rows[:, :5]) == pytest.approx(1 / 3)
    rows = text(200, 8, np.full(3, 1 / 3))
    again = sum(len(r) - len(set(r)) for r in (runs(row[None], 4) for row in rows))
    assert diversity._repeated(rows) == pytest.approx(again / (200 * (BLOCK - 4)))


def test_rows_shorter_than_a_run_repeat_nothing_and_say_so():
    rows = np.array([[1, 2, 3]] * 4, np.int32)
    found = read(diversity.repeats, rows, library(rows, rows))
    assert "fewer than 4 tokens" in found["repeated_4"].why
    assert "too short" in found["verbatim_quarter"].why
    assert diversity._repeated(np.array([[1, 2, 3, 4]], np.int32)) == 0.0


def test_the_length_of_documents_is_from_end_to_end_within_a_row():
    end = CODING.end
    rows = np.array([[end, 5, 5, end, 5, end], [5, 5, end, 5, 5, 5], [5, end, end, 5, 5, 5]], np.int32)
    assert diversity._length(rows, end) == pytest.approx((3 + 2 + 1) / 3)
    assert "no document" in diversity._length(rows[1:2], end).why


def test_compression_is_that_of_zlib_relative_to_real_text():
    of = library()
    assert read(diversity.repeats, of.held.items, of)["compression"] == pytest.approx(1.0)
    same, fresh = np.tile(text(1, 9), (60, 1)), text(60, 9)
    found = [read(diversity.repeats, rows, of)["compression"] for rows in (same, fresh)]
    assert found[0] < 0.2
    assert found[1] == pytest.approx(1.0, abs=0.1)
    said = [
        "\n".join(" ".join(CODING.labels[t] for t in row) for row in rows).encode() for rows in (same, of.held.items)
    ]
    small, real = (len(zlib.compress(s, 6)) / len(s) for s in said)
    assert found[0] == pytest.approx(small / real)


def test_text_copied_from_the_training_text_is_verbatim_wherever_it_lay():
    of = library()
    training = of.training.items
    assert read(diversity.repeats, training[::5], of)["verbatim"] == 1.0
    shifted = training.ravel()[7 : 7 + 60 * BLOCK].reshape(60, BLOCK)  # over the edges of blocks
    found = read(diversity.repeats, shifted, of)
    assert (found["verbatim"], found["verbatim_quarter"]) == (1.0, 1.0)
    half = np.where(np.arange(60)[:, None] % 2, training[:60], np.full((60, BLOCK), V - 1, np.int32))
    assert read(diversity.repeats, half, of)["verbatim"] == 0.5


def test_fresh_text_is_not_verbatim_but_its_short_runs_are():
    of, fresh = library(), text(60, 77)
    known = set(runs(of.training.items.reshape(1, -1), 3))
    found = read(diversity.repeats, fresh, of)
    assert found["verbatim"] == 0.0
    assert found["verbatim_quarter"] == pytest.approx(np.mean([run in known for run in runs(fresh, 3)]))
    assert 0.2 < found["verbatim_quarter"] < 0.95


def test_rows_that_are_all_the_same_have_a_self_bleu_of_100():
    pytest.importorskip("sacrebleu")
    same, fresh = np.tile(np.arange(2, 2 + BLOCK, dtype=np.int32), (60, 1)), text(60, 4)
    assert read(diversity.self_bleu, same)["self_bleu"] == pytest.approx(100.0)
    apart = np.arange(6 * 6, dtype=np.int32).reshape(6, 6)
    assert read(diversity.self_bleu, apart, library(apart, apart))["self_bleu"] == pytest.approx(0.0, abs=1e-6)
    assert 1.0 < read(diversity.self_bleu, fresh)["self_bleu"] < 90.0


# ---- perplexity ----


def test_perplexity_is_exp_of_the_mean_loss_a_token():
    of = library()
    found = read(perplexity.perplexity, text(60, 3), of)
    loss = -np.log(LAW[of.held.items[:, 1:]])
    assert found["cross_entropy"] == pytest.approx(loss.mean())
    assert found["perplexity"].value == pytest.approx(math.exp(loss.mean()))
    entropy = -(LAW * np.log(LAW)).sum()
    assert found["perplexity"].value == pytest.approx(math.exp(entropy), rel=0.15)


def test_perplexity_of_a_fitted_model_is_that_of_its_own_chances():
    of = library()
    model = Learner(order=2).fit(of.training, STREAM)
    found = read(perplexity.perplexity, model, of)
    assert found["perplexity"].value == pytest.approx(math.exp(model.surprisal(of.held.items).mean()))
    draws = context(model, of).draws
    assert found["own_perplexity"] == pytest.approx(math.exp(model.surprisal(draws).mean()))
    medians = np.median(model.surprisal(draws).mean(axis=1))
    assert found["written_perplexity"] == pytest.approx(math.exp(medians))


def test_text_that_is_written_is_judged_by_generation_0_and_own_text_by_the_model():
    of, other = library(), LAW[::-1].copy()
    rows = text(60, 3, other)
    found = read(perplexity.perplexity, rows, of, law=other, first=Writer(rows))
    known = -np.log(LAW[rows[:, 1:]]).mean(axis=1)
    assert found["own_perplexity"] == pytest.approx(math.exp(-np.log(other[rows[:, 1:]]).mean()))
    assert found["written_perplexity"] == pytest.approx(math.exp(np.median(known)))
    assert found["cross_entropy"] == pytest.approx(-np.log(other[of.held.items[:, 1:]]).mean())
    assert found["written_high"] > 0.9, "generation 0 would never have written that"
    assert found["written_low"] == 0.0


def test_text_that_is_ever_more_likely_lies_in_the_lower_tail():
    found = read(perplexity.perplexity, np.zeros((60, BLOCK), np.int32))
    assert (found["written_low"], found["written_high"]) == (1.0, 0.0)


def test_real_text_has_a_twentieth_in_each_tail_under_itself():
    of = library(text(1000, 1))
    found = read(perplexity.perplexity, of.held.items, of)
    assert found["written_low"] == pytest.approx(0.05, abs=0.002)
    assert found["written_high"] == pytest.approx(0.05, abs=0.002)
    fresh = read(perplexity.perplexity, text(1000, 55), of)
    assert fresh["written_low"] == pytest.approx(0.05, abs=0.03)
    assert fresh["written_high"] == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("law", [LAW, np.full(V, 1e-300), np.ones(V)], ids=["alike", "beyond-the-edge", "certain"])
def test_a_histogram_of_perplexity_holds_every_block(law):
    found = read(perplexity.perplexity, text(60, 3), first=Writer(text(60, 3), law))["perplexity_histogram"]
    assert found.shape == (2, len(perplexity.EDGES) - 1)
    assert found.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert (found >= 0).all()


# ---- the interval ----


def scores(seed, articles, alike):
    """Losses of blocks, those of an article alike: mean 0; their articles, of different lengths."""
    chance = np.random.default_rng(seed)
    sizes = chance.integers(1, 12, articles)
    article = np.repeat(np.arange(articles), sizes).astype(np.int32)
    shared = chance.standard_normal(articles) * alike
    return shared[article] + chance.standard_normal(len(article)) * math.sqrt(1.0 - alike**2), article


@pytest.mark.parametrize("alike", [0.0, 0.7])
def test_the_interval_of_perplexity_covers_the_truth(alike):
    found = [_interval(*scores(seed, 40, alike)) for seed in range(400)]
    inside = sum(r.low <= 1.0 <= r.high for r in found)
    assert 370 <= inside <= 394, f"{inside} of 400 intervals hold the truth"
    assert all(r.low < r.value < r.high for r in found)


def test_the_interval_is_wider_than_that_of_independent_blocks_when_those_of_an_article_are_alike():
    def width(reading):
        return math.log(reading.high / reading.low)

    wider = [width(_interval(*scores(s, 40, 0.7))) / width(_interval(scores(s, 40, 0.7)[0], None)) for s in range(50)]
    assert np.median(wider) > 1.4
    same = [width(_interval(*scores(s, 40, 0.0))) / width(_interval(scores(s, 40, 0.0)[0], None)) for s in range(50)]
    assert np.median(same) == pytest.approx(1.0, abs=0.1)


def test_perplexity_has_the_interval_over_the_articles_of_the_held_out_text():
    article = np.repeat(np.arange(10), 6).astype(np.int32)
    held = text(60, 1)
    found = read(perplexity.perplexity, text(60, 3), library(held, article=article))["perplexity"]
    loss = -np.log(LAW[held[:, 1:]]).mean(axis=1)
    assert found == pytest.approx(_interval(loss, article)[:3] + (None,))
    assert found[:3] != pytest.approx(_interval(loss, None)[:3], rel=1e-6)


def test_few_articles_have_no_interval():
    values, article = scores(0, 5, 0.5)
    assert _interval(values, article) == Reading(pytest.approx(math.exp(values.mean())))
    assert _interval(*scores(0, 6, 0.5)).low is not None


# ---- equal sizes, prompts, continuations ----


def test_a_model_writes_as_many_blocks_as_are_held_out():
    for n in (2, 60, 301):
        of, model = library(held=text(n, 1)), Writer(text(7, 3))
        found = context(model, of)
        assert found.draws.shape == of.held.items.shape
        assert found.draws is found.draws
        assert model.asked == [(n, None)]


def test_a_model_that_continues_prompts_gets_the_same_real_ones_in_every_generation():
    one, of = library(), library()
    model = Writer(text(7, 3))
    model.prompted = True
    contexts = [context(model, one), context(model, of)]
    assert [c.draws.shape for c in contexts] == [(60, BLOCK)] * 2
    (n, first), (_, second) = model.asked
    assert (n, len(first), first.digest) == (60, 60, second.digest)
    training = {row.tobytes() for row in of.training.items}
    assert all(row.tobytes() in training for row in first.items)


def test_fewer_training_blocks_than_are_held_out_are_continued_again():
    of = library(held=text(30, 1), training=text(20, 2))
    assert len(of.prompts) == 30
    assert {row.tobytes() for row in of.prompts.items} == {row.tobytes() for row in of.training.items}


def test_every_generation_continues_the_same_held_out_prompts():
    of = library()
    model = Learner(order=3).fit(of.training, STREAM)
    found = [continuations.read(read(continuations.continuations, model, of)["continuations"]) for _ in range(2)]
    assert found[0] == found[1]
    assert [prompt for prompt, _ in found[0]] == [CODING.decode(row) for row in of.held.items[:3]]
    assert all(len(made.split()) == BLOCK for _, made in found[0])


def test_a_prompt_is_its_last_words_without_an_end_and_an_empty_one_is_refused():
    of = library()
    assert continuations.prompt(of, "w3 nothing w4").items.tolist() == [[3, 1, 4]]
    assert continuations.prompt(of, " ".join(f"w{i}" for i in range(2, 22))).items.tolist() == [list(range(10, 22))]
    with pytest.raises(InputError, match="the prompt is empty"):
        continuations.prompt(of, "  ")


def test_the_way_perplexity_is_taken_is_told():
    told = library().told()
    assert told.startswith("perplexity: 60 held-out blocks of 12 tokens (40 words), one after the other")


def test_real_text_reads_as_real_text_by_every_measure():
    source = Pydoc(block=32, measured=150)
    reference = Reference.of(source)
    found = context(Writer(source.training.items[100:250], np.full(source.vocabulary, 1.0)), reference.library)
    made = diversity.words(GENERATION, found) | diversity.repeats(GENERATION, found)
    for name in ("distinct_1", "distinct_2", "distinct_3", "token_entropy_ratio", "compression"):
        assert made[name] == pytest.approx(1.0, abs=0.25), name
    assert -1.5 < made["zipf_slope"] < -0.5
    assert made["verbatim"] == 1.0


# ---- phases ----

MARGINS = Margins(tail=0.45, variance=0.5, distance=0.5, shape=0.085, persistence=3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "none"),
        ({"rare_words": 0.46}, "none"),
        ({"rare_words": 0.44}, "early"),
        ({"rare_words": 0.0}, "early"),
        ({"distinct_2": 0.49}, "late"),  # by different pairs
        ({"distinct_2": 0.49, "rare_words": 0.0}, "late"),
        ({"cross_entropy": 4.51}, "late"),  # by the loss on real text, 4 nats at the floor
        ({"cross_entropy": 4.49}, "none"),
        ({"cross_entropy": 4.51, "distinct_2": 3.0, "rare_words": 5.0}, "late"),
        ({"cross_entropy": np.nan}, "inconclusive"),
        ({"cross_entropy": np.nan, "distinct_2": 0.1}, "late"),
        ({"rare_words": np.nan}, "inconclusive"),
        ({"rare_words": np.nan, "cross_entropy": 9.0}, "late"),
    ],
)
def test_the_phase_of_text_follows_from_pairs_loss_and_rare_words(given, expected):
    floor = {"cross_entropy": Floor(4.0, 4.0, 4.0), "distinct_2": Floor(1, 1, 1), "rare_words": Floor(1, 1, 1)}
    whole = {"distinct_2": 1.0, "cross_entropy": 4.0, "rare_words": 1.0, **given}
    readings = {name: Reading(v, why="none") for name, v in whole.items()}
    assert phase(readings, MARGINS, floor) == expected


def test_the_loss_counts_beyond_that_of_models_of_real_text():
    floor = {"cross_entropy": Floor(3.9, 4.0, 4.8)}
    assert limits("cross_entropy", MARGINS, floor) == (4.5, 4.8)


# ---- measuring changes nothing ----

TINY = ("source.block=16", "source.measured=30", "samples=80", "generations=2", "chains=2", "floor=0", "keep=all",
        "snapshots.chains=1", "snapshots.at=[0,2]")  # fmt: skip


def _states(result):
    """Every model of every chain."""
    query = "SELECT DISTINCT cell, chain, generation FROM arrays WHERE name LIKE 'state/%' ORDER BY 1, 2, 3"
    reader = Reader(result.directory)
    found = {(c, k, g): _bytes(reader.arrays((c, k), g, "state/")) for c, k, g in reader.rows(query)}
    reader.close()
    return found


def _bytes(arrays):
    return {name: values.tobytes() for name, values in arrays.items()}


@pytest.mark.parametrize("learner", [(), ("learner.prompts=original", "learner.decoding=beam", "learner.beams=2")])
def test_measures_do_not_change_what_is_measured(tmp_path, learner):
    plain = outcross.run("lm", [*TINY, *learner, "measures=[]"], out=tmp_path / "plain", workers=1, report=False)
    before = _states(plain)
    whole = outcross.run("lm", [*TINY, *learner], out=tmp_path / "whole", workers=1, report=False)
    assert len(before) == 2 * 2 * 3
    assert _states(whole) == before
    added = outcross.run("lm", [*TINY, *learner], out=tmp_path / "plain", workers=1, report=False)
    assert added.directory == plain.directory
    assert _states(added) == before
    assert added.json()["content"] == whole.json()["content"]
    assert added.json()["measures"] == whole.json()["measures"]


@pytest.mark.parametrize(("share", "shown"), [(0.55, True), (0.5, False)])
def test_the_papers_prompt_is_shown_where_most_of_its_words_are_known_whatever_its_punctuation(share, shown):
    told = continuations.PROMPT.split()
    said = [word for word in told if any(c.isalpha() for c in word)]
    marks = [word for word in told if word not in said]
    known = list(dict.fromkeys(said))
    while sum(word in known for word in said) > share * len(said):
        known.pop()
    coding = Words([END, UNKNOWN, *dict.fromkeys(marks), *known])
    blocks = Corpus.text(np.zeros((2, 64), np.int32), coding.size)
    assert continuations._readable(Library(blocks, blocks, coding)) is shown
