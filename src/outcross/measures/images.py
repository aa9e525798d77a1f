"""Images against held-out real ones: Frechet and kernel distance, precision to coverage, rare styles, variance, copies.

Features come from a classifier trained on the real images, or from the user's function. Both sides have equally many
images. Intervals of one chain tell what the finite number of images leaves open; those across chains are the report's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.core.corpus import eight_bit, intensities
from outcross.measures.context import Context
from outcross.measures.gallery import COPIED, NEIGHBOURS, Gallery
from outcross.measures.neighbours import Manifold, nearest, overlap

BLOCKS = 10  # parts whose scatter gives the interval of a distance
GRID = 64  # images kept for the eye
CODES = 10  # latent codes that every generation decodes
_T9 = 2.262  # Student's t, 9 degrees of freedom, two-sided 95 %: BLOCKS - 1
_FEWEST = 4 * BLOCKS
_ROUNDING = 1e-10  # variance relative to mean square that float32 features of equal images may show

Vectors = NDArray[np.float64]

DISTANCES = {
    "fid": Quantity("features squared", "up", 0.0, "Frechet distance between Gaussian fits to the features, equal n"),
    "feature_w2": Quantity("sd", "up", 0.0, "root of that distance, the features' true standard deviation being 1"),
    "kid": Quantity("features", "up", 0.0, "kernel distance (cubic, unbiased) between features, in ten blocks"),
}
OVERLAP = {
    "image_precision": Quantity("share", "none", None, "images of the model inside the reference's manifold, k = 5"),
    "image_recall": Quantity("share", "down", None, "reference images inside the model's manifold, k = 5"),
    "image_density": Quantity("ratio", "none", 1.0, "how many reference neighbourhoods hold an image of the model"),
    "image_coverage": Quantity("share", "down", None, "reference images with one of the model among their neighbours"),
    "rare_coverage": Quantity(
        "ratio",
        "down",
        1.0,
        "rare styles (the tenth of a class farthest from its mean) that are near, against real images",
    ),
    "rare_coverage_by_class": Quantity("share", "down", None, "share of rare styles that are near, class by class"),
}
VARIANCE = {
    "pixel_variance_ratio": Quantity("ratio", "down", 1.0, "variance summed over pixels, relative to the true one")
}
COPYING = {
    "copying": Quantity(
        "ratio", "none", None, "median distance to the nearest training image, relative to that of held-out images"
    )
}
PICTURES = {
    "pictures_real": Quantity("images", "none", None, f"{GRID} held-out real images, beside generation 0"),
    "pictures_random": Quantity("images", "none", None, f"{GRID} images of the model at random"),
    "pictures_codes": Quantity("images", "none", None, f"the same {CODES} latent codes, decoded"),
}


def distances(generation: Generation, context: Context) -> Readings:
    """FID (Heusel et al. 2017) by a jackknife over ten blocks, KID (Binkowski et al. 2018) by the mean over them."""
    fake, real = context.features
    if len(real) < _FEWEST:
        why = f"{len(real)} reference images: at least {_FEWEST} are needed"
        return {name: Reading(np.nan, why=why) for name in DISTANCES}
    scale = float(real.var(axis=0).sum())
    if scale <= _ROUNDING * float(np.square(real).sum(axis=1).mean()):
        return {name: Reading(np.nan, why="all reference images have the same features") for name in DISTANCES}
    fid = jackknife(fake, real)
    value, low, high = (float(np.sqrt(max(v or 0.0, 0.0) / scale)) for v in fid[:3])
    return {"fid": fid, "feature_w2": Reading(value, low, high), "kid": kernel_distance(fake, real)}


def frechet(fake: Vectors, real: Vectors) -> float:
    """|m - m'|^2 + tr(S + S' - 2 (S S')^1/2) of two sets of vectors, covariances with divisor n - 1."""
    gap = fake.mean(axis=0) - real.mean(axis=0)
    s, t = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (fake, real))
    values, vectors = np.linalg.eigh(t)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ s @ root), 0.0)).sum()
    return float(gap @ gap + np.trace(s) + np.trace(t) - 2.0 * cross)


def jackknife(fake: Vectors, real: Vectors) -> Reading:
    """The Frechet distance with its interval: each block of both sides left out in turn (Quenouille 1956)."""
    whole = frechet(fake, real)
    part = np.arange(len(real)) % BLOCKS
    without = np.array([frechet(fake[part != b], real[part != b]) for b in range(BLOCKS)])
    error = np.sqrt((BLOCKS - 1) / BLOCKS * np.square(without - without.mean()).sum())
    return Reading(whole, max(0.0, float(whole - _T9 * error)), float(whole + _T9 * error))


