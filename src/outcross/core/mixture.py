"""Mixture: a Gaussian mixture as a known law, with everything that has a closed form.

Sources with a known truth and the Gaussian families share it, so a measure can be exact on both sides.
"""

from __future__ import annotations

import math
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.compiled import compiled, normals_into, uniforms_into
from outcross.core.errors import FitDegenerate
from outcross.core.rng import Stream
from outcross.core.statistics import Moments, multinomial

Array = NDArray[np.float64]
_ROOT_HALF, _ROOT_TWO_PI = math.sqrt(0.5), math.sqrt(2.0 * math.pi)
_ANGLES = 256  # directions of the quadrature over a component's own contour


@compiled
def cholesky(s, out):
    """Lower Cholesky factor of s (d, d) into out; False unless s is positive definite and finite."""
    d = s.shape[0]
    for a in range(d):
        for b in range(a + 1):
            t = s[a, b]
            for c in range(b):
                t -= out[a, c] * out[b, c]
            if a == b:
                if not (t > 0.0 and np.isfinite(t)):
                    return False
                out[a, a] = np.sqrt(t)
            else:
                out[a, b] = t / out[b, b]
        for b in range(a + 1, d):
            out[a, b] = 0.0
    return True


@compiled
def _mix_two_in_plane(row, other, u, v, chosen, means, factors, n):
    """`sample_into` for two components in two dimensions, in one pass."""
    m0, m1, n0, n1 = means[0, 0], means[0, 1], means[1, 0], means[1, 1]
    a, b, c = factors[0, 0, 0], factors[0, 1, 0], factors[0, 1, 1]
    p, q, r = factors[1, 0, 0], factors[1, 1, 0], factors[1, 1, 1]
    for i in range(n):
        second = chosen[i] > 0.0
        row[i] = (n0 if second else m0) + (p if second else a) * u[i]
        other[i] = (n1 if second else m1) + (q if second else b) * u[i] + (r if second else c) * v[i]


@compiled
def sample_into(out, n, weights, means, covariances, words):
    """Fill the first n columns of out (d, .) with mixture rows; False if a covariance is not positive definite."""
    d = out.shape[0]
    k = weights.shape[0]
    factors = np.empty((k, d, d))
    for c in range(k):
        if not cholesky(covariances[c], factors[c]):
            return False
    room = np.empty((d + 2) * n)
    normals_into(room[: d * n], words)
    z, u, chosen = room[: d * n].reshape(d, n), room[d * n : (d + 1) * n], room[(d + 1) * n :]
    uniforms_into(u, words)
    chosen[:] = 0.0
    edge = 0.0
    for c in range(k - 1):
        edge += weights[c]
        for i in range(n):
            chosen[i] += 1.0 if u[i] >= edge else 0.0
    if d == 2 and k == 2:
        _mix_two_in_plane(out[0], out[1], z[0], z[1], chosen, means, factors, n)
        return True
    for a in range(d):
        row = out[a, :n]
        for c in range(k):
            m = means[c, a]
            for i in range(n):
                row[i] = m if chosen[i] == c else row[i]
            for b in range(a + 1):
                f, noise = factors[c, a, b], z[b]
                for i in range(n):
                    row[i] += f * noise[i] if chosen[i] == c else 0.0
    return True


class MeanCovariance(NamedTuple):
    """Mean (d,) and covariance (d, d)."""

    mean: Array
    covariance: Array


