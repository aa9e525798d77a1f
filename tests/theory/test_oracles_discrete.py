"""D1-D7, T1, T3 and T4 against plain simulations."""

from functools import cache

import numpy as np
import pytest
from evidence import right, wrong
from simulate import ML, differ, power_law, shuffle_front, take

from outcross.theory import discrete, mixing, scaling
from outcross.theory.drift import extinction

P, N, R = power_law(10, 1.5), 40, 20_000
H0 = 1 - np.sum(P**2)


@cache
def drifting(g, n=N, chains=R):
    """Frequencies after 1 .. g fits under replace."""
    rng, p, out = np.random.default_rng(31), np.tile(P, (chains, 1)), []
    for _ in range(g):
        p = rng.multinomial(n, p) / n
        out.append(p)
    return out


@pytest.mark.parametrize("g", [1, 10, 25])
def test_d1_heterozygosity(g):
    h, of = differ(drifting(25)[g - 1]), f"D1 K=10 n=40 g={g}: "
    right(h, discrete.mean_heterozygosity(P, N, g), of=of + "E H")
    assert discrete.mean_heterozygosity(P, N, g) == pytest.approx(H0 * (1 - 1 / N) ** g)
    if g == 10:
        wrong(h, discrete.mean_heterozygosity(P, N, g - 1), of=of + "E H one fit less")


def test_d1_with_growing_rows():
    rng, p, sizes = np.random.default_rng(32), np.tile(P, (R, 1)), [10, 20, 40, 80]
    for n in sizes:
        p = rng.multinomial(n, p) / n
    right(differ(p), discrete.mean_heterozygosity(P, sizes, 4), of="D1 K=10 n=10,20,40,80 g=4: E H")
    wrong(differ(p), discrete.mean_heterozygosity(P, sizes[0], 4), of="D1 K=10 n=10,20,40,80 g=4: E H of constant rows")


def test_d2_frequencies_stay_unbiased():
    p, of = drifting(25)[9], "D2 K=10 n=40 g=10: "
    spread = discrete.variance_of_frequencies(P, N, 10)
    for i in (0, 4, 9):
        right(p[:, i], discrete.mean_frequencies(P)[i], spread[i], of + f"E p_{i + 1}")
        right((p[:, i] - P[i]) ** 2, spread[i], of=of + f"Var p_{i + 1}")
    wrong((p[:, 0] - P[0]) ** 2, discrete.variance_of_frequencies(P, N, 9)[0], of=of + "Var p_1 one fit less")


def test_d2_d5_fixation_and_its_time():
    rng, n, p, chains = np.random.default_rng(33), 40, 0.3, 40_000
    share, times = np.full(chains, p), np.zeros(chains)
    while ((share > 0) & (share < 1)).any():
        going = (share > 0) & (share < 1)
        times[going] += 1
        share[going] = rng.binomial(n, share[going]) / n
    right(share, p, p * (1 - p), "D2 n=40 p=.3: P(fixation)")
    right(times, discrete.absorption_time(p, n), of="D5 n=40 p=.3: E fits to fixation")
    assert discrete.absorption_time(p, n) == pytest.approx(47.23, abs=0.01)
    assert discrete.absorption_time_diffusion(p, n) == pytest.approx(48.87, abs=0.01)
    wrong(times, discrete.absorption_time_diffusion(p, n), of="D5 n=40 p=.3: diffusion")


@pytest.mark.parametrize(("n", "chains"), [(6, 40_000), (40, 8000)])
def test_d5_all_distinct(n, chains):
    rng, of = np.random.default_rng(34), f"D5 n={n} all distinct: "
    types, times = np.tile(np.arange(n), (chains, 1)), np.ones(chains)
    going = np.arange(chains)
    while len(going):
        times[going] += 1
        types[going] = np.take_along_axis(types[going], rng.integers(0, n, (len(going), n)), axis=1)
        going = going[(types[going] != types[going, :1]).any(axis=1)]
    right(times, discrete.absorption_time_all_distinct(n), of=of + "E fits to one type")
    if n == 6:
        wrong(times, discrete.absorption_time_all_distinct(n) - 1, of=of + "E fits, the real one not counted")
        wrong(times, 2 * (n - 1), of=of + "2n (1 - 1/n)")


