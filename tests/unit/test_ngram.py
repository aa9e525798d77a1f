"""N-grams: the estimator against its definition in dicts and against nltk, all ways of decoding against brute force."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.lm import KneserNeyInterpolated
from nltk.util import everygrams
from scipy import stats

from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.loop import Chain
from outcross.core.policies import accumulate, mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.ngram import Learner
from outcross.sources.normal import Source as Normal
from outcross.sources.pydoc import Source as Pydoc

STREAMS = Streams.of(0, 0)
FIT, DRAW = STREAMS.stream(0, Purpose.FIT), STREAMS.stream(0, Purpose.SAMPLE)
MARK = -1  # begins a row
MOST = 5  # words of the longest gram
quick = settings(max_examples=60, deadline=None, derandomize=True)


class Plain:
    """Interpolated Kneser-Ney from its definition: Kneser and Ney 1995; Chen and Goodman 1999, section 2.7."""

    def __init__(
        self, rows, vocabulary, order, raw=lambda gram, order: len(gram) == order or gram[0] == MARK, question=0
    ):
        self.vocabulary, self.order = vocabulary, order
        often, before = Counter(), defaultdict(set)
        for row in rows:
            marked = (MARK, *(int(word) for word in row))
            for end in range(question + 2, len(marked) + 1):  # a question is context, no event
                for first in range(max(0, end - order), end):
                    often[marked[first:end]] += 1
        for gram in often:
            before[gram[1:]].add(gram[0])
        self.count = {gram: n if raw(gram, order) else max(1, len(before[gram])) for gram, n in often.items()}
        self.after = defaultdict(dict)
        for gram, n in self.count.items():
            self.after[gram[:-1]][gram[-1]] = n
        self.discount = []
        for length in range(1, order + 1):
            found = Counter(n for gram, n in self.count.items() if len(gram) == length)
            once, twice = found[1], found[2]
            self.discount.append(min(max(once / (once + 2 * twice) if once else 0.0, 0.1), 0.9))

    def chance(self, context, word):
        """P(word | the last order - 1 words of a context)."""
        context = tuple(int(w) for w in context)[max(0, len(context) - self.order + 1) :]
        shorter = self.chance(context[1:], word) if context else 1 / self.vocabulary
        seen, off = self.after.get(context), self.discount[len(context)]
        if not seen:
            return shorter
        whole = sum(seen.values())
        return max(seen.get(word, 0) - off, 0.0) / whole + off * len(seen) / whole * shorter

    def surprisal(self, rows):
        return np.array([[-math.log(self.chance((MARK, *r[:j]), r[j])) for j in range(1, len(r))] for r in rows])


def written(n, block, vocabulary, seed=0):
    """Rows of a Markov chain: some words are rare, some never follow others."""
    rng = np.random.default_rng(seed)
    steps = rng.dirichlet(np.full(vocabulary, 0.3), size=vocabulary).cumsum(axis=1)
    rows = rng.integers(vocabulary, size=(n, block)).astype(np.int32)
    for j in range(1, block):
        rows[:, j] = (rng.random((n, 1)) > steps[rows[:, j - 1]]).sum(axis=1).clip(max=vocabulary - 1)
    return rows


def noise(n, block, vocabulary, seed=0):
    return np.random.default_rng(seed).integers(vocabulary, size=(n, block)).astype(np.int32)


def fitted(rows, vocabulary, **options):
    return Learner(**options).fit(Corpus.text(rows, vocabulary), FIT)


def grams(model):
    """Every gram in the trie with its count, found by walking it."""
    named = {v: (v,) for v in range(model.vocabulary)} | {model.vocabulary: (MARK,)}
    for h in range(len(model.start) - 1):
        for v in range(model.start[h], model.start[h + 1]):
            named[v] = (*named[h], int(model.token[v]))
    assert len(named) == len(model.count), "every node has one context"
    assert all(named[s] == named[v][1:] for v, s in enumerate(model.suffix) if s >= 0)
    return {named[v]: int(n) for v, n in enumerate(model.count) if n}


def same(a, b):
    return all(np.array_equal(a.state()[name], b.state()[name]) for name in a.state())


# ---- the estimator ----


@pytest.mark.parametrize("order", range(1, MOST + 1))
@pytest.mark.parametrize(("n", "block", "vocabulary"), [(30, 7, 5), (12, 3, 40), (60, 2, 3), (9, 1, 4), (1, 30, 6)])
def test_counts_and_discounts_are_those_of_the_definition(order, n, block, vocabulary):
    rows = written(n, block, vocabulary, seed=order)
    model, plain = fitted(rows, vocabulary, order=order), Plain(rows, vocabulary, order)
    assert grams(model) == plain.count
    assert model.discount.tolist() == plain.discount
    assert (model.order, model.vocabulary, model.block) == (order, vocabulary, block)


@pytest.mark.parametrize("order", range(1, MOST + 1))
@pytest.mark.parametrize(("n", "block", "vocabulary"), [(30, 7, 5), (12, 3, 40), (60, 2, 3), (9, 1, 4), (1, 30, 6)])
def test_losses_are_those_of_the_definition(order, n, block, vocabulary):
    rows, others = written(n, block, vocabulary, seed=order), noise(20, 8, vocabulary)
    model, plain = fitted(rows, vocabulary, order=order), Plain(rows, vocabulary, order)
    for held in (rows, others):
        np.testing.assert_allclose(model.surprisal(held), plain.surprisal(held), rtol=0, atol=1e-12)


def test_losses_of_other_definitions_are_not_those():
    rows = written(60, 7, 5)
    ours = fitted(rows, 5, order=4).surprisal(rows)
    wrong = {
        "raw counts of all lengths": Plain(rows, 5, 4, lambda gram, order: True),
        "continuations where a row begins": Plain(rows, 5, 4, lambda gram, order: len(gram) == order),
        "one long row": Plain([rows.ravel()], 5, 4),
        "a word less in a gram": Plain(rows, 5, 3),
        "a word more to share with": Plain(rows, 6, 4),
        "one discount": Plain(rows, 5, 4),
    }
    wrong["one discount"].discount = [0.75] * 4
    for name, plain in wrong.items():
        assert np.abs(ours - plain.surprisal(rows)).max() > 1e-4, name


def nltk_losses(rows, held, order, discount):
    """nltk's, of the words that it gives a full context. To nltk the mark before a row is a word like others."""
    theirs = KneserNeyInterpolated(order, discount)
    named = [["<s>", *map(str, row)] for row in rows.tolist()]
    theirs.fit([everygrams(row, max_len=order) for row in named], itertools.chain(*named))

    def loss(row, j):
        return -math.log(theirs.unmasked_score(row[j], row[j - order + 1 : j]))

    marked = [("<s>", *map(str, row)) for row in held.tolist()]
    return np.array([[loss(row, j) for j in range(max(order - 1, 2), len(row))] for row in marked])


