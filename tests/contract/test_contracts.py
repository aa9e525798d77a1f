"""Every kind that is discovered keeps its contract, and each check rejects a planted wrong one."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from outcross.core.checks import check_learner, check_measure, check_policy, check_source
from outcross.core.contracts import Generation, Measure, Quantity, Reading, Rows
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.mixture import Mixture
from outcross.core.policies import Blend, mix
from outcross.core.rng import FIXED, Purpose, Streams
from outcross.families.categorical import Learner as Categorical
from outcross.families.gaussian import Learner as Gaussian
from outcross.families.neural.llama2c import save
from outcross.families.ngram import Learner as Ngram
from outcross.families.vae import Learner as Vae
from outcross.measures.context import Context, Reference
from outcross.runs import plugins
from outcross.runs.models import Kept
from outcross.sources.categorical import Source as Letters
from outcross.sources.finite import Finite
from outcross.sources.images import Images, in_parts
from outcross.sources.mixture import Source as MixtureSource
from outcross.sources.normal import Source as Normal
from shared import shared

# a trainer in another language, as far as we are concerned: mean and sd of each column, in plain CSV
TRAINER = """
import csv, json, random, statistics, sys
verb, source, target, *rest = sys.argv[1:]
if verb == "fit":
    rows = [[float(v) for v in r] for r in list(csv.reader(open(source)))[1:]]
    json.dump([[statistics.fmean(c), statistics.stdev(c)] for c in zip(*rows)], open(target, "w"))
else:
    chance = random.Random(int(rest[1]))
    law = json.load(open(source))
    with open(target, "w") as out:
        print(*(f"x{j}" for j in range(len(law))), sep=",", file=out)
        for _ in range(int(rest[0])):
            print(*(repr(chance.gauss(m, s)) for m, s in law), sep=",", file=out)
