"""Diversity of text: always as many blocks of a model as are held out, all of one length, next to these."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import compiled
from outcross.core.contracts import Generation, Measure, Quantity, Reading, Readings
from outcross.measures.context import Context
from outcross.measures.library import NGRAMS, RARE, Blocks, Library, Written, fingerprints

BLEU_ROWS = 60  # rows that self-BLEU compares, each with all others
RANKS = (10, 1000)  # between which the slope of Zipf's law is taken
REPEATED = 4  # tokens of a run that counts as repeated

COUNTS = {
    **{
        f"distinct_{n}": Quantity("ratio", "down", 1.0, f"different runs of {n}, to those of real text") for n in NGRAMS
    },
    "words_used": Quantity("tokens", "down", None, "different tokens in as much text as is held out"),
    "token_entropy_ratio": Quantity("ratio", "away", 1.0, "entropy of the tokens, relative to real text"),
    "zipf_slope": Quantity("slope", "none", None, f"of log frequency over log rank, ranks {RANKS[0]} to {RANKS[1]:,}"),
    "rare_words": Quantity("ratio", "down", 1.0, f"different tokens of the rarest {RARE:.0%}, to those of real text"),
    "rare_mass": Quantity("ratio", "away", 1.0, f"share of text of the rarest {RARE:.0%} tokens, to that in real text"),
    "vocabulary_left": Quantity("share", "down", None, "of the tokens that real text has, still in the training text"),
    "rare_alive": Quantity("tokens", "none", None, "by frequency: all, in real text, in the model's, in its training"),
    "type_token": Quantity("tokens", "none", None, "different tokens expected in less text: size, model's, real"),
}
REPEATS = {
    "repeated_4": Quantity("share", "up", None, f"of runs of {REPEATED} that the same row already held"),
    "longest_repeat": Quantity("tokens", "up", None, "longest run that a row holds twice, mean over rows"),
    "mean_length": Quantity("tokens", "none", None, "from one end of a document to the next, within rows"),
    "compression": Quantity("ratio", "down", 1.0, "size when compressed (zlib), relative to as much real text"),
    "verbatim": Quantity("share", "up", None, "rows that the real training text holds as they are"),
    "verbatim_quarter": Quantity("share", "up", None, "runs of a quarter row that the real training text holds"),
}
BLEU = {
    "self_bleu": Quantity("BLEU", "up", None, f"of {BLEU_ROWS} rows, each against the others; real text has its own")
}


def words(generation: Generation, context: Context) -> Readings:
    """Which words there are, and how often."""
    library, blocks = context.reference.library, context.draws
    made, real = Written.of(blocks, library), library.real
    return {
        **{f"distinct_{n}": made.distinct[n] / real.distinct[n] for n in made.distinct},
        "words_used": float(made.distinct[1]),
        "token_entropy_ratio": _ratio(made.entropy, real.entropy),
        "zipf_slope": _slope(made.tokens),
        "rare_words": _ratio(made.rare_kinds, real.rare_kinds),
        "rare_mass": _ratio(made.rare_share, real.rare_share),
        **_left(library, context.model),
        "rare_alive": _alive(library, made, context.model),
        "type_token": np.stack([_sizes(blocks.size), *(_rarefied(w.tokens, blocks.size) for w in (made, real))]),
    }


def _ratio(made: float, real: float) -> float | Reading:
    return made / real if real else Reading(np.nan, why="the held-out text has none")


def _slope(tokens: NDArray[np.int64]) -> float | Reading:
    """Slope of log frequency over log rank by least squares (Zipf 1949), ranks weighted alike on the log axis."""
    falling = np.sort(tokens[tokens > 0])[::-1]
    if len(falling) < 2 * RANKS[0]:
        return Reading(np.nan, why=f"fewer than {2 * RANKS[0]} different tokens")
    ranks = np.unique(np.geomspace(RANKS[0], min(RANKS[1], len(falling)), 40).astype(np.int64))
    return float(np.polyfit(np.log(ranks), np.log(falling[ranks - 1]), 1)[0])


def bins(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bin of each token by how often the training text has it: 1, 2, 3-4, 5-8, ...; -1 where it never does."""
    with np.errstate(divide="ignore"):
        return np.where(counts > 0, np.ceil(np.log2(np.maximum(counts, 1))), -1).astype(np.int64)


def _left(library: Library, model: Any) -> dict[str, float]:
    """Share of the vocabulary that a model was still fitted on; nothing of one that does not tell."""
    there = library.counts > 0
    return {"vocabulary_left": float(model.known[there].mean())} if hasattr(model, "known") else {}


def _alive(library: Library, made: Written, model: Any) -> NDArray[np.float64]:
    """Tokens by bin of frequency in the training text: how many there are, and how many of them occur in the held-out
    text, in what the model writes, and in what it was fitted on, if it tells (4, bins).
    """
    which = bins(library.counts)
    there = which >= 0
    seen = [there, library.real.tokens > 0, made.tokens > 0, getattr(model, "known", there)]
    found = np.stack([np.bincount(which[s & there], minlength=int(which.max()) + 1) for s in seen]).astype(np.float64)
    if not hasattr(model, "known"):
        found[3] = np.nan
    return found


