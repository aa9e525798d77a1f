"""Rarity: bins, resampling and verdicts on laws that are known; what is too little is never called fine."""

from dataclasses import replace

import numpy as np
import pytest

from outcross.core.errors import InputError
from outcross.core.rng import Streams
from outcross.measures.chance import Chance, Documents, octave, score_of
from outcross.measures.rarity import DOCUMENTS, Rarity, rarity

ZIPF = np.arange(1, 401) ** -1.1
ZIPF /= ZIPF.sum()


def rng(seed=0):
    return np.random.default_rng(seed)


def column(n=20_000, seed=0, p=ZIPF):
    return rng(seed).choice(len(p), size=n, p=p)


def counted(codes, items=len(ZIPF)):
    return np.bincount(codes, minlength=items)


def test_documents_count_words_and_leave_their_input_alone():
    codes, offsets = np.array([2, 0, 2, 1, 1, 1], dtype=np.int32), np.array([0, 3, 4, 6])
    kept = codes.copy(), offsets.copy()
    made = Documents.of(codes, offsets, 4)
    assert made.counts.toarray().tolist() == [[1, 0, 2, 0], [0, 1, 0, 0], [0, 2, 0, 0]]
    assert made.lengths.tolist() == [3, 1, 2]
    assert made.total.tolist() == [1, 3, 2, 0]
    assert made.number == 3
    assert np.array_equal(codes, kept[0])
    assert np.array_equal(offsets, kept[1])


def test_single_rows_are_kept_as_counts_and_blocks_as_documents():
    codes = np.array([1, 1, 0, 1, 2])
    rows = Documents.rows(codes, 3)
    assert rows.counts.shape == (3, 3)
    assert rows.times.tolist() == [1, 3, 1]
    assert rows.number == 5
    blocks = Documents.rows(codes, 3, block=2)
    assert blocks.counts.toarray().tolist() == [[0, 2, 0], [1, 1, 0], [0, 0, 1]]
    assert blocks.total.tolist() == rows.total.tolist()
    with pytest.raises(InputError, match="a block is one row or more, got 0"):
        Documents.rows(codes, 3, block=0)


def test_octaves_are_1_2_3_to_4_5_to_8():
    assert octave(np.array([0, 1, 2, 3, 4, 5, 8, 9, 16, 17])).tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 4, 5]
    powers = 2 ** np.arange(40)
    assert octave(powers).tolist() == list(range(40))


def chance(real, found, resamples=99):
    size = round(np.sum(found) / real.total.sum() * real.number)
    return Chance(real, size, generations=1, resamples=resamples, streams=Streams.of(0, 0))


def test_bins_part_the_items_of_one_half_and_share_sum_to_one():
    real = Documents.rows(column(), len(ZIPF))
    test = chance(real, counted(column(seed=1)))
    t, r = test.split
    assert (t + r == real.times).all()
    assert t.sum() == r.sum() == 10_000
    for b, (least, most) in enumerate(test.edges):
        copies = test.copies[test.bin_of == b]
        assert (copies >= least).all()
        assert (copies <= most).all()
        assert copies.sum() >= 50
    assert (test.bin_of[test.copies > 0] >= 0).all()
    assert [a for a, _ in test.edges[1:]] == [b + 1 for _, b in test.edges[:-1]]
    assert test.tested.tolist() == list(range(len(test.tested)))
    held = test.copies[np.isin(test.bin_of, test.tested[:-1])].sum()
    assert held < 0.25 * test.copies.sum()


def test_resamples_have_the_moments_of_drawing_whole_documents():
    g = rng(3)
    lengths = g.integers(1, 30, size=200)
    codes = np.repeat(column(200, seed=4), lengths)  # documents that repeat one word: as bursty as can be
    real = Documents.of(codes, np.r_[0, np.cumsum(lengths)], len(ZIPF))
    test = chance(real, real.total, resamples=999)
    weights = [np.concatenate(w, axis=1) for w in zip(*test._weights())]
    assert [w.shape for w in weights] == [(200, 999)] * 5
    held, drawn, here, whole, again = weights
    for w, times, draws in ((held, test.split[1], 1), (drawn, test.split[1], 3), (here, real.times, 1),
                            (whole, real.times, 1), (again, real.times, 3)):  # fmt: skip
        n, m = times.sum(), w[:, 0].sum()
        assert (w.sum(axis=0) == m).all()
        assert (w[times == 0] == 0).all()
        expected = m / n
        assert abs(w[times > 0].mean() - expected) < 1e-9
        sizes = {1: [m], 3: [200, m]}[draws]  # variance of a neutral count adds up over the draws
        variance = expected * (1 - 1 / n) + (expected**2 * n / sizes[0] if draws == 3 else 0)
        assert w[times > 0].var() == pytest.approx(variance, rel=0.1)


