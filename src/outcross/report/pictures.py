"""Figures of a run on images: samples side by side, what one code becomes, where codes lie, which classes are left.

Each is drawn for the page and, as PNG and SVG, for the run's folder `figures/`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from outcross.measures.gallery import RARE
from outcross.measures.latent import EDGES
from outcross.report import findings
from outcross.report.charts import Look, thinned
from outcross.report.drawing import Paint, short
from outcross.report.frames import Frame
from outcross.report.plates import Array, Plate, mean, over, plate, sheet, taken

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PAPER = (0, 5, 10, 20)  # generations that the paper shows
_CELLS, _COLUMNS = 6, 24  # cells and generations of a drawing
_NAME = 20  # characters of a class's name
_SIDE = 8  # images along a side of a grid
_CITE = "After Shumailov et al. 2024, figure of the autoencoder."


def plates(frame: Frame, looks: Sequence[Look]) -> list[Plate]:
    """Every drawing that this run has images for."""
    shown = [k for k in looks[:_CELLS] if frame.series(k.cell, "pixel_variance_ratio")]
    made = (_samples(frame, shown), _codes(frame, shown), _latent(frame, shown), _classes(frame, shown))
    return [plate for plate in made if plate is not None] if shown else []


def _generations(frame: Frame, look: Look, most: int) -> list[int]:
    return thinned([s.generation for s in frame.series(look.cell, "pixel_variance_ratio")], most)


def _samples(frame: Frame, looks: Sequence[Look]) -> Plate | None:
    """Random images of generations 0, 5, 10 and 20 side by side, beside real ones."""
    found = [(k, taken(frame, k, "pictures_random", PAPER)) for k in looks]
    found = [(k, grids) for k, grids in found if grids]
    if not found:
        return None
    real = frame.reader.arrays((found[0][0].cell, 0), 0, "measure/pictures_real").get("")
    noun, measure = _lead(frame, [("Pixel variance", "pixel_variance_ratio")])
    generations = sorted({g for _, grids in found for g in grids})
    title = findings.title(frame, noun, measure, [k.cell for k, _ in found], True)
    beside = ", beside held-out real ones" if real is not None else ""
    caption = (
        f"Random images of chain 0 of each arm, {_SIDE} x {_SIDE} a generation{beside}; one chain, so without "
        f"interval. n = {findings.sizes(frame)} images a generation. {_CITE}"
    )
    names = ("classes_lost", "ambiguous", "class_entropy_ratio", "pixel_variance_ratio")
    draw = partial(_draw_samples, found, real, generations)
    return plate(frame, "samples", title, caption, draw, names, looks)


def _lead(frame: Frame, wanted: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The first quantity that has a number, with its noun."""
    there = {s.measure for s in frame.summaries if s.chains}
    return next((pair for pair in wanted if pair[1] in there), wanted[-1])


def _draw_samples(
    found: Sequence[tuple[Look, dict[int, Array]]], real: Array | None, generations: Sequence[int], paint: Paint
) -> Drawing:
    across = len(generations) + (real is not None)
    figure, rows = sheet(1.75 * across, [(1.75 + 0.5)] * len(found))
    for (look, grids), part in zip(found, rows, strict=True):
        part.suptitle(short(look.label), x=0.01, ha="left", fontsize=10, weight="bold")
        axes = part.subplots(1, across, squeeze=False)[0]
        names = (["real"] if real is not None else []) + [f"generation {g:,}" for g in generations]
        each = ([real] if real is not None else []) + [grids.get(g) for g in generations]
        for axis, name, images in zip(axes, names, each, strict=True):
            axis.set_title(name, fontsize=9)
            _tiles(axis, images, _SIDE, paint)
    return figure


