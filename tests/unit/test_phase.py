"""The phase of a generation: by effects against margins; what straddles a margin is inconclusive."""

import numpy as np
import pytest

from outcross.core.contracts import Reading
from outcross.core.errors import InputError
from outcross.measures.phase import DISTANCE, SHAPE, TAIL, TAILS, VARIANCE, Floor, Margins, alarm, limits, phase, side

MARGINS = Margins(tail=0.45, variance=0.5, distance=0.5, shape=0.085, persistence=3)


def readings(tail=1.0, variance=1.0, distance=0.0, shape=0.0):
    given = {TAIL: tail, VARIANCE: variance, DISTANCE: distance, SHAPE: shape}
    return {
        name: v if isinstance(v, Reading) else Reading(*v) if isinstance(v, tuple) else Reading(v)
        for name, v in given.items()
        if v is not None
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "none"),
        ({"tail": 0.46}, "none"),
        ({"tail": 0.44}, "early"),
        ({"tail": 0.0}, "early"),
        ({"variance": 0.49}, "late"),
        ({"variance": 0.49, "tail": 0.0}, "late"),
        ({"distance": 0.51}, "late"),
        ({"distance": 0.51, "variance": 3.0, "tail": 5.0}, "late"),  # a spread blown up is late collapse too
        ({"variance": 0.5, "distance": 0.49}, "none"),
        ({"shape": 0.086}, "late"),  # modes merged: the moments need not show it
        ({"shape": 0.084}, "none"),
        ({"shape": None}, "inconclusive"),
        # intervals: wholly beyond, wholly within, straddling
        ({"tail": (0.40, 0.36, 0.44)}, "early"),
        ({"tail": (0.40, 0.36, 0.46)}, "inconclusive"),
        ({"tail": (0.50, 0.46, 0.60)}, "none"),
        ({"variance": (0.4, 0.3, 0.6)}, "inconclusive"),
        ({"distance": (0.6, 0.4, 0.8)}, "inconclusive"),
        ({"variance": (0.4, 0.3, 0.6), "distance": 0.9}, "late"),  # one loss that is certain is enough
        # numbers that are missing
        ({"tail": None}, "inconclusive"),
        ({"tail": Reading(np.nan, why="few rows")}, "inconclusive"),
        ({"variance": Reading(np.nan, why="singular")}, "inconclusive"),
        ({"variance": Reading(np.nan, why="singular"), "distance": 0.9}, "late"),
        ({"tail": None, "variance": 0.1}, "late"),
    ],
)
def test_the_phase_follows_from_three_readings_and_their_margins(given, expected):
    assert phase(readings(**given), MARGINS) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "none"),
        ({"rare_coverage": 0.44}, "early"),
        ({"pixel_variance_ratio": 0.49}, "late"),
        ({"feature_w2": 0.51}, "late"),
        ({"class_tv": 0.51}, "late"),
        ({"feature_w2": np.nan}, "inconclusive"),
        ({"class_tv": np.nan}, "none"),  # images without labels have no classes
        ({"class_tv": np.nan, "rare_coverage": 0.1}, "early"),
    ],
)
def test_the_phase_of_images_follows_from_styles_pixels_features_and_classes(given, expected):
    whole = {"rare_coverage": 1.0, "pixel_variance_ratio": 1.0, "feature_w2": 0.0, "class_tv": 0.0, **given}
    assert phase({name: Reading(v, why="none") for name, v in whole.items()}, MARGINS) == expected


def test_effects_are_relative_to_what_models_of_real_data_read():
    floor = {name: Floor(v, v, v) for name, v in {TAIL: 2.0, VARIANCE: 1.8, DISTANCE: 0.3, SHAPE: 0.1}.items()}
    assert phase(readings(tail=2.0, variance=1.8, distance=0.6, shape=0.15), MARGINS, floor) == "none"
    assert phase(readings(variance=0.89, distance=0.3, shape=0.1, tail=2.0), MARGINS, floor) == "late"
    assert phase(readings(variance=1.8, distance=0.81, shape=0.1, tail=2.0), MARGINS, floor) == "late"
    assert phase(readings(variance=1.8, distance=0.3, shape=0.186, tail=2.0), MARGINS, floor) == "late"
    assert phase(readings(variance=1.8, distance=0.3, shape=0.1, tail=0.89), MARGINS, floor) == "early"


def test_a_small_reference_is_judged_by_its_5_percent_tails():
    given = readings(tail=Reading(np.nan, why="few rows"))
    assert phase(given | {TAILS[1]: Reading(0.2, 0.1, 0.3)}, MARGINS) == "early"
    assert phase(given | {TAILS[1]: Reading(0.9, 0.6, 1.3)}, MARGINS) == "none"


def test_nothing_measured_is_inconclusive():
    assert phase({}, MARGINS) == "inconclusive"


def test_an_interval_is_on_a_side_only_as_a_whole():
    intervals = ((0.2, 0.44), (0.2, 0.45), (0.45, 0.9), (0.4, 0.9))
    assert [side(TAIL, Reading(0.5, low, high), MARGINS) for low, high in intervals] == [-1, 0, 1, 0]


def test_a_loss_that_some_models_of_real_data_show_too_is_none():
    floor = {TAIL: Floor(0.2, 1.0, 1.6), DISTANCE: Floor(0.0, 0.1, 0.9)}
    assert limits(TAIL, MARGINS, floor) == (0.45, 0.2)
    assert limits(DISTANCE, MARGINS, floor) == (0.6, 0.9)
    assert phase(readings(tail=0.3), MARGINS, floor) == "inconclusive"
    assert phase(readings(tail=0.19), MARGINS, floor) == "early"
    assert phase(readings(distance=0.8), MARGINS, floor) == "inconclusive"
    assert phase(readings(distance=0.91), MARGINS, floor) == "late"


def test_nothing_is_lost_where_models_of_real_data_have_nothing():
    floor = {VARIANCE: Floor(0.0, 0.0, 0.0)}
    assert phase(readings(variance=0.0), MARGINS, floor) == "inconclusive"


@pytest.mark.parametrize(
    ("phases", "position"),
    [
        ("nnnn", None),
        ("nneen", None),
        ("nneee", 2),
        ("neelnn", 1),
        ("nenene", None),
        ("eeieee", 3),
        ("lll", 0),
        ("", None),
    ],
)
def test_an_alarm_needs_records_in_a_row(phases, position):
    spelled = {"n": "none", "e": "early", "l": "late", "i": "inconclusive"}
    assert alarm([spelled[p] for p in phases], 3) == position


@pytest.mark.parametrize(
    "wrong",
    [{"tail": 0.0}, {"tail": 1.0}, {"variance": 1.5}, {"distance": 0.0}, {"persistence": 0}, {"variance": np.nan}],
)
def test_margins_that_decide_nothing_are_refused(wrong):
    with pytest.raises(InputError, match=f"margins.{next(iter(wrong))}"):
        Margins(**wrong)
