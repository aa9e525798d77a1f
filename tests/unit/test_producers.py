"""Several models that feed one pool: who is retrained when, who writes how much, and what the mixture offers."""

import math
from itertools import islice

import numpy as np
import pytest
from scipy.integrate import quad

from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, InputError
from outcross.core.loop import Chain, generations
from outcross.core.policies import web
from outcross.core.rng import Purpose, Streams
from outcross.core.schedules import Samples
from outcross.families.categorical import Learner as Categorical
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.gmm import Learner as Gmm
from outcross.families.kde import Learner as Kde
from outcross.families.ngram import Learner as Ngram
from outcross.families.producers import Learner, Together
from outcross.families.vae import Learner as Vae
from outcross.plan import web as plan
from outcross.runs import plugins
from outcross.sources.normal import Source as Normal

S = Streams.of(3, 0)
FIT, DRAW = S.stream(0, Purpose.FIT), S.stream(0, Purpose.SAMPLE)
ROWS = Corpus.of(S.stream(0, Purpose.SOURCE).generator().standard_normal((60, 1)))
TEXT = Corpus.text(np.random.default_rng(0).integers(0, 20, (40, 8)), 20)


def producers(learners, every=(), share=()):
    return Learner(learners=learners, every=dict(every), share=dict(share))


def made(node):
    return plugins.make("families", plugins.settle("families", node, "learner"), "learner")


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# ---- who is retrained when ----


def test_every_model_is_retrained_in_its_own_time_and_all_are_fitted_at_the_start():
    learner = producers({"daily": Gaussian(), "slow": Gaussian(), "never": Gaussian()}, {"slow": 3, "never": 10**6})
    at = list(islice(generations(learner, web(0.5), Normal(), 50), 8))
    means = {n: [float(g.model.models[n].law.means[0, 0]) for g in at] for n in ("daily", "slow", "never")}
    changed = {n: [t for t in range(1, 8) if m[t] != m[t - 1]] for n, m in means.items()}
    assert changed == {"daily": [1, 2, 3, 4, 5, 6, 7], "slow": [3, 6], "never": []}
    assert means["slow"][6] == means["daily"][6]  # both fitted to the whole of the same pool


def test_a_chain_goes_on_from_a_stored_state_as_if_it_had_not_stopped():
    learner = producers({"a": Gaussian(), "b": Kde()}, {"b": 3}, {"a": 0.3, "b": 0.7})
    chain = Chain(learner, web(0.5), Normal(), Samples(40))
    past = chain.step(chain.start())
    loaded = past._replace(model=learner.load(past.model.state()))
    for _ in range(3):
        past, loaded = chain.step(past), chain.step(loaded)
    assert past.pool.digest == loaded.pool.digest
    assert same(past.model.state(), loaded.model.state())


def test_a_model_draws_the_same_numbers_whatever_models_there_are_beside_it():
    alone = producers({"b": Gmm()}).fit(ROWS, FIT)
    beside = producers({"a": Gmm(), "b": Gmm()}).fit(ROWS, FIT)
    assert same(alone.models["b"].state(), beside.models["b"].state())
    one, other = (beside.models[n].sample(50, DRAW.part(n)) for n in "ab")
    assert not np.isin(one, other).any()


def test_two_networks_of_one_kind_are_two_networks():
    """A trained module takes shards of its own: a part of a stream is another key, not another shard."""
    images = Corpus.of(np.random.default_rng(0).integers(256, size=(20, 8, 8), dtype=np.uint8))
    model = producers({"a": Vae(epochs=1, width=4, latent=2), "b": Vae(epochs=1, width=4, latent=2)}).fit(images, FIT)
    a, b = (model.models[n].weights for n in "ab")
    assert not any(np.array_equal(a[key], b[key]) for key in a if a[key].ndim > 1)


def test_the_order_in_which_learners_are_written_down_changes_nothing():
    two = producers({"a": Gaussian(), "b": Gaussian()}), producers({"b": Gaussian(), "a": Gaussian()})
    a, b = (learner.fit(ROWS, FIT).sample(7, DRAW) for learner in two)
    assert np.array_equal(a, b)


# ---- who writes how much ----


class Says:
    """A model that says one number."""

    prompted = False

    def __init__(self, number):
        self.number = number

    def sample(self, n, rng, given=None):
        return np.full((n, 1), float(self.number))


@pytest.mark.parametrize(("n", "counts"), [(10, [2, 3, 5]), (1, [0, 0, 1]), (7, [1, 2, 4]), (1000, [200, 300, 500])])
def test_shares_are_exact_counts(n, counts):
    model = Together({"a": Says(0), "b": Says(1), "c": Says(2)}, {"a": 0.2, "b": 0.3, "c": 0.5})
    rows = model.sample(n, DRAW)[:, 0].astype(int)
    assert np.bincount(rows, minlength=3).tolist() == counts


