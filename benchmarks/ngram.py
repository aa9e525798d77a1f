"""N-grams compiled, against the same model in Python's dicts and against nltk.

    python -m benchmarks.ngram [--repeats 5] [--tokens 200000]

Tokens a second on one core, compilation left out: to count and smooth, to score, and to write as many tokens as there
are, by chance, from the nucleus (top_p = 0.9) and by beam search (5 beams); what only a way of writing needs, which a
generation makes once, counts as writing. On the whole of WikiText-2 where $OUTCROSS_DATA has it, else on Python's
language reference again and again; on --tokens of it against the others, medians over interleaved repeats. nltk needs
milliseconds a word, so it scores fifty; its model is a sibling (one given discount), the dicts' the same.
"""

from __future__ import annotations

import argparse
import bisect
import dataclasses
import itertools
import math
import os
import platform
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import nltk
import numba
import numpy as np
from nltk.lm import KneserNeyInterpolated
from nltk.util import everygrams
from threadpoolctl import threadpool_limits

from outcross.core.corpus import Corpus
from outcross.core.rng import Purpose, Streams
from outcross.families.ngram import Learner, NgramModel
from outcross.sources import pydoc, wikitext2
from outcross.sources.fetch import VARIABLE

ORDERS = (3, 5)
TARGETS = {"fit": 1_000_000, "score": 1_000_000, "sample": 500_000}  # tokens/s of order 3
SCORED = 50  # tokens that nltk scores
WHOLE = 2_088_628  # tokens of the text without $OUTCROSS_DATA: as many as WikiText-2 has
STREAM = Streams.of(0, 0).stream(0, Purpose.SAMPLE)


class Dicts:
    """The family in plain Python: grams in dicts by context, -1 where a row begins."""

    def __init__(self, rows: list[list[int]], vocabulary: int, order: int) -> None:
        self.vocabulary, self.order = vocabulary, order
        self.after: list[dict[tuple[int, ...], dict[int, int]]] = [defaultdict(dict) for _ in range(order)]
        for row in rows:
            marked = (-1, *row)
            for j in range(1, len(marked)):
                k = min(order, j + 1)  # the longest gram, or one from the beginning of the row
                seen, word = self.after[k - 1][marked[j - k + 1 : j]], marked[j]
                seen[word] = seen.get(word, 0) + 1
        for k in range(order - 1, 0, -1):  # of all others, how many words stand before them
            for context, seen in self.after[k].items():
                shorter = self.after[k - 1][context[1:]]
                for word in seen:
                    shorter[word] = shorter.get(word, 0) + 1
        self.discount = [self._discount(after) for after in self.after]
        self.whole = [{context: sum(seen.values()) for context, seen in after.items()} for after in self.after]

    @staticmethod
    def _discount(after: dict[tuple[int, ...], dict[int, int]]) -> float:
        once = sum(n == 1 for seen in after.values() for n in seen.values())
        twice = sum(n == 2 for seen in after.values() for n in seen.values())
        return min(max(once / max(once + 2 * twice, 1), 0.1), 0.9)

    def chance(self, context: tuple[int, ...], word: int) -> float:
        p = 1 / self.vocabulary
        for k in range(len(context) + 1):
            part = context[len(context) - k :]
            seen = self.after[k].get(part)
            if seen is None:
                break
            off, whole = self.discount[k], self.whole[k][part]
            p *= off * len(seen) / whole
            n = seen.get(word)
            if n is not None:
                p += (n - off) / whole
        return p

    def surprisal(self, rows: list[list[int]]) -> list[list[float]]:
        found, far = [], self.order - 1
        for row in rows:
            marked = (-1, *row)
            ends = range(2, len(marked))
            found.append([-math.log(self.chance(marked[max(0, j - far) : j], marked[j])) for j in ends])
        return found

    def sample(self, n: int, block: int, rng: random.Random) -> list[list[int]]:
        """Words by the interpolation itself: a seen one, less its discount, or else from the shorter context."""
        listed: dict[tuple[int, ...], tuple[list[int], list[int]]] = {}
        made, far, uniform = [], self.order - 1, rng.random
        for _ in range(n):
            row = [-1]
            for _ in range(block):
                context, word = tuple(row[max(0, len(row) - far) :]) if far else (), -1
                while True:
                    k = len(context)
                    seen = self.after[k].get(context)
                    if seen is not None:
                        if context not in listed:
                            listed[context] = [*seen], [*itertools.accumulate(seen.values())]
                        words, added = listed[context]
                        picked = words[bisect.bisect(added, uniform() * added[-1])]
                        if uniform() * seen[picked] >= self.discount[k]:
                            word = picked
                    if word >= 0 or not k:
                        break
                    context = context[1:]
                row.append(word if word >= 0 else rng.randrange(self.vocabulary))
            made.append(row[1:])
        return made


class Nltk:
    """nltk's model, with the mark of a row's beginning as a word."""

    def __init__(self, rows: list[list[int]], order: int) -> None:
        self.order = order
        named = [["<s>", *map(str, row)] for row in rows]
        self.model = KneserNeyInterpolated(order, 0.75)
        self.model.fit([everygrams(row, max_len=order) for row in named], itertools.chain(*named))

    def score(self, row: list[int], tokens: int) -> None:
        words = ["<s>", *map(str, row)]
        for j in range(self.order, min(self.order + tokens, len(words))):
            self.model.score(words[j], words[j - self.order + 1 : j])


