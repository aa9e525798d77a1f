"""Perplexity: of real text under each model, and of what each model writes under the model of generation 0.

The second is the histogram by which the paper shows collapse of language models: text that generation 0 finds ever more
likely, and a long tail of text that it would never have written (Shumailov et al. 2024, figure 1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.core.stats import FEWEST
from outcross.measures.context import Context
from outcross.measures.library import Library

EDGES = np.linspace(0.0, 14.0, 141)  # log perplexity of a block, nats a token: up to 1.2 million
OUTER = 0.05  # share of real blocks that lie in each tail

QUANTITIES = {
    "perplexity": Quantity("perplexity", "up", None, "of held-out real text: exp of the mean loss a token"),
    "cross_entropy": Quantity("nats a token", "up", None, "mean loss on held-out real text"),
    "kl_to_truth": Quantity("nats a token", "up", 0.0, "divergence of the model from the truth, where that is known"),
    "own_perplexity": Quantity("perplexity", "none", None, "of what the model writes under the model itself"),
    "written_perplexity": Quantity("perplexity", "none", None, "median of what it writes under generation 0"),
    "written_low": Quantity("share", "up", OUTER, f"of its blocks below {OUTER:.0%} of real ones, under generation 0"),
    "written_high": Quantity("share", "up", OUTER, f"of its blocks above {OUTER:.0%} of real ones, under generation 0"),
    "perplexity_histogram": Quantity("share", "none", None, "of blocks by log perplexity: written, and real"),
}

ALONE = {"real_perplexity": QUANTITIES["perplexity"]}


def perplexity(generation: Generation, context: Context) -> Readings:
    """Scores of real and of written blocks; every token of a block counts but the first, given those before it."""
    held, model, first = context.reference.library.held, context.model, context.first
    real = _scores(model, held.items)
    known = real if model is first else _scores(first, held.items)
    written = _scores(first, context.draws)
    own = written if model is first else _scores(model, context.draws)
    low, high = np.quantile(known, [OUTER, 1.0 - OUTER])
    return {
        "perplexity": _interval(real, held.label),
        "cross_entropy": float(real.mean()),
        **_divergence(real.mean(), context.reference.library),
        "own_perplexity": math.exp(own.mean()),
        "written_perplexity": math.exp(float(np.median(written))),
        "written_low": float((written < low).mean()),
        "written_high": float((written > high).mean()),
        "perplexity_histogram": np.stack([_shares(written), _shares(known)]),
    }


def _divergence(loss: float, library: Library) -> dict[str, float]:
    """Kullback-Leibler divergence a token: the loss on what the truth wrote beyond the truth's own, both exact."""
    return {} if library.entropy is None else {"kl_to_truth": float(loss) - library.entropy}


def _scores(model: Any, blocks: NDArray[np.int32]) -> NDArray[np.float64]:
    """Mean loss a token of each block (n,), nats."""
    return np.asarray(np.mean(model.surprisal(blocks), axis=1, dtype=np.float64))


def _shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of blocks in each bin of EDGES, those beyond in the last."""
    return np.histogram(np.clip(scores, EDGES[0], EDGES[-1]), EDGES)[0] / len(scores)


def _interval(scores: NDArray[np.float64], article: NDArray[np.int32] | None) -> Reading:
    """Exp of the mean score, 95 % interval over articles: blocks of one are not independent (ratio estimator)."""
    mean = float(scores.mean())
    names, which = np.unique(article, return_inverse=True) if article is not None else (scores, np.arange(len(scores)))
    if len(names) < FEWEST:
        return Reading(math.exp(mean))
    from scipy.stats import t

    off = np.bincount(which, scores - mean)
    error = math.sqrt(len(names) / (len(names) - 1) * float((off**2).sum())) / len(scores)
    reach = float(t.ppf(0.975, len(names) - 1)) * error
    return Reading(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


def real_perplexity(generation: Generation, context: Context) -> Readings:
    """The first of `perplexity` alone, and under the model alone: cheap where generation 0 is a large teacher."""
    held = context.reference.library.held
    return {"real_perplexity": _interval(_scores(context.model, held.items), held.label)}


MEASURES = (
    Measure("perplexity", perplexity, QUANTITIES, False, "Shumailov et al. 2024", "text"),
    Measure("real_perplexity", real_perplexity, ALONE, False, "Shumailov et al. 2024", "text", named=True),
)