def _tiles(axis: Axes, images: Array | None, across: int, paint: Paint) -> None:
    """Images in rows, one pixel of nothing between them; or a word that there are none."""
    axis.set(xticks=[], yticks=[])
    axis.patch.set_alpha(0.0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    if images is None:
        axis.text(0.5, 0.5, "chain\nended", ha="center", va="center", transform=axis.transAxes, color=paint.ink)
        return
    axis.imshow(mosaic(images, across), interpolation="nearest")


def mosaic(images: Array, across: int) -> Array:
    """Images (n, h, w[, 3]) as one picture RGBA, `across` in a row, a transparent pixel between them."""
    n, h, w = images.shape[:3]
    down = -(-n // across)
    whole = np.zeros((down * (h + 1) - 1, across * (w + 1) - 1, 4), dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = (i // across) * (h + 1), (i % across) * (w + 1)
        whole[top : top + h, left : left + w, :3] = image if image.ndim == 3 else image[..., None]
        whole[top : top + h, left : left + w, 3] = 255
    return whole


def _codes(frame: Frame, looks: Sequence[Look]) -> Plate | None:
    """The same latent codes decoded by each generation: a column is a code, a row a generation."""
    found = [(k, taken(frame, k, "pictures_codes", PAPER)) for k in looks]
    found = [(k, grids) for k, grids in found if grids]
    if not found:
        return None
    title = findings.title(frame, "Coverage of rare styles", "rare_coverage", [k.cell for k, _ in found], True)
    caption = (
        "What one latent code becomes: each column is the same code in every generation and arm, each row a generation "
        "of chain 0. Every generation learns its own codes, so that a column need not keep its digit; what to look "
        f"for is a row in which columns become alike. Rare styles are the {100 * RARE:.0f} % of a class farthest from "
        f"its mean. n = {findings.sizes(frame)} images a generation. {_CITE}"
    )
    return plate(
        frame, "codes", title, caption, partial(_draw_codes, found), ("rare_coverage", "image_coverage"), looks
    )


def _draw_codes(found: Sequence[tuple[Look, dict[int, Array]]], paint: Paint) -> Drawing:
    wide = 0.9 + 0.5 * max(len(a) for _, grids in found for a in grids.values())
    figure, rows = sheet(wide, [0.4 + 0.5 * len(grids) for _, grids in found])
    for (look, grids), part in zip(found, rows, strict=True):
        part.suptitle(short(look.label), x=0.01, ha="left", fontsize=10, weight="bold")
        axis = part.subplots(1, 1)
        images = np.concatenate(list(grids.values()))
        each = len(next(iter(grids.values())))
        _tiles(axis, images, each, paint)
        step = images.shape[1] + 1
        axis.set_yticks([step * i + step / 2 - 1 for i in range(len(grids))], [f"generation {g:,}" for g in grids])
        axis.tick_params(length=0)
    return figure


def _latent(frame: Frame, looks: Sequence[Look]) -> Plate | None:
    """Where the generation-0 encoder puts the images of each generation."""
    found = [(k, mean(frame, k, "mu_histogram", _marked(frame, k))) for k in looks]
    found = [(k, shares) for k, shares in found if shares]
    if not found:
        return None
    title = findings.title(
        frame, "The spread of mu under the generation-0 encoder", "mu_sd", [k.cell for k, _ in found]
    )
    caption = (
        "Density of all coordinates of mu, the posterior mean that the chain's own generation-0 encoder gives images "
        f"of later generations; {over(frame)}; n = {findings.sizes(frame)} images a generation. {_CITE}"
    )
    return plate(frame, "latent", title, caption, partial(_draw_latent, found), ("mu_sd", "mu_sd_real"), looks)


def _marked(frame: Frame, look: Look) -> list[int]:
    there = [s.generation for s in frame.series(look.cell, "mu_sd")]
    chosen = [g for g in there if g in PAPER or g == max(there, default=0)]
    return chosen if len(chosen) > 2 else thinned(there, 5)


def _draw_latent(found: Sequence[tuple[Look, dict[int, Array]]], paint: Paint) -> Drawing:
    figure, (part,) = sheet(2.6 * len(found), [2.6])
    axes = part.subplots(1, len(found), squeeze=False, sharey=True)[0]
    width = EDGES[1] - EDGES[0]
    for axis, (look, shares) in zip(axes, found, strict=True):
        axis.patch.set_alpha(0.0)
        axis.set_title(short(look.label), fontsize=10, weight="bold")
        axis.set_xlabel("mu")
        for i, (g, values) in enumerate(shares.items()):
            strength = 0.4 + 0.6 * i / max(1, len(shares) - 1)
            axis.stairs(values / width, EDGES, color=paint.of(look), alpha=strength, linewidth=1.3, label=f"{g:,}")
        axis.legend(title="generation", fontsize=8, title_fontsize=8, frameon=False, labelcolor=paint.ink)
    axes[0].set_ylabel("density")
    return figure


def _classes(frame: Frame, looks: Sequence[Look]) -> Plate | None:
    """Share of each class by generation."""
    found = [(k, mean(frame, k, "class_shares", _generations(frame, k, _COLUMNS))) for k in looks]
    found = [(k, shares) for k, shares in found if shares]
    if not found:
        return None
    title = findings.title(
        frame, "Entropy of the predicted classes", "class_entropy_ratio", [k.cell for k, _ in found], True
    )
    caption = (
        f"Share of images that a classifier of real images puts into each class, by generation; {over(frame)}; "
        f"colours on a square-root scale. n = {findings.sizes(frame)} images a generation. After {findings.PAPER}."
    )
    return plate(
        frame,
        "classes",
        title,
        caption,
        partial(_draw_classes, found, [frame.classes(k.cell) for k, _ in found]),
        ("class_entropy_ratio", "class_tv", "classes_lost"),
        looks,
    )


def _draw_classes(
    found: Sequence[tuple[Look, dict[int, Array]]], names: Sequence[Sequence[str]], paint: Paint
) -> Drawing:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    classes = max(len(s) for _, shares in found for s in shares.values())
    top = max(2.0 / classes, max(float(s.max()) for _, shares in found for s in shares.values()))
    figure, rows = sheet(6.4, [0.75 + 0.19 * max(classes, 6)] * len(found))
    scale = PowerNorm(0.5, 0.0, math.ceil(20.0 * top) / 20.0)
    for (look, shares), named, part in zip(found, names, rows, strict=True):
        part.suptitle(short(look.label), x=0.01, ha="left", fontsize=10, weight="bold")
        axis = part.subplots(1, 1)
        axis.imshow(np.array(list(shares.values())).T, norm=scale, cmap="viridis", aspect="auto", interpolation="none")
        axis.set_xticks(range(len(shares)), [f"{g:,}" for g in shares], fontsize=8)
        told = list(named) or [str(k) for k in range(classes)]
        axis.set_yticks(range(len(told)), [short(name)[:_NAME] for name in told], fontsize=8)
        axis.set(xlabel="generation", ylabel="class")
        bar = part.colorbar(ScalarMappable(scale, "viridis"), ax=axis, label="share of images")
        bar.outline.set_visible(False)
    return figure
