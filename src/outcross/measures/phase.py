"""The collapse phase of a generation: decided per chain by effects against stated margins, never by significance.

late   generalised variance below its margin, or a distance to the truth beyond its margin: the Gaussian one (mean
       wandered, spread blown up) or the shape (modes dead or merged); late collapse is often, not always, less variance
early  the bulk intact, tail mass below its margin
Of categories the variance is the heterozygosity, the distance total variation, the tail what is left of the rare ones.
Of images it is the variance of pixels, a distance between features and the balance of classes, coverage of rare styles.
Of text it is how many different pairs of words there are, the loss on real text, how many different rare words.
none   tails and bulk intact
inconclusive   an interval straddles a margin, or a number is missing

Effects are relative to the floor, what models fitted on real data read: a family that never fitted the truth, or a
small reference, is not collapse; nor does a loss count that some of those models show too.
Groups are judged across chains, not chain by chain (`report/groups.py`): one that is lost is rare regions gone.
Shumailov et al. 2024 define early and late collapse; LOG.md calibrates the margins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcross.core.contracts import Reading
from outcross.core.errors import require

Phase = Literal["none", "early", "late", "inconclusive"]
TAIL, VARIANCE, DISTANCE, SHAPE = "tail_99", "generalised_variance_ratio", "w2_gaussian", "shape_ks"
TAILS = (TAIL, "tail_95")  # the second where the reference is too small for the first


class Signs(NamedTuple):
    """The quantities that decide a phase, in words: tails (the first that has a number), variance, distances."""

    tails: Mapping[str, str]
    variance: Mapping[str, str]
    distances: Mapping[str, tuple[str, str]]  # with the name of their margin
    short: tuple[str, str]  # tail and variance as heads of a table
    halved: str  # the tail whose halving is told
    rule: str  # when a collapse counts; the margins are put in by name
    told: Mapping[str, str] = MappingProxyType({})  # ratios that decide nothing, but say what the others do not
    optional: frozenset[str] = frozenset()  # what counts only where it has a number


NUMBERS = Signs(
    dict.fromkeys(TAILS, "tail mass"),
    {VARIANCE: "generalised variance"},
    {DISTANCE: ("distance", "distance"), SHAPE: ("shape", "shape")},
    ("tail", "variance"),
    "tail mass of the worst column",
    "early collapse is tail mass below {tail} of the floor's with the bulk intact; late collapse is generalised "
    "variance below {variance} of the floor's, or a distance more than {distance} sd beyond it, or a shape more than "
    "{shape} beyond it",
)
CATEGORIES = Signs(
    dict.fromkeys(("rare_kept_99", "rare_kept_95"), "rare mass left"),
    {"heterozygosity_ratio": "heterozygosity"},
    {"total_variation": ("total variation", "distance")},
    ("rare mass", "heterozygosity"),
    "true mass left of the rarest categories",
    "of categories, early collapse is less than {tail} of what the floor keeps of the true mass of the rarest 1 % (5 % "
    "where there are too few), with the bulk intact; late collapse is heterozygosity below {variance} of the floor's, "
    "or a total variation more than {distance} beyond it",
    {"survivors_ratio": "categories left"},
)
IMAGES = Signs(
    {"rare_coverage": "rare styles covered"},
    {"pixel_variance_ratio": "pixel variance"},
    {"feature_w2": ("feature distance", "distance"), "class_tv": ("imbalance of classes", "distance")},
    ("rare styles", "pixel variance"),
    "share of rare styles that is covered",
    "of images, early collapse is coverage of rare styles below {tail} of the floor's with the bulk intact; late "
    "collapse is pixel variance below {variance} of the floor's, or a feature distance more than {distance} sd beyond "
    "it, or a total variation of class shares more than {distance} beyond it",
    {"class_entropy_ratio": "class entropy"},
    frozenset({"class_tv"}),  # images without labels have no classes
)
TEXT = Signs(
    {"rare_words": "rare words"},
    {"distinct_2": "different pairs of words"},
    {"cross_entropy": ("loss on real text", "distance")},
    ("rare words", "pairs of words"),
    "different words among the rarest 5 % of the text",
    "of text, early collapse is less than {tail} of the floor's different rare words with the bulk intact; late "
    "collapse is fewer different pairs of words than {variance} of the floor's, or a loss on held-out real text more "
    "than {distance} nats a token beyond it",
)
KINDS = (NUMBERS, CATEGORIES, IMAGES, TEXT)
RATIOS = {
    **dict.fromkeys([name for signs in KINDS for name in signs.tails], "tail"),
    **dict.fromkeys([name for signs in KINDS for name in signs.variance], "variance"),
}  # the name of the margin of each ratio
DISTANCES = {name: margin for signs in KINDS for name, (_, margin) in signs.distances.items()}


def signs(readings: Mapping[str, object]) -> Signs:
    """The quantities that decide, by which of them were measured."""
    return next((kind for kind in KINDS if any(name in readings for name in kind.variance)), NUMBERS)


class Floor(NamedTuple):
    """What models fitted on real data read of one quantity: the lowest, the median and the highest of them."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Floor:
        """The floor of a quantity from its replicates."""
        return cls(float(np.min(values)), float(np.median(values)), float(np.max(values)))


