"""Rows that are a question and its answer: the question is kept, and only answers are learned and scored."""

import numpy as np
import pytest
import torch
from test_ngram import Plain, written

from outcross.core.checks import check_learner
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.loop import Chain, Teacher
from outcross.core.policies import mix, replace
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.causal_lm import Learner as Causal
from outcross.families.neon import Learner as Neon
from outcross.families.neural import language
from outcross.families.ngram import Learner as Ngram
from outcross.families.producers import Learner as Producers
from outcross.runs import plugins

STREAMS = Streams.of(0, 0)
FIT, DRAW = STREAMS.stream(0, Purpose.FIT), STREAMS.stream(0, Purpose.SAMPLE)
WORDS, BLOCK, QUESTION = 12, 9, 4
SMALL = {"hidden_size": 16, "word_embed_proj_dim": 16, "num_hidden_layers": 1, "ffn_dim": 16, "num_attention_heads": 2}
ASKED = {"prompts": "original", "question": QUESTION}
CAUSAL = Causal(config=SMALL, epochs=2, batch=20, rate=1e-2, **ASKED)
LEARNERS = {
    "ngram": Ngram(**ASKED),
    "ngram by nucleus": Ngram(top_p=0.8, **ASKED),
    "ngram by search": Ngram(decoding="beam", **ASKED),
    "causal_lm": CAUSAL,
    "causal_lm by search": Causal(config=SMALL, epochs=1, decoding="beam", **ASKED),
    "producers": Producers(learners={"a": Ngram(**ASKED), "b": CAUSAL}),
    "neon": Neon(learner=CAUSAL, weight=0.5),
}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pool():
    return Corpus.text(written(60, BLOCK, WORDS), WORDS)


class Questions:
    """Blocks of text whose first tokens are a question."""

    items, columns, rows, shape, vocabulary, question = "text", (), None, (BLOCK,), WORDS, QUESTION

    def draw(self, n, rng):
        return Corpus.text(rng.generator().integers(WORDS, size=(n, BLOCK)).astype(np.int32), WORDS)


# ---- every family ----


@pytest.mark.parametrize("name", LEARNERS)
def test_a_row_keeps_its_question_and_the_answer_is_new(name, pool):
    model = LEARNERS[name].fit(pool, FIT)
    given = pool.take(slice(0, 40))
    made = model.sample(40, DRAW, given)
    assert made.shape == (40, BLOCK)
    assert np.array_equal(made[:, :QUESTION], given.items[:, :QUESTION])
    assert not np.array_equal(made, given.items)
    other = Corpus.text(np.hstack([given.items[:, :QUESTION], given.items[:, QUESTION:][:, ::-1]]), WORDS)
    assert np.array_equal(model.sample(40, DRAW, other), made), "what stands where the answer goes tells nothing"


@pytest.mark.parametrize("name", LEARNERS)
def test_the_loss_is_of_answers_alone(name, pool):
    model = LEARNERS[name].fit(pool, FIT)
    assert model.surprisal(pool.items).shape == (60, BLOCK - QUESTION)


@pytest.mark.parametrize("name", ["ngram", "causal_lm"])
def test_learners_of_answers_keep_the_contract(name, pool):
    check_learner(LEARNERS[name], pool=pool)


# ---- n-grams: known truth ----


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("question", [1, 2, 5, BLOCK - 1])
def test_ngrams_count_what_ends_in_an_answer_as_the_definition_does(order, question, pool):
    model = Ngram(order=order, prompts="original", question=question).fit(pool, FIT)
    other = written(30, BLOCK, WORDS, seed=1)
    truth, wrong = (Plain(pool.items, WORDS, order, question=q) for q in (question, 0))
    np.testing.assert_allclose(model.surprisal(other), truth.surprisal(other)[:, question - 1 :], rtol=1e-12)
    assert not np.allclose(model.surprisal(other), wrong.surprisal(other)[:, question - 1 :], rtol=1e-3)


@pytest.mark.parametrize("settings", [{}, {"top_k": 3}, {"top_p": 0.7}])
def test_ngrams_draw_answers_by_their_probabilities(settings, pool):
    model = Ngram(order=3, **ASKED, **settings).fit(pool, FIT)
    truth, n = Plain(pool.items, WORDS, 3, question=QUESTION), 20_000
    given = Corpus.text(np.repeat(pool.items[:1], n, axis=0), WORDS)
    p = np.array([truth.chance(pool.items[0, :QUESTION], w) for w in range(WORDS)])
    if "top_k" in settings:
        p[p < np.sort(p)[-3]] = 0.0
    if "top_p" in settings:
        p[np.argsort(-p)[1 + np.searchsorted(np.cumsum(np.sort(p)[::-1]), 0.7) :]] = 0.0
    p /= p.sum()
    seen = np.bincount(model.sample(n, DRAW, given)[:, QUESTION], minlength=WORDS)
    assert (seen[p == 0.0] == 0).all()
    assert (np.abs(seen / n - p) < 5.0 * np.sqrt(p * (1.0 - p) / n) + 1e-12).all()


def test_a_word_of_questions_alone_is_not_known_to_ngrams():
    rows = np.tile(np.array([0, 1, 2, 3], np.int32), (20, 1))
    known = Ngram(order=3, prompts="original", question=2).fit(Corpus.text(rows, 5), FIT).known
    assert known.tolist() == [False, False, True, True, False]