def text() -> tuple[str, Corpus]:
    """What there is to read, as a corpus of blocks, and its name."""
    if os.environ.get(VARIABLE):
        return "WikiText-2", wikitext2.Source().training
    read = pydoc.Source().training
    times = -(-WHOLE // read.items.size)
    told = f"Python's language reference, {times} times over"
    return told, Corpus.text(np.tile(read.items, (times, 1)), read.vocabulary or 0)


def fit(corpus: Corpus, order: int) -> NgramModel:
    """Counted and smoothed, so that it can score."""
    model = Learner(order=order).fit(corpus, STREAM)
    _ = model._smooth
    return model


def write(model: NgramModel, n: int, given: Corpus | None = None, **options: Any) -> np.ndarray:
    """Rows of a smoothed model that has not yet made what this way of writing needs."""
    fresh = dataclasses.replace(model, learner=Learner(order=model.order, **options))
    vars(fresh)["discount"], vars(fresh)["_smooth"] = model.discount, model._smooth
    return fresh.sample(n, STREAM, given)


def ours(corpus: Corpus, order: int) -> dict[str, Callable[[], Any]]:
    model, n = fit(corpus, order), len(corpus)
    return {
        "fit": partial(fit, corpus, order),
        "score": partial(model.surprisal, corpus.items),
        "sample": partial(write, model, n),
        "sample, top_p = 0.9": partial(write, model, n, top_p=0.9),
        "search, 5 beams": partial(write, model, n, corpus, decoding="beam", prompts="original"),
    }


def check(corpus: Corpus, order: int) -> None:
    """The dicts must give the same losses: else they would be another model's."""
    rows = corpus.items[:100]
    some = Dicts(rows.tolist(), corpus.vocabulary or 0, order)
    few = fit(Corpus.text(rows, corpus.vocabulary or 0), order)
    held = corpus.items[100:120]
    np.testing.assert_allclose(few.surprisal(held), some.surprisal(held.tolist()), rtol=0, atol=1e-12)


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(works: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each, taken in turn; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for round_ in range(repeats + 1):
        for name, work in works.items():
            seconds = timed(work)
            found[name] += [seconds] if round_ else []
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def whole(corpus: Corpus, order: int, repeats: int) -> None:
    print(f"order {order}, all {corpus.items.size:,} tokens")
    for task, seconds in interleaved(ours(corpus, order), repeats).items():
        pace = corpus.items.size / seconds
        aim = TARGETS.get(task) if order == 3 else None
        told = "" if aim is None else f"  target {aim:,}: {'reached' if pace >= aim else 'MISSED'}"
        print(f"  {task:20} {pace:12,.0f} tokens/s  {seconds:7.3f} s{told}")


def against(corpus: Corpus, order: int, repeats: int) -> None:
    """Ours, the dicts' and nltk's, taken in turn on the same part of the text."""
    rows, block, vocabulary = corpus.items.tolist(), corpus.shape[0], corpus.vocabulary or 0
    dicts, theirs = Dicts(rows, vocabulary, order), Nltk(rows, order)
    scored = min(SCORED, block + 1 - order)
    # each task: side -> (work, tokens)
    works: dict[tuple[str, str], tuple[Callable[[], Any], int]] = {}
    for task, work in ours(corpus, order).items():
        works[task, "ours"] = work, corpus.items.size
    works["fit", "dicts"] = partial(Dicts, rows, vocabulary, order), corpus.items.size
    works["score", "dicts"] = partial(dicts.surprisal, rows), corpus.items.size
    works["sample", "dicts"] = partial(dicts.sample, len(rows), block, random.Random(0)), corpus.items.size
    works["fit", "nltk"] = partial(Nltk, rows, order), corpus.items.size
    works["score", "nltk"] = partial(theirs.score, rows[-1], scored), scored
    seconds = interleaved({" / ".join(key): work for key, (work, _) in works.items()}, repeats)
    pace = {key: tokens / seconds[" / ".join(key)] for key, (_, tokens) in works.items()}
    print(f"order {order}, {corpus.items.size:,} tokens (nltk scores {scored} of them), tokens/s")
    print(f"  {'':20} {'ours':>12} {'dicts':>12} {'ratio':>9} {'nltk':>12} {'ratio':>11}")
    for task in dict.fromkeys(task for task, _ in works):
        told = f"  {task:20} {pace[task, 'ours']:12,.0f}"
        for side, width in (("dicts", 9), ("nltk", 11)):
            if (task, side) in pace:
                told += f" {pace[task, side]:12,.0f} {pace[task, 'ours'] / pace[task, side]:{width},.1f}"
        print(told)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--tokens", type=int, default=200_000)
    given = options.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    versions = f"numba {numba.__version__}, nltk {nltk.__version__}, Python {platform.python_version()}"
    name, corpus = text()
    print(f"{versions}, one core, {given.repeats} repeats")
    print(f"{name}: {corpus.items.size:,} tokens in blocks of {corpus.shape[0]}, {corpus.vocabulary:,} words")
    part = corpus.take(np.arange(min(len(corpus), max(1, given.tokens // corpus.shape[0]))))
    with threadpool_limits(1):
        for order in ORDERS:
            check(part, order)
            for work in ours(part.take(np.arange(10)), order).values():  # compiles
                work()
            whole(corpus, order, given.repeats)
            against(part, order, given.repeats)


if __name__ == "__main__":
    main()
