"""What a stated loss on real text costs with real rows, and with rows that a teacher writes.

A student of trigrams is fitted on growing numbers of either until its perplexity of held-out text is what was asked
for. Seconds: of the fit; of a teacher's rows also of writing them, and once of the teacher's own fit. Medians of
interleaved repeats.

    python -m benchmarks.teacher
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from outcross.core.corpus import Corpus
from outcross.core.rng import Purpose, Streams
from outcross.families.ngram import Learner
from outcross.sources.pydoc import Source

WANTED, REPEATS = 80.0, 5  # perplexity, seeds
SIZES = tuple(range(56, 1961, 7))  # rows; coarser steps overshoot, and not both sides alike


class Cost(NamedTuple):
    """Rows, seconds until they are there and are learned, and the perplexity reached."""

    rows: int
    seconds: float
    perplexity: float


def main() -> None:
    """One line a kind of rows."""
    source, learner = Source(), Learner(order=3)
    held = source.reference(10**6).items
    learner.fit(source.draw(20, Streams.of(9, 0).stream(0, Purpose.SOURCE)), Streams.of(9, 0).stream(0, Purpose.FIT))
    found: dict[str, list[Cost]] = {"real": [], "teacher's": []}
    taught = []
    for seed in range(REPEATS):
        s = Streams.of(seed, 0).stream
        began = time.perf_counter()
        teacher = learner.fit(source.draw(source.rows, s(0, Purpose.TEACHER)), s(0, Purpose.FIT))
        taught.append(time.perf_counter() - began)

        def real(n: int, s: Any = s) -> Corpus:
            return source.draw(n, s(0, Purpose.SOURCE))

        def written(n: int, s: Any = s, teacher: Any = teacher) -> Corpus:
            return Corpus.text(teacher.sample(n, s(0, Purpose.SAMPLE)), source.vocabulary, 1)

        for name, rows in (("real", real), ("teacher's", written)):
            found[name].append(_reached(learner, rows, held, s(1, Purpose.FIT), source.rows))
    block = source.shape[0]
    for name, costs in found.items():
        n, seconds, reached = (float(np.median([getattr(c, k) for c in costs])) for k in Cost._fields)
        print(f"{name} rows: {n:,.0f} rows, {n * block:,.0f} tokens, {seconds:.3f} s, perplexity {reached:.1f}")
    print(f"the teacher's own fit: {source.rows:,} real rows, {np.median(taught):.3f} s; wanted: {WANTED:g}")


def _reached(learner: Learner, rows: Any, held: Any, rng: Any, most: int) -> Cost:
    """The smallest of SIZES that reaches the loss, or the largest tried."""
    cost = Cost(0, np.nan, np.inf)
    for n in SIZES:
        if n > most and rows.__name__ == "real":
            break
        began = time.perf_counter()
        model = learner.fit(rows(n), rng)
        seconds = time.perf_counter() - began
        cost = Cost(n, seconds, float(np.exp(np.mean(model.surprisal(held)))))
        if cost.perplexity <= WANTED:
            break
    return cost


if __name__ == "__main__":
    main()