@pytest.mark.parametrize("order", [2, 3, 4])
def test_losses_are_those_of_nltk_where_its_definition_is_ours(order):
    """nltk has one discount, given, and takes none off single words; and of short grams at the beginning of a row it
    counts what stands before them, which is nothing. So here discounts are set, and contexts are full.
    """
    rows, held = written(80, 8, 6), noise(20, 8, 6, seed=1)
    model = fitted(rows, 6, order=order)
    vars(model)["discount"] = np.array([0.0] + [0.6] * (order - 1))
    ours = model.surprisal(held)[:, max(order - 1, 2) - 2 :]
    np.testing.assert_allclose(ours, nltk_losses(rows, held, order, 0.6), rtol=0, atol=1e-12)
    assert np.abs(ours - nltk_losses(rows, held, order, 0.5)).max() > 1e-3


@st.composite
def texts(draw):
    """Rows that use part of a small vocabulary, and what may stand before a word, seen or not."""
    vocabulary = draw(st.integers(2, 8))
    used, block = draw(st.integers(1, vocabulary)), draw(st.integers(1, 6))
    row = st.lists(st.integers(0, used - 1), min_size=block, max_size=block)
    rows = np.array(draw(st.lists(row, min_size=1, max_size=12)), dtype=np.int32)
    context = draw(st.lists(st.integers(0, vocabulary - 1), min_size=1, max_size=6))
    return rows, vocabulary, context


def law(model, prompt):
    """The probability of every next word."""
    rows = np.array([[*prompt, word] for word in range(model.vocabulary)], dtype=np.int32)
    return np.exp(-model.surprisal(rows)[:, -1])