def kernel_distance(fake: Vectors, real: Vectors) -> Reading:
    """Squared maximum mean discrepancy, mean and interval over ten disjoint blocks of both sides."""
    part = np.arange(len(real)) % BLOCKS
    found = np.array([discrepancy(fake[part == b], real[part == b]) for b in range(BLOCKS)])
    error = _T9 * found.std(ddof=1) / np.sqrt(BLOCKS)
    return Reading(float(found.mean()), float(found.mean() - error), float(found.mean() + error))


def discrepancy(x: Vectors, y: Vectors) -> float:
    """Unbiased estimate under the kernel (x.y / d + 1)^3."""
    m, d = x.shape

    def kernel(a: Vectors, b: Vectors) -> Vectors:
        return np.asarray((a @ b.T / d + 1.0) ** 3)

    within = sum(float(k.sum() - np.trace(k)) for k in (kernel(x, x), kernel(y, y)))
    return float(within / (m * (m - 1)) - 2.0 * kernel(x, y).mean())


def coverage(generation: Generation, context: Context) -> Readings:
    """Precision, recall (Kynkaanniemi et al. 2019), density, coverage (Naeem et al. 2020), coverage of rare styles."""
    fake, real = context.features
    gallery = _gallery(context)
    if len(real) <= NEIGHBOURS:
        why = f"{len(real)} reference images: more than {NEIGHBOURS} are needed"
        return {name: Reading(np.nan, why=why) for name in OVERLAP if name != "rare_coverage_by_class"}
    truth = gallery.manifold(len(real))
    found = overlap(truth, Manifold.of(fake, NEIGHBOURS), NEIGHBOURS)
    covered, rare = gallery.rare_covered(fake), gallery.rare[: len(real)]
    told: dict[str, float | Reading | NDArray[np.float64]] = {
        "image_precision": found.precision,
        "image_recall": found.recall,
        "image_density": found.density,
        "image_coverage": found.coverage,
        "rare_coverage": _relative(covered, gallery.rare_truth),
    }
    if gallery.held.label is not None:
        label = gallery.held.label[: len(real)][rare]
        each = [covered[label == k] for k in range(gallery.classes)]
        told["rare_coverage_by_class"] = np.array([c.mean() if len(c) else np.nan for c in each])
    return told


def _relative(covered: NDArray[np.bool_], truth: float) -> float | Reading:
    """Share of rare styles that are covered, relative to that by real images."""
    if not (truth > 0.0 and len(covered)):
        return Reading(np.nan, why="too few reference images: no rare style among them is near a real one")
    return float(covered.mean() / truth)


def variance(generation: Generation, context: Context) -> Readings:
    """Pixel variance: decoders that blur, and digits that merge, lose it."""
    truth = _gallery(context).pixel_variance
    if truth == 0.0:
        return {"pixel_variance_ratio": Reading(np.nan, why="all reference images are the same")}
    return {"pixel_variance_ratio": float(context.draws.var(axis=0, dtype=np.float64).sum() / truth)}


def copying(generation: Generation, context: Context) -> Readings:
    """How near images are to training images, against how near held-out real ones are: well below 1 is copying."""
    gallery = _gallery(context)
    fake = context.draws[:COPIED].reshape(min(COPIED, len(context.draws)), -1)
    held = intensities(gallery.held.items[:COPIED]).reshape(-1, fake.shape[1])
    truth = float(np.median(nearest(held, gallery.flat)))
    if truth == 0.0:
        return {"copying": Reading(np.nan, why="held-out images are among the training images")}
    return {"copying": float(np.median(nearest(fake, gallery.flat)) / truth)}


def pictures(generation: Generation, context: Context) -> Readings:
    """Images for the eye: some at random, and the same latent codes decoded by every generation."""
    found = {"pictures_random": eight_bit(context.draws[:GRID])}
    if generation.t == 0:
        found["pictures_real"] = _gallery(context).held.items[:GRID]
    decode, latent = getattr(context.model, "decode", None), getattr(context.model, "latent", None)
    if decode is not None and latent is not None:
        codes = context.fixed(2).standard_normal((CODES, latent))
        found["pictures_codes"] = eight_bit(decode(codes))
    return found  # type: ignore[return-value]


def _gallery(context: Context) -> Gallery:
    gallery: Gallery = context.reference.gallery
    return gallery


MEASURES = (
    Measure("image_distance", distances, DISTANCES, False, "Heusel et al. 2017; Binkowski et al. 2018", "images", True),
    Measure("image_coverage", coverage, OVERLAP, False, "Kynkaanniemi et al. 2019; Naeem et al. 2020", "images", True),
    Measure("image_variance", variance, VARIANCE, False, "Shumailov et al. 2024", "images"),
    Measure("copying", copying, COPYING, True, "Meehan et al. 2020", "images"),
    Measure("pictures", pictures, PICTURES, True, "Shumailov et al. 2024, autoencoder figure", "images"),
)
