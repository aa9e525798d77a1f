"""Compiled expectation-maximisation for Gaussian mixtures, and whole stretches of a chain in one call.

Rows lie feature by feature, x of shape (d, n), in blocks of `BLOCK` rows. The algorithm is scikit-learn's
(`GaussianMixture`, full covariance, and `KMeans` with one greedy k-means++ start), so that chains are comparable
in law; the oracle tests hold it to that.
"""

from __future__ import annotations

import numpy as np

from outcross.core.compiled import (
    BLOCK,
    choose,
    compiled,
    dot,
    exp_in_place,
    product,
    reassociating,
    total,
    uniforms_into,
)
from outcross.core.mixture import cholesky, sample_into

OK, DEGENERATE = 0, 1
_TINY = 10.0 * np.finfo(np.float64).eps
_LOG_2PI = 1.8378770664093453


@compiled
def _invert_lower(c, out):
    """Inverse of the lower triangular c into out."""
    d = c.shape[0]
    out[:] = 0.0
    for a in range(d):
        out[a, a] = 1.0 / c[a, a]
        for b in range(a):
            t = 0.0
            for e in range(b, a):
                t += c[a, e] * out[e, b]
            out[a, b] = -t / c[a, a]


@compiled
def whiten(weights, covariances, inverse, offset):
    """Per component: inverse Cholesky factor and log w - (d log 2 pi + log det)/2; False if any is degenerate."""
    k, d = covariances.shape[0], covariances.shape[1]
    factor = np.empty((d, d))
    for c in range(k):
        if not cholesky(covariances[c], factor):
            return False
        _invert_lower(factor, inverse[c])
        offset[c] = np.log(weights[c]) - 0.5 * d * _LOG_2PI
        for a in range(d):
            offset[c] -= np.log(factor[a, a])
    return True


@compiled
def log_joint(x, first, n, mean, inverse, offset, out, work):
    """out[i] = log w_c + log N(x_i; mean, covariance) for rows first .. first + n - 1."""
    d = x.shape[0]
    if d == 2:  # one pass instead of five: the plane is the common case
        row, other = x[0, first : first + n], x[1, first : first + n]
        m0, m1, p00, p10, p11 = mean[0], mean[1], inverse[0, 0], inverse[1, 0], inverse[1, 1]
        for i in range(n):
            u, v = row[i] - m0, other[i] - m1
            s, t = p00 * u, p10 * u + p11 * v
            out[i] = offset - 0.5 * (s * s + t * t)
        return
    for i in range(n):
        out[i] = offset
    for a in range(d):
        for i in range(n):
            work[i] = 0.0
        for b in range(a + 1):
            p, m = inverse[a, b], mean[b]
            row = x[b, first : first + n]
            for i in range(n):
                work[i] += p * (row[i] - m)
        for i in range(n):
            out[i] -= 0.5 * work[i] * work[i]


@compiled
def _share_out(r, peak, norm, work, n):
    """R (k, .) of log joints becomes responsibilities; peak and norm give log density = peak + log norm."""
    k = r.shape[0]
    peak[:n] = r[0, :n]
    for c in range(1, k):
        row = r[c]
        for i in range(n):
            peak[i] = max(peak[i], row[i])
    norm[:n] = 0.0
    for c in range(k):
        row = r[c]
        for i in range(n):
            row[i] -= peak[i]
        exp_in_place(row, work, n)
        for i in range(n):
            norm[i] += row[i]
    for c in range(k):
        row = r[c]
        for i in range(n):
            row[i] /= norm[i]


@compiled
def _responsibilities(r, peak, norm, work, n):
    """R (k, .) of log joints becomes responsibilities; returns the sum of log densities over the n rows."""
    _share_out(r, peak, norm, work, n)
    loglik = total(peak, n)
    for first in range(0, n, 64):  # norm lies in [1, k]: 64 factors cannot overflow, and one log serves them all
        loglik += np.log(product(norm[first : first + 64], min(64, n - first)))
    return loglik


