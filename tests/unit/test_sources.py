"""Finite data is split once for good; known laws draw what they say."""

import numpy as np
import pytest

from outcross.core.errors import InputError
from outcross.core.rng import Purpose, Streams
from outcross.sources.finite import Finite
from outcross.sources.mixture import Source as MixtureSource
from outcross.sources.normal import Source as Normal
from outcross.sources.tables import read_rows
from outcross.sources.tabular import NAMES
from outcross.sources.tabular import Source as Tabular

ROWS = np.arange(200.0).reshape(100, 2)


def stream(seed, chain=0):
    return Streams.of(seed, chain).stream(0, Purpose.SOURCE)


def firsts(corpus):
    return set(corpus.items[:, 0])


def test_a_split_is_disjoint_whole_and_the_same_for_every_seed():
    source = Finite("t", ROWS, ("x", "y"))
    parts = [source.draw(source.rows, stream(0)), source.validation(999), source.reference(999)]
    assert [len(p) for p in parts] == [70, 10, 20]
    assert set.union(*map(firsts, parts)) == set(ROWS[:, 0])
    again = Finite("t", ROWS, ("x", "y"))
    assert again.reference(999).digest == parts[2].digest
    assert firsts(again.draw(70, stream(9, 3))) == firsts(parts[0])


def test_draws_of_finite_data_are_different_rows_and_differ_between_chains():
    source = Finite("t", ROWS, ("x", "y"))
    assert len(firsts(source.draw(50, stream(0)))) == 50
    assert firsts(source.draw(50, stream(0))) != firsts(source.draw(50, stream(0, 1)))


def test_more_rows_than_there_are_say_how_many_there_are():
    with pytest.raises(InputError, match="70 rows can be drawn .* 71 were asked for: use samples=70"):
        Finite("t", ROWS, ("x", "y")).draw(71, stream(0))
    with pytest.raises(InputError, match="9 rows; at least 10"):
        Finite("t", ROWS[:9], ("x", "y"))


def test_the_fingerprint_is_of_values_and_names():
    prints = [Finite("t", ROWS, ("x", "y")), Finite("u", ROWS, ("x", "y"))]
    assert prints[0].fingerprint() == prints[1].fingerprint()
    changed = ROWS.copy()
    changed[0, 0] += 1e-9
    for other in (Finite("t", changed, ("x", "y")), Finite("t", ROWS, ("x", "z")), Finite("t", ROWS[::-1], ("x", "y"))):
        assert other.fingerprint() != prints[0].fingerprint()


def test_known_laws_draw_their_moments():
    source = MixtureSource(
        [[-1.0, 0.0], [3.0, 1.0]], [[[1.0, 0.5], [0.5, 2.0]], [[1.0, 0.0], [0.0, 1.0]]], [0.25, 0.75]
    )
    rows = source.draw(100_000, stream(0)).items
    mean, covariance = source.law.moments
    np.testing.assert_allclose(mean, [2.0, 0.75])
    assert np.all(np.abs(rows.mean(axis=0) - mean) < 4 * np.sqrt(np.diag(covariance) / len(rows)))
    line = Normal((5.0,), 3.0)
    assert (line.law.moments.mean[0], line.law.moments.covariance[0, 0]) == (5.0, 9.0)
    assert line.columns == ("x",)


@pytest.mark.parametrize("name", NAMES)
def test_the_embedded_tables_are_whole(name):
    source = Tabular(name)
    assert len(source.columns) == source.reference(9).dimension
    assert all(" " not in c for c in source.columns)


def test_a_column_is_chosen_by_name():
    source = Tabular("iris", ["petal_width"])
    assert source.reference(5).items.shape == (5, 1)
    with pytest.raises(InputError, match="^columns is an empty list; leave it out for all columns$"):
        Tabular("iris", [])
    with pytest.raises(InputError, match="^columns has 'petal_width' twice$"):
        Tabular("iris", ["petal_width", "petal_length", "petal_width"])
    with pytest.raises(InputError, match="iris has no column 'petal'; it has sepal_length"):
        Tabular("iris", ["petal"])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MixtureSource([[0.0], [1.0, 2.0]]), "all of one length"),
        (lambda: MixtureSource([[]]), "all of one length"),
        (lambda: MixtureSource(weights=[0.5, 0.6]), "sum to 1"),
        (lambda: MixtureSource(weights=[1.0]), "1 given for 2 components"),
        (lambda: MixtureSource(covariances=-1.0), "a variance is positive, got -1"),
        (lambda: MixtureSource(covariances="round"), "'round'"),
        (lambda: MixtureSource(covariances=[[[1, 2], [2, 1]]] * 2), "matrix 0 is not symmetric and positive definite"),
        (lambda: MixtureSource(covariances=[[[1]]]), "one 2 x 2 matrix for each of the 2 components"),
        (lambda: Normal(()), "one number a column"),
        (lambda: Normal((0.0,), 0.0), "sd is positive, got 0"),
        (lambda: Tabular("irs"), "name is one of .*iris"),
    ],
)
def test_a_wrong_source_says_what_is_wrong(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_a_csv_without_a_header_loses_no_row_silently(tmp_path):
    path = tmp_path / "nohead.csv"
    path.write_text("\n".join(f"{i},{i + 0.5}" for i in range(40)))
    with pytest.raises(InputError, match="first line holds numbers, not column names"):
        read_rows(path)
