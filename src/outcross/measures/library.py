"""Library: the real text that models are measured against, and what is read off it once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import choose
from outcross.core.corpus import Corpus
from outcross.core.rng import FIXED, Purpose, Stream

Blocks = NDArray[np.int32]
NGRAMS = (1, 2, 3, 4)
RARE = 0.05  # share of the real text that the rare words hold together
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads what is multiplied by it


@dataclass(frozen=True, eq=False)
class Library:
    """Held-out blocks, labelled by article, the blocks that can be drawn, and what tokens stand for."""

    held: Corpus
    training: Corpus
    coding: Any
    truth: Any = None  # the model that wrote the real text, where that is known
    about: str = ""  # what else there is to say of the source

    def told(self, question: int = 0) -> str:
        """How perplexity is taken, in one line: no number of it means anything without.

        question: first tokens of a block that models are asked with, and not scored on.
        """
        scored = f"each token after the {question} of its question" if question else "each token but a block's first"
        return (
            f"perplexity: {len(self.held):,} held-out blocks of {self.held.shape[0]} tokens ({self.coding.told}), one "
            f"after the other; {scored} given those before it in the block; exp of the mean over "
            f"tokens; own text by as many blocks{self.about}"
        )

    @property
    def vocabulary(self) -> int:
        """How many different tokens there can be."""
        return int(self.held.vocabulary or 0)

    @cached_property
    def prompts(self) -> Corpus:
        """Real blocks for models to continue, as many as are held out: the same for every model."""
        n, there = len(self.held), len(self.training)
        order = choose(there, there, FIXED.stream(0, Purpose.PROMPTS).words())
        return self.training.take(np.resize(order, n))

    def written(self, model: Any, rng: Stream) -> Blocks:
        """As many blocks of a model as are held out; a model that continues prompts gets real ones."""
        n = len(self.held)
        return np.asarray(model.sample(n, rng, self.prompts) if model.prompted else model.sample(n, rng))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each token occurs in the text that can be drawn (vocabulary,)."""
        return np.bincount(self.training.items.ravel(), minlength=self.vocabulary)

    @cached_property
    def rare(self) -> NDArray[np.bool_]:
        """The rarest tokens, which together hold RARE of the text that can be drawn (vocabulary,)."""
        order = np.argsort(self.counts, kind="stable")
        found = np.zeros(self.vocabulary, dtype=bool)
        found[order[np.cumsum(self.counts[order]) <= RARE * self.counts.sum()]] = True
        return found & (self.counts > 0)

    @cached_property
    def real(self) -> Written:
        """What is to be said of the held-out text."""
        return Written.of(self.held.items, self)

    @cached_property
    def entropy(self) -> float | None:
        """Mean loss a token of the held-out text under the truth, nats; None where that is not known."""
        return None if self.truth is None else float(np.mean(self.truth.surprisal(self.held.items)))

    @cached_property
    def known(self) -> dict[int, NDArray[np.uint64]]:
        """Every run of so many tokens in the text that can be drawn, as sorted numbers, by length."""
        whole = self.training.items.reshape(1, -1)
        return {n: np.unique(fingerprints(whole, n)) for n in (self.held.shape[0], self.held.shape[0] // 4) if n > 0}


class Written(NamedTuple):
    """Plain counts of a text."""

    distinct: dict[int, int]  # different runs of n tokens, by n
    tokens: NDArray[np.int64]  # how often each token occurs (vocabulary,)
    rare_kinds: int  # different rare tokens
    rare_share: float  # share of the text that they hold

    @classmethod
    def of(cls, blocks: Blocks, library: Library) -> Written:
        """Count blocks (n, block)."""
        tokens = np.bincount(blocks.ravel(), minlength=library.vocabulary)
        distinct = {n: len(np.unique(fingerprints(blocks, n))) for n in NGRAMS if n <= blocks.shape[1]}
        rare = tokens[library.rare]
        return cls(distinct, tokens, int((rare > 0).sum()), float(rare.sum() / tokens.sum()))

    @property
    def entropy(self) -> float:
        """Entropy of the tokens as they occur, nats."""
        share = self.tokens[self.tokens > 0] / self.tokens.sum()
        return float(-(share * np.log(share)).sum())


def fingerprints(blocks: Blocks, n: int) -> NDArray[np.uint64]:
    """A number of 64 bits for each run of n tokens within a row; equal runs have equal ones, others hardly ever."""
    width = blocks.shape[1] - n + 1
    found = np.zeros((len(blocks), width), dtype=np.uint64)
    for k in range(n):
        found ^= blocks[:, k : k + width].astype(np.uint64) + _MIX
        found *= _MIX
        found ^= found >> np.uint64(29)
    return found
