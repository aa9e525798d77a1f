"""Plain simulations, many chains at once, that know nothing of the package."""

import numpy as np

ML, UNBIASED = "ml", "unbiased"


def divisor(n, estimator):
    return n if estimator == ML else n - 1


def rows(rng, mean, variance, n):
    """N normal rows for each chain (chains, n)."""
    x = rng.standard_normal((len(mean), n))
    x *= np.sqrt(variance)[:, None]
    x += mean[:, None]
    return x


def moments(x):
    """Mean and sum of squares about it, of the rows of each chain."""
    mean = x.mean(axis=1)
    return mean, np.square(x - mean[:, None]).sum(axis=1)


def drawn(rng, mean, variance, n, law=False):
    """The moments of n normal rows of each chain; law: drawn as such, which has the same law and costs less."""
    if not law:
        return moments(rows(rng, mean, variance, n))
    scatter = rng.chisquare(n - 1, len(mean)) * variance if n > 1 else np.zeros(len(mean))
    return mean + rng.standard_normal(len(mean)) * np.sqrt(variance / n), scatter


def pooled(a, na, b, nb):
    """Moments of two groups of rows together."""
    mean = (na * a[0] + nb * b[0]) / (na + nb)
    return mean, a[1] + b[1] + na * nb / (na + nb) * np.square(a[0] - b[0])


def start(chains):
    return np.zeros(chains), np.ones(chains)


def replace(rng, chains, n, g, estimator, scale=1.0):
    """Mean and variance after every fit, n an int or a list; scale: of the sampler's standard deviation."""
    each = [n] * g if isinstance(n, int) else n
    (mean, variance), out = start(chains), []
    for i, m in enumerate(each):
        mean, scatter = drawn(rng, mean, variance * (scale**2 if i else 1.0), m)
        variance = scatter / divisor(m, estimator)
        out.append((mean, variance))
    return out


def shuffle_front(rng, x, r):
    """Bring r random columns of each row of x to its front: a random subset, without replacement."""
    chains, n = x.shape
    at = np.arange(chains)
    for j in range(r):
        other = rng.integers(j, n, chains)
        x[at, j], x[at, other] = x[at, other], x[at, j].copy()


def take(rng, counts, n):
    """N items without replacement from the counts (chains, K) of each chain."""
    out = np.zeros_like(counts)
    left, rest = np.full(len(counts), n), counts.sum(axis=1)
    for k in range(counts.shape[1]):
        rest = rest - counts[:, k]
        out[:, k] = rng.hypergeometric(counts[:, k], rest, left)
        left = left - out[:, k]
    return out


def power_law(categories, exponent):
    p = np.arange(1.0, categories + 1) ** -exponent
    return p / p.sum()


def differ(p):
    """Heterozygosity of each chain's frequencies."""
    return 1.0 - np.square(p).sum(axis=1)
