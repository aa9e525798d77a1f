"""The contracts, executable: each check raises AssertionError with what was promised and what was found.

    from outcross.core.checks import check_learner
    check_learner(MyLearner())

They run over everything discovered in this package, and are public for yours.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, is_dataclass
from typing import Any

import numpy as np

from outcross.core.contracts import (
    Generation,
    Learner,
    Measure,
    Model,
    Policy,
    Reading,
    Rows,
    Scene,
    Source,
    Stage,
    State,
    Stretch,
)
from outcross.core.corpus import Corpus
from outcross.core.errors import InputError
from outcross.core.rng import Purpose, Streams
from outcross.core.statistics import Counts, codes, stored_part
from outcross.core.streamed import Streamed

_STREAMS = Streams.of(7, 0)


def _promise(holds: bool, promise: str, found: object = "") -> None:
    if not holds:
        raise AssertionError(promise + (f"; found {found}" if found != "" else ""))


def _same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def _rows(learner: Learner, n: int, d: int) -> Corpus:
    g = _STREAMS.stream(0, Purpose.SOURCE).generator()
    items = getattr(learner, "items", "numbers")
    if items == "categories":
        return Corpus.of(np.floor(8.0 * g.random(n) ** 2))
    if items == "images":
        return Corpus.of(g.integers(256, size=(n, 8, 8), dtype=np.uint8))
    if items == "text":
        return Corpus.text(np.floor(30.0 * g.random((n, 16)) ** 3).astype(np.int32), 32)
    return Corpus.of(g.standard_normal((n, d)) + np.arange(d))


def check_learner(learner: Learner, n: int = 200, d: int = 2, pool: Corpus | None = None) -> None:
    """A learner is deterministic, leaves its pool alone, and its models round-trip through their state.

    pool: rows that it can fit, for a learner to which n normal rows in d columns (or category codes, or images of
    noise) say nothing.
    """
    _promise(isinstance(learner, Learner), "a learner offers fit and load", type(learner))
    if is_dataclass(learner):
        _check_frozen(learner)
    pool = _rows(learner, n, d) if pool is None else pool
    fit, draw = _STREAMS.stream(1, Purpose.FIT), _STREAMS.stream(1, Purpose.SAMPLE)
    before = pool.digest
    model = learner.fit(pool, fit)
    _promise(pool.digest == before, "a fit leaves its pool unchanged")
    _promise(isinstance(model, Model), "a model offers sample and state", type(model))
    _check_samples(model, draw, pool)
    again = learner.fit(pool, fit)
    _promise(_same(model.state(), again.state()), "the same pool and stream give the same model, bit for bit")
    loaded = learner.load(model.state())
    _promise(_same(model.state(), loaded.state()), "a loaded model has the state it was loaded from")
    same = np.array_equal(_sampled(model, 17, draw, pool), _sampled(loaded, 17, draw, pool))
    _promise(same, "a loaded model samples the same rows")
    if hasattr(model, "labelled"):
        _check_labels(model, draw, pool)
    next_model = learner.fit(pool, _STREAMS.stream(2, Purpose.FIT), model)
    _check_samples(next_model, draw, pool)
    if getattr(learner, "streams", False):
        _check_samples(learner.fit(Streamed(model, n, draw, pool), fit, model), draw, pool)
    if hasattr(learner, "evolve"):
        _check_evolve(learner, model, pool)
    if getattr(learner, "statistics", None) is not None:
        _check_statistics(learner, model, pool)


def _check_frozen(learner: Any) -> None:
    names = list(learner.__dataclass_fields__)
    if names:
        try:
            setattr(learner, names[0], getattr(learner, names[0]))
        except FrozenInstanceError:
            return
        raise AssertionError("a learner that is a dataclass is frozen")


def _sampled(model: Any, n: int, draw: Any, pool: Corpus) -> np.ndarray:
    """N rows; of a model that continues prompts, after the first rows of the pool."""
    prompted = getattr(model, "prompted", False)
    return np.asarray(model.sample(n, draw, pool.take(slice(0, n))) if prompted else model.sample(n, draw))


def _check_samples(model: Model, draw: Any, pool: Corpus) -> None:
    rows, shape = _sampled(model, 50, draw, pool), pool.shape
    _promise(rows.shape == (50, *shape), f"50 rows of shape {shape} are sampled", rows.shape)
    _promise(bool(np.isfinite(rows).all()), "sampled rows are finite")
    _promise(np.array_equal(rows, _sampled(model, 50, draw, pool)), "the same stream gives the same rows")
    if pool.vocabulary is not None:
        _check_text(model, rows, pool)
    other = _sampled(model, 50, draw._replace(generation=draw.generation + 1), pool)
    searches = getattr(getattr(model, "learner", None), "decoding", "sample") == "beam"
    _promise(searches or not np.array_equal(rows, other), "another stream gives other rows")


def _check_text(model: Any, rows: np.ndarray, pool: Corpus) -> None:
    """Tokens of the vocabulary, the loss of every token but the first, and rows that continue a prompt."""
    _promise(bool(((rows >= 0) & (rows < pool.vocabulary)).all()), f"tokens are below {pool.vocabulary}")
    loss, scored = model.surprisal(pool.items), pool.shape[0] - max(1, getattr(model, "question", 0))
    _promise(loss.shape == (len(pool), scored), f"a row of {pool.shape[0]} tokens has {scored} losses", loss.shape)
    _promise(bool((loss >= 0.0).all()) and bool(np.isfinite(loss).all()), "the loss of a token is - log p, finite")
    given = pool.take(slice(0, 3))
    made = model.sample(3, _STREAMS.stream(3, Purpose.SAMPLE), given)
    _promise(made.shape == given.items.shape, "what continues a prompt is a row", made.shape)


def _check_labels(model: Any, draw: Any, pool: Corpus) -> None:
    """Rows come with labels that the pool had, the same ones again with the same stream."""
    (rows, label), (again, same) = model.labelled(50, draw), model.labelled(50, draw)
    _promise(rows.shape == (50, *pool.shape) and label.shape == (50,), "50 rows have 50 labels", label.shape)
    _promise(np.array_equal(rows, again) and np.array_equal(label, same), "the same stream gives the same labels")
    known = set(np.unique(pool.label).tolist()) if pool.label is not None else set()
    _promise(set(label.tolist()) <= known, "labels are those of the pool", set(label.tolist()))


def _check_statistics(learner: Any, model: Any, pool: Corpus) -> None:
    """Statistics stand for rows: the same fit, repeatable draws, as many rows as were asked for."""
    n, draw, fit = len(pool), _STREAMS.stream(1, Purpose.SAMPLE), _STREAMS.stream(1, Purpose.FIT)
    by_statistics = learner.fit(learner.statistics.of(pool), fit)
    by_rows = learner.fit(pool, fit)
    drawn, again = model.statistics(n, draw), model.statistics(n, draw)
    _promise(len(drawn) == n, f"statistics of {n} rows stand for {n} rows", len(drawn))
    _promise(drawn.digest == again.digest, "the same stream gives the same statistics")
    _promise(len(drawn + drawn) == 2 * n, "statistics of two pools add up")
    part = stored_part(drawn.arrays())
    _promise(part.digest == drawn.digest, "statistics are what their arrays say")
    a, b = by_statistics.state(), by_rows.state()
    same = all(np.allclose(a[k], b[k], rtol=1e-6, atol=1e-9) for k in a.keys() & b.keys())
    _promise(same and bool(a.keys() & b.keys()), "a fit to statistics is the fit to the rows")


def _check_evolve(learner: Any, model: Model, pool: Corpus) -> None:
    """evolve(a, c) == evolve(a, b); evolve(b, c), bit for bit."""

    def over(start: Model, first: int, last: int) -> Model:
        rows = np.full(last - first, len(pool), dtype=np.int64)
        purposes = (Purpose.SAMPLE, Purpose.FIT, Purpose.ANCHOR)
        words = (_STREAMS.stream(0, p) for p in purposes)
        return learner.evolve(start, Stretch(first, rows, 0 * rows, True, pool.items, *words))  # type: ignore[no-any-return]

    whole, parts = over(model, 0, 6), over(over(model, 0, 2), 2, 6)
    _promise(_same(whole.state(), parts.state()), "a stretch of generations is the same in one call and in two")


def check_policy(policy: Policy) -> None:
    """A policy asks for whole, non-negative row counts that meet the budget in every generation."""
    _promise(isinstance(policy, Policy), "a policy offers anchor, rows and budget_rows", type(policy))
    _promise(policy.anchor in ("fixed", "redrawn"), "anchor is fixed or redrawn", policy.anchor)
    pool = 1000
    for t in range(1, 8):
        for samples in (1, 3, 10, 997):
            rows = policy.rows(t, samples, pool)
            _promise(isinstance(rows, Rows) and min(rows) >= 0, "row counts are not negative", rows)
            added = sum(rows) - (pool if rows.previous >= pool else 0)
            _promise(added == samples, f"a pool gains or holds {samples} rows", rows)
            budget = policy.budget_rows(t, samples)
            _promise(budget is None or budget >= 1, "a budget is at least one row", budget)


def check_stage(stage: Stage, rows: Corpus, scene: Scene) -> None:
    """A stage is frozen, says where it acts, repeats itself with the same stream, counts, and leaves its rows alone."""
    _promise(isinstance(stage, Stage), "a stage offers on, and is called with rows, a scene and a stream", type(stage))
    _promise(stage.on in ("made", "fitted"), "a stage acts on rows `made` or `fitted`", stage.on)
    if is_dataclass(stage):
        _check_frozen(stage)
    stream, before = _STREAMS.stream(1, Purpose.STAGE), rows.digest
    done, again = stage(rows, scene, stream), stage(rows, scene, stream)
    _promise(rows.digest == before, "a stage leaves the rows that it is given unchanged")
    _promise(done.rows.digest == again.rows.digest, "the same rows and stream give the same rows")
    _promise(done.rows.shape == rows.shape, f"rows that go on are rows of shape {rows.shape}", done.rows.shape)
    _promise(0 <= done.altered <= len(done.rows), "altered rows are some of those that go on", done.altered)


def check_source(source: Source, n: int = 20) -> None:
    """A source draws deterministic, finite, different rows, and never gives a reference row to training."""
    _promise(isinstance(source, Source), "a source offers columns, rows, draw, validation and reference", type(source))
    stream = _STREAMS.stream(0, Purpose.SOURCE)
    drawn = source.draw(n, stream)
    blocks = getattr(source, "items", "numbers") in ("images", "text")
    shape = tuple(source.shape) if blocks else (len(source.columns),)  # type: ignore[attr-defined]
    _promise(drawn.items.shape == (n, *shape), f"{n} rows of shape {shape} are drawn", drawn.items.shape)
    if blocks:
        _promise(isinstance(source.training, Corpus), "a source of these offers training: all that can be drawn")  # type: ignore[attr-defined]
    if drawn.vocabulary is not None:
        _check_coding(source, drawn)
    _promise(bool((drawn.born == 0).all()), "drawn rows are real: born 0")
    _promise(drawn.digest == source.draw(n, stream).digest, "the same stream draws the same rows")
    most = 2000 if source.rows is None else source.rows
    every, held = source.draw(most, stream).items, source.reference(2000).items
    _promise(len(held) > 0, "some rows are held out")
    if getattr(source, "items", "numbers") == "categories":
        _check_categories(source, every, held)
        return
    train, kept = {row.tobytes() for row in every}, {row.tobytes() for row in held}
    both = train & kept
    repeats = len(train) < 0.9 * len(every)  # data that repeats itself has equal rows on both sides of any split
    if source.rows is None:
        _promise(repeats or not both, "no reference row is ever drawn", f"{len(both)} of them")
    else:
        _promise(repeats or 2 * len(both) <= len(kept), "no reference row is ever drawn", f"{len(both)} of them")
        _check_end(source, stream)


def _check_coding(source: Any, drawn: Corpus) -> None:
    """Tokens stand for text: what is decoded and encoded again is the same text, with a mark at one of its ends."""
    coding = source.coding
    _promise(coding.size == source.vocabulary == drawn.vocabulary, "a coding has as many tokens as the vocabulary")
    marks = {coding.end, getattr(coding, "begin", None)}
    said = coding.decode([t for t in drawn.items[0].tolist() if t not in marks])
    again = list(next(iter(coding.encode([said]))))
    _promise(bool(marks & {again[0], again[-1]}), "a document begins or ends with a mark")
    same = coding.decode([t for t in again if t not in marks]) == said
    _promise(same, "what is encoded again says the same", (said, again))


def _check_categories(source: Any, drawn: Any, held: Any) -> None:
    """Codes of the categories that the truth is told of; single rows cannot be told apart, so no overlap shows."""
    k = len(source.frequencies)
    _promise(k >= 2 and abs(source.frequencies.sum() - 1.0) < 1e-9, "frequencies of two or more categories sum to 1")
    both = np.concatenate([drawn, held])
    _promise(bool((codes(both) < k).all()), f"codes are below {k}")
    counts = source.statistics(Counts, len(drawn), _STREAMS.stream(0, Purpose.SOURCE))
    _promise(len(counts) == len(drawn) and len(counts.counts) <= k, "statistics are counts of as many rows")
    if source.rows is not None:
        _check_end(source, _STREAMS.stream(0, Purpose.SOURCE))


def _check_end(source: Source, stream: Any) -> None:
    """More rows than there are is an error, not a repetition."""
    assert source.rows is not None
    try:
        source.draw(source.rows + 1, stream)
    except InputError:
        return
    raise AssertionError("asking a finite source for more rows than it has raises InputError")


def check_measure(measure: Measure, generation: Generation, context: Any) -> None:
    """A measure says what it gives, is repeatable, and gives a reason with every number that is not finite."""
    _promise(isinstance(measure, Measure), "a measure is a Measure", type(measure))
    _promise(bool(measure.cite), "a measure cites its source")
    first, second = measure.take(generation, context), measure.take(generation, context)
    for name, value in first.items():
        _promise(name in measure.quantities, f"{name} is declared with unit and direction")
        if isinstance(value, np.ndarray):
            _promise(np.array_equal(value, np.asarray(second[name]), equal_nan=True), f"{name} is repeatable")
            continue
        reading = value if isinstance(value, Reading) else Reading(float(value))
        other = second[name]
        other = other if isinstance(other, Reading) else Reading(float(other))
        _promise(
            reading.value == other.value or not np.isfinite(reading.value), f"{name} is repeatable", (reading, other)
        )
        _promise(bool(np.isfinite(reading.value)) or bool(reading.why), f"{name} is finite or says why", reading)
    for name, quantity in measure.quantities.items():
        _promise(
            quantity.collapse in ("up", "down", "away", "none"), f"{name} says which way is collapse", quantity.collapse
        )


__all__ = ["check_learner", "check_measure", "check_policy", "check_source", "check_stage"]