"""


def command(folder: Path) -> dict[str, object]:
    script = folder / "trainer.py"
    script.write_text(TRAINER)
    run = f"{sys.executable} -S -E {script}"
    return {
        "fit": f"{run} fit {{pool}} {{model}}",
        "sample": f"{run} sample {{model}} {{out}} {{n}} {{seed}}",
        "format": "csv",
    }


def file(folder: Path) -> dict[str, object]:
    rows = np.random.default_rng(0).standard_normal((60, 2))
    np.savetxt(folder / "rows.csv", rows, delimiter=",", header="x,y", comments="")
    return {"path": str(folder / "rows.csv")}


def column(folder: Path) -> dict[str, object]:
    kinds = np.random.default_rng(0).choice(["adelie", "gentoo", "chinstrap"], size=60, p=[0.6, 0.3, 0.1])
    (folder / "kinds.csv").write_text("\n".join(["kind", *kinds, ""]))
    return {"path": str(folder / "kinds.csv"), "column": "kind"}


def mnist(folder: Path) -> dict[str, object]:
    return {"path": str(shared("mnist"))}


def image_folder(folder: Path) -> dict[str, object]:
    for i, pixels in enumerate(load_digits().images[:60].astype(np.uint8) * 15):
        (folder / str(i % 3)).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / str(i % 3) / f"{i}.png")
    return {"path": str(folder)}


def npz(folder: Path) -> dict[str, object]:
    digits = load_digits()
    np.savez(folder / "digits.npz", images=digits.images / 16, labels=digits.target)
    return {"path": str(folder / "digits.npz")}


class Noisy(nn.Module):
    """A mean image, and noise about it."""

    def __init__(self, shape, noise=0.1):
        super().__init__()
        self.mean, self.noise = nn.Parameter(torch.full(shape, 0.5)), noise

    def loss(self, images, generator):
        return (images - self.mean).square().sum()

    def sample(self, n, generator):
        return (self.mean + self.noise * torch.randn((n, *self.mean.shape), generator=generator)).clamp(0, 1)


def text(folder: Path) -> dict[str, object]:
    chance = np.random.default_rng(0)
    words = [f"word{k}" for k in range(40)]
    lines = [" ".join(chance.choice(words, size=20)) + "." for _ in range(80)]
    (folder / "said.txt").write_text("\n\n".join(lines))
    return {"path": str(folder / "said.txt"), "block": 16}


def stories(folder: Path) -> dict[str, object]:
    files = shared("lm-stories260K")
    save(*((files / name).read_bytes() for name in ("stories260K.bin", "tok512.bin")), folder / "stories")
    return {"model": str(folder / "stories"), "block": 16, "measured": 20}


def adult(folder: Path) -> dict[str, object]:
    return {"path": str(shared("tabular/adult"))}


def wikitext2(folder: Path) -> dict[str, object]:
    return {"path": str(shared("wikitext-2"))}


def module(folder: Path) -> dict[str, object]:
    return {"object": f"{__name__}:Noisy", "options": {"noise": 0.2}, "epochs": 2}


def producers(folder: Path) -> dict[str, object]:
    return {"learners": {"ours": {"kind": "gmm"}, "theirs": {"kind": "kde"}}, "every": {"theirs": 2}}


def stored(folder: Path) -> dict[str, object]:
    node = plugins.settle("families", {"kind": "gaussian"}, "learner")
    rows = Corpus.of(np.random.default_rng(0).standard_normal((60, 2)))
    state = Gaussian().fit(rows, Streams.of(0, 0).stream(0, Purpose.FIT)).state()
    (folder / "model.safetensors").write_bytes(Kept(node, state, "a model", None).safetensors())
    return {"path": str(folder / "model.safetensors"), "learner": node}


# what a kind needs before it can be built; one that needs something and is not here fails its test
NEEDED = {
    ("families", "command"): command,
    ("families", "module"): module,
    ("families", "producers"): producers,
    ("families", "stored"): stored,
    ("sources", "file"): file,
    ("sources", "column"): column,
    ("sources", "adult"): adult,
    ("sources", "mnist"): mnist,
    ("sources", "image_folder"): image_folder,
    ("sources", "npz"): npz,
    ("sources", "text"): text,
    ("sources", "model"): stories,
    ("sources", "wikitext2"): wikitext2,
}


FINDING = ("adult", "mnist", "model", "wikitext2")  # sources that find their files themselves, or download them


def built(group: str, kind: str, folder: Path, **options: object) -> object:
    needed = NEEDED.get((group, kind), lambda _: {})
    given = {**({} if "learners" in options else needed(folder)), **options}
    return plugins.make(group, plugins.settle(group, {"kind": kind, **given}, kind), kind)


COUNTED = Corpus.of(np.random.default_rng(0).poisson(3.0, (200, 2)).astype(float))
LABELLED = Corpus.of(
    np.random.default_rng(0).integers(256, size=(60, 8, 8), dtype=np.uint8), label=np.arange(60, dtype=np.int32) % 3
)
POOLS = {
    "exponential_family": COUNTED,
    "by_label": LABELLED,
}  # of a family that normal rows or category codes say nothing to


SMALL = {"kind": "diffusion", "epochs": 2, "width": 8, "steps": 4}
SOONER = {  # settings that make a fit short, or possible without a run
    "diffusion": {"epochs": 10, "width": 16},
    "neon": {"learner": SMALL, "weight": 0.5},
    "sims": {"learner": SMALL, "weight": 0.5},
}


@pytest.mark.parametrize("kind", plugins.names("families"))
def test_every_family_keeps_the_contract(kind, tmp_path):
    check_learner(built("families", kind, tmp_path, **SOONER.get(kind, {})), pool=POOLS.get(kind))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("gaussian", {"estimator": "unbiased"}),
        ("gmm", {"components": 3, "init": "previous"}),
        ("gmm", {"components": 1, "floor": 0.0}),
        ("kde", {"bandwidth": 0.2}),
        ("regression", {"design": "fixed"}),
        ("vae", {"network": "conv", "width": 4, "epochs": 1, "init": "previous", "optimiser": "sgd", "rate": 1e-5}),
        ("vae", {"epochs": 1, "likelihood": "gaussian", "sampling": "gaussian", "optimiser": "adamw"}),
        ("vae", {"epochs": 1, "sampling": "bernoulli", "precision": "bf16"}),
        ("diffusion", {"rows": "images", "epochs": 1, "width": 8, "steps": 3, "sampler": "ancestral"}),
        ("diffusion", {"rows": "images", "network": "mlp", "epochs": 1, "steps": 3, "init": "previous"}),
        ("diffusion", {"epochs": 1, "sampler": "euler", "steps": 5, "churn": 2.0}),
        ("neon", {"learner": {"kind": "vae", "epochs": 1}, "weight": -0.5}),
        ("ngram", {"order": 1}),
        ("ngram", {"order": 5, "top_p": 0.9, "prompts": "previous"}),
        ("ngram", {"decoding": "beam", "prompts": "original"}),
        ("producers", {"learners": {"a": {"kind": "gaussian"}}}),
        ("producers", {"learners": {"a": {"kind": "categorical"}, "b": {"kind": "categorical"}}}),
        ("producers", {"learners": {"a": {"kind": "ngram", "order": 2}, "b": {"kind": "ngram"}}}),
        ("producers", {"learners": {"a": {"kind": "ngram", "prompts": "original"}, "b": {"kind": "ngram"}}}),
        ("producers", {"learners": {"a": {"kind": "vae", "epochs": 1}, "b": {"kind": "vae", "epochs": 1}}}),
        ("sklearn.mixture:GaussianMixture", {"n_components": 2, "init_params": "kmeans"}),
        ("sklearn.neighbors:KernelDensity", {"bandwidth": 0.3}),
    ],
)
def test_other_settings_and_foreign_learners_keep_the_contract(kind, options, tmp_path):
    check_learner(built("families", kind, tmp_path, **options))


@pytest.mark.parametrize("kind", plugins.names("policies"))
def test_every_policy_keeps_the_contract(kind, tmp_path):
    check_policy(built("policies", kind, tmp_path))


@pytest.mark.parametrize(
    "policy",
    [
        mix(0.333, "fixed"),
        mix([0.1, 0.0, 1.0], "fresh"),
        Blend(synthetic=0.3, previous=0.3, original=0.2, fresh=0.2),
        Blend(synthetic=[1.0, 0.5], previous=[0.0, 0.5], budget=[1.0, 0.5]),
        Blend(synthetic=0.5, original=0.5, keep_all=True, budget=0.001),
    ],
)
def test_every_form_of_blend_keeps_the_contract(policy):
    check_policy(policy)


@pytest.mark.parametrize("kind", plugins.names("sources"))
def test_every_source_keeps_the_contract(kind, tmp_path):
    check_source(built("sources", kind, tmp_path))


class Hidden:
    """A model whose law nobody knows."""

    def __init__(self, law: Mixture) -> None:
        self._law = law

    def sample(self, n, rng):
        return self._law.sample(n, rng)

    def state(self):
        return {}


def seen(source, model) -> tuple[Generation, Context]:
    pool = source.draw(50, FIXED.stream(5, Purpose.SOURCE))
    fitted = Gaussian().fit(pool, FIXED.stream(5, Purpose.FIT))
    chosen = fitted if model == "known" else Hidden(fitted.law)
    return Generation(3, pool, chosen), Context(Reference.of(source), chosen, fitted, Streams.of(0, 0), 3)


FLAT = Finite("flat", np.column_stack([np.arange(80.0), np.ones(80)]), ("x", "y"))
VIEWS = ("line, known law", "plane, hidden law", "table, known law", "constant column")
LETTERS = ("categories, known", "categories, hidden")
PICTURES = ("images with labels", "images without", "images of one class")
TEXTS = ("text in words", "text in bytes, by search")
SEEN_BY = {"numbers": VIEWS, "categories": LETTERS, "images": PICTURES, "text": TEXTS}
SEEN_BY["any"] = VIEWS + LETTERS + PICTURES + TEXTS
CASES = [(n, v) for n in plugins.names("measures") for v in SEEN_BY[plugins.measures([n])[0].needs]]


@pytest.fixture(scope="module")
def views() -> dict[str, tuple[Generation, Context]]:
    plane = seen(MixtureSource(), "hidden")
    table = seen(plugins.make("sources", {"kind": "tabular"}, ""), "known")
    flat = plane[0], replace(plane[1], reference=Reference.of(FLAT))
    numbers = dict(zip(VIEWS, (seen(Normal(), "known"), plane, table, flat), strict=True))
    numbers |= dict(zip(LETTERS, (letters(hidden=False), letters(hidden=True)), strict=True))
    numbers |= dict(zip(TEXTS, (texts(tokens="words"), texts("beam", tokens="bpe", vocabulary=300)), strict=True))
    label = load_digits().target.astype(np.int32)
    return numbers | dict(zip(PICTURES, (pictures(label), pictures(None), pictures(0 * label)), strict=True))


def pictures(label) -> tuple[Generation, Context]:
    pixels = load_digits().images.astype(np.uint8) * 15
    source = Images("digits", in_parts("digits", pixels, label))
    pool = source.draw(200, FIXED.stream(5, Purpose.SOURCE))
    model = Vae(epochs=1, width=20, latent=2).fit(pool, FIXED.stream(5, Purpose.FIT))
    return Generation(0, pool, model), Context(Reference.of(source), model, model, Streams.of(0, 0), 0)


def texts(decoding="sample", **options) -> tuple[Generation, Context]:
    source = plugins.make("sources", plugins.settle("sources", {"kind": "pydoc", "measured": 40, **options}, ""), "")
    pool = source.draw(200, FIXED.stream(5, Purpose.SOURCE))
    model = Ngram(decoding=decoding, prompts="original").fit(pool, FIXED.stream(5, Purpose.FIT))
    return Generation(0, pool, model), Context(Reference.of(source), model, model, Streams.of(0, 0), 0)


def letters(hidden: bool) -> tuple[Generation, Context]:
    source = Letters()
    first = Categorical().fit(source.draw(50, FIXED.stream(5, Purpose.SOURCE)), FIXED.stream(5, Purpose.FIT))
    later = Categorical().fit(Corpus.of(first.sample(50, FIXED.stream(6, Purpose.SAMPLE))), None)
    model = Hidden(later) if hidden else later
    return Generation(3, None, model), Context(Reference.of(source), model, first, Streams.of(0, 0), 3)


@pytest.mark.parametrize(("name", "view"), CASES)
def test_every_measure_keeps_the_contract(name, view, views):
    check_measure(plugins.measures([name])[0], *views[view])


def test_a_kind_that_needs_settings_cannot_pass_without_them():
    for group, kind in NEEDED.keys() - {("sources", k) for k in FINDING}:
        with pytest.raises(InputError, match="is missing"):
            plugins.settle(group, {"kind": kind}, kind)


# ---- the checks reject what they should ----


@dataclass(frozen=True)
class Planted:
    """A Gaussian learner with one vice."""

    vice: str = ""

    def fit(self, pool, rng, previous=None):
        if self.vice == "mutates its pool":
            pool.items.flags.writeable = True
            pool.items[0] += 1.0
        law = Gaussian().fit(pool, rng).law
        if self.vice == "global chance":
            law = Mixture(law.weights, law.means + np.random.random(), law.covariances)  # noqa: NPY002  the vice itself
        return Vicious(law, self.vice)

    def load(self, state):
        law = Gaussian().load(state).law
        if self.vice == "loses its mean":
            law = Mixture(law.weights, 0.0 * law.means, law.covariances)
        return Vicious(law, self.vice)


class Vicious:
    def __init__(self, law, vice):
        self.law, self.vice = law, vice

    def sample(self, n, rng):
        rows = self.law.sample(n, rng._replace(generation=0) if self.vice == "one stream for all" else rng)
        if self.vice == "samples by global chance":
            return rows + np.random.random()  # noqa: NPY002  the vice itself
        return rows * np.nan if self.vice == "rows that are no numbers" else rows

    def state(self):
        return {"mean": self.law.means[0], "covariance": self.law.covariances[0]}


@dataclass
class Thawed:
    estimator: str = "ml"

    def fit(self, pool, rng, previous=None):
        return Gaussian().fit(pool, rng)

    def load(self, state):
        return Gaussian().load(state)


def test_check_learner_accepts_the_planted_learner_without_a_vice():
    check_learner(Planted())


@pytest.mark.parametrize(
    ("vice", "promise"),
    [
        ("mutates its pool", "leaves its pool unchanged"),
        ("global chance", "same pool and stream"),
        ("samples by global chance", "same stream gives the same rows"),
        ("loses its mean", "state it was loaded from"),
        ("one stream for all", "another stream gives other rows"),
        ("rows that are no numbers", "finite"),
    ],
)
def test_check_learner_rejects(vice, promise):
    with pytest.raises(AssertionError, match=promise):
        check_learner(Planted(vice=vice))


def test_check_learner_rejects_hyper_parameters_that_can_change():
    with pytest.raises(AssertionError, match="frozen"):
        check_learner(Thawed())


def test_check_learner_rejects_a_stretch_that_depends_on_where_it_is_cut():
    from outcross.families.gmm import Learner

    class Cut(Learner):
        def evolve(self, model, stretch):
            return super().evolve(model, stretch._replace(first=0))

    with pytest.raises(AssertionError, match="in one call and in two"):
        check_learner(Cut())


@dataclass(frozen=True)
class Counting:
    synthetic: float = 1.0
    least: int = 0
    anchor: str = "fixed"

    def rows(self, generation, samples, pool):
        return Rows(int(self.synthetic * samples) + self.least, 0, -self.least, 0)

    def budget_rows(self, generation, samples):
        return None


@pytest.mark.parametrize(
    ("policy", "promise"),
    [
        (Counting(synthetic=0.5), "gains or holds"),
        (Counting(least=1), "not negative"),
        (Counting(anchor="loose"), "anchor is"),
    ],
)
def test_check_policy_rejects(policy, promise):
    check_policy(Counting())
    with pytest.raises(AssertionError, match=promise):
        check_policy(policy)


class Leaking(Normal):
    """Trains on its own reference."""

    def draw(self, n, rng):
        return Corpus.of(self.law.sample(n, FIXED.stream(0, Purpose.REFERENCE)))


class LeakingTable(Finite):
    """Draws from all rows, held out or not."""

    rows = 100

    def draw(self, n, rng):
        if n > 100:
            raise InputError("no more")
        return Corpus.of(self._items[rng.generator().permutation(100)[:n]])


class Endless(Finite):
    """Repeats rows rather than say that there are no more."""

    def draw(self, n, rng):
        return Corpus.of(self._items[np.resize(np.arange(self.rows), n)] + 1e-3)


class Restless(Normal):
    def draw(self, n, rng):
        return Corpus.of(np.random.random((n, 1)))  # noqa: NPY002  the vice itself


TABLE = np.random.default_rng(1).standard_normal((100, 2))


@pytest.mark.parametrize(
    ("source", "promise"),
    [
        (Leaking(), "no reference row"),
        (LeakingTable("t", TABLE, ("x", "y")), "no reference row"),
        (Endless("t", TABLE, ("x", "y")), "raises InputError"),
        (Restless(), "same stream draws the same rows"),
    ],
)
def test_check_source_rejects(source, promise):
    with pytest.raises(AssertionError, match=promise):
        check_source(source)


def test_check_source_accepts_a_table_that_repeats_itself():
    check_source(Finite("coins", np.tile([[0.0], [1.0]], (50, 1)), ("side",)))


@pytest.mark.parametrize(
    ("taken", "promise"),
    [
        ({"undeclared": 1.0}, "declared"),
        ({"undeclared": np.ones(3)}, "declared"),
        ({"x": np.nan}, "says why"),
        ({"x": np.inf}, "says why"),
        (None, "repeatable"),
    ],
)
def test_check_measure_rejects(taken, promise):
    chance = np.random.default_rng(0)
    quantities = {"x": Quantity("ratio", "down", 1.0, "")}
    wrong = Measure("wrong", lambda g, c: taken or {"x": chance.random()}, quantities, False, "none")
    with pytest.raises(AssertionError, match=promise):
        check_measure(wrong, Generation(0, None, None), None)
    right = wrong._replace(take=lambda g, c: {"x": Reading(np.nan, why="singular")})
    check_measure(right, Generation(0, None, None), None)
    with pytest.raises(AssertionError, match="cites"):
        check_measure(right._replace(cite=""), Generation(0, None, None), None)
    with pytest.raises(AssertionError, match="which way"):
        check_measure(
            right._replace(quantities={"x": Quantity("", "sideways", 0.0, "")}), Generation(0, None, None), None
        )