@reassociating
def _add_plane_moments(row, other, n, r, mean, mass, s1, s2):
    """`_add_moments` in two dimensions, in one pass."""
    m0, m1 = mean[0], mean[1]
    t = tx = ty = txx = txy = tyy = 0.0
    for i in range(n):
        u, v = row[i] - m0, other[i] - m1
        w = r[i]
        t += w
        tx += w * u
        ty += w * v
        txx += w * u * u
        txy += w * u * v
        tyy += w * v * v
    s1[0] += tx
    s1[1] += ty
    s2[0, 0] += txx
    s2[1, 0] += txy
    s2[1, 1] += tyy
    return mass + t


@compiled
def _add_moments(x, first, n, r, mean, mass, s1, s2, shifted, weighted):
    """Add sum r, sum r (x - mean) and sum r (x - mean)(x - mean)' of a block (lower triangle) to mass, s1, s2."""
    d = x.shape[0]
    if d == 2:
        return _add_plane_moments(x[0, first : first + n], x[1, first : first + n], n, r, mean, mass, s1, s2)
    for a in range(d):
        row, centred, m = x[a, first : first + n], shifted[a], mean[a]
        for i in range(n):
            centred[i] = row[i] - m
    for a in range(d):
        centred = shifted[a]
        for i in range(n):
            weighted[i] = r[i] * centred[i]
        s1[a] += total(weighted, n)
        for b in range(a + 1):
            s2[a, b] += dot(weighted, shifted[b], n)
    return mass + total(r, n)


@compiled
def _update(n, mass, s1, s2, floor, diagonal, weights, means, covariances):
    """M-step from moments about the old means; the covariance floor is added to each diagonal, alone if `diagonal`."""
    k, d = means.shape
    whole = 0.0
    for c in range(k):
        m = mass[c] + _TINY
        weights[c] = m / n
        whole += weights[c]
        for a in range(d):
            s1[c, a] /= m
        for a in range(d):
            for b in range(a + 1):
                v = s2[c, a, b] / m - s1[c, a] * s1[c, b] * (2.0 - mass[c] / m)
                if diagonal and a != b:
                    v = 0.0
                covariances[c, a, b] = v
                covariances[c, b, a] = v
            covariances[c, a, a] += floor
        for a in range(d):
            means[c, a] += s1[c, a]
    for c in range(k):
        weights[c] /= whole


@reassociating
def _two_in_plane(row, other, n, means, inverse, offset, gap, lead, work, mass, s1, s2):
    """The block of `em` for two components in two dimensions: the paper's case, in two passes and one exponential.

    Responsibilities are 1/(1 + e) and e/(1 + e), e = exp(-|gap|); a product of n <= BLOCK factors 1 + e stays below
    2^BLOCK, so one logarithm serves the block. Returns the sum of log densities.
    """
    m0, m1, p00, p10, p11 = means[0, 0], means[0, 1], inverse[0, 0, 0], inverse[0, 1, 0], inverse[0, 1, 1]
    n0, n1, q00, q10, q11 = means[1, 0], means[1, 1], inverse[1, 0, 0], inverse[1, 1, 0], inverse[1, 1, 1]
    first_offset, second_offset = offset[0], offset[1]
    peaks = 0.0
    for i in range(n):
        u, v = row[i] - m0, other[i] - m1
        s, t = p00 * u, p10 * u + p11 * v
        first = first_offset - 0.5 * (s * s + t * t)
        u, v = row[i] - n0, other[i] - n1
        s, t = q00 * u, q10 * u + q11 * v
        second = second_offset - 0.5 * (s * s + t * t)
        lead[i] = second - first
        gap[i] = -abs(lead[i])
        peaks += first if first > second else second
    exp_in_place(gap, work, n)
    f = fx = fy = fxx = fxy = fyy = 0.0
    g = gx = gy = gxx = gxy = gyy = 0.0
    norms = 1.0
    for i in range(n):
        norm = 1.0 + gap[i]
        norms *= norm
        major = 1.0 / norm
        minor = gap[i] * major
        w = minor if lead[i] > 0.0 else major
        u, v = row[i] - m0, other[i] - m1
        f += w
        fx += w * u
        fy += w * v
        fxx += w * u * u
        fxy += w * u * v
        fyy += w * v * v
        w = major if lead[i] > 0.0 else minor
        u, v = row[i] - n0, other[i] - n1
        g += w
        gx += w * u
        gy += w * v
        gxx += w * u * u
        gxy += w * u * v
        gyy += w * v * v
    mass[0] += f
    s1[0, 0] += fx
    s1[0, 1] += fy
    s2[0, 0, 0] += fxx
    s2[0, 1, 0] += fxy
    s2[0, 1, 1] += fyy
    mass[1] += g
    s1[1, 0] += gx
    s1[1, 1] += gy
    s2[1, 0, 0] += gxx
    s2[1, 1, 0] += gxy
    s2[1, 1, 1] += gyy
    return peaks + np.log(norms)