def test_streams_are_fixed_by_the_seed():
    real, found = Documents.rows(column(), len(ZIPF)), counted(column(seed=1))
    first, again = (rarity(real, found, resamples=99) for _ in range(2))
    assert repr(first) == repr(again)
    assert rarity(real, found, resamples=99, seed=1).bins != first.bins


def test_scores_know_burstiness():
    ratio = np.array([1.0])
    even = score_of(np.zeros((1, 1)), np.full((1, 1), 40.0), np.full((1, 1), 40.0), ratio, 1.0)
    bursty = score_of(np.zeros((1, 1)), np.full((1, 1), 40.0), np.full((1, 1), 1600.0), ratio, 1.0)
    assert even[0, 0] == pytest.approx(40 * np.log(0.5))  # 40 single copies: (1/2)^40
    assert bursty[0, 0] == 0.0  # one document of 40: nothing to speak of
    more = score_of(np.full((1, 1), 60.0), np.full((1, 1), 40.0), np.full((1, 1), 40.0), ratio, 1.0)
    assert more[0, 0] == 0.0


@pytest.mark.parametrize("block", [1, 10])
def test_a_column_against_another_is_kept_and_a_sharpened_one_is_lost(block):
    real = Documents.rows(column(40_000), len(ZIPF), block)
    kept = rarity(real, counted(column(40_000, seed=1)))
    assert kept.verdict == "kept", kept.why
    assert not kept.lost
    cold = ZIPF**1.2
    lost = rarity(real, counted(column(40_000, seed=2, p=cold / cold.sum())))
    assert lost.lost
    assert lost.bins[0].p <= 0.05
    assert lost.bins[0].high < 1
    assert lost.bins[0].ratio == pytest.approx(lost.bins[0].snapshot / lost.bins[0].real)


def test_the_detectable_loss_is_detected():
    """A bin that has lost what is called detectable is found in most snapshots; one that lost a third of it is not."""
    real = Documents.rows(column(40_000), len(ZIPF))
    first = rarity(real, counted(column(40_000, seed=1)), resamples=199, origin="elsewhere")
    loss, most = first.bins[0].detectable, first.bins[0].most
    t = chance(real, real.total).copies
    rare = (t > 0) & (t <= most)
    found = {share: 0 for share in (1.0, 0.3)}
    for share in found:
        p = np.where(rare, ZIPF * (1 - share * loss), ZIPF)
        for seed in range(20):
            snapshot = counted(column(40_000, seed=50 + seed, p=p / p.sum()))
            found[share] += rarity(real, snapshot, resamples=199, origin="elsewhere").bins[0].p <= 0.05
    assert found[1.0] >= 12
    assert found[0.3] <= 8


def test_saying_where_the_snapshot_comes_from_finds_smaller_losses():
    real = Documents.rows(column(), len(ZIPF))
    snapshot = counted(rng(7).choice(column(), 20_000))
    first = {o: rarity(real, snapshot, origin=o).bins[0] for o in ("either", "here", "elsewhere")}
    assert first["here"].detectable < first["either"].detectable
    assert first["elsewhere"].detectable < first["either"].detectable
    assert first["here"].real == first["here"].whole
    assert first["elsewhere"].real == first["elsewhere"].held


def test_an_unknown_origin_has_the_interval_of_both():
    real, snapshot = column(), counted(column(seed=1))
    by = {o: rarity(Documents.rows(real, len(ZIPF)), snapshot, origin=o).bins for o in ("either", "here", "elsewhere")}
    for either, here, elsewhere in zip(*by.values(), strict=True):
        if not np.isnan(either.p):
            assert either.low == pytest.approx(min(here.low, elsewhere.low))
            assert either.high == pytest.approx(max(here.high, elsewhere.high))
            assert either.low < 1.0 < either.high


def test_more_generations_allow_for_more_chance():
    real = Documents.rows(column(), len(ZIPF))
    snapshot = counted(column(seed=1))
    loss = [rarity(real, snapshot, generations=g, origin="here").bins[0].detectable for g in (1, 3, 9)]
    assert loss[0] < loss[1] < loss[2]