@quick
@given(texts(), st.integers(1, MOST))
def test_probabilities_of_all_words_sum_to_one(text, order):
    rows, vocabulary, context = text
    model = fitted(rows, vocabulary, order=order)
    found = law(model, context)
    assert found.min() > 0.0
    assert abs(found.sum() - 1.0) < 1e-12
    chance, left, mass = model._smooth
    vars(model)["_smooth"] = 1.01 * chance, left, mass
    assert abs(law(model, context).sum() - 1.0) > 1e-3


@quick
@given(texts(), st.integers(1, MOST))
def test_known_tells_which_words_were_fitted(text, order):
    rows, vocabulary, _ = text
    known = fitted(rows, vocabulary, order=order).known
    assert known.tolist() == [word in rows for word in range(vocabulary)]


@pytest.mark.parametrize("order", range(1, MOST + 1))
def test_a_word_that_was_never_seen_has_a_finite_loss(order):
    rows, held = noise(50, 6, 4), noise(50, 6, 400, seed=1)
    model = fitted(rows, 400, order=order)
    assert not model.known[held].all()
    assert np.isfinite(model.surprisal(held)).all()
    without = fitted(rows, 400, order=order)
    vars(without)["discount"] = np.array([0.0, *model.discount[1:]])
    assert np.isinf(without.surprisal(held)).any(), "were nothing left to all words alike"


@pytest.mark.parametrize("order", range(1, MOST + 1))
def test_no_gram_reaches_over_the_edge_of_a_row(order):
    rows = noise(40, 5, 6)
    model = fitted(rows, 6, order=order)
    assert same(model, fitted(rows[np.random.default_rng(1).permutation(40)], 6, order=order))
    inside = {
        tuple(marked[a : a + k])
        for marked in ([MARK, *row] for row in rows.tolist())
        for k in range(1, order + 1)
        for a in range(7 - k)
    }
    assert set(grams(model)) == inside - {(MARK,)}
    if order > 1:
        shifted = np.roll(rows.ravel(), 1).reshape(rows.shape)
        assert not same(model, fitted(shifted, 6, order=order)), "the same words with other edges"


def test_a_model_is_its_state():
    model = fitted(written(50, 6, 8), 8, order=4, top_p=0.8)
    again = model.learner.load(model.state())
    assert same(model, again)
    assert np.array_equal(model.sample(20, DRAW), again.sample(20, DRAW))
    assert np.array_equal(model.surprisal(noise(9, 6, 8)), again.surprisal(noise(9, 6, 8)))


# ---- drawing ----


def agreement(counts, expected):
    """P-value of counts under a law, Pearson's chi-squared over cells of 5 or more; 0 if one was impossible."""
    if counts[expected == 0].any():
        return 0.0
    due = expected * counts.sum()
    small = due < 5
    pooled = [np.append(x[~small], x[small].sum()) for x in (counts, due)]
    found, wanted = (x[pooled[1] > 0] for x in pooled)
    return 1.0 if len(wanted) == 1 else stats.chisquare(found, wanted).pvalue


def followed(model, prompt, n=20_000):
    """How often each word comes first behind a prompt."""
    given = Corpus.text(np.tile(np.array(prompt, dtype=np.int32), (n, 1)), model.vocabulary)
    return np.bincount(model.sample(n, DRAW, given)[:, 0], minlength=model.vocabulary)


def cut(chances, top_k=0, top_p=1.0):
    """The smallest set of likeliest words that reaches top_p, at most top_k of them, and its law."""
    order = np.argsort(-chances, kind="stable")
    reach = np.flatnonzero(np.cumsum(chances[order]) >= top_p - 1e-12)
    size = min(reach[0] + 1, top_k or len(chances), len(chances))
    assert size == len(chances) or chances[order[size - 1]] > chances[order[size]] + 1e-9, "a tie at the edge"
    kept = np.where(np.isin(np.arange(len(chances)), order[:size]), chances, 0.0)
    return kept / kept.sum()


TEXT, WORDS = written(400, 4, 9, seed=9), 10  # the last of the words never occurs
PROMPTS = [(0, 1), (2, 5), (4, 3, 8), (7,), (6, 6, 6, 6), (9, 3)]  # the last two are no grams