NOTHING: Mapping[str, Floor] = MappingProxyType({})


@dataclass(frozen=True)
class Margins:
    """tail, variance, group: the ratio below which a loss counts. distance: in standard deviations, total variation of
    categories, or nats a token of text. shape: a probability.

    persistence: how many records in a row must agree before a chain raises an alarm.
    """

    tail: float = 0.45
    variance: float = 0.5
    distance: float = 0.5
    shape: float = 0.085
    group: float = 0.45
    persistence: int = 3

    def __post_init__(self) -> None:
        for name in ("tail", "variance", "group"):
            value = getattr(self, name)
            require(0.0 < value < 1.0, f"margins.{name} is a ratio in (0, 1), got {value:g}")
        for name in ("distance", "shape"):
            value = getattr(self, name)
            require(value > 0.0, f"margins.{name} is positive, got {value:g}")
        require(self.persistence >= 1, f"margins.persistence is at least 1, got {self.persistence}")


def limits(name: str, margins: Margins, floor: Mapping[str, Floor] = NOTHING) -> tuple[float, float]:
    """Up to where a quantity counts as intact, and from where on as lost, in its own unit.

    They differ where some models of real data lie beyond the margin themselves: a loss has to exceed theirs.
    """
    base = floor.get(name)
    if name in DISTANCES:
        intact = getattr(margins, DISTANCES[name]) + (base.median if base else 0.0)
        return intact, max(intact, base.high) if base else intact
    intact = getattr(margins, RATIOS[name]) * (base.median if base and base.median > 0.0 else 1.0)
    return intact, min(intact, base.low) if base else intact


def side(name: str, reading: Reading | None, margins: Margins, floor: Mapping[str, Floor] = NOTHING) -> int:
    """-1 wholly lost, +1 wholly intact, 0 when the interval straddles a limit or there is no number."""
    if reading is None or not np.isfinite(reading.value):
        return 0
    low = reading.value if reading.low is None else reading.low
    high = reading.value if reading.high is None else reading.high
    intact, lost = limits(name, margins, floor)
    if name in DISTANCES:
        return -1 if low > lost else (1 if high < intact else 0)
    return -1 if high < lost else (1 if low >= intact else 0)


def phase(readings: Mapping[str, Reading], margins: Margins, floor: Mapping[str, Floor] = NOTHING) -> Phase:
    """The phase of one generation of one chain. floor: what models fitted on real rows read, by name."""
    by = signs(readings)
    wanted = [name for name in (*by.variance, *by.distances) if name not in by.optional or _number(readings, name)]
    bulk = [side(name, readings.get(name), margins, floor) for name in wanted]
    if -1 in bulk:
        return "late"
    if 0 in bulk:
        return "inconclusive"
    name = tail_name(readings)
    tail = side(name, readings.get(name), margins, floor)
    return {-1: "early", 0: "inconclusive", 1: "none"}[tail]  # type: ignore[return-value]


def tail_name(readings: Mapping[str, Reading]) -> str:
    """The tail that decides: the outermost that has a number."""
    names = list(signs(readings).tails)
    return next((name for name in names if _number(readings, name)), names[0])


def _number(readings: Mapping[str, Reading], name: str) -> bool:
    return name in readings and bool(np.isfinite(readings[name].value))


def alarm(phases: Sequence[Phase], persistence: int) -> int | None:
    """Position of the first of `persistence` consecutive records in early or late collapse, or None."""
    run = 0
    for i, p in enumerate(phases):
        run = run + 1 if p in ("early", "late") else 0
        if run == persistence:
            return i - persistence + 1
    return None