@compiled
def em(x, weights, means, covariances, tolerance, iterations, floor, diagonal):
    """Expectation-maximisation in place from the given parameters: (status, iterations used, converged).

    Stops when the mean log-likelihood changes by less than `tolerance` nats per row.
    """
    d, n = x.shape
    k = weights.shape[0]
    inverse, offset = np.empty((k, d, d)), np.empty(k)
    room = np.empty((k + d + 3, BLOCK))  # one allocation: at 1,000 rows they cost as much as arithmetic
    r, shifted, peak, norm, work = room[:k], room[k : k + d], room[k + d], room[k + d + 1], room[k + d + 2]
    mass, s1, s2 = np.empty(k), np.empty((k, d)), np.empty((k, d, d))
    previous = -np.inf
    for step in range(iterations):
        if not whiten(weights, covariances, inverse, offset):
            return DEGENERATE, step, False
        mass[:] = 0.0
        s1[:] = 0.0
        s2[:] = 0.0
        loglik = 0.0
        for first in range(0, n, BLOCK):
            m = min(BLOCK, n - first)
            if k == 2 and d == 2:
                row, other = x[0, first : first + m], x[1, first : first + m]
                loglik += _two_in_plane(row, other, m, means, inverse, offset, peak, norm, work, mass, s1, s2)
                continue
            for c in range(k):
                log_joint(x, first, m, means[c], inverse[c], offset[c], r[c], work)
            loglik += _responsibilities(r, peak, norm, work, m)
            for c in range(k):
                mass[c] = _add_moments(x, first, m, r[c], means[c], mass[c], s1[c], s2[c], shifted, work)
        _update(n, mass, s1, s2, floor, diagonal, weights, means, covariances)
        loglik /= n
        if not np.isfinite(loglik):
            return DEGENERATE, step + 1, False
        if abs(loglik - previous) < tolerance:
            return OK, step + 1, True
        previous = loglik
    return OK, iterations, False


@compiled
def _squared_distance(x, first, n, centre, out):
    d = x.shape[0]
    out[:n] = 0.0
    for a in range(d):
        row, m = x[a, first : first + n], centre[a]
        for i in range(n):
            out[i] += (row[i] - m) * (row[i] - m)


@reassociating
def _nearer_in_plane(row, other, centre, near, out, n):
    """out[i] = min(near[i], squared distance of row i to centre), two dimensions in one pass; returns its sum."""
    m0, m1 = centre[0], centre[1]
    t = 0.0
    for i in range(n):
        u, v = row[i] - m0, other[i] - m1
        away = u * u + v * v
        away = away if away < near[i] else near[i]
        out[i] = away
        t += away
    return t


@compiled
def _nearer(x, first, n, centre, near, out):
    """out[i] = min(near[i], squared distance of row first + i to centre); returns its sum."""
    if x.shape[0] == 2:
        return _nearer_in_plane(x[0, first : first + n], x[1, first : first + n], centre, near, out, n)
    _squared_distance(x, first, n, centre, out)
    for i in range(n):
        out[i] = out[i] if out[i] < near[i] else near[i]
    return total(out, n)


