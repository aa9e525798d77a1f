"""A corpus is immutable, keeps where each row comes from, and its digest is of its content."""

import numpy as np
import pytest

from outcross.core.corpus import Corpus
from outcross.core.errors import InputError

ROWS = np.arange(12.0).reshape(6, 2)


def test_rows_cannot_be_changed():
    corpus = Corpus.of(ROWS)
    for array in (corpus.items, corpus.born, (corpus + corpus).items, corpus.take(slice(0, 2)).items):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_corpus_does_not_follow_the_array_it_was_made_of():
    mine = ROWS.copy()
    corpus = Corpus.of(mine)
    mine[0] = 99.0
    assert np.array_equal(corpus.items, ROWS)


def test_one_column_may_be_a_vector():
    assert Corpus.of(np.arange(3.0)).items.shape == (3, 1)


def test_origin_follows_its_row():
    both = Corpus.of(ROWS) + Corpus.of(ROWS + 100.0, born=3)
    assert both.born.tolist() == [0] * 6 + [3] * 6
    taken = both.take(np.array([11, 0, 6]))
    assert taken.born.tolist() == [3, 0, 3]
    assert taken.items[:, 0].tolist() == [110.0, 0.0, 100.0]
    assert repr(both) == "Corpus(12 rows x 2, 6 real)"


def test_addition_shares_the_batches():
    a, b = Corpus.of(ROWS), Corpus.of(ROWS)
    assert (a + b).batches[0] is a.batches[0]
    assert (a + b).nbytes == a.nbytes + b.nbytes


def test_the_digest_is_of_the_content_and_not_of_the_batches():
    whole, parts = Corpus.of(ROWS), Corpus.of(ROWS[:2]) + Corpus.of(ROWS[2:])
    assert whole.digest == parts.digest
    changed = ROWS.copy()
    changed[3, 1] = np.nextafter(changed[3, 1], 99.0)
    others = [Corpus.of(changed), Corpus.of(ROWS, born=1), Corpus.of(ROWS.reshape(4, 3)), Corpus.of(ROWS[::-1])]
    assert len({c.digest for c in [whole, *others]}) == 5


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_only_finite_numbers_are_held(wrong):
    with pytest.raises(InputError, match="finite numbers, got 1 that"):
        Corpus.of(np.array([[1.0, wrong]]))


def test_only_tables_are_held():
    with pytest.raises(InputError, match="3 dimensions"):
        Corpus.of(np.zeros((2, 2, 2)))
