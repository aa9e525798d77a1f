"""Known: what every truth that is a law shares. There is no end of its rows, and streams of their own hold some out."""

from __future__ import annotations

from outcross.core.corpus import Corpus
from outcross.core.rng import FIXED, Purpose, Stream


class Known:
    """A source that draws from a law; a subclass says how to draw."""

    rows: int | None = None

    def draw(self, n: int, rng: Stream) -> Corpus:
        """N independent rows."""
        raise NotImplementedError

    def validation(self, n: int) -> Corpus:
        """N rows of a stream that no draw uses."""
        return self.draw(n, FIXED.stream(0, Purpose.VALIDATION))

    def reference(self, n: int) -> Corpus:
        """N rows of a stream that no draw uses."""
        return self.draw(n, FIXED.stream(0, Purpose.REFERENCE))

    def fingerprint(self) -> str:
        """Nothing but the settings decides what is drawn."""
        return ""