def test_some_prompts_are_grams_and_some_are_not():
    seen = {tuple(row[a : a + k]) for row in TEXT.tolist() for k in range(1, 5) for a in range(5 - k)}
    assert [prompt in seen for prompt in PROMPTS] == [True, True, True, True, False, False]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_next_word_is_drawn_with_its_probability(order):
    model = fitted(TEXT, WORDS, order=order)
    for prompt in (*PROMPTS, (3, 9)):  # nothing is known behind 9
        assert agreement(followed(model, prompt), law(model, prompt)) > 1e-3
    assert agreement(followed(model, (2, 5)), np.full(WORDS, 1 / WORDS)) < 1e-3
    if order > 1:
        shorter = fitted(TEXT, WORDS, order=order - 1)
        assert min(agreement(followed(model, p), law(shorter, p)) for p in PROMPTS) < 1e-3


def test_each_row_continues_its_own_prompt():
    model = fitted(TEXT, WORDS, prompts="original")
    some = np.array([(0, 1), (2, 5), (9, 3)], dtype=np.int32)
    which = noise(30_000, 1, 3)[:, 0]
    made = model.sample(30_000, DRAW, Corpus.text(some[which], WORDS))
    for k, prompt in enumerate(some):
        counts = np.bincount(made[which == k, 0], minlength=WORDS)
        assert agreement(counts, law(model, prompt)) > 1e-3
        assert agreement(counts, law(model, some[k - 1])) < 1e-3


def test_words_far_apart_in_a_row_are_independent():
    made = fitted(np.arange(500).reshape(1, 500) % 50, 50, order=1).sample(100, DRAW)  # all words are as likely
    assert made.shape == (100, 500)
    for lag in range(1, 300):
        pairs_alike, due = (made[:, lag:] == made[:, :-lag]).sum(), made[:, lag:].size / 50
        assert abs(pairs_alike - due) < 5 * math.sqrt(due)
    assert (made[:-1] == made[1:]).mean() < 0.03, "nor are rows alike"


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_whole_rows_are_drawn_with_their_probability(order):
    rows = written(40, 3, 4, seed=5)
    model, plain = fitted(rows, 4, order=order), Plain(rows, 4, order)
    made = model.sample(60_000, DRAW)
    counts = np.bincount(made @ [16, 4, 1], minlength=64)
    every = list(itertools.product(range(4), repeat=3))
    exact = np.array([math.prod(plain.chance((MARK, *row[:j]), row[j]) for j in range(3)) for row in every])
    assert exact.sum() == pytest.approx(1.0, abs=1e-12)
    assert agreement(counts, exact) > 1e-3
    if order > 1:
        begun = np.array([math.prod(plain.chance(row[:j], row[j]) for j in range(3)) for row in every])
        assert agreement(counts, begun) < 1e-3, "a row begins as rows begin, not as any word may"


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("limits", [{"top_p": 0.5}, {"top_p": 0.9}, {"top_k": 3}])
def test_what_is_cut_is_never_drawn_and_the_rest_keeps_its_law(order, limits):
    model = fitted(TEXT, WORDS, order=order, **limits)
    for prompt in PROMPTS:
        counts, whole = followed(model, prompt), law(model, prompt)
        exact = cut(whole, **limits)
        assert agreement(counts, exact) > 1e-3
        assert agreement(counts, whole) < 1e-3, "the law that is not cut"
        edge = np.where(exact > 0, exact, 1.0).argmin()  # the word that crosses
        if (exact > 0).sum() > 1:
            assert agreement(counts, np.where(np.arange(WORDS) == edge, 0.0, exact)) == 0.0, "one word fewer"
        most = np.where(exact > 0, 0.0, whole).argmax()
        one_more = np.where(np.arange(WORDS) == most, whole, np.where(exact > 0, whole, 0.0))
        if whole[most] * counts.sum() > 30:
            assert agreement(counts, one_more / one_more.sum()) < 1e-3, "one word more"


def test_one_word_is_the_likeliest_and_all_words_are_no_cut():
    open_, one, all_ = (fitted(TEXT, WORDS, top_k=k) for k in (0, 1, WORDS))
    for prompt in PROMPTS:
        assert np.flatnonzero(followed(one, prompt, 200)).tolist() == [law(open_, prompt).argmax()]
        assert agreement(followed(all_, prompt), law(open_, prompt)) > 1e-3


