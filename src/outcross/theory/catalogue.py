"""The table of oracles: what each id predicts, which functions give it, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from outcross.theory import (
    accumulate,
    discrete,
    exponential,
    extrapolation,
    gaussian,
    mixing,
    poisoning,
    regression,
    scaling,
    selection,
    stability,
)


class Oracle(NamedTuple):
    """One entry. Every function says in its docstring what it assumes and raises InputError elsewhere."""

    quantity: str
    setting: str
    reference: str
    functions: tuple[Callable[..., Any], ...]


_HERE = "derived, simulated"
_SHUMAILOV = "Shumailov et al. 2024; derived, simulated"

CATALOGUE = {
    "G1": Oracle("joint law of mean and variance", "Gaussian, replace", _SHUMAILOV, (gaussian.simulate,)),
    "G2": Oracle(
        "E and Var of the variance and of the squared mean",
        "Gaussian, replace, unbiased",
        _SHUMAILOV,
        (
            gaussian.mean_variance,
            gaussian.variance_of_variance,
            gaussian.mean_square_of_mean,
            gaussian.variance_of_square_of_mean,
            gaussian.row_variance,
        ),
    ),
    "G3": Oracle(
        "E and Var of the variance and of the squared mean",
        "Gaussian, replace, ML",
        _HERE,
        (
            gaussian.mean_variance,
            gaussian.variance_of_variance,
            gaussian.mean_square_of_mean,
            gaussian.variance_of_square_of_mean,
        ),
    ),
    "G4": Oracle(
        "E and Var of the log variance",
        "Gaussian, replace",
        _HERE,
        (
            gaussian.mean_log_variance,
            gaussian.variance_of_log_variance,
            gaussian.error_of_log_spread,
            gaussian.first_passage,
        ),
    ),
    "G5": Oracle("E W2^2 to the truth", "Gaussian, replace", _SHUMAILOV, (gaussian.mean_risk,)),
    "G6": Oracle(
        "E and Var of ln det of the covariance",
        "Gaussian in d dimensions, replace",
        _HERE,
        (gaussian.mean_log_determinant, gaussian.variance_of_log_determinant),
    ),
    "G7": Oracle("E variance", "Gaussian, replace, scaled sampler", _HERE, (gaussian.mean_variance_scaled,)),
    "A1": Oracle(
        "E and Var of the variance, E squared mean, limit",
        "Gaussian, accumulate, ML",
        "shape of Kazdan et al., arXiv 2410.16713; derived, simulated",
        (
            accumulate.mean_variance,
            accumulate.variance_of_variance,
            accumulate.mean_square_of_mean,
            accumulate.limit_of_variance,
        ),
    ),
    "A2": Oracle(
        "Var of the mean, variance known",
        "Gaussian, accumulate",
        "Dey and Donoho, arXiv 2410.22812; derived, simulated",
        (accumulate.variance_of_mean, accumulate.limit_of_variance_of_mean),
    ),
    "A3": Oracle(
        "E variance, squared mean, squared pool mean, limit",
        "Gaussian, accumulate-subsample, ML",
        "policy of Kazdan et al., arXiv 2410.16713; derived, simulated",
        (accumulate.subsampled, accumulate.subsampled_limit_of_variance),
    ),
    "R1": Oracle(
        "E error",
        "regression, replace",
        "Gerstgrasser et al., arXiv 2404.01413; derived, simulated",
        (regression.replaced_error, regression.base_error),
    ),
    "R2": Oracle(
        "E error",
        "regression, accumulate, same X",
        "Gerstgrasser et al., arXiv 2404.01413; derived, simulated",
        (regression.accumulated_error_same,),
    ),
    "R3": Oracle("E error", "regression, accumulate, fresh X", _HERE, (regression.accumulated_error_fresh,)),
    "R5": Oracle(
        "floor of the error",
        "regression, constant synthetic share",
        "Dohmatob et al., arXiv 2410.04840; derived, simulated",
        (regression.pooled_floor, regression.pooled_error),
    ),
    "M1": Oracle(
        "E variance, squared mean, product with the anchor",
        "Gaussian, mix, any anchor, either estimator",
        "fresh: Bhavya-Dhoot/Model_collapse; derived, simulated",
        (mixing.recursion, mixing.after, mixing.simulate),
    ),
    "M2": Oracle(
        "limits of E variance, squared mean",
        "Gaussian, mix, fresh, ML",
        "Bhavya-Dhoot/Model_collapse; derived, simulated",
        (mixing.fixed_point,),
    ),
    "M3": Oracle("the same about the anchor", "Gaussian, mix, fixed, ML", _HERE, (mixing.fixed_point,)),
    "M4": Oracle("the same about the anchor", "Gaussian, mix, redrawn, ML", _HERE, (mixing.fixed_point,)),
    "M5": Oracle("limits, beyond the truth", "Gaussian, mix, fresh, unbiased", _HERE, (mixing.fixed_point_unbiased,)),
    "M6": Oracle(
        "smallest real share for a tolerated loss", "Gaussian, mix, fresh, ML", _HERE, (mixing.smallest_real_share,)
    ),
    "M7": Oracle(
        "Var of the mean, best weight",
        "Gaussian, weighted mix, variance known",
        "He et al., arXiv 2502.18049; derived, simulated",
        (mixing.weighted_variance, mixing.best_weight, mixing.pooling_weight),
    ),
    "D1": Oracle(
        "E heterozygosity",
        "categories, replace",
        "population genetics; Seddik et al., arXiv 2404.05090",
        (discrete.heterozygosity, discrete.mean_heterozygosity),
    ),
    "D2": Oracle(
        "E and Var of frequencies, fixation",
        "categories, replace",
        "population genetics",
        (discrete.mean_frequencies, discrete.variance_of_frequencies),
    ),
    "D3": Oracle("E survivors of the first fit", "categories", _HERE, (discrete.first_survivors,)),
    "D4": Oracle(
        "P(lost), E survivors",
        "categories, replace",
        "branching processes; arXiv 2412.17646",
        (discrete.lost, discrete.effective_rows, discrete.survivors),
    ),
    "D5": Oracle(
        "mean absorption time",
        "categories, replace",
        "population genetics",
        (discrete.absorption_time, discrete.absorption_time_diffusion, discrete.absorption_time_all_distinct),
    ),
    "D6": Oracle(
        "E heterozygosity, limit",
        "categories, mix, any anchor",
        _HERE,
        (discrete.mixed_heterozygosity, discrete.mixed_limit),
    ),
    "D7": Oracle(
        "E heterozygosity",
        "categories, accumulate, accumulate-subsample",
        _HERE,
        (discrete.accumulated_heterozygosity, discrete.subsampled_heterozygosity),
    ),
    "E1": Oracle(
        "E and Var of ln mean, Var of the mean",
        "exponential law, replace",
        _HERE,
        (exponential.mean_log_mean, exponential.variance_of_log_mean, exponential.variance_of_mean),
    ),
    "E2": Oracle(
        "P(extinct), Var of the mean",
        "Poisson law, replace",
        _HERE,
        (exponential.poisson_extinction, exponential.poisson_variance_of_mean),
    ),
    "E3": Oracle("Var of the mean", "Bernoulli law, replace", _HERE, (exponential.bernoulli_variance_of_mean,)),
    "T1": Oracle(
        "unseen mass",
        "Zipf data, cut tail",
        "Dohmatob et al., arXiv 2402.07043; derived, simulated",
        (scaling.unseen_mass_cut, scaling.unseen_mass_replaced, scaling.exponent),
    ),
    "T3": Oracle(
        "unseen mass",
        "Zipf data, cut tail and some real rows",
        "Dohmatob et al., arXiv 2402.07043; derived, simulated",
        (scaling.unseen_mass_cut,),
    ),
    "T4": Oracle(
        "unseen mass", "Zipf data, real rows; replace", _HERE, (scaling.unseen_mass, scaling.unseen_mass_replaced)
    ),
    "B1": Oracle(
        "rate of convergence (bound)",
        "real and synthetic rows, n -> infinity",
        "Bertrand et al., arXiv 2310.00429",
        (stability.retraining_rate,),
    ),
    "B2": Oracle(
        "smallest stable share, steady error (bound)",
        "a Lipschitz generation map",
        "elementary",
        (stability.smallest_stable_share, stability.steady_error),
    ),
    "B4": Oracle(
        "Var of the mean, its rate",
        "accumulate with a real share",
        "Wang, Niu, Li, arXiv 2602.16065; derived for a mean, simulated",
        (stability.accumulating_variance, stability.accumulating_rate),
    ),
    "C1": Oracle(
        "variance sampled",
        "SIMS on Gaussians of one mean",
        "definition: arXiv 2408.16333; derived",
        (extrapolation.score_extrapolated_variance,),
    ),
    "C2": Oracle(
        "sd extrapolated, best weight",
        "Neon on a Gaussian",
        "arXiv 2510.03597; derived, simulated",
        (extrapolation.self_trained_sd, extrapolation.best_weight),
    ),
    "S1": Oracle(
        "critical label error",
        "verified labels",
        "Feng et al., arXiv 2406.07515; derived, simulated",
        (selection.critical_error,),
    ),
    "S2": Oracle("label error after selection", "verified labels", "Bayes", (selection.selected_error,)),
    "S3": Oracle(
        "law after curation, bound on E e^r",
        "K-choice Bradley-Terry",
        "Ferbach et al., arXiv 2407.09499; simulated",
        (selection.curate, selection.curation_bound),
    ),
    "S4": Oracle(
        "law after many curations",
        "K-choice, with a real share",
        "Ferbach et al., arXiv 2407.09499",
        (selection.curated,),
    ),
    "S5": Oracle(
        "E and Var of the mean",
        "verified rows",
        "Yi et al., arXiv 2510.16657; derived, simulated",
        (selection.verified_mean, selection.verified_variance, selection.kept_share),
    ),
    "P1": Oracle(
        "critical poison rate, variance, first order",
        "Gaussian, mix, poisoned",
        _HERE,
        (poisoning.critical_rate_first_order, poisoning.variance_first_order),
    ),
    "P2": Oracle(
        "population map, fixed point, threshold",
        "Gaussian, mix, poisoned",
        _HERE,
        (
            poisoning.population,
            poisoning.poisoned_fit,
            poisoning.fixed_point,
            poisoning.critical_rate,
            poisoning.observed_threshold,
        ),
    ),
    "P3": Oracle("variance", "Gaussian, replace, poisoned", _HERE, (poisoning.replace_variance,)),
    "P5": Oracle(
        "mean and variance", "Gaussian, replace, top dropped", _HERE, (poisoning.trimmed, poisoning.trimmed_fit)
    ),
    "P6": Oracle("shift over that of one shot", "Gaussian, poisoned", _HERE, (poisoning.amplification,)),
}

LEFT_OUT = {
    "R4": "its conditions could not be read in the paper (arXiv 2412.14689)",
    "T2": "n T_0^(-c) is not what replace gives: the learner of T4 loses n^c T_0^(-c) (unseen_mass_replaced)",
    "B3": "the form of the bound was not retrieved (arXiv 2404.05090)",
    "P4": "a measured table, not a closed form",
}