# ---- too little is inconclusive, never fine ----


def few_documents():
    return Documents.rows(column(DOCUMENTS - 1), len(ZIPF)), counted(column(1000))


def handful():
    return Documents.rows(column(), len(ZIPF)), counted(column(12))


def nothing():
    return Documents.rows(column(), len(ZIPF)), np.zeros(len(ZIPF))


def fraction_of_a_document():
    codes = column(20_000)
    return Documents.of(codes, np.arange(0, 20_001, 200), len(ZIPF)), counted(column(50))


def no_rare_items():
    even = np.full(2, 0.5)
    return Documents.rows(column(5000, p=even), 2), counted(column(5000, 1, even), 2)


def all_rare():
    return Documents.rows(np.arange(100), 100), np.ones(100)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (few_documents, "39 real documents; at least 40"),
        (handful, "tokens of snapshot are needed, there are 12$"),
        (nothing, "the snapshot's 0 tokens are less than one real document of 1 tokens"),
        (fraction_of_a_document, "the snapshot's 50 tokens are less than one real document of 200 tokens"),
        (no_rare_items, "has no rare items"),
        (all_rare, "has no rare items"),
    ],
)
def test_too_little_is_inconclusive_and_says_what_is_needed(case, says):
    found = rarity(*case())
    assert found.verdict == "inconclusive"
    assert not found.lost
    assert found.why.startswith("inconclusive: ")
    import re

    assert re.search(says, found.why), found.why


@pytest.mark.parametrize("origin", ["here", "elsewhere"])
@pytest.mark.parametrize(("rows", "drawn"), [(2000, 150), (20_000, 300), (20_000, 50)])
def test_what_is_said_to_be_needed_is_enough_and_not_far_too_much(rows, drawn, origin):
    real = Documents.rows(column(rows), len(ZIPF))
    small = rarity(real, counted(column(drawn, seed=1)), origin=origin)
    assert small.verdict == "inconclusive"
    if "whatever the snapshot" in small.why:
        assert rarity(real, counted(column(10**6, seed=1)), origin=origin).bins[0].detectable > 0.45
        return
    needed = int(small.why.split("about ")[1].split(" tokens")[0].replace(",", ""))
    enough = rarity(real, counted(column(round(1.2 * needed), seed=1)), origin=origin).bins[0].detectable
    assert 0.3 < enough <= 0.5


@pytest.mark.parametrize("seed", range(8))
def test_rare_items_that_all_lie_in_one_document_can_go_by_chance(seed):
    """T has it or R has it, never both: nothing to compare with, and nothing that chance could not do."""
    common = [rng(i).integers(10, 14, size=50) for i in range(99)]
    documents = [np.repeat(np.arange(10), 6), *common]
    real = Documents.of(np.concatenate(documents), np.r_[0, np.cumsum([len(d) for d in documents])], 14)
    without = np.bincount(np.concatenate(common), minlength=14)
    found = rarity(real, without, seed=seed, resamples=199)
    assert found.verdict == "inconclusive", found.why
    assert not found.named


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"generations": 0}, "generations are 1 to 1000, got 0"),
        ({"alpha": 0.0}, "alpha is between 0 and 0.5, got 0"),
        ({"alpha": float("nan")}, "alpha is between"),
        ({"resamples": 79}, "resamples are 80 to 65,535 at this alpha, got 79"),
        ({"resamples": 1 << 16}, "resamples are"),
        ({"alpha": 0.01, "resamples": 399}, "resamples are 400"),
    ],
)
def test_settings_out_of_range_are_refused(settings, says):
    with pytest.raises(InputError, match=says):
        rarity(Documents.rows(column(), len(ZIPF)), counted(column()), **settings)


def test_both_sides_count_the_same_items():
    with pytest.raises(InputError, match="count the same items"):
        rarity(Documents.rows(column(), len(ZIPF)), np.ones(3))


def test_results_are_values():
    result = rarity(Documents.rows(column(), len(ZIPF)), counted(column(seed=1)), resamples=99)
    assert isinstance(result, Rarity)
    assert replace(result, verdict="lost").lost
    assert result.facts["real_tokens"] == result.facts["snapshot_tokens"] == 20_000
    assert str(result.bins[0]).startswith("items with ")
