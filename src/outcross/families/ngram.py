"""N-grams with interpolated Kneser-Ney smoothing: the whole of a real corpus in seconds a generation.

Kneser and Ney 1995; Chen and Goodman 1999, section 2.7, one discount a length, estimated; the shortest context leaves
its share to all words alike, so that none of the vocabulary is ever impossible. A row begins with a mark of its own,
and no gram reaches over the edge of a row. The kernels are in ngram_kernels.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Model, State
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate, require
from outcross.core.rng import Stream
from outcross.families import ngram_kernels as kernels
from outcross.families.decoding import ANCESTRAL, Decoding, check_prompts, check_question, check_tokens, kept, whole

_NOTHING = np.empty((2, 0))
_MOST_BYTES = 2 << 30  # of the likeliest words of every context


@dataclass(frozen=True, eq=False)
class NgramModel:
    """Counted grams: a trie in arrays (ngram_kernels.py). Rows are blocks of tokens (n, block) int32."""

    learner: Learner
    block: int
    token: NDArray[np.int32]
    suffix: NDArray[np.int32]
    count: NDArray[np.int32]
    start: NDArray[np.int32]
    level: NDArray[np.int64]

    @property
    def vocabulary(self) -> int:
        """How many different tokens there can be."""
        return int(self.level[1]) - 1

    @property
    def order(self) -> int:
        """Tokens of the longest gram."""
        return len(self.level) - 1

    @property
    def prompted(self) -> bool:
        """Whether its rows continue prompts."""
        return self.learner.prompts != "none"

    @property
    def question(self) -> int:
        """How many tokens of its prompt a row keeps."""
        return self.learner.question

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which tokens were in the text that it was fitted on (vocabulary,)."""
        return self.count[: self.vocabulary] > 0

    @cached_property
    def discount(self) -> NDArray[np.float64]:
        """What is taken off every count, by length of the gram (order,)."""
        return np.asarray(kernels.discounts(self.count, self.level, self.order, self.vocabulary))

    @cached_property
    def _smooth(self) -> Any:
        return kernels.smooth(self.suffix, self.count, self.start, self.level, self.discount, self.vocabulary)

    @cached_property
    def _ranks(self) -> Any:
        if self.learner.top_k == 0 and self.learner.top_p == 1.0:
            return _NOTHING, _NOTHING
        return kernels.ranks(self.suffix, self.start, self._smooth[0], self.vocabulary)

    @cached_property
    def _likeliest(self) -> Any:
        beams, contexts = self.learner.beams, int(self.level[-2])
        size = 12 * beams * contexts
        require(size < _MOST_BYTES, f"beams={beams} takes {size / 2**30:.1f} GiB for {contexts:,} contexts: use fewer")
        chance, left, _ = self._smooth
        trie = (self.token, self.suffix, self.start, chance, left, self.level)
        return kernels.likeliest(*trie, self.vocabulary, self.learner.beams)

    def sample(self, n: int, rng: Stream, given: Corpus | None = None) -> NDArray[np.int32]:
        """N blocks of tokens (n, block). given: n blocks to continue, one each, or to begin with the question of.

        Raises InputError where one is due.
        """
        check_prompts(self, n, given)
        if given is None:
            return self._written(n, np.empty((0, self.block), np.int32), self.block, rng)
        prompts, question = kept(self.question, given), self.question
        made = self._written(n, prompts, self.block - question, rng)
        return np.concatenate([prompts, made], axis=1) if question else made

    def _written(self, n: int, prompts: NDArray[np.int32], length: int, rng: Stream) -> NDArray[np.int32]:
        """So many tokens (n, length), after prompts or, where there are none, from the beginning of a row."""
        if self.learner.decoding == "beam":
            parts = (self.token, self.start, *self._likeliest)
            made = kernels.search(length, prompts, *parts, self.order, self.vocabulary, self.learner.beams)
            return np.asarray(made)
        chance, left, mass = self._smooth
        cut = (self.learner.top_k, self.learner.top_p, *self._ranks)
        trie = (self.token, self.count, self.start, chance, left, mass, self.discount, self.vocabulary)
        return np.asarray(kernels.draw(n, length, prompts, *trie, *cut, rng.words()))

    def surprisal(self, blocks: NDArray[np.int32]) -> NDArray[np.float64]:
        """- log p of each token but the first, given those before it in its block: nats (n, block - 1).

        Of the tokens after the question alone, where there is one: (n, block - question).
        """
        check_tokens(blocks, self.vocabulary)
        chance, left, _ = self._smooth
        trie = (self.token, self.start, chance, left)
        found = np.asarray(kernels.surprisal(blocks, *trie, self.order, self.vocabulary))
        return found[:, max(0, self.question - 1) :]

    def state(self) -> State:
        """The trie."""
        named = ("token", "suffix", "count", "start", "level")
        return {"block": np.array([self.block]), **{name: getattr(self, name) for name in named}}


@dataclass(frozen=True)
class Learner(Decoding):
    """order: tokens of the longest gram, 1 to 5. The rest as for every model of text (`families/decoding.py`)."""

    order: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self, "order", 1, kernels.MOST)
        both = self.top_k > 0 and self.top_p < 1.0
        require(not both, "an n-gram model cuts by top_k or by top_p, not by both: leave one out")

    @property
    def remedies(self) -> dict[str, dict[str, Any]]:
        """What removes each cause of error; counts are exact, and what smoothing errs vanishes with more text."""
        longer = {"order": min(self.order + 1, kernels.MOST)}
        return {"expressivity": longer, "approximation": {}, "sampler": ANCESTRAL}

    def fit(self, pool: Corpus, rng: Stream, previous: Model | None = None) -> NgramModel:
        """The grams of a pool of text. Raises InputError of any other, FitDegenerate where there is no token."""
        require(pool.vocabulary is not None, "an n-gram model fits text: blocks of tokens with their vocabulary")
        check_question(self.question, pool.shape[0])
        if not pool.items.size:
            raise FitDegenerate("no token to count")
        return NgramModel(self, pool.shape[0], *kernels.trie(pool.items, pool.vocabulary, self.order, self.question))

    def load(self, state: State) -> NgramModel:
        """The model whose state this is."""
        named = ("token", "suffix", "count", "start", "level")
        return NgramModel(self, int(state["block"][0]), *(state[name] for name in named))