@pytest.mark.parametrize("options", [{}, {"top_p": 0.8}, {"top_k": 4}, {"prompts": "original"}])
def test_a_row_is_the_same_however_many_are_drawn(options):
    model = fitted(TEXT, WORDS, **options)
    given = Corpus.text(noise(300, 4, 9), WORDS) if "prompts" in options else None
    some, more = (model.sample(n, DRAW, given and given.take(slice(0, n))) for n in (10, 300))
    assert np.array_equal(some, more[:10])
    assert np.array_equal(more, model.sample(300, DRAW, given))
    assert not np.array_equal(more, model.sample(300, DRAW._replace(generation=1), given))
    if given is None:
        assert len(np.unique(more, axis=0)) > 20, "and rows differ from each other"


# ---- searching ----


def continuations(model, prompt, block):
    """Every continuation of so many words, with its log probability."""
    ends = np.array(list(itertools.product(range(model.vocabulary), repeat=block)), dtype=np.int32)
    rows = np.concatenate([np.tile(np.array(prompt, dtype=np.int32), (len(ends), 1)), ends], axis=1)
    return ends, -model.surprisal(rows)[:, len(prompt) - 1 :].sum(axis=1)


def searched(model, prompt, block, beams):
    """What a beam search in lists finds, and whether a tie decided what to go on with."""
    found, tied = [(0.0, ())], False
    for _ in range(block):
        more = [(s + math.log(p), (*w, k)) for s, w in found for k, p in enumerate(law(model, (*prompt, *w)))]
        more.sort(reverse=True)
        found, tied = more[:beams], tied or more[beams - 1][0] < more[beams][0] + 1e-9
    return found[0], tied


def pairs(vocabulary):
    return Corpus.text(np.array(list(itertools.product(range(vocabulary), repeat=2))), vocabulary)


def short_of(model, given, block):
    """By how much what it wrote is less likely than the likeliest continuation of each prompt."""
    found = []
    for prompt, row in zip(given.items, model.sample(len(given), DRAW, given), strict=True):
        ends, scores = continuations(model, prompt, block)
        found.append(scores.max() - scores[(ends == row).all(axis=1)][0])
    return np.array(found)


@pytest.mark.parametrize("order", range(1, MOST + 1))
@pytest.mark.parametrize(("vocabulary", "block"), [(4, 4), (6, 3), (2, 4)])
def test_a_search_as_wide_as_all_there_is_finds_the_likeliest_continuation(order, vocabulary, block):
    rows, given, wide = written(60, block, vocabulary, seed=order), pairs(vocabulary), vocabulary ** (block - 1)
    model = fitted(rows, vocabulary, order=order, decoding="beam", prompts="original", beams=wide)
    assert np.abs(short_of(model, given, block)).max() < 1e-12


@pytest.mark.parametrize("order", [3, 4, 5])
def test_a_search_that_is_not_as_wide_misses_some(order):
    rows, given = written(600, 3, 6, seed=order), pairs(6)
    model = fitted(rows, 6, order=order, decoding="beam", prompts="original", beams=1)
    assert (short_of(model, given, 3) > 1e-3).any()


@pytest.mark.parametrize("order", range(1, MOST + 1))
@pytest.mark.parametrize("beams", [1, 2, 3])
def test_few_beams_are_a_search_with_few_and_one_is_greedy(order, beams):
    rows, given = written(2000, 4, 6, seed=order), pairs(6)
    model = fitted(rows, 6, order=order, decoding="beam", prompts="original", beams=beams)
    compared = 0
    for prompt, row in zip(given.items.tolist(), model.sample(len(given), DRAW, given), strict=True):
        (score, words), tied = searched(model, prompt, 4, beams)
        if tied and order > 1:  # alone, words in another order are as likely, and go on alike
            continue
        found = -model.surprisal(np.array([[*prompt, *row]], dtype=np.int32))[0, 1:].sum()
        assert found == pytest.approx(score, abs=1e-12)
        assert tied or row.tolist() == list(words)
        assert beams > 1 or row.tolist() == [law(model, [*prompt, *row[:j]]).argmax() for j in range(4)]
        compared += 1
    assert compared > 20


def test_a_search_draws_nothing_by_chance():
    model = fitted(TEXT, WORDS, decoding="beam", prompts="original")
    given = Corpus.text(noise(30, 4, 9), WORDS)
    made = model.sample(30, DRAW, given)
    assert np.array_equal(made, model.sample(30, FIT, given))
    assert np.array_equal(made[::-1], model.sample(30, DRAW, given.take(np.arange(30)[::-1])))


# ---- the recursion ----