def test_rows_of_all_models_are_shuffled():
    """Any first rows are a fair sample: measures look at the first of many."""
    model = Together({"a": Says(0), "b": Says(1)}, {"a": 0.5, "b": 0.5})
    first = [model.sample(1000, S.stream(t, Purpose.SAMPLE))[:100].sum() for t in range(200)]
    assert abs(np.mean(first) - 50.0) < 4.0 * math.sqrt(25.0 * 0.9 / 200)
    assert np.var(first) == pytest.approx(25.0 * 0.9, rel=0.5)  # hypergeometric


def test_a_model_that_writes_nothing_is_not_asked():
    model = Together({"a": Says(0), "b": object()}, {"a": 1.0, "b": 0.0})
    assert not model.sample(5, DRAW).any()


class Echo(Says):
    """A model of text that says what it is given to continue."""

    prompted = True

    def sample(self, n, rng, given=None):
        return np.full((n, 8), self.number) if given is None else given.items + 100 * self.number


def test_each_prompt_is_continued_once_in_its_place():
    model = Together({"a": Echo(1), "b": Echo(2)}, {"a": 0.25, "b": 0.75})
    rows = model.sample(len(TEXT), DRAW, TEXT)
    assert np.array_equal(rows % 100, TEXT.items)
    assert np.bincount(rows[:, 0] // 100)[1:].tolist() == [10, 30]


def test_prompts_go_to_the_models_that_continue_prompts():
    plain = Echo(2)
    plain.prompted = False
    rows = Together({"a": Echo(1), "b": plain}, {"a": 0.5, "b": 0.5}).sample(len(TEXT), DRAW, TEXT)
    continued = rows[:, 0] >= 100
    assert continued.sum() == 20
    assert np.array_equal(rows[continued] - 100, TEXT.items[continued])


# ---- the mixture ----


def test_density_and_law_are_those_of_the_mixture():
    learner = producers({"a": Gmm(components=2), "b": Gaussian()}, share={"a": 0.3, "b": 0.7})
    model = learner.fit(ROWS, FIT)
    x = np.linspace(-8.0, 8.0, 4001)[:, None]
    parts = [0.3 * np.exp(model.models["a"].log_prob(x)), 0.7 * np.exp(model.models["b"].log_prob(x))]
    assert np.exp(model.log_prob(x)) == pytest.approx(sum(parts), rel=1e-12)
    assert model.law.log_prob(x) == pytest.approx(model.log_prob(x), rel=1e-9)
    assert quad(lambda v: float(np.exp(model.log_prob(np.array([[v]]))[0])), -12, 12)[0] == pytest.approx(1.0, abs=1e-8)


def test_what_one_model_does_not_offer_the_mixture_does_not():
    model = producers({"a": Gmm(), "b": Kde()}).fit(ROWS, FIT)
    assert getattr(model, "law", None) is None
    assert np.isfinite(model.log_prob(ROWS.items)).all()
    hidden = Together({"a": model.models["a"], "b": Says(0)}, {"a": 0.5, "b": 0.5})
    assert not any(hasattr(hidden, name) for name in ("law", "log_prob", "probabilities", "surprisal", "known"))


def test_probabilities_of_categories_are_a_mean_by_shares():
    learner = producers({"a": Categorical(), "b": Categorical()}, {"b": 2}, {"a": 0.25, "b": 0.75})
    before = learner.fit(Corpus.of(np.array([0.0, 1.0, 2.0, 2.0])), FIT)
    model = learner.fit(Corpus.of(np.array([0.0, 0.0])), FIT._replace(generation=1), before)
    assert model.probabilities == pytest.approx([0.25 + 0.75 * 0.25, 0.75 * 0.25, 0.75 * 0.5])


def test_the_surprise_of_a_block_is_that_of_a_mixture_of_whole_blocks():
    learner = producers({"a": Ngram(order=1), "b": Ngram(order=3)}, share={"a": 0.4, "b": 0.6})
    model = learner.fit(TEXT, FIT)
    whole = [np.exp(-model.models[n].surprisal(TEXT.items).sum(axis=1)) for n in "ab"]
    assert np.exp(-model.surprisal(TEXT.items).sum(axis=1)) == pytest.approx(0.4 * whole[0] + 0.6 * whole[1], rel=1e-9)
    alone = producers({"b": Ngram(order=3)}).fit(TEXT, FIT)
    assert alone.surprisal(TEXT.items) == pytest.approx(alone.models["b"].surprisal(TEXT.items), rel=1e-9)


def test_next_tokens_have_probabilities_that_sum_to_one():
    model = producers({"a": Ngram(order=1), "b": Ngram(order=2)}).fit(TEXT, FIT)
    begun = TEXT.items[0, :3]
    blocks = np.array([[*begun, token] for token in range(20)], dtype=np.int32)
    assert np.exp(-model.surprisal(blocks)[:, -1]).sum() == pytest.approx(1.0, abs=1e-9)


# ---- settings ----


def test_what_the_learners_need_is_what_they_need_together():
    learner = producers({"a": Gaussian(), "b": Gmm(components=7)})
    assert (learner.items, learner.prompts, learner.validates) == ("numbers", "none", False)
    assert learner.least(3) == 7
    assert learner.fingerprint() == ""
    assert not hasattr(learner, "trial")
    text = producers({"a": Ngram(prompts="original"), "b": Ngram()})
    assert (text.items, text.prompts) == ("text", "original")


def test_a_trial_counts_fits_as_often_as_they_are_made():
    images = Corpus.of(np.random.default_rng(0).integers(256, size=(20, 8, 8), dtype=np.uint8))
    small = Vae(epochs=1, width=4, latent=2)
    trial = producers({"a": small, "b": small}, {"b": 10**9}).trial(images, FIT)
    assert trial.seconds > 0.0
    assert trial.model.sample(4, DRAW).shape == (4, 8, 8)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"learners": {}}, "learners is empty"),
        ({"learners": {"a/b": {"kind": "gmm"}}}, "names are letters.* got 'a/b'"),
        ({"learners": {"a": {"kind": "gnn"}}}, "learner.learners.a.kind: no model family 'gnn'"),
        ({"learners": {"a": {"kind": "gmm", "components": 0}}}, "learner.learners.a: components is 1 to 1000"),
        ({"learners": {"a": {"kind": "gmm"}}, "every": {"b": 2}}, "every: no learner b; there are a"),
        ({"learners": {"a": {"kind": "gmm"}}, "every": {"a": 0}}, "every.a is a whole number of generations, .* got 0"),
        ({"learners": {"a": {"kind": "gmm"}}, "share": {"b": 1}}, "share: no learner b; there are a"),
        ({"learners": {"a": {"kind": "gmm"}}, "share": {"a": 0.5}}, "share: all of them sum to 0.5"),
        ({"learners": {"a": {"kind": "gmm"}}, "share": {"a": 1.5}}, r"share.a is a share in \[0, 1\], got 1.5"),
        ({"learners": {"a": {"kind": "gmm"}, "b": {"kind": "kde"}}, "share": {"a": 1}}, "share: b has none"),
        (
            {"learners": {"a": {"kind": "gmm"}, "b": {"kind": "ngram"}}},
            "the same items, these have different ones: a numbers, b text",
        ),
        (
            {
                "learners": {
                    "a": {"kind": "ngram", "prompts": "original"},
                    "b": {"kind": "ngram", "prompts": "previous"},
                }
            },
            "the same prompts, these have different ones: a original, b previous",
        ),
    ],
)
def test_wrong_settings_are_refused_in_a_line(settings, says):
    with pytest.raises(InputError, match=says):
        made({"kind": "producers", **settings})


