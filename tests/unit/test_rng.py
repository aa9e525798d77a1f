"""Streams: the generator is Philox4x32-10, the numbers are fixed for good, and streams are independent."""

import hashlib
from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from scipy import stats

from outcross.core.compiled import _STAMP, choose, exp_in_place, normals_into, uniform_pairs, uniforms_into
from outcross.core.mixture import cholesky
from outcross.core.rng import FIXED, Purpose, Stream, Streams
from outcross.families import gmm_kernels

GOLDEN = {
    "keys": (12891538095870875260, 667723349758577068),
    "numpy": "0ba1acf694abc181",
    "uniforms": "19caf2d6b9e81da0",
    "normals": "2220521dbf58107a",
    "choice": [8, 6, 5, 7],
}
WORDS = Streams.of(0, 0).stream(3, Purpose.FIT).words()


def normals(n, words=WORDS):
    out = np.empty(n)
    normals_into(out, words)
    return out


def uniforms(n, words=WORDS):
    out = np.empty(n)
    uniforms_into(out, words)
    return out


@pytest.mark.parametrize(
    ("counter", "key", "known"),
    [  # Random123, kat_vectors, philox4x32 10
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, key, known):
    u, v = np.empty(1), np.empty(1)
    words = np.array([*key, counter[2], counter[3]], dtype=np.uint64)
    uniform_pairs(u, v, np.uint64(counter[0]), np.uint64(counter[1]), words, 1)
    first, second = (known[0] << 32 | known[1]) >> 11, (known[2] << 32 | known[3]) >> 11
    assert u[0] == (first + 0.5) * 2.0**-53
    assert v[0] == second * 2.0**-53


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def test_streams_never_change():
    """Golden: should one of these move, every stored run would give other numbers (raise CHAIN_FORMAT)."""
    assert (Streams.of(0, 0).key, FIXED.key) == GOLDEN["keys"]
    raw = Streams.of(0, 0).stream(3, Purpose.FIT, 1).generator().bit_generator.random_raw(100)
    assert digest(raw) == GOLDEN["numpy"]
    assert digest(uniforms(1001)) == GOLDEN["uniforms"]
    assert digest(normals(1001)) == GOLDEN["normals"]
    assert choose(10, 4, WORDS).tolist() == GOLDEN["choice"]


def test_purposes_never_change_their_numbers():
    assert [int(p) for p in Purpose] == list(range(1, len(Purpose) + 1))
    assert (Purpose.SOURCE, Purpose.FIT, Purpose.SAMPLE, Purpose.SPLIT) == (1, 2, 3, 13)


@pytest.mark.parametrize("n", [0, 1, 2, 511, 512, 513, 1023, 1024, 1025, 4097])
def test_any_number_of_draws_is_filled_with_different_numbers(n):
    for draw in (normals, uniforms):
        assert len(np.unique(draw(n))) == n


def moment_errors(x):
    """How many standard errors the first four moments are off those of N(0, 1)."""
    known = ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0))
    return [abs((x**power).mean() - mean) / np.sqrt(variance / len(x)) for power, mean, variance in known]


def test_normals_are_normal():
    x = normals(1_000_000)
    assert max(moment_errors(x)) < 4
    assert max(moment_errors(x * np.sqrt(1.02))) > 6  # two per cent too much variance would be noticed
    assert stats.kstest(x[:200_000], "norm").pvalue > 1e-3
    expected = len(x) * 2 * stats.norm.sf(4.0)
    assert abs((np.abs(x) > 4.0).sum() - expected) < 4 * np.sqrt(expected)


def test_uniforms_are_uniform():
    x = uniforms(1_000_000)
    assert x.min() >= 0.0
    assert x.max() < 1.0
    assert stats.kstest(x[:200_000], "uniform").pvalue > 1e-3
    assert abs(x.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / len(x))
    pairs = stats.chisquare(np.histogram2d(x[:-1], x[1:], bins=16)[0].ravel())
    assert pairs.pvalue > 1e-3