class Blocks:
    """A source of text whose blocks are all different."""

    items, columns, law, rows, shape, vocabulary = "text", (), None, 400, (3,), 500
    training = Corpus.text(np.arange(400)[:, None] + np.array([0, 7, 40]), 500)

    def draw(self, n, rng):
        return self.training.subset(n, rng)

    def validation(self, n):
        return self.training.take(slice(0, n))

    reference = validation


class Echo:
    """A learner whose models write their prompts again."""

    items = "text"

    def __init__(self, prompts):
        self.prompts = prompts

    def fit(self, pool, rng, previous=None):
        return self

    load = fit

    def sample(self, n, rng, given=None):
        assert len(given) == n
        return given.items


def often(corpus):
    return Counter(map(tuple, corpus.items.tolist()))


def after(chain, generation):
    at = chain.start()
    for _ in range(generation):
        at = chain.step(at)
    return at


@pytest.mark.parametrize("generation", [1, 2, 5])
@pytest.mark.parametrize("policy", [mix(0.1, "redrawn"), mix(0.1, "fixed"), mix([0.1, 0.4], "redrawn"), replace()])
def test_every_original_block_is_continued_or_kept_never_both(policy, generation):
    chain = Chain(Echo("original"), policy, Blocks(), Samples(200), pools="rows")
    pool = after(chain, generation).pool
    assert often(pool) == often(chain.original), "each of them once"
    assert set(often(pool).values()) == {1}
    assert int((pool.born == 0).sum()) == policy.rows(generation, 200, 200).original


def test_blocks_continued_without_regard_to_those_kept_are_noticed(monkeypatch):
    monkeypatch.setattr(Chain, "_kept_rows", lambda self, m, t: np.arange(m))
    chain = Chain(Echo("original"), mix(0.1, "redrawn"), Blocks(), Samples(200), pools="rows")
    pool = after(chain, 1).pool
    assert often(pool) != often(chain.original)
    assert max(often(pool).values()) == 2


def test_blocks_of_the_previous_pool_are_continued_each_once():
    chain = Chain(Echo("previous"), replace(), Blocks(), Samples(100), pools="rows")
    first = after(chain, 1)
    assert often(first.pool) == often(chain.original)
    mixed = Chain(Echo("previous"), mix(0.5, "redrawn"), Blocks(), Samples(100), pools="rows")
    second, third = after(mixed, 1), after(mixed, 2)
    made = third.pool.take(third.pool.born > 0)
    assert len(made) == 50
    assert not often(made) - often(second.pool), "none more often than it stood there"


def test_too_few_blocks_are_continued_again_and_again():
    chain = Chain(Echo("original"), replace(), Blocks(), Samples(100, [1.0, 2.5]), pools="rows")
    counts = often(after(chain, 1).pool)
    assert counts.keys() == often(chain.original).keys()
    assert Counter(counts.values()) == {2: 50, 3: 50}


def test_all_that_was_ever_made_is_kept_beside_what_continues():
    chain = Chain(Echo("original"), accumulate(), Blocks(), Samples(100), pools="rows")
    assert set(often(after(chain, 2).pool).values()) == {3}


@pytest.mark.parametrize("options", [{}, {"decoding": "beam"}, {"top_p": 0.9}])
def test_a_chain_of_real_text_continues_every_block_of_the_whole_draw(options):
    source = Pydoc(block=16, measured=8)
    learner = Learner(prompts="original", **options)
    chain = Chain(learner, replace(), source, Samples(source.rows), pools="rows")
    assert np.array_equal(chain.original.items, source.training.items), "the whole text as it runs"
    first, second = after(chain, 1), after(chain, 2)
    for past, at in ((chain.start(), first), (first, second)):
        due = past.model.sample(source.rows, STREAMS.stream(past.t, Purpose.SAMPLE), chain.original)
        assert np.array_equal(at.pool.items, due)
        assert (at.pool.born == at.t).all()
        assert at.pool.vocabulary == source.vocabulary


def test_a_chain_without_prompts_forgets_words():
    chain = Chain(Learner(order=2), replace(), Pydoc(block=16, measured=8), Samples(500), pools="rows")
    first, later = chain.start(), after(chain, 4)
    assert later.model.known.sum() < 0.9 * first.model.known.sum()
    assert np.isfinite(later.model.surprisal(chain.source.reference(8).items)).all()