def test_d3_first_survivors():
    alive, of = (drifting(25)[0] > 0).sum(axis=1), "D3 K=10 n=40 g=1: "
    right(alive, discrete.first_survivors(P, N), of=of + "E survivors")
    assert discrete.first_survivors(P, N) == pytest.approx(7.755, abs=1e-3)
    wrong(alive, discrete.first_survivors(P, N - 4), of=of + "E survivors of fewer rows")


@pytest.mark.parametrize("copies", [1, 3, 10])
def test_d4_rare_categories_die_by_branching(copies):
    rng, n, chains = np.random.default_rng(35), 20_000, 100_000
    count = np.full(chains, copies)
    for g in range(1, 41):
        count = rng.binomial(n, count / n)
        if g in (1, 10, 40):
            chance, of = discrete.lost(copies, g), f"D4 n=20000 c={copies} g={g}: "
            right(count == 0, chance, chance * (1 - chance), of + "P(lost)")
            if g == 10:
                for other, name in ((discrete.lost(copies, 9), "one draw less"), (np.exp(-0.2 * copies), "e^(-2c/g)")):
                    wrong(count == 0, other, other * (1 - other), of + "P(lost) " + name)


def test_d4_survivors_of_the_true_law():
    rng, p, n = np.random.default_rng(36), power_law(200, 1.2), 1000
    now = np.tile(p, (400, 1))
    for g in range(1, 41):
        now = rng.multinomial(n, now) / n
        if g in (1, 10, 40):
            assert discrete.survivors(p, n, g) == pytest.approx((now > 0).sum(axis=1).mean(), rel=0.01)
            assert abs(discrete.survivors(p, n, g + max(2, g // 2)) / (now > 0).sum(axis=1).mean() - 1) > 0.05


@pytest.mark.parametrize("sizes", [[500, 1000, 2000, 4000, 8000], [4000, 2000, 1000, 500, 700]])
def test_d4_effective_rows_of_a_schedule(sizes):
    rng, p, g = np.random.default_rng(43), power_law(5000, 1.3), len(sizes)
    now = np.tile(p, (400, 1))
    for n in sizes:
        now = rng.multinomial(n, now) / n
    of = f"D4 K=5000 rows={sizes[0]}..{sizes[2]}..{sizes[-1]} g=5: E survivors"
    right((now > 0).sum(axis=1), discrete.survivors(p, sizes, g), of=of)
    wrong((now > 0).sum(axis=1), discrete.survivors(p, sizes[::-1], g), of=of + " reversed")
    missing = np.where(now == 0, p, 0).sum(axis=1)
    right(missing, scaling.unseen_mass_replaced(p, sizes, g), of=of.replace("survivors", "unseen mass"))
    for n, fits in ((100, 1), (1000, 30)):
        assert discrete.effective_rows(n, fits) == pytest.approx(-n * np.log(extinction(fits)[-1]))


def test_t1_a_learner_sees_no_more_than_its_generator():
    """T^(-c) + T_0^(-c): a plateau in T at what T_0 real rows miss."""
    p = scaling.zipf(1.5, 10**6)
    assert scaling.unseen_mass_replaced(p, [1000, 10**7], 2) == pytest.approx(scaling.unseen_mass(p, 1000), rel=1e-3)
    assert scaling.unseen_mass_replaced(p, [10**7, 1000], 2) == pytest.approx(scaling.unseen_mass(p, 1000), rel=1e-3)
    both = [scaling.unseen_mass_replaced(p, [t, t], 2) for t in (100, 10_000)]
    assert slope((100, 10_000), both) == pytest.approx(-1 / 3, abs=0.02)


@cache
def anchored(anchor, original=N, real=4, last=140, stops=(1, 2, 5, 20, 140)):
    rng = np.random.default_rng(37)
    rows = rng.choice(len(P), size=(R, original), p=P)
    one_hot = np.eye(len(P), dtype=np.int64)
    all_real = one_hot[rows].sum(axis=1)
    kept = one_hot[rows[:, :real]].sum(axis=1)
    p, out = all_real / original, {}
    for g in range(1, last + 1):
        if g in stops:
            out[g] = p
        if anchor == "fresh":
            fresh = rng.multinomial(real, P, R)
        elif anchor == "redrawn":
            shuffle_front(rng, rows, real)
            fresh = one_hot[rows[:, :real]].sum(axis=1)
        else:
            fresh = kept
        p = (fresh + rng.multinomial(N - real, p)) / N
    return out, (all_real / original if anchor == "redrawn" else kept / real)


@pytest.mark.parametrize("anchor", ["fresh", "fixed", "redrawn"])
def test_d6_heterozygosity_with_real_rows(anchor):
    found, own = anchored(anchor)
    expected = discrete.mixed_heterozygosity(P, N, 0.1, 140, anchor)
    for g in (1, 2, 5, 20, 140):
        right(differ(found[g]), expected[g - 1], of=f"D6 K=10 n=40 alpha=.1 {anchor} g={g}: E H")
    h, of = differ(found[140]), f"D6 K=10 n=40 alpha=.1 {anchor} g=140: "
    if anchor == "fresh":
        limit = discrete.mixed_limit(P, N, 0.1)
        assert limit == pytest.approx(0.6170, abs=1e-4)
        right(h, limit, of=of + "limit of E H")
        wrong(h, discrete.mixed_limit(P, N, 0.1, "fixed"), of=of + "limit of the fixed anchor")
    else:
        share = mixing.fixed_point(N, 0.1, anchor, N if anchor == "redrawn" else None).S
        right(h - share * differ(own), 0.0, of=of + "limit given the anchor, less E H")
        assert discrete.mixed_limit(P, N, 0.1, anchor, N) == pytest.approx(share * H0)
    wrong(h, discrete.mean_heterozygosity(P, N, 140), of=of + "E H of replace")


def test_d6_what_a_fixed_anchor_lacks_never_returns():
    found, own = anchored("fixed")
    assert not ((found[140] > 0) & (own == 0)).any()
    found, own = anchored("fresh")
    assert ((found[140] > 0) & (own == 0)).any()


def test_d7_accumulate():
    rng, p, pool = np.random.default_rng(38), np.tile(P, (R, 1)), 0
    for g in range(1, 31):
        pool = pool + rng.multinomial(N, p)
        p = pool / (g * N)
        if g in (1, 2, 30):
            of = f"D7 K=10 n=40 g={g}: "
            right(differ(p), discrete.accumulated_heterozygosity(P, N, g), of=of + "E H")
            if g == 2:
                wrong(differ(p), discrete.mean_heterozygosity(P, N, g), of=of + "E H of replace")


def test_d7_accumulate_and_subsample():
    rng, n, p, pool = np.random.default_rng(39), 10, np.tile(P, (R, 1)), 0
    for g in range(1, 13):
        pool = pool + rng.multinomial(n, p)
        p = take(rng, pool, n) / n
        if g in (1, 2, 12):
            of = f"D7 K=10 n=10 subsampled g={g}: "
            right(differ(p), discrete.subsampled_heterozygosity(P, n, g), of=of + "E H")
            if g == 12:
                wrong(differ(p), discrete.accumulated_heterozygosity(P, n, g), of=of + "E H of accumulate")


# ---- Zipf data ----


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def missed(rng, drawn_from, p, draws, chains):
    """Mass of p that `draws` rows lack, in each of many samples."""
    x = np.sort(np.searchsorted(np.cumsum(drawn_from), rng.random((chains, draws)) * drawn_from.sum()), axis=1)
    new = np.ones_like(x, dtype=bool)
    new[:, 1:] = x[:, 1:] != x[:, :-1]
    return 1 - np.where(new, p[np.minimum(x, len(p) - 1)], 0).sum(axis=1)


def test_t4_unseen_mass():
    p, counts = scaling.zipf(1.5, 10**6), (10**2, 10**3, 10**4, 10**5)
    unseen = [scaling.unseen_mass(p, t) for t in counts]
    assert unseen == pytest.approx([0.202, 0.0934, 0.0430, 0.0195], abs=5e-4)
    assert scaling.exponent(1.5) == pytest.approx(1 / 3)
    assert slope(counts, unseen) == pytest.approx(-scaling.exponent(1.5), abs=0.02)
    for t in (100, 1000):
        found = missed(np.random.default_rng(40), p, p, t, 1000)
        right(found, scaling.unseen_mass(p, t), of=f"T4 beta=1.5 T={t}: E unseen mass")
        wrong(found, scaling.unseen_mass(p, 2 * t), of=f"T4 beta=1.5 T={t}: E unseen mass of twice the rows")


def test_t4_unseen_mass_after_replace():
    """It grows as g^c, as f_g is about 1 - 2/g: not as g."""
    p, n, chains = power_law(2000, 1.5), 1000, 1000
    rng, now = np.random.default_rng(41), np.tile(p, (chains, 1))
    for g in range(1, 11):
        now = rng.multinomial(n, now) / n
        if g in (1, 3, 10):
            found = np.where(now == 0, p, 0).sum(axis=1)
            right(found, scaling.unseen_mass_replaced(p, n, g), of=f"T4 beta=1.5 K=2000 n=1000 replace g={g}: E unseen")
    wrong(found, 10 * scaling.unseen_mass_replaced(p, n, 1), of="T4 beta=1.5 K=2000 n=1000 replace g=10: linear in g")
    long = scaling.zipf(1.5, 10**6)
    fits = (30, 100, 300)
    grown = [scaling.unseen_mass_replaced(long, 10**5, g) for g in fits]
    assert slope(fits, grown) == pytest.approx(scaling.exponent(1.5), abs=0.03)


@pytest.mark.parametrize("real", [0.0, 0.02])
def test_t1_t3_unseen_mass_with_a_cut_tail(real):
    p, kept = power_law(10_000, 1.5), 50
    q = real * p
    q[:kept] += (1 - real) * p[:kept] / p[:kept].sum()
    for t in (30, 1000):
        found, of = missed(np.random.default_rng(42), q, p, t, 2000), f"{'T3' if real else 'T1'} beta=1.5 k=50 T={t}: "
        right(found, scaling.unseen_mass_cut(p, t, kept, real), of=of + "E unseen mass")
        wrong(found, scaling.unseen_mass(p, t), of=of + "E unseen mass without a cut")


def test_t1_the_cut_makes_a_plateau_of_its_own_order():
    p, cuts = scaling.zipf(1.5, 10**6), (10, 30, 100)
    plateau = [scaling.unseen_mass_cut(p, 10**7, k) for k in cuts]
    assert slope(cuts, plateau) == pytest.approx(-0.5, abs=0.03)
    for k in cuts:
        assert scaling.unseen_mass_cut(p, int(100 * k**1.5), k) / plateau[cuts.index(k)] == pytest.approx(1, abs=0.02)
    early = [scaling.unseen_mass_cut(p, t, 10_000) for t in (100, 1000)]
    assert slope((100, 1000), early) == pytest.approx(-1 / 3, abs=0.05)


def test_t3_real_rows_end_the_plateau_late():
    """Share 1 %, cut at k = 100, k^beta = 1000: flat while 1 % of T is below it, then as the real rows."""
    p, kept, real = scaling.zipf(1.5, 10**6), 100, 0.01
    at = {t: scaling.unseen_mass_cut(p, t, kept, real) for t in (10**4, 3 * 10**4, 10**7, 10**8)}
    assert -0.12 < slope((10**4, 3 * 10**4), (at[10**4], at[3 * 10**4]))
    for t in (10**7, 10**8):
        assert at[t] == pytest.approx(scaling.unseen_mass(p, int(real * t)), rel=0.01)
    assert at[10**8] < 0.2 * scaling.unseen_mass_cut(p, 10**8, kept)


def test_the_two_worlds_lose_alike():
    """One formula for variance and heterozygosity: E H_g / H_0 is the ML variance of M1."""
    found = discrete.mixed_heterozygosity(P, N, 0.1, 50, "redrawn", 60)
    np.testing.assert_allclose(found / H0, mixing.recursion(N, 0.1, 50, "redrawn", ML, 60).S, rtol=1e-14)
