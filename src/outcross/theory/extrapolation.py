"""Correcting a model by what its own samples teach it: oracles C1 and C2 for Gaussians of one mean, without row noise.

Standard deviations and variances in any one unit. weight: how far to extrapolate away from the self-trained model.
"""

from __future__ import annotations

from outcross.core.errors import require
from outcross.theory.given import between, finite
from outcross.theory.special import power


def self_trained_sd(sd: float, scale: float, weight: float) -> float:
    """C2: sd of (1 + weight) theta_r - weight theta_s, where the sampler multiplies the sd of theta_r by `scale`.

    (1 + weight (1 - scale)) sd. Neon, arXiv 2510.03597, SinaAlemohammad/Neon (source); derived, simulated. Raises
    InputError where the result is not positive.
    """
    extrapolated = (1.0 + finite("weight", weight) * (1.0 - between("scale", scale))) * between("sd", sd)
    require(extrapolated > 0.0, f"weight {weight:g} extrapolates to a standard deviation of {extrapolated:g}")
    return extrapolated


def best_weight(sd: float, scale: float, true_sd: float = 1.0) -> float:
    """C2: weight that hits the true sd, (true_sd/sd - 1)/(1 - scale).

    For sd below the truth it is positive for samplers that seek modes (scale < 1), negative for those that seek
    diversity. Raises InputError for scale = 1: the model's own samples then say nothing.
    """
    require(between("scale", scale) != 1.0, "scale differs from 1, or no weight changes anything")
    return (between("true_sd", true_sd) / between("sd", sd) - 1.0) / (1.0 - scale)


def score_extrapolated_variance(base: float, self_trained: float, weight: float) -> float:
    """C1: variance sampled with the score (1 + w) s_base - w s_self at every noise level: v_b (v_b/v_s)^w.

    SIMS, arXiv 2408.16333 (secondary for the definition). The flow dx/dtau = -s(x, tau)/2 with s = -x/(v + tau) per
    model gives d ln x/dtau = [(1+w)/(v_b + tau) - w/(v_s + tau)]/2, from noise tau -> infinity down to 0 (derived,
    integrated). The score at tau = 0 alone would say 1/v = (1+w)/v_b - w/v_s.
    """
    return between("base", base) * power(base / between("self_trained", self_trained), finite("weight", weight))
