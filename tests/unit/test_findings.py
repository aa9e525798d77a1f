"""What the page says of theory and of rare categories, on numbers planted by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from outcross.measures.extinction import BINS
from outcross.report import agreement, observatory, theory
from outcross.report.bands import ramp, steps
from outcross.report.observatory import Fate
from outcross.report.theory import Bin, Verification, percent
from outcross.theory.live import Check, Prediction

FRAME = SimpleNamespace(
    cells=[SimpleNamespace(label="replace"), SimpleNamespace(label="mix")], experiment=SimpleNamespace(chains=8)
)
LIMIT = 4.0


def prediction(z, generation=10, bias=math.inf, quantity="heterozygosity_ratio"):
    return Prediction("D1", quantity, generation, 0.9 + 0.01 * z, 0.9, 0.01, z, bias)


def verified(*cells):
    return Verification({i: Check(list(found), {}) for i, found in enumerate(cells)})


def fate(lost, expected, variance=100.0, real=False, label="replace"):
    bins = [Bin(1, 1, 500.0, lost, expected, variance), Bin(65, 128, 9.0, 1.0, math.nan, math.nan)]
    return Fate(SimpleNamespace(label=label), {0: [], 40: bins}, real)


def test_agreement_is_told_with_the_largest_z():
    told = agreement.title(FRAME, verified([prediction(2.6), prediction(-1.0, bias=0.004)]))
    assert told == "All 2 predictions of theory hold: largest |z| 2.6, chance explains up to 3.5"


def test_a_run_that_leaves_theory_is_told_where_it_first_did():
    found = verified([prediction(1.0), prediction(0.5)], [prediction(-9.0, 100), prediction(-5.0, 50)])
    told = agreement.title(FRAME, found)
    assert told.startswith(
        "The run leaves theory at generation 50 under mix: heterozygosity_ratio 0.85 where D1 expects"
    )
    assert "2 of 4 predictions are beyond what chance explains" in told
    assert "z \N{MINUS SIGN}5.0" in told


def test_a_z_that_is_no_number_leaves_theory():
    assert "leaves theory" in agreement.title(FRAME, verified([prediction(math.nan)]))


def test_the_caption_says_what_would_have_shown_and_cites_the_oracle():
    told = agreement.caption(FRAME, verified([prediction(0.1, bias=0.0033)]))
    assert "A bias of 0.33 % in every fit would have shown" in told
    assert "one false alarm in 1,000 sound runs, corrected for 1 prediction (" in told
    assert "Seddik et al., arXiv 2404.05090" in told
    assert "No oracle covers mix." in told


@pytest.mark.parametrize(("share", "told"), [(0.0033, "0.33 %"), (3.8e-5, "0.0038 %"), (1.7e-7, "0.17 in a million")])
def test_a_small_share_has_no_exponent(share, told):
    assert percent(share) == told


@pytest.mark.parametrize(
    ("one", "pace"),
    [
        (fate(305.0, 301.0), "as chance alone loses them"),
        (fate(412.0, 301.0), "faster than chance"),
        (fate(200.0, 301.0), "slower than chance"),
        (fate(200.0, 301.0, real=True), "slower than chance, as real data come back,"),
        (fate(300.0, 301.0, real=True), "as fast as without real data"),
        (fate(412.0, 301.0, real=True), "faster than chance"),
        (fate(2.0, 1.0, variance=0.9), "in numbers too small to judge"),
        (fate(2.0, math.nan, variance=math.nan), "with no law of chance to compare with"),
    ],
)
def test_rare_categories_are_told_against_chance(one, pace):
    assert observatory.pace(one, LIMIT) == pace


def test_the_title_gives_the_numbers_and_their_interval():
    told = observatory.title([fate(412.0, 301.0), fate(50.0, 301.0, real=True, label="mix")], LIMIT)
    assert told == (
        "By generation 40, rare categories are lost faster than chance under replace (412 lost, 281 to 321 by chance "
        "alone, z 11.1) and slower than chance, as real data come back, under mix (50 lost, 281 to 321 without real "
        "data)"
    )


def test_many_cells_are_counted():
    told = observatory.title([fate(305.0, 301.0)] * 3 + [fate(50.0, 301.0, real=True)], LIMIT)
    assert "as chance alone loses them in 3 of 4 cells" in told
    assert "as real data come back, in 1 of 4 cells" in told


def test_only_ranges_of_copies_that_lose_any_are_drawn_from_the_rarest():
    bins = [Bin(2 ** (b - 1) + 1 if b else 1, 2**b, 10.0, float(b != 2), math.nan, math.nan) for b in range(12)]
    assert steps(reversed(bins)) == [
        "1", "2", "5–8", "9–16", "17–32", "33–64", "65–128", "129–256",
    ]  # fmt: skip
    assert [ramp(i, 3) for i in range(3)] == [0, 4, 7]
    assert ramp(0, 1) == 0


def extinctions(*chains, growth="constant", teacher=None):
    """A frame whose chains have (types, lost, expected, variance) of each bin."""
    tables = {(0, c): np.full((BINS, 4), np.nan) for c in range(len(chains))}
    for table, bins in zip(tables.values(), chains, strict=True):
        table[:, :2] = 0.0
        table[: len(bins)] = bins
    reader = SimpleNamespace(arrays=lambda key, generation, prefix: {"extinction": tables[key]})
    cell = SimpleNamespace(samples={"growth": growth}, teacher=teacher)
    return SimpleNamespace(chains=tables, reader=reader, cells=[cell])


def test_the_law_holds_of_a_range_that_some_chains_do_not_have():
    none, one, two = (0.0, 0.0, math.nan, math.nan), (4.0, 2.0, 1.5, 0.9), (9.0, 3.0, 2.5, 1.0)
    found = theory.extinction(extinctions([none, two], [one, two]), 0, 5)
    assert found == [Bin(1, 1, 4.0, 2.0, 1.5, 0.9), Bin(2, 2, 18.0, 6.0, 5.0, 2.0)]


def test_nothing_is_expected_of_a_range_too_frequent_for_the_law_of_pools_that_grow_or_after_a_teacher():
    law, too_frequent = (4.0, 2.0, 1.5, 0.9), (4.0, 2.0, math.nan, math.nan)
    taught = extinctions([law], teacher={"samples": 9})
    for frame in (extinctions([law], [too_frequent]), extinctions([law], growth="linear"), taught):
        (found,) = theory.extinction(frame, 0, 5)
        assert found.lost in (2.0, 4.0)
        assert math.isnan(found.expected)
        assert math.isnan(found.variance)
