"""The figures of quantities against generation: which quantities, on which axis, in which words."""

from __future__ import annotations

from typing import Literal, NamedTuple

from outcross.measures.phase import DISTANCE, SHAPE, TAIL, VARIANCE
from outcross.report import findings
from outcross.theory.covered import RISK
from outcross.theory.staged import LOG


class Curves(NamedTuple):
    """A figure of quantities against generation: the first names its finding."""

    noun: str
    measures: tuple[str, ...]
    kind: Literal["log", "sqrt"]
    share: bool  # the finding is told as a share of the truth's
    note: str = ""
    cite: str = findings.PAPER
    instead: tuple[str, ...] = ()  # drawn first where the first quantity has no number


CURVES = (
    Curves(
        "Feature distance to real images",
        ("feature_w2", "fid", "kid"),
        "log",
        False,
        "Frechet distance between Gaussian fits to features, its root in standard deviations (sd) of the real "
        "features, and kernel distance; equally many images of both sides.",
        "Heusel et al. 2017; Binkowski et al. 2018",
    ),
    Curves(
        "Coverage of rare styles",
        ("rare_coverage", "image_coverage", "image_recall", "image_precision"),
        "sqrt",
        True,
        "Rare styles are the tenth of each class farthest from its mean; their coverage is relative to that by as many "
        "real images. Precision, recall and coverage by five nearest neighbours.",
        "Kynkaanniemi et al. 2019; Naeem et al. 2020",
    ),
    Curves(
        "Pixel variance",
        ("pixel_variance_ratio",),
        "log",
        True,
        "Variance summed over pixels, relative to that of real images.",
    ),
    Curves(
        "Imbalance of classes",
        ("class_tv", "classes_lost", "class_entropy_ratio", "ambiguous"),
        "sqrt",
        False,
        "By a classifier of real images: total variation of the class shares from the true ones, classes lost, entropy "
        "of the class shares relative to the truth's, share of images between classes.",
        "Santurkar et al. 2018; " + findings.PAPER,
    ),
    Curves(
        "The spread of mu under the generation-0 encoder",
        ("mu_sd",),
        "log",
        False,
        "Standard deviation over all coordinates of mu, the paper's own measure.",
    ),
    Curves(
        "Distance to the truth",
        (DISTANCE, "w1_marginal", SHAPE),
        "log",
        False,
        "Columns are scaled to true standard deviation 1, so a distance reads in standard deviations (sd). Shape is "
        "the largest gap between distribution functions, a probability, once mean and sd agree.",
        "Dowson and Landau 1982; " + findings.PAPER,
    ),
    Curves(
        "The squared L2 distance between densities",
        ("l2_to_first", "l2_to_truth"),
        "log",
        False,
        "The paper's distance, to the chain's own generation 0 and to the truth. It is unbounded as a density "
        "narrows, and its unit is that of a density.",
    ),
    Curves(
        "Tail mass",
        (TAIL, "tail_999", "radius_99", "radius_999"),
        "sqrt",
        True,
        "Mass beyond the truth's outer percentiles about the model's own mean (of counts: where they are), relative to "
        "the truth's. The vertical axis is a square root, so that a loss shows beside an excess.",
        instead=("tail_95", "radius_95"),
    ),
    Curves(
        "Generalised variance",
        (VARIANCE,),
        "log",
        True,
        "Determinant of the covariance, relative to the truth's.",
        "Wilks 1932; " + findings.PAPER,
    ),
    Curves(
        "Total variation from the truth",
        ("total_variation",),
        "sqrt",
        False,
        "Half the sum of absolute differences of the probabilities of all categories.",
    ),
    Curves(
        "What is left of the rare categories",
        ("rare_kept_99", "rare_kept_95", "survivors_ratio", "lost_mass"),
        "sqrt",
        True,
        "True mass of the rarest 1 % and 5 % whose categories the model still knows, relative to the truth's; "
        "categories that it knows; true mass of those it has lost.",
    ),
    Curves(
        "Heterozygosity",
        ("heterozygosity_ratio", "entropy_ratio"),
        "log",
        True,
        "Chance that two draws differ, and entropy, relative to the truth's.",
        "Nei 1973; " + findings.PAPER,
    ),
    Curves(
        "The perplexity of real text",
        ("perplexity", "own_perplexity"),
        "log",
        False,
        "exp of the mean loss a token of held-out real text under each generation's model (the evidence says how it is "
        "taken), and of the model's own text under itself, which says nothing of real text.",
    ),
    Curves(
        "The number of different pairs of words",
        ("distinct_2", "distinct_1", "distinct_3", "rare_words"),
        "sqrt",
        True,
        "Different runs of one to three tokens, and different tokens of the rarest 5 % of the text, relative to those "
        "in as much real text.",
        "Li et al. 2016",
    ),
    Curves(
        "Repetition within a row",
        ("repeated_4", "longest_repeat", "compression", "token_entropy_ratio"),
        "sqrt",
        False,
        "Share of runs of four tokens that their row already held, longest run that a row holds twice, size when "
        "compressed and entropy of the tokens, relative to real text.",
        "Holtzman et al. 2020; Shaib et al. 2024",
    ),
    Curves(
        "The share of the smallest group",
        ("group_rarest", "group_worst"),
        "sqrt",
        True,
        "Rows by the component of the true mixture to which they most likely belong, relative to that of real "
        "rows: the smallest group, and the one that lost most.",
        "Wyllie et al. 2024",
    ),
    Curves(
        "What the model's labels are worth",
        ("label_accuracy", "label_worst", "backdoor"),
        "sqrt",
        False,
        "A classifier trained on labelled images of the model, tested on real ones: all of them, the class told "
        "worst, and how many turn to one other class under the mark of a trigger.",
        "Esteban et al. 2017; Gu et al. 2017",
    ),
    Curves(
        "The weight away from one's own samples",
        ("correction_weight", "correction_gain"),
        "sqrt",
        False,
        "How far a model is pushed away from what training on its own samples makes of it, 0 being the base; and by "
        "which share the chosen weight is nearer to the validation data that it was chosen by, which flatter it.",
        "Alemohammad et al. 2024, 2025",
    ),
    Curves(
        "Squared error of the coefficients",
        ("coefficient_error",),
        "log",
        False,
        "Squared distance from the true coefficients: the excess risk for features of unit covariance.",
        "Gerstgrasser et al. 2024",
    ),
)
# headings of panels
SHORT = {
    "feature_w2": "2-Wasserstein distance of features",
    "fid": "Frechet distance (FID)",
    "kid": "kernel distance (KID)",
    "rare_coverage": "rare styles covered",
    "image_coverage": "coverage",
    "image_recall": "recall",
    "image_precision": "precision",
    "pixel_variance_ratio": "pixel variance",
    "class_tv": "total variation of class shares",
    "classes_lost": "classes lost",
    "class_entropy_ratio": "entropy of class shares",
    "ambiguous": "ambiguous images",
    "mu_sd": "standard deviation of mu",
    DISTANCE: "2-Wasserstein distance of Gaussian fits",
    "w1_marginal": "1-Wasserstein distance of marginals",
    SHAPE: "shape: marginals once mean and sd agree",
    "l2_to_first": "squared L2 to generation 0",
    "l2_to_truth": "squared L2 to the truth",
    TAIL: "tail mass beyond 1 % and 99 %",
    "tail_999": "tail mass beyond 0.1 % and 99.9 %",
    "tail_95": "tail mass beyond 5 % and 95 %",
    "radius_95": "mass beyond the 95 % radius",
    "radius_99": "mass beyond the 99 % radius",
    "radius_999": "mass beyond the 99.9 % radius",
    VARIANCE: "generalised variance",
    "total_variation": "total variation",
    "rare_kept_99": "rarest 1 %: mass left",
    "rare_kept_95": "rarest 5 %: mass left",
    "survivors_ratio": "categories left",
    "lost_mass": "true mass lost",
    "heterozygosity_ratio": "heterozygosity",
    "entropy_ratio": "entropy",
    "coefficient_error": "squared error of the coefficients",
    "group_rarest": "the smallest group",
    "group_worst": "the group that lost most",
    "label_accuracy": "real images told right",
    "label_worst": "of the class told worst",
    "backdoor": "turned by a trigger's mark",
    "correction_weight": "weight of the correction",
    "correction_gain": "nearer to validation data",
    "perplexity": "perplexity of real text",
    "own_perplexity": "of its own text",
    "distinct_1": "different words",
    "distinct_2": "different pairs of words",
    "distinct_3": "different runs of three",
    "rare_words": "different rare words",
    "repeated_4": "repeated runs of four",
    "longest_repeat": "longest repeat",
    "compression": "size when compressed",
    "token_entropy_ratio": "entropy of the tokens",
    "log_det_ratio": "log determinant of the covariance",
    "first_mean": "mean of the first column, from the truth",
    "first_variance": "variance of the first column",
    "log mean": "log of the mean",
    RISK: "squared 2-Wasserstein distance",
}
# what the vertical axis of a level reads
LEVELS = {
    "log_det_ratio": "nats",
    "first_variance": "relative to the truth",
    "log mean": "log of the ratio",
    LOG: "log of the ratio",
    RISK: "squared sd",
}