@compiled
def _distance_to(x, row, closest, out, blocks):
    """Out = min(closest, squared distance to row `row` of x), blocks = its sums by block; returns the whole sum."""
    d, n = x.shape
    centre = x[:, row].copy()
    potential = 0.0
    for first in range(0, n, BLOCK):
        m = min(BLOCK, n - first)
        piece, near = out[first : first + m], closest[first : first + m]
        blocks[first // BLOCK] = _nearer(x, first, m, centre, near, piece)
        potential += blocks[first // BLOCK]
    return potential


@compiled
def _pick(target, closest, blocks):
    """The row at which the running sum of closest passes target: whole blocks first, then 32 rows at a time."""
    last = closest.shape[0] - 1
    block = 0
    while block < blocks.shape[0] - 1 and target >= blocks[block]:
        target -= blocks[block]
        block += 1
    row = block * BLOCK
    while row + 32 <= last:
        stretch = total(closest[row : row + 32], 32)
        if target < stretch:
            break
        target -= stretch
        row += 32
    while row < last and target >= closest[row]:
        target -= closest[row]
        row += 1
    return row


@compiled
def _seed_centres(x, centres, words):
    """Greedy k-means++ (Arthur and Vassilvitskii 2007; 2 + floor(log k) candidates, as scikit-learn)."""
    d, n = x.shape
    k = centres.shape[0]
    trials = 2 + int(np.log(k))
    u = np.empty(1 + (k - 1) * trials)
    uniforms_into(u, words)
    many = (n + BLOCK - 1) // BLOCK
    room = np.empty((3, n + many))
    closest, candidate, best = room[0, :n], room[1, :n], room[2, :n]
    blocks, candidate_blocks, best_blocks = room[0, n:], room[1, n:], room[2, n:]
    closest[:] = np.inf
    row = min(np.int64(u[0] * n), n - 1)
    centres[0] = x[:, row]
    potential = _distance_to(x, row, closest, candidate, blocks)
    closest, candidate = candidate, closest
    for c in range(1, k):
        winner, least = 0, np.inf
        for t in range(trials):
            row = _pick(u[1 + (c - 1) * trials + t] * potential, closest, blocks)
            value = _distance_to(x, row, closest, candidate, candidate_blocks)
            if value < least:
                winner, least = row, value
                best, candidate = candidate, best
                best_blocks, candidate_blocks = candidate_blocks, best_blocks
        centres[c] = x[:, winner]
        closest, best, potential = best, closest, least
        blocks, best_blocks = best_blocks, blocks


@compiled
def nearest(x, first, n, centres, label, least, distance):
    """label[i] = index of the centre nearest to row first + i, as a float; least and distance are scratch."""
    _squared_distance(x, first, n, centres[0], least)
    label[:n] = 0.0
    for c in range(1, centres.shape[0]):
        _squared_distance(x, first, n, centres[c], distance)
        for i in range(n):
            label[i] = np.float64(c) if distance[i] < least[i] else label[i]
            least[i] = min(distance[i], least[i])


@compiled
def _dividing_line(centres):
    """(a, b, edge): a row (x, y) lies nearer to centre 1 than to centre 0 where a x + b y > edge."""
    a, b = centres[1, 0] - centres[0, 0], centres[1, 1] - centres[0, 1]
    return a, b, 0.5 * (a * (centres[1, 0] + centres[0, 0]) + b * (centres[1, 1] + centres[0, 1]))


@reassociating
def _second_plane_sums(row, other, n, a, b, edge):
    """Count and row sums of the rows beyond the line a x + b y = edge, in one pass."""
    t = tx = ty = 0.0
    for i in range(n):
        u, v = row[i], other[i]
        w = 1.0 if a * u + b * v > edge else 0.0
        t += w
        tx += w * u
        ty += w * v
    return t, tx, ty


@compiled
def _cluster_sums(x, centres, whole, sums, counts):
    """Row sums and counts of the cluster around each centre; those of cluster 0 follow from the whole sum."""
    d, n = x.shape
    k = centres.shape[0]
    sums[:] = 0.0
    counts[:] = 0.0
    if k == 2 and d == 2:
        a, b, edge = _dividing_line(centres)
        counts[1], sums[1, 0], sums[1, 1] = _second_plane_sums(x[0], x[1], n, a, b, edge)
    else:
        label, member, work = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
        for first in range(0, n, BLOCK):
            m = min(BLOCK, n - first)
            nearest(x, first, m, centres, label, member, work)
            for c in range(1, k):
                for i in range(m):
                    member[i] = 1.0 if label[i] == c else 0.0
                counts[c] += total(member, m)
                for a in range(d):
                    sums[c, a] += dot(member, x[a, first : first + m], m)
    counts[0] = n - np.sum(counts[1:])
    sums[0] = whole
    for c in range(1, k):
        sums[0] -= sums[c]


@compiled
def _relocate_empty(x, centres, sums, counts):
    """Give each empty cluster the row farthest from its centre, as scikit-learn does."""
    d, n = x.shape
    k = centres.shape[0]
    label, least, work = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    taken = np.zeros(n)
    for c in range(k):
        if counts[c] > 0.0:
            continue
        far, old, reach = 0, np.int64(0), -1.0
        for first in range(0, n, BLOCK):
            m = min(BLOCK, n - first)
            nearest(x, first, m, centres, label, least, work)
            for i in range(m):
                away = 0.0
                for a in range(d):
                    away += (x[a, first + i] - centres[np.int64(label[i]), a]) ** 2
                if away > reach and taken[first + i] == 0.0:
                    far, old, reach = first + i, np.int64(label[i]), away
        taken[far] = 1.0
        sums[c] = x[:, far]
        sums[old] -= x[:, far]
        counts[c] = 1.0
        counts[old] -= 1.0


@reassociating
def _spread(row, mean, n):
    s = 0.0
    for i in range(n):
        s += (row[i] - mean) * (row[i] - mean)
    return s


@compiled
def k_means(x, k, words, centres):
    """Lloyd's algorithm from one k-means++ start, into centres (k, d).

    Stops as scikit-learn does: labels unchanged (seen as centres unchanged, the same thing without storing labels),
    or centres moved by less than 1e-4 of the mean variance in total.
    """
    d = x.shape[0]
    sums, counts, whole = np.empty((k, d)), np.empty(k), np.empty(d)
    n = x.shape[1]
    tolerance = 0.0
    for a in range(d):
        whole[a] = total(x[a], n)
        tolerance += 1e-4 / d * _spread(x[a], whole[a] / n, n) / n
    _seed_centres(x, centres, words)
    for _ in range(300):
        _cluster_sums(x, centres, whole, sums, counts)
        if np.min(counts) == 0.0:
            _relocate_empty(x, centres, sums, counts)
        shift = 0.0
        for c in range(k):
            for a in range(d):
                new = sums[c, a] / counts[c] if counts[c] > 0.0 else centres[c, a]
                shift += (new - centres[c, a]) ** 2
                centres[c, a] = new
        if shift <= tolerance:
            return


@reassociating
def _hard_moments_in_plane(row, other, n, a, b, edge, means, mass, s1, s2):
    """The sums of `from_centres` for two components in two dimensions, split by the line a x + b y = edge."""
    m0, m1, n0, n1 = means[0, 0], means[0, 1], means[1, 0], means[1, 1]
    f = fx = fy = fxx = fxy = fyy = 0.0
    g = gx = gy = gxx = gxy = gyy = 0.0
    for i in range(n):
        x, y = row[i], other[i]
        w = 1.0 if a * x + b * y > edge else 0.0
        u, v = x - n0, y - n1
        g += w
        gx += w * u
        gy += w * v
        gxx += w * u * u
        gxy += w * u * v
        gyy += w * v * v
        w = 1.0 - w
        u, v = x - m0, y - m1
        f += w
        fx += w * u
        fy += w * v
        fxx += w * u * u
        fxy += w * u * v
        fyy += w * v * v
    mass[0], mass[1] = f, g
    s1[0, 0], s1[0, 1], s1[1, 0], s1[1, 1] = fx, fy, gx, gy
    s2[0, 0, 0], s2[0, 1, 0], s2[0, 1, 1] = fxx, fxy, fyy
    s2[1, 0, 0], s2[1, 1, 0], s2[1, 1, 1] = gxx, gxy, gyy


@compiled
def from_centres(x, centres, floor, diagonal, weights, means, covariances):
    """M-step with each row wholly in the component of its nearest centre."""
    d, n = x.shape
    k = weights.shape[0]
    room = np.empty((d + 3, BLOCK))
    label, member, work, shifted = room[0], room[1], room[2], room[3:]
    mass, s1, s2 = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    means[:] = centres
    if k == 2 and d == 2:
        a, b, edge = _dividing_line(centres)
        _hard_moments_in_plane(x[0], x[1], n, a, b, edge, means, mass, s1, s2)
        _update(n, mass, s1, s2, floor, diagonal, weights, means, covariances)
        return
    for first in range(0, n, BLOCK):
        m = min(BLOCK, n - first)
        nearest(x, first, m, centres, label, member, work)
        for c in range(k):
            for i in range(m):
                member[i] = 1.0 if label[i] == c else 0.0
            mass[c] = _add_moments(x, first, m, member, means[c], mass[c], s1[c], s2[c], shifted, work)
    _update(n, mass, s1, s2, floor, diagonal, weights, means, covariances)


@compiled
def fit(x, restart, words, tolerance, iterations, floor, diagonal, weights, means, covariances):
    """Fit the mixture to x (d, n) in place: from k-means if `restart`, else from the parameters given."""
    if restart:
        centres = np.empty(means.shape)
        k_means(x, weights.shape[0], words, centres)
        from_centres(x, centres, floor, diagonal, weights, means, covariances)
    return em(x, weights, means, covariances, tolerance, iterations, floor, diagonal)


@compiled
def evolve(
    weights,
    means,
    covariances,
    synthetic,
    real,
    redrawn,
    original,
    restart,
    tolerance,
    iterations,
    floor,
    diagonal,
    sample_words,
    fit_words,
    anchor_words,
    first,
):
    """Run len(synthetic) generations in place: (status, generations done, iterations of the last fit, converged).

    synthetic, real: rows of each kind in the pools of generations first + 1, first + 2, ...; original (d, N) are the
    real rows, redrawn anew or the same leading ones in every generation. The words of a stream differ between
    generations in their third entry alone.
    """
    d = means.shape[1]
    used, converged = 0, True
    largest = np.max(synthetic + real)
    room = np.empty(d * largest)
    for step in range(synthetic.shape[0]):
        s, n = synthetic[step], synthetic[step] + real[step]
        x = room[: d * n].reshape(d, n)
        sample_words[2] = np.uint64(first + step)
        fit_words[2] = anchor_words[2] = np.uint64(first + step + 1)
        if s > 0 and not sample_into(x, s, weights, means, covariances, sample_words):
            return DEGENERATE, step, used, converged
        if real[step] > 0:
            if redrawn and real[step] < original.shape[1]:  # all of them come in their own order
                index = choose(original.shape[1], real[step], anchor_words)
                for a in range(d):
                    for i in range(real[step]):
                        x[a, s + i] = original[a, index[i]]
            else:
                x[:, s:] = original[:, : real[step]]
        status, used, converged = fit(
            x, restart, fit_words, tolerance, iterations, floor, diagonal, weights, means, covariances
        )
        if status != OK:
            return status, step, used, converged
    return OK, synthetic.shape[0], used, converged
