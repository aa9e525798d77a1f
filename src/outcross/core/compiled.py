"""Compiled primitives: counter-based random numbers, exp, log and subset choice, free of any vendor library.

Loops are branch-free so that the compiler vectorises them. Elementwise results are the same on every machine; sums
(`total`, `dot`) let the compiler reassociate, so they are bit-identical on one machine class only (adr/0003).
Philox4x32-10 follows Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numba as nb
import numpy as np

BLOCK = 512  # rows handled at once: buffers stay in the first-level cache

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _SHIFT, _DROP = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(11)
_UNIT = 1.0 / 9007199254740992.0  # 2^-53
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer
_LN2 = 0.6931471805599453
_NORMALS, _UNIFORMS = np.uint64(0), np.uint64(1)  # second counter word: which kind of number a stream gives

_STAMP = hashlib.sha256(
    b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in ("compiled", "mixture"))
)


def _jit(**options):
    """A numba decorator whose cache also goes stale when the files change whose functions other files call.

    numba itself looks only at the file of the caller: it would go on running what was inlined from a callee long gone.
    """

    def decorate(function):
        made = nb.njit(cache=True, error_model="numpy", nogil=True, **options)(function)
        file = getattr(getattr(made, "_cache", None), "_cache_file", None)
        if file is not None:
            file._source_stamp = f"{file._source_stamp}/{_STAMP.hexdigest()}"
        return made

    return decorate


# fastmath=False is said aloud: numba lets a callee inherit the flags of whichever caller compiles it first
compiled = _jit(fastmath=False)
reassociating = _jit(fastmath={"reassoc", "nsz"})


@reassociating
def total(a, n):
    """Sum of the first n entries of a."""
    s = 0.0
    for i in range(n):
        s += a[i]
    return s


@reassociating
def dot(a, b, n):
    """Inner product of the first n entries of a and b."""
    s = 0.0
    for i in range(n):
        s += a[i] * b[i]
    return s


@reassociating
def product(a, n):
    """Product of the first n entries of a."""
    s = 1.0
    for i in range(n):
        s *= a[i]
    return s


@compiled
def exp_in_place(x, scratch, n):
    """x[i] <- exp(x[i]) for the first n entries, relative error below 1e-14; below -708 gives exp(-708).

    In place: were source and result two arguments that may overlap, no loop would vectorise.
    """
    result, shifted = x.view(np.int64), scratch.view(np.int64)
    for i in range(n):
        y = x[i] if x[i] > -708.0 else -708.0
        scratch[i] = y * 1.4426950408889634 + _ROUND  # the integer part now stands in the low bits
        m = scratch[i] - _ROUND
        r = (y - m * 6.93147180369123816490e-01) - m * 1.90821492927058770002e-10
        p = 1 / 3628800.0 + r * (1 / 39916800.0)
        p = 1 / 40320.0 + r * (1 / 362880.0 + r * p)
        p = 1 / 720.0 + r * (1 / 5040.0 + r * p)
        p = 1 / 24.0 + r * (1 / 120.0 + r * p)
        x[i] = 1.0 + r * (1.0 + r * (0.5 + r * (1 / 6.0 + r * p)))
    for i in range(n):
        result[i] += shifted[i] << 52  # add the integer part to the exponent


@compiled
def _box_muller_radius(u, mantissa, exponent, n):
    """u[i] <- sqrt(-2 ln u[i]) for u in (0, 1)."""
    bits, kept = u.view(np.int64), mantissa.view(np.int64)
    for i in range(n):
        e = (bits[i] - np.int64(0x3FE6A09E667F3BCD)) >> np.int64(52)
        kept[i] = bits[i] - (e << np.int64(52))
        exponent[i] = np.float64(e)
    for i in range(n):
        f = mantissa[i] - 1.0
        s = f / (2.0 + f)
        z = s * s
        p = 0.1531383769920937332 + z * 0.1479819860511658591
        p = 0.2222219843214978396 + z * (0.1818357216161805012 + z * p)
        p = z * (0.6666666666666735130 + z * (0.3999999999940941908 + z * (0.2857142874366239149 + z * p)))
        h = 0.5 * f * f
        u[i] = np.sqrt(-2.0 * (exponent[i] * _LN2 - (h - (s * (h + p)) - f)))


@compiled
def _turn(v, radius, cosine, sine, n):
    """The pair radius * (cos, sin)(2 pi v), v in [0, 1)."""
    for i in range(n):
        j = np.floor(4.0 * v[i] + 0.5)
        t = (v[i] - 0.25 * j) * 6.283185307179586
        z = t * t
        p = 2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)
        s = t * (
            1.0
            + z
            * (
                -1.66666666666666324348e-01
                + z * (8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * p))
            )
        )
        p = -2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 - z * 1.13596475577881948265e-11)
        c = (
            1.0
            - 0.5 * z
            + z
            * z
            * (
                4.16666666666666019037e-02
                + z * (-1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 + z * p))
            )
        )
        swap = (j == 1.0) | (j == 3.0)
        a = s if swap else c
        b = c if swap else s
        cosine[i] = radius[i] * (-a if (j == 1.0) | (j == 2.0) else a)
        sine[i] = radius[i] * (-b if (j == 2.0) | (j == 3.0) else b)


@compiled
def uniform_pairs(u, v, first, kind, words, n):
    """Two uniforms a counter value: u in (0, 1), v in [0, 1), from counters first .. first + n - 1."""
    k0, k1, c2, c3 = words[0], words[1], words[2], words[3]
    for i in range(n):
        x0, x1, x2, x3 = first + np.uint64(i), kind, c2, c3
        a, b = k0, k1
        for _ in range(10):
            p0, p1 = _M0 * x0, _M1 * x2
            x0, x1, x2, x3 = (p1 >> _SHIFT) ^ x1 ^ a, p1 & _LOW, (p0 >> _SHIFT) ^ x3 ^ b, p0 & _LOW
            a, b = (a + _W0) & _LOW, (b + _W1) & _LOW
        u[i] = (np.float64(np.int64(((x0 << _SHIFT) | x1) >> _DROP)) + 0.5) * _UNIT
        v[i] = np.float64(np.int64(((x2 << _SHIFT) | x3) >> _DROP)) * _UNIT


@compiled
def normals_into(out, words):
    """Fill the vector out with independent N(0, 1) numbers of the stream `words` (Box-Muller)."""
    half = (out.shape[0] + 1) // 2
    room = np.empty((4, BLOCK))
    u, v, work, more = room[0], room[1], room[2], room[3]
    for first in range(0, half, BLOCK):
        n = min(BLOCK, half - first)
        uniform_pairs(u, v, np.uint64(first), _NORMALS, words, n)
        _box_muller_radius(u, work, more, n)
        rest = min(n, out.shape[0] - half - first)
        if rest == n:
            _turn(v, u, out[first : first + n], out[half + first : half + first + n], n)
        else:
            _turn(v, u, out[first : first + n], more, n)
            out[half + first : half + first + rest] = more[:rest]


@compiled
def uniforms_into(out, words):
    """Fill the vector out with independent uniforms on [0, 1) of the stream `words`."""
    half = (out.shape[0] + 1) // 2
    more = np.empty(BLOCK)
    for first in range(0, half, BLOCK):
        n = min(BLOCK, half - first)
        rest = min(n, out.shape[0] - half - first)
        second = out[half + first : half + first + n] if rest == n else more
        uniform_pairs(out[first : first + n], second, np.uint64(first), _UNIFORMS, words, n)
        if rest < n:
            out[half + first : half + first + rest] = more[:rest]


@compiled
def choose(n, m, words):
    """M distinct indices of 0 .. n-1 in random order, each subset equally likely (partial Fisher-Yates)."""
    index = np.arange(n)
    u = np.empty(m)
    uniforms_into(u, words)
    for i in range(m):
        j = i + min(np.int64(u[i] * (n - i)), n - i - 1)  # u rounds to 1 once in 2^53
        index[i], index[j] = index[j], index[i]
    return index[:m].copy()
