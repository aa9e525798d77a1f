"""Closed forms of a Gaussian mixture against other people's formulas, numerical integration and sampling."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.mixture import GaussianMixture

from outcross.core.errors import FitDegenerate
from outcross.core.mixture import Mixture, cholesky
from outcross.core.rng import Purpose, Streams

STREAM = Streams.of(1, 0).stream(0, Purpose.MEASURE)
LINE = Mixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.5]], [[2.0]]])
PLANE = Mixture(
    [0.2, 0.5, 0.3],
    [[-2.0, 0.5], [1.0, 1.0], [0.0, -3.0]],
    [[[1.0, 0.6], [0.6, 2.0]], [[0.5, 0.0], [0.0, 0.1]], [[3.0, -1.0], [-1.0, 0.5]]],
)
SPACE = Mixture([0.5, 0.5], [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]], [np.eye(3), 0.1 * np.eye(3) + 0.2])
LAWS = [LINE, PLANE, SPACE]


def share_error(share, exact, n):
    """Standard errors between an observed share of n and its probability."""
    return np.abs(share - exact) / np.sqrt(exact * (1 - exact) / n)


@pytest.mark.parametrize("law", LAWS)
def test_moments_are_those_of_the_samples(law):
    n, d = 400_000, law.dimension
    rows = law.sample(n, STREAM)
    mean, covariance = law.moments
    assert np.all(np.abs(rows.mean(axis=0) - mean) < 4 * np.sqrt(np.diag(covariance) / n))
    centred = rows - mean
    for a in range(d):
        for b in range(d):
            products = centred[:, a] * centred[:, b]
            assert abs(products.mean() - covariance[a, b]) < 4 * products.std() / np.sqrt(n)


def test_moments_of_two_modes_by_hand():
    mean, covariance = Mixture([0.5, 0.5], [[-2.0, 0.0], [2.0, 0.0]], [np.eye(2), np.eye(2)]).moments
    np.testing.assert_allclose(mean, [0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(covariance, [[5.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize("law", LAWS)
def test_components_are_sampled_by_their_weights(law):
    rows = law.sample(200_000, STREAM)
    far = Mixture(law.weights, law.means + 1000.0 * np.arange(len(law.weights))[:, None], law.covariances)
    chosen = np.clip(np.round(far.sample(200_000, STREAM)[:, 0] / 1000.0), 0, len(law.weights) - 1)
    counts = np.bincount(chosen.astype(int))
    assert stats.chisquare(counts, law.weights * len(rows)).pvalue > 1e-3


@pytest.mark.parametrize("law", LAWS)
def test_log_prob_is_that_of_scikit_learn(law):
    theirs = GaussianMixture(len(law.weights))
    theirs.weights_, theirs.means_, theirs.covariances_ = law.weights, law.means, law.covariances
    theirs.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(law.covariances))
    rows = law.sample(1000, STREAM) * 3.0
    np.testing.assert_allclose(law.log_prob(rows), theirs.score_samples(rows), rtol=1e-10)


@pytest.mark.parametrize("law", LAWS)
def test_marginal_cdf_is_the_mixture_of_normals(law):
    points = np.linspace(-5.0, 5.0, 21) + np.arange(law.dimension)[:, None]
    sd = np.sqrt(np.einsum("kaa->ka", law.covariances))
    expected = sum(
        w * stats.norm.cdf(points, m[:, None], s[:, None]) for w, m, s in zip(law.weights, law.means, sd, strict=True)
    )
    np.testing.assert_allclose(law.marginal_cdf(points), expected, atol=1e-14)


def test_mass_outside_an_interval_is_exact():
    centre, scale, radius = np.array([0.5]), np.array([[0.7]]), np.array([0.1, 1.0, 2.5])
    low, high = centre - radius / 0.7, centre + radius / 0.7
    cdf = LINE.marginal_cdf(np.stack([np.concatenate([low, high])]))[0]
    np.testing.assert_allclose(LINE.mass_outside(centre, scale, radius), cdf[:3] + 1.0 - cdf[3:], atol=1e-14)


def outside(law, radius):
    return law.mass_outside(np.zeros(2), np.eye(2), np.asarray(radius))


@pytest.mark.parametrize("distance", [0.0, 0.5, 2.0, 2.999])
def test_mass_outside_a_circle_is_the_noncentral_chi_square(distance):
    radius = np.array([3.0, 4.5, 6.0])
    expected = stats.ncx2.sf(radius**2, 2, distance**2) if distance else stats.chi2.sf(radius**2, 2)
    found = outside(Mixture([1.0], [[distance, 0.0]], [np.eye(2)]), radius)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)  # 1 - inside, rounded


@pytest.mark.parametrize("distance", [3.001, 3.05, 3.5, 4.0, 5.0])
def test_mass_outside_is_right_to_half_a_ray_where_the_component_itself_lies_outside(distance):
    """Rays that graze the contour: the integrand has the corner of a square root there."""
    for sd in (0.1, 0.3, 1.0, 3.0):
        found = outside(Mixture([1.0], [[distance, 0.0]], [sd**2 * np.eye(2)]), [3.0])[0]
        assert abs(found - stats.ncx2.sf((3.0 / sd) ** 2, 2, (distance / sd) ** 2)) < 0.5 / 256


@pytest.mark.parametrize("narrow", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.0, 0.5), (0.0, 2.0), (0.0, 2.9)])
def test_mass_outside_a_circle_is_exact_for_long_thin_components(narrow, shift):
    """Against an integral along the long axis, x = r sin t, of the chord's mass across it."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 400_001)
    for radius in (3.0, 4.5):
        x, half = radius * np.sin(t), radius * np.cos(t)
        chord = stats.norm.cdf((half - shift[1]) / narrow) - stats.norm.cdf((-half - shift[1]) / narrow)
        inside = (stats.norm.pdf(x - shift[0]) * chord * half).sum() * (t[1] - t[0])
        found = outside(Mixture([1.0], [shift], [np.diag([1.0, narrow**2])]), [radius])[0]
        assert abs(found - (1.0 - inside)) < 1e-11