def _sizes(whole: int) -> NDArray[np.float64]:
    return np.geomspace(min(64, whole), whole, 25).round()


def _rarefied(tokens: NDArray[np.int64], whole: int) -> NDArray[np.float64]:
    """Different tokens expected in m of them drawn without replacement (Hurlbert 1971), at each of the sizes m."""
    from scipy.special import gammaln

    n = tokens[tokens > 0].astype(np.float64)[:, None]
    m = _sizes(whole)[None]
    room = np.maximum(whole - n - m, -1.0)
    with np.errstate(invalid="ignore"):
        log_missed = gammaln(whole - n + 1) - gammaln(room + 1) + gammaln(whole - m + 1) - gammaln(whole + 1.0)
    missed = np.where(whole - n - m < 0, 0.0, np.exp(np.where(room < 0, -np.inf, log_missed)))
    return np.asarray((1.0 - missed).sum(axis=0))


def repeats(generation: Generation, context: Context) -> Readings:
    """What a row says again, and what it copies."""
    library, blocks = context.reference.library, context.draws
    quarter = blocks.shape[1] // 4
    return {
        "repeated_4": _repeated(blocks),
        "longest_repeat": float(_longest(blocks).mean()),
        "mean_length": _length(blocks, library.coding.end),
        "compression": _compressed(blocks, library) / _compressed(library.held.items, library),
        "verbatim": _held(blocks, blocks.shape[1], library),
        "verbatim_quarter": _held(blocks, quarter, library) if quarter else Reading(np.nan, why="rows are too short"),
    }


def _repeated(blocks: Blocks) -> float | Reading:
    if blocks.shape[1] < REPEATED:
        return Reading(np.nan, why=f"rows have fewer than {REPEATED} tokens")
    runs = np.sort(fingerprints(blocks, REPEATED), axis=1)
    return float((np.diff(runs, axis=1) == 0).mean()) if runs.shape[1] > 1 else 0.0


@compiled
def _longest(blocks):  # type: ignore[no-untyped-def]
    """The longest run that each row holds twice, overlaps allowed (n,)."""
    n, block = blocks.shape
    out = np.zeros(n, np.int64)
    for r in range(n):
        best = 0
        for shift in range(1, block):
            run = 0
            for j in range(block - shift):
                run = run + 1 if blocks[r, j] == blocks[r, j + shift] else 0
                best = max(best, run)
        out[r] = best
    return out


def _length(blocks: Blocks, end: int) -> float | Reading:
    """Mean distance of marks of an end within a row, of which one lies wholly in it."""
    at = np.flatnonzero(blocks.ravel() == end)
    gaps = np.diff(at)[np.diff(at // blocks.shape[1]) == 0]
    return float(gaps.mean()) if len(gaps) else Reading(np.nan, why="no document lies wholly within a row")


def _compressed(blocks: Blocks, library: Library) -> float:
    """Bytes of the text when compressed over bytes as it is."""
    text = "\n".join(library.coding.decode(row) for row in blocks.tolist()).encode()
    return len(zlib.compress(text, 6)) / len(text)


def _held(blocks: Blocks, n: int, library: Library) -> float:
    """Share of runs of n tokens that the training text holds."""
    known, runs = library.known[n], fingerprints(blocks, n).ravel()
    at = np.minimum(np.searchsorted(known, runs), len(known) - 1)
    return float((known[at] == runs).mean())


def self_bleu(generation: Generation, context: Context) -> Readings:
    """Self-BLEU (Zhu et al. 2018) by sacrebleu: mean BLEU-4 of each row with the other rows as references."""
    try:
        from sacrebleu.metrics.bleu import BLEU as Score
    except ImportError:
        return {"self_bleu": Reading(np.nan, why="sacrebleu is not installed: pip install 'outcross[lm]'")}
    library = context.reference.library
    rows = context.draws[np.linspace(0, len(context.draws) - 1, min(BLEU_ROWS, len(context.draws))).astype(int)]
    said = [library.coding.decode(row) for row in rows.tolist()]
    score = Score(effective_order=True, tokenize="none")
    return {
        "self_bleu": float(
            np.mean([score.sentence_score(s, said[:k] + said[k + 1 :]).score for k, s in enumerate(said)])
        )
    }


MEASURES = (
    Measure("words", words, COUNTS, False, "Li et al. 2016; Zipf 1949; Hurlbert 1971", "text"),
    Measure("repeats", repeats, REPEATS, False, "Holtzman et al. 2020; Shaib et al. 2024", "text"),
    Measure("self_bleu", self_bleu, BLEU, True, "Zhu et al. 2018; Post 2018", "text"),
)
