"""Text that a given model writes: then the true distribution is known, and so is the distance to it.

Each row begins with the mark of a beginning and is drawn token by token, as the model has them, so that its
probability is known exactly.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.errors import require
from outcross.core.rng import FIXED, Purpose, Stream
from outcross.families.neural.pretrained import STORIES
from outcross.sources.coding import Pretrained
from outcross.sources.passages import LONGEST, SHORTEST


class Source:
    """model: `stories260K`, a Llama of 260,032 parameters (Karpathy's tinyllamas; looked for in $OUTCROSS_DATA and the
    cache, then downloaded), or any that learner.model takes. block: tokens in a row. measured: held-out blocks that
    measures look at, and blocks of each model.
    """

    items: ClassVar[str] = "text"
    columns: tuple[str, ...] = ()
    law = None
    rows: int | None = None

    def __init__(self, model: str = STORIES, block: int = 64, measured: int = 500) -> None:
        require(SHORTEST <= block <= LONGEST, f"block is {SHORTEST} to {LONGEST} tokens, got {block}")
        require(measured >= 2, f"measured is 2 blocks or more, got {measured}")
        self.name, self.shape, self.measured, self.coding = model, (block,), measured, Pretrained(model)
        self.vocabulary = self.coding.size
        require(self.coding.begin is not None, f"{model}: its tokenizer has no mark of a beginning (bos_token)")

    @cached_property
    def truth(self) -> Any:
        """The model itself, as generations are."""
        from outcross.families.causal_lm import CausalModel, Learner
        from outcross.families.neural import language

        learner = Learner(model=self.name)
        network = learner.network(self.vocabulary, self.shape[0], True)
        first = np.bincount([self.coding.begin or 0], minlength=self.vocabulary)
        return CausalModel(learner, self.shape[0], first, language.to_state(network), {"loss": 0.0, "epoch": 0.0})

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N independent rows."""
        return Corpus.text(self.truth.sample(n, rng), self.vocabulary)

    @cached_property
    def training(self) -> Corpus:
        """Rows that no chain is trained on, to count words in."""
        return self.draw(2 * self.measured, FIXED.stream(0, Purpose.SOURCE))

    def validation(self, n: int) -> Corpus:
        """Up to `measured` rows of a stream that no draw uses."""
        return self.draw(min(n, self.measured), FIXED.stream(0, Purpose.VALIDATION))

    def reference(self, n: int) -> Corpus:
        """Up to `measured` rows of a stream that no draw uses."""
        return self.draw(min(n, self.measured), FIXED.stream(0, Purpose.REFERENCE))

    def fingerprint(self) -> str:
        """SHA-256 of the model's weights."""
        from outcross.families.neural.pretrained import fingerprint

        return fingerprint(self.name)