@pytest.mark.parametrize("law", [LINE, PLANE])
def test_mass_outside_is_the_share_of_samples_outside(law):
    n, centre = 1_000_000, law.moments.mean + 0.3
    whitener = np.linalg.inv(np.linalg.cholesky(law.moments.covariance))
    radius = np.array([0.5, 1.0, 2.0, 3.0])
    away = np.sqrt((((law.sample(n, STREAM) - centre) @ whitener.T) ** 2).sum(axis=1))
    share = (away[:, None] > radius).mean(axis=0)
    assert np.all(share_error(share, law.mass_outside(centre, whitener, radius), n) < 4)
    wrong = Mixture(law.weights, law.means, 1.02 * law.covariances).mass_outside(centre, whitener, radius)
    assert np.max(share_error(share, wrong, n)) > 6


def test_mass_outside_has_no_closed_form_in_space():
    assert SPACE.mass_outside(np.zeros(3), np.eye(3), np.ones(1)) is None


def test_l2_is_the_integral_of_the_squared_difference():
    other = Mixture([1.0], [[0.5]], [[[1.0]]])

    def squared(x):
        row = np.array([[x]])
        return (np.exp(LINE.log_prob(row)) - np.exp(other.log_prob(row)))[0] ** 2

    assert LINE.l2_squared(other) == pytest.approx(integrate.quad(squared, -15, 15, limit=200)[0], rel=1e-8)


def test_l2_is_the_integral_in_the_plane():
    other = Mixture([1.0], [[0.5, 0.0]], [[[2.0, 0.5], [0.5, 1.0]]])
    axis = np.linspace(-12.0, 12.0, 601)
    grid = np.stack([a.ravel() for a in np.meshgrid(axis, axis)], axis=1)
    squared = (np.exp(PLANE.log_prob(grid)) - np.exp(other.log_prob(grid))) ** 2
    assert PLANE.l2_squared(other) == pytest.approx(squared.sum() * 0.04**2, rel=1e-8)


@pytest.mark.parametrize("law", LAWS)
def test_l2_to_itself_is_nothing(law):
    assert abs(law.l2_squared(law)) < 1e-15


def test_l2_grows_without_bound_as_a_component_narrows():
    """(f, f) of an isotropic Gaussian in the plane is 1 / (4 pi sigma^2)."""
    point = Mixture([1.0], [[9.0, 9.0]], [1e-4 * np.eye(2)])
    assert point.overlap(point) == pytest.approx(1.0 / (4.0 * np.pi * 1e-4))


def test_cholesky_refuses_what_is_not_positive_definite():
    out = np.empty((2, 2))
    assert cholesky(np.array([[4.0, 2.0], [2.0, 3.0]]), out)
    np.testing.assert_allclose(out, [[2.0, 0.0], [1.0, np.sqrt(2.0)]])
    for wrong in (
        [[1.0, 2.0], [2.0, 1.0]],
        [[0.0, 0.0], [0.0, 1.0]],
        [[np.nan, 0.0], [0.0, 1.0]],
        [[np.inf, 0], [0, 1]],
    ):
        assert not cholesky(np.array(wrong), out)


def test_sampling_a_degenerate_mixture_is_a_degenerate_fit():
    with pytest.raises(FitDegenerate, match="positive definite"):
        Mixture([1.0], [[0.0]], [[[0.0]]]).sample(3, STREAM)
