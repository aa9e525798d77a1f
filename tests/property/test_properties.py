"""Properties that hold for every input: counts add up, the compiled path is the plain one, nothing is lost on disk."""

import math

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcross.core.contracts import Reading
from outcross.core.corpus import Corpus
from outcross.core.errors import FitDegenerate
from outcross.core.loop import Chain
from outcross.core.policies import Blend, mix, replace
from outcross.core.schedules import Samples
from outcross.families.gmm import Learner as Gmm
from outcross.runs.records import Checkpoint, Progress
from outcross.runs.store import Writer
from outcross.sources.mixture import Source

quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def shares(draw):
    """Four shares that sum to 1, zeros among them."""
    parts = draw(st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any))
    return [p / sum(parts) for p in parts]


@quick
@given(st.lists(shares(), min_size=1, max_size=4), st.integers(1, 5000), st.integers(1, 9), st.booleans())
def test_every_blend_adds_exactly_its_samples(points, samples, generation, keep_all):
    policy = Blend(*(list(column) for column in zip(*points, strict=True)), keep_all=keep_all)
    rows = policy.rows(generation, samples, 10_000)
    assert min(rows) >= 0
    assert sum(rows) == samples + (10_000 if keep_all else 0)
    exact = points[min(generation, len(points)) - 1]
    kept = (0, 10_000 if keep_all else 0, 0, 0)
    assert all(abs(r - k - e * samples) < 1 for r, k, e in zip(rows, kept, exact, strict=True))


def trace(move, chain, until):
    """State at `until` by one way of getting there, or where and why it ended."""
    try:
        return {k: v.tobytes() for k, v in move(chain, until).model.state().items()}
    except FitDegenerate as e:
        return e.generation, e.reason


def stepping(chain, until):
    at = chain.start()
    for _ in range(until):
        at = chain.step(at)
    return at


@settings(quick, max_examples=200)
@given(
    policy=st.one_of(
        st.just(replace()),
        st.builds(mix, st.floats(0.0, 1.0), st.sampled_from(["fixed", "redrawn"])),
        st.builds(mix, st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5), st.sampled_from(["fixed", "redrawn"])),
    ),
    n=st.integers(2, 600),
    k=st.integers(1, 3),
    d=st.integers(1, 3),
    init=st.sampled_from(["kmeans", "previous"]),
    growth=st.sampled_from(["constant", [1.0, 0.5], [1.0, 0.9, 0.3]]),
    seed=st.integers(0, 2**63 - 1),
    cut=st.integers(1, 5),
)
def test_the_compiled_stretch_is_the_plain_loop_bit_for_bit_wherever_it_is_cut(
    policy, n, k, d, init, growth, seed, cut
):
    source = Source(means=np.arange(2.0 * d).reshape(2, d).tolist())
    chain = Chain(Gmm(components=k, init=init, iterations=20), policy, source, Samples(n, growth), seed)
    whole = trace(lambda c, t: c.leap(c.start(), t), chain, 6)
    assert whole == trace(lambda c, t: c.leap(c.leap(c.start(), cut), t), chain, 6)
    assert whole == trace(stepping, chain, 6)


tables = st.integers(1, 4).flatmap(
    lambda d: st.lists(
        st.lists(st.lists(st.floats(-1e9, 1e9), min_size=d, max_size=d), min_size=1, max_size=5), min_size=1, max_size=4
    )
)


@quick
@given(tables, st.data())
def test_adding_and_taking_keep_rows_with_their_origin(parts, data):
    batches = [Corpus.of(np.array(rows), born=i) for i, rows in enumerate(parts)]
    whole = sum(batches[1:], batches[0])
    assert len(whole) == sum(map(len, parts))
    np.testing.assert_array_equal(whole.items, np.concatenate(parts))
    assert whole.born.tolist() == [i for i, rows in enumerate(parts) for _ in rows]
    assert whole.digest == Corpus.of(whole.items, whole.born).digest
    index = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=10))
    taken = whole.take(np.array(index, dtype=np.int64))
    np.testing.assert_array_equal(taken.items, whole.items[index])
    np.testing.assert_array_equal(taken.born, whole.born[index])


finite = st.floats(allow_nan=False, allow_infinity=False)
readings = st.one_of(
    st.builds(Reading, finite),
    st.builds(Reading, finite, finite, finite),
    st.builds(Reading, st.sampled_from([math.nan, math.inf, -math.inf]), why=st.text(min_size=1, max_size=20)),
)


@quick
@given(st.dictionaries(st.text(min_size=1, max_size=9), readings, max_size=5), st.text(max_size=20))
def test_the_store_gives_back_every_reading_and_reason(tmp_path_factory, named, reason):
    """To the last bit; a number that is not finite comes back as not-a-number with its reason."""
    named = {k.encode(errors="replace").decode(): v for k, v in named.items()}
    writer = Writer(tmp_path_factory.mktemp("run"), "digest")
    state = {"mean": np.array([0.1, np.nan, np.inf])}
    batch = Corpus.of(np.ones((2, 1)), born=3).batches
    checkpoint = Checkpoint(5, state, state, batch)
    writer.commit(
        [Progress((0, 1), "running", reason, checkpoint, {}, {5: ("m",)}, {5: named}, {5: {"map": state["mean"]}})]
    )
    back = {r.measure: r for r in writer.metrics()}
    assert back.keys() == named.keys()
    for name, reading in named.items():
        row = back[name]
        assert (row.cell, row.chain, row.generation, row.why) == (0, 1, 5, reading.why)
        assert (row.low, row.high) == (reading.low, reading.high)
        assert row.value == reading.value if math.isfinite(reading.value) else math.isnan(row.value)
    assert writer.chains() == {(0, 1): (5, "running", reason)}
    assert writer.taken() == {(0, 1): {5: {"m"}}}
    again = writer.checkpoint((0, 1), 5)
    np.testing.assert_array_equal(again.state["mean"], state["mean"])
    assert Corpus(again.pool).digest == Corpus(batch).digest
    np.testing.assert_array_equal(writer.arrays((0, 1), 5, "measure/")["map"], state["mean"])
    writer.close()