class Mixture:
    """Gaussian mixture: weights (k,), means (k, d), covariances (k, d, d)."""

    def __init__(self, weights: Array, means: Array, covariances: Array) -> None:
        self.weights = np.ascontiguousarray(weights, dtype=np.float64)
        self.means = np.ascontiguousarray(means, dtype=np.float64)
        self.covariances = np.ascontiguousarray(covariances, dtype=np.float64)

    @property
    def dimension(self) -> int:
        """Number of columns."""
        return int(self.means.shape[1])

    def sample(self, n: int, rng: Stream) -> Array:
        """N independent rows (n, d). Raises FitDegenerate if a covariance is not positive definite."""
        out = np.empty((self.dimension, n))
        if not sample_into(out, n, self.weights, self.means, self.covariances, rng.words()):
            raise FitDegenerate("a covariance is not positive definite")
        return out.T

    @cached_property
    def factors(self) -> Array:
        """Lower Cholesky factor of each covariance (k, d, d). Raises FitDegenerate unless all are positive definite."""
        out = np.empty_like(self.covariances)
        for covariance, factor in zip(self.covariances, out, strict=True):
            if not cholesky(covariance, factor):
                raise FitDegenerate("a covariance is not positive definite")
        return out

    def statistics(self, n: int, rng: Stream) -> Moments:
        """Moments of n independent rows, exact in law at a cost free of n: components by a multinomial, each Gaussian.

        Raises FitDegenerate if a covariance is not positive definite.
        """
        if len(self.weights) == 1:
            return Moments.drawn(n, self.means[0], self.factors[0], rng)
        sizes = multinomial(n, self.weights, rng)
        parts = [
            Moments.drawn(int(size), self.means[c], self.factors[c], rng._replace(shard=rng.shard + 1 + c))
            for c, size in enumerate(sizes)
            if size
        ]
        return sum(parts[1:], start=parts[0])

    @cached_property
    def moments(self) -> MeanCovariance:
        """Mean and covariance of the whole mixture."""
        mean = self.weights @ self.means
        centred = self.means - mean
        spread = np.einsum("c,cab->ab", self.weights, self.covariances)
        return MeanCovariance(mean, spread + (self.weights * centred.T) @ centred)

    def marginal_cdf(self, points: Array) -> Array:
        """P(X_a <= points[a, j]) for points (d, q): the shape of points."""
        return np.asarray(_marginal_cdf(self.weights, self.means, self.covariances, np.ascontiguousarray(points)))

    def mass_outside(self, centre: Array, whitener: Array, radius: Array) -> Array | None:
        """P(|whitener (X - centre)| > radius_j), exact to quadrature error in one and two dimensions, else None.

        Along a direction of a component's own unit sphere the rows at distance rho lie outside when
        |m + rho v| > radius: a quadratic in rho, whose mass is the chi survival function between its roots. What is
        left is a periodic integral over the direction, smooth where the component's mean lies inside the contour: the
        trapezoid rule then converges geometrically, to rounding. Where it lies outside, grazing rays leave an error
        of up to half a ray, 2e-3, in a mass beyond one half.
        """
        d = self.dimension
        if d > 2:
            return None
        mass = np.zeros(len(radius))
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances, strict=True):
            m = whitener @ (mean - centre)
            rays = _directions(d) @ (whitener @ np.linalg.cholesky(covariance)).T  # (directions, d)
            mass += weight * _outside(np.ascontiguousarray(rays), m, radius)
        return mass

    def log_prob(self, items: Array) -> Array:
        """Log density of each row, in nats: (n,)."""
        return np.asarray(np.logaddexp.reduce(self._log_joint(items), axis=0))

    def members(self, items: Array) -> NDArray[np.int64]:
        """The component that each row most likely belongs to (n,)."""
        return np.asarray(self._log_joint(items).argmax(axis=0))

    def _log_joint(self, items: Array) -> Array:
        """Log of weight times density of each component (k, n)."""
        k, d = self.means.shape
        log_joint = np.empty((k, len(items)))
        for c in range(k):
            factor = np.linalg.cholesky(self.covariances[c])
            z = np.linalg.solve(factor, (items - self.means[c]).T)
            log_det = 2.0 * np.log(np.diag(factor)).sum()
            log_joint[c] = np.log(self.weights[c]) - 0.5 * (d * np.log(2 * np.pi) + log_det + (z * z).sum(0))
        return log_joint

    @cached_property
    def norm_squared(self) -> float:
        """(f, f), the integral of the squared density."""
        return self.overlap(self)

    def overlap(self, other: Mixture) -> float:
        """(f, h), the integral of the product of both densities: Gaussians evaluated at each other's means."""
        return float(
            _overlap(self.weights, self.means, self.covariances, other.weights, other.means, other.covariances)
        )

    def l2_squared(self, other: Mixture) -> float:
        """Squared L2 distance of the densities, (f, f) + (h, h) - 2 (f, h).

        Shumailov et al. 2024, mixture experiment. Unbounded: it grows like 1 / sigma^d as a component narrows.
        """
        return self.norm_squared + other.norm_squared - 2.0 * self.overlap(other)


@cache
def _directions(d: int) -> Array:
    if d == 1:
        return np.array([[1.0], [-1.0]])
    angle = np.arange(_ANGLES) * (2.0 * np.pi / _ANGLES)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@compiled
def _outside(rays, m, radius):
    """Mass of one component beyond each radius: mean over rays of the chi_d mass where |m + rho ray| > radius."""
    count, d = rays.shape
    reach = 0.0
    for e in range(d):
        reach += m[e] * m[e]
    mass = np.zeros(radius.shape[0])
    for i in range(count):
        a = b = 0.0
        for e in range(d):
            a += rays[i, e] * rays[i, e]
            b += rays[i, e] * m[e]
        for j in range(radius.shape[0]):
            discriminant = b * b - a * (reach - radius[j] * radius[j])
            if discriminant <= 0.0:
                mass[j] += 1.0
                continue
            root = math.sqrt(discriminant)
            mass[j] += _survival(d, max((root - b) / a, 0.0)) + 1.0 - _survival(d, max(-(root + b) / a, 0.0))
    return mass / count


@compiled
def _survival(d, rho):
    """P(chi_d > rho) for one or two degrees of freedom."""
    return math.exp(-0.5 * rho * rho) if d == 2 else math.erfc(rho * _ROOT_HALF)


@compiled
def _overlap(weights, means, covariances, others, other_means, other_covariances):
    """`Mixture.overlap`: the sum over pairs of w v N(mean - other mean; 0, covariance + other covariance)."""
    d = means.shape[1]
    factor, z = np.empty((d, d)), np.empty(d)
    whole = 0.0
    for i in range(weights.shape[0]):
        for j in range(others.shape[0]):
            if not cholesky(covariances[i] + other_covariances[j], factor):
                return np.nan
            exponent, height = 0.0, weights[i] * others[j]
            for a in range(d):
                z[a] = means[i, a] - other_means[j, a]
                for b in range(a):
                    z[a] -= factor[a, b] * z[b]
                z[a] /= factor[a, a]
                exponent -= 0.5 * z[a] * z[a]
                height /= factor[a, a] * _ROOT_TWO_PI
            whole += height * math.exp(exponent)
    return whole


@compiled
def _marginal_cdf(weights, means, covariances, points):
    """`Mixture.marginal_cdf`, point by point."""
    d, q = points.shape
    out = np.zeros((d, q))
    for c in range(weights.shape[0]):
        for a in range(d):
            scale = _ROOT_HALF / math.sqrt(covariances[c, a, a])
            for j in range(q):
                out[a, j] += 0.5 * weights[c] * math.erfc((means[c, a] - points[a, j]) * scale)
    return out