# ---- what goes wrong ----


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"order": 0}, "order is a whole number from 1 to 5, got 0"),
        ({"order": 6}, "order is a whole number from 1 to 5, got 6"),
        ({"order": 2.5}, "order is a whole number from 1 to 5, got 2.5"),
        ({"order": True}, "order is a whole number from 1 to 5, got True"),
        ({"order": "3"}, "order is a whole number from 1 to 5, got '3'"),
        ({"top_k": 1.5}, "top_k is a whole number"),
        ({"top_k": 5, "top_p": 0.9}, "by top_k or by top_p, not by both"),
        ({"decoding": "greedy"}, "decoding is one of sample, beam, got 'greedy'"),
        ({"prompts": "all"}, "prompts is one of none, original, previous, got 'all'"),
        ({"top_k": -1}, "top_k is a whole number from 0 to .*, got -1"),
        ({"top_p": 0.0}, r"top_p is a probability in \(0, 1\], got 0"),
        ({"top_p": 1.5}, r"top_p is a probability in \(0, 1\], got 1.5"),
        ({"top_p": math.nan}, r"top_p is a probability in \(0, 1\], got nan"),
        ({"beams": 0}, "beams is a whole number from 1 to 100, got 0"),
        ({"beams": 101}, "beams is a whole number from 1 to 100, got 101"),
        ({"decoding": "beam"}, "decoding=beam .*: use prompts=original"),
        ({"decoding": "beam", "prompts": "original", "top_k": 5}, "decoding=beam takes neither top_k nor top_p"),
        ({"decoding": "beam", "prompts": "original", "top_p": 0.9}, "decoding=beam takes neither top_k nor top_p"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(options, says):
    with pytest.raises(InputError, match=says) as refused:
        Learner(**options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("options", [{}, {"order": 5, "top_k": 1, "top_p": 1.0, "beams": 100, "prompts": "previous"}])
def test_settings_at_the_edge_are_allowed(options):
    assert fitted(TEXT, WORDS, **options).prompted == bool(options)


@pytest.mark.parametrize("decoding", ["sample", "beam"])
def test_a_model_that_continues_prompts_wants_some(decoding):
    model = fitted(TEXT, WORDS, decoding=decoding, prompts="original")
    with pytest.raises(InputError, match="this model continues prompts, and none are given"):
        model.sample(3, DRAW)


def test_a_pool_of_anything_but_text_is_refused():
    with pytest.raises(InputError, match="an n-gram model fits text: blocks of tokens"):
        Learner().fit(Corpus.of(np.zeros((20, 2))), FIT)
    with pytest.raises(InputError, match="the learner fits text, the source gives numbers"):
        Chain(Learner(), replace(), Normal(), Samples(30))
    with pytest.raises(InputError, match="the learner fits numbers, the source gives text: use learner.kind=ngram"):
        Chain(Gaussian(), replace(), Blocks(), Samples(30))


def test_no_text_is_a_degenerate_fit():
    with pytest.raises(FitDegenerate, match="no token to count"):
        Learner().fit(Corpus.text(np.empty((0, 4), np.int32), 9), FIT)


def test_prompts_that_cannot_be_continued_are_refused_and_harm_nothing():
    model, draw = fitted(TEXT, WORDS), STREAMS.stream(0, Purpose.SAMPLE)
    with pytest.raises(InputError, match="6 rows continue as many prompts, 2 are given"):
        model.sample(6, draw, Corpus.text(TEXT[:2], WORDS))
    with pytest.raises(InputError, match=f"prompts of {WORDS + 1} different tokens, the model knows {WORDS}"):
        model.sample(2, draw, Corpus.text(TEXT[:2], WORDS + 1))


def test_tokens_that_the_model_does_not_know_are_refused():
    with pytest.raises(InputError, match=f"tokens are 0 to {WORDS - 1}, these go from 1 to 100000000"):
        fitted(TEXT, WORDS).surprisal(np.array([[1, 10**8, 3]], np.int32))


def test_a_search_that_would_take_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr("outcross.families.ngram._MOST_BYTES", 1000)
    model = fitted(TEXT, WORDS, decoding="beam", prompts="original")
    with pytest.raises(InputError, match="beams=5 takes .* contexts: use fewer"):
        model.sample(2, STREAMS.stream(0, Purpose.SAMPLE), Corpus.text(TEXT[:2], WORDS))