def test_numpy_streams_do_not_overlap():
    """A stream's own counter words start at 0, generation and purpose stand in the words above them."""
    drawn = [
        Stream(5, g, p, s).generator().bit_generator.random_raw(64) for g in (0, 1) for p in (1, 2) for s in (0, 1)
    ]
    assert len(np.unique(np.concatenate(drawn))) == 8 * 64


def test_streams_are_independent():
    n = 100_000
    base = Streams.of(0, 0)
    streams = {
        "itself": base.stream(3, Purpose.FIT),
        "the next generation": base.stream(4, Purpose.FIT),
        "another purpose": base.stream(3, Purpose.SAMPLE),
        "another shard": base.stream(3, Purpose.FIT, 1),
        "another chain": Streams.of(0, 1).stream(3, Purpose.FIT),
        "another seed": Streams.of(1, 0).stream(3, Purpose.FIT),
    }
    columns = [normals(n, s.words()) for s in streams.values()] + [stats.norm.ppf(uniforms(n) + 2.0**-54)]
    for a, b in combinations(columns, 2):
        assert abs(np.mean(a * b)) < 4.5 / np.sqrt(n)
        assert abs(np.mean(a * a * b * b) - 1.0) < 4.5 * np.sqrt(8.0 / n)


def test_successive_numbers_of_a_stream_are_uncorrelated():
    x = normals(200_001)
    for lag in (1, 2, 100_001):  # the last pairs the two halves of Box-Muller
        y = x[lag:]
        assert abs(np.mean(x[: len(y)] * y)) < 4 / np.sqrt(len(y))


def test_every_ordered_choice_is_equally_likely():
    stream = Streams.of(0, 0)
    counts = np.zeros((5, 5))
    for g in range(20_000):
        i, j = choose(5, 2, stream.stream(g, Purpose.ANCHOR).words())
        counts[i, j] += 1
    assert np.diag(counts).sum() == 0
    assert stats.chisquare(counts[~np.eye(5, dtype=bool)]).pvalue > 1e-3


def test_a_choice_of_all_is_a_permutation():
    assert sorted(choose(700, 700, WORDS)) == list(range(700))


def test_exp_is_accurate_to_1e14_and_never_underflows():
    x = np.concatenate([np.linspace(-708.0, 700.0, 200_001), [-0.0, 0.0, -1e-300, 1e-17]])
    out = x.copy()
    exp_in_place(out, np.empty_like(x), len(x))
    assert np.max(np.abs(out / np.exp(x) - 1.0)) < 1e-14
    low = np.array([-1e4, -np.inf])
    exp_in_place(low, np.empty(2), 2)
    np.testing.assert_allclose(low, np.exp(-708.0), rtol=1e-14)


def test_no_compiled_function_inherits_floating_point_licence_from_its_caller():
    """numba compiles a callee with the fastmath of whichever caller comes first, unless it names its own.

    With reassociation allowed, exp_in_place loses the rounding trick it rests on, and is wrong by up to 41 %.
    """
    modules = [import_module(f"outcross.{m}") for m in ("core.compiled", "core.mixture", "families.gmm_kernels")]
    functions = [f for m in modules for f in vars(m).values() if isinstance(f, Dispatcher)]
    assert len(functions) > 20
    for f in functions:
        assert "fastmath" in f.targetoptions, f.__name__
    assert exp_in_place.targetoptions["fastmath"] is False


def test_a_change_of_a_callee_makes_the_compiled_callers_stale():
    """numba's own stamp is of the caller's file alone; ours holds that of the shared files too."""
    for f in (exp_in_place, cholesky, gmm_kernels.em, gmm_kernels.evolve):
        assert f._cache._cache_file._source_stamp.endswith(f"/{_STAMP.hexdigest()}")


def test_a_seed_for_other_programs_differs_between_streams():
    seeds = {Streams.of(0, c).stream(g, Purpose.FIT).seed() for c in range(10) for g in range(10)}
    assert len(seeds) == 100
    assert max(seeds) < 2**31