def test_a_fit_without_an_answer_says_whose_it_is():
    with pytest.raises(FitDegenerate, match="ours: 5 components need at least 5 rows, got 3"):
        producers({"ours": Gmm(components=5), "theirs": Kde()}).fit(ROWS.take(slice(0, 3)), FIT)


# ---- against plans of expected losses (plan/web.py), whose law is derived and simulated on its own ----

CHAINS, START, PERIODS = 2500, 4, 9


def expected(every):
    models = {"a": {"rows": 1}, "b": {"rows": 3, "every": every}}
    tree = {"pool": START, "periods": PERIODS, "models": models}
    return plan.periods(plan.parse(tree, "test"))[PERIODS].loss


@pytest.fixture(scope="module")
def losses():
    learner = producers({"a": Gaussian(), "b": Gaussian()}, {"b": 5}, {"a": 0.25, "b": 0.75})
    found = {"a": np.empty(CHAINS), "b": np.empty(CHAINS)}
    for number in range(CHAINS):
        last = next(islice(generations(learner, web(1.0), Normal(), START, 1, number), PERIODS, None))
        for name in found:
            found[name][number] = 1.0 - last.model.models[name].law.covariances[0, 0, 0]
    return found


def z(found, predicted):
    return (found.mean() - predicted) / (found.std(ddof=1) / math.sqrt(len(found)))


def test_two_models_lose_what_the_plan_expects(losses):
    for name, found in losses.items():
        assert abs(z(found, expected(5)[name])) < 4.0


def test_a_plan_of_models_that_are_always_retrained_is_rejected(losses):
    for name, found in losses.items():
        assert abs(z(found, expected(1)[name])) > 4.0
