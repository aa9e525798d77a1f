"""Measures of images against other implementations, and on images whose truth is planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from scipy.spatial.distance import cdist
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from outcross.core.contracts import Generation
from outcross.core.corpus import Corpus, intensities
from outcross.core.errors import InputError
from outcross.core.rng import FIXED, Purpose, Streams
from outcross.families.neural import classifier
from outcross.measures import classes, images, latent
from outcross.measures.context import Context, Reference
from outcross.measures.gallery import Gallery
from outcross.measures.neighbours import Manifold, nearest, overlap, ranked
from outcross.sources.digits import Source as Digits

GENERATION = Generation(3, None, None)


def vectors(n, d, seed, shift=0.0):
    return (np.random.default_rng(seed).standard_normal((n, d)) + shift).astype(np.float32)


# ---- against other implementations ----


def test_the_frechet_distance_is_that_of_torchmetrics():
    fake, real = vectors(500, 12, 0, 0.3), vectors(700, 12, 1)
    moments = [torch.tensor(np.asarray(m, dtype=np.float64)) for x in (fake, real) for m in (x.mean(0), np.cov(x.T))]
    assert images.frechet(fake, real) == pytest.approx(float(_compute_fid(*moments)), rel=1e-6)


def test_the_kernel_distance_is_that_of_torchmetrics():
    fake, real = vectors(60, 8, 0, 0.3).astype(float), vectors(60, 8, 1).astype(float)
    gamma, x, y = 1.0 / 8, torch.tensor(fake), torch.tensor(real)
    kernels = [(gamma * a @ b.T + 1.0) ** 3 for a, b in ((x, x), (x, y), (y, y))]
    from torchmetrics.image.kid import maximum_mean_discrepancy

    assert images.discrepancy(fake, real) == pytest.approx(float(maximum_mean_discrepancy(*kernels)), rel=1e-9)
    assert images.discrepancy(fake, real) == pytest.approx(float(poly_mmd(x, y)), rel=1e-6)


@pytest.mark.parametrize("k", [1, 5])
def test_precision_to_coverage_are_those_of_prdc(k):
    real, fake = vectors(700, 16, 0), vectors(700, 16, 1, 0.4)
    theirs = compute_prdc(real, fake, nearest_k=k)
    ours = overlap(Manifold.of(real, k), Manifold.of(fake, k), k)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(ours, name) == pytest.approx(theirs[name], abs=1e-12), name


def test_the_nearest_vector_is_found_far_from_the_origin():
    a, b = vectors(200, 5, 0, 1000.0), vectors(300, 5, 1, 1000.0)
    assert nearest(a, b) == pytest.approx(cdist(a, b).min(axis=1), rel=2e-3)


# ---- intervals ----


def test_the_interval_of_the_frechet_distance_covers_its_scatter():
    inside, found = 0, [images.jackknife(vectors(400, 4, 2 * s, 0.5), vectors(400, 4, 2 * s + 1)) for s in range(100)]
    middle = np.mean([r.value for r in found])
    for reading in found:
        assert reading.low < reading.value < reading.high
        inside += reading.low <= middle <= reading.high
    assert inside >= 88, f"{inside} of 100 intervals hold the mean"


def test_the_interval_of_the_kernel_distance_covers_nothing_for_equal_laws():
    found = [images.kernel_distance(vectors(400, 4, 2 * s), vectors(400, 4, 2 * s + 1)) for s in range(100)]
    inside = sum(r.low <= 0.0 <= r.high for r in found)
    assert inside >= 88, f"{inside} of 100 intervals hold zero"


# ---- planted truths ----


class Drawer:
    """A model whose images are drawn from given ones."""

    def __init__(self, pixels):
        self.pixels = intensities(pixels)

    def sample(self, n, rng):
        return self.pixels[rng.generator().integers(len(self.pixels), size=n)]

    def state(self):
        return {}


@pytest.fixture(scope="module")
def reference():
    return Reference.of(Digits())


def read(reference, measure, pixels, first=None):
    model = Drawer(pixels)
    return measure(GENERATION, Context(reference, model, first or model, Streams.of(0, 0), 3))


def real(reference):
    return reference.gallery.training.items


def test_the_classifier_knows_real_digits_and_its_weights_can_be_made_again(reference):
    gallery = reference.gallery
    assert gallery.accuracy >= 0.97
    again = classifier.train(gallery.training, 10, FIXED.stream(0, Purpose.CLASSIFIER))
    assert again.digest == gallery.classifier.digest
    assert gallery.classifier.digest[:12] in gallery.told


def test_a_damaged_classifier_in_the_cache_is_made_anew(reference):
    corpus = reference.gallery.training
    place = classifier._place(corpus, 10)
    place.write_bytes(place.read_bytes()[:1000])
    assert classifier.cached(corpus, 10) is None
    assert classifier.real(corpus, 10).digest == reference.gallery.classifier.digest
    assert classifier.cached(corpus, 10) is not None


def test_real_images_lose_nothing(reference):
    found = read(reference, classes.balance, real(reference))
    assert found["classes_lost"] == 0
    assert found["class_tv"] < 0.1
    assert found["class_entropy_ratio"] == pytest.approx(1.0, abs=0.02)
    assert found["ambiguous"].value < 0.05
    assert read(reference, images.variance, real(reference))["pixel_variance_ratio"] == pytest.approx(1.0, abs=0.05)
    covered = read(reference, images.coverage, real(reference))
    assert covered["rare_coverage"] == pytest.approx(1.0, abs=0.3)
    assert covered["image_coverage"] > 0.9


def test_classes_left_out_are_lost_and_counted(reference):
    kept = real(reference)[~np.isin(reference.gallery.training.label, (3, 7))]
    found = read(reference, classes.balance, kept)
    assert found["classes_lost"] == 2
    assert found["class_tv"] == pytest.approx(0.2, abs=0.05)
    assert found["class_shares"][[3, 7]].max() < 0.01


def test_images_between_two_classes_are_ambiguous(reference):
    label, pixels = reference.gallery.training.label, real(reference).astype(float)
    merged = [(pixels[label == k][:100] + pixels[label == k + 1][:100]) / 2 for k in range(0, 9, 2)]
    assert read(reference, classes.balance, np.concatenate(merged).astype(np.uint8))["ambiguous"].value > 0.15


def test_rare_styles_go_first_when_each_class_keeps_its_middle(reference):
    gallery = reference.gallery
    features, label = gallery.vectors(real(reference)), gallery.training.label
    kept = []
    for k in range(10):
        mine = np.flatnonzero(label == k)
        distance = np.linalg.norm(features[mine] - features[mine].mean(axis=0), axis=1)
        kept.append(mine[distance < np.quantile(distance, 0.5)])
    found = read(reference, images.coverage, real(reference)[np.concatenate(kept)])
    whole = read(reference, images.coverage, real(reference))
    assert found["rare_coverage"] < 0.5 * whole["rare_coverage"]
    assert found["image_coverage"] > 0.7 * whole["image_coverage"]
    assert read(reference, classes.balance, real(reference)[np.concatenate(kept)])["classes_lost"] == 0


def test_one_image_alone_has_no_variance_and_covers_nothing(reference):
    one = np.repeat(real(reference)[:1], 50, axis=0)
    assert read(reference, images.variance, one)["pixel_variance_ratio"] == pytest.approx(0.0, abs=1e-6)
    assert read(reference, images.coverage, one)["image_coverage"] < 0.02
    assert read(reference, classes.balance, one)["classes_lost"] == 9
    assert read(reference, images.distances, one)["feature_w2"].value > 0.9


def test_copies_of_the_training_images_are_seen_and_others_are_not(reference):
    assert read(reference, images.copying, real(reference))["copying"] == pytest.approx(0.0, abs=1e-3)
    assert read(reference, images.copying, reference.gallery.held.items)["copying"] == pytest.approx(1.0, abs=0.05)


def test_real_images_train_a_classifier_that_tells_real_ones_and_one_class_does_not(reference):
    assert read(reference, classes.worth, real(reference))["tstr_accuracy"].value > 0.95
    zeros = real(reference)[reference.gallery.training.label == 0]
    found = read(reference, classes.worth, zeros)
    assert found["tstr_accuracy"].value < 0.15
    assert found["tstr_recall"][0] > 0.95


def test_mu_is_read_under_the_first_encoder(reference):
    class First:
        def encode(self, pixels):
            return intensities(pixels).reshape(len(pixels), -1)[:, 20:22] * 2.0

    found = read(reference, latent.latent, real(reference), First())
    truth = First().encode(reference.gallery.held.items)
    assert found["mu_sd_real"] == pytest.approx(float(truth.std()), rel=1e-6)
    assert found["mu_sd"] == pytest.approx(found["mu_sd_real"], rel=0.1)
    assert found["mu_histogram"].sum() == pytest.approx(1.0)
    assert "encoder" in read(reference, latent.latent, real(reference))["mu_sd"].why


def test_a_reference_too_small_for_rare_styles_says_so(reference):
    few = replace(reference.gallery, held=reference.gallery.held.take(slice(0, 8)))
    found = read(replace(reference, gallery=few), images.coverage, real(reference))["rare_coverage"]
    assert found if not hasattr(found, "why") else found.why
    same = Corpus.of(np.zeros((60, 8, 8), np.uint8), 0, np.arange(60) % 2)
    alike = replace(reference, gallery=replace(reference.gallery, held=same, training=same))
    assert "too few" in read(alike, images.coverage, same.items)["rare_coverage"].why


# ---- features ----


@pytest.mark.parametrize("columns", [6, 7, 36, 41, 49, 100, 1003])
@pytest.mark.parametrize("values", [3, 10**6])  # with ties, and all but without
def test_the_ranked_value_is_that_of_a_whole_sort(columns, values):
    block = np.random.default_rng(columns).integers(0, values, (50, columns)).astype(np.float32)
    for rank in range(6):
        assert (ranked(block, rank) == np.sort(block, axis=1)[:, rank]).all()


NUMBER = 3


def rows_summed(pixels):
    return pixels.sum(axis=2)


def wrong_shape(pixels):
    return pixels[:-1].sum(axis=2)


def not_finite(pixels):
    return pixels.sum(axis=2) * np.nan


def changed_in_place(pixels):
    pixels -= 0.5
    return pixels.sum(axis=2)


def failing(pixels):
    raise ValueError("boom")


def text(pixels):
    return np.full((len(pixels), 2), "a")


def empty(pixels):
    return np.zeros((len(pixels), 0))


def constant(pixels):
    return np.full((len(pixels), 3), 0.1, np.float32)


def test_features_that_change_their_images_in_place_change_nothing_else(reference):
    own = replace(reference.gallery, features=f"{__name__}:changed_in_place")
    drawn = np.full((5, 8, 8), 0.25, np.float32)
    own.vectors(drawn)
    assert (drawn == 0.25).all()


def by_spread(pixels):
    with np.errstate(all="ignore"):
        return pixels.mean(axis=2) / pixels.std(axis=(1, 2))[:, None]


def test_features_that_collapsed_images_have_not_are_no_number(reference):
    own = replace(reference, gallery=replace(reference.gallery, features=f"{__name__}:by_spread"))
    grey = np.full((len(own.gallery.held), 8, 8), 128, np.uint8)
    with pytest.raises(FloatingPointError, match="not finite"):  # which a record keeps as its reason
        read(own, images.coverage, grey)
    assert np.isfinite(read(own, images.coverage, real(reference))["image_coverage"])


def test_constant_features_have_no_distance(reference):
    own = replace(reference, gallery=replace(reference.gallery, features=f"{__name__}:constant"))
    found = read(own, images.distances, real(reference))
    assert {reading.why for reading in found.values()} == {"all reference images have the same features"}


def test_images_too_small_for_the_classifier_do_without_it():
    few = Corpus.of(np.arange(180, dtype=np.uint8).reshape(20, 3, 3), 0, np.arange(20) % 2)
    small = Gallery(few, few)
    assert small.unlabelled == "the images have fewer than 4 pixels a side"
    assert small.truth.shape == (20, 9)


def test_features_of_the_users_own_take_the_place_of_the_classifiers(reference):
    own = replace(reference.gallery, features=f"{__name__}:rows_summed")
    assert own.truth.shape == (len(own.held), 8)
    assert own.accuracy == reference.gallery.accuracy, "classes are still the classifier's"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (f"{__name__}:wrong_shape", "gave .* for"),
        (f"{__name__}:not_finite", "not finite"),
        (f"{__name__}:failing", "features .*failing: ValueError: boom"),
        (f"{__name__}:text", "gave <U1"),
        (f"{__name__}:empty", r"k\) are due"),
        (f"{__name__}:NUMBER", "not callable"),
        ("no:where", "cannot import"),
    ],
)
def test_features_that_are_none_are_refused_in_one_line(reference, path, says):
    with pytest.raises(InputError, match=says):
        replace(reference.gallery, features=path).truth  # noqa: B018


def test_images_without_labels_are_seen_as_pixels(reference):
    bare = replace(reference.gallery, training=Corpus.of(real(reference)), held=Corpus.of(reference.gallery.held.items))
    assert bare.unlabelled == "the source has no labels"
    assert bare.truth.shape == (len(bare.held), 64)
    assert "no classifier" in bare.told