# ---- networks: the mask ----


def test_the_loss_of_a_fit_leaves_out_the_words_of_a_question(pool):
    network = CAUSAL.network(WORDS, BLOCK)
    blocks = torch.from_numpy(pool.items.astype(np.int64))
    loss = language._loss(network, blocks, "fp32", QUESTION)
    whole = language._loss(network, blocks, "fp32")
    assert loss.shape == (60, BLOCK - QUESTION)
    torch.testing.assert_close(loss, whole[:, QUESTION - 1 :])


def test_a_network_learns_answers_and_not_questions():
    """Questions are all alike and would be learned at once; answers are a rule of the question's last word."""
    rows = np.tile(np.array([3, 1, 4, 1], np.int32), (200, 1))
    last = np.random.default_rng(0).integers(5, WORDS, size=200)
    rows = np.column_stack([rows[:, :3], last, last]).astype(np.int32)
    settings = {"config": SMALL, "epochs": 40, "batch": 50, "rate": 1e-2, "prompts": "original"}
    asked = Causal(**settings, question=4).fit(Corpus.text(rows, WORDS), FIT)
    plain = Causal(**settings).fit(Corpus.text(rows, WORDS), FIT)
    assert asked.surprisal(rows).mean() < 0.3
    assert plain.surprisal(rows)[:, :2].mean() < 0.3
    unasked = asked.learner.network(WORDS, 5)
    language.from_state(unasked, asked.weights)
    assert language.surprisal(unasked, rows, "fp32")[:, :2].mean() > 1.5, "nobody taught it the question"


# ---- chains ----


@pytest.mark.parametrize("policy", [replace(), mix(0.2, "fixed")])
def test_a_taught_student_has_the_questions_of_its_own_real_rows_and_what_the_teacher_answers(policy):
    student, teacher = Ngram(**ASKED), Teacher(CAUSAL, 40)
    chain = Chain(student, policy, Questions(), Samples(30), teacher=teacher)
    first = chain.start()
    assert first.model.surprisal(chain.original.items).shape == (30, BLOCK - QUESTION)
    second = chain.step(first)
    asked = {row[:QUESTION].tobytes() for row in chain.original.items}
    assert {row[:QUESTION].tobytes() for row in second.pool.items} == asked
    real = {row.tobytes() for row in chain.original.items}
    assert sum(row.tobytes() in real for row in second.pool.items) == round(30 * (0.0 if policy == replace() else 0.2))


def test_a_chain_with_questions_goes_on_bit_for_bit_from_a_stored_state():
    chain = Chain(Ngram(**ASKED), replace(), Questions(), Samples(30), teacher=Teacher(CAUSAL, 40))
    line = [chain.start()]
    for _ in range(3):
        line.append(chain.step(line[-1]))
    for t in range(3):
        again = chain.load(t, line[t].model.state())
        assert np.array_equal(chain.step(line[t]._replace(model=again)).pool.items, line[t + 1].pool.items)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"question": 3}, "question keeps the beginning of a row's prompt: use prompts=original or previous"),
        ({"question": -1, "prompts": "original"}, "question is a whole number from 0"),
        ({"question": True, "prompts": "original"}, "question is a whole number from 0"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(settings, says):
    for kind in (Ngram, Causal):
        with pytest.raises(InputError, match=says):
            kind(**settings)


@pytest.mark.parametrize("kind", [Ngram, Causal])
def test_a_question_as_long_as_a_row_or_longer_is_refused(kind, pool):
    with pytest.raises(InputError, match="question=9 leaves no answer in rows of 9 tokens: use a smaller") as raised:
        kind(prompts="original", question=BLOCK).fit(pool, FIT)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["ngram", "causal_lm"])
def test_prompts_shorter_than_a_question_are_refused(name, pool):
    model = LEARNERS[name].fit(pool, FIT)
    with pytest.raises(InputError, match="prompts of 3 tokens, this model answers questions of 4"):
        model.sample(2, DRAW, Corpus.text(pool.items[:2, :3].copy(), WORDS))


def test_a_source_of_questions_names_the_setting_to_a_learner_that_does_not_know_it():
    for wrong in (Ngram(), Ngram(prompts="original", question=3)):
        with pytest.raises(InputError, match="rows begin with questions of 4 tokens: use learner.question=4"):
            Chain(wrong, replace(), Questions(), Samples(30))
        with pytest.raises(InputError, match=r"questions of 4 tokens: use teacher.learner.question=4"):
            Chain(Ngram(**ASKED), replace(), Questions(), Samples(30), teacher=Teacher(wrong, 9))


def test_producers_of_one_pool_answer_the_same_questions():
    with pytest.raises(InputError, match="learners of one pool have the same question"):
        Producers(learners={"a": Ngram(**ASKED), "b": Ngram(prompts="original")})


def test_runs_made_before_questions_keep_their_digest():
    for kind in ("ngram", "causal_lm"):
        node = plugins.settle("families", {"kind": kind}, "learner")
        assert node["question"] == 0
        assert "question" not in plugins.named("families", node)
        assert "question" in plugins.named("families", {**node, "question": 3, "prompts": "original"})
